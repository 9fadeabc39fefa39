/**
 * The side panel of the selected person: where they are, where they were, which cameras saw them when.
 * Asks the server for the journey every few seconds. Knows one person at a time.
 */

import { epoch } from "./archive.js";
import { loudestOf } from "./heat_cells.js";
import { identityColour } from "./identity_colour.js";
import { RequestFailed } from "./wire.js";
import { drawVisits } from "./visit_chart.js";
import * as wording from "./wording.js";

/** @import { Person } from "./people.js" */
/** @import { Archive, Heat, Hop, Journey, Visit } from "./archive.js" */
/** @import { Theme } from "./theme.js" */

const REFRESH_MS = 3000;
const LISTED_VISITS = 30;
const HEAT_CELL_M = 0.5;

export class PersonPanel {
  /** @type {number | null} */
  person = null;
  /** @type {Journey | null} */
  journey = null;
  /** @type {number | null} the instant of the past that is shown; null while the floor is live */
  until = null;
  #seconds = 300;
  #askedMs = -Infinity;
  #asking = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element
   * @param {Archive} options.archive
   * @param {Theme} options.theme
   * @param {(points: [number, number, number][]) => void} options.onJourney
   * @param {(heat: Heat | null) => void} options.onHeat
   * @param {() => number} options.now the server's clock, seconds since epoch
   * @param {(camera: string) => void} options.onCamera
   * @param {(id: string) => string} options.nameOf a place
   * @param {(at: number) => void} options.onInstant an instant of the past shall be shown
   * @param {() => void} options.onClose
   */
  constructor({ element, archive, theme, onJourney, onHeat, now, onCamera, nameOf, onInstant, onClose }) {
    this.element = element;
    this.archive = archive;
    this.theme = theme;
    this.onJourney = onJourney;
    this.onHeat = onHeat;
    this.now = now;
    this.nameOf = nameOf;
    this.#part("close").addEventListener("click", onClose);
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (element.querySelectorAll('input[name="span"]'))) {
      input.addEventListener("change", () => {
        this.#seconds = Number(input.value);
        this.#askedMs = -Infinity;
        this.refresh(performance.now());
      });
    }
    this.#heatSwitch.addEventListener("change", () => this.#askHeat());
    element.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button?.dataset.camera) onCamera(button.dataset.camera);
      if (button?.dataset.instant) onInstant(Number(button.dataset.instant));
    });
  }

  /** Show another person, or nobody. @param {number | null} id */
  show(id) {
    if (id === this.person) return;
    this.person = id;
    this.journey = null;
    this.#askedMs = -Infinity;
    this.onJourney([]);
    this.#takeHeat(null);
    this.element.hidden = id === null;
    if (id === null) return;
    this.recolour();
    this.#part("title").textContent = `Person ${id}`;
    this.#part("note").textContent = "Asking for the journey…";
    this.#writeJourney();
    this.refresh(performance.now());
  }

  /** The person goes on under another id. @param {number} id */
  rename(id) {
    this.person = id;
    this.#part("title").textContent = `Person ${id}`;
    this.recolour();
    this.#askedMs = -Infinity;
  }

  recolour() {
    if (this.person === null) return;
    this.element.style.setProperty("--identity", identityColour(this.person, this.theme.name));
    this.#part("disc").textContent = String(this.person);
    if (this.journey) this.#drawChart(this.journey);
  }

  /** Ask for the journey anew: it reads differently after a correction. */
  forget() {
    this.#askedMs = -Infinity;
    this.refresh(performance.now());
  }

  /** Ask for the journey when the last answer is old. @param {number} nowMs */
  async refresh(nowMs) {
    const id = this.person;
    if (id === null || nowMs - this.#askedMs < REFRESH_MS) return;
    this.#askedMs = nowMs;
    this.#asking += 1;
    const ticket = this.#asking;
    try {
      const journey = await this.archive.journey(id, this.#asked());
      if (ticket !== this.#asking || id !== this.person) return;
      this.#take(journey);
      if (this.#heatSwitch.checked) await this.#askHeat();
    } catch (error) {
      if (ticket !== this.#asking || id !== this.person) return;
      const unknown = error instanceof RequestFailed && error.status === 404;
      this.#part("note").textContent = unknown
        ? "Nothing of this person has been stored yet."
        : "The journey could not be fetched; trying again.";
    }
  }

  #asked() {
    return this.until === null ? { seconds: this.#seconds } : { since: this.until - this.#seconds, until: this.until };
  }

  get #heatSwitch() {
    return /** @type {HTMLInputElement} */ (this.#part("heat"));
  }

  /** Ask where the person was for how long, when that shall be seen. */
  async #askHeat() {
    const id = this.person;
    if (id === null || !this.#heatSwitch.checked) {
      this.#takeHeat(null);
      return;
    }
    const until = this.until ?? this.now();
    const ticket = this.#asking;
    try {
      const heat = await this.archive.heatOf(id, { since: until - this.#seconds, until, cell_m: HEAT_CELL_M });
      if (id === this.person && ticket === this.#asking && this.#heatSwitch.checked) this.#takeHeat(heat);
    } catch {
      if (id === this.person) write(this.#part("heat-note"), "The heat map could not be fetched.");
    }
  }

  /** @param {Heat | null} heat */
  #takeHeat(heat) {
    this.onHeat(heat);
    const seen = heat !== null && heat.rows > 0;
    write(this.#part("heat-note"), seen ? `Heat map: ${wording.duration(loudestOf(heat.seconds))} or longer where it is strongest, in cells of ${heat.cell_m} m.` : heat ? "Nothing for a heat map in this span." : "");
  }

  /**
   * Write what the updates say.
   * @param {Person | undefined} person undefined when no longer on the floor
   * @param {boolean} fresh
   * @param {number | null} serverS
   */
  write(person, fresh, serverS) {
    if (this.person === null) return;
    const here = person !== undefined && person.goneMs === null && fresh;
    const since = person && serverS !== null ? serverS - person.capturedAt : null;
    const views = person?.measured.cameras.length ?? 0;
    const then = this.until === null ? "now" : "then";
    const status = here && this.until !== null ? "On the floor then" : here ? (views ? `Seen by ${wording.counted(views, "camera")}` : "Hidden from all cameras") : since === null ? `Not on the floor ${then}` : `Not on the floor; last seen ${wording.age(since)} ago`;
    write(this.#part("status"), status);
    this.element.classList.toggle("is-gone", !here);
    const speed = person ? Math.hypot(person.measured.vx, person.measured.vy) : null;
    write(this.#part("speed"), here && speed !== null ? `${speed.toFixed(1)} m/s` : wording.NONE);
    write(this.#part("place"), person ? `${person.measured.x.toFixed(1)}, ${person.measured.y.toFixed(1)} m` : wording.NONE);
    write(this.#part("certainty"), here && person ? `${Math.floor(100 * person.measured.certainty)} %` : wording.NONE);
    this.#writeCameras(here && person ? person.measured.cameras : []);
    const former = person?.formerIds ?? [];
    write(this.#part("former"), former.length ? `Was also numbered ${former.join(", ")}` : "");
  }

  /** @param {Journey} journey */
  #take(journey) {
    this.journey = journey;
    this.onJourney(journey.points);
    this.#writeJourney();
    write(this.#part("note"), journey.visits.length ? "" : "No camera has seen this person in this span.");
  }

  #writeJourney() {
    const journey = this.journey;
    const first = journey ? Date.parse(journey.first_seen) / 1000 : null;
    const last = journey ? Date.parse(journey.last_seen) / 1000 : null;
    write(this.#part("first"), first === null ? wording.NONE : wording.timeOfDay(first));
    write(this.#part("stay"), first === null || last === null ? wording.NONE : wording.duration(last - first));
    write(this.#part("distance"), journey ? `${Math.round(journey.distance_m)} m` : wording.NONE);
    this.#part("hops").replaceChildren(...(journey?.hops ?? []).map((hop) => hopItem(hop, this.nameOf(hop.place))));
    this.#part("hops-note").hidden = !journey || journey.hops.length > 0;
    const visits = journey?.visits ?? [];
    this.#part("visits").replaceChildren(...[...visits].sort((a, b) => b.to - a.to).slice(0, LISTED_VISITS).map(visitItem));
    if (journey) this.#drawChart(journey);
    else this.#part("chart").replaceChildren();
  }

  /** @param {Journey} journey */
  #drawChart(journey) {
    const until = Date.parse(journey.last_seen) / 1000;
    drawVisits(/** @type {any} */ (this.#part("chart")), journey.visits, until, this.#seconds);
  }

  /** @param {string[]} cameras */
  #writeCameras(cameras) {
    const box = this.#part("cameras");
    const key = cameras.join();
    if (box.dataset.key === key) return;
    box.dataset.key = key;
    const chips = cameras.map((camera) => {
      const button = document.createElement("button");
      button.className = "chip";
      button.dataset.camera = camera;
      button.textContent = camera;
      return button;
    });
    box.replaceChildren(...chips);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part="${name}"]`));
  }
}

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Hop} hop @param {string} name @returns {HTMLElement} */
function hopItem({ since, dwell_s, ending }, name) {
  const item = document.createElement("li");
  const where = document.createElement("button");
  where.className = "link";
  where.dataset.instant = String(epoch(since));
  where.textContent = name;
  where.title = "Show on the map when they came";
  const length = document.createElement("span");
  length.className = "quiet";
  const end = { here: ", still there", lost: ", lost from sight", left: "" }[ending];
  length.textContent = `${wording.timeOfDay(epoch(since))}, ${wording.duration(dwell_s)}${end}`;
  item.append(where, length);
  return item;
}

/** @param {Visit} visit @returns {HTMLElement} */
function visitItem(visit) {
  const item = document.createElement("li");
  const camera = document.createElement("button");
  camera.className = "link";
  camera.dataset.camera = camera.textContent = visit.camera;
  const times = document.createElement("span");
  times.textContent = `${wording.timeOfDay(visit.from)} – ${wording.timeOfDay(visit.to)}`;
  const length = document.createElement("span");
  length.className = "quiet";
  length.textContent = wording.duration(visit.to - visit.from);
  item.append(camera, times, length);
  return item;
}
