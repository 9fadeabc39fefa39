/** A line of the last minutes without axes, drawn by a canvas. Knows numbers and two colours. */

const KEPT = 600; // values, one a second
const FEWEST_TO_FILL = 10;
const FEWEST = 60; // the line has its full width from here on

export class Sparkline {
  /** @type {number[]} */
  values = [];

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** @param {number} value */
  add(value) {
    this.values.push(value);
    if (this.values.length > KEPT) this.values.shift();
  }

  /** @param {string} colour @param {string} fill */
  draw(colour, fill) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const { ctx, values } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    if (values.length < 2) return;
    const top = Math.max(1, ...values);
    const step = width / Math.max(FEWEST - 1, values.length - 1);
    const x = (/** @type {number} */ i) => width - (values.length - 1 - i) * step;
    const y = (/** @type {number} */ value) => height - 2 - (value / top) * (height - 5);
    ctx.beginPath();
    values.forEach((value, i) => ctx.lineTo(x(i), y(value)));
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1.5;
    ctx.lineJoin = "round";
    ctx.stroke();
    if (values.length < FEWEST_TO_FILL) return;
    ctx.lineTo(width, height);
    ctx.lineTo(x(0), height);
    ctx.fillStyle = fill;
    ctx.globalAlpha = 0.14;
    ctx.fill();
    ctx.globalAlpha = 1;
  }
}
