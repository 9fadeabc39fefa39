/**
 * Draws where people came from: short trails behind everybody, and the whole journey of the one who is selected.
 * Knows the people and the journey's points; nothing of dots.
 */

/** @import { Person } from "./people.js" */
/** @import { Viewport } from "./viewport.js" */

const TRAIL_S = 8;
const CROWD = 120; // more people than this have shorter trails: all of them at once would be a tangle
const CROWD_TRAIL_S = 2.5;
const BANDS = [0.14, 0.3, 0.55]; // opacity of the oldest, middle and newest third
const AGE_PARTS = 6;
const GAP_S = 3; // a journey's points farther apart in time than this are not joined: nobody saw the way between

/**
 * Draw the trails of all people.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Viewport} view
 * @param {Iterable<Person>} people
 * @param {object} look
 * @param {number} look.count how many people there are
 * @param {number} look.nowS capture time of the last update
 * @param {number | null} look.selected
 * @param {(id: number) => string} look.colourOf
 */
export function drawTrails(ctx, view, people, { count, nowS, selected, colourOf }) {
  ctx.lineJoin = ctx.lineCap = "round";
  const span = count > CROWD ? CROWD_TRAIL_S : TRAIL_S;
  for (const person of people) {
    const mine = person.id === selected;
    if (mine) continue; // the journey shows it
    ctx.strokeStyle = colourOf(person.id);
    ctx.lineWidth = 2;
    const dim = selected === null ? 1 : 0.35;
    drawBands(ctx, view, person, nowS - span, span, person.opacity * dim);
  }
  ctx.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {Person} person @param {number} fromS @param {number} span @param {number} opacity */
function drawBands(ctx, view, person, fromS, span, opacity) {
  const { trail } = person;
  let i = trail.length - 3;
  let [px, py] = view.toScreen(person.measured.x, person.measured.y);
  for (let band = BANDS.length - 1; band >= 0; band -= 1) {
    const until = fromS + (band * span) / BANDS.length;
    if (i < 0 || trail[i + 2] < until) continue;
    ctx.globalAlpha = BANDS[band] * opacity;
    ctx.beginPath();
    ctx.moveTo(px, py);
    for (; i >= 0 && trail[i + 2] >= until; i -= 3) {
      [px, py] = view.toScreen(trail[i], trail[i + 1]);
      ctx.lineTo(px, py);
    }
    ctx.stroke();
  }
}

/**
 * Draw a journey: points in order of time, joined where they were seen without a gap, dotted where not.
 * @param {CanvasRenderingContext2D} ctx
 * @param {Viewport} view
 * @param {[number, number, number][]} points seconds since epoch, x, y
 * @param {string} colour
 * @param {string} halo
 */
export function drawJourney(ctx, view, points, colour, halo) {
  if (points.length < 2) return;
  ctx.lineJoin = ctx.lineCap = "round";
  for (const [width, ink, alpha] of /** @type {[number, string, number][]} */ ([[6, halo, 0.6], [2.5, colour, 1]])) {
    ctx.lineWidth = width;
    ctx.strokeStyle = ink;
    strokeByAge(ctx, view, points, alpha);
  }
  ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([2, 5]);
  strokeGaps(ctx, view, points);
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  const [x, y] = view.toScreen(points[0][1], points[0][2]);
  ctx.beginPath();
  ctx.arc(x, y, 4.5, 0, 2 * Math.PI);
  ctx.fillStyle = halo;
  ctx.fill();
  ctx.lineWidth = 2;
  ctx.stroke();
}

/** Stroke the way in parts, the oldest the faintest. @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {[number, number, number][]} points @param {number} alpha of the newest part */
function strokeByAge(ctx, view, points, alpha) {
  const part = Math.ceil(points.length / AGE_PARTS);
  for (let i = 0; i < AGE_PARTS; i += 1) {
    ctx.globalAlpha = (alpha * (i + 2)) / (AGE_PARTS + 1);
    strokeSeen(ctx, view, points.slice(i * part, (i + 1) * part + 1));
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {[number, number, number][]} points */
function strokeSeen(ctx, view, points) {
  ctx.beginPath();
  let before = -Infinity;
  for (const [t, x, y] of points) {
    const [px, py] = view.toScreen(x, y);
    if (t - before > GAP_S) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
    before = t;
  }
  ctx.stroke();
}

/** @param {CanvasRenderingContext2D} ctx @param {Viewport} view @param {[number, number, number][]} points */
function strokeGaps(ctx, view, points) {
  ctx.beginPath();
  for (let i = 1; i < points.length; i += 1) {
    if (points[i][0] - points[i - 1][0] <= GAP_S) continue;
    ctx.moveTo(...view.toScreen(points[i - 1][1], points[i - 1][2]));
    ctx.lineTo(...view.toScreen(points[i][1], points[i][2]));
  }
  ctx.stroke();
}
