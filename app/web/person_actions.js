/**
 * What operators say about the selected person: tags, who they are the same as, that they were somebody else for a
 * while, and taking such corrections back. Asks before it changes anything. Knows the history; nothing of the map.
 */

import { epoch } from "./archive.js";
import { RequestFailed } from "./wire.js";
import * as wording from "./wording.js";

/** @import { Archive, Identity, RecordedCorrection } from "./archive.js" */

const LISTED = 200; // corrections to look through for those of one person
const USUAL_SPAN_S = 60;

export class PersonActions {
  /** @type {number | null} */
  #person = null;
  /** @type {Identity | null} */
  #identity = null;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element the panel of the person
   * @param {Archive} options.archive
   * @param {() => number} options.at the instant that the page shows, seconds since epoch
   * @param {(text: string) => void} options.announce said by screen readers
   * @param {(id: number) => void} options.onPerson another person shall be shown
   * @param {() => void} options.onChange what is known of the person has changed
   */
  constructor({ element, archive, at, announce, onPerson, onChange }) {
    this.element = element;
    this.archive = archive;
    this.at = at;
    this.announce = announce;
    this.onPerson = onPerson;
    this.onChange = onChange;
    this.#form("tag-form", () => this.#addTag());
    this.#form("merge-form", () => this.#merge());
    this.#form("split-form", () => this.#split());
    const details = /** @type {HTMLDetailsElement} */ (this.#part("correct"));
    details.addEventListener("toggle", () => details.open && this.#prefill());
  }

  /** Show another person, or nobody. @param {number | null} id */
  show(id) {
    this.#person = id;
    this.#identity = null;
    /** @type {HTMLDetailsElement} */ (this.#part("correct")).open = false;
    this.#part("action-fault").textContent = "";
    this.#write([]);
    this.load();
  }

  /** Ask what the history knows of the person. */
  async load() {
    const id = this.#person;
    if (id === null) return;
    try {
      const [identity, { corrections }] = await Promise.all([this.archive.identity(id), this.archive.corrections({ limit: LISTED })]);
      if (id !== this.#person) return;
      this.#identity = identity;
      this.#write(corrections);
    } catch (error) {
      const unknown = error instanceof RequestFailed && error.status === 404; // nothing of this person is stored yet
      if (id === this.#person && !unknown) this.#part("action-fault").textContent = "Tags and corrections cannot be read now.";
    }
  }

  async #addTag() {
    const input = /** @type {HTMLInputElement} */ (this.#part("tag"));
    const tag = input.value.trim();
    if (!tag || !this.#identity) return;
    if (await this.#do((id) => this.archive.tag(id, [...new Set([...(this.#identity?.tags ?? []), tag])]), `Tagged ${tag}.`)) input.value = "";
  }

  /** @param {string} tag */
  #removeTag(tag) {
    return this.#do((id) => this.archive.tag(id, (this.#identity?.tags ?? []).filter((other) => other !== tag)), `No longer tagged ${tag}.`);
  }

  async #merge() {
    const into = Number(/** @type {HTMLInputElement} */ (this.#part("merge-into")).value);
    const id = this.#person;
    if (id === null || !Number.isInteger(into) || into < 1 || into === id) {
      this.#part("action-fault").textContent = "Give the number of another person.";
      return;
    }
    if (!confirm(`Person ${id} has been person ${into} all along? The history then tells of one person. It can be undone.`)) return;
    let kept = into;
    const merge = async () => {
      kept = (await this.archive.merge(id, into)).target; // who is on the floor keeps the number, whichever was named
    };
    if (await this.#do(merge, `Person ${id} and person ${into} are one.`)) this.onPerson(kept);
  }

  async #split() {
    const instant = (/** @type {string} */ name) => new Date(/** @type {HTMLInputElement} */ (this.#part(name)).value).getTime() / 1000;
    const [since, until] = [instant("split-since"), instant("split-until")];
    if (!(since < until)) {
      this.#part("action-fault").textContent = "The begin must be before the end.";
      return;
    }
    const span = `${wording.timeOfDay(since)} to ${wording.timeOfDay(until)}`;
    if (!confirm(`From ${span} person ${this.#person} was somebody else? That somebody gets a number of their own. It can be undone.`)) return;
    const reported = [.../** @type {NodeListOf<HTMLInputElement>} */ (this.#part("split-reported").querySelectorAll("input:checked"))].map((input) => Number(input.value));
    await this.#do((id) => this.archive.split(id, { since, until, reported }), "The person is split.");
  }

  /** @param {RecordedCorrection} correction */
  async #undo(correction) {
    if (confirm(`Take back: ${said(correction)}?`)) await this.#do(() => this.archive.takeBack(correction.id), "Taken back.");
  }

  /**
   * Do something and tell how it went.
   * @param {(id: number) => Promise<unknown>} order
   * @param {string} done
   * @returns {Promise<boolean>} whether it was done
   */
  async #do(order, done) {
    if (this.#person === null) return false;
    this.#part("action-fault").textContent = "";
    try {
      await order(this.#person);
    } catch (error) {
      this.#part("action-fault").textContent = error instanceof TypeError ? "No connection; nothing was changed." : /** @type {Error} */ (error).message;
      return false;
    }
    this.announce(done);
    this.onChange();
    await this.load();
    return true;
  }

  #prefill() {
    const until = this.at();
    for (const [name, at] of /** @type {[string, number][]} */ ([["split-since", until - USUAL_SPAN_S], ["split-until", until]])) {
      /** @type {HTMLInputElement} */ (this.#part(name)).value = wording.localInput(at, true);
    }
  }

  /** @param {RecordedCorrection[]} corrections */
  #write(corrections) {
    const identity = this.#identity;
    this.#part("tags").replaceChildren(...(identity?.tags ?? []).map((tag) => this.#chip(tag)));
    const others = (identity?.reported ?? []).length > 1 ? (identity?.reported ?? []) : [];
    this.#part("split-reported").replaceChildren(...others.map(reportedCheck));
    this.#part("split-reported-row").hidden = others.length === 0;
    const ids = new Set([this.#person, ...(identity?.reported ?? [])]);
    const mine = corrections.filter(({ source, target }) => ids.has(source) || ids.has(target));
    this.#part("corrections").replaceChildren(...mine.map((correction) => this.#item(correction)));
  }

  /** @param {string} tag */
  #chip(tag) {
    const button = document.createElement("button");
    button.className = "chip tag-chip";
    button.textContent = tag;
    button.setAttribute("aria-label", `Remove the tag ${tag}`);
    button.title = tag === "staff" ? "Left out of visitor counts when asked; click to remove" : "Click to remove";
    button.addEventListener("click", () => this.#removeTag(tag));
    return button;
  }

  /** @param {RecordedCorrection} correction */
  #item(correction) {
    const item = document.createElement("li");
    const what = document.createElement("span");
    what.textContent = said(correction);
    const when = document.createElement("span");
    when.className = "quiet";
    when.textContent = wording.timeOfDay(epoch(correction.at));
    item.append(what, when);
    if (correction.taken_back_at !== null) {
      what.classList.add("is-undone");
      when.textContent = "undone";
      return item;
    }
    const undo = document.createElement("button");
    undo.className = "link";
    undo.textContent = "Undo";
    undo.setAttribute("aria-label", `Undo: ${said(correction)}`);
    undo.addEventListener("click", () => this.#undo(correction));
    item.append(undo);
    return item;
  }

  /** @param {string} name @param {() => void} send */
  #form(name, send) {
    this.#part(name).addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part="${name}"]`));
  }
}

/** @param {number} id */
function reportedCheck(id) {
  const label = document.createElement("label");
  label.className = "check";
  const input = document.createElement("input");
  input.type = "checkbox";
  input.value = String(id);
  label.append(input, ` ${id}`);
  return label;
}

/** Say a correction in words. @param {RecordedCorrection} correction */
function said({ type, source, target, since, until }) {
  if (type === "merge") return `${source} is ${target}`;
  const from = since === null ? "" : ` from ${wording.timeOfDay(epoch(since))}`;
  const to = until === null ? "" : ` to ${wording.timeOfDay(epoch(until))}`;
  return `${source} was ${target}${from}${to}`;
}
