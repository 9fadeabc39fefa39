/**
 * The history as files: orders an export of the period that is looked at, and shows how those under way get on.
 * Knows the history's exports and the elements of its panel.
 */

import { epoch } from "../archive.js";
import { element, linkButton } from "../html.js";
import * as wording from "../wording.js";
import { bucketOf, wordsOf } from "./period.js";

/** @import { Archive, Export, ExportOrder, Period } from "../archive.js" */

const POLL_MS = 1000;
/** @type {Record<string, string>} */
const WHAT = { dots: "Dots", boxes: "Boxes", events: "Events", stays: "Stays", occupancy: "Occupancy" };
/** @type {Record<string, string>} */
const FORMATS = { csv: "CSV", jsonl: "JSON Lines", parquet: "Parquet", mot: "MOTChallenge", aicity: "AI City" };
const OF_BOXES = ["mot", "aicity"];
const OF_PLACES = ["events", "stays", "occupancy"];
const UNDER_WAY = ["waiting", "running"];

export class Exports {
  /** @type {Export[]} */
  #jobs = [];
  #polledMs = -Infinity;
  #ticket = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element with [data-part] export-form, what, format, camera, list, none and fault
   * @param {Archive} options.archive
   * @param {string[]} options.cameras
   * @param {() => Period & {place: string}} options.asked what is looked at
   */
  constructor({ element: panel, archive, cameras, asked }) {
    this.panel = panel;
    this.archive = archive;
    this.cameras = cameras;
    this.asked = asked;
    this.#select("what").addEventListener("change", () => this.#offer());
    this.#select("format").addEventListener("change", () => this.#offer());
    this.#part("export-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#do(() => archive.beginExport(this.#order()));
    });
    this.#offer();
  }

  /** Ask how the exports get on, when the last answer is old and any is under way. @param {number} nowMs */
  refresh(nowMs) {
    if (nowMs - this.#polledMs >= POLL_MS && this.#jobs.some(({ state }) => UNDER_WAY.includes(state))) this.load();
  }

  /** Ask which exports there are. */
  async load() {
    this.#polledMs = performance.now();
    this.#ticket += 1;
    const ticket = this.#ticket;
    try {
      const { exports } = await this.archive.exports();
      if (ticket !== this.#ticket) return;
      this.#jobs = exports;
      this.#write();
    } catch (error) {
      if (ticket === this.#ticket) this.#part("fault").textContent = `Exports cannot be read: ${reason(error)}.`;
    }
  }

  /** @returns {ExportOrder} */
  #order() {
    const { since, until, place } = this.asked();
    const [what, format, camera] = ["what", "format", "camera"].map((name) => this.#select(name).value);
    return {
      what, format, since, until,
      ...(OF_PLACES.includes(what) && place ? { place } : {}),
      ...(what === "boxes" && camera ? { camera } : {}),
      ...(what === "occupancy" ? { bucket_s: bucketOf({ since, until }) } : {}),
    };
  }

  /** Offer the formats and cameras that suit what is exported. */
  #offer() {
    const boxes = this.#select("what").value === "boxes";
    const format = this.#select("format");
    for (const option of format.options) option.disabled = option.hidden = OF_BOXES.includes(option.value) && !boxes;
    if (format.selectedOptions[0]?.disabled) format.value = "csv";
    const camera = this.#select("camera");
    const chosen = camera.value;
    const all = format.value === "mot" ? [] : [new Option("All cameras", "")];
    camera.replaceChildren(...all, ...this.cameras.map((id) => new Option(id, id)));
    if (this.cameras.includes(chosen)) camera.value = chosen;
    camera.hidden = !boxes || format.value === "aicity";
    if (format.value === "aicity") camera.value = "";
  }

  /** Change something of an export, and show what became of it. @param {() => Promise<unknown>} change */
  async #do(change) {
    this.#part("fault").textContent = "";
    try {
      await change();
    } catch (error) {
      this.#part("fault").textContent = `${reason(error)}.`;
    }
    await this.load();
  }

  #write() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
    this.#part("list").replaceChildren(...this.#jobs.map((job) => this.#item(job)));
    this.#part("none").hidden = this.#jobs.length > 0;
    if (focused) /** @type {HTMLElement | null} */ (this.panel.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  /** @param {Export} job */
  #item(job) {
    const name = `${WHAT[job.what] ?? job.what}, ${FORMATS[job.format] ?? job.format}`;
    const item = element("li", { "data-state": job.state }, element("b", {}, name), element("span", { class: "quiet" }, wordsOf({ since: epoch(job.since), until: epoch(job.until) })));
    const percent = Math.floor(100 * job.progress);
    if (UNDER_WAY.includes(job.state)) item.append(element("progress", { max: "1", value: String(job.progress), "aria-label": `Progress of ${name}` }, `${percent} %`));
    item.append(element("span", { class: job.problem ? "fault" : "quiet" }, stateOf(job, percent)));
    const keys = element("span", { class: "keys" });
    if (job.file) keys.append(element("a", { class: "link", href: this.archive.exportAddress(job.id), download: "", "aria-label": `Download ${name}` }, "Download"));
    const act = (/** @type {string} */ words, /** @type {() => Promise<unknown>} */ change) => {
      const button = linkButton(words, `${words} ${name}`, () => this.#do(change));
      button.dataset.key = `${job.id}-${words}`;
      keys.append(button);
    };
    if (["failed", "cancelled", "interrupted"].includes(job.state)) act("Resume", () => this.archive.resumeExport(job.id));
    act(UNDER_WAY.includes(job.state) ? "Stop" : "Remove", () => this.archive.stopExport(job.id));
    item.append(keys);
    return item;
  }

  /** @param {string} name @returns {HTMLSelectElement} */
  #select(name) {
    return /** @type {HTMLSelectElement} */ (this.#part(name));
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.panel.querySelector(`[data-part="${name}"]`));
  }
}

/** @param {Export} job @param {number} percent */
function stateOf({ state, rows, bytes, problem }, percent) {
  const words = { waiting: "waits for another one", running: `${percent} %`, cancelled: `stopped at ${percent} %`, interrupted: `ended with the program at ${percent} %` };
  if (state === "done") return `${wording.counted(rows, "row")}, ${wording.bytes(bytes)}`;
  if (state === "failed") return `failed at ${percent} %: ${problem ?? "for no known reason"}`;
  return words[state] ?? state;
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof TypeError ? "no connection" : /** @type {Error} */ (error).message.replace(/\.$/, "");
}
