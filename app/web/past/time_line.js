/**
 * Draws a span of time as a strip: how many people there were, hatched where nobody watched, blank where it has not
 * come yet. Knows columns of numbers and colours; nothing of pointers and questions.
 */

import { hatch } from "../hatch.js";
import { marks } from "./days.js";

/** @import { Occupancy, Period } from "../archive.js" */

export const LABELS_PX = 15; // under the strip
const MARK_PX = 62; // room for a time of day

/**
 * Draw a strip.
 * @param {CanvasRenderingContext2D} ctx CSS pixels
 * @param {number} width @param {number} height CSS pixels
 * @param {object} strip
 * @param {Period} strip.span
 * @param {Occupancy | null} strip.occupancy null while it is not known
 * @param {number} strip.now seconds since epoch
 * @param {number[]} strip.alerts instants to mark
 * @param {Record<string, string>} colour tokens of the theme
 */
export function drawTimeLine(ctx, width, height, { span, occupancy, now, alerts }, colour) {
  const floor = height - LABELS_PX;
  const x = (/** @type {number} */ at) => ((at - span.since) / (span.until - span.since)) * width;
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = colour.raised;
  ctx.fillRect(0, 0, width, floor);
  if (occupancy) drawPeople(ctx, occupancy, x, floor, now, colour);
  ctx.fillStyle = colour.surface;
  ctx.fillRect(x(now), 0, Math.max(0, width - x(now)), floor);
  ctx.strokeStyle = colour.line;
  ctx.strokeRect(0.5, 0.5, width - 1, floor - 1);
  ctx.fillStyle = colour.warn;
  for (const at of alerts) drawAlert(ctx, x(at));
  drawMarks(ctx, width, height, span, x, colour);
}

/** @param {CanvasRenderingContext2D} ctx @param {Occupancy} occupancy @param {(at: number) => number} x @param {number} floor @param {number} now @param {Record<string, string>} colour */
function drawPeople(ctx, { columns, bucket_s }, x, floor, now, colour) {
  const most = Math.max(1, ...columns.peak.map((people) => people ?? 0));
  for (const [i, at] of columns.at.entries()) {
    const left = x(at);
    const right = x(Math.min(at + bucket_s, now));
    const mean = columns.mean[i];
    const peak = columns.peak[i];
    if (right <= left) break;
    if (mean === null) {
      hatch(ctx, left, 0, right - left, floor, colour["ink-3"], 5);
      continue;
    }
    const tall = (/** @type {number} */ people) => (people / most) * (floor - 5);
    ctx.fillStyle = colour.accent;
    ctx.globalAlpha = 0.3;
    ctx.fillRect(left, floor - tall(peak ?? mean), right - left + 0.3, tall(peak ?? mean));
    ctx.globalAlpha = 0.35 + 0.65 * (mean / most);
    ctx.fillRect(left, floor - tall(mean), right - left + 0.3, tall(mean));
    ctx.globalAlpha = 1;
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x */
function drawAlert(ctx, x) {
  ctx.beginPath();
  ctx.moveTo(x - 3, 0);
  ctx.lineTo(x + 3, 0);
  ctx.lineTo(x, 5);
  ctx.fill();
}

/** @param {CanvasRenderingContext2D} ctx @param {number} width @param {number} height @param {Period} span @param {(at: number) => number} x @param {Record<string, string>} colour */
function drawMarks(ctx, width, height, span, x, colour) {
  ctx.fillStyle = colour["ink-3"];
  ctx.font = "10.5px Arial, system-ui, sans-serif";
  ctx.textBaseline = "alphabetic";
  for (const { at, label } of marks(span.since, span.until, Math.max(2, width / MARK_PX))) {
    const half = ctx.measureText(label).width / 2;
    ctx.textAlign = "center";
    ctx.fillRect(x(at), height - LABELS_PX, 1, 3);
    ctx.fillText(label, Math.min(width - half, Math.max(half, x(at))), height - 2);
  }
}
