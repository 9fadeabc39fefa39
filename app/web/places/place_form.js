/** The form of one zone or line: its name and limits, and what the server has against them, beside the field. */

/** @import { Place } from "../archive.js" */
/** @import { RequestFailed } from "../wire.js" */

const LIMITS = ["capacity", "max_dwell_s", "restricted", "queue"];

export class PlaceForm {
  /**
   * @param {HTMLFormElement} element
   * @param {(fields: Partial<Place>, goesOn: boolean) => void} onChange goesOn: more was typed into the same field
   */
  constructor(element, onChange) {
    this.element = element;
    let typedInto = "";
    element.addEventListener("focusout", () => (typedInto = ""));
    element.addEventListener("input", (event) => {
      const input = /** @type {HTMLInputElement} */ (event.target);
      this.#complain(input.name, "");
      onChange(/** @type {any} */ ({ [input.name]: valueOf(input) }), typedInto === input.name);
      typedInto = input.name;
    });
  }

  /** Write a place into the fields. @param {Place} place */
  show(place) {
    for (const input of this.element.querySelectorAll("input")) {
      const value = /** @type {any} */ (place)[input.name];
      if (input.type === "checkbox") input.checked = Boolean(value);
      else if (document.activeElement !== input) input.value = text(input, value);
    }
    for (const limit of LIMITS) this.#row(limit).hidden = place.kind === "line";
    this.#row("ends").hidden = place.kind !== "line";
  }

  /** Show what is wrong at the fields that it is about; the rest above the buttons. @param {RequestFailed | null} failed */
  showErrors(failed) {
    for (const element of this.element.querySelectorAll("[data-error]")) element.textContent = "";
    for (const input of this.element.querySelectorAll("input")) input.removeAttribute("aria-invalid");
    if (!failed) return;
    let told = false;
    for (const { field, detail } of failed.errors) told = this.#complain(field.replace(/^body\./, "").split(".")[0], detail) || told;
    if (!told) this.#complain("all", failed.message);
    /** @type {HTMLElement | null} */ (this.element.querySelector("[aria-invalid]"))?.focus();
  }

  /** @param {string} field @param {string} detail @returns {boolean} whether the form has that field */
  #complain(field, detail) {
    const place = this.element.querySelector(`[data-error="${CSS.escape(field)}"]`);
    if (!place) return false;
    place.textContent = detail;
    const input = this.element.querySelector(`input[name="${CSS.escape(field)}"]`);
    if (detail) input?.setAttribute("aria-invalid", "true");
    else input?.removeAttribute("aria-invalid");
    return true;
  }

  /** @param {string} name @returns {HTMLElement} */
  #row(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-row="${name}"]`));
  }
}

/** @param {HTMLInputElement} input @returns {string | number | boolean | null} */
function valueOf(input) {
  if (input.type === "checkbox") return input.checked;
  if (input.type !== "number") return input.value;
  return input.value === "" ? null : Number(input.value) * Number(input.dataset.unit ?? 1);
}

/** @param {HTMLInputElement} input @param {unknown} value */
function text(input, value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? String(value / Number(input.dataset.unit ?? 1)) : String(value);
}
