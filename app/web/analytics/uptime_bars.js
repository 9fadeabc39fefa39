/** Draws when each camera gave frames: a bar a camera, hatched where nobody watched. Knows a camera's states only. */

import { epoch } from "../archive.js";
import { dayAndTime } from "../past/days.js";
import * as wording from "../wording.js";
import { share } from "./quality.js";

/** @import { CameraUptime, Period } from "../archive.js" */

const RUNNING = ["live", "late"];
/** @type {Record<string, string>} */
const WORDS = { live: "live", late: "live, late", starting: "starting", lost: "lost", ended: "ended", off: "not watched" };

/**
 * Return a row for each camera.
 * @param {CameraUptime[]} cameras
 * @param {Period} period
 * @param {number} now seconds since epoch
 * @returns {HTMLElement[]}
 */
export function uptimeRows(cameras, { since, until }, now) {
  const end = Math.min(until, now);
  const at = (/** @type {number} */ t) => (100 * (Math.max(since, Math.min(end, t)) - since)) / (until - since);
  return cameras.map((camera) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = camera.camera;
    const lane = document.createElement("span");
    lane.className = "lane";
    for (const [i, { at: begin, state, reason }] of camera.states.entries()) {
      const from = epoch(begin);
      const to = i + 1 < camera.states.length ? epoch(camera.states[i + 1].at) : end;
      const part = document.createElement("span");
      part.className = RUNNING.includes(state) ? "running" : state === "off" ? "" : "out";
      part.style.left = `${at(from)}%`;
      part.style.width = `${Math.max(0.2, at(to) - at(from))}%`;
      part.title = `${WORDS[state] ?? state}${reason ? `: ${reason}` : ""}, ${dayAndTime(Math.max(since, from))} – ${dayAndTime(to)}`;
      lane.append(part);
    }
    const figure = document.createElement("b");
    figure.textContent = camera.uptime === null ? "no data" : share(camera.uptime);
    const out = document.createElement("span");
    out.className = "quiet";
    out.textContent = camera.out_s > 0 ? `out ${wording.duration(camera.out_s)}` : "";
    item.append(name, lane, figure, out);
    return item;
  });
}
