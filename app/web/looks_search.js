/**
 * Finds people by what they look like: words in the search field, the best likenesses first. Knows the history's answer
 * and its elements; ids are sought by the list of people itself.
 */

import { epoch } from "./archive.js";
import { element } from "./html.js";
import { identityColour } from "./identity_colour.js";
import { RequestFailed } from "./wire.js";
import * as wording from "./wording.js";

/** @import { Archive, Lookalike } from "./archive.js" */
/** @import { Theme } from "./theme.js" */

const SHOWN = 8;

export class LooksSearch {
  #ticket = 0;

  /**
   * @param {object} options
   * @param {HTMLInputElement} options.search
   * @param {HTMLElement} options.list an ol
   * @param {HTMLElement} options.note
   * @param {Archive} options.archive
   * @param {Theme} options.theme
   * @param {(id: number) => void} options.onPerson
   */
  constructor({ search, list, note, archive, theme, onPerson }) {
    this.search = search;
    this.list = list;
    this.note = note;
    this.archive = archive;
    this.theme = theme;
    search.addEventListener("input", () => this.#begin());
    search.addEventListener("keydown", (event) => event.key === "Enter" && this.#ask());
    list.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button?.dataset.person) onPerson(Number(button.dataset.person));
    });
  }

  get #words() {
    const words = this.search.value.trim();
    return /^\d*$/.test(words) ? "" : words;
  }

  #begin() {
    this.#ticket += 1;
    this.#show([], this.#words ? "Press Enter to find who looks like this." : "");
  }

  async #ask() {
    const words = this.#words;
    if (!words) return;
    this.#ticket += 1;
    const ticket = this.#ticket;
    this.#show([], "Looking…");
    try {
      const { people } = await this.archive.looks({ looks: words, limit: SHOWN });
      if (ticket === this.#ticket) this.#show(people, people.length ? "Of the last hour, most alike first; somebody always comes first." : "Nobody was seen in the last hour.");
    } catch (error) {
      const why = error instanceof RequestFailed ? error.message : "no connection";
      if (ticket === this.#ticket) this.#show([], `Not found by looks: ${why}`);
    }
  }

  /** @param {Lookalike[]} people @param {string} note */
  #show(people, note) {
    this.note.textContent = note;
    this.note.hidden = note === "";
    this.list.hidden = people.length === 0;
    this.list.replaceChildren(...people.map((person) => this.#item(person)));
  }

  /** @param {Lookalike} person */
  #item({ id, last_seen }) {
    const button = element("button", { type: "button", "data-person": String(id) },
      element("span", { class: "unseen" }, "Person "), element("span", { class: "disc" }, String(id)), " ",
      element("span", { class: "doing" }, `seen ${wording.timeOfDay(epoch(last_seen))}`));
    button.style.setProperty("--identity", identityColour(id, this.theme.name));
    return element("li", {}, button);
  }
}
