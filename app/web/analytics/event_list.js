/** The list of events with its filter; an event leads to its instant on the map. Knows events and names of places. */

import { epoch } from "../archive.js";
import { dayAndTime } from "../past/days.js";
import * as wording from "../wording.js";

/** @import { Archive, Period, PlaceEvent } from "../archive.js" */

const PAGE = 40;
export const ALARMS = ["over_capacity", "dwell_exceeded", "restricted", "fall_silent"];

/** @type {Record<string, string[]>} filters by name; none is all */
const FILTERS = {
  all: [],
  alarms: ALARMS,
  visits: ["enter", "exit"],
  crossings: ["cross"],
  cameras: ["fall_silent", "heard_again"],
};

/** @type {Record<string, (event: PlaceEvent) => string>} */
const WORDS = {
  enter: () => "came in",
  exit: ({ dwell_s }) => (dwell_s === null ? "left" : `left after ${wording.duration(dwell_s)}`),
  cross: ({ inwards }) => (inwards ? "crossed inwards" : "crossed outwards"),
  dwell_exceeded: ({ dwell_s }) => (dwell_s === null ? "stays too long" : `stays too long: ${wording.duration(dwell_s)}`),
  over_capacity: ({ people }) => (people === null ? "too full" : `too full: ${wording.counted(people, "person", "people")}`),
  capacity_restored: () => "no longer too full",
  restricted: () => "entered though restricted",
  fall_silent: ({ camera }) => `camera ${camera} fell silent`,
  heard_again: ({ camera }) => `camera ${camera} is back`,
};

export class EventList {
  /** @type {string | null} */
  #next = null;
  #ticket = 0;
  /** @type {(Period & {place?: string}) | null} */
  #asked = null;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element with [data-part] list, filter, more and note
   * @param {Archive} options.archive
   * @param {(id: string) => string} options.nameOf a place
   * @param {(at: number, person: number | null) => void} options.onShow an event shall be seen on the map
   */
  constructor({ element, archive, nameOf, onShow }) {
    this.element = element;
    this.archive = archive;
    this.nameOf = nameOf;
    this.onShow = onShow;
    this.#part("filter").addEventListener("change", () => this.load(this.#asked));
    this.#part("more").addEventListener("click", () => this.#append());
  }

  /** Load the newest events of a period. @param {(Period & {place?: string}) | null} asked @param {AbortSignal} [signal] */
  async load(asked, signal) {
    if (!asked) return;
    this.#asked = asked;
    this.#next = null;
    this.#part("more").hidden = true;
    this.#ticket += 1;
    await this.#append(signal, true);
  }

  /** @param {AbortSignal} [signal] @param {boolean} [anew] */
  async #append(signal, anew = false) {
    const ticket = this.#ticket;
    const filter = /** @type {HTMLSelectElement} */ (this.#part("filter")).value;
    const question = { .../** @type {Period} */ (this.#asked), kind: FILTERS[filter] ?? [], limit: PAGE, cursor: this.#next ?? undefined };
    try {
      const { events, next } = await this.archive.events(question, signal);
      if (ticket !== this.#ticket) return;
      const items = events.map((event) => this.#item(event));
      if (anew) this.#part("list").replaceChildren(...items);
      else this.#part("list").append(...items);
      this.#next = next;
      this.#part("more").hidden = next === null;
      this.#part("note").textContent = this.#part("list").childElementCount ? "" : "No events of this kind in this time.";
    } catch (error) {
      if (signal?.aborted || ticket !== this.#ticket) return;
      this.#part("note").textContent = `Events cannot be read: ${/** @type {Error} */ (error).message}`;
    }
  }

  /** @param {PlaceEvent} event */
  #item(event) {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.dateTime = event.at;
    time.textContent = dayAndTime(epoch(event.at));
    const what = document.createElement("span");
    const who = event.identity === null ? "" : `Person ${event.identity} `;
    what.textContent = `${who}${WORDS[event.kind]?.(event) ?? event.kind}`;
    if (ALARMS.includes(event.kind)) what.className = "alarm";
    const where = document.createElement("span");
    where.className = "quiet";
    where.textContent = this.nameOf(event.place);
    const show = document.createElement("button");
    show.className = "link";
    show.textContent = "Show on map";
    show.setAttribute("aria-label", `Show on map: ${what.textContent}, ${time.textContent}`);
    show.addEventListener("click", () => this.onShow(epoch(event.at), event.identity));
    item.append(time, what, where, show);
    return item;
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part="${name}"]`));
  }
}
