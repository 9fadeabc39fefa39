/**
 * The choice of period, place and who counts, kept in the address, so that it can be sent to somebody else.
 * Knows the form of the analytics view.
 */

import * as wording from "../wording.js";
import { faultOf, periodOf, wordsOf } from "./period.js";

/** @import { Period, Place } from "../archive.js" */
/** @import { Choice } from "./period.js" */

const VIEW = "#analytics";

/** @param {string} name @returns {any} */
const part = (name) => document.querySelector(`#analytics [data-part="${name}"]`);

export class PeriodChoice {
  /** @type {Choice} */
  #choice = "today";
  /** @type {Period | null} */
  #custom = null;
  /** @type {number | null} the first recorded instant, seconds since epoch; null while it is not known */
  recorded = null;
  place = "";
  without = "";

  /**
   * @param {object} options
   * @param {() => number} options.now the server's clock, seconds since epoch
   * @param {() => void} options.onChange
   */
  constructor({ now, onChange }) {
    this.now = now;
    this.onChange = onChange;
    this.#readAddress();
    this.#fillCustom();
    for (const input of this.#radios()) {
      input.checked = input.value === this.#choice;
      input.addEventListener("change", () => this.#choose(/** @type {Choice} */ (input.value)));
    }
    part("custom-apply").addEventListener("click", () => this.#apply());
    part("place").addEventListener("change", () => {
      this.place = part("place").value;
      this.#changed();
    });
    part("without").checked = this.without !== "";
    part("without").addEventListener("change", () => {
      this.without = part("without").checked ? "staff" : "";
      this.#changed();
    });
    this.#write();
  }

  /** @returns {Period} */
  get period() {
    return periodOf(this.#choice, this.now(), this.#custom, this.recorded);
  }

  /** Whether the record is younger than the period that was chosen, which therefore begins with it. */
  get beginsWithRecord() {
    const { recorded } = this;
    return this.goesOn && recorded !== null && recorded > periodOf(this.#choice, this.now(), null).since;
  }

  /** Whether the period goes up to now. */
  get goesOn() {
    return ["today", "week", "month"].includes(this.#choice);
  }

  /** Offer these places. @param {Place[]} places */
  offer(places) {
    const options = [new Option("Whole floor", ""), ...places.map(({ id, name, kind }) => new Option(kind === "line" ? `${name} (line)` : name, id))];
    if (this.place && !places.some(({ id }) => id === this.place)) options.push(new Option(`${this.place} (not in use)`, this.place));
    part("place").replaceChildren(...options);
    part("place").value = this.place;
    this.#write();
  }

  #readAddress() {
    const [view, words] = location.hash.split("?");
    if (view !== VIEW) return;
    const given = new URLSearchParams(words);
    const choice = given.get("period") ?? "today";
    const custom = { since: Number(given.get("since")), until: Number(given.get("until")) };
    if (["today", "yesterday", "week", "month"].includes(choice)) this.#choice = /** @type {Choice} */ (choice);
    else if (choice === "custom" && faultOf(custom, this.now()) === "") [this.#choice, this.#custom] = ["custom", custom];
    this.place = given.get("place") ?? "";
    this.without = given.get("without") === "staff" ? "staff" : "";
  }

  /** @param {Choice} choice */
  #choose(choice) {
    if (choice === "custom") {
      this.#fillCustom();
      part("custom").hidden = false;
      part("custom-since").focus();
      return;
    }
    this.#choice = choice;
    this.#changed();
  }

  #fillCustom() {
    const { since, until } = this.period;
    part("custom-since").value = wording.localInput(since);
    part("custom-until").value = wording.localInput(until);
  }

  #apply() {
    const instant = (/** @type {string} */ name) => (part(name).value ? new Date(part(name).value).getTime() / 1000 : NaN);
    const custom = { since: instant("custom-since"), until: instant("custom-until") };
    const fault = faultOf(custom, this.now());
    part("custom-fault").textContent = fault;
    if (fault) return;
    [this.#choice, this.#custom] = ["custom", custom];
    this.#changed();
  }

  #changed() {
    const given = new URLSearchParams({ period: this.#choice });
    if (this.#choice === "custom" && this.#custom) for (const [key, at] of Object.entries(this.#custom)) given.set(key, String(at));
    if (this.place) given.set("place", this.place);
    if (this.without) given.set("without", this.without);
    history.replaceState(null, "", `${VIEW}?${given}`);
    this.#write();
    this.onChange();
  }

  #write() {
    part("custom").hidden = this.#choice !== "custom";
    part("period").hidden = this.#choice === "custom"; // the fields say it
    part("period").textContent = wordsOf(this.period);
  }

  /** @returns {NodeListOf<HTMLInputElement>} */
  #radios() {
    return document.querySelectorAll('#analytics input[name="period"]');
  }
}
