/** A zone or line while it is being drawn: its corners and limits, and every step back. Knows metres, no screen. */

/** @import { Place } from "../archive.js" */
/** @typedef {[number, number]} Corner metres */

const FEWEST = { zone: 3, line: 2 };
const ID_LENGTH = 48;
const NEAREST_M = 0.05;

export class Draft {
  /** @type {Place[]} */
  #before = [];

  /** @param {Place} place @param {boolean} isNew */
  constructor(place, isNew) {
    this.place = place;
    this.isNew = isNew;
  }

  /** Whether the shape has as many corners as it needs. */
  get isWhole() {
    return this.corners.length >= FEWEST[this.place.kind];
  }

  get isChanged() {
    return this.#before.length > 0;
  }

  /** @returns {Corner[]} */
  get corners() {
    return this.place.polygon ?? this.place.ends ?? [];
  }

  /**
   * Change fields.
   * @param {Partial<Place>} fields
   * @param {boolean} goesOn part of the same change as the call before: one step back takes both back
   */
  change(fields, goesOn) {
    if (!goesOn) this.#before.push(this.place);
    this.place = { ...this.place, ...fields };
  }

  /** Take the last step back. */
  undo() {
    this.place = this.#before.pop() ?? this.place;
  }

  /** Add a corner at the end; a line has two. @param {Corner} corner */
  append(corner) {
    const last = this.corners.at(-1);
    const again = last && Math.hypot(corner[0] - last[0], corner[1] - last[1]) < NEAREST_M; // a double click
    if (again || (this.place.kind === "line" && this.corners.length >= 2)) return;
    this.#shape([...this.corners, corner]);
  }

  /** Add a corner behind another one. @param {number} index @param {Corner} corner */
  insert(index, corner) {
    if (this.place.kind === "zone") this.#shape(this.corners.toSpliced(index + 1, 0, corner));
  }

  /** Take a corner away unless too few would be left. @param {number} index */
  remove(index) {
    if (this.corners.length > FEWEST[this.place.kind]) this.#shape(this.corners.toSpliced(index, 1));
  }

  /**
   * Move a corner.
   * @param {number} index @param {Corner} corner
   * @param {boolean} goesOn part of the same movement as the call before: one step back takes both back
   */
  move(index, corner, goesOn) {
    const corners = this.corners.with(index, corner);
    if (goesOn) this.place = shaped(this.place, corners);
    else this.#shape(corners);
  }

  /** Let people who cross the line the other way go in. */
  reverse() {
    if (this.place.kind === "line") this.#shape(this.corners.toReversed());
  }

  /** @param {Corner[]} corners */
  #shape(corners) {
    this.#before.push(this.place);
    this.place = shaped(this.place, corners);
  }
}

/** @param {Place} place @param {Corner[]} corners @returns {Place} */
function shaped(place, corners) {
  const rounded = corners.map(([x, y]) => /** @type {Corner} */ ([Math.round(100 * x) / 100, Math.round(100 * y) / 100]));
  return place.kind === "zone" ? { ...place, polygon: rounded } : { ...place, ends: /** @type {any} */ (rounded) };
}

/**
 * Return an id for a new place that no other has: its name in a-z, 0-9 and hyphens.
 * @param {string} name
 * @param {string[]} taken
 */
export function idFor(name, taken) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const word = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, ID_LENGTH) || "place";
  let id = word;
  for (let n = 2; taken.includes(id); n += 1) id = `${word}-${n}`;
  return id;
}
