/** Which part of the floor the map shows: metres to CSS pixels and back. Knows no canvas and no event. */

const CLOSEST = 400; // CSS pixels a metre
const PADDING = 22; // CSS pixels around the floor when it is fitted
const SCALE_BAR = 16; // and below it, for the scale bar

export class Viewport {
  width = 1;
  height = 1;
  scale = 20;
  /** metres at the middle of the map */
  centreX = 0;
  centreY = 0;
  /** the whole floor is in view, and stays so when the map changes its size */
  fitted = true;

  /** @param {[number, number, number, number]} bounds x_min, y_min, x_max, y_max in metres */
  constructor(bounds) {
    this.bounds = bounds;
  }

  /** @param {number} width @param {number} height CSS pixels */
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    if (this.fitted) this.fit();
    else this.scale = Math.max(this.scale, this.#farthest());
  }

  fit() {
    const [x0, y0, x1, y1] = this.bounds;
    this.scale = this.#fittingScale();
    this.centreX = (x0 + x1) / 2;
    this.centreY = (y0 + y1) / 2 - SCALE_BAR / 2 / this.scale;
    this.fitted = true;
  }

  /** @param {number} x @param {number} y metres @returns {[number, number]} CSS pixels */
  toScreen(x, y) {
    return [this.width / 2 + (x - this.centreX) * this.scale, this.height / 2 - (y - this.centreY) * this.scale];
  }

  /** @param {number} px @param {number} py CSS pixels @returns {[number, number]} metres */
  toFloor(px, py) {
    return [this.centreX + (px - this.width / 2) / this.scale, this.centreY - (py - this.height / 2) / this.scale];
  }

  /** Zoom by a factor so that the floor under a pixel stays there. @param {number} px @param {number} py @param {number} factor */
  zoomAt(px, py, factor) {
    const [x, y] = this.toFloor(px, py);
    this.scale = Math.min(CLOSEST, Math.max(this.#farthest(), this.scale * factor));
    const [x2, y2] = this.toFloor(px, py);
    this.centreX += x - x2;
    this.centreY += y - y2;
    this.#hold();
  }

  /** @param {number} dx @param {number} dy CSS pixels by which the floor moves */
  pan(dx, dy) {
    this.centreX -= dx / this.scale;
    this.centreY += dy / this.scale;
    this.#hold();
  }

  /** Bring a place to the middle. @param {number} x @param {number} y metres */
  centreOn(x, y) {
    this.centreX = x;
    this.centreY = y;
    this.#hold();
  }

  /** Keep the middle of the map on the floor, so that nobody gets lost beside it. */
  #hold() {
    const [x0, y0, x1, y1] = this.bounds;
    this.centreX = Math.min(x1, Math.max(x0, this.centreX));
    this.centreY = Math.min(y1, Math.max(y0, this.centreY));
    this.fitted = false;
  }

  #fittingScale() {
    const [x0, y0, x1, y1] = this.bounds;
    const across = Math.max(1, this.width - 2 * PADDING) / (x1 - x0);
    return Math.min(across, Math.max(1, this.height - 2 * PADDING - SCALE_BAR) / (y1 - y0), CLOSEST);
  }

  #farthest() {
    return 0.6 * this.#fittingScale();
  }
}
