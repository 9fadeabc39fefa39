/**
 * Which of the page's two views is shown, by the address: the live floor, or analytics, whose code is loaded when it is
 * first opened. Knows no figures.
 */

/** @import { AnalyticsView } from "./analytics/view.js" */

/** @typedef {ConstructorParameters<typeof AnalyticsView>[0]} Options */

export class Views {
  /** @type {AnalyticsView | null} */
  analytics = null;
  #loading = false;

  /** @param {Options} options of the analytics view */
  constructor(options) {
    this.options = options;
    addEventListener("hashchange", () => this.#follow());
    this.#follow();
  }

  /** Show the live floor. */
  showFloor() {
    location.hash = "#live";
    this.#follow();
  }

  get #name() {
    return location.hash.startsWith("#analytics") ? "analytics" : "live";
  }

  #follow() {
    const name = this.#name;
    document.body.dataset.view = name;
    for (const link of document.querySelectorAll("[data-view-link]")) {
      if (/** @type {HTMLElement} */ (link).dataset.viewLink === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (name === "analytics") this.#open();
    else this.analytics?.show(false);
  }

  async #open() {
    if (this.analytics) {
      this.analytics.show(true);
      return;
    }
    if (this.#loading) return;
    this.#loading = true;
    const { AnalyticsView } = await import("./analytics/view.js");
    this.analytics = new AnalyticsView(this.options);
    if (this.#name === "analytics") this.analytics.show(true);
  }
}
