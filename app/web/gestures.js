/**
 * Pan, zoom, tap and hover on the map by mouse, touch, pen and keyboard. Moves a Viewport and reports taps in CSS pixels.
 * Knows nothing of what is drawn.
 */

/** @import { Viewport } from "./viewport.js" */

const TAP_SLOP_PX = 6;
const KEY_STEP_PX = 64;
const KEY_ZOOM = 1.35;

/**
 * Let an element move a viewport.
 * @param {HTMLElement} element focusable, covers the map
 * @param {Viewport} viewport
 * @param {object} listener
 * @param {() => void} listener.moved
 * @param {(px: number, py: number) => void} listener.tapped
 * @param {(px: number, py: number) => void} listener.hovered
 * @param {() => boolean} listener.takesTaps whether two taps are two taps, and no double click that zooms
 */
export function listenToGestures(element, viewport, { moved, tapped, hovered, takesTaps }) {
  /** @type {Map<number, {x: number, y: number}>} pointers that are down */
  const down = new Map();
  let travelled = 0;

  const place = (/** @type {MouseEvent} */ event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const zoom = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ factor) => {
    viewport.zoomAt(x, y, factor);
    moved();
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    down.set(event.pointerId, place(event));
    if (down.size === 1) travelled = 0;
    if (event.pointerType === "mouse") element.setPointerCapture(event.pointerId);
  });

  element.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") hovered(now.x, now.y);
      return;
    }
    travelled += Math.hypot(now.x - before.x, now.y - before.y);
    down.set(event.pointerId, now);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1] ?? now;
      const apart = (/** @type {{x: number, y: number}} */ p) => Math.max(1, Math.hypot(p.x - other.x, p.y - other.y));
      viewport.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      zoom((now.x + other.x) / 2, (now.y + other.y) / 2, apart(now) / apart(before));
    } else if (travelled > TAP_SLOP_PX && down.size === 1) {
      viewport.pan(now.x - before.x, now.y - before.y);
      moved();
    }
  });

  const lift = (/** @type {PointerEvent} */ event) => {
    const was = down.delete(event.pointerId);
    if (was && event.type === "pointerup" && down.size === 0 && travelled <= TAP_SLOP_PX) {
      const { x, y } = place(event);
      tapped(x, y);
    }
  };
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
  element.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hovered(NaN, NaN);
    else lift(event);
  });

  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, y } = place(event);
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      zoom(x, y, Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0016));
    },
    { passive: false },
  );
  element.addEventListener("dblclick", (event) => {
    if (takesTaps()) return;
    const { x, y } = place(event);
    zoom(x, y, event.shiftKey ? 1 / 1.8 : 1.8);
  });

  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => viewport.pan(KEY_STEP_PX, 0),
    ArrowRight: () => viewport.pan(-KEY_STEP_PX, 0),
    ArrowUp: () => viewport.pan(0, KEY_STEP_PX),
    ArrowDown: () => viewport.pan(0, -KEY_STEP_PX),
    "+": () => viewport.zoomAt(viewport.width / 2, viewport.height / 2, KEY_ZOOM),
    "=": () => viewport.zoomAt(viewport.width / 2, viewport.height / 2, KEY_ZOOM),
    "-": () => viewport.zoomAt(viewport.width / 2, viewport.height / 2, 1 / KEY_ZOOM),
    "0": () => viewport.fit(),
  };
  element.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
    moved();
  });
}
