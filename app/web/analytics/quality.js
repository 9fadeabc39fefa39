/** How far a figure can be trusted, in words. Knows the history's quality and nothing of figures. */

import * as wording from "../wording.js";

/** @import { Quality } from "../archive.js" */

const MOSTLY = 0.8; // observed less than this, a figure is marked as doubtful
const LISTED_CAMERAS = 4;

/** Whether anything was observed. @param {Quality | null | undefined} quality */
export const isObserved = (quality) => (quality?.observed ?? 0) > 0;

/** Whole percent, never rounded up to all or down to nothing. @param {number} share */
export function share(share) {
  const percent = Math.round(100 * share);
  if (percent === 100 && share < 1) return "99 %";
  if (percent === 0 && share > 0) return "under 1 %";
  return `${percent} %`;
}

/** In short: "observed 92 %". @param {Quality | null | undefined} quality */
export function shortly(quality) {
  return isObserved(quality) ? `observed ${share(/** @type {number} */ (quality?.observed))}` : "not observed";
}

/** "warn" where much was not observed. @param {Quality | null | undefined} quality */
export function mood(quality) {
  return isObserved(quality) && (quality?.observed ?? 0) < MOSTLY ? "warn" : "";
}

/** In full sentences. @param {Quality | null | undefined} quality */
export function fully(quality) {
  if (!quality || !isObserved(quality)) return "Nobody watched: there are no figures for this time.";
  const parts = [`Cameras watched ${share(/** @type {number} */ (quality.observed))} of the time and area.`];
  const out = [...quality.cameras_out].sort((a, b) => b.seconds - a.seconds);
  const listed = out.slice(0, LISTED_CAMERAS).map(({ camera, seconds }) => `${camera} for ${wording.duration(seconds)}`);
  const others = out.length - listed.length;
  if (out.length > 0) parts.push(`Out: ${listed.join(", ")}${others > 0 ? ` and ${wording.counted(others, "other")}` : ""}.`);
  if (quality.sigma_m !== null) parts.push(`Places are true to ±${Math.round(100 * quality.sigma_m)} cm.`);
  if (quality.certainty !== null) parts.push(`Ids are right with ${share(quality.certainty)}.`);
  return parts.join(" ");
}
