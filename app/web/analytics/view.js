/**
 * The analytics view: which period and place are looked at, and every panel's question and drawing. Loaded when it is
 * first opened, so that the live page does not pay for it. Knows the history and the view's elements.
 */

import { epoch } from "../archive.js";
import { DAY_S, dayAndTime } from "../past/days.js";
import * as wording from "../wording.js";
import { drawDwell, saidOf, saidOfQueue } from "./dwell_chart.js";
import { EventList } from "./event_list.js";
import { Exports } from "./exports.js";
import { writeFigures } from "./figure_cards.js";
import { fillGroups } from "./group_list.js";
import { HeatPlan } from "./heat_plan.js";
import { Panel, UNWATCHED } from "./panel.js";
import { bucketOf } from "./period.js";
import { PeriodChoice } from "./period_choice.js";
import { fully, isObserved, mood } from "./quality.js";
import { fillFlows, fillWeek } from "./shaded_table.js";
import { TimeChart } from "./time_chart.js";
import { uptimeRows } from "./uptime_bars.js";

/** @import { Archive, Column, Dwell, Occupancy, Period, Place, Rhythm } from "../archive.js" */
/** @import { Theme } from "../theme.js" */
/** @import { Site } from "../wire.js" */

const REFRESH_MS = 30_000; // while the period goes up to now
const WEEKS_S = 28 * DAY_S; // that the table of hours and weekdays is made from
const LONGEST_RHYTHM_S = 30 * DAY_S;
const FEWEST_WEEKS = 3; // of an hour, before anything is expected of it
const HOUR_S = 3600;
const CROSSED = "People cross a line; how many there are is told by zones.";
const NAMES = ["figures", "occupancy", "passages", "dwell", "rhythm", "week", "flows", "groups", "heat", "uptime"];

/** @param {string} name @returns {any} */
const part = (name) => document.querySelector(`#analytics [data-part="${name}"]`);

export class AnalyticsView {
  /** @type {Place[]} */
  #places = [];
  #asked = new AbortController();
  #loadedMs = -Infinity;
  #shown = false;
  /** @type {Record<string, Panel>} */
  #panels = Object.fromEntries(NAMES.map((name) => [name, new Panel(name, (why) => this.#saySilence(why))]));
  #failed = false;
  /** @type {Occupancy | null} */
  #occupancy = null;
  /** @type {Rhythm | null} */
  #rhythm = null;
  /** @type {Dwell | null} */
  #dwell = null;

  /**
   * @param {object} options
   * @param {Site} options.site
   * @param {Archive} options.archive
   * @param {Theme} options.theme
   * @param {() => number} options.now the server's clock, seconds since epoch
   * @param {() => boolean} options.isConnected
   * @param {(at: number, person: number | null) => void} options.onShow an instant shall be seen on the map
   */
  constructor({ site, archive, theme, now, isConnected, onShow }) {
    this.archive = archive;
    this.theme = theme;
    this.now = now;
    this.isConnected = isConnected;
    this.onShow = onShow;
    this.choice = new PeriodChoice({ now, onChange: () => this.load() });
    const chart = (/** @type {string} */ name, /** @type {any} */ about) =>
      new TimeChart({ element: part(`${name}-chart`), readout: part(`${name}-readout`), theme, ...about });
    this.occupancyChart = chart("occupancy", {
      courses: [{ name: "most at once", ink: "ink-3", as: "line" }, { name: "mean", ink: "accent", as: "area" }],
      words: (/** @type {number} */ row) => this.#wordsOfOccupancy(row),
    });
    this.passageChart = chart("passages", {
      courses: [{ name: "in", ink: "accent", as: "bars", alpha: 0.85 }, { name: "out", ink: "spot", as: "bars", alpha: 0.85 }],
      words: (/** @type {number} */ row) => this.#wordsOfPassages(row),
    });
    this.rhythmChart = chart("rhythm", {
      courses: [
        { name: "low", ink: "ink-3", as: "edge" }, { name: "high", ink: "ink-3", as: "edge" },
        { name: "expected", ink: "ink-2", as: "dashes" }, { name: "people", ink: "accent", as: "line" },
        { name: "unusual", ink: "warn", as: "points" },
      ],
      band: [0, 1],
      words: (/** @type {number} */ row) => this.#wordsOfRhythm(row),
    });
    this.events = new EventList({ element: this.#element("events"), archive, nameOf: (id) => this.#nameOf(id), onShow });
    this.exports = new Exports({
      element: this.#element("exports"), archive, cameras: site.cameras.map(({ id }) => id),
      asked: () => ({ ...this.choice.period, place: this.choice.place }),
    });
    new ResizeObserver(() => this.#redrawDwell()).observe(part("dwell-chart"));
    this.heat = site.floor ? new HeatPlan({ canvas: part("heat-canvas"), readout: part("heat-readout"), scale: part("heat-scale"), floor: site.floor, cameras: site.cameras, theme }) : null;
  }

  /** @param {string} panel @returns {HTMLElement} */
  #element(panel) {
    return /** @type {HTMLElement} */ (document.querySelector(`[data-panel="${panel}"]`));
  }

  #redrawDwell() {
    if (this.#dwell && part("dwell-chart").clientWidth > 0) drawDwell(part("dwell-chart"), this.#dwell);
  }

  /** Show the view, or hide it; hidden, it asks nothing. @param {boolean} shown */
  show(shown) {
    this.#shown = shown;
    if (shown) this.load();
    else this.#asked.abort();
  }

  /** Ask anew when the period goes on and the answers are old. @param {number} nowMs */
  refresh(nowMs) {
    if (!this.#shown || document.visibilityState === "hidden" || !this.isConnected()) return; // old figures stay
    this.exports.list.refresh(nowMs);
    if ((this.choice.goesOn || this.#failed) && nowMs - this.#loadedMs >= REFRESH_MS) this.load();
  }

  recolour() {
    for (const chart of [this.occupancyChart, this.passageChart, this.rhythmChart]) chart.recolour();
    this.heat?.draw();
  }

  /** Ask for everything that the view shows. */
  async load() {
    this.#loadedMs = performance.now();
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.#failed = false;
    for (const name of NAMES) this.#panels[name].wait();
    await this.#learn(signal);
    if (signal.aborted) return;
    this.choice.offer(this.#places);
    const { place, period } = this.choice;
    const isLine = this.#places.some(({ id, kind }) => id === place && kind === "line");
    part("without").disabled = isLine; // who crosses a line is not told apart by tags
    const about = { ...period, place, without: isLine ? "" : this.choice.without };
    this.#loadFigures(about, isLine, signal);
    this.#loadOccupancy(about, isLine, signal);
    this.#loadCourse(about, isLine, signal);
    this.#loadFloor(about, signal);
    this.#loadGroups(about, signal);
    this.exports.list.load();
    this.events.load({ ...period, place }, signal);
    this.#fill("uptime", this.archive.uptime(period, signal), ({ cameras }) => {
      part("uptime").replaceChildren(...uptimeRows(cameras, period, this.now()));
      return cameras.length > 0 ? "" : UNWATCHED;
    }, signal);
  }

  /** @param {string} why the history does not answer */
  #saySilence(why) {
    this.#failed = true;
    part("quality").textContent = `The history does not answer: ${why}. It is asked again every ${REFRESH_MS / 1000} s.`;
    part("quality").dataset.mood = "bad";
  }

  /** Learn which places there are and since when there is a record. @param {AbortSignal} signal */
  async #learn(signal) {
    const [places, today] = await Promise.allSettled([this.archive.places(), this.archive.dashboard({}, signal)]);
    if (signal.aborted) return; // every panel says itself when nothing can be read
    this.#places = places.status === "fulfilled" ? places.value.places : [];
    const begin = today.status === "fulfilled" ? today.value.recorded_since : null;
    if (begin) this.choice.recorded = epoch(begin);
  }

  /** @param {Period & {place: string, without: string}} about @param {boolean} isLine @param {AbortSignal} signal */
  #loadFigures(about, isLine, signal) {
    const dwell = isLine ? null : this.archive.dwell(about, signal);
    this.#fill("figures", this.archive.dashboard(about, signal), (told) => {
      writeFigures(this.#panels.figures.element, told, isLine);
      part("quality").textContent = `${fully(told.quality)}${this.choice.beginsWithRecord ? ` Recorded since ${dayAndTime(this.choice.recorded ?? 0)}.` : ""}`;
      part("quality").dataset.mood = mood(told.quality);
      return "";
    }, signal);
    if (dwell === null) this.#panels.dwell.say("People cross a line; how long they stay is told by zones.");
    else this.#fill("dwell", dwell, (told) => {
      this.#dwell = told;
      drawDwell(part("dwell-chart"), told);
      part("dwell-readout").textContent = saidOf(told);
      return told.n > 0 ? "" : isObserved(told.quality) ? "Nobody stayed here." : UNWATCHED;
    }, signal);
    this.#loadQueue(about, signal);
    this.#fill("flows", this.archive.flows({ since: about.since, until: about.until, without: about.without }, signal),
      (flows) => {
        const any = fillFlows(part("flows"), flows, (id) => this.#nameOf(id));
        if (flows.places.length < 2) return "Two zones at least are needed: draw them on the floor, with Draw above the map.";
        return any ? "" : isObserved(flows.quality) ? "Nobody went from one zone to another." : UNWATCHED;
      }, signal);
  }

  /** @param {Period & {place: string, without: string}} about @param {AbortSignal} signal */
  async #loadQueue({ since, until, place, without }, signal) {
    part("queue").textContent = "";
    if (!this.#places.some(({ id, queue }) => id === place && queue)) return;
    try {
      const queue = await this.archive.queue({ since, until, place, without }, signal);
      if (!signal.aborted) part("queue").textContent = saidOfQueue(queue);
    } catch (error) {
      if (!signal.aborted) part("queue").textContent = `The queue cannot be read: ${/** @type {Error} */ (error).message}.`;
    }
  }

  /** @param {Period & {place: string, without: string}} about @param {boolean} isLine @param {AbortSignal} signal */
  #loadOccupancy({ place, without, ...period }, isLine, signal) {
    const bucket_s = bucketOf(period);
    const answer = this.archive.occupancy({ ...whole(period, bucket_s), place, without, bucket_s }, signal);
    const show = (/** @type {TimeChart} */ chart, /** @type {Occupancy} */ told, /** @type {Column[]} */ columns, /** @type {string} */ resting) => {
      this.#occupancy = told;
      const { at, entered } = told.columns;
      const unwatched = entered.map((value) => value === null);
      if (unwatched.every(Boolean)) chart.clear();
      else chart.show(at, columns, { bucket: told.bucket_s, unwatched, until: this.now(), resting });
      return unwatched.every(Boolean) ? UNWATCHED : "";
    };
    if (isLine) this.#panels.occupancy.say(CROSSED);
    else this.#fill("occupancy", answer, (told) => {
      const { mean, peak } = told.columns;
      return show(this.occupancyChart, told, [peak, mean], `mean and most at once, every ${wording.duration(told.bucket_s)}${densest(told)}; hatched: nobody watched`);
    }, signal);
    this.#fill("passages", answer, (told) => {
      const { entered, left } = told.columns;
      const below = left.map((value) => (value === null ? null : -value));
      return show(this.passageChart, told, [entered, below], `in above, out below, every ${wording.duration(told.bucket_s)}${corrected(told)}`);
    }, signal);
  }

  /** @param {Period & {place: string, without: string}} about @param {boolean} isLine @param {AbortSignal} signal */
  #loadCourse({ place, without, ...period }, isLine, signal) {
    if (isLine) {
      this.#panels.rhythm.say(CROSSED);
      this.#panels.week.say(CROSSED);
      return;
    }
    const since = Math.max(period.since, period.until - LONGEST_RHYTHM_S);
    const hours = whole({ since, until: Math.max(period.until, since + HOUR_S) }, HOUR_S);
    this.#fill("rhythm", this.archive.rhythm({ ...hours, place }, signal), (rhythm) => this.#showRhythm(rhythm), signal);
    const weeks = whole({ since: this.now() - WEEKS_S, until: this.now() }, HOUR_S);
    this.#fill("week", this.archive.occupancy({ ...weeks, place, without, bucket_s: HOUR_S }, signal), (told) => (fillWeek(part("week"), told) ? "" : UNWATCHED), signal);
  }

  /** @param {Period & {without: string}} about @param {AbortSignal} signal */
  #loadFloor({ since, until, without }, signal) {
    if (!this.heat) {
      this.#panels.heat.say("This site has no floor map.");
      return;
    }
    this.#fill("heat", this.archive.heat({ since, until, without }, signal), (heat) => {
      this.heat?.show(heat, this.#places);
      return heat.rows > 0 ? "" : isObserved(heat.quality) ? "Nobody was seen." : UNWATCHED;
    }, signal);
  }

  /** @param {Period & {without: string}} about @param {AbortSignal} signal */
  #loadGroups({ since, until, without }, signal) {
    const asked = { since: Math.max(since, until - DAY_S), until, without };
    part("groups-span").textContent = asked.since > since ? "on the last day of the period" : "";
    this.#fill("groups", this.archive.groups(asked, signal), ({ groups }) => {
      part("groups-readout").textContent = fillGroups(part("groups"), groups, this.onShow);
      return groups.length > 0 ? "" : "Nobody was near somebody else for a minute or longer.";
    }, signal);
  }

  /** @param {Rhythm} rhythm */
  #showRhythm(rhythm) {
    this.#rhythm = rhythm;
    const { at, mean, low, expected, high } = rhythm.columns;
    const learnt = rhythm.learnt_from;
    const odd = new Map(rhythm.anomalies.map((anomaly) => [epoch(anomaly.at), anomaly.mean]));
    const unwatched = mean.map((value) => value === null);
    if (unwatched.every(Boolean)) return UNWATCHED;
    if (learnt.weeks < FEWEST_WEEKS) return `What is usual at an hour is learnt from ${FEWEST_WEEKS} weeks of it; ${wording.counted(learnt.weeks, "week")} so far.`;
    const found = rhythm.anomalies.length ? wording.counted(rhythm.anomalies.length, "unusual hour") : "no unusual hour";
    const since = `; expected from ${wording.counted(learnt.weeks, "week")} before`;
    this.rhythmChart.show(at, [low, high, expected, mean, at.map((t) => odd.get(t) ?? null)], { bucket: HOUR_S, unwatched, until: this.now(), resting: found + since });
    return "";
  }

  /** @param {number} row */
  #wordsOfOccupancy(row) {
    const { mean, peak, speed, density, observed } = /** @type {Occupancy} */ (this.#occupancy).columns;
    const crowd = [density[row] === null ? "" : `${wording.decimal(density[row], 2)} a m², `, speed[row] === null ? "" : `${wording.decimal(speed[row], 1)} m/s, `].join("");
    return `mean ${wording.decimal(mean[row], 1)}, most ${wording.whole(peak[row])} at once, ${crowd}observed ${Math.round(100 * (observed[row] ?? 0))} %`;
  }

  /** @param {number} row */
  #wordsOfPassages(row) {
    const { entered, left, observed } = /** @type {Occupancy} */ (this.#occupancy).columns;
    return `${wording.whole(entered[row])} in, ${wording.whole(left[row])} out, observed ${Math.round(100 * (observed[row] ?? 0))} %`;
  }

  /** @param {number} row */
  #wordsOfRhythm(row) {
    const { at, mean, low, high } = /** @type {Rhythm} */ (this.#rhythm).columns;
    const odd = this.#rhythm?.anomalies.find((anomaly) => epoch(anomaly.at) === at[row]);
    const band = low[row] === null || high[row] === null ? "nothing expected yet" : `expected ${wording.decimal(low[row], 1)} to ${wording.decimal(high[row], 1)}`;
    return `mean ${wording.decimal(mean[row], 1)}, ${band}${odd ? ` – unusually ${odd.side === "above" ? "many" : "few"}` : ""}`;
  }

  /** @param {string} id */
  #nameOf(id) {
    return id === "" ? "Whole floor" : (this.#places.find((place) => place.id === id)?.name ?? id);
  }

  /**
   * @template T
   * @param {string} name @param {Promise<T>} answer @param {(answer: T) => string} show @param {AbortSignal} signal
   */
  #fill(name, answer, show, signal) {
    this.#panels[name].fill(answer, show, signal);
  }
}

/** Widen a period to whole buckets. @param {Period} period @param {number} bucket_s @returns {Period} */
function whole({ since, until }, bucket_s) {
  return { since: Math.floor(since / bucket_s) * bucket_s, until: Math.ceil(until / bucket_s) * bucket_s };
}

/** How densely people were there at most. @param {Occupancy} told */
function densest({ columns }) {
  const known = columns.peak_density.filter((density) => density !== null);
  return known.length === 0 ? "" : `; at most ${wording.decimal(Math.max(...known), 2)} people a m²`;
}

/** What the corrections of today make of the sums, where they change any. @param {Occupancy} told */
function corrected({ columns, corrected: whole }) {
  const sum = (/** @type {Column} */ column) => column.reduce((/** @type {number} */ a, b) => a + (b ?? 0), 0);
  if (!whole || (whole.entered === sum(columns.entered) && whole.left === sum(columns.left))) return "";
  return `; ${wording.whole(whole.entered)} in and ${wording.whole(whole.left)} out in all, as corrected since`;
}
