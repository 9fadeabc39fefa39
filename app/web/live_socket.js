/**
 * A WebSocket that comes back by itself: exponential back-off with jitter, and a watchdog for connections that are
 * open but silent. Knows nothing of what the messages say.
 */

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 10_000;
const STEADY_MS = 5_000; // a connection that held this long starts the back-off anew

/** @typedef {"connecting" | "open" | "waiting" | "closed"} Phase */

export class LiveSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {number | undefined} */
  #retryTimer;
  #attempt = 0;
  #openedMs = 0;
  #heardMs = 0;

  /**
   * @param {object} options
   * @param {() => string} options.url asked before every attempt, so that it may change
   * @param {(data: string | ArrayBuffer) => void} options.onMessage
   * @param {(phase: Phase, retryInMs: number) => void} options.onPhase
   * @param {number} [options.silenceMs] reconnect when nothing is heard for this long; never when left out
   */
  constructor({ url, onMessage, onPhase, silenceMs }) {
    this.url = url;
    this.onMessage = onMessage;
    this.onPhase = onPhase;
    /** @type {Phase} */
    this.phase = "closed";
    this.retryAtMs = 0;
    /** what the server said when it closed the last connection; mostly nothing */
    this.reason = "";
    if (silenceMs) setInterval(() => this.#checkSilence(silenceMs), 1000);
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.retryNow();
    });
  }

  /** Connect, and stay connected until close(). */
  open() {
    if (this.phase !== "closed") return;
    this.#connect();
  }

  close() {
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#attempt = 0;
    this.#enter("closed", 0);
  }

  /** Try at once when waiting for the next attempt. */
  retryNow() {
    if (this.phase !== "waiting") return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** @param {object} message sent as JSON; dropped when not connected */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    this.#enter("connecting", 0);
    const socket = new WebSocket(this.url());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heardMs = performance.now();
    socket.onopen = () => {
      this.#openedMs = this.#heardMs = performance.now();
      this.#enter("open", 0);
    };
    socket.onmessage = (event) => {
      this.#heardMs = performance.now();
      this.onMessage(event.data);
    };
    socket.onclose = (event) => {
      this.reason = event.reason;
      this.#retryLater();
    };
  }

  #retryLater() {
    if (this.phase === "open" && performance.now() - this.#openedMs > STEADY_MS) this.#attempt = 0;
    this.#drop();
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt);
    const delay = longest * (0.5 + 0.5 * Math.random()); // jitter: viewers must not come back all at once
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#enter("waiting", delay);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {number} silenceMs */
  #checkSilence(silenceMs) {
    const waiting = this.phase === "open" || this.phase === "connecting";
    if (waiting && performance.now() - this.#heardMs > silenceMs) this.#retryLater();
  }

  /** @param {Phase} phase @param {number} retryInMs */
  #enter(phase, retryInMs) {
    this.phase = phase;
    this.retryAtMs = performance.now() + retryInMs;
    this.onPhase(phase, retryInMs);
  }
}
