/** Draws how long people stayed: a bar a class of duration, the median as a line, as SVG. Knows a Dwell only. */

import { shape } from "../svg.js";
import * as wording from "../wording.js";

/** @import { Dwell, Queue } from "../archive.js" */

const HEIGHT = 200;
const TOP = 36;
const FLOOR = HEIGHT - 24;
const LEFT = 34;
const GAP = 2;
const STEPS = [1, 2, 5].flatMap((n) => [1, 10, 100, 1000, 10_000].map((ten) => n * ten)).sort((a, b) => a - b);
const LABEL = 52; // room for the name of a class

/**
 * Draw a distribution over the whole width of the element; its classes may differ in length, so all bars are equally wide and named by their edges.
 * @param {SVGSVGElement} svg
 * @param {Dwell} dwell
 */
export function drawDwell(svg, dwell) {
  const { edges_s: edges, n } = dwell.histogram;
  const most = Math.max(1, ...n);
  const whole = Math.max(1, svg.clientWidth);
  const width = (whole - LEFT) / Math.max(1, n.length);
  const x = (/** @type {number} */ s) => LEFT + width * classOf(edges, s);
  const y = (/** @type {number} */ count) => FLOOR - (count / most) * (FLOOR - TOP);
  const shapes = [];
  const step = STEPS.find((n) => most / n <= 4) ?? most;
  for (let count = step; count <= most; count += step) {
    shapes.push(shape("line", { x1: LEFT, x2: whole, y1: y(count), y2: y(count), class: "grid" }));
    shapes.push(shape("text", { x: LEFT - 6, y: y(count) + 4, class: "end" }, String(count)));
  }
  for (const [i, count] of n.entries()) {
    const bar = shape("rect", { x: LEFT + i * width + GAP / 2, y: y(count), width: Math.max(1, width - GAP), height: FLOOR - y(count), class: "bar" });
    const end = i + 1 < edges.length ? `to ${wording.duration(edges[i + 1])}` : "or longer";
    bar.append(shape("title", {}, `${wording.counted(count, "stay")} of ${wording.duration(edges[i])} ${end}`));
    shapes.push(bar);
  }
  const every = Math.max(1, Math.ceil(LABEL / width));
  for (const [i, edge] of edges.entries()) {
    if (i % every === 0) shapes.push(shape("text", { x: Math.min(whole - 14, LEFT + i * width), y: HEIGHT - 8, class: "middle" }, brief(edge)));
  }
  shapes.push(...marked(dwell.median_s, "median", x, whole, 12), ...marked(dwell.p90_s, "90 % within", x, whole, 26));
  svg.setAttribute("viewBox", `0 0 ${whole} ${HEIGHT}`);
  svg.setAttribute("aria-label", saidOf(dwell));
  svg.replaceChildren(...shapes);
}

/** Say a distribution in words. @param {Dwell} dwell */
export function saidOf({ n, mean_s, cut_off, median_s, p10_s, p90_s, open, lost }) {
  const parts = [median_s === null ? `${wording.counted(n, "stay")}; too few have ended to tell the median` : `${wording.counted(n, "stay")}: half of them over ${wording.duration(median_s)}`];
  if (mean_s !== null) parts.push(`mean ${cut_off ? "at least " : ""}${wording.duration(mean_s)}`);
  if (p10_s !== null && p90_s !== null) parts.push(`80 % between ${wording.duration(p10_s)} and ${wording.duration(p90_s)}`);
  if (open > 0) parts.push(`${open} still there`);
  if (lost > 0) parts.push(`${lost} lost from sight`);
  return `${parts.join("; ")}.`;
}

/** Say how long a queue is, and how long people wait. @param {Queue} queue */
export function saidOfQueue({ length, wait }) {
  if (length.mean === null) return "The queue: no data.";
  const waited = wait.median_s === null ? "too few have left it to tell the wait" : `half of them wait over ${wording.duration(wait.median_s)}`;
  const long = wait.p90_s === null ? "" : `, one in ten over ${wording.duration(wait.p90_s)}`;
  return `The queue: ${wording.decimal(length.mean, 1)} people on average, ${wording.whole(length.peak)} at most; ${waited}${long}.`;
}

/** Where a duration lies among the classes, in widths of a bar; the last class is open, and its middle stands for it. @param {number[]} edges @param {number} seconds */
function classOf(edges, seconds) {
  const above = edges.findIndex((edge) => edge > seconds);
  if (above === 0) return 0;
  if (above < 0) return edges.length - 0.5;
  return above - 1 + (seconds - edges[above - 1]) / (edges[above] - edges[above - 1]);
}

/** @param {number | null} seconds @param {string} name @param {(s: number) => number} x @param {number} whole @param {number} y of the words */
function marked(seconds, name, x, whole, y) {
  if (seconds === null) return [];
  const at = x(seconds);
  const side = at > whole - 110 ? "end" : "begin";
  return [
    shape("line", { x1: at, x2: at, y1: y - 8, y2: FLOOR, class: "mark" }),
    shape("text", { x: at + (side === "end" ? -5 : 5), y, class: `mark ${side}` }, `${name} ${wording.duration(seconds)}`),
  ];
}

/** A duration for an axis. @param {number} seconds */
function brief(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Number((seconds / 60).toFixed(1))} min`;
  return `${Number((seconds / 3600).toFixed(1))} h`;
}
