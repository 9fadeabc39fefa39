/** One panel of the analytics view: waits for an answer, then shows it, or says that there is nothing, or why not. */

import { RequestFailed } from "../wire.js";

export const UNWATCHED = "No data: nobody watched.";

export class Panel {
  /**
   * @param {string} name of the [data-panel] element
   * @param {(why: string) => void} onSilence the history does not answer at all
   */
  constructor(name, onSilence) {
    this.onSilence = onSilence;
    this.element = /** @type {HTMLElement} */ (document.querySelector(`[data-panel="${name}"]`));
    this.note = /** @type {HTMLElement} */ (this.element.querySelector("[data-part=panel-note]"));
  }

  /** Show that another answer is on its way. */
  wait() {
    this.element.setAttribute("aria-busy", "true");
  }

  /**
   * Wait for an answer and show it.
   * @template T
   * @param {Promise<T>} answer
   * @param {(answer: T) => string} show draws it; says why there is nothing to see, empty when there is
   * @param {AbortSignal} signal of a question that is no longer of interest
   */
  async fill(answer, show, signal) {
    this.wait();
    let note = "";
    try {
      const told = await answer;
      if (signal.aborted) return;
      this.element.classList.remove("is-empty"); // charts are measured while they are drawn
      note = show(told);
    } catch (error) {
      if (signal.aborted) return;
      note = this.#faultOf(error);
    }
    this.say(note);
  }

  /** What to say of a question that failed; the reason of a history that does not answer is told once, elsewhere. @param {unknown} error */
  #faultOf(error) {
    const refused = error instanceof RequestFailed && error.status < 500;
    if (refused) return `This cannot be read: ${error.message.replace(/\.$/, "")}.`;
    this.onSilence(error instanceof TypeError ? "no connection" : /** @type {Error} */ (error).message.replace(/\.$/, ""));
    return "No answer.";
  }

  /** Show words instead of figures; the figures again for no words. @param {string} note */
  say(note) {
    this.element.removeAttribute("aria-busy");
    this.element.classList.toggle("is-empty", note !== "");
    this.note.textContent = note;
  }
}
