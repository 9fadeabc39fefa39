/** Draws how long people were in the cells of a floor. Knows a Heat and how the view lies; nothing of who was there. */

/** @import { Heat } from "./archive.js" */
/** @import { Viewport } from "./viewport.js" */

/** Cividis, which reads alike with and without colour blindness: Nuñez, Anderton, Renslow, PLOS ONE 13(7), 2018. */
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];
const LOUDEST = 0.98; // the scale ends at this quantile of the cells, so that one bench does not hide the rest
const FAINTEST = 0.25; // opacity of the least visited cell

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Heat} heat @param {"dark" | "light"} theme */
export function drawHeat(ctx, view, { rows, columns, seconds, origin, cell_m }, theme) {
  if (rows === 0 || columns === 0) return;
  const layer = new OffscreenCanvas(columns, rows);
  const over = /** @type {OffscreenCanvasRenderingContext2D} */ (layer.getContext("2d"));
  const image = over.createImageData(columns, rows);
  const loudest = loudestOf(seconds);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const value = seconds[row * columns + column];
      if (!(value > 0)) continue;
      const share = Math.min(1, Math.sqrt(value / loudest));
      const alpha = FAINTEST + (0.92 - FAINTEST) * share;
      image.data.set([...colourAt(share, theme), Math.round(255 * alpha)], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  over.putImageData(image, 0, 0);
  const [left, top] = view.toScreen(origin[0], origin[1] + rows * cell_m);
  ctx.imageSmoothingEnabled = false; // a cell is a cell: nothing is known between
  ctx.drawImage(layer, left, top, columns * cell_m * view.scale, rows * cell_m * view.scale);
  ctx.imageSmoothingEnabled = true;
}

/** The seconds of a cell at which the scale ends. @param {number[]} seconds */
export function loudestOf(seconds) {
  const sorted = seconds.filter((value) => value > 0).sort((a, b) => a - b);
  return sorted[Math.floor(LOUDEST * (sorted.length - 1))] ?? 1;
}

/** The scale from short to long, as a CSS image. @param {"dark" | "light"} theme */
export function scaleOf(theme) {
  const stops = Array.from({ length: 9 }, (_, i) => `rgb(${colourAt((i + 1) / 9, theme).join(" ")})`);
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** @param {number} share of the longest time @param {"dark" | "light"} theme @returns {number[]} red, green, blue */
function colourAt(share, theme) {
  const place = (theme === "dark" ? share : 1 - share) * (CIVIDIS.length - 1);
  const i = Math.min(CIVIDIS.length - 2, Math.floor(place));
  return CIVIDIS[i].map((value, channel) => Math.round(value + (place - i) * (CIVIDIS[i + 1][channel] - value)));
}
