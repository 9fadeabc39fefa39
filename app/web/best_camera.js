/**
 * Which camera shows a person best: the largest and most certain box, and not another one every second.
 * Knows decoded frame messages and nothing of how they are drawn.
 */

/** @import { FrameMessage } from "./wire.js" */

const CLEARLY_BETTER = 1.4; // times the score of the camera in front, before another takes its place
const STAY_MS = 2500;
const UNSEEN_MS = 1200;

/**
 * Score how well a frame shows a person: share of the picture's height, weighed by the detector's confidence.
 * @param {FrameMessage} frame
 * @param {number} id
 * @param {(id: number) => number} resolve follows merges
 * @returns {number} 0 when the person is not in it
 */
export function viewOf(frame, id, resolve) {
  let best = 0;
  for (let i = 0; i < frame.count; i += 1) {
    if (frame.globalId[i] < 0 || resolve(frame.globalId[i]) !== id) continue;
    const height = (frame.box[4 * i + 3] - frame.box[4 * i + 1]) / frame.height;
    best = Math.max(best, height * (0.3 + 0.7 * frame.confidence[i]));
  }
  return best;
}

/** Keeps one camera in front for one person at a time. */
export class BestCamera {
  /** @type {number | null} */
  #person = null;
  /** @type {string | null} */
  #front = null;
  #sinceMs = 0;
  #seenMs = 0;

  /**
   * Choose the camera to bring forward.
   * @param {number | null} id the selected person
   * @param {Iterable<[string, number]>} scores per camera, as viewOf gives them
   * @param {string[]} fallback cameras that report the person, for when no picture with the person has come yet
   * @param {number} nowMs
   * @returns {string | null}
   */
  choose(id, scores, fallback, nowMs) {
    if (id !== this.#person) {
      this.#person = id;
      this.#front = null;
    }
    if (id === null) return null;
    const byCamera = new Map(scores);
    const [camera, score] = [...byCamera].reduce((a, b) => (b[1] > a[1] ? b : a), /** @type {[string, number]} */ (["", 0]));
    const current = this.#front === null ? 0 : (byCamera.get(this.#front) ?? 0);
    if (current > 0) this.#seenMs = nowMs;
    const lost = this.#front === null || nowMs - this.#seenMs > UNSEEN_MS;
    const better = score > CLEARLY_BETTER * current && nowMs - this.#sinceMs > STAY_MS;
    if (score > 0 && camera !== this.#front && (lost || (current > 0 && better))) this.#bring(camera, nowMs);
    else if (this.#front === null && fallback.length > 0) this.#bring(fallback[0], nowMs);
    return this.#front;
  }

  /** @param {string} camera @param {number} nowMs */
  #bring(camera, nowMs) {
    this.#front = camera;
    this.#sinceMs = this.#seenMs = nowMs;
  }
}
