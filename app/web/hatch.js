/** Fills a canvas where nobody watched: slanted lines, so that a gap is never mistaken for emptiness. Knows one colour. */

const STEP_PX = 6;

/**
 * Hatch a part of a canvas.
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} left @param {number} top @param {number} width @param {number} height
 * @param {string} colour
 * @param {number} [step] distance of the lines, in the canvas' units
 */
export function hatch(ctx, left, top, width, height, colour, step = STEP_PX) {
  if (width <= 0 || height <= 0) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  strokeSlanted(ctx, left, top, width, height, colour, step);
  ctx.restore();
}

/**
 * Stroke slanted lines over whatever is clipped.
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} left @param {number} top @param {number} width @param {number} height
 * @param {string} colour @param {number} step
 */
export function strokeSlanted(ctx, left, top, width, height, colour, step = STEP_PX) {
  ctx.beginPath();
  const begin = Math.floor((left - height) / step) * step;
  for (let x = begin; x < left + width; x += step) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = step / STEP_PX;
  ctx.stroke();
}
