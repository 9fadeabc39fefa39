/**
 * What the history of a site is asked, and what it answers: figures, events, people, places, corrections, replay.
 * Knows addresses and shapes; nothing of how they are shown. Instants in questions and in columns are seconds since
 * epoch; single instants in answers are RFC 3339. Null is what nobody observed, never zero.
 *
 * @typedef {{observed: number | null, cameras_out: {camera: string, seconds: number}[], sigma_m: number | null,
 *   certainty: number | null}} Quality  observed: share of time and area that a running camera saw
 * @typedef {(number | null)[]} Column
 * @typedef {{since: number, until: number}} Period
 *
 * @typedef {object} Place
 * @property {string} id
 * @property {string} name
 * @property {"zone" | "line"} kind
 * @property {[number, number][]} [polygon] metres, of a zone
 * @property {[[number, number], [number, number]]} [ends] metres, of a line: seen from the first end towards the second,
 *   who crosses from left to right goes in
 * @property {number | null} [capacity]
 * @property {number | null} [max_dwell_s]
 * @property {boolean} [restricted]
 * @property {boolean} [queue]
 * @property {number} [version]
 * @property {string} [since]
 *
 * @typedef {{since: string, until: string, recorded_since: string | null, now: {people: number | null, places: {id: string, people: number}[]},
 *   visitors: number | null, entered: number | null, left: number | null, peak: {people: number, at: string} | null,
 *   mean_dwell_s: number | null, quality: Quality, age_s: number}} Dashboard  recorded_since: the first instant of the record
 * @typedef {{place: string, bucket_s: number, quality: Quality, corrected: {entered: number | null, left: number | null} | null,
 *   columns: {at: number[], mean: Column, peak: Column, entered: Column, left: Column, speed: Column, density: Column,
 *   peak_density: Column, observed: Column}}} Occupancy  corrected: of the whole period, with the corrections of today; null
 *   where it is not told; speed in m/s, densities in people a square metre
 * @typedef {{n: number, mean_s: number | null, cut_off: boolean, median_s: number | null, p10_s: number | null, p90_s: number | null,
 *   p95_s: number | null, open: number, lost: number, histogram: {edges_s: number[], n: number[]},
 *   quality: Quality}} Dwell  class i of the histogram begins at edges_s[i], the last has no end; cut_off: the mean is too
 *   short, because stays go on; quantiles are null where too few stays have ended
 * @typedef {{length: {mean: number | null, peak: number | null}, wait: {median_s: number | null, p90_s: number | null,
 *   n: number}, quality: Quality}} Queue
 * @typedef {{origin: [number, number], cell_m: number, rows: number, columns: number, seconds: number[],
 *   quality: Quality}} Heat  seconds: row-major, rows go up with y
 * @typedef {{places: string[], n: number[][], median_s: (number | null)[][], quality: Quality}} Flows
 * @typedef {{columns: {at: number[], mean: Column, low: Column, expected: Column, high: Column, observed: Column},
 *   anomalies: {at: number | string, mean: number, low: number, high: number, side: "above" | "below"}[],
 *   learnt_from: {since: string, until: string, weeks: number}}} Rhythm
 * @typedef {{id: number, at: string, place: string, kind: string, identity: number | null, inwards: boolean | null,
 *   dwell_s: number | null, people: number | null, camera: string | null}} PlaceEvent
 * @typedef {{camera: string, states: {at: string, state: string, reason: string | null}[], running_s: number,
 *   out_s: number, uptime: number | null}} CameraUptime
 *
 * @typedef {{identities: number[], together_s: number, since: string, until: string}} Group
 * @typedef {{at: string | null, people: {id: number, path: [number, number, number, number][]}[],
 *   error: {horizon_s: number[], error_m: Column, p90_m: Column, standing_m: Column, n: number[]}}} Forecast  path: seconds
 *   since epoch, x, y, standard deviation; error: how far people were from where they had been predicted, median by horizon
 * @typedef {{what: string, format: string, since: number, until: number, place?: string, camera?: string,
 *   bucket_s?: number}} ExportOrder
 * @typedef {import("./job_list.js").Job & {what: string, format: string, since: string, until: string, rows: number,
 *   bytes: number, file: string | null}} Export
 * @typedef {import("./job_list.js").Job & {place: string | null, since: string, until: string}} Rebuild
 *
 * @typedef {{camera: string, from: number, to: number}} Visit  seconds since epoch
 * @typedef {{place: string, since: string, until: string, dwell_s: number, ending: "here" | "left" | "lost"}} Hop
 * @typedef {{id: number, first_seen: string, last_seen: string, distance_m: number, points: [number, number, number][],
 *   visits: Visit[], hops: Hop[]}} Journey  points: seconds since epoch, x, y
 * @typedef {{id: number, first_seen: string, last_seen: string, certainty: number | null, reported: number[],
 *   tags: string[]}} Identity
 * @typedef {Identity & {likeness: number}} Lookalike
 * @typedef {{id: number, at: string, type: "merge" | "split", source: number, target: number, since: string | null,
 *   until: string | null, reported: number[], certainty: number, taken_back_at: string | null}} RecordedCorrection  source
 *   was, or was for some time, target
 */

import { addressOf, ask, ofSite, socketAddress } from "./wire.js";

/** @import { FloorMessage } from "./wire.js" */

/** An instant of an answer in seconds since epoch. @param {string | number} instant */
export const epoch = (instant) => (typeof instant === "number" ? instant : Date.parse(instant) / 1000);

/** @param {Record<string, string | number | string[] | undefined | null>} values empty ones are left out, lists repeat their key */
function query(values) {
  const pairs = Object.entries(values).flatMap(([key, value]) => [value].flat().map((item) => [key, String(item ?? "")]));
  return new URLSearchParams(pairs.filter(([, value]) => value !== "")).toString();
}

/** The questions to one site's history. */
export class Archive {
  /** @param {string} site */
  constructor(site) {
    this.site = site;
  }

  /** @param {Partial<Period> & {place?: string, without?: string}} asked @param {AbortSignal} [signal] @returns {Promise<Dashboard>} */
  dashboard = (asked, signal) => this.#get("dashboard", asked, signal);

  /** @param {Period & {place?: string, without?: string, bucket_s: number}} asked @param {AbortSignal} [signal] @returns {Promise<Occupancy>} */
  occupancy = (asked, signal) => this.#get("occupancy", asked, signal);

  /** @param {Period & {place: string, without?: string}} asked @param {AbortSignal} [signal] @returns {Promise<Dwell>} */
  dwell = (asked, signal) => this.#get("dwell", asked, signal);

  /** @param {Period & {place: string, without?: string}} asked @param {AbortSignal} [signal] @returns {Promise<Queue>} */
  queue = (asked, signal) => this.#get("queue", asked, signal);

  /** @param {Period & {cell_m?: number, without?: string}} asked of 31 days at most without some @param {AbortSignal} [signal] @returns {Promise<Heat>} */
  heat = (asked, signal) => this.#get("heatmap", asked, signal);

  /** @param {Period & {without?: string}} asked @param {AbortSignal} [signal] @returns {Promise<Flows>} */
  flows = (asked, signal) => this.#get("flows", asked, signal);

  /** @param {Period & {without?: string}} asked of a day at most @param {AbortSignal} [signal] @returns {Promise<{groups: Group[]}>} */
  groups = (asked, signal) => this.#get("groups", asked, signal);

  /** @returns {Promise<Forecast>} */
  forecast = () => this.#get("forecast", {});

  /** @param {Period & {place: string}} asked @param {AbortSignal} [signal] @returns {Promise<Rhythm>} */
  rhythm = (asked, signal) => this.#get("rhythm", asked, signal);

  /** @param {Period & {place?: string, kind?: string[], identity?: number, limit?: number, cursor?: string}} asked @param {AbortSignal} [signal] @returns {Promise<{events: PlaceEvent[], next: string | null}>} */
  events = (asked, signal) => this.#get("events", asked, signal);

  /** @param {Period} asked @param {AbortSignal} [signal] @returns {Promise<{cameras: CameraUptime[]}>} */
  uptime = (asked, signal) => this.#get("cameras/uptime", asked, signal);

  /** @param {number} id @param {Partial<Period> & {seconds?: number}} asked @returns {Promise<Journey>} */
  journey = (id, asked) => this.#get(`identities/${id}/journey`, asked);

  /** Where one person was, and for how long. @param {number} id @param {Period & {cell_m?: number}} asked @returns {Promise<Heat>} */
  heatOf = (id, asked) => this.#get(`identities/${id}/heatmap`, asked);

  /** @param {number} id @returns {Promise<Identity>} */
  identity = (id) => this.#get(`identities/${id}`, {});

  /** Who of the last hour looks most like some words. @param {{looks: string, limit?: number}} asked @returns {Promise<{people: Lookalike[]}>} */
  looks = (asked) => this.#get("looks", asked);

  /** @param {number} id @param {string[]} tags @returns {Promise<Identity>} */
  tag = (id, tags) => this.#send(`identities/${id}/tags`, "PUT", { tags });

  /** @param {number} id who is somebody else @param {number} into who that is @returns {Promise<RecordedCorrection>} */
  merge = (id, into) => this.#send(`identities/${id}/merge`, "POST", { into });

  /** @param {number} id @param {Period & {reported: number[]}} taken @returns {Promise<RecordedCorrection>} */
  split = (id, taken) => this.#send(`identities/${id}/split`, "POST", taken);

  /** @param {{limit?: number}} [asked] @returns {Promise<{corrections: RecordedCorrection[]}>} */
  corrections = (asked = {}) => this.#get("corrections", asked);

  /** @param {number} id @returns {Promise<unknown>} */
  takeBack = (id) => this.#send(`corrections/${id}`, "DELETE");

  /** @returns {Promise<{places: Place[]}>} */
  places = () => this.#get("zones", {});

  /** @param {Place} place @returns {Promise<Place>} */
  draw = ({ id, version: _version, since: _since, ...place }) => this.#send(`zones/${encodeURIComponent(id)}`, "PUT", place);

  /** @param {string} id @returns {Promise<null>} */
  erase = (id) => this.#send(`zones/${encodeURIComponent(id)}`, "DELETE");

  /** @returns {Promise<{exports: Export[]}>} newest first */
  exports = () => this.#get("exports", {});

  /** @param {ExportOrder} order @returns {Promise<Export>} */
  beginExport = (order) => this.#send("exports", "POST", order);

  /** @param {string} id @returns {Promise<Export>} */
  resumeExport = (id) => this.#send(`exports/${encodeURIComponent(id)}/resume`, "POST");

  /** Stop an export that is under way; remove one that is not. @param {string} id @returns {Promise<null>} */
  stopExport = (id) => this.#send(`exports/${encodeURIComponent(id)}`, "DELETE");

  /** @param {string} id @returns {string} where its file is */
  exportAddress = (id) => addressOf(ofSite(this.site, `exports/${encodeURIComponent(id)}/file`));

  /** @returns {Promise<{rebuilds: Rebuild[]}>} newest first */
  rebuilds = () => this.#get("rebuilds", {});

  /** Make the figures of a place anew, from all dots that are kept. @param {{place: string}} order @returns {Promise<Rebuild>} */
  beginRebuild = (order) => this.#send("rebuilds", "POST", order);

  /** @param {string} id @returns {Promise<Rebuild>} */
  resumeRebuild = (id) => this.#send(`rebuilds/${encodeURIComponent(id)}/resume`, "POST");

  /** Stop a rebuild that is under way; forget one that is not. @param {string} id @returns {Promise<null>} */
  stopRebuild = (id) => this.#send(`rebuilds/${encodeURIComponent(id)}`, "DELETE");

  /** The floor as it was at an instant. @param {number} at @param {AbortSignal} [signal] @returns {Promise<FloorMessage>} */
  floorAt = (at, signal) => this.#get("replay", { at }, signal);

  /** @param {Period & {speed: number}} played */
  replayAddress = (played) => socketAddress(ofSite(this.site, `replay?${query(played)}`));

  /** @param {string} path @param {Record<string, any>} values @param {AbortSignal} [signal] */
  #get(path, values, signal) {
    return ask(ofSite(this.site, `${path}?${query(values)}`), { signal });
  }

  /** @param {string} path @param {string} method @param {unknown} [body] */
  #send(path, method, body) {
    return ask(ofSite(this.site, path), { method, body });
  }
}
