/**
 * Drawing zones and lines on the map: the list of places, one draft at a time, and saving it. Nothing is sent before it
 * is saved. Knows the history's places, the map and the panel beside it.
 */

import { epoch } from "../archive.js";
import { dayAndTime } from "../past/days.js";
import { RequestFailed } from "../wire.js";
import { Draft, idFor } from "./draft.js";
import { Handles } from "./handles.js";
import { PlaceForm } from "./place_form.js";
import { Rebuilds } from "./rebuilds.js";

/** @import { Archive, Place } from "../archive.js" */
/** @import { FloorMap } from "../floor_map.js" */

const HINTS = {
  zone: "Click the corners of the zone on the map.",
  line: "Click the two ends of the line on the map.",
};

/** @param {string} name @returns {any} */
const part = (name) => document.querySelector(`#places [data-part="${name}"]`);

export class PlaceEditor {
  /** @type {Place[]} */
  places = [];
  /** @type {Draft | null} */
  draft = null;
  #open = false;
  /** @type {Place | null} the place that was drawn last, whose past may be added */
  #drawn = null;

  /**
   * @param {object} options
   * @param {Archive} options.archive
   * @param {FloorMap} options.map
   * @param {(text: string) => void} options.announce said by screen readers
   * @param {() => void} options.onOpen
   */
  constructor({ archive, map, announce, onOpen }) {
    this.archive = archive;
    this.map = map;
    this.announce = announce;
    this.onOpen = onOpen;
    const svg = /** @type {SVGSVGElement} */ (map.element.querySelector("svg.handles"));
    this.handles = new Handles({ svg, view: map.view, onChange: () => this.#write() });
    this.form = new PlaceForm(part("form"), (fields, goesOn) => {
      this.draft?.change(fields, goesOn);
      this.#write();
    });
    this.rebuilds = new Rebuilds({ archive, nameOf: (id) => this.nameOf(id), announce });
    part("offer-past").addEventListener("click", () => this.#addPast(this.#drawn));
    part("add-past").addEventListener("click", () => this.#addPast(this.draft?.place ?? null));
    map.onView = () => this.handles.draw();
    document.getElementById("places-open")?.addEventListener("click", () => (this.#open ? this.close() : this.open()));
    part("close").addEventListener("click", () => this.close());
    part("new-zone").addEventListener("click", () => this.#begin(fresh("zone"), true));
    part("new-line").addEventListener("click", () => this.#begin(fresh("line"), true));
    part("form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#save();
    });
    part("undo").addEventListener("click", () => this.#undo());
    part("reverse").addEventListener("click", () => {
      this.draft?.reverse();
      this.#redraw();
    });
    part("cancel").addEventListener("click", () => this.#end());
    part("remove").addEventListener("click", () => this.#remove());
  }

  /** Ask which places there are, and draw them. */
  async load() {
    try {
      this.places = (await this.archive.places()).places;
      part("fault").textContent = "";
    } catch (error) {
      part("fault").textContent = `Places cannot be read: ${/** @type {Error} */ (error).message}.`;
    }
    this.#list();
    this.#showPlaces();
  }

  /** @param {string} id */
  nameOf(id) {
    return this.places.find((place) => place.id === id)?.name ?? id;
  }

  open() {
    this.#open = true;
    this.onOpen();
    document.body.classList.add("is-drawing");
    document.getElementById("places-open")?.setAttribute("aria-pressed", "true");
    this.load();
    this.rebuilds.list.load();
    part("new-zone").focus();
  }

  close() {
    if (!this.#open) return;
    if (this.draft?.isChanged && !confirm("Leave without saving? The drawing is lost.")) return;
    this.#end();
    this.#open = false;
    document.body.classList.remove("is-drawing");
    document.getElementById("places-open")?.setAttribute("aria-pressed", "false");
    document.getElementById("places-open")?.focus();
  }

  /** Escape: the draft is left first, then the editor. @returns {boolean} whether there was anything to leave */
  escape() {
    if (!this.#open) return false;
    if (this.draft && !this.draft.isChanged) this.#end();
    else this.close();
    return true;
  }

  /** @param {Place} place @param {boolean} isNew */
  #begin(place, isNew) {
    if (this.draft?.isChanged && !confirm("Leave the drawing that is not saved?")) return;
    this.draft = new Draft(place, isNew);
    this.map.tapped = (x, y) => this.#tap(x, y);
    this.form.showErrors(null);
    this.#redraw();
    if (isNew) this.map.element.focus();
    else part("form").querySelector("input").focus();
  }

  #end() {
    this.draft = null;
    this.map.tapped = null;
    this.#redraw();
  }

  /** A tap on the map adds a corner to what is new. @param {number} x @param {number} y metres */
  #tap(x, y) {
    if (!this.draft?.isNew || (this.draft.place.kind === "line" && this.draft.isWhole)) return;
    this.draft.append([x, y]);
    this.#redraw();
  }

  #undo() {
    this.draft?.undo();
    this.#redraw();
  }

  async #save() {
    const { draft } = this;
    if (!draft) return;
    const name = draft.place.name.trim();
    const id = draft.isNew ? idFor(name, this.places.map((place) => place.id)) : draft.place.id;
    try {
      await this.archive.draw({ ...draft.place, name, id });
    } catch (error) {
      const failed = error instanceof RequestFailed ? error : new RequestFailed(0, "It could not be saved: no connection.");
      this.form.showErrors(failed);
      this.announce(`Not saved: ${failed.message}`);
      return;
    }
    this.announce(`${name} is saved.`);
    this.#drawn = draft.isNew ? { ...draft.place, name, id } : null;
    this.#end();
    await this.load();
  }

  /** @param {Place | null} place */
  async #addPast(place) {
    if (!place) return;
    if (!this.draft?.isChanged) this.#end();
    this.#drawn = null;
    this.#write();
    await this.rebuilds.begin(place);
  }

  /** Ask how pasts that were ordered get on. @param {number} nowMs */
  refresh(nowMs) {
    if (this.#open) this.rebuilds.list.refresh(nowMs);
  }

  async #remove() {
    const { draft } = this;
    if (!draft || !confirm(`Remove ${draft.place.name}? Its figures of the past stay.`)) return;
    try {
      await this.archive.erase(draft.place.id);
    } catch (error) {
      this.form.showErrors(error instanceof RequestFailed ? error : new RequestFailed(0, "It could not be removed: no connection."));
      return;
    }
    this.announce(`${draft.place.name} is removed.`);
    this.#end();
    await this.load();
  }

  #redraw() {
    this.handles.show(this.draft);
    this.#showPlaces();
    this.#write();
  }

  /** Everything but the draft is drawn by the map itself. */
  #showPlaces() {
    this.map.places = this.places.filter((place) => place.id !== this.draft?.place.id || this.draft?.isNew);
    this.map.refresh();
  }

  #write() {
    const { draft } = this;
    part("form").hidden = draft === null;
    part("list-box").hidden = draft !== null;
    part("offer").hidden = this.#drawn === null;
    if (this.#drawn) part("offer-words").textContent = `${this.#drawn.name} has figures from now on.`;
    if (!draft) return;
    this.form.show(draft.place);
    part("form-title").textContent = draft.isNew ? `New ${draft.place.kind}` : draft.place.name;
    part("hint").textContent = draft.isNew && !draft.isWhole ? HINTS[draft.place.kind] : `${draft.corners.length} corners. Drag them, or focus one and use the arrow keys.`;
    if (draft.place.kind === "line" && draft.isWhole) part("hint").textContent = "Who crosses along the arrow goes in.";
    part("undo").disabled = !draft.isChanged;
    part("save").disabled = !draft.isWhole || draft.place.name.trim() === "" || !draft.isChanged;
    part("remove").hidden = draft.isNew;
    part("form").querySelector("[data-row=past]").hidden = draft.isNew;
    part("add-past").disabled = draft.isChanged;
    part("since").textContent = draft.place.since ? `In force since ${dayAndTime(epoch(draft.place.since))}.` : "";
  }

  #list() {
    const items = this.places.map((place) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const about = document.createElement("span");
      button.textContent = place.name;
      button.dataset.place = place.id;
      about.className = "quiet";
      about.textContent = describe(place);
      button.append(about);
      button.addEventListener("click", () => this.#begin(place, false));
      item.append(button);
      return item;
    });
    part("list").replaceChildren(...items);
    part("none").hidden = items.length > 0;
  }
}

/** @param {"zone" | "line"} kind @returns {Place} */
function fresh(kind) {
  const shape = kind === "zone" ? { polygon: [], capacity: null, max_dwell_s: null, restricted: false, queue: false } : { ends: /** @type {any} */ ([]) };
  return { id: "", name: "", kind, ...shape };
}

/** @param {Place} place */
function describe(place) {
  if (place.kind === "line") return "line";
  const limits = [
    place.capacity ? `${place.capacity} people at most` : "",
    place.max_dwell_s ? `${Math.round(place.max_dwell_s / 60)} min at most` : "",
    place.restricted ? "restricted" : "",
    place.queue ? "queue" : "",
  ].filter(Boolean);
  return limits.length ? limits.join(", ") : "zone";
}
