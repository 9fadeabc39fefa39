/**
 * Time travel: the time line under the map, its handle, and the buttons beside it. Turns drags and keys into instants
 * for a Replay, and says what instant is shown. Knows no map and no people.
 */

import { epoch } from "../archive.js";
import * as wording from "../wording.js";
import { day, DAY_S, hourAndMinute, midnight, midnightAfter } from "./days.js";
import { SPEEDS } from "./replay.js";
import { drawTimeLine } from "./time_line.js";

/** @import { Archive, Occupancy, Period } from "../archive.js" */
/** @import { Theme } from "../theme.js" */
/** @import { Replay } from "./replay.js" */

const BUCKETS_S = [60, 300, 900, 3600];
const MOST_BUCKETS = 720; // finer ones would be less than a pixel
const REFRESH_MS = 30_000;
const LIVE_PX = 4; // dragging the handle this near to now is going back to what is live
const ALERTS = ["over_capacity", "dwell_exceeded", "restricted", "fall_silent"];
const MOST_ALERTS = 200;
const KEY_STEP_S = 5;
const YOUNG_S = [600, 3600, 21_600]; // a record shorter than this fills the strip of this length
const AHEAD = 0.1; // of a strip that follows now is still to come

export class Scrubber {
  /** @type {Occupancy | null} */
  #occupancy = null;
  /** @type {number[]} */
  #alerts = [];
  /** how much of time the strip shows, seconds; a day begins at midnight */
  #length = DAY_S;
  /** @type {Period} */
  #span;
  #followsNow = true;
  #chosen = false; // whether somebody chose a length, or the record was old enough for a day
  #loadedMs = -Infinity;
  #ticket = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.element the whole control, with [data-time] parts
   * @param {Archive} options.archive
   * @param {Replay} options.replay
   * @param {Theme} options.theme
   * @param {() => number} options.now the server's clock, seconds since epoch
   */
  constructor({ element, archive, replay, theme, now }) {
    this.element = element;
    this.archive = archive;
    this.replay = replay;
    this.theme = theme;
    this.now = now;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.handle = this.#part("handle");
    this.#span = this.#spanAround(now());
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.handle);
  }

  /** Show an instant and the span around it. @param {number} at seconds since epoch */
  goTo(at) {
    if (at < this.#span.since || at >= this.#span.until) this.#look(this.#spanAround(at));
    this.replay.seek(at);
  }

  /** Write what is shown now; asks for the strip's figures when they are old. @param {number} nowMs */
  refresh(nowMs) {
    const { replay } = this;
    if (this.#followsNow && replay.at === null && this.now() >= this.#span.until) this.#look(this.#spanAround(this.now()));
    if (replay.at !== null && replay.playing && replay.at >= this.#span.until) this.#look(this.#spanAround(replay.at));
    if (nowMs - this.#loadedMs > REFRESH_MS && document.visibilityState === "visible") this.#load(nowMs);
    this.#write();
  }

  draw() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const strip = { span: this.#span, occupancy: this.#occupancy, now: this.now(), alerts: this.#alerts };
    drawTimeLine(this.ctx, width, height, strip, this.theme.colour);
    this.#write();
  }

  /** Whether anybody watched at an instant; null where the strip does not tell. @param {number} at seconds since epoch */
  observedAt(at) {
    if (!this.#occupancy) return null;
    const { columns, bucket_s } = this.#occupancy;
    const i = columns.at.findIndex((begin) => at >= begin && at < begin + bucket_s);
    return i < 0 ? null : (columns.observed[i] ?? 0) > 0;
  }

  #listen() {
    const { replay } = this;
    this.#part("live").addEventListener("click", () => this.#goLive());
    this.#part("play").addEventListener("click", () => this.#togglePlay());
    this.#part("earlier").addEventListener("click", () => this.#step(-1));
    this.#part("later").addEventListener("click", () => this.#step(1));
    const speed = /** @type {HTMLSelectElement} */ (this.#part("speed"));
    speed.replaceChildren(...SPEEDS.map((x) => new Option(`${x}×`, String(x), x === 1, x === replay.speed)));
    speed.addEventListener("change", () => replay.setSpeed(Number(speed.value)));
    const length = /** @type {HTMLSelectElement} */ (this.#part("length"));
    length.addEventListener("change", () => {
      this.#chosen = true;
      this.#setLength(Number(length.value));
    });
    const date = /** @type {HTMLInputElement} */ (this.#part("date"));
    date.addEventListener("change", () => {
      const chosen = new Date(`${date.value}T00:00`).getTime() / 1000;
      if (Number.isFinite(chosen)) this.#look(this.#spanAround(chosen));
    });
    this.#listenToHandle();
  }

  #listenToHandle() {
    const instant = (/** @type {PointerEvent} */ event) => {
      const box = this.handle.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return this.#span.since + share * (this.#span.until - this.#span.since);
    };
    const drag = (/** @type {PointerEvent} */ event) => {
      const at = instant(event);
      const perPixel = (this.#span.until - this.#span.since) / this.handle.clientWidth;
      if (at > this.now() - LIVE_PX * perPixel) this.#goLive();
      else this.replay.seek(at);
    };
    this.handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.handle.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.handle.addEventListener("pointermove", (event) => {
      if (this.handle.hasPointerCapture(event.pointerId)) drag(event);
      this.#part("hover").textContent = event.pointerType === "mouse" ? wording.timeOfDay(instant(event)) : "";
      this.#part("hover").style.left = `${event.clientX - this.handle.getBoundingClientRect().left}px`;
    });
    this.handle.addEventListener("pointerleave", () => (this.#part("hover").textContent = ""));
    this.handle.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const step = event.shiftKey ? 12 * KEY_STEP_S : KEY_STEP_S;
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -600, PageUp: 600 };
    if (event.key === " " || event.key === "Enter") this.#togglePlay();
    else if (event.key === "Home") this.goTo(this.#span.since);
    else if (event.key === "End") this.#goLive();
    else if (event.key in moves) this.#move(moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} seconds */
  #move(seconds) {
    const at = (this.replay.at ?? this.now()) + seconds;
    if (at >= this.now()) this.#goLive();
    else this.goTo(at);
  }

  #goLive() {
    if (this.replay.at !== null) this.replay.leave();
    this.#look(this.#spanAround(this.now()));
  }

  #togglePlay() {
    if (this.replay.playing) this.replay.pause();
    else if (this.replay.at !== null) this.replay.play();
  }

  /** Look at the span before or after this one. @param {number} step */
  #step(step) {
    const middle = (this.#span.since + this.#span.until) / 2;
    const next = this.#length === DAY_S ? midnightAfter(this.#span.since, step) : middle + step * this.#length;
    if (next <= this.now() + this.#length) this.#look(this.#spanAround(Math.min(next, this.now())));
  }

  /** @param {number} at @returns {Period} */
  #spanAround(at) {
    if (this.#length === DAY_S) return { since: midnight(at), until: midnightAfter(at, 1) };
    const since = Math.floor(Math.min(at - this.#length / 2, this.now() - (1 - AHEAD) * this.#length) / 60) * 60;
    return { since, until: since + this.#length };
  }

  /** @param {Period} span */
  #look(span) {
    const same = span.since === this.#span.since && span.until === this.#span.until;
    this.#followsNow = this.now() >= span.since && this.now() < span.until;
    this.#span = span;
    if (!same) {
      this.#occupancy = null;
      this.#alerts = [];
      this.#load(performance.now());
    }
    this.draw();
  }

  /** @param {number} nowMs */
  async #load(nowMs) {
    this.#loadedMs = nowMs;
    this.#ticket += 1;
    const ticket = this.#ticket;
    const bucket_s = BUCKETS_S.find((s) => (this.#span.until - this.#span.since) / s <= MOST_BUCKETS) ?? 3600;
    const until = Math.min(this.#span.until, Math.ceil(this.now() / bucket_s) * bucket_s);
    const asked = { since: Math.floor(this.#span.since / bucket_s) * bucket_s, until };
    if (asked.until <= asked.since) return;
    const [occupancy, alerts] = await Promise.allSettled([
      this.archive.occupancy({ ...asked, bucket_s }),
      this.archive.events({ ...asked, kind: ALERTS, limit: MOST_ALERTS }),
    ]);
    if (ticket !== this.#ticket) return;
    this.#occupancy = occupancy.status === "fulfilled" ? occupancy.value : null;
    this.#alerts = alerts.status === "fulfilled" ? alerts.value.events.map((event) => epoch(event.at)) : [];
    this.#part("fault").textContent = occupancy.status === "fulfilled" ? "" : "The history cannot be read now.";
    this.draw();
    if (!this.#chosen && this.#occupancy) this.#fit(this.#occupancy);
  }

  /** Show less than a day while the record is young. @param {Occupancy} occupancy of today */
  #fit({ columns }) {
    this.#chosen = true;
    const first = columns.at.find((_, i) => (columns.observed[i] ?? 0) > 0) ?? this.#span.since;
    if (first <= this.#span.since) return; // there may be more before
    const length = YOUNG_S.find((s) => this.now() - first < (1 - AHEAD) * s);
    if (length !== undefined && this.replay.at === null) this.#setLength(length);
  }

  /** @param {number} seconds */
  #setLength(seconds) {
    this.#length = seconds;
    /** @type {HTMLSelectElement} */ (this.#part("length")).value = String(seconds);
    this.#look(this.#spanAround(this.replay.at ?? this.now()));
  }

  #write() {
    const { replay } = this;
    const past = replay.at !== null;
    const at = replay.at ?? this.now();
    const share = (at - this.#span.since) / (this.#span.until - this.#span.since);
    const knob = this.#part("knob");
    knob.hidden = share < 0 || share > 1;
    knob.style.left = `${100 * share}%`;
    this.#part("live").setAttribute("aria-pressed", String(!past));
    const play = /** @type {HTMLButtonElement} */ (this.#part("play"));
    play.disabled = !past;
    play.setAttribute("aria-label", replay.playing ? "Pause" : "Play from here");
    play.dataset.playing = String(replay.playing);
    write(this.#part("clock"), wording.timeOfDay(at));
    write(this.#part("day"), this.#length === DAY_S ? day(this.#span.since) : `${day(this.#span.since)}, ${hourAndMinute(this.#span.since)}`);
    /** @type {HTMLButtonElement} */ (this.#part("later")).disabled = this.#span.until > this.now();
    this.handle.setAttribute("aria-valuemin", String(Math.round(this.#span.since)));
    this.handle.setAttribute("aria-valuemax", String(Math.round(Math.min(this.#span.until, this.now()))));
    this.handle.setAttribute("aria-valuenow", String(Math.round(at)));
    this.handle.setAttribute("aria-valuetext", past ? `${day(at)}, ${wording.timeOfDay(at)}` : "live");
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-time="${name}"]`));
  }
}

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
