"""The ink that all pictures share: the colour of an identity, lettering, dots, fading trails, free places for labels.

Knows neither cameras nor the floor. Pictures are (height, width, 3) uint8 BGR.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import BoolArray, FloatArray, IntArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

PAPER: Colour = (22, 17, 13)
CARD: Colour = (30, 23, 18)
FAINT: Colour = (150, 136, 122)
BRIGHT: Colour = (240, 234, 228)
DARK: Colour = (24, 18, 14)
CAPTION: Colour = (40, 32, 25)

REGULAR, SEMIBOLD = 400, 600  # weights of OpenCV's built-in variable font
PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 6),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
)
STAY_S = 0.8  # for so long the trail of somebody who is gone stays
SUBPIXEL = 4  # fractional bits that OpenCV's drawing functions take


# Red, green, blue. Found by taking, from all colours of lightness .66 to .92 and chroma .09 to .20, the one that is
# furthest from those taken before: no two are nearer than 0.06 in OKLab, of the first 24 no two nearer than 0.10.
# OKLab: Björn Ottosson, "A perceptual color space for image processing" (2020).
IDENTITY_COLOURS = (
    0x46C6FE, 0xEF5D0D, 0xE4F233, 0xC662D9, 0x05B041, 0xFEB9DB, 0x2EFAC9, 0xBFB26E,
    0x7085FF, 0xC68196, 0x46A49A, 0xFFE19F, 0xB8A9FE, 0x98CC12, 0xFD8BFE, 0x93EFFF,
    0xFE9A6C, 0xFD67AD, 0x57CB91, 0xC48218, 0x729BCF, 0x8D9D0A, 0xFDC025, 0xB4E28E,
    0xA17FCE, 0x84FF85, 0xF1516B, 0x10D8D8, 0xDF94D2, 0xF98B9F, 0x00A1F5, 0x83AC75,
    0xA171F9, 0xD77D5F, 0xAEF8D2, 0xF5BE8D, 0xA0C6FF, 0x1AE88D, 0xCE69AC, 0xC8BC03,
    0x22AFD1, 0xF39A04, 0xC98BF9, 0x31AB73, 0xA0934F, 0x88D7B9, 0x22FCFD, 0xF6ACFC,
    0x74ACFF, 0xF7DF5D, 0x4BC951, 0x5EBDB9, 0x9FC672, 0xE96FD8, 0xB1E741, 0xFB766A,
    0xF2A7A2, 0x7BD3E9, 0xD59D70, 0xD8CD7A, 0xD6BDFB, 0xC99E29, 0xF38132, 0x9C95FE,
)  # fmt: skip


def identity_colour(global_id: int) -> Colour:
    """Return the colour of an identity, the same in every picture and every run; ids 64 apart share one."""
    code = IDENTITY_COLOURS[(global_id - 1) % len(IDENTITY_COLOURS)]
    return code & 0xFF, code >> 8 & 0xFF, code >> 16


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


@lru_cache(maxsize=4096)
def _text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Return the width of one line of text in pixels."""
    return int(cv2.getTextSize((1, 1), text, (0, 0), _font(), size, weight)[2])


@dataclass(frozen=True, slots=True)
class Pen:
    """How a line of text looks: size in pixels, colour, weight."""

    size: int
    colour: Colour = BRIGHT
    weight: int = REGULAR

    def width(self, text: str) -> int:
        """Return the width of one line of text in pixels."""
        return _text_width(text, self.size, self.weight)

    def write(self, picture: Picture, text: str, at: tuple[float, float], anchor: float = 0.0) -> None:
        """Write one line; `at` is its vertical middle, and across its left (anchor 0), middle (0.5) or right (1)."""
        left = round(at[0] - anchor * self.width(text))
        baseline = round(at[1] + 0.36 * self.size)  # digits and capitals are 0.72 of the size high
        cv2.putText(picture, text, (left, baseline), self.colour, _font(), self.size, self.weight)


def clock(captured_at: float) -> str:
    """Return a capture time as text: UTC time of day for seconds since epoch, else time since the recording began."""
    tenths = round(captured_at * 10)
    minutes, rest = divmod(abs(tenths), 600)
    seconds = f"{rest // 10:02d}.{rest % 10}"
    if tenths < 1e9:  # three years: no recording counts its own seconds for so long
        return f"{'-' if tenths < 0 else ''}{minutes:02d}:{seconds}"
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}:{seconds} UTC"


def counted(people: int) -> str:
    """Return "1 person", "2 people"."""
    return f"{people} {'person' if people == 1 else 'people'}"


def fixed(points: FloatArray) -> NDArray[np.int32]:
    """Return pixel positions (…, 2) as the fixed-point numbers that OpenCV draws with `shift=SUBPIXEL`."""
    # Far outside every picture OpenCV's own clipping of 32-bit fixed-point coordinates fails.
    return np.round(np.clip(points, -20000.0, 20000.0) * (1 << SUBPIXEL)).astype(np.int32)


class Trails:
    """The recent positions of everyone in one picture, in that picture's pixels."""

    def __init__(self, keep_s: float, samples: int = 24) -> None:
        self._keep_s = keep_s
        self._spacing_s = keep_s / samples
        self._recent: deque[tuple[float, IntArray, FloatArray]] = deque()

    def add(self, captured_at: float, global_id: IntArray, points: FloatArray) -> None:
        """Take the (N, 2) pixel positions of (N,) identities at one instant."""
        if len(self._recent) > 1 and captured_at - self._recent[-2][0] < self._spacing_s:
            self._recent.pop()
        self._recent.append((captured_at, global_id, points))
        while self._recent[0][0] < captured_at - self._keep_s:
            self._recent.popleft()

    def draw(self, picture: Picture, thickness: int = 2) -> None:
        """Draw a fading line behind everyone who is still there; it spans gaps below a quarter of the trail."""
        if len(self._recent) < 2:
            return
        ids = np.concatenate([entry[1] for entry in self._recent])
        points = np.concatenate([entry[2] for entry in self._recent])
        times = np.repeat([entry[0] for entry in self._recent], [len(entry[1]) for entry in self._recent])
        now = self._recent[-1][0]
        usual_s = (now - self._recent[0][0]) / (len(self._recent) - 1)
        there = np.isin(ids, ids[times >= now - max(STAY_S, 1.5 * usual_s)])
        ids, points, times = ids[there], points[there], times[there]
        order = np.lexsort((times, ids))
        ids, points, times = ids[order], points[order], times[order]
        joined = (np.diff(ids) == 0) & (np.diff(times) <= max(self._keep_s / 4, 1.5 * usual_s))
        if not joined.any():
            return
        points = smoothed(points, joined)
        segments = np.stack([points[:-1][joined], points[1:][joined]], axis=1)
        freshness = 1.0 - (now - times[1:][joined]) / self._keep_s
        _draw_fading(picture, segments, ids[1:][joined], freshness, thickness)


def smoothed(points: FloatArray, joined: BoolArray) -> FloatArray:
    """Return (N, 2) points of lines without the jitter of single frames; the ends of each line stay where they are.

    Args:
        points: (N, 2).
        joined: (N - 1,) whether a line leads from a point to the next one.
    """
    inner = np.flatnonzero(joined[1:] & joined[:-1]) + 1
    for _ in range(2):
        points = points.copy()
        points[inner] = 0.5 * points[inner] + 0.25 * (points[inner - 1] + points[inner + 1])
    return points


def _draw_fading(picture: Picture, segments: FloatArray, ids: IntArray, freshness: FloatArray, thickness: int) -> None:
    """Draw (K, 2, 2) segments with opacity by freshness: in full on a copy, blended through a mask of opacity."""
    margin, shape = thickness + 4, np.array(picture.shape[1::-1])
    low = (segments.min(axis=(0, 1)) - margin).clip(0, shape).astype(int)
    high = (segments.max(axis=(0, 1)) + margin).clip(0, shape).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return
    inked, lines = part.copy(), fixed(segments - low)
    first = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
    for start, end in pairwise([*first.tolist(), len(ids)]):
        colour = identity_colour(int(ids[start]))
        cv2.polylines(inked, list(lines[start:end]), False, colour, thickness, cv2.LINE_AA, SUBPIXEL)
    opacity = np.zeros(part.shape[:2], np.float32)
    steps = np.clip(np.ceil(freshness * 8), 1, 8).astype(int)
    for step in range(1, 9):
        of_step = list(lines[steps == step])
        if of_step:
            cv2.polylines(opacity, of_step, False, 0.85 * step / 8, thickness + 3, cv2.LINE_8, SUBPIXEL)
    part[:] = cv2.blendLinear(inked, part, opacity, 1.0 - opacity)


def draw_dot(picture: Picture, at: FloatArray, radius: float, colour: Colour, hollow: bool) -> None:
    """Draw a dot with a dark rim, so that it stands out from trails of its own colour; hollow: nobody sees it now."""
    centre, one = fixed(at).tolist(), 1 << SUBPIXEL
    cv2.circle(picture, centre, round((radius + 1.6) * one), DARK, -1, cv2.LINE_AA, SUBPIXEL)
    cv2.circle(picture, centre, round(radius * one), colour, -1, cv2.LINE_AA, SUBPIXEL)
    if hollow:
        cv2.circle(picture, centre, round(0.55 * radius * one), DARK, -1, cv2.LINE_AA, SUBPIXEL)


def draw_beam(picture: Picture, at: FloatArray, reach: float, towards: float, colour: Colour) -> None:
    """Draw where a camera looks: a short translucent sector; `towards` in degrees, clockwise from the right."""
    part, shift = _part(picture, at, reach)
    if part.size:
        layer, axes = part.copy(), fixed(np.full(2, reach)).tolist()
        cv2.ellipse(layer, fixed(at - shift).tolist(), axes, towards, -27, 27, colour, -1, cv2.LINE_AA, SUBPIXEL)
        cv2.addWeighted(layer, 0.45, part, 0.55, 0.0, dst=part)


def draw_region(picture: Picture, at: FloatArray, radii: tuple[float, float], towards: float, colour: Colour) -> None:
    """Draw a translucent ellipse; `radii` along and across the direction `towards`, degrees clockwise."""
    part, shift = _part(picture, at, max(radii))
    if part.size:
        layer, centre, axes = part.copy(), fixed(at - shift).tolist(), fixed(np.array(radii)).tolist()
        cv2.ellipse(layer, centre, axes, towards, 0, 360, colour, -1, cv2.LINE_AA, SUBPIXEL)
        cv2.ellipse(layer, centre, axes, towards, 0, 360, colour, 2, cv2.LINE_AA, SUBPIXEL)
        cv2.addWeighted(layer, 0.25, part, 0.75, 0.0, dst=part)


def _part(picture: Picture, at: FloatArray, radius: float) -> tuple[Picture, FloatArray]:
    """Return the part of the picture around a place, as a view, and its upper left corner."""
    shape = np.array(picture.shape[1::-1])
    low = (at - radius - 3).clip(0, shape).astype(int)
    high = (at + radius + 4).clip(0, shape).astype(int)
    return picture[low[1] : high[1], low[0] : high[0]], low.astype(np.float64)


def shade(picture: Picture, xyxy: FloatArray, opacity: float) -> None:
    """Darken a rectangle of the picture, so that text on it can be read."""
    height, width = picture.shape[:2]
    left, top, right, bottom = np.round(xyxy).astype(int).tolist()
    area = picture[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if area.size:
        dark = np.broadcast_to(np.array(DARK, np.uint8), area.shape)
        area[:] = cv2.addWeighted(np.ascontiguousarray(dark), opacity, np.ascontiguousarray(area), 1.0 - opacity, 0.0)


def overlap_area(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the area in square pixels (N, M) that boxes (N, 4) and (M, 4) share."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=2), dtype=np.float64)


# Where a label may sit around its dot, best first: the direction from the dot to the label's middle.
_SEATS = np.array([(1, 0), (1, -1), (1, 1), (-1, 0), (-1, -1), (-1, 1), (0, -1), (0, 1)], dtype=np.float64)


def write_labels(
    picture: Picture,
    points: FloatArray,
    labels: Sequence[tuple[str, Pen]],
    radius: float,
    taken: FloatArray | None = None,
    sparse: bool = False,
) -> FloatArray:
    """Write a text beside each of (N, 2) points, at the seat that covers the fewest dots and labels.

    Args:
        picture: where to write.
        points: (N, 2) pixels, the dots.
        labels: text and pen of each.
        radius: of the dots, pixels.
        taken: (K, 4) xyxy, what else should not be covered.
        sparse: whether texts without a free seat are left out.

    Returns:
        (K + N + M, 4) xyxy: what is taken now.
    """
    dots = np.concatenate([points - radius, points + radius], axis=1)
    others = np.zeros((0, 4)) if taken is None else taken
    boxes = np.concatenate([others, dots, np.zeros_like(dots)])
    own, written = len(others), len(others) + len(points)
    for row, (text, pen) in enumerate(labels):
        half = np.array([pen.width(text) / 2 + 3, 0.5 * pen.size + 1])
        middles = points[row] + _SEATS * (half + radius + 1)
        seats = np.concatenate([middles - half, middles + half], axis=1)
        covered = overlap_area(seats, boxes[:written])
        covered[:, own + row] = 0.0
        cost = covered.sum(axis=1)
        cost += 1e6 * ((seats[:, :2] < 0).any(axis=1) | (seats[:, 2:] > picture.shape[1::-1]).any(axis=1))
        best = int(np.argmin(cost + np.arange(len(seats)) * 1e-3))
        if sparse and cost[best] > 0.1 * half.prod() * 4:
            continue
        boxes[written] = seats[best]
        written += 1
        shade(picture, seats[best], 0.55)
        pen.write(picture, text, (middles[best, 0], middles[best, 1]), anchor=0.5)
    return boxes[:written]


def names_of(ids: IntArray, size: int) -> list[tuple[str, Pen]]:
    """Return the labels of identities, each in its colour; `size` in pixels."""
    return [(str(global_id), Pen(size, identity_colour(global_id), SEMIBOLD)) for global_id in ids.tolist()]


def within(points: FloatArray, picture: Picture) -> BoolArray:
    """Return (N,) which of (N, 2) pixels lie in the picture."""
    height, width = picture.shape[:2]
    return np.asarray(((points >= 0) & (points < (width, height))).all(axis=1), dtype=bool)


def draw_caption(bar: Picture, name: str, facts: str) -> None:
    """Fill the bar over a part of the picture: its name at the left, facts at the right."""
    height, width = bar.shape[:2]
    bar[:] = CAPTION
    Pen(round(height / 2), BRIGHT, SEMIBOLD).write(bar, name, (0.4 * height, height / 2))
    Pen(round(0.46 * height), FAINT).write(bar, facts, (width - 0.4 * height, height / 2), anchor=1.0)


def caption_height(width: int) -> int:
    """Return the height in pixels of the caption over a view of this width."""
    return 2 * round(min(max(width / 46, 11.0), 17.0))


def write_png(path: Path, picture: Picture) -> None:
    """Write a picture to a PNG file."""
    # Even areas and repeated signs: without a filter a plan takes two fifths of OpenCV's default size.
    _, data = cv2.imencode(".png", picture, PNG)
    path.write_bytes(data.tobytes())
