/** Draws which camera saw a person when: a row a camera, a bar a visit, as SVG. Knows visits only. */

import { shape } from "./svg.js";
import * as wording from "./wording.js";

/** @import { Visit } from "./archive.js" */

const NARROWEST = 240; // CSS pixels
const NAMES = 84;
const ROW = 18;
const SHORTEST = 2;

/**
 * Draw the visits of a span of time that ends with the last sighting.
 * @param {SVGSVGElement} svg
 * @param {Visit[]} visits
 * @param {number} until seconds since epoch
 * @param {number} seconds length of the span
 */
export function drawVisits(svg, visits, until, seconds) {
  const width = Math.max(NARROWEST, svg.clientWidth);
  const earliest = Math.min(until, ...visits.map((v) => v.from));
  const from = Math.max(until - seconds, earliest - 1);
  const cameras = [...new Set(visits.map((v) => v.camera))].sort();
  const height = cameras.length * ROW + 18;
  const at = (/** @type {number} */ t) => NAMES + ((width - NAMES) * (Math.max(from, t) - from)) / Math.max(1, until - from);
  const shapes = [];
  for (const [row, camera] of cameras.entries()) {
    const y = row * ROW;
    shapes.push(shape("text", { x: 0, y: y + 12, class: "name" }, camera.length > 12 ? `${camera.slice(0, 11)}…` : camera));
    shapes.push(shape("rect", { x: NAMES, y: y + 4, width: width - NAMES, height: 9, rx: 3, class: "lane" }));
    for (const visit of visits) {
      if (visit.camera !== camera || visit.to < from) continue;
      const x = at(visit.from);
      const bar = shape("rect", { x, y: y + 4, width: Math.max(SHORTEST, at(visit.to) - x), height: 9, rx: 2, class: "bar" });
      const times = `${wording.timeOfDay(visit.from)} – ${wording.timeOfDay(visit.to)}`;
      bar.append(shape("title", {}, `${camera}: ${times}`));
      shapes.push(bar);
    }
  }
  if (cameras.length > 0) {
    shapes.push(shape("text", { x: NAMES, y: height - 4, class: "time" }, wording.timeOfDay(from)));
    shapes.push(shape("text", { x: width, y: height - 4, class: "time end" }, wording.timeOfDay(until)));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${Math.max(1, height)}`);
  svg.setAttribute("aria-label", cameras.length ? `Seen by ${cameras.join(", ")}` : "Seen by no camera");
  svg.replaceChildren(...shapes);
}
