/**
 * Gives places a past: orders that their figures of the time before they were drawn are made from the dots that are
 * kept, and lists how far that is. Knows the history's rebuilds and the elements around the list of places.
 */

import { epoch } from "../archive.js";
import { JobList } from "../job_list.js";
import { dayAndTime } from "../past/days.js";

/** @import { Archive, Place } from "../archive.js" */

/** @param {string} name @returns {any} */
const part = (name) => document.querySelector(`#places [data-part="${name}"]`);

export class Rebuilds {
  /**
   * @param {object} options
   * @param {Archive} options.archive
   * @param {(id: string) => string} options.nameOf a place
   * @param {(text: string) => void} options.announce said by screen readers
   */
  constructor({ archive, nameOf, announce }) {
    this.archive = archive;
    this.nameOf = nameOf;
    this.announce = announce;
    this.list = new JobList({
      list: part("rebuilds"), none: part("rebuilds-none"), fault: part("rebuild-fault"),
      ask: async () => (await archive.rebuilds()).rebuilds, stop: archive.stopRebuild, resume: archive.resumeRebuild,
      describe: ({ place, since, until }) => ({
        name: `Past of ${place === null ? "all places" : nameOf(place)}`, done: "done",
        about: `${dayAndTime(epoch(since))} – ${dayAndTime(epoch(until))}`,
      }),
    });
  }

  /** Order the past of a place. @param {Place} place */
  async begin({ id, name }) {
    if (await this.list.change(() => this.archive.beginRebuild({ place: id }))) this.announce(`The past of ${name} is being made.`);
  }
}
