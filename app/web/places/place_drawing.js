/**
 * Draws zones and lines on a floor. A line has arrows on the side towards which people go in. Knows places and a
 * viewport; nothing of who edits them.
 */

/** @import { FloorLabels } from "../floor_labels.js" */
/** @import { Place } from "../archive.js" */
/** @import { Viewport } from "../viewport.js" */

const ARROW_PX = 16;
const NARROWEST_NAME_PX = 64;

/**
 * Draw places.
 * @param {CanvasRenderingContext2D} ctx CSS pixels
 * @param {Viewport} view
 * @param {Place[]} places
 * @param {{ink: string, accent: string, fill: number}} look fill: opacity of areas
 * @param {FloorLabels} labels are told the names
 */
export function drawPlaces(ctx, view, places, { ink, accent, fill }, labels) {
  for (const place of places) {
    const corners = (place.polygon ?? place.ends ?? []).map(([x, y]) => view.toScreen(x, y));
    ctx.beginPath();
    for (const corner of corners) ctx.lineTo(...corner);
    if (place.polygon) ctx.closePath();
    ctx.strokeStyle = ctx.fillStyle = accent;
    if (place.polygon && fill > 0) {
      ctx.globalAlpha = fill;
      ctx.fill();
    }
    ctx.globalAlpha = 0.9;
    ctx.lineWidth = place.ends ? 2.5 : 1.5;
    if (place.restricted) ctx.setLineDash([6, 4]);
    ctx.stroke();
    ctx.setLineDash([]);
    if (place.ends) drawArrow(ctx, inwards(place.ends, view));
    ctx.globalAlpha = 1;
    const [x, y] = labelPlace(corners);
    labels.add({ text: place.name, x, y, ink, weight: 600, width: roomOf(corners), rank: 1 });
  }
}

/**
 * The arrow that shows which way is in: to the right of whoever looks from the first end to the second.
 * @param {[[number, number], [number, number]]} ends metres
 * @param {Viewport} view
 * @returns {{from: [number, number], to: [number, number]}} CSS pixels
 */
export function inwards(ends, view) {
  const [a, b] = ends.map(([x, y]) => view.toScreen(x, y));
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  const middle = /** @type {[number, number]} */ ([(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
  const right = [-(b[1] - a[1]) / length, (b[0] - a[0]) / length]; // y grows downwards on the screen
  return { from: middle, to: [middle[0] + ARROW_PX * right[0], middle[1] + ARROW_PX * right[1]] };
}

/** @param {CanvasRenderingContext2D} ctx @param {{from: [number, number], to: [number, number]}} arrow */
function drawArrow(ctx, { from, to }) {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.lineWidth = 2;
  ctx.stroke();
  ctx.save();
  ctx.translate(...to);
  ctx.rotate(angle);
  ctx.beginPath();
  ctx.moveTo(6, 0);
  ctx.lineTo(-3, -5);
  ctx.lineTo(-3, 5);
  ctx.fill();
  ctx.restore();
}

/** Where a place's name is written: in the middle of its corners. @param {[number, number][]} corners @returns {[number, number]} */
function labelPlace(corners) {
  const n = Math.max(1, corners.length);
  const x = corners.reduce((sum, corner) => sum + corner[0], 0) / n;
  const y = corners.reduce((sum, corner) => sum + corner[1], 0) / n;
  return corners.length === 2 ? [x, y - 8] : [x, y + 4];
}

/** How wide the name of a place may be. @param {[number, number][]} corners */
function roomOf(corners) {
  const across = corners.map(([x]) => x);
  return Math.max(NARROWEST_NAME_PX, Math.max(...across) - Math.min(...across) - 8);
}
