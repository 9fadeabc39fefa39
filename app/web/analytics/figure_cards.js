/** The row of figures of the analytics view, each with how far it can be trusted. Knows one Dashboard. */

import { epoch } from "../archive.js";
import { dayAndTime } from "../past/days.js";
import * as wording from "../wording.js";
import { fully, isObserved, mood, shortly } from "./quality.js";

/** @import { Dashboard } from "../archive.js" */

/**
 * Write the figures.
 * @param {HTMLElement} element with [data-figure] parts
 * @param {Dashboard} told
 * @param {boolean} isLine whether the place is a line: people cross it and do not stay
 */
export function writeFigures(element, told, isLine) {
  const peak = told.peak ?? null;
  const known = isObserved(told.quality);
  /** @type {Record<string, [string | null, string, string]>} value, label, hint */
  const figures = {
    visitors: [count(told.visitors), "Visitors", "different people"],
    peak: [isLine ? null : count(peak?.people), "Most at once", peak && !isLine ? `hour of ${dayAndTime(epoch(peak.at))}` : ""],
    dwell: [isLine || told.mean_dwell_s === null ? null : wording.duration(told.mean_dwell_s), "Mean stay", "of each stay"],
    entered: [count(told.entered), isLine ? "Crossed in" : "Came in", "times"],
    left: [count(told.left), isLine ? "Crossed out" : "Went out", "times"],
  };
  for (const [name, [value, label, hint]] of Object.entries(figures)) {
    const box = /** @type {HTMLElement} */ (element.querySelector(`[data-figure="${name}"]`));
    const part = (/** @type {string} */ key) => /** @type {HTMLElement} */ (box.querySelector(key));
    part(".label").textContent = label;
    part("strong").textContent = known && value !== null ? value : "no data";
    part("strong").classList.toggle("is-unknown", !known || value === null);
    part(".hint").textContent = known && value !== null ? hint : "";
    part(".trust").textContent = shortly(told.quality);
    part(".trust").title = fully(told.quality);
    part(".trust").dataset.mood = mood(told.quality);
  }
}

/** @param {number | null | undefined} value */
const count = (value) => (value === null || value === undefined ? null : wording.whole(value));
