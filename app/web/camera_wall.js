/**
 * The wall of camera tiles: which are watched and how large, and which one is in front.
 * Asks for pictures of visible tiles only, in a size that fits them. Knows tiles, not people.
 */

import { BestCamera, viewOf } from "./best_camera.js";
import { CameraTile } from "./camera_tile.js";
import { decodeFrame } from "./frame_message.js";
import { LiveSocket } from "./live_socket.js";
import { framesAddress } from "./wire.js";

/** @import { Camera, CameraState, FrameMessage } from "./wire.js" */
/** @import { Theme } from "./theme.js" */

const WIDTHS = [320, 480, 640, 960, 1280]; // quality steps: the server encodes a picture once a step
const NARROWEST_PX = 132; // tiles are not squeezed below this; the wall scrolls instead
const NARROWEST_BESIDE_PX = 84; // while another camera is in front
const GAP_PX = 6;

/** A socket for some cameras at one width. */
class FrameFeed {
  /** @type {string[]} */
  cameras = [];
  width = 640;

  /** @param {string} site @param {(data: ArrayBuffer) => void} onFrame */
  constructor(site, onFrame) {
    this.socket = new LiveSocket({
      url: () => framesAddress(site, this.cameras, this.width),
      onMessage: (data) => data instanceof ArrayBuffer && onFrame(data),
      onPhase: () => {},
    });
  }

  /** @param {string[]} cameras none closes the connection @param {number} width pixels */
  watch(cameras, width) {
    if (cameras.length === 0) {
      this.cameras = [];
      if (this.socket.phase !== "closed") this.socket.close();
      return;
    }
    if (width === this.width && cameras.join() === this.cameras.join() && this.socket.phase !== "closed") return;
    this.cameras = cameras;
    this.width = width;
    if (this.socket.phase === "closed") this.socket.open();
    else this.socket.send({ type: "watch", cameras, width });
  }
}

export class CameraWall {
  /** @type {string | null} the camera in front, chosen by hand or by the selected person */
  front = null;
  /** @type {string | null} chosen by hand */
  pinned = null;
  /** @type {number | null} */
  selected = null;
  /** @type {CameraState[]} */
  states = [];
  /** @type {Set<string>} cameras whose tile is on the screen */
  #visible = new Set();
  #best = new BestCamera();
  /** messages that could not be read */
  faults = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element
   * @param {string} options.site
   * @param {Camera[]} options.cameras
   * @param {Theme} options.theme
   * @param {(id: number) => number} options.resolve follows merges
   * @param {(id: number | null) => void} options.onPerson a box was clicked
   * @param {(camera: string | null) => void} options.onFront another camera is in front, or none
   * @param {(camera: string | null) => void} options.onHover the pointer is over a tile
   */
  constructor({ element, site, cameras, theme, resolve, onPerson, onFront, onHover }) {
    this.element = element;
    this.resolve = resolve;
    this.onFront = onFront;
    this.tiles = new Map(cameras.map((camera) => [camera.id, new CameraTile(camera, theme, resolve)]));
    const receive = (/** @type {ArrayBuffer} */ data) => this.#receive(data);
    this.feed = new FrameFeed(site, receive);
    this.frontFeed = new FrameFeed(site, receive);
    this.observer = new IntersectionObserver((entries) => this.#noteVisible(entries), { rootMargin: "40px" });
    for (const [id, tile] of this.tiles) {
      element.append(tile.element);
      this.observer.observe(tile.element);
      tile.element.addEventListener("pointerenter", () => onHover(id));
      tile.element.addEventListener("pointerleave", () => onHover(null));
      tile.button.addEventListener("click", (event) => this.#click(id, tile, event, onPerson));
    }
    new ResizeObserver(() => this.arrange()).observe(element);
    document.addEventListener("visibilitychange", () => this.watch());
  }

  /** Select a person, or nobody: boxes are redrawn and a fitting camera comes forward. @param {number | null} id */
  select(id) {
    this.selected = id;
    this.pinned = null;
    this.refresh();
  }

  /** Bring a camera to the front by hand; once more, or null, sends it back. @param {string | null} camera */
  pin(camera) {
    this.pinned = camera === this.front && this.pinned === camera ? null : camera;
    this.#bring(this.pinned);
  }

  /** Redraw all tiles with the next frame. */
  refresh() {
    for (const tile of this.tiles.values()) tile.refresh();
  }

  /** Choose the camera for the selected person. @param {string[]} seenBy cameras that report the person @param {number} nowMs */
  follow(seenBy, nowMs) {
    if (this.pinned !== null) return;
    const scores = [];
    for (const [id, tile] of this.tiles) {
      const fresh = tile.shown && tile.element.dataset.state === "live";
      if (this.selected !== null && fresh) scores.push(/** @type {[string, number]} */ ([id, viewOf(/** @type {any} */ (tile.shown).frame, this.selected, this.resolve)]));
    }
    const known = seenBy.filter((id) => this.tiles.has(id));
    this.#bring(this.#best.choose(this.selected, scores, known, nowMs));
    for (const [id, tile] of this.tiles) tile.element.classList.toggle("sees-selected", known.includes(id));
    this.watch(known);
  }

  /** Draw what has changed. @param {number} nowMs @param {number | null} serverS */
  draw(nowMs, serverS) {
    for (const tile of this.tiles.values()) tile.draw(nowMs, serverS, this.selected);
  }

  /** Write states and ages. @param {number} nowMs @param {number | null} serverS */
  mark(nowMs, serverS) {
    for (const [id, tile] of this.tiles) tile.mark(nowMs, this.states.find((s) => s.id === id) ?? null, serverS);
  }

  /** Ask for the pictures that somebody can see. @param {string[]} [also] cameras to watch though they are out of view */
  watch(also = []) {
    const hidden = document.visibilityState === "hidden";
    const wanted = hidden ? [] : [...this.tiles.keys()].filter((id) => this.#visible.has(id) || also.includes(id));
    this.feed.watch(wanted.filter((id) => id !== this.front), this.#widthFor(wanted.filter((id) => id !== this.front)));
    this.frontFeed.watch(hidden || this.front === null ? [] : [this.front], this.#widthFor([this.front ?? ""]));
  }

  /** Choose the number of columns that shows the largest tiles without scrolling, if that can be. */
  arrange() {
    const { clientWidth: width } = this.element;
    const narrowest = this.front === null ? NARROWEST_PX : NARROWEST_BESIDE_PX;
    const most = Math.max(1, Math.floor((width + GAP_PX) / (narrowest + GAP_PX)));
    const columns = this.front === null ? this.#columnsThatFit(width) : Math.max(3, this.tiles.size - 1);
    this.element.style.setProperty("--columns", String(Math.min(columns, most)));
  }

  /** How many people are in the pictures that are live. */
  countInView() {
    const seen = new Set();
    for (const tile of this.tiles.values()) {
      if (tile.element.dataset.state !== "live") continue;
      for (const id of tile.shown?.frame.globalId ?? []) if (id >= 0) seen.add(this.resolve(id));
    }
    return seen.size;
  }

  /** @param {number} width */
  #columnsThatFit(width) {
    const height = (this.element.closest("main")?.clientHeight ?? 0) * this.#share() + GAP_PX;
    let columns = 1;
    while (columns < this.tiles.size && this.#heightOf(width, columns) * Math.ceil(this.tiles.size / columns) > height) columns += 1;
    return columns;
  }

  /** The share of the page's main part that the wall may fill; the stylesheet knows. */
  #share() {
    return Number(getComputedStyle(this.element).getPropertyValue("--share")) || 1;
  }

  /** @param {number} width @param {number} columns */
  #heightOf(width, columns) {
    const camera = [...this.tiles.values()][0]?.camera;
    const aspect = camera?.width && camera.height ? camera.height / camera.width : 9 / 16;
    return ((width - GAP_PX * (columns - 1)) / columns) * aspect + GAP_PX;
  }

  /** @param {string[]} cameras */
  #widthFor(cameras) {
    const widest = Math.max(0, ...cameras.map((id) => this.tiles.get(id)?.canvas.width ?? 0));
    return WIDTHS.find((width) => width >= 0.9 * widest) ?? WIDTHS[WIDTHS.length - 1];
  }

  /** @param {string | null} camera */
  #bring(camera) {
    if (camera === this.front) return;
    this.front = camera;
    for (const [id, tile] of this.tiles) {
      tile.element.classList.toggle("is-front", id === camera);
      tile.button.setAttribute("aria-pressed", String(id === camera));
    }
    const tile = camera === null ? undefined : this.tiles.get(camera);
    this.element.classList.toggle("has-front", camera !== null);
    if (tile && this.element.scrollWidth > this.element.clientWidth + 1) {
      this.element.scrollTo({ left: tile.element.offsetLeft - this.element.offsetLeft, behavior: "auto" });
    }
    this.arrange();
    this.watch();
    this.onFront(camera);
  }

  /** @param {string} id @param {CameraTile} tile @param {MouseEvent} event @param {(id: number | null) => void} onPerson */
  #click(id, tile, event, onPerson) {
    const box = tile.element.getBoundingClientRect();
    const byKeyboard = event.detail === 0;
    const person = byKeyboard ? null : tile.personAt(event.clientX - box.left, event.clientY - box.top);
    if (person !== null) onPerson(person);
    else this.pin(id);
  }

  /** @param {ArrayBuffer} data */
  #receive(data) {
    /** @type {FrameMessage} */
    let frame;
    try {
      frame = decodeFrame(data);
    } catch (error) {
      this.faults += 1;
      if (this.faults === 1) console.error("A frame message could not be read:", error);
      return;
    }
    this.tiles.get(frame.cameraId)?.receive(frame, performance.now());
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #noteVisible(entries) {
    for (const entry of entries) {
      const id = /** @type {HTMLElement} */ (entry.target).dataset.camera ?? "";
      if (entry.isIntersecting) this.#visible.add(id);
      else this.#visible.delete(id);
    }
    this.watch();
  }
}
