/**
 * The server's clock seen from here, and how old things are when they reach the screen.
 * Knows nothing of sockets: it is told when a ping left and what its pong said.
 */

const KEPT_SAMPLES = 12;

/** Offset of the server's clock by ping and pong; the sample with the shortest round trip counts (as NTP chooses). */
export class ServerClock {
  /** @type {{offset: number, roundTrip: number}[]} */
  #samples = [];

  /**
   * Take a pong in.
   * @param {number} sentMs performance.now() at which the ping left
   * @param {number} serverS the server's clock in the pong, seconds since epoch
   * @param {number} receivedMs performance.now() at which the pong came
   */
  pong(sentMs, serverS, receivedMs) {
    const roundTrip = receivedMs - sentMs;
    if (!(roundTrip >= 0) || !Number.isFinite(serverS)) return;
    this.#samples.push({ offset: serverS - (sentMs + receivedMs) / 2000, roundTrip });
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift();
  }

  /**
   * Tell what the server's clock shows at a local instant; null before the first pong.
   * @param {number} localMs performance.now()
   * @returns {number | null} seconds since epoch
   */
  at(localMs) {
    if (this.#samples.length === 0) return null;
    const best = this.#samples.reduce((a, b) => (b.roundTrip < a.roundTrip ? b : a));
    return best.offset + localMs / 1000;
  }

  /** Forget everything: another server may answer after a reconnect. */
  reset() {
    this.#samples = [];
  }
}

/** The values of the last seconds, and their percentiles. */
export class Window {
  /** @type {{at: number, value: number}[]} */
  #values = [];

  /** @param {number} spanMs how long a value counts */
  constructor(spanMs) {
    this.spanMs = spanMs;
  }

  /** @param {number} atMs @param {number} value */
  add(atMs, value) {
    this.#values.push({ at: atMs, value });
    if (this.#values.length > 4096) this.#values.splice(0, 1024);
  }

  /**
   * Return the percentiles of what is not older than the span; null when there is nothing.
   * @param {number} nowMs
   * @returns {{p50: number, p95: number, count: number} | null}
   */
  percentiles(nowMs) {
    const first = this.#values.findIndex((v) => v.at >= nowMs - this.spanMs);
    this.#values.splice(0, first < 0 ? this.#values.length : first);
    if (this.#values.length === 0) return null;
    const sorted = this.#values.map((v) => v.value).sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { p50: at(0.5), p95: at(0.95), count: sorted.length };
  }
}
