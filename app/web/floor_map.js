/**
 * The floor map: three canvases, one for what stands still, one for trails, one for dots; each redrawn when it must be.
 * Knows people, cameras and the theme; learns of selections from outside and reports taps.
 */

import { DotPainter, discRadius, drawTruth, isCrowded } from "./floor_dots.js";
import { cameraPlace, drawGround } from "./floor_ground.js";
import { FloorLabels } from "./floor_labels.js";
import { drawJourney, drawTrails } from "./floor_trails.js";
import { drawForesight } from "./foresight.js";
import { listenToGestures } from "./gestures.js";
import { drawHeat } from "./heat_cells.js";
import { identityColour, textOnIdentity } from "./identity_colour.js";
import { drawPlaces } from "./places/place_drawing.js";
import { planFor } from "./plan_image.js";
import { Viewport } from "./viewport.js";

/** @import { Freshness, People } from "./people.js" */
/** @import { Camera, CameraState, Floor } from "./wire.js" */
/** @import { Theme } from "./theme.js" */
/** @import { TruePlaces } from "./true_places.js" */

const TRAILS_EVERY_MS = 80; // trails grow by updates, not by frames
const TOUCH_PX = 12; // a finger may miss a disc by this much

/** @typedef {{places: boolean, trails: boolean, forecast: boolean, fields: boolean, uncertainty: boolean, truth: boolean}} Layers */

export class FloorMap {
  /** @type {Layers} */
  layers = { places: true, trails: true, forecast: false, fields: true, uncertainty: true, truth: false };
  /** @type {number | null} */
  selected = null;
  /** @type {number | null} */
  hovered = null;
  /** @type {string | null} the camera to stress */
  emphasis = null;
  /** @type {[number, number, number][]} points of the selected person's journey */
  journey = [];
  /** @type {Map<number, import("./foresight.js").Path>} predicted ways, by id */
  ahead = new Map();
  /** @type {import("./archive.js").Heat | null} where the selected person was, and for how long */
  heat = null;
  /** @type {import("./archive.js").Place[]} zones and lines to draw */
  places = [];
  /** @type {((x: number, y: number) => void) | null} takes taps, in metres, instead of the people and cameras */
  tapped = null;
  /** @type {() => void} told when another part of the floor is shown */
  onView = () => {};
  #faulty = new Set();
  #groundDirty = true;
  #trailsDirty = true;
  #dotsDirty = true;
  #drawnLook = "";
  #trailsMs = 0;
  #dots = new DotPainter();
  /** @type {HTMLImageElement | null} */
  #planImage = null;
  /** @type {CanvasImageSource | null} */
  #plan = null;
  #ratio = 1;
  /** how many dots the last frame had, and whether they passed as live */
  drawn = { dots: 0, fresh: "none" };

  /**
   * @param {object} options
   * @param {HTMLElement} options.element holds three canvases; takes the focus
   * @param {Floor} options.floor
   * @param {Camera[]} options.cameras
   * @param {Theme} options.theme
   * @param {People} options.people
   * @param {TruePlaces} options.truth
   * @param {(id: number | null) => void} options.onPerson somebody, or nobody, was tapped
   * @param {(camera: string) => void} options.onCamera a camera was tapped
   */
  constructor({ element, floor, cameras, theme, people, truth, onPerson, onCamera }) {
    this.element = element;
    this.floor = floor;
    this.cameras = cameras;
    this.theme = theme;
    this.people = people;
    this.truth = truth;
    this.view = new Viewport(floor.bounds);
    this.canvases = [...element.querySelectorAll("canvas")];
    this.contexts = this.canvases.map((canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")));
    listenToGestures(element, this.view, {
      moved: () => this.refresh(),
      tapped: (px, py) => this.#tap(px, py, onPerson, onCamera),
      hovered: (px, py) => this.#hover(px, py),
      takesTaps: () => this.tapped !== null,
    });
    new ResizeObserver(() => this.#resize()).observe(element);
    this.#resize();
    if (floor.image) this.#loadPlan(floor.image.url);
  }

  /** Redraw everything with the next frame: the view, a layer, the selection or the theme has changed. */
  refresh() {
    this.#groundDirty = this.#trailsDirty = this.#dotsDirty = true;
    this.element.classList.toggle("is-zoomed", !this.view.fitted);
    this.onView();
  }

  /** Redraw what depends on colours. */
  recolour() {
    this.#dots.reset();
    if (this.#planImage) this.#plan = planFor(this.#planImage, this.theme.name);
    this.refresh();
  }

  /** Mark cameras that give no pictures. @param {CameraState[]} states */
  markCameras(states) {
    const faulty = new Set(states.filter((s) => s.state === "lost").map((s) => s.id));
    if (faulty.size === this.#faulty.size && [...faulty].every((id) => this.#faulty.has(id))) return;
    this.#faulty = faulty;
    this.#groundDirty = true;
  }

  /** Stress the field of view of one camera, or none. @param {string | null} camera */
  stress(camera) {
    if (camera === this.emphasis) return;
    this.emphasis = camera;
    this.#groundDirty = true;
  }

  /** An update came: trails have grown. */
  grow() {
    this.#trailsDirty = this.#dotsDirty = true;
  }

  /** Show the whole floor. */
  fit() {
    this.view.fit();
    this.refresh();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.view.zoomAt(this.view.width / 2, this.view.height / 2, factor);
    this.refresh();
  }

  /**
   * Draw a frame.
   * @param {number} nowMs performance.now()
   * @param {Freshness} fresh
   * @param {boolean} moved whether anybody looks different from the frame before
   */
  draw(nowMs, fresh, moved) {
    const [ground, trails, dots] = this.contexts;
    const colour = this.theme.colour;
    if (this.#groundDirty) {
      this.#groundDirty = false;
      const { floor, cameras, emphasis, layers, theme } = this;
      const look = { plan: this.#plan, dark: theme.name === "dark", faulty: this.#faulty, emphasis, fields: layers.fields };
      const labels = new FloorLabels();
      drawGround(ground, this.view, { floor, cameras, ...look }, colour, labels);
      if (this.heat) drawHeat(ground, this.view, this.heat, theme.name);
      if (layers.places) drawPlaces(ground, this.view, this.places, { ink: colour["ink-2"], accent: colour["ink-2"], fill: 0.05 }, labels);
      labels.write(ground, colour.paper);
    }
    if (this.#trailsDirty && nowMs - this.#trailsMs > TRAILS_EVERY_MS) this.#drawTrails(trails, nowMs, fresh);
    const look = `${fresh}${this.hovered}${this.selected}`;
    if (!moved && !this.#dotsDirty && look === this.#drawnLook) return;
    this.#dotsDirty = false;
    this.#drawnLook = look;
    dots.clearRect(0, 0, this.view.width, this.view.height);
    const shown = fresh === "live" || fresh === "stale" || fresh === "past";
    if (this.layers.truth && fresh === "live") drawTruth(dots, this.view, this.truth.at(nowMs), colour.ink, colour.paper);
    if (shown) this.#drawDots(dots, fresh === "stale");
    this.drawn = { dots: shown ? this.people.shown.size : 0, fresh };
  }

  /** @param {CanvasRenderingContext2D} ctx @param {boolean} stale */
  #drawDots(ctx, stale) {
    const { name, colour } = this.theme;
    this.#dots.draw(ctx, this.view, this.people.shown.values(), this.people.shown.size, {
      colourOf: (id) => identityColour(id, name),
      text: textOnIdentity(name),
      halo: colour.paper,
      ink: colour.ink,
      muted: colour["ink-3"],
      ratio: this.#ratio,
      selected: this.selected,
      hovered: this.hovered,
      uncertainty: this.layers.uncertainty,
      stale,
      arrows: !this.layers.forecast,
      views: this.people.tellsViews,
    });
  }

  /** @param {CanvasRenderingContext2D} ctx @param {number} nowMs @param {Freshness} fresh */
  #drawTrails(ctx, nowMs, fresh) {
    this.#trailsDirty = false;
    this.#trailsMs = nowMs;
    ctx.clearRect(0, 0, this.view.width, this.view.height);
    const colourOf = (/** @type {number} */ id) => identityColour(id, this.theme.name);
    if (this.selected !== null) drawJourney(ctx, this.view, this.#wayOfSelected(), colourOf(this.selected), this.theme.colour.paper);
    const { people, selected } = this;
    const look = { count: people.shown.size, nowS: people.capturedAt ?? 0, selected, colourOf };
    if (this.layers.trails && (fresh === "live" || fresh === "past")) drawTrails(ctx, this.view, people.shown.values(), look);
    if (fresh === "live") drawForesight(ctx, this.view, this.ahead, people, { selected, colourOf, paper: this.theme.colour.paper });
  }

  /** The journey as the server told it, and what came since. @returns {[number, number, number][]} */
  #wayOfSelected() {
    const person = this.selected === null ? undefined : this.people.shown.get(this.selected);
    const points = [...this.journey];
    const last = points.at(-1)?.[0] ?? -Infinity;
    const trail = person?.trail ?? [];
    for (let i = 0; i < trail.length; i += 3) {
      if (trail[i + 2] > last) points.push([trail[i + 2], trail[i], trail[i + 1]]);
    }
    if (person && person.goneMs === null) points.push([person.capturedAt, person.measured.x, person.measured.y]);
    return points;
  }

  /** @param {number} px @param {number} py @returns {number | null} the id of the nearest disc under a pixel */
  #personAt(px, py) {
    const crowded = isCrowded(this.people.shown.size, this.view);
    let nearest = null;
    let shortest = Infinity;
    for (const person of this.people.shown.values()) {
      const [x, y] = this.view.toScreen(person.x, person.y);
      const distance = Math.hypot(x - px, y - py);
      if (distance < Math.min(shortest, discRadius(person.id, crowded) + TOUCH_PX)) {
        nearest = person.id;
        shortest = distance;
      }
    }
    return nearest;
  }

  /** @param {number} px @param {number} py @param {(id: number | null) => void} onPerson @param {(camera: string) => void} onCamera */
  #tap(px, py, onPerson, onCamera) {
    if (this.tapped) {
      this.tapped(...this.view.toFloor(px, py));
      return;
    }
    const id = this.#personAt(px, py);
    const camera = this.cameras.find((c) => {
      if (!c.position) return false;
      const [x, y] = cameraPlace(this.view, c);
      return Math.hypot(x - px, y - py) < 8 + TOUCH_PX;
    });
    if (id === null && camera) onCamera(camera.id);
    else onPerson(id);
  }

  /** @param {number} px @param {number} py */
  #hover(px, py) {
    this.hovered = Number.isNaN(px) ? null : this.#personAt(px, py);
    this.element.classList.toggle("is-pointing", this.hovered !== null);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.element;
    this.#ratio = Math.min(2, devicePixelRatio || 1);
    this.view.resize(clientWidth, clientHeight);
    for (const [i, canvas] of this.canvases.entries()) {
      canvas.width = Math.round(clientWidth * this.#ratio);
      canvas.height = Math.round(clientHeight * this.#ratio);
      this.contexts[i].setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    }
    this.#dots.reset();
    this.#trailsMs = 0;
    this.refresh();
  }

  /** @param {string} url */
  #loadPlan(url) {
    const image = new Image();
    image.onload = () => {
      this.#planImage = image;
      this.recolour();
    };
    image.src = url;
  }
}
