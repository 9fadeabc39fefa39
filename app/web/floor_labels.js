/**
 * Writes names on a floor map: shortened to the room that they have, and left out where they would lie on one that
 * matters more. Knows texts and places on the screen; nothing of what they name.
 */

const FONT = "11px Arial, system-ui, sans-serif";
const HEIGHT_PX = 13;
const MARGIN_PX = 4;

/** @typedef {{text: string, x: number, y: number, ink: string, weight?: number, width?: number, rank?: number}} Label  x: middle; y: base line; width: room, CSS pixels; rank: the highest is written first */

export class FloorLabels {
  /** @type {Label[]} */
  #wanted = [];

  /** @param {Label} label */
  add(label) {
    this.#wanted.push(label);
  }

  /** Write what was added. @param {CanvasRenderingContext2D} ctx @param {string} halo ink around the letters */
  write(ctx, halo) {
    /** @type {[number, number, number, number][]} left, top, right, bottom */
    const taken = [];
    ctx.textAlign = "center";
    ctx.lineJoin = "round";
    ctx.lineWidth = 3;
    ctx.strokeStyle = halo;
    for (const { text, x, y, ink, weight = 400, width = Infinity } of this.#wanted.sort((a, b) => (b.rank ?? 0) - (a.rank ?? 0))) {
      ctx.font = `${weight} ${FONT}`;
      const words = shortened(ctx, text, width);
      const half = ctx.measureText(words).width / 2 + MARGIN_PX;
      const middle = Math.min(Math.max(x, half), Math.max(half, ctx.canvas.clientWidth - half));
      const box = /** @type {[number, number, number, number]} */ ([middle - half, y - HEIGHT_PX, middle + half, y]);
      if (taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      ctx.strokeText(words, middle, y);
      ctx.fillStyle = ink;
      ctx.fillText(words, middle, y);
    }
  }
}

/** Shorten a text to a width. @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} width CSS pixels */
function shortened(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let length = text.length - 1;
  while (length > 1 && ctx.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length).trimEnd()}…`;
}

/** @param {[number, number, number, number]} a @param {[number, number, number, number]} b */
function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}
