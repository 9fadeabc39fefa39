/**
 * What the server says about what is live, as types: the site and the two WebSockets under /api/v1; and how the server
 * is asked at all. What the history says is in archive.js.
 *
 * @typedef {{id: string, width: number | null, height: number | null, fps: number | null,
 *   position: [number, number] | null, footprint: [number, number][]}} Camera  metres; footprint [] without calibration;
 *   size and rate are null until they are known
 * @typedef {{url: string, pixels_per_metre: number, origin_px: [number, number], width: number, height: number}} Plan
 * @typedef {{bounds: [number, number, number, number], image: Plan | null}} Floor
 * @typedef {{site: string, demo: boolean, detector: string, notes: string[], floor: Floor | null, cameras: Camera[]}} Site
 *
 * @typedef {{id: number, x: number, y: number, vx: number, vy: number, cov: [number, number, number],
 *   cameras: string[], certainty: number}} Sighted  metres, metres a second, square metres (xx, xy, yy), probability that
 *   the id is right
 * @typedef {{type: "merge", gone: number, kept: number, certainty: number}} Merge  who was called gone has been kept all along
 * @typedef {{type: "split", mixed: number, apart: number, since: number | null, until: number | null, reported: number[],
 *   certainty: number}} Split  who was called mixed between two capture times has been apart; null for without bound
 * @typedef {{type: "floor", seq: number, captured_at: number, published_at: number, people: Sighted[],
 *   corrections: (Merge | Split)[]}} FloorMessage
 * @typedef {{id: string, state: "starting" | "live" | "late" | "lost" | "ended", fps: number, age_s: number | null,
 *   dropped: number, frames: number, reason: string | null}} CameraState
 * @typedef {{now: number, last_minute: number, last_15_minutes: number, last_hour: number,
 *   observed_since: string | null}} Counts
 * @typedef {{type: "state", at: number, cameras: CameraState[], latency_ms: {p50: number | null, p95: number | null},
 *   stages_ms: Record<string, number>, steps_per_s: number, fault?: string | null, device_faults?: Record<string, number>,
 *   counts: Counts | null}} StateMessage  device_faults: how often something was wrong with a graphics card, by card and fault
 * @typedef {{type: "truth", captured_at: number, people: {id: number, x: number, y: number}[]}} TruthMessage
 * @typedef {{type: "score", at: number, window_s: number, idf1: number | null, moda: number | null,
 *   position_error_m: number | null, matched: number, people: number}} ScoreMessage
 * @typedef {{type: "correction", correction: import("./archive.js").RecordedCorrection}} CorrectionMessage  an operator has
 *   corrected the history, or taken a correction back
 * @typedef {{type: "pong", t: number, now: number}} PongMessage
 * @typedef {FloorMessage | StateMessage | TruthMessage | ScoreMessage | CorrectionMessage | PongMessage} Message
 *
 * @typedef {import("./frame_message.js").FrameMessage} FrameMessage
 */

const API = new URL("api/v1/", document.baseURI);

/** Raised when the server answers, but not with what was asked; `status` is HTTP's, `errors` name the fields at fault. */
export class RequestFailed extends Error {
  /** @param {number} status @param {string} message @param {{field: string, detail: string}[]} [errors] */
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/**
 * Ask the server for JSON.
 * @param {string} path below /api/v1/
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {unknown} [options.body] sent as JSON
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<any>} null for an answer without content
 */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const response = await fetch(new URL(path, API), { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  let problem = /** @type {any} */ ({});
  try {
    problem = await response.json();
  } catch {
    // No problem document: the status line is all there is.
  }
  const detail = problem.detail ?? problem.title ?? `${response.status} ${response.statusText}`;
  throw new RequestFailed(response.status, String(detail), Array.isArray(problem.errors) ? problem.errors : []);
}

/** The path of something of a site. @param {string} site @param {string} path */
export const ofSite = (site, path) => `sites/${encodeURIComponent(site)}/${path}`;

/** @returns {Promise<{sites: {site: string, demo: boolean}[]}>} */
export const fetchSites = () => ask("sites");

/** @param {string} site @returns {Promise<Site>} */
export const fetchSite = (site) => ask(`sites/${encodeURIComponent(site)}`);

/** @param {string} path below /api/v1/ */
export const addressOf = (path) => new URL(path, API).href;

/** @param {string} path @returns {string} */
export function socketAddress(path) {
  const address = new URL(path, API);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** @param {string} site */
export const floorAddress = (site) => socketAddress(ofSite(site, "floor"));

/** @param {string} site @param {string[]} cameras @param {number} width pixels */
export const framesAddress = (site, cameras, width) =>
  socketAddress(ofSite(site, `frames?${new URLSearchParams({ cameras: cameras.join(","), width: String(width) })}`));
