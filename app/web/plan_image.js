/**
 * Fits a floor plan's drawing to the theme: a dark drawing on white paper becomes a light one on dark paper.
 * Knows pixels only.
 */

const BRIGHT = 0.6; // mean luminance from which a drawing counts as one on light paper

/**
 * Return the drawing as the theme wants it.
 * @param {HTMLImageElement} image loaded
 * @param {"dark" | "light"} theme
 * @returns {CanvasImageSource}
 */
export function planFor(image, theme) {
  const bright = meanLuminance(image) > BRIGHT;
  if (bright === (theme === "light")) return image;
  const [ctx, turned] = [canvasOf(image), canvasOf(image)];
  turned.globalCompositeOperation = "difference";
  turned.fillStyle = "#fff";
  turned.fillRect(0, 0, image.naturalWidth, image.naturalHeight);
  ctx.globalCompositeOperation = "luminosity"; // lightness from the turned picture, hues from the drawing
  ctx.drawImage(turned.canvas, 0, 0);
  return ctx.canvas;
}

/** @param {HTMLImageElement} image @returns {CanvasRenderingContext2D} of a new canvas that shows the image on white */
function canvasOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(image, 0, 0);
  return ctx;
}

/** @param {HTMLImageElement} image @returns {number} 0 black to 1 white; transparent counts as white */
function meanLuminance(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 24;
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, 24, 24);
  ctx.drawImage(image, 0, 0, 24, 24);
  const { data } = ctx.getImageData(0, 0, 24, 24);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
  return sum / (255 * 24 * 24);
}
