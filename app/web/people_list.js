/**
 * The list of everybody on the floor: the map for those who use a keyboard or a screen reader, and a way to find an id.
 * Rows are kept and changed in place. Knows people and their colours.
 */

import { SURE } from "./floor_dots.js";
import { identityColour } from "./identity_colour.js";
import * as wording from "./wording.js";

/** @import { People, Person } from "./people.js" */
/** @import { Theme } from "./theme.js" */

const STANDING = 0.2; // metres a second below which somebody stands

/** @typedef {{item: HTMLElement, inView: boolean, button: HTMLButtonElement, sure: HTMLElement, doing: HTMLElement, cameras: HTMLElement, key: string}} Row */

export class PeopleList {
  /** @type {Map<number, Row>} */
  #rows = new Map();
  #sought = "";

  /**
   * @param {object} options
   * @param {HTMLElement} options.element an ol
   * @param {HTMLInputElement} options.search
   * @param {HTMLElement} options.empty shown when there is nobody to list
   * @param {People} options.people
   * @param {Theme} options.theme
   * @param {(id: number) => void} options.onPerson
   * @param {boolean} options.hasFloor
   */
  constructor({ element, search, empty, people, theme, onPerson, hasFloor }) {
    this.hasFloor = hasFloor;
    this.element = element;
    this.empty = empty;
    this.people = people;
    this.theme = theme;
    this.observer = new IntersectionObserver((entries) => this.#noteInView(entries), { root: element, rootMargin: "80px" });
    element.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button?.dataset.person) onPerson(Number(button.dataset.person));
    });
    element.addEventListener("keydown", (event) => this.#walk(event));
    search.addEventListener("input", () => {
      this.#sought = /^\s*\d+\s*$/.test(search.value) ? search.value.trim() : ""; // words are about looks
      this.update(this.#selected, this.#fresh);
    });
  }

  /** @type {number | null} */
  #selected = null;
  #fresh = false;

  /**
   * Write who is there now.
   * @param {number | null} selected
   * @param {boolean} fresh whether what is known may be called live; otherwise nobody is listed
   */
  update(selected, fresh) {
    this.#selected = selected;
    this.#fresh = fresh;
    const here = fresh ? [...this.people.shown.values()].filter((p) => p.goneMs === null && this.#isSought(p)) : [];
    const ids = new Set(here.map((person) => person.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      this.observer.unobserve(row.item);
      row.item.remove();
      this.#rows.delete(id);
    }
    here.sort((a, b) => a.id - b.id);
    let before = this.element.firstElementChild;
    for (const person of here) {
      const row = this.#rowOf(person);
      if (row.item === before) before = before.nextElementSibling;
      else this.element.insertBefore(row.item, before);
      if (row.inView || person.id === selected) this.#write(row, person, person.id === selected);
    }
    this.empty.hidden = here.length > 0;
    if (here.length === 0) this.empty.textContent = this.#emptiness();
  }

  /** Rows out of view are not written; those that come into view are. @param {IntersectionObserverEntry[]} entries */
  #noteInView(entries) {
    for (const entry of entries) {
      const id = Number(entry.target.querySelector("button")?.dataset.person);
      const row = this.#rows.get(id);
      if (!row) continue;
      row.inView = entry.isIntersecting;
      const person = this.people.shown.get(id);
      if (row.inView && person) this.#write(row, person, id === this.#selected);
    }
  }

  /** Colour the rows anew. */
  recolour() {
    for (const [id, row] of this.#rows) row.button.style.setProperty("--identity", identityColour(id, this.theme.name));
  }

  #emptiness() {
    if (!this.hasFloor) return "Without a floor map people are in the pictures only: click a box to follow somebody.";
    if (!this.#fresh) return "Nobody is listed while there is no live update.";
    return this.#sought ? `Nobody on the floor has an id with ${this.#sought}.` : "Nobody is on the floor.";
  }

  /** @param {Person} person */
  #isSought(person) {
    return !this.#sought || [person.id, ...person.formerIds].some((id) => String(id).startsWith(this.#sought));
  }

  /** @param {Person} person @returns {Row} */
  #rowOf(person) {
    let row = this.#rows.get(person.id);
    if (row) return row;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("person-row"));
    const item = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (item.querySelector(`[data-part="${name}"]`));
    const button = /** @type {HTMLButtonElement} */ (item.querySelector("button"));
    button.dataset.person = String(person.id);
    button.style.setProperty("--identity", identityColour(person.id, this.theme.name));
    part("id").textContent = String(person.id);
    this.observer.observe(item);
    row = { item, inView: true, button, sure: part("sure"), doing: part("doing"), cameras: part("cameras"), key: "" };
    this.#rows.set(person.id, row);
    return row;
  }

  /** @param {Row} row @param {Person} person @param {boolean} selected */
  #write(row, person, selected) {
    const { vx, vy, cameras, certainty } = person.measured;
    const speed = Math.hypot(vx, vy);
    const doing = speed < STANDING ? "standing" : `${speed.toFixed(1)} m/s`;
    const unsure = certainty < SURE;
    const key = `${this.people.tellsViews}|${doing}|${cameras.join()}|${selected}|${unsure}`;
    if (key === row.key) return;
    row.key = key;
    row.doing.textContent = doing;
    const known = this.people.tellsViews;
    row.cameras.textContent = !known ? "" : cameras.length ? wording.counted(cameras.length, "cam") : "hidden";
    row.button.classList.toggle("is-unsure", unsure);
    row.button.setAttribute("aria-pressed", String(selected));
    row.sure.textContent = unsure ? ", not sure" : "";
  }

  /** Up and down arrows walk through the rows. @param {KeyboardEvent} event */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...this.element.querySelectorAll("button")];
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    if (step === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.min(buttons.length - 1, Math.max(0, at + step))].focus();
  }
}
