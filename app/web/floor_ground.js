/**
 * Draws what stands still on the map: paper, grid, plan, cameras and what they see, and a scale bar.
 * Knows nothing of people.
 */

/** @import { FloorLabels } from "./floor_labels.js" */
/** @import { Camera, Floor } from "./wire.js" */
/** @import { Viewport } from "./viewport.js" */

const FINEST_GRID_PX = 13; // a line every metre only while metres are wider than this
const PLAN_INK = 0.55; // the plan stays behind the people
const NARROWEST_NAME_PX = 56;
const STEPS_M = [1, 2, 5, 10, 20, 50, 100, 200];

/**
 * @typedef {object} Ground
 * @property {Floor} floor
 * @property {CanvasImageSource | null} plan the floor's drawing, fit for the theme
 * @property {boolean} dark
 * @property {Camera[]} cameras
 * @property {Set<string>} faulty cameras that give no pictures
 * @property {string | null} emphasis the camera in front, or under the pointer
 * @property {boolean} fields draw what the cameras see
 */

/**
 * Draw the ground.
 * @param {CanvasRenderingContext2D} ctx CSS pixels
 * @param {Viewport} view
 * @param {Ground} ground
 * @param {Record<string, string>} colour tokens of the theme
 * @param {FloorLabels} labels are told the names; whoever draws more writes them in the end
 */
export function drawGround(ctx, view, ground, colour, labels) {
  ctx.clearRect(0, 0, view.width, view.height);
  const [x0, y0, x1, y1] = ground.floor.bounds;
  const [left, top] = view.toScreen(x0, y1);
  const [right, bottom] = view.toScreen(x1, y0);
  ctx.fillStyle = colour.paper;
  ctx.fillRect(left, top, right - left, bottom - top);
  if (ground.plan && ground.floor.image) drawPlan(ctx, view, ground.plan, ground.floor.image, ground.dark);
  else drawGrid(ctx, view, ground.floor.bounds, colour.grid);
  ctx.strokeStyle = colour.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(Math.round(left) + 0.5, Math.round(top) + 0.5, Math.round(right - left), Math.round(bottom - top));
  if (ground.fields) for (const camera of ground.cameras) drawField(ctx, view, camera, ground, colour);
  for (const camera of ground.cameras) drawCamera(ctx, view, camera, ground, colour, labels);
  drawScaleBar(ctx, view, colour, labels);
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {CanvasImageSource} plan @param {import("./wire.js").Plan} image @param {boolean} dark */
function drawPlan(ctx, view, plan, image, dark) {
  const [ox, oy] = image.origin_px;
  const [left, top] = view.toScreen(-ox / image.pixels_per_metre, oy / image.pixels_per_metre);
  const zoom = view.scale / image.pixels_per_metre;
  ctx.imageSmoothingQuality = "high";
  ctx.globalAlpha = PLAN_INK;
  ctx.globalCompositeOperation = dark ? "screen" : "multiply"; // ink on the theme's paper
  ctx.drawImage(plan, left, top, image.width * zoom, image.height * zoom);
  ctx.globalCompositeOperation = "source-over";
  ctx.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {[number, number, number, number]} bounds @param {string} colour */
function drawGrid(ctx, view, bounds, colour) {
  const step = STEPS_M.find((metres) => metres * view.scale >= FINEST_GRID_PX) ?? 500;
  const [x0, y0, x1, y1] = bounds;
  for (const [weight, every] of [[0.55, step], [1, 5 * step]]) {
    ctx.globalAlpha = weight;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let x = Math.ceil(x0 / every) * every; x <= x1; x += every) {
      const px = Math.round(view.toScreen(x, 0)[0]) + 0.5;
      ctx.moveTo(px, view.toScreen(0, y1)[1]);
      ctx.lineTo(px, view.toScreen(0, y0)[1]);
    }
    for (let y = Math.ceil(y0 / every) * every; y <= y1; y += every) {
      const py = Math.round(view.toScreen(0, y)[1]) + 0.5;
      ctx.moveTo(view.toScreen(x0, 0)[0], py);
      ctx.lineTo(view.toScreen(x1, 0)[0], py);
    }
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Camera} camera @param {Ground} ground @param {Record<string, string>} colour */
function drawField(ctx, view, camera, ground, colour) {
  if (camera.footprint.length < 3) return;
  const stressed = ground.emphasis === camera.id;
  ctx.beginPath();
  for (const [x, y] of camera.footprint) ctx.lineTo(...view.toScreen(x, y));
  ctx.closePath();
  const tint = ground.faulty.has(camera.id) ? colour.bad : colour.accent;
  ctx.fillStyle = tint;
  ctx.globalAlpha = stressed ? 0.15 : 0.17 / ground.cameras.length; // many views add up
  ctx.fill();
  ctx.strokeStyle = tint;
  ctx.globalAlpha = stressed ? 0.85 : Math.min(0.2, 1.4 / ground.cameras.length);
  ctx.lineWidth = stressed ? 1.5 : 1;
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** Which way a camera looks, as an angle on the screen. @param {Viewport} view @param {Camera} camera */
function heading(view, camera) {
  if (camera.footprint.length === 0 || !camera.position) return -Math.PI / 2;
  const n = camera.footprint.length;
  const x = camera.footprint.reduce((sum, p) => sum + p[0], 0) / n;
  const y = camera.footprint.reduce((sum, p) => sum + p[1], 0) / n;
  const [px, py] = view.toScreen(...camera.position);
  const [qx, qy] = view.toScreen(x, y);
  return Math.atan2(qy - py, qx - px);
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Camera} camera @param {Ground} ground @param {Record<string, string>} colour @param {FloorLabels} labels */
function drawCamera(ctx, view, camera, ground, colour, labels) {
  if (!camera.position) return;
  const [px, py] = cameraPlace(view, camera);
  const stressed = ground.emphasis === camera.id;
  const ink = ground.faulty.has(camera.id) ? colour.bad : stressed ? colour.accent : colour["ink-2"];
  ctx.save();
  ctx.translate(px, py);
  ctx.rotate(heading(view, camera));
  ctx.fillStyle = ink;
  ctx.strokeStyle = colour.paper;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.roundRect(-7, -4.5, 10, 9, 2);
  ctx.moveTo(-1, 0);
  ctx.lineTo(8.5, -4.5);
  ctx.lineTo(8.5, 4.5);
  ctx.closePath();
  ctx.stroke();
  ctx.fill();
  ctx.restore();
  const width = Math.max(NARROWEST_NAME_PX, view.width / 8);
  const rank = stressed ? 3 : ground.faulty.has(camera.id) ? 2 : 0;
  labels.add({ text: camera.id, x: px, y: py + (py > view.height - 30 ? -12 : 18), ink, weight: stressed ? 600 : 400, width: stressed ? Infinity : width, rank });
}

/** Where a camera is drawn: its place, or the map's nearest edge. @param {Viewport} view @param {Camera} camera @returns {[number, number]} CSS pixels */
export function cameraPlace(view, camera) {
  const [px, py] = view.toScreen(.../** @type {[number, number]} */ (camera.position));
  if (!view.fitted) return [px, py];
  return [Math.min(view.width - 12, Math.max(12, px)), Math.min(view.height - 12, Math.max(12, py))];
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Record<string, string>} colour @param {FloorLabels} labels */
function drawScaleBar(ctx, view, colour, labels) {
  const metres = STEPS_M.find((step) => step * view.scale >= 48) ?? 500;
  const length = metres * view.scale;
  const y = view.height - 12.5;
  ctx.strokeStyle = colour["ink-2"];
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(14.5, y - 4);
  ctx.lineTo(14.5, y);
  ctx.lineTo(14.5 + length, y);
  ctx.lineTo(14.5 + length, y - 4);
  ctx.stroke();
  labels.add({ text: `${metres} m`, x: 14.5 + length + 18, y: y + 1, ink: colour["ink-2"], rank: 3 });
}
