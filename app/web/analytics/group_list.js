/** Lists who was together, the longest first; a group leads to its begin on the map. Knows groups only. */

import { epoch } from "../archive.js";
import { element, linkButton } from "../html.js";
import { dayAndTime, hourAndMinute } from "../past/days.js";
import * as wording from "../wording.js";

/** @import { Group } from "../archive.js" */

const LISTED = 30;
const NAMED = 6; // of one group

/**
 * Fill a list with groups.
 * @param {HTMLElement} list an ol
 * @param {Group[]} groups
 * @param {(at: number, person: number | null) => void} onShow a group shall be seen on the map
 * @returns {string} what the list does not show; empty when it shows all
 */
export function fillGroups(list, groups, onShow) {
  const longest = [...groups].sort((a, b) => b.together_s - a.together_s).slice(0, LISTED);
  list.replaceChildren(...longest.map((group) => item(group, onShow)));
  const people = groups.reduce((sum, { identities }) => sum + identities.length, 0);
  const mean = wording.decimal(people / Math.max(1, groups.length), 1);
  const rest = groups.length > LISTED ? `; the ${LISTED} longest are listed` : "";
  return `${wording.counted(groups.length, "group")} of ${mean} people on average${rest}.`;
}

/** @param {Group} group @param {(at: number, person: number | null) => void} onShow */
function item({ identities, together_s, since, until }, onShow) {
  const named = identities.slice(0, NAMED).join(", ");
  const who = `Persons ${named}${identities.length > NAMED ? ` and ${identities.length - NAMED} more` : ""}`;
  const when = `${dayAndTime(epoch(since))} – ${hourAndMinute(epoch(until))}`;
  return element("li", {},
    element("span", { class: "size", title: wording.counted(identities.length, "person", "people") }, String(identities.length)),
    element("span", {}, who),
    element("span", { class: "quiet" }, `${wording.duration(together_s)} together`),
    element("span", { class: "quiet" }, when),
    linkButton("Show on map", `Show on map: ${who}`, () => onShow(epoch(since), identities[0] ?? null)));
}
