/**
 * Tables whose cells are shaded by what they hold: hours by weekdays, and flows between places. A cell without data says
 * so and is hatched, never zero. Knows tables and numbers.
 */

import * as wording from "../wording.js";

/** @import { Flows, Occupancy } from "../archive.js" */

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** @param {string} name @param {string} [text] @param {Record<string, string>} [attributes] */
function cell(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** @param {number} hour */
function hourHead(hour) {
  const head = cell("th", hour % 3 === 0 ? String(hour) : "", { scope: "col" });
  head.append(cell("span", hour % 3 === 0 ? " o'clock" : `${hour} o'clock`, { class: "unseen" }));
  return head;
}

/** @param {HTMLElement} element @param {number} share of the largest value; 0 to 1 */
function shade(element, share) {
  element.style.setProperty("--shade", `${Math.round(100 * share)}%`);
  element.classList.toggle("is-strong", share > 0.57); // where text has the better contrast in the other ink, in the dark
  element.classList.toggle("is-full", share > 0.83); // and in the light
}

/**
 * Fill a table with the mean number of people by weekday and hour of the operator's time zone.
 * @param {HTMLTableElement} table
 * @param {Occupancy} occupancy in buckets of an hour
 * @returns {boolean} whether there is anything to see
 */
export function fillWeek(table, { columns }) {
  /** @type {number[][][]} */
  const found = WEEKDAYS.map(() => Array.from({ length: 24 }, () => []));
  for (const [i, at] of columns.at.entries()) {
    const date = new Date(at * 1000);
    const mean = columns.mean[i];
    if (mean !== null) found[(date.getDay() + 6) % 7][date.getHours()].push(mean);
  }
  const means = found.map((hours) => hours.map((values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null)));
  const most = Math.max(0.1, ...means.flat().map((mean) => mean ?? 0));
  const head = document.createElement("tr");
  head.append(cell("td"), ...Array.from({ length: 24 }, (_, hour) => hourHead(hour)));
  const rows = means.map((hours, weekday) => {
    const row = document.createElement("tr");
    row.append(cell("th", WEEKDAYS[weekday], { scope: "row" }));
    for (const [hour, mean] of hours.entries()) {
      const words = mean === null ? "no data" : `${mean.toFixed(1)} people`;
      const box = cell("td", "", { title: `${WEEKDAYS[weekday]} ${hour}:00–${hour + 1}:00: ${words}`, class: mean === null ? "is-unknown" : "is-known" });
      box.append(cell("span", mean === null ? "no data" : mean.toFixed(1), { class: "unseen" }));
      if (mean !== null) shade(box, mean / most);
      row.append(box);
    }
    return row;
  });
  table.replaceChildren(head, ...rows);
  return means.flat().some((mean) => mean !== null);
}

/**
 * Fill a table with how many people went from the place of a row to the place of a column.
 * @param {HTMLTableElement} table
 * @param {Flows} flows
 * @param {(id: string) => string} nameOf a place
 * @returns {boolean} whether anybody went anywhere
 */
export function fillFlows(table, { places, n, median_s }, nameOf) {
  const most = Math.max(1, ...n.flat());
  const head = document.createElement("tr");
  head.append(cell("td", "from ↓ to →", { class: "corner" }), ...places.map((place) => cell("th", nameOf(place), { scope: "col", title: nameOf(place) })));
  const rows = places.map((from, i) => {
    const row = document.createElement("tr");
    row.append(cell("th", nameOf(from), { scope: "row", title: nameOf(from) }));
    for (const [j, to] of places.entries()) {
      const count = n[i][j];
      const median = median_s[i][j];
      const time = count > 0 && median !== null ? `, half of them within ${wording.duration(median)}` : "";
      const box = cell("td", count > 0 ? wording.whole(count) : "·", { title: `${nameOf(from)} to ${nameOf(to)}: ${wording.counted(count, "person", "people")}${time}` });
      if (count > 0 && median !== null) box.append(cell("small", wording.duration(median)));
      shade(box, count / most);
      row.append(box);
    }
    return row;
  });
  table.replaceChildren(head, ...rows);
  return n.flat().some((count) => count > 0);
}
