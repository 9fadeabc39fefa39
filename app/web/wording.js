/** Numbers, times and durations as the page writes them. Knows no element and no message. */

export const NONE = "–";

/** @param {number | null | undefined} value @param {number} digits */
export function decimal(value, digits) {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : value.toFixed(digits);
}

/** @param {number | null | undefined} value a share, 1 is all */
export function percent(value) {
  return value === null || value === undefined ? NONE : (100 * value).toFixed(1);
}

/** @param {number | null | undefined} count */
export function whole(count) {
  return count === null || count === undefined ? NONE : count.toLocaleString("en");
}

/**
 * Say how old something is, short enough for a badge: "180 ms", "3.2 s", "4 min".
 * @param {number | null} seconds
 */
export function age(seconds) {
  if (seconds === null || Number.isNaN(seconds)) return NONE;
  if (seconds < 0.005) return "under 10 ms";
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 100) * 10)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return duration(seconds);
}

/**
 * Say how long something took: "under 1 s", "8 s", "3 min 20 s", "2 h 5 min".
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 0.5) return "under 1 s";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  const minutes = Math.floor((s % 3600) / 60);
  return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
}

/**
 * Write a time of day in the operator's time zone, with seconds.
 * @param {number} epochS seconds since epoch
 */
export function timeOfDay(epochS) {
  return new Date(epochS * 1000).toLocaleTimeString("en-GB");
}

/**
 * Write an instant as a datetime-local input has it, in the operator's time zone.
 * @param {number} epochS seconds since epoch
 * @param {boolean} [seconds] whether with seconds
 */
export function localInput(epochS, seconds = false) {
  const date = new Date(epochS * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, seconds ? 19 : 16);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** Say how large a file is, in powers of ten: "34 kB". @param {number} bytes */
export function bytes(bytes) {
  if (bytes < 1000) return counted(bytes, "byte");
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${["", "kB", "MB", "GB"][power]}`;
}
