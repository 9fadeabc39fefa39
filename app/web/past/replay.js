/**
 * Plays the past of a floor: one instant, or from an instant on at some speed. Feeds people of its own, so that the live
 * ones go on meanwhile. Knows the history's answers and a socket; nothing of elements.
 */

import { People } from "../people.js";
import { RequestFailed } from "../wire.js";

/** @import { Archive } from "../archive.js" */
/** @import { FloorMessage } from "../wire.js" */

export const SPEEDS = [1, 2, 5, 10, 30, 60];

export class Replay {
  people = new People(() => {});
  /** @type {number | null} the capture time that is shown; null while the floor is live */
  at = null;
  /** @type {string} why nothing is shown although somebody asked; empty without a fault */
  fault = "";
  playing = false;
  speed = 1;
  #seq = 0;
  #since = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {number | null} the instant to ask for when the answer under way has come */
  #wanted = null;
  #asking = false;

  /**
   * @param {object} options
   * @param {Archive} options.archive
   * @param {() => number} options.now the server's clock, seconds since epoch
   * @param {() => void} options.onChange another instant is shown, or playing began or ended
   */
  constructor({ archive, now, onChange }) {
    this.archive = archive;
    this.now = now;
    this.onChange = onChange;
    this.people.foresight = 0;
    this.people.tellsViews = false;
  }

  /** Show an instant; playing goes on from there. @param {number} at seconds since epoch */
  seek(at) {
    this.at = Math.min(at, this.now());
    this.fault = "";
    if (this.playing) {
      this.people.reset();
      if (this.at < this.#since) this.#connect(this.at); // a replay goes back no farther than to its begin
      else this.#tell({ type: "seek", at: this.at });
    } else {
      this.#wanted = this.at;
      this.#ask();
    }
    this.onChange();
  }

  play() {
    if (this.at === null || this.playing) return;
    this.playing = true;
    this.fault = "";
    this.people.pace = this.speed;
    this.#connect(this.at);
    this.onChange();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.people.pace = 1;
    this.#drop();
    this.onChange();
  }

  /** @param {number} speed how many seconds of the past a second lasts */
  setSpeed(speed) {
    this.speed = speed;
    if (!this.playing) return;
    this.people.pace = speed;
    this.#tell({ type: "speed", x: speed });
  }

  /** Go back to what is live. */
  leave() {
    this.at = this.#wanted = null;
    this.fault = "";
    this.pause();
    this.people.reset();
    this.onChange();
  }

  /** @param {number} since seconds since epoch */
  #connect(since) {
    this.#drop();
    this.#since = since;
    const socket = new WebSocket(this.archive.replayAddress({ since, until: this.now(), speed: this.speed }));
    this.#socket = socket;
    socket.onopen = () => {
      if (this.at !== since) this.#tell({ type: "seek", at: this.at });
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "floor") this.#show(message);
      else if (message.type === "replay" && message.ended) this.pause();
    };
    socket.onclose = (event) => {
      if (event.code !== 1000) this.fault = event.reason || "The server ended the replay.";
      this.pause();
    };
  }

  /** @param {object} message dropped while the connection is being made */
  #tell(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** Ask for the wanted instant; while an answer is under way only the newest wish is kept. */
  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    while (this.#wanted !== null) {
      const wanted = this.#wanted;
      this.#wanted = null;
      try {
        const message = await this.archive.floorAt(wanted);
        if (this.at === null || this.playing) break;
        this.people.reset();
        this.#show(message);
      } catch (error) {
        if (this.at === null) break;
        this.people.reset();
        const nothing = error instanceof RequestFailed && error.status === 404;
        this.fault = nothing ? "Nothing was recorded at this time." : "This instant could not be fetched.";
        this.onChange();
      }
    }
    this.#asking = false;
  }

  /** @param {FloorMessage} message */
  #show(message) {
    if (this.people.capturedAt !== null && message.captured_at < this.people.capturedAt) this.people.reset();
    this.#seq += 1;
    this.people.update({ ...message, seq: this.#seq }, performance.now());
    if (this.playing) this.at = message.captured_at;
    this.onChange();
  }
}
