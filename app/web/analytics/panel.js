/** One panel of the analytics view: waits for an answer, then shows it, or says that there is nothing, or why not. */

export const UNWATCHED = "No data: nobody watched.";

export class Panel {
  /** @param {string} name of the [data-panel] element */
  constructor(name) {
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
      note = `This cannot be read: ${error instanceof TypeError ? "no connection" : /** @type {Error} */ (error).message}.`;
    }
    this.say(note);
  }

  /** Show words instead of figures; the figures again for no words. @param {string} note */
  say(note) {
    this.element.removeAttribute("aria-busy");
    this.element.classList.toggle("is-empty", note !== "");
    this.note.textContent = note;
  }
}
