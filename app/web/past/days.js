/** Days, spans and marks of time in the operator's time zone. Knows the calendar and nothing of the page. */

export const DAY_S = 86_400;

const MARKS_S = [10, 60, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200];

/** Midnight before an instant. @param {number} at seconds since epoch */
export function midnight(at) {
  return new Date(at * 1000).setHours(0, 0, 0, 0) / 1000;
}

/** Midnight some days later; days of 23 and 25 hours count as one. @param {number} at seconds since epoch @param {number} days */
export function midnightAfter(at, days) {
  const date = new Date(at * 1000);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime() / 1000;
}

/** Write a day: "Sat 21 Nov 2026". @param {number} at seconds since epoch */
export function day(at) {
  return new Date(at * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" }).replace(",", "");
}

/** Write a day and a time: "Sat 21 Nov, 12:03". @param {number} at seconds since epoch */
export function dayAndTime(at) {
  const date = new Date(at * 1000);
  const name = date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
  return `${name}, ${date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** Write a time without seconds. @param {number} at seconds since epoch */
export function hourAndMinute(at) {
  return new Date(at * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/**
 * Return round instants of a span, some distance apart.
 * @param {number} since @param {number} until seconds since epoch
 * @param {number} most how many there may be
 * @returns {{at: number, label: string}[]}
 */
export function marks(since, until, most) {
  const step = MARKS_S.find((seconds) => (until - since) / seconds <= most) ?? DAY_S;
  const first = midnight(since);
  const found = [];
  for (let at = first + Math.ceil((since - first) / step) * step; at <= until; at += step) {
    found.push({ at, label: step < 60 ? new Date(at * 1000).toLocaleTimeString("en-GB") : hourAndMinute(at) });
  }
  return found;
}
