/**
 * The corners of a draft on the map, as SVG above its canvases: drag them, or move them with the arrow keys; a small
 * handle between two corners makes a new one. Knows a draft and a viewport; nothing of forms and servers.
 */

import { shape } from "../svg.js";
import { inwards } from "./place_drawing.js";

/** @import { Viewport } from "../viewport.js" */
/** @import { Corner, Draft } from "./draft.js" */

const STEP_M = 0.1; // an arrow key; ten times as far with shift

export class Handles {
  /** @type {Draft | null} */
  #draft = null;

  /**
   * @param {object} options
   * @param {SVGSVGElement} options.svg lies over the map
   * @param {Viewport} options.view
   * @param {() => void} options.onChange the draft has another shape
   */
  constructor({ svg, view, onChange }) {
    this.svg = svg;
    this.view = view;
    this.onChange = onChange;
  }

  /** Show a draft's corners, or none. @param {Draft | null} draft */
  show(draft) {
    this.#draft = draft;
    this.draw();
  }

  /** Redraw; the focus stays on its corner. */
  draw() {
    const focused = /** @type {SVGElement | null} */ (this.svg.querySelector(":focus"))?.dataset.corner;
    const draft = this.#draft;
    this.svg.toggleAttribute("hidden", draft === null);
    if (!draft) {
      this.svg.replaceChildren();
      return;
    }
    const corners = draft.corners.map(([x, y]) => this.view.toScreen(x, y));
    const points = corners.map((corner) => corner.join()).join(" ");
    const closed = draft.place.kind === "zone" && corners.length > 2;
    const shapes = [shape(closed ? "polygon" : "polyline", { points, class: "outline" })];
    if (draft.place.kind === "line" && draft.isWhole) shapes.push(...this.#arrow(draft));
    if (closed) shapes.push(...corners.map((_, i) => this.#between(draft, i, corners)));
    shapes.push(...corners.map((corner, i) => this.#corner(draft, i, corner)));
    this.svg.replaceChildren(...shapes);
    if (focused !== undefined) /** @type {SVGElement | null} */ (this.svg.querySelector(`[data-corner="${focused}"]`))?.focus();
  }

  /** @param {Draft} draft */
  #arrow(draft) {
    const { from, to } = inwards(/** @type {any} */ (draft.corners), this.view);
    const far = [from[0] + 2.5 * (to[0] - from[0]), from[1] + 2.5 * (to[1] - from[1])];
    const side = [(to[1] - from[1]) / 3, (from[0] - to[0]) / 3];
    const tip = [to[0] + 0.5 * (to[0] - from[0]), to[1] + 0.5 * (to[1] - from[1])];
    const head = [tip, [to[0] + side[0], to[1] + side[1]], [to[0] - side[0], to[1] - side[1]]];
    return [
      shape("polygon", { points: head.map((corner) => corner.join()).join(" "), class: "arrow-head" }),
      shape("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "arrow" }),
      shape("text", { x: far[0], y: far[1] + 4, class: "in" }, "in"),
    ];
  }

  /** @param {Draft} draft @param {number} i @param {[number, number]} corner CSS pixels */
  #corner(draft, i, [cx, cy]) {
    const [x, y] = draft.corners[i];
    const name = draft.place.kind === "line" ? `${i === 0 ? "First" : "Second"} end` : `Corner ${i + 1}`;
    const circle = shape("circle", { cx, cy, r: 7, tabindex: 0, role: "button", class: "corner", "data-corner": i, "aria-label": `${name} at ${x.toFixed(1)}, ${y.toFixed(1)} m. Arrow keys move it${draft.place.kind === "zone" ? ", Delete removes it" : ""}.` });
    circle.addEventListener("keydown", (event) => this.#press(/** @type {KeyboardEvent} */ (event), draft, i));
    circle.addEventListener("pointerdown", (event) => this.#drag(/** @type {PointerEvent} */ (event), draft, i, false));
    return circle;
  }

  /** @param {Draft} draft @param {number} i @param {[number, number][]} corners CSS pixels */
  #between(draft, i, corners) {
    const [a, b] = [corners[i], corners[(i + 1) % corners.length]];
    const circle = shape("circle", { cx: (a[0] + b[0]) / 2, cy: (a[1] + b[1]) / 2, r: 4.5, class: "between", "data-between": i });
    circle.append(shape("title", {}, "Drag to make a corner here"));
    circle.addEventListener("pointerdown", (event) => {
      const pointer = /** @type {PointerEvent} */ (event);
      draft.insert(i, this.#place(pointer));
      this.#drag(pointer, draft, i + 1, true);
      this.draw();
    });
    return circle;
  }

  /** @param {PointerEvent} event @param {Draft} draft @param {number} i @param {boolean} begun whether a step back for it exists */
  #drag(event, draft, i, begun) {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    let goesOn = begun;
    const move = (/** @type {PointerEvent} */ moved) => {
      draft.move(i, this.#place(moved), goesOn);
      goesOn = true;
      this.onChange();
      this.draw();
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      this.onChange();
      /** @type {SVGElement | null} */ (this.svg.querySelector(`[data-corner="${i}"]`))?.focus();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  /** @param {KeyboardEvent} event @param {Draft} draft @param {number} i */
  #press(event, draft, i) {
    const step = event.shiftKey ? 10 * STEP_M : STEP_M;
    /** @type {Record<string, Corner>} */
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const [x, y] = draft.corners[i];
    if (event.key in moves) draft.move(i, [x + moves[event.key][0], y + moves[event.key][1]], event.repeat);
    else if (event.key === "Delete" || event.key === "Backspace") draft.remove(i);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.onChange();
    this.draw();
  }

  /** @param {PointerEvent} event @returns {Corner} */
  #place(event) {
    const box = this.svg.getBoundingClientRect();
    return this.view.toFloor(event.clientX - box.left, event.clientY - box.top);
  }
}
