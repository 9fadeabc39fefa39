/**
 * Draws the dots: a disc with the id, where its person is going, how sure the place is; and the true places of a demo.
 * Discs are drawn once per id and look, then copied. Knows nothing of trails and ground.
 */

/** @import { Person } from "./people.js" */
/** @import { Viewport } from "./viewport.js" */

const ARROW_S = 1; // an arrow ends where the person is in a second
const CROWD_ARROW_S = 0.5;
const SLOWEST_ARROW = 0.2; // metres a second; slower people stand
const CROWD = 120; // from here on discs shrink to dots without ids, unless the map is zoomed in
const CROWD_SCALE = 55; // CSS pixels a metre from which even a crowd has ids
const SIGMAS = 2;
export const SURE = 0.8; // probability of an id below which its disc has a broken rim
const CROSS_PX = 16; // arms of a true place stand out under a disc on all sides when the disc is right

/**
 * @typedef {object} Look
 * @property {(id: number) => string} colourOf
 * @property {string} text ink on a disc
 * @property {string} halo ink around discs
 * @property {string} ink
 * @property {string} muted
 * @property {number} ratio device pixels a CSS pixel
 * @property {number | null} selected
 * @property {number | null} hovered
 * @property {boolean} uncertainty
 * @property {boolean} stale the dots are too old to be called live
 * @property {boolean} arrows whether it is shown where people are going
 * @property {boolean} views whether it is known which cameras see whom: who is seen by none is drawn hollow
 */

/** The radius of an id's disc, CSS pixels. @param {number} id @param {boolean} crowded */
export function discRadius(id, crowded) {
  if (crowded) return 4.5;
  return id < 100 ? 10 : id < 1000 ? 11.5 : 14;
}

/** @param {number} count people on the map @param {Viewport} view */
export function isCrowded(count, view) {
  return count > CROWD && view.scale < CROWD_SCALE;
}

export class DotPainter {
  /** @type {Map<string, HTMLCanvasElement>} */
  #discs = new Map();

  /** Forget the discs: colours or resolution have changed. */
  reset() {
    this.#discs.clear();
  }

  /**
   * Draw everybody, the selected person last.
   * @param {CanvasRenderingContext2D} ctx
   * @param {Viewport} view
   * @param {Iterable<Person>} people
   * @param {number} count
   * @param {Look} look
   */
  draw(ctx, view, people, count, look) {
    const crowded = isCrowded(count, view);
    /** @type {Person[]} */
    const onTop = [];
    for (const person of people) {
      if (person.id === look.selected || person.id === look.hovered) onTop.push(person);
      else if (crowded) drawInCrowd(ctx, view, person, look);
      else this.#drawPerson(ctx, view, person, look);
    }
    for (const person of onTop) this.#drawPerson(ctx, view, person, look);
    ctx.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Person} person @param {Look} look */
  #drawPerson(ctx, view, person, look) {
    const [px, py] = view.toScreen(person.x, person.y);
    if (px < -40 || py < -40 || px > view.width + 40 || py > view.height + 40) return;
    const mine = person.id === look.selected;
    const gone = person.goneMs !== null;
    const colour = look.stale ? look.muted : look.colourOf(person.id);
    const dim = look.selected === null || mine || person.id === look.hovered ? 1 : 0.5;
    ctx.globalAlpha = (mine && gone ? 0.8 : person.opacity) * dim * (look.stale ? 0.6 : 1);
    if (!gone && !look.stale) {
      if (look.uncertainty) strokeUncertainty(ctx, view, person, px, py, colour);
      if (look.arrows) drawArrow(ctx, view, person, px, py, discRadius(person.id, false), colour);
    }
    const hollow = gone || look.stale || (look.views && person.measured.cameras.length === 0);
    const disc = this.#disc(person.id, colour, hollow, person.measured.certainty < SURE, look);
    const size = disc.width / look.ratio;
    ctx.drawImage(disc, px - size / 2, py - size / 2, size, size);
    if (mine) {
      ctx.beginPath();
      ctx.arc(px, py, discRadius(person.id, false) + 5, 0, 2 * Math.PI);
      ctx.strokeStyle = look.ink;
      ctx.lineWidth = 2;
      ctx.stroke();
    }
  }

  /** @param {number} id @param {string} colour @param {boolean} hollow @param {boolean} unsure @param {Look} look @returns {HTMLCanvasElement} */
  #disc(id, colour, hollow, unsure, look) {
    const key = `${id}${colour}${hollow}${unsure}`;
    let disc = this.#discs.get(key);
    if (disc) return disc;
    if (this.#discs.size > 3000) this.#discs.clear();
    disc = paintDisc(String(id), discRadius(id, false), colour, hollow, unsure, look);
    this.#discs.set(key, disc);
    return disc;
  }
}

/**
 * Draw somebody among many: a drop whose tip is where they will be in half a second, one path and one fill.
 * @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Person} person @param {Look} look
 */
function drawInCrowd(ctx, view, person, look) {
  const px = view.width / 2 + (person.x - view.centreX) * view.scale;
  const py = view.height / 2 - (person.y - view.centreY) * view.scale;
  if (px < -20 || py < -20 || px > view.width + 20 || py > view.height + 20) return;
  const { vx, vy } = person.measured;
  const speed = Math.hypot(vx, vy);
  const radius = discRadius(person.id, true);
  ctx.globalAlpha = person.opacity * (look.stale || look.selected !== null ? 0.5 : 1);
  ctx.fillStyle = look.stale ? look.muted : look.colourOf(person.id);
  ctx.beginPath();
  if (speed < SLOWEST_ARROW || person.goneMs !== null || look.stale) {
    ctx.arc(px, py, radius, 0, 2 * Math.PI);
  } else {
    const angle = Math.atan2(-vy, vx);
    const tip = Math.max(radius + 5, CROWD_ARROW_S * speed * view.scale);
    ctx.arc(px, py, radius, angle + 0.9, angle - 0.9);
    ctx.lineTo(px + (tip * vx) / speed, py - (tip * vy) / speed);
  }
  ctx.fill();
}

/** @param {string} label @param {number} radius @param {string} colour @param {boolean} hollow @param {boolean} unsure whether the id is @param {Look} look */
function paintDisc(label, radius, colour, hollow, unsure, look) {
  const disc = document.createElement("canvas");
  const size = 2 * radius + 6;
  disc.width = disc.height = Math.ceil(size * look.ratio);
  const ctx = /** @type {CanvasRenderingContext2D} */ (disc.getContext("2d"));
  ctx.scale(look.ratio, look.ratio);
  ctx.beginPath();
  ctx.arc(size / 2, size / 2, radius + 1.75, 0, 2 * Math.PI);
  ctx.fillStyle = look.halo;
  ctx.fill();
  ctx.beginPath();
  ctx.arc(size / 2, size / 2, hollow ? radius - 1 : unsure ? radius - 2.5 : radius, 0, 2 * Math.PI);
  ctx.fillStyle = ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  if (!hollow) ctx.fill();
  if (unsure) {
    ctx.setLineDash([(2 * Math.PI * (radius - 1)) / 18]); // nine dashes around
    ctx.beginPath();
    ctx.arc(size / 2, size / 2, radius - 1, 0, 2 * Math.PI);
  }
  if (hollow || unsure) ctx.stroke();
  ctx.font = `700 ${label.length > 2 ? 9.5 : 11}px Arial, system-ui, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = hollow ? colour : look.text;
  ctx.fillText(label, size / 2, size / 2 + 0.75);
  return disc;
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Person} person @param {number} px @param {number} py @param {number} radius @param {string} colour */
function drawArrow(ctx, view, person, px, py, radius, colour) {
  const { vx, vy } = person.measured;
  const speed = Math.hypot(vx, vy);
  if (speed < SLOWEST_ARROW) return;
  const dx = vx / speed;
  const dy = -vy / speed;
  const from = radius + 1;
  const to = Math.max(radius + 7, ARROW_S * speed * view.scale);
  const head = Math.min(6, radius);
  const ex = px + to * dx;
  const ey = py + to * dy;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(px + from * dx, py + from * dy);
  ctx.lineTo(ex - head * 0.8 * dx, ey - head * 0.8 * dy);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(ex, ey);
  ctx.lineTo(ex - head * (dx + 0.55 * dy), ey - head * (dy - 0.55 * dx));
  ctx.lineTo(ex - head * (dx - 0.55 * dy), ey - head * (dy + 0.55 * dx));
  ctx.fill();
}

/** Stroke the ellipse that holds the person with two sigma. @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Person} person @param {number} px @param {number} py @param {string} colour */
function strokeUncertainty(ctx, view, person, px, py, colour) {
  const [xx, xy, yy] = person.measured.cov;
  const middle = (xx + yy) / 2;
  const apart = Math.hypot((xx - yy) / 2, xy);
  const major = SIGMAS * Math.sqrt(Math.max(0, middle + apart)) * view.scale;
  const minor = SIGMAS * Math.sqrt(Math.max(0, middle - apart)) * view.scale;
  if (!(major > 1)) return;
  const alpha = ctx.globalAlpha;
  ctx.beginPath();
  ctx.ellipse(px, py, major, Math.max(1, minor), -0.5 * Math.atan2(2 * xy, xx - yy), 0, 2 * Math.PI);
  ctx.fillStyle = ctx.strokeStyle = colour;
  ctx.globalAlpha = alpha * 0.13;
  ctx.fill();
  ctx.globalAlpha = alpha * 0.55;
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.globalAlpha = alpha;
}

/**
 * Draw the true places of a demo as small crosses.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Viewport} view
 * @param {Iterable<{x: number, y: number}>} places metres
 * @param {string} ink
 * @param {string} halo
 */
export function drawTruth(ctx, view, places, ink, halo) {
  ctx.beginPath();
  for (const { x, y } of places) {
    const [px, py] = view.toScreen(x, y);
    ctx.moveTo(px - CROSS_PX, py);
    ctx.lineTo(px + CROSS_PX, py);
    ctx.moveTo(px, py - CROSS_PX);
    ctx.lineTo(px, py + CROSS_PX);
  }
  ctx.strokeStyle = halo;
  ctx.lineWidth = 3.5;
  ctx.stroke();
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5;
  ctx.stroke();
}
