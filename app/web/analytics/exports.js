/**
 * The history as files: orders an export of the period that is looked at, and lists those that there are. Knows the
 * history's exports and the elements of its panel.
 */

import { epoch } from "../archive.js";
import { element } from "../html.js";
import { JobList } from "../job_list.js";
import * as wording from "../wording.js";
import { bucketOf, wordsOf } from "./period.js";

/** @import { Archive, Export, ExportOrder, Period } from "../archive.js" */

/** @type {Record<string, string>} */
const WHAT = { dots: "Dots", boxes: "Boxes", events: "Events", stays: "Stays", occupancy: "Occupancy" };
/** @type {Record<string, string>} */
const FORMATS = { csv: "CSV", jsonl: "JSON Lines", parquet: "Parquet", mot: "MOTChallenge", aicity: "AI City" };
const OF_BOXES = ["mot", "aicity"];
const OF_PLACES = ["events", "stays", "occupancy"];

export class Exports {
  /**
   * @param {object} options
   * @param {HTMLElement} options.element with [data-part] export-form, what, format, camera, list, none and fault
   * @param {Archive} options.archive
   * @param {string[]} options.cameras
   * @param {() => Period & {place: string}} options.asked what is looked at
   */
  constructor({ element: panel, archive, cameras, asked }) {
    this.panel = panel;
    this.cameras = cameras;
    this.asked = asked;
    this.list = new JobList({
      list: this.#part("list"), none: this.#part("none"), fault: this.#part("fault"),
      ask: async () => (await archive.exports()).exports, stop: archive.stopExport, resume: archive.resumeExport,
      describe: (job) => described(job, archive.exportAddress(job.id)),
    });
    this.#select("what").addEventListener("change", () => this.#offer());
    this.#select("format").addEventListener("change", () => this.#offer());
    this.#part("export-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.list.change(() => archive.beginExport(this.#order()));
    });
    this.#offer();
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

  /** @param {string} name @returns {HTMLSelectElement} */
  #select(name) {
    return /** @type {HTMLSelectElement} */ (this.#part(name));
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.panel.querySelector(`[data-part="${name}"]`));
  }
}

/** @param {Export} job @param {string} address of its file */
function described({ what, format, since, until, rows, bytes, file }, address) {
  const name = `${WHAT[what] ?? what}, ${FORMATS[format] ?? format}`;
  return {
    name, about: wordsOf({ since: epoch(since), until: epoch(until) }),
    done: `${wording.counted(rows, "row")}, ${wording.bytes(bytes)}`,
    link: file === null ? null : element("a", { class: "link", href: address, download: "", "aria-label": `Download ${name}` }, "Download"),
  };
}
