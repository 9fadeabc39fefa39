/**
 * The figures around the map: counts, accuracy, ages, timings and the state of the connection.
 * Writes texts into the page's [data-readout] elements; what is unknown is a dash, never a zero.
 */

import { Sparkline } from "./sparkline.js";
import * as wording from "./wording.js";

/** @import { Counts, ScoreMessage, StateMessage } from "./wire.js" */
/** @import { Theme } from "./theme.js" */
/** @import { LiveSocket } from "./live_socket.js" */

const HOUR_MS = 3_600_000;
const GOOD_AGE_S = 0.3; // the goal for capture to dot at the 95th percentile

export class Readouts {
  #people;
  /** set while the page shows the past: then nothing is called live */
  past = false;

  /** @param {Theme} theme */
  constructor(theme) {
    this.theme = theme;
    this.#people = new Sparkline(/** @type {HTMLCanvasElement} */ (document.getElementById("people-line")));
  }

  /** @param {string} name @param {string} text @param {string} [mood] good, warn or bad */
  write(name, text, mood = "") {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-readout="${name}"]`))) {
      if (element.textContent !== text) element.textContent = text;
      if ((element.dataset.mood ?? "") !== mood) element.dataset.mood = mood;
    }
  }

  /** How many people are on the floor; null when that is not known. @param {number | null} count */
  people(count) {
    this.write("now", wording.whole(count));
  }

  /** @param {StateMessage} state @param {number | null} people null while that is not known */
  state(state, people) {
    if (people !== null) this.#people.add(people);
    this.#people.draw(this.theme.colour.accent, this.theme.colour.accent);
    this.#counts(state.counts);
    this.write("steps", state.steps_per_s ? `${state.steps_per_s.toFixed(1)} updates/s` : "no updates");
    const { p50, p95 } = state.latency_ms;
    this.write("server", p50 === null || p95 === null ? wording.NONE : `${Math.round(p50)} / ${Math.round(p95)} ms`);
    const stages = Object.entries(state.stages_ms).filter(([, ms]) => ms >= 0.05);
    this.write("stages", stages.map(([stage, ms]) => `${stage} ${ms < 10 ? ms.toFixed(1) : Math.round(ms)}`).join(" · "));
    const live = state.cameras.filter((c) => c.state === "live" || c.state === "late").length;
    this.write("cameras", `${live} of ${wording.counted(state.cameras.length, "camera")} live`, live < state.cameras.length ? "warn" : "");
    const cards = Object.entries(state.device_faults ?? {}).map(([what, times]) => `${what}${times > 1 ? `, ${times} times` : ""}`);
    this.write("fault", [state.fault ?? "", ...cards].filter(Boolean).join(" · "));
  }

  /** @param {Counts | null} counts */
  #counts(counts) {
    this.write("minute", wording.whole(counts?.last_minute));
    this.write("quarter", wording.whole(counts?.last_15_minutes));
    this.write("hour", wording.whole(counts?.last_hour));
    const since = counts?.observed_since ? Date.parse(counts.observed_since) : null;
    const partly = since !== null && Date.now() - since < HOUR_MS;
    this.write("since", partly ? `since ${wording.timeOfDay(since / 1000).slice(0, 5)}` : "different people");
  }

  /** @param {ScoreMessage | null} score */
  score(score) {
    this.write("idf1", wording.percent(score?.idf1));
    this.write("moda", wording.percent(score?.moda));
    const error = score?.position_error_m;
    this.write("error", error === null || error === undefined ? wording.NONE : (100 * error).toFixed(error < 0.1 ? 1 : 0));
    this.write("window", score ? `over ${wording.duration(score.window_s)}` : "");
  }

  /** Capture to screen. @param {{p50: number, p95: number} | null} ages seconds */
  ages(ages) {
    const mood = ages === null ? "" : ages.p95 <= GOOD_AGE_S ? "good" : ages.p95 < 1 ? "" : "warn";
    this.write("age", ages === null ? wording.NONE : wording.age(ages.p50), mood);
    this.write("age95", ages === null ? "median" : `median; p95 ${wording.age(ages.p95)}`);
  }

  /**
   * Say how the connection is.
   * @param {LiveSocket} socket
   * @param {import("./people.js").Freshness} fresh
   * @param {number} silentS seconds since the last update
   * @param {number} nowMs
   */
  connection(socket, fresh, silentS, nowMs) {
    const [state, label, notice] = describe(socket, fresh, silentS, nowMs);
    document.body.dataset.connection = state;
    this.write("connection", this.past && state === "live" ? "Past" : label);
    this.write("notice", notice);
  }
}

/**
 * @param {LiveSocket} socket @param {string} fresh @param {number} silentS @param {number} nowMs
 * @returns {[string, string, string]} state, label of the chip, sentence of the banner
 */
function describe(socket, fresh, silentS, nowMs) {
  const silence = Number.isFinite(silentS) ? ` The last update came ${wording.age(silentS)} ago.` : "";
  if (socket.phase === "waiting") {
    const seconds = Math.max(1, Math.ceil((socket.retryAtMs - nowMs) / 1000));
    const why = socket.reason ? ` The server says: ${socket.reason}.` : "";
    return ["lost", "Reconnecting", `No connection to the server.${why}${silence} Trying again in ${seconds} s.`];
  }
  if (socket.phase !== "open") return ["connecting", "Connecting", fresh === "live" || fresh === "none" ? "" : `Connecting again…${silence}`];
  if (fresh === "live") return ["live", "Live", ""];
  if (fresh === "none") return ["starting", "Waiting", ""];
  return ["stale", "Not live", `Connected, but no fresh update comes.${silence} Dots are not live.`];
}
