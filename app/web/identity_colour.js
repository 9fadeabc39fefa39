/**
 * One colour per global id, the same for dot, box, trail and list row; for ever, because it follows from the id alone.
 * Neighbouring ids differ most: the golden angle turns the hue, and lightness has three steps. Never the only cue: the
 * id itself is written beside it.
 */

const GOLDEN_ANGLE = 137.508;
// OKLCH lightness steps: bright on dark surfaces, deep on light ones; contrast to surface and id is 4.5:1 at least.
const LIGHTNESS = { dark: [0.8, 0.71, 0.87], light: [0.51, 0.44, 0.55] };
const CHROMA = { dark: 0.14, light: 0.16 };

/** @type {Record<"dark" | "light", Map<number, string>>} */
const known = { dark: new Map(), light: new Map() };

/**
 * Return the colour of a global id.
 * @param {number} id
 * @param {"dark" | "light"} theme
 * @returns {string} #rrggbb
 */
export function identityColour(id, theme) {
  let colour = known[theme].get(id);
  if (colour === undefined) {
    if (known[theme].size > 5000) known[theme].clear();
    const hue = (id * GOLDEN_ANGLE + 25) % 360;
    const lightness = LIGHTNESS[theme][Math.abs(id) % 3];
    colour = oklchToHex(lightness, CHROMA[theme], hue);
    known[theme].set(id, colour);
  }
  return colour;
}

/**
 * Return the text colour that reads on a disc or label of an identity's colour.
 * @param {"dark" | "light"} theme
 */
export function textOnIdentity(theme) {
  return theme === "dark" ? "#0b0f14" : "#ffffff";
}

/**
 * Convert OKLCH to sRGB, taking chroma away until the colour fits (Björn Ottosson, "A perceptual color space", 2020).
 * @param {number} lightness 0 to 1
 * @param {number} chroma
 * @param {number} hue degrees
 */
function oklchToHex(lightness, chroma, hue) {
  const angle = (hue * Math.PI) / 180;
  for (let c = chroma; c > 0; c -= 0.01) {
    const rgb = oklabToSrgb(lightness, c * Math.cos(angle), c * Math.sin(angle));
    if (rgb.every((v) => v >= 0 && v <= 1)) return toHex(rgb);
  }
  return toHex(oklabToSrgb(lightness, 0, 0));
}

/** @param {number} L @param {number} a @param {number} b @returns {number[]} red, green, blue, 0 to 1 when in gamut */
function oklabToSrgb(L, a, b) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
}

/** @param {number[]} rgb */
function toHex(rgb) {
  const part = (/** @type {number} */ v) => Math.round(255 * Math.min(1, Math.max(0, v))).toString(16).padStart(2, "0");
  return `#${rgb.map(part).join("")}`;
}
