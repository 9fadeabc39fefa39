/**
 * Everybody on the floor as the page knows them: measured places, shown places, trails, and who turned out to be whom.
 * Knows the floor messages and the clock that it is given; nothing of canvases and sockets.
 *
 * A dot glides from where it is shown to where its velocity puts it when the next update is due: at most 0.3 s of
 * velocity ahead of the measurement, over at most one update interval. Then it stands still until it is measured again.
 */

/** @import { RecordedCorrection } from "./archive.js" */
/** @import { FloorMessage, Merge, Sighted, Split } from "./wire.js" */

const LONGEST_AHEAD_S = 0.3;
const LONGEST_GLIDE_S = 1.0;
const JUMP_M = 1.5; // farther than somebody walks between two updates: the dot is set, it does not fly
const FADE_MS = 450;
const TRAIL_STEP_M = 0.12;
const TRAIL_POINTS = 160;
const KEPT_WAYS = 200; // of the newest merges, which alone can be taken back on the live floor
const LIVE_S = 2; // an update older than this, or than three intervals, is not live
const LATE_S = 5; // neither is one that was captured this long ago, however promptly it came
const FORGET_S = 6; // nothing is shown after this long without an update

/**
 * How what is shown may be called: none before the first update, gone when all of it is too old, past when it is played
 * from the history.
 * @typedef {"none" | "live" | "stale" | "gone" | "past"} Freshness
 */

/**
 * @typedef {object} Person
 * @property {number} id the global id that is kept
 * @property {Sighted} measured the last measurement
 * @property {number} capturedAt seconds since epoch, of the last measurement
 * @property {number} x shown place, metres
 * @property {number} y
 * @property {number} opacity 0 to 1: fades in when new, out when gone
 * @property {number} sinceMs when it appeared on this page
 * @property {number | null} goneMs when an update came without it
 * @property {number[]} trail x, y, seconds since epoch; x, y, …
 * @property {number[]} formerIds ids that were merged into this one
 * @property {{fromX: number, fromY: number, toX: number, toY: number, startMs: number, spanMs: number}} glide
 */

export class People {
  /** @type {Map<number, Person>} everybody who is shown, also while fading out */
  shown = new Map();
  /** @type {Map<number, number>} gone id -> kept id */
  #keptAs = new Map();
  /** @type {Map<number, number[]>} gone id -> the way that was its own: given back when the merge is taken back */
  #ownWays = new Map();
  #seq = -1;
  /** seconds between updates, smoothed */
  interval = 0.2;
  /** capture time of the last update, seconds since epoch; null before the first */
  capturedAt = /** @type {number | null} */ (null);
  /** performance.now() when the last update came */
  receivedMs = -Infinity;
  /** set for those who prefer reduced motion: dots are set, never glide */
  still = false;
  /** how much faster than life updates come: 1 unless the past is played */
  pace = 1;
  /** seconds of velocity that dots run ahead of their measurement, at most; the past needs none */
  foresight = LONGEST_AHEAD_S;
  /** whether updates say which cameras see whom; those of the past do not */
  tellsViews = true;

  /** @param {(was: number, is: number) => void} onRenamed told when a dot goes on under another id */
  constructor(onRenamed) {
    this.onRenamed = onRenamed;
  }

  /** Follow merges: the id under which this one is known today. @param {number} id */
  resolve(id) {
    let kept = id;
    for (let hop = this.#keptAs.get(kept); hop !== undefined; hop = this.#keptAs.get(kept)) kept = hop;
    return kept;
  }

  /** How many people the last update had. */
  get count() {
    let count = 0;
    for (const person of this.shown.values()) if (person.goneMs === null) count += 1;
    return count;
  }

  /** Take an update in. @param {FloorMessage} message @param {number} nowMs performance.now() */
  update(message, nowMs) {
    if (message.seq <= this.#seq) this.reset(); // the server began anew: its ids are other people
    this.#seq = message.seq;
    if (this.capturedAt !== null) {
      const step = Math.min(this.pace * LONGEST_GLIDE_S, Math.max(0.01, message.captured_at - this.capturedAt));
      this.interval += 0.25 * (step - this.interval);
    }
    this.capturedAt = message.captured_at;
    this.receivedMs = nowMs;
    const named = new Set(message.people.map((sighted) => sighted.id));
    for (const correction of message.corrections) {
      if (correction.type === "merge") this.#merge(correction);
      else this.#split(correction, named);
    }
    const present = this.#sortOut(message, named);
    for (const [id, sighted] of present) this.#place(id, sighted, message.captured_at, nowMs);
    for (const person of this.shown.values()) {
      if (!present.has(person.id)) person.goneMs ??= nowMs;
    }
  }

  /**
   * Give each person one dot: of two that one person turns out to have, the one that more cameras see.
   * @param {FloorMessage} message @param {Set<number>} named the ids in it
   * @returns {Map<number, Sighted>} by the id that is kept
   */
  #sortOut({ people, corrections }, named) {
    const merged = new Set(corrections.map((correction) => (correction.type === "merge" ? correction.gone : null)));
    /** @type {Map<number, Sighted>} */
    const found = new Map();
    for (const sighted of people) {
      const apart = named.has(this.resolve(sighted.id)) && !merged.has(sighted.id);
      if (apart) this.#keptAs.delete(sighted.id); // a merge that was taken back while nobody told this page
      const id = this.resolve(sighted.id);
      const other = found.get(id);
      if (!other || other.cameras.length < sighted.cameras.length) found.set(id, sighted);
    }
    return found;
  }

  /**
   * Follow what an operator did to the history: dots that it moves come with an update of their own.
   * @param {RecordedCorrection} correction
   */
  correct({ type, source, target, taken_back_at }) {
    if (type !== "merge") return;
    if (taken_back_at === null) {
      this.#merge({ gone: source, kept: target });
      return;
    }
    if (!this.#keptAs.delete(source)) return;
    const person = this.shown.get(this.resolve(target));
    if (!person) return;
    person.trail = without(person.trail, this.#ownWays.get(source) ?? []);
    person.formerIds = person.formerIds.filter((id) => id !== source);
  }

  /**
   * Move everybody to where they are shown at this instant.
   * @param {number} nowMs
   * @param {number | null} keep an id that stays although gone
   * @returns {boolean} whether anything looks different now
   */
  advance(nowMs, keep) {
    let changed = false;
    for (const person of this.shown.values()) {
      const { x, y, opacity } = person;
      const { fromX, fromY, toX, toY, startMs, spanMs } = person.glide;
      const share = spanMs > 0 ? Math.min(1, (nowMs - startMs) / spanMs) : 1;
      person.x = fromX + share * (toX - fromX);
      person.y = fromY + share * (toY - fromY);
      const fadeIn = this.still ? 1 : Math.min(1, (nowMs - person.sinceMs) / FADE_MS + 0.2);
      const fadeOut = person.goneMs === null ? 1 : 1 - (nowMs - person.goneMs) / FADE_MS;
      person.opacity = Math.max(0, Math.min(fadeIn, fadeOut));
      changed ||= person.x !== x || person.y !== y || person.opacity !== opacity;
      if (person.opacity === 0 && person.id !== keep) this.shown.delete(person.id);
    }
    return changed;
  }

  /**
   * Say whether what is shown may be called live.
   * @param {number} nowMs performance.now()
   * @param {number | null} serverS the server's clock; null while unknown
   * @returns {Freshness} never "past", which only who plays it can say
   */
  freshness(nowMs, serverS) {
    if (this.capturedAt === null) return "none";
    const silent = (nowMs - this.receivedMs) / 1000;
    if (silent > FORGET_S) return "gone";
    const late = serverS !== null && serverS - this.capturedAt > LATE_S;
    return late || silent > Math.max(LIVE_S, 3 * this.interval) ? "stale" : "live";
  }

  /** Forget everybody. */
  reset() {
    this.shown.clear();
    this.#keptAs.clear();
    this.#ownWays.clear();
    this.#seq = -1;
    this.capturedAt = null;
    this.receivedMs = -Infinity;
  }

  /** @param {number} id @param {Sighted} sighted @param {number} capturedAt @param {number} nowMs */
  #place(id, sighted, capturedAt, nowMs) {
    const ahead = this.still ? 0 : Math.min(this.interval, this.foresight);
    const spanMs = (1000 * this.interval) / this.pace;
    const toX = sighted.x + ahead * sighted.vx;
    const toY = sighted.y + ahead * sighted.vy;
    let person = this.shown.get(id);
    if (person === undefined || (person.goneMs !== null && person.opacity === 0)) {
      person = {
        id, measured: sighted, capturedAt, x: sighted.x, y: sighted.y, opacity: 0, sinceMs: nowMs, goneMs: null,
        trail: [], formerIds: person?.formerIds ?? [],
        glide: { fromX: sighted.x, fromY: sighted.y, toX, toY, startMs: nowMs, spanMs },
      };
      this.shown.set(id, person);
    }
    const jumps = this.still || Math.hypot(sighted.x - person.x, sighted.y - person.y) > this.pace * JUMP_M;
    const glide = person.glide;
    glide.fromX = jumps ? sighted.x : person.x;
    glide.fromY = jumps ? sighted.y : person.y;
    glide.toX = toX;
    glide.toY = toY;
    glide.startMs = nowMs;
    glide.spanMs = spanMs;
    person.measured = sighted;
    person.capturedAt = capturedAt;
    person.goneMs = null;
    lengthen(person.trail, sighted.x, sighted.y, capturedAt);
  }

  /** Let what was shown as `gone` go on as `kept`. @param {Pick<Merge, "gone" | "kept">} merge */
  #merge({ gone, kept }) {
    const into = this.resolve(kept);
    if (gone === into || this.#keptAs.has(gone)) return;
    this.#keptAs.set(gone, into);
    const former = this.shown.get(gone);
    if (former) {
      this.#ownWays.set(gone, [...former.trail]);
      if (this.#ownWays.size > KEPT_WAYS) this.#ownWays.delete(/** @type {number} */ (this.#ownWays.keys().next().value));
      const person = this.shown.get(into);
      this.shown.delete(gone);
      if (person) {
        const trail = joined(former.trail, person.trail);
        const formerIds = [...person.formerIds, gone, ...former.formerIds];
        const dot = person.goneMs !== null && former.goneMs === null ? former : person; // who is there goes on
        this.shown.set(into, Object.assign(dot, { id: into, trail, formerIds }));
      } else {
        former.id = into;
        former.formerIds.push(gone);
        this.shown.set(into, former);
      }
    }
    this.onRenamed(gone, into);
  }

  /**
   * Give the way that `mixed` went for some time to whom it really was.
   * @param {Split} split
   * @param {Set<number>} named the ids in this update
   */
  #split({ mixed, apart, since, until }, named) {
    this.#keptAs.delete(apart);
    const person = this.shown.get(mixed);
    if (!person) return;
    const own = this.#ownWays.get(apart) ?? [];
    this.#ownWays.delete(apart);
    const [between, left] = parted(without(person.trail, own), since ?? -Infinity, until ?? Infinity);
    const taken = joined(own, between);
    person.formerIds = person.formerIds.filter((id) => id !== apart);
    const other = this.shown.get(apart);
    if (other) other.trail = joined(other.trail, taken);
    else this.shown.set(apart, { ...person, id: apart, trail: taken, formerIds: [], glide: { ...person.glide } });
    person.trail = left;
    if (named.has(mixed)) return;
    this.shown.delete(mixed); // the dot was the other's
    this.onRenamed(mixed, apart);
  }
}

/** Add a place to a trail unless it is hardly a step away. @param {number[]} trail @param {number} x @param {number} y @param {number} t */
function lengthen(trail, x, y, t) {
  const n = trail.length;
  if (n >= 3 && Math.hypot(x - trail[n - 3], y - trail[n - 2]) < TRAIL_STEP_M) return;
  trail.push(x, y, t);
  if (trail.length > 3 * TRAIL_POINTS) trail.splice(0, 3 * (TRAIL_POINTS / 4));
}

/** Part a trail into what lies between two instants, and the rest. @param {number[]} trail @param {number} since @param {number} until @returns {[number[], number[]]} */
function parted(trail, since, until) {
  /** @type {[number[], number[]]} */
  const parts = [[], []];
  for (let i = 0; i < trail.length; i += 3) {
    const between = trail[i + 2] >= since && trail[i + 2] < until;
    parts[between ? 0 : 1].push(...trail.slice(i, i + 3));
  }
  return parts;
}

/** What of a trail is not of another one. @param {number[]} trail @param {number[]} other @returns {number[]} */
function without(trail, other) {
  const points = (/** @type {number[]} */ way) => Array.from({ length: way.length / 3 }, (_, i) => way.slice(3 * i, 3 * i + 3));
  const taken = new Set(points(other).map(String));
  return points(trail).filter((point) => !taken.has(String(point))).flat();
}

/** Join two trails in order of time. @param {number[]} a @param {number[]} b @returns {number[]} */
function joined(a, b) {
  const points = [];
  for (const trail of [a, b]) for (let i = 0; i < trail.length; i += 3) points.push(trail.slice(i, i + 3));
  return points.sort((p, q) => p[2] - q[2]).slice(-TRAIL_POINTS).flat();
}
