/**
 * Where people on the floor will be in the next seconds: asks for the predicted ways while they are shown, draws them,
 * and says how far such predictions were off. Knows the history's forecast and who is shown; predicts nothing itself.
 */

import * as wording from "./wording.js";

/** @import { Archive, Forecast } from "./archive.js" */
/** @import { People } from "./people.js" */
/** @import { Viewport } from "./viewport.js" */

const ASK_MS = 1000;
const SHORTEST_M = 0.25; // who goes no farther stands
const KEPT_S = 3; // an answer older than this is not drawn

/** @typedef {[number, number, number, number][]} Path  seconds since epoch, x, y, standard deviation in metres */

export class Foresight {
  /** @type {Map<number, Path>} by id */
  paths = new Map();
  #askedMs = -Infinity;
  #gotMs = -Infinity;
  #shown = false;

  /**
   * @param {object} options
   * @param {Archive} options.archive
   * @param {HTMLElement} options.readout where the measured error is written
   * @param {() => void} options.onChange other ways are predicted, or none
   */
  constructor({ archive, readout, onChange }) {
    this.archive = archive;
    this.readout = readout;
    this.onChange = onChange;
  }

  /** Ask anew while the ways are shown; forget them when not. @param {number} nowMs @param {boolean} shown */
  async refresh(nowMs, shown) {
    this.#shown = shown;
    if (!shown || nowMs - this.#gotMs > 1000 * KEPT_S) this.#take(null);
    if (!shown || nowMs - this.#askedMs < ASK_MS) return;
    this.#askedMs = nowMs;
    try {
      const forecast = await this.archive.forecast();
      if (!this.#shown) return;
      this.#gotMs = performance.now();
      this.#take(forecast);
    } catch {
      if (this.#shown && this.paths.size === 0) this.#say("Predicted ways cannot be read now.");
    }
  }

  /** @param {Forecast | null} forecast */
  #take(forecast) {
    if (forecast === null && this.paths.size === 0) {
      if (!this.#shown) this.#say("");
      return;
    }
    this.paths = new Map(forecast?.people.map(({ id, path }) => [id, path]));
    if (forecast || !this.#shown) this.#say(forecast ? saidOf(forecast.error) : "");
    this.onChange();
  }

  /** @param {string} words */
  #say(words) {
    if (this.readout.textContent !== words) this.readout.textContent = words;
  }
}

/** Say how far predictions were off. @param {Forecast["error"]} error */
function saidOf({ horizon_s, error_m, n }) {
  const known = horizon_s.flatMap((s, i) => (error_m[i] === null ? [] : [`${wording.decimal(error_m[i], 2)} m in ${s} s`]));
  if (known.length === 0) return "Predicted ways; how far they are off is not known yet.";
  return `Predicted ways, lately off by ${known.join(", ")} (median of ${wording.whole(Math.max(...n))})`;
}

/**
 * Draw the predicted ways: dotted from where a person is shown, a ring a second, and for one of them how sure each is.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Viewport} view
 * @param {Map<number, Path>} paths
 * @param {People} people
 * @param {{selected: number | null, colourOf: (id: number) => string, paper: string}} look
 */
export function drawForesight(ctx, view, paths, people, { selected, colourOf, paper }) {
  ctx.lineCap = "round";
  for (const [reported, path] of paths) {
    const person = people.shown.get(people.resolve(reported));
    if (!person || person.goneMs !== null) continue;
    const ahead = path.filter(([t]) => t > person.capturedAt);
    const end = ahead.at(-1);
    if (!end || Math.hypot(end[1] - person.measured.x, end[2] - person.measured.y) < SHORTEST_M) continue;
    const mine = person.id === selected;
    const colour = colourOf(person.id);
    ctx.strokeStyle = ctx.fillStyle = colour;
    if (mine) for (const [, x, y, sigma] of ahead) fillSure(ctx, view, x, y, sigma);
    ctx.globalAlpha = selected === null || mine ? 0.95 : 0.35;
    ctx.lineWidth = 2;
    ctx.setLineDash([1, 5]);
    ctx.beginPath();
    ctx.moveTo(...view.toScreen(person.measured.x, person.measured.y));
    for (const [, x, y] of ahead) ctx.lineTo(...view.toScreen(x, y));
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.lineWidth = 1.5;
    for (const [, x, y] of ahead) {
      ctx.beginPath();
      ctx.arc(...view.toScreen(x, y), 3, 0, 2 * Math.PI);
      ctx.fillStyle = paper;
      ctx.fill();
      ctx.stroke();
    }
  }
  ctx.globalAlpha = 1;
}

/** Fill the circle that holds the person with one sigma. @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {number} x @param {number} y @param {number} sigma */
function fillSure(ctx, view, x, y, sigma) {
  ctx.globalAlpha = 0.12;
  ctx.beginPath();
  ctx.arc(...view.toScreen(x, y), sigma * view.scale, 0, 2 * Math.PI);
  ctx.fill();
}
