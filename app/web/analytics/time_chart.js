/**
 * A chart over time: lines, bars and bands by uPlot, hatched where nobody watched, with a line of words about what is
 * under the pointer. Knows columns of numbers; what they mean is told by who draws.
 */

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { hatch } from "../hatch.js";
import { DAY_S, dayAndTime, hourAndMinute } from "../past/days.js";

/** @import { Column } from "../archive.js" */
/** @import { Theme } from "../theme.js" */

const HEIGHT_PX = 190;
const MARKS_S = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, ...[1, 2, 3, 7, 14, 28, 91].map((days) => days * DAY_S)]; // between marks of the time axis: a bucket is a minute at least
const FONT = "11px Arial, system-ui, sans-serif";

/**
 * @typedef {object} Course one column of the chart
 * @property {string} name
 * @property {string} ink a colour token of the theme
 * @property {"line" | "area" | "bars" | "points" | "dashes" | "edge"} as edge: the rim of a band, not drawn itself
 * @property {number} [alpha] of areas and bars
 */

export class TimeChart {
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {number[]} */
  #at = [];
  /** @type {boolean[]} */
  #unwatched = [];
  #bucket = 60;
  #until = Infinity;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element
   * @param {HTMLElement} options.readout a line of words about what is under the pointer
   * @param {Theme} options.theme
   * @param {Course[]} options.courses
   * @param {[number, number]} [options.band] the rims of a band, by place in courses
   * @param {(row: number) => string} options.words about one bucket
   */
  constructor({ element, readout, theme, courses, band, words }) {
    this.element = element;
    this.readout = readout;
    this.theme = theme;
    this.courses = courses;
    this.band = band;
    this.words = words;
    this.resting = "";
    new ResizeObserver(() => this.#resize()).observe(element);
  }

  /**
   * Draw columns.
   * @param {number[]} at begins of the buckets, seconds since epoch
   * @param {Column[]} columns one a course
   * @param {object} about
   * @param {number} about.bucket seconds
   * @param {boolean[]} about.unwatched buckets that nobody observed
   * @param {number} about.until buckets after it have not come yet
   * @param {string} about.resting words while nothing is under the pointer
   */
  show(at, columns, { bucket, unwatched, until, resting }) {
    this.#bucket = bucket;
    this.#unwatched = unwatched;
    this.#until = until;
    this.resting = this.readout.textContent = resting;
    this.#at = at;
    this.#plot?.destroy();
    const end = at[at.length - 1] + bucket;
    const stepped = this.courses.some(({ as }) => as !== "bars");
    const data = stepped ? this.#steps(at, columns) : [[...at, end], ...columns.map((column) => [...column, null])];
    this.#plot = new uPlot(this.#options([at[0], end]), /** @type {uPlot.AlignedData} */ (data), this.element);
    this.element.setAttribute("aria-label", resting);
  }

  /** Show nothing. */
  clear() {
    this.#plot?.destroy();
    this.#plot = null;
    this.readout.textContent = "";
  }

  recolour() {
    this.#plot?.redraw();
  }

  #resize() {
    if (this.#plot && this.element.clientWidth > 0) this.#plot.setSize({ width: this.element.clientWidth, height: HEIGHT_PX });
  }

  /**
   * Give each bucket a begin and an end, so that its value holds for all of it, before a gap as well.
   * @param {number[]} at @param {Column[]} columns
   */
  #steps(at, columns) {
    const almost = this.#bucket * (1 - 1e-6);
    const twice = (/** @type {Column} */ column, /** @type {boolean} */ once) => column.flatMap((value) => [value, once ? null : value]);
    return [at.flatMap((begin) => [begin, begin + almost]), ...columns.map((column, i) => twice(column, this.courses[i].as === "points"))];
  }

  /** @param {[number, number]} span @returns {uPlot.Options} */
  #options(span) {
    const ink = (/** @type {string} */ token) => () => this.theme.colour[token];
    const axis = { stroke: ink("ink-3"), font: FONT, ticks: { show: false }, grid: { stroke: ink("line"), width: 0.6 } };
    return {
      width: Math.max(1, this.element.clientWidth),
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      padding: [8, 18, 0, 0],
      scales: {
        x: { time: true, range: () => span },
        y: { range: (_plot, low, high) => rangeOf(low, high) },
      },
      axes: [
        { ...axis, space: 64, size: 26, incrs: MARKS_S, values: (_plot, marks) => marks.map((mark) => timeMark(mark, marks)) },
        { ...axis, size: 38, space: 34, values: (_plot, marks) => marks.map((mark) => (Number.isInteger(mark) ? String(Math.abs(mark)) : "")) },
      ],
      series: [{}, ...this.courses.map((course) => this.#series(course))],
      bands: this.band ? [{ series: [this.band[1] + 1, this.band[0] + 1], fill: () => `color-mix(in srgb, ${this.theme.colour["ink-3"]} 22%, transparent)` }] : [],
      hooks: {
        drawAxes: [(plot) => this.#hatchGaps(plot)],
        setCursor: [(plot) => this.#tell(plot)],
      },
    };
  }

  /** @param {Course} course @returns {uPlot.Series} */
  #series({ name, ink, as, alpha = 0.18 }) {
    const stroke = () => this.theme.colour[ink];
    const faint = () => `color-mix(in srgb, ${this.theme.colour[ink]} ${Math.round(100 * alpha)}%, transparent)`;
    const common = { label: name, stroke, width: 1.5, points: { show: false }, spanGaps: false };
    switch (as) {
      case "area": return { ...common, fill: faint };
      case "bars": return { ...common, paths: uPlot.paths.bars?.({ align: 1, size: [0.86, Infinity] }), fill: faint, width: 0 };
      case "points": return { ...common, paths: () => null, points: { show: true, size: 9, width: 2, fill: stroke } };
      case "dashes": return { ...common, width: 1, dash: [4, 4] };
      case "edge": return { ...common, width: 0 };
      default: return { ...common, width: 1 };
    }
  }

  /** @param {uPlot} plot */
  #hatchGaps(plot) {
    const { left, top, width, height } = plot.bbox;
    const at = this.#at;
    const ratio = devicePixelRatio || 1;
    for (let i = 0; i < at.length; i += 1) {
      if (!this.#unwatched[i]) continue;
      const begin = i;
      while (this.#unwatched[i + 1]) i += 1;
      const from = plot.valToPos(at[begin], "x", true);
      const to = plot.valToPos(Math.min(at[i] + this.#bucket, this.#until), "x", true);
      hatch(plot.ctx, Math.max(left, from), top, Math.min(left + width, to) - Math.max(left, from), height, this.theme.colour["ink-3"], 7 * ratio);
    }
  }

  /** @param {uPlot} plot */
  #tell(plot) {
    const left = plot.cursor.left ?? -1;
    const at = this.#at;
    if (left < 0) {
      this.readout.textContent = this.resting;
      return;
    }
    const pointed = plot.posToVal(left, "x");
    const row = Math.min(at.length - 1, Math.max(0, Math.floor((pointed - at[0]) / this.#bucket)));
    const span = this.#bucket >= DAY_S ? dayAndTime(at[row]).split(",")[0] : `${dayAndTime(at[row])}–${hourAndMinute(at[row] + this.#bucket)}`;
    this.readout.textContent = `${span} · ${at[row] >= this.#until ? "has not come yet" : this.#unwatched[row] ? "nobody watched" : this.words(row)}`;
  }
}

/** From zero, or as far below as bars reach down, to a little above the top. @param {number | null} low @param {number | null} high @returns {[number, number]} */
function rangeOf(low, high) {
  const top = Math.max(1, high ?? 1);
  return [Math.min(0, low ?? 0) * 1.08, top * 1.08];
}

/** Days by name, hours by the clock. @param {number} mark @param {number[]} marks */
function timeMark(mark, marks) {
  const date = new Date(mark * 1000);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  const span = (marks.at(-1) ?? mark) - marks[0];
  const daily = marks.length > 1 && marks[1] - marks[0] >= DAY_S - 3600;
  if (daily || (midnight && span > DAY_S)) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return hourAndMinute(mark);
}
