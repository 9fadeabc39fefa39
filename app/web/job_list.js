/**
 * A list of jobs of the history that take a while: how far each one is, and what may be done with it. Asks anew while any
 * is under way. Knows what all jobs have in common; what they make is told by who lists them.
 */

import { element, linkButton } from "./html.js";

/** @typedef {{id: string, state: "waiting" | "running" | "done" | "failed" | "cancelled" | "interrupted", progress: number, problem: string | null}} Job */

const POLL_MS = 1000;
const UNDER_WAY = ["waiting", "running"];
const RESUMABLE = ["failed", "cancelled", "interrupted"];

/** @template {Job} J */
export class JobList {
  /** @type {J[]} */
  #jobs = [];
  #polledMs = -Infinity;
  #ticket = 0;

  /**
   * @param {object} options
   * @param {HTMLElement} options.list an ol
   * @param {HTMLElement} options.none shown while there is no job
   * @param {HTMLElement} options.fault where it is said why something was refused
   * @param {() => Promise<J[]>} options.ask newest first
   * @param {(id: string) => Promise<unknown>} options.stop one that is under way; otherwise it is removed
   * @param {(id: string) => Promise<unknown>} options.resume
   * @param {(job: J) => {name: string, about: string, done: string, link?: HTMLElement | null}} options.describe done: what
   *   has come of one that is done
   */
  constructor({ list, none, fault, ask, stop, resume, describe }) {
    this.list = list;
    this.none = none;
    this.fault = fault;
    this.ask = ask;
    this.stop = stop;
    this.resume = resume;
    this.describe = describe;
  }

  /** Ask how the jobs get on, when the last answer is old and any is under way. @param {number} nowMs */
  refresh(nowMs) {
    if (nowMs - this.#polledMs >= POLL_MS && this.#jobs.some(({ state }) => UNDER_WAY.includes(state))) this.load();
  }

  /** Ask which jobs there are. */
  async load() {
    this.#polledMs = performance.now();
    this.#ticket += 1;
    const ticket = this.#ticket;
    try {
      const jobs = await this.ask();
      if (ticket !== this.#ticket) return;
      this.#jobs = jobs;
      this.#write();
    } catch (error) {
      if (ticket === this.#ticket) this.fault.textContent = `Not known how far they are: ${reason(error)}.`;
    }
  }

  /** Change something, and show what became of it. @param {() => Promise<unknown>} change @returns {Promise<boolean>} whether it was done */
  async change(change) {
    this.fault.textContent = "";
    let done = true;
    try {
      await change();
    } catch (error) {
      this.fault.textContent = `${reason(error)}.`;
      done = false;
    }
    await this.load();
    return done;
  }

  #write() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
    this.list.replaceChildren(...this.#jobs.map((job) => this.#item(job)));
    this.none.hidden = this.#jobs.length > 0;
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {J} job */
  #item(job) {
    const { name, about, done, link } = this.describe(job);
    const percent = Math.floor(100 * job.progress);
    const underWay = UNDER_WAY.includes(job.state);
    const item = element("li", { "data-state": job.state }, element("b", {}, name), element("span", { class: "quiet" }, about));
    if (underWay) item.append(element("progress", { max: "1", value: String(job.progress), "aria-label": `Progress of ${name}` }, `${percent} %`));
    item.append(element("span", { class: job.problem ? "fault" : "quiet" }, job.state === "done" ? done : stateOf(job, percent)));
    const keys = element("span", { class: "keys" });
    if (link) keys.append(link);
    if (RESUMABLE.includes(job.state)) keys.append(this.#key("Resume", name, job, this.resume));
    keys.append(this.#key(underWay ? "Stop" : "Remove", name, job, this.stop));
    item.append(keys);
    return item;
  }

  /** @param {string} words @param {string} name @param {J} job @param {(id: string) => Promise<unknown>} change */
  #key(words, name, job, change) {
    const button = linkButton(words, `${words} ${name}`, () => this.change(() => change(job.id)));
    button.dataset.key = `${job.id}-${words}`;
    return button;
  }
}

/** @param {Job} job @param {number} percent */
function stateOf({ state, problem }, percent) {
  const words = { waiting: "waits for another one", running: `${percent} %`, done: "done", cancelled: `stopped at ${percent} %`, interrupted: `ended with the program at ${percent} %` };
  return state === "failed" ? `failed at ${percent} %: ${problem ?? "for no known reason"}` : words[state];
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof TypeError ? "no connection" : /** @type {Error} */ (error).message.replace(/\.$/, "");
}
