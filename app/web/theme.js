/**
 * Light or dark: the system's preference until the operator chooses, the choice kept in localStorage.
 * Knows the names of the colour tokens in theme.css that canvases need, and nothing of who draws with them.
 */

const KEY = "spoton-theme";
const TOKENS = ["ground", "surface", "raised", "line", "ink", "ink-2", "ink-3", "accent", "good", "warn", "bad", "paper", "grid", "past", "spot"];

export class Theme {
  /** @param {() => void} changed called after every change of colours */
  constructor(changed) {
    this.changed = changed;
    /** @type {Record<string, string>} colour tokens of theme.css by name, as CSS colours */
    this.colour = {};
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", (event) => {
      if (!this.#stored()) this.#apply(event.matches ? "light" : "dark");
    });
    this.#readColours();
  }

  /** @returns {"dark" | "light"} */
  get name() {
    return document.documentElement.dataset.theme === "light" ? "light" : "dark";
  }

  /** Switch to the other theme and remember it. */
  toggle() {
    const next = this.name === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // Without storage the choice lasts until the page is closed.
    }
    this.#apply(next);
  }

  #stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  /** @param {"dark" | "light"} name */
  #apply(name) {
    document.documentElement.dataset.theme = name;
    this.#readColours();
    this.changed();
  }

  #readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const token of TOKENS) this.colour[token] = style.getPropertyValue(`--${token}`).trim();
  }
}
