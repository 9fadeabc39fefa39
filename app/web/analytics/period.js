/** Which period is looked at, and in what buckets. Knows the calendar of the operator's time zone; no element. */

import { DAY_S, day, dayAndTime, hourAndMinute, midnight, midnightAfter } from "../past/days.js";

/** @import { Period } from "../archive.js" */
/** @typedef {"today" | "yesterday" | "week" | "month" | "custom"} Choice */

const SHORTEST_S = 240; // of a period that begins with the record: five bars of a minute
/** @type {[number, number][]} the longest period of a bucket, and the bucket; seconds */
const BUCKETS_S = [[3 * 3600, 60], [1.1 * DAY_S, 300], [3.1 * DAY_S, 900], [40 * DAY_S, 3600]];

/**
 * Return the period of a choice; one that goes up to now begins no earlier than the record does, so that a young record
 * fills its charts.
 * @param {Choice} choice
 * @param {number} now seconds since epoch
 * @param {Period | null} custom
 * @param {number | null} [recorded] the first recorded instant, null while it is not known
 * @returns {Period}
 */
export function periodOf(choice, now, custom, recorded = null) {
  const today = midnight(now);
  if (choice === "custom" && custom) return custom;
  if (choice === "yesterday") return { since: midnightAfter(now, -1), until: today };
  const begin = { week: midnightAfter(now, -6), month: midnightAfter(now, -29) }[/** @type {string} */ (choice)] ?? today;
  const since = Math.max(begin, recorded === null ? -Infinity : Math.min(wholeMinute(recorded), wholeMinute(now) - SHORTEST_S));
  return { since, until: Math.max(now, since + 60) };
}

/** @param {number} at seconds since epoch */
const wholeMinute = (at) => Math.floor(at / 60) * 60;

/** The length of the buckets that suit a period. @param {Period} period @returns {number} seconds */
export function bucketOf({ since, until }) {
  return BUCKETS_S.find(([longest]) => until - since <= longest)?.[1] ?? DAY_S;
}

/** Say what is wrong with a period that somebody typed; empty when nothing is. @param {Period} period @param {number} now */
export function faultOf({ since, until }, now) {
  if (!Number.isFinite(since) || !Number.isFinite(until)) return "Give both a begin and an end.";
  if (since >= until) return "The begin must be before the end.";
  if (since >= now) return "The begin must be in the past.";
  if (until - since > 366 * DAY_S) return "At most a year can be looked at.";
  return "";
}

/** Write a period. @param {Period} period */
export function wordsOf({ since, until }) {
  const wholeDay = since === midnight(since) && until <= midnightAfter(since, 1);
  if (wholeDay) return day(since);
  return midnight(since) === midnight(until) ? `${dayAndTime(since)} – ${hourAndMinute(until)}` : `${dayAndTime(since)} – ${dayAndTime(until)}`;
}
