/** Finds since when there is a record: first the day, then the minute. Knows how occupancy is asked. */

import { DAY_S } from "../past/days.js";

/** @import { Archive } from "../archive.js" */

const LOOKED_BACK_S = 366 * DAY_S;

/**
 * Return the first recorded instant, in seconds since epoch; null without any.
 * @param {Archive} archive
 * @param {number} now seconds since epoch
 * @param {AbortSignal} signal
 */
export async function firstRecorded(archive, now, signal) {
  const until = Math.ceil(now / DAY_S) * DAY_S;
  const found = await firstObserved(archive, { since: until - LOOKED_BACK_S, until, bucket_s: DAY_S }, signal);
  return found === null ? null : firstObserved(archive, { since: found, until: found + DAY_S, bucket_s: 60 }, signal);
}

/** @param {Archive} archive @param {{since: number, until: number, bucket_s: number}} asked @param {AbortSignal} signal */
async function firstObserved(archive, asked, signal) {
  const { columns } = await archive.occupancy(asked, signal);
  return columns.at.find((_, i) => (columns.observed[i] ?? 0) > 0) ?? null;
}
