/**
 * `window.spoton`: what the page shows at this instant, for tests and for the curious at the console. Read-only:
 * everything it gives is a copy.
 *
 *   spoton.people()   [{id, x, y, shownX, shownY, cameras, capturedAt, live}] metres; x, y measured, shownX, shownY drawn
 *   spoton.tiles()    [{camera, state, index, capturedAt, boxes: [{id, trackId, box, floor}]}] of the pictures drawn last
 *   spoton.map()      {dots, fresh, scale}
 *   spoton.ages()     {p50, p95, count} seconds from capture to screen over the last 10 s, or null
 *   spoton.frames()   {count, script: {p50, p95}, interval: {p50, p95}} milliseconds over the last 10 s, or null
 *   spoton.drawn()    pictures drawn since the page was opened, all tiles together
 *   spoton.past       the capture time of the past that is shown, seconds since epoch; null while the floor is live
 *   spoton.selected, spoton.front, spoton.connection
 */

import { Window } from "./server_clock.js";

/** How long the page's own work took per animation frame, messages and texts included, and how far frames were apart. */
export class FrameTimes {
  #script = new Window(10_000);
  #interval = new Window(10_000);
  #lastMs = 0;
  #besidesMs = 0;

  /** Do work between two frames and count it with the next one. @param {() => void} work */
  count(work) {
    const begin = performance.now();
    work();
    this.#besidesMs += performance.now() - begin;
  }

  /** @param {number} beginMs @param {number} endMs */
  add(beginMs, endMs) {
    this.#script.add(endMs, endMs - beginMs + this.#besidesMs);
    this.#besidesMs = 0;
    if (this.#lastMs > 0) this.#interval.add(endMs, beginMs - this.#lastMs);
    this.#lastMs = beginMs;
  }

  /** @param {number} nowMs */
  summary(nowMs) {
    const script = this.#script.percentiles(nowMs);
    const interval = this.#interval.percentiles(nowMs);
    return script && interval ? { count: script.count, script, interval } : null;
  }
}

/**
 * Put the object on the window.
 * @param {object} page
 * @param {() => import("./people.js").People} page.people those who are shown
 * @param {(id: number) => number} page.resolve follows the merges of those who are live
 * @param {import("./camera_wall.js").CameraWall} page.wall
 * @param {import("./floor_map.js").FloorMap | null} page.map
 * @param {Window} page.ages
 * @param {FrameTimes} page.times
 * @param {() => number | null} page.selected
 * @param {() => number | null} page.past
 * @param {() => string} page.connection
 */
export function exposeInspection({ people, resolve, wall, map, ages, times, selected, past, connection }) {
  const inspection = {
    people: () =>
      [...people().shown.values()].map((p) => ({
        id: p.id, x: p.measured.x, y: p.measured.y, shownX: p.x, shownY: p.y, cameras: [...p.measured.cameras],
        capturedAt: p.capturedAt, live: p.goneMs === null, opacity: p.opacity,
      })),
    tiles: () => [...wall.tiles].map(([camera, tile]) => describeTile(camera, tile, resolve)),
    map: () => (map ? { ...map.drawn, scale: map.view.scale } : null),
    /** @param {number} x @param {number} y metres; CSS pixels within the map */
    screenOf: (x, y) => map?.view.toScreen(x, y) ?? null,
    ages: () => ages.percentiles(performance.now()),
    frames: () => times.summary(performance.now()),
    drawn: () => [...wall.tiles.values()].reduce((sum, tile) => sum + tile.pictures, 0),
    get selected() {
      return selected();
    },
    get front() {
      return wall.front;
    },
    get past() {
      return past();
    },
    get connection() {
      return connection();
    },
  };
  Object.defineProperty(window, "spoton", { value: Object.freeze(inspection) });
}

/** @param {string} camera @param {import("./camera_tile.js").CameraTile} tile @param {(id: number) => number} resolve */
function describeTile(camera, tile, resolve) {
  const frame = tile.drawn;
  const boxes = [];
  for (let i = 0; frame && i < frame.count; i += 1) {
    boxes.push({
      id: frame.globalId[i] < 0 ? null : resolve(frame.globalId[i]),
      trackId: frame.trackId[i],
      box: [...frame.box.subarray(4 * i, 4 * i + 4)],
      floor: [...frame.floor.subarray(2 * i, 2 * i + 2)],
    });
  }
  return { camera, state: tile.element.dataset.state, index: frame?.index ?? null, capturedAt: frame?.capturedAt ?? null, boxes };
}
