/**
 * One camera's tile: the newest picture with its own boxes, drawn together, and how fresh it is.
 * Pixels and boxes come in one message, so a box can never be off by a frame. Knows nothing of other tiles.
 */

import { identityColour, textOnIdentity } from "./identity_colour.js";
import { Window } from "./server_clock.js";
import * as wording from "./wording.js";

/** @import { Camera, CameraState, FrameMessage } from "./wire.js" */
/** @import { Theme } from "./theme.js" */

const OLD_S = 1.5; // a picture that has been on the screen this long is marked, or after three frames of a slow camera
const SMALL_PX = 190; // narrower tiles write ids only into boxes that can carry them
const HALO = { dark: "rgba(0, 0, 0, 0.45)", light: "rgba(255, 255, 255, 0.8)" }; // around bright and around deep colours
const NOBODY = "rgba(255, 255, 255, 0.75)"; // boxes without an identity yet

/**
 * @typedef {object} Shown what a tile shows, or will show with the next animation frame
 * @property {FrameMessage} frame
 * @property {number} receivedMs performance.now()
 * @property {number} drawnMs performance.now(); 0 before it was drawn
 */

export class CameraTile {
  /** @type {Shown | null} */
  shown = null;
  /** @type {FrameMessage | null} the frame that was drawn last */
  drawn = null;
  /** @type {ImageBitmap | null} */
  #bitmap = null;
  /** @type {{frame: FrameMessage, receivedMs: number} | null} the newest message, waiting for the decoder */
  #next = null;
  #decoding = false;
  #dirty = true;
  /** @type {CameraState | null} */
  #state = null;
  /** capture to screen, seconds */
  ages = new Window(10_000);
  /** pictures drawn so far */
  pictures = 0;
  /** JPEGs that did not decode */
  faults = 0;

  /**
   * @param {Camera} camera
   * @param {Theme} theme
   * @param {(id: number) => number} resolve follows merges
   */
  constructor(camera, theme, resolve) {
    this.camera = camera;
    this.theme = theme;
    this.resolve = resolve;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("tile"));
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (fragment.firstElementChild);
    this.element.dataset.camera = camera.id;
    if (camera.width && camera.height) this.element.style.aspectRatio = `${camera.width} / ${camera.height}`;
    this.button = /** @type {HTMLButtonElement} */ (this.element.querySelector("button"));
    this.canvas = /** @type {HTMLCanvasElement} */ (this.element.querySelector("canvas"));
    this.ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.#part("name").textContent = camera.id;
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** Take a message in; only the newest is decoded. @param {FrameMessage} frame @param {number} receivedMs */
  receive(frame, receivedMs) {
    this.#next = { frame, receivedMs };
    if (!this.#decoding) this.#decode();
  }

  /** Redraw with the next frame: selection, theme or size has changed. */
  refresh() {
    this.#dirty = true;
  }

  /**
   * Draw picture and boxes when they have changed.
   * @param {number} nowMs performance.now()
   * @param {number | null} serverS the server's clock
   * @param {number | null} selected
   * @returns {boolean} whether anything was drawn
   */
  draw(nowMs, serverS, selected) {
    if (!this.#dirty || !this.shown || this.canvas.width === 0) return false;
    this.#dirty = false;
    const { width, height } = this.canvas;
    if (this.#bitmap) this.ctx.drawImage(this.#bitmap, 0, 0, width, height);
    else this.ctx.clearRect(0, 0, width, height);
    this.#drawBoxes(this.shown.frame, selected);
    if (this.shown.drawnMs === 0) {
      this.shown.drawnMs = nowMs;
      this.drawn = this.shown.frame;
      this.pictures += 1;
      if (serverS !== null) this.ages.add(nowMs, serverS - this.shown.frame.capturedAt);
    }
    return true;
  }

  /**
   * Write how fresh the picture is. @param {number} nowMs @param {CameraState | null} state @param {number | null} serverS
   */
  mark(nowMs, state, serverS) {
    this.#state = state;
    const condition = this.#condition(nowMs);
    if (this.element.dataset.state !== condition) {
      this.element.dataset.state = condition;
      this.#dirty = true;
    }
    const seen = this.shown && serverS !== null ? serverS - this.shown.frame.capturedAt : null;
    write(this.#part("fps"), state && condition === "live" ? `${state.fps.toFixed(state.fps < 9.95 ? 1 : 0)} fps` : "");
    write(this.#part("age"), condition === "old" || condition === "late" ? `${wording.age(seen)} old` : "");
    write(this.#part("notice"), this.#notice(condition, seen));
    this.button.setAttribute("aria-label", `Camera ${this.camera.id}, ${SPOKEN[condition] ?? condition}`);
    this.element.title = this.#details(nowMs);
  }

  /** The box at a place of the tile, as a person's id; null where there is none. @param {number} px @param {number} py CSS pixels */
  personAt(px, py) {
    const frame = this.shown?.frame;
    if (!frame) return null;
    const x = (px / this.element.clientWidth) * frame.width;
    const y = (py / this.element.clientHeight) * frame.height;
    let found = null;
    let smallest = Infinity;
    for (let i = 0; i < frame.count; i += 1) {
      const [x0, y0, x1, y1] = frame.box.subarray(4 * i, 4 * i + 4);
      const area = (x1 - x0) * (y1 - y0);
      if (frame.globalId[i] < 0 || x < x0 || x > x1 || y < y0 || y > y1 || area >= smallest) continue;
      found = this.resolve(frame.globalId[i]);
      smallest = area;
    }
    return found;
  }

  /** @param {number} nowMs @returns {string} waiting, live, late, old, lost or ended */
  #condition(nowMs) {
    const state = this.#state?.state ?? "starting";
    if (state === "lost" || state === "ended") return state;
    if (!this.shown) return "waiting";
    const limit = Math.max(OLD_S, 3 / Math.max(0.1, this.#state?.fps || this.camera.fps || 1));
    if (nowMs - this.shown.receivedMs > 1000 * limit) return "old";
    return state === "late" ? "late" : "live";
  }

  /** @param {string} condition @param {number | null} seen seconds */
  #notice(condition, seen) {
    if (condition === "waiting") return "Waiting for the first picture";
    if (condition === "ended") return "Recording has ended";
    if (condition !== "lost") return "";
    const reason = this.#state?.reason ? `: ${this.#state.reason}` : "";
    return `Camera lost${reason}${seen !== null ? `. Last picture ${wording.age(seen)} ago` : ""}`;
  }

  /** @param {number} nowMs */
  #details(nowMs) {
    const ages = this.ages.percentiles(nowMs);
    const state = this.#state;
    const size = this.shown?.frame ?? this.camera;
    const parts = [size.width ? `${this.camera.id}, ${size.width} × ${size.height}` : this.camera.id];
    if (state) parts.push(`${wording.whole(state.frames)} frames, ${wording.whole(state.dropped)} skipped for newer ones`);
    if (ages) parts.push(`capture to screen ${wording.age(ages.p50)} median, ${wording.age(ages.p95)} at 95 %`);
    if (this.faults) parts.push(`${wording.counted(this.faults, "picture")} did not decode`);
    return parts.join("\n");
  }

  async #decode() {
    this.#decoding = true;
    while (this.#next) {
      const { frame, receivedMs } = this.#next;
      this.#next = null;
      try {
        const bitmap = await pictureOf(frame);
        this.#bitmap?.close();
        this.#bitmap = bitmap;
        this.shown = { frame, receivedMs, drawnMs: 0 };
        this.#dirty = true;
      } catch {
        this.faults += 1; // counted and shown in the tile's details; the picture before stays and is marked old
      }
    }
    this.#decoding = false;
  }

  /** @param {FrameMessage} frame @param {number | null} selected */
  #drawBoxes(frame, selected) {
    const ctx = this.ctx;
    const ratio = this.canvas.width / Math.max(1, this.element.clientWidth);
    const sx = this.canvas.width / frame.width;
    const sy = this.canvas.height / frame.height;
    const small = this.element.clientWidth < SMALL_PX;
    const theme = this.theme.name;
    ctx.lineJoin = "round";
    for (let i = 0; i < frame.count; i += 1) {
      const id = frame.globalId[i] < 0 ? null : this.resolve(frame.globalId[i]);
      const mine = id !== null && id === selected;
      const colour = id === null ? NOBODY : identityColour(id, theme);
      const x = frame.box[4 * i] * sx;
      const y = frame.box[4 * i + 1] * sy;
      const w = frame.box[4 * i + 2] * sx - x;
      const h = frame.box[4 * i + 3] * sy - y;
      ctx.globalAlpha = selected === null || mine ? 1 : 0.45;
      strokeBox(ctx, x, y, w, h, (mine ? 3 : id === null ? 1 : 1.75) * ratio, colour, HALO[id === null ? "dark" : theme]);
      if (id !== null && (mine || !small || w > 14 * ratio)) labelBox(ctx, x, y, String(id), colour, textOnIdentity(theme), (small && !mine ? 9 : 11) * ratio);
    }
    ctx.globalAlpha = 1;
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part="${name}"]`));
  }

  #resize() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.round(this.element.clientWidth * ratio);
    const height = Math.round(this.element.clientHeight * ratio);
    if (width === this.canvas.width && height === this.canvas.height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.#dirty = true;
  }
}

/** Decode a message's picture off the main thread; null for cameras that have boxes and no pixels. @param {FrameMessage} frame */
async function pictureOf(frame) {
  if (frame.jpeg.length === 0) return null;
  return createImageBitmap(new Blob([/** @type {BlobPart} */ (frame.jpeg)], { type: "image/jpeg" }));
}

/** @type {Record<string, string>} */
const SPOKEN = { live: "live", late: "running late", old: "picture is old", lost: "lost", ended: "recording has ended", waiting: "waiting for the first picture" };

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Stroke a box in its colour over a thin halo, so that it stands out from any picture. @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {number} w @param {number} h @param {number} line @param {string} colour @param {string} halo */
function strokeBox(ctx, x, y, w, h, line, colour, halo) {
  ctx.strokeStyle = halo;
  ctx.lineWidth = line + 1.5;
  ctx.strokeRect(x, y, w, h);
  ctx.strokeStyle = colour;
  ctx.lineWidth = line;
  ctx.strokeRect(x, y, w, h);
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {string} label @param {string} colour @param {string} text @param {number} size */
function labelBox(ctx, x, y, label, colour, text, size) {
  ctx.font = `700 ${size}px Arial, system-ui, sans-serif`;
  const height = size * 1.4;
  const width = label.length * size * 0.6 + size * 0.6;
  const top = y - height >= 0 ? y - height : y;
  const left = Math.min(Math.max(0, x - 1), ctx.canvas.width - width);
  ctx.fillStyle = colour;
  ctx.fillRect(left, top, width, height);
  ctx.fillStyle = text;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(label, left + width / 2, top + height / 2 + size * 0.06);
}
