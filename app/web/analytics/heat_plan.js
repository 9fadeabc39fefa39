/**
 * The heat map on the floor plan: how long people were in each cell, and hatched what no camera sees.
 * Knows the floor, the cameras' footprints and one HeatMap.
 */

import { drawGround } from "../floor_ground.js";
import { FloorLabels } from "../floor_labels.js";
import { strokeSlanted } from "../hatch.js";
import { drawHeat, loudestOf, scaleOf } from "../heat_cells.js";
import { planFor } from "../plan_image.js";
import { drawPlaces } from "../places/place_drawing.js";
import { Viewport } from "../viewport.js";
import * as wording from "../wording.js";

/** @import { Heat, Place } from "../archive.js" */
/** @import { Theme } from "../theme.js" */
/** @import { Camera, Floor } from "../wire.js" */

export class HeatPlan {
  /** @type {Heat | null} */
  #heat = null;
  /** @type {Place[]} */
  #places = [];
  /** @type {HTMLImageElement | null} */
  #image = null;
  #ratio = 1;

  /**
   * @param {object} options
   * @param {HTMLCanvasElement} options.canvas
   * @param {HTMLElement} options.readout
   * @param {HTMLElement} options.scale where the scale's ends are written
   * @param {Floor} options.floor
   * @param {Camera[]} options.cameras
   * @param {Theme} options.theme
   */
  constructor({ canvas, readout, scale, floor, cameras, theme }) {
    this.canvas = canvas;
    this.readout = readout;
    this.scale = scale;
    this.floor = floor;
    this.cameras = cameras;
    this.theme = theme;
    this.view = new Viewport(floor.bounds);
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.#tell(event));
    canvas.addEventListener("pointerleave", () => (this.readout.textContent = this.#resting()));
    if (floor.image) {
      const image = new Image();
      image.onload = () => {
        this.#image = image;
        this.draw();
      };
      image.src = floor.image.url;
    }
  }

  /** @param {Heat | null} heat null for nothing @param {Place[]} places */
  show(heat, places) {
    this.#heat = heat;
    this.#places = places;
    this.readout.textContent = this.#resting();
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0) return;
    this.#ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.round(width * this.#ratio);
    this.canvas.height = Math.round(height * this.#ratio);
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    this.view.resize(width, height);
    this.view.fit();
    const { name, colour } = this.theme;
    const plan = this.#image ? planFor(this.#image, name) : null;
    const labels = new FloorLabels();
    drawGround(ctx, this.view, { floor: this.floor, plan, dark: name === "dark", cameras: [], faulty: new Set(), emphasis: null, fields: false }, colour, labels);
    this.#drawUnseen(ctx);
    if (this.#heat) drawHeat(ctx, this.view, this.#heat, name);
    drawPlaces(ctx, this.view, this.#places, { ink: colour["ink-2"], accent: colour["ink-2"], fill: 0 }, labels);
    labels.write(ctx, colour.paper);
    this.#writeScale();
  }

  /** Hatch what lies in no camera's view. @param {CanvasRenderingContext2D} ctx */
  #drawUnseen(ctx) {
    const seen = this.cameras.filter((camera) => camera.footprint.length >= 3);
    if (seen.length === 0) return;
    const layer = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const over = /** @type {any} */ (layer.getContext("2d"));
    over.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    const [x0, y0, x1, y1] = this.floor.bounds;
    const [left, top] = this.view.toScreen(x0, y1);
    const [right, bottom] = this.view.toScreen(x1, y0);
    over.save();
    over.rect(left, top, right - left, bottom - top);
    over.clip();
    strokeSlanted(over, left, top, right - left, bottom - top, this.theme.colour["ink-3"], 8);
    over.restore();
    over.globalCompositeOperation = "destination-out";
    for (const { footprint } of seen) {
      over.beginPath();
      for (const [x, y] of footprint) over.lineTo(...this.view.toScreen(x, y));
      over.fill();
    }
    ctx.drawImage(layer, 0, 0, this.view.width, this.view.height);
  }

  #writeScale() {
    const heat = this.#heat;
    this.scale.hidden = !heat || heat.rows === 0;
    if (!heat || heat.rows === 0) return;
    this.scale.style.setProperty("--scale", scaleOf(this.theme.name));
    const text = `${perSquareMetre(loudestOf(heat.seconds), heat.cell_m)} and more`;
    const label = this.scale.querySelector("[data-part=most]");
    if (label) label.textContent = text;
  }

  /** @param {PointerEvent} event */
  #tell(event) {
    const heat = this.#heat;
    if (!heat || heat.rows === 0) return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.view.toFloor(event.clientX - box.left, event.clientY - box.top);
    const column = Math.floor((x - heat.origin[0]) / heat.cell_m);
    const row = Math.floor((y - heat.origin[1]) / heat.cell_m);
    const inside = row >= 0 && row < heat.rows && column >= 0 && column < heat.columns;
    const value = inside ? heat.seconds[row * heat.columns + column] : 0;
    this.readout.textContent = `${x.toFixed(1)}, ${y.toFixed(1)} m · ${value > 0 ? perSquareMetre(value, heat.cell_m) : "nobody was seen here"}`;
  }

  #resting() {
    const heat = this.#heat;
    if (!heat || heat.rows === 0) return "";
    const total = heat.seconds.reduce((a, b) => a + b, 0);
    return `${wording.duration(total)} of people in all; cells of ${heat.cell_m} m; hatched: no camera's view.`;
  }
}

/** @param {number} seconds in a cell @param {number} cell_m */
function perSquareMetre(seconds, cell_m) {
  return `${wording.duration(seconds / cell_m ** 2)} a m²`;
}
