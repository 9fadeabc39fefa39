/**
 * Where a demo's simulated people truly are. They glide by the same rule as the dots, so that both can be compared at
 * any instant. Knows truth messages only.
 */

import { People } from "./people.js";

/** @import { TruthMessage } from "./wire.js" */

export class TruePlaces {
  #people = new People(() => {});
  #seq = 0;
  /** @type {Map<number, {x: number, y: number, t: number}>} */
  #before = new Map();

  /** @param {boolean} still set places, do not glide */
  set still(still) {
    this.#people.still = still;
  }

  /** Take a truth message in. @param {TruthMessage} message @param {number} nowMs */
  update(message, nowMs) {
    const before = this.#before;
    this.#before = new Map();
    const people = message.people.map(({ id, x, y }) => {
      const last = before.get(id);
      const dt = last ? message.captured_at - last.t : 0;
      const [vx, vy] = last && dt > 0 && dt < 1 ? [(x - last.x) / dt, (y - last.y) / dt] : [0, 0];
      this.#before.set(id, { x, y, t: message.captured_at });
      return { id, x, y, vx, vy, cov: /** @type {[number, number, number]} */ ([0, 0, 0]), cameras: [], certainty: 1 };
    });
    this.#seq += 1;
    const { captured_at } = message;
    this.#people.update({ type: "floor", seq: this.#seq, captured_at, published_at: captured_at, people, corrections: [] }, nowMs);
  }

  /** The places to draw at an instant, metres. @param {number} nowMs */
  *at(nowMs) {
    if (this.#people.freshness(nowMs, null) !== "live") return;
    this.#people.advance(nowMs, null);
    for (const person of this.#people.shown.values()) if (person.goneMs === null) yield { x: person.x, y: person.y };
  }

  reset() {
    this.#people.reset();
    this.#before.clear();
  }
}
