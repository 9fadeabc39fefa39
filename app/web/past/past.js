/**
 * The past on the page: wires a Replay to its Scrubber, and says loudly that what is shown is not live.
 * Knows the banner and the strip; learns of the map only that it shall be redrawn.
 */

import * as wording from "../wording.js";
import { day } from "./days.js";
import { Replay } from "./replay.js";
import { Scrubber } from "./scrubber.js";

/** @import { Archive } from "../archive.js" */
/** @import { Theme } from "../theme.js" */

/** @param {string} name @returns {HTMLElement} */
const part = (name) => /** @type {HTMLElement} */ (document.querySelector(`[data-past="${name}"]`));

export class Past {
  #shown = false;

  /**
   * @param {object} options
   * @param {Archive} options.archive
   * @param {Theme} options.theme
   * @param {() => number} options.now the server's clock, seconds since epoch
   * @param {(past: boolean) => void} options.onSwitch the page shall show the past from now on, or what is live
   * @param {() => void} options.onFloor another instant of the past is shown
   */
  constructor({ archive, theme, now, onSwitch, onFloor }) {
    this.onSwitch = onSwitch;
    this.onFloor = onFloor;
    this.now = now;
    this.replay = new Replay({ archive, now, onChange: () => this.#follow() });
    const element = /** @type {HTMLElement} */ (document.getElementById("time"));
    this.scrubber = new Scrubber({ element, archive, replay: this.replay, theme, now });
    part("leave").addEventListener("click", () => this.leave());
  }

  /** The capture time that is shown; null while the floor is live. */
  get at() {
    return this.replay.at;
  }

  get people() {
    return this.replay.people;
  }

  /** @param {number} at seconds since epoch */
  goTo(at) {
    if (this.replay.at === null) this.replay.seek(at);
    this.scrubber.goTo(at);
  }

  /** Show what is live again. */
  leave() {
    if (this.replay.at !== null) this.replay.leave();
  }

  /** Write what changes with time alone. @param {number} nowMs */
  refresh(nowMs) {
    this.scrubber.refresh(nowMs);
    this.#write();
  }

  /** Why nobody is shown at this instant; empty when somebody is. */
  get emptiness() {
    if (this.at === null || (this.people.count > 0 && !this.replay.fault)) return "";
    if (this.replay.fault) return this.replay.fault;
    if (this.scrubber.observedAt(this.at) === false) return "Nobody watched the floor at this time.";
    return this.people.capturedAt === null ? "Asking for this instant…" : "Nobody was on the floor at this time.";
  }

  #follow() {
    const past = this.replay.at !== null;
    if (past !== this.#shown) {
      this.#shown = past;
      document.body.dataset.shows = past ? "past" : "live";
      this.onSwitch(past);
    }
    this.onFloor();
  }

  #write() {
    const at = this.replay.at;
    if (at === null) return;
    const { people } = this.replay;
    const known = people.capturedAt !== null && (people.count > 0 || this.scrubber.observedAt(at) !== false);
    const texts = {
      day: day(at), clock: wording.timeOfDay(at), ago: `${wording.duration(this.now() - at)} ago`,
      people: known ? wording.whole(people.count) : wording.NONE,
      badge: `${day(at)}, ${wording.timeOfDay(at)}`,
    };
    for (const [name, text] of Object.entries(texts)) if (part(name).textContent !== text) part(name).textContent = text;
  }
}
