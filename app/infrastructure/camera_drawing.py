"""Draws one camera's view with the people in it, and holds the ink that all pictures share.

The ink: the colour of an identity, lettering, dots, fading trails. Knows neither files nor the floor.
Pictures are (height, width, 3) uint8 BGR.
"""

import math
from collections import deque
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import NO_ID, CameraId, FloatArray, Frame, IntArray, Sightings

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

PAPER: Colour = (22, 17, 13)
CARD: Colour = (30, 23, 18)
FAINT: Colour = (150, 136, 122)
BRIGHT: Colour = (240, 234, 228)
DARK: Colour = (24, 18, 14)

REGULAR, SEMIBOLD = 400, 600  # weights of OpenCV's built-in variable font
SUBPIXEL = 4  # fractional bits that OpenCV's drawing functions take


@lru_cache(maxsize=4096)
def identity_colour(global_id: int) -> Colour:
    """Return the colour of an identity, the same in every picture and every run.

    The golden angle keeps the hues of neighbouring ids far apart, four steps of lightness separate those whose hues
    meet again. OKLCH to sRGB: Björn Ottosson, "A perceptual color space for image processing" (2020).
    """
    hue = math.tau * ((global_id * 0.618033988749895) % 1.0)
    lightness = (0.80, 0.70, 0.88, 0.75)[global_id % 4]
    a, b = 0.145 * math.cos(hue), 0.145 * math.sin(hue)
    long, medium, short = (
        (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3,
        (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3,
        (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3,
    )
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return _encoded(blue), _encoded(green), _encoded(red)


def _encoded(linear: float) -> int:
    linear = min(max(linear, 0.0), 1.0)
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


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
        """Draw a fading line behind everyone who was seen twice or more; it spans gaps below a quarter of the trail."""
        if len(self._recent) < 2:
            return
        ids = np.concatenate([entry[1] for entry in self._recent])
        points = np.concatenate([entry[2] for entry in self._recent])
        times = np.repeat([entry[0] for entry in self._recent], [len(entry[1]) for entry in self._recent])
        order = np.lexsort((times, ids))
        ids, points, times = ids[order], points[order], times[order]
        gap_s = np.diff(times)
        usual_s = (self._recent[-1][0] - self._recent[0][0]) / (len(self._recent) - 1)
        joined = (np.diff(ids) == 0) & (gap_s <= max(self._keep_s / 4, 1.5 * usual_s))
        if not joined.any():
            return
        segments = fixed(np.stack([points[:-1][joined], points[1:][joined]], axis=1))
        freshness = 1.0 - (self._recent[-1][0] - times[1:][joined]) / self._keep_s
        _draw_fading(picture, segments, ids[1:][joined], freshness, thickness)


def _draw_fading(
    picture: Picture, segments: NDArray[np.int32], ids: IntArray, freshness: FloatArray, thickness: int
) -> None:
    """Draw (K, 2, 2) segments with opacity by freshness: in full on a copy, blended through a mask of opacity."""
    inked = picture.copy()
    first = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
    for start, end in pairwise([*first.tolist(), len(ids)]):
        colour = identity_colour(int(ids[start]))
        cv2.polylines(inked, list(segments[start:end]), False, colour, thickness, cv2.LINE_AA, SUBPIXEL)
    opacity = np.zeros(picture.shape[:2], np.float32)
    steps = np.clip(np.ceil(freshness * 8), 1, 8).astype(int)
    for step in range(1, 9):
        of_step = list(segments[steps == step])
        if of_step:
            cv2.polylines(opacity, of_step, False, 0.85 * step / 8, thickness + 3, cv2.LINE_8, SUBPIXEL)
    picture[:] = cv2.blendLinear(inked, picture, opacity, 1.0 - opacity)


def draw_dot(picture: Picture, at: FloatArray, radius: float, colour: Colour, hollow: bool) -> None:
    """Draw a dot with a dark rim, so that it stands out from trails of its own colour; hollow: nobody sees it now."""
    centre, one = fixed(at).tolist(), 1 << SUBPIXEL
    cv2.circle(picture, centre, round((radius + 1.6) * one), DARK, -1, cv2.LINE_AA, SUBPIXEL)
    cv2.circle(picture, centre, round(radius * one), colour, -1, cv2.LINE_AA, SUBPIXEL)
    if hollow:
        cv2.circle(picture, centre, round(0.55 * radius * one), DARK, -1, cv2.LINE_AA, SUBPIXEL)


def shade(picture: Picture, xyxy: FloatArray, opacity: float) -> None:
    """Darken a rectangle of the picture, so that text on it can be read."""
    height, width = picture.shape[:2]
    left, top, right, bottom = np.round(xyxy).astype(int).tolist()
    area = picture[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if area.size:
        dark = np.broadcast_to(np.array(DARK, np.uint8), area.shape)
        area[:] = cv2.addWeighted(np.ascontiguousarray(dark), opacity, np.ascontiguousarray(area), 1.0 - opacity, 0.0)


CANVAS: Colour = (44, 36, 29)  # of a camera that has boxes and no pixels
CAPTION: Colour = (40, 32, 25)
UNSURE: Colour = (170, 170, 170)  # box of a track that has no identity yet


def overlap_area(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the area in square pixels (N, M) that boxes (N, 4) and (M, 4) share."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=2), dtype=np.float64)


class CameraDrawing:
    """One camera's view under a caption, at one instant after the other.

    Args:
        camera_id: the name in the caption.
        size: (width, height) of the picture in pixels, caption included.
        trail_s: how long the line is that everyone's feet draw, seconds.
    """

    def __init__(self, camera_id: CameraId, size: tuple[int, int], trail_s: float = 3.0) -> None:
        self._camera_id = camera_id
        self._size = size
        self._caption = caption_height(size[0])
        self._unit = self._caption / 28
        self._view: Picture = np.full((size[1] - self._caption, size[0], 3), PAPER, np.uint8)
        self._trails = Trails(trail_s)
        self._people = 0
        self._seen_at: float | None = None
        self._interval_s = 0.0

    def draw(self, captured_at: float, frame: Frame | None, sightings: Sightings | None) -> Picture:
        """Return the picture of one instant.

        Args:
            captured_at: seconds, of the batch.
            frame: the camera's frame in the batch; None shows its last one, dimmed once a frame is overdue.
            sightings: the people in that frame; None draws none.
        """
        if frame is not None:
            self._draw_view(frame, sightings)
        # A camera slower than its site has no frame in most batches: that is its pace and no fault.
        overdue_s = max(1.0, 2.5 * self._interval_s)
        missing = self._seen_at is None or captured_at - self._seen_at > overdue_s
        picture = np.empty((self._size[1], self._size[0], 3), np.uint8)
        picture[self._caption :] = self._view if not missing else (self._view * 0.4).astype(np.uint8)
        if missing:
            self._draw_note(picture)
        facts = "" if self._seen_at is None or missing else f"{counted(self._people)}   {clock(self._seen_at)}"
        draw_caption(picture[: self._caption], self._camera_id, facts)
        return picture

    def _draw_view(self, frame: Frame, sightings: Sightings | None) -> None:
        if self._seen_at is not None:
            self._interval_s = frame.captured_at - self._seen_at
        self._seen_at = frame.captured_at
        height, width = self._view.shape[:2]
        scale = min(width / frame.size[0], height / frame.size[1])
        fitted = max(1, round(frame.size[0] * scale)), max(1, round(frame.size[1] * scale))
        left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
        self._view[:] = PAPER
        view = self._view[top : top + fitted[1], left : left + fitted[0]]
        if frame.pixels is None:
            view[:] = CANVAS
            Pen(round(12 * self._unit), FAINT).write(
                view, "recorded boxes, no pixels", (fitted[0] - 8, fitted[1] - 12 * self._unit), anchor=1.0
            )
        else:
            view[:] = _resize(frame.pixels, fitted)
        self._people = 0
        if sightings is not None:
            self._draw_people(view, frame.captured_at, sightings, scale)

    def _draw_people(self, view: Picture, captured_at: float, sightings: Sightings, scale: float) -> None:
        known = sightings.global_id != NO_ID
        self._people = int(known.sum())
        boxes = sightings.tracks.xyxy.astype(np.float64) * scale
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        self._trails.add(captured_at, sightings.global_id[known], feet[known])
        self._trails.draw(view, max(2, round(2.2 * self._unit)))
        for left, top, right, bottom in np.round(boxes[~known]).astype(int).tolist():
            cv2.rectangle(view, (left, top), (right, bottom), UNSURE, 1)
        far_first = np.flatnonzero(known)[np.argsort(boxes[known, 3], kind="stable")]
        self._draw_boxes(view, boxes[far_first], sightings.global_id[far_first].tolist())

    def _draw_boxes(self, view: Picture, boxes: FloatArray, ids: list[int]) -> None:
        thickness = 2 if self._unit < 1.6 else 3
        for global_id, (left, top, right, bottom) in zip(ids, np.round(boxes).astype(int).tolist(), strict=True):
            cv2.rectangle(view, (left - 1, top - 1), (right + 1, bottom + 1), DARK, thickness + 1)
            cv2.rectangle(view, (left, top), (right, bottom), identity_colour(global_id), thickness)
        pen = Pen(round(13 * self._unit), DARK, SEMIBOLD)
        height, width = view.shape[:2]
        taken = np.zeros((len(ids), 4))
        for row, (global_id, box) in enumerate(zip(ids, boxes, strict=True)):
            tab = np.array([pen.width(str(global_id)) + 0.55 * pen.size, 1.25 * pen.size])
            # above the box, at its left, middle or right; below it; inside it
            corners = np.array(
                [
                    (box[0] - 1, box[1] - tab[1]),
                    (box[2] + 1 - tab[0], box[1] - tab[1]),
                    (box[0] - 1, box[3]),
                    (box[0] - 1, box[1]),
                ]
            ).clip((0, 0), (width - tab[0], height - tab[1]))
            seats = np.concatenate([corners, corners + tab], axis=1)
            cover = overlap_area(seats, taken[:row]).sum(axis=1) + overlap_area(seats, box[None])[:, 0] * 0.3
            best = int(np.argmin(cover + np.arange(len(seats)) * 1e-3))
            taken[row] = seats[best]
            left, top, right, bottom = np.round(seats[best]).astype(int).tolist()
            cv2.rectangle(view, (left, top), (right - 1, bottom - 1), identity_colour(global_id), -1)
            pen.write(view, str(global_id), ((left + right) / 2, (top + bottom) / 2), anchor=0.5)

    def _draw_note(self, picture: Picture) -> None:
        pen = Pen(round(15 * self._unit), BRIGHT, SEMIBOLD)
        text = "no frame yet" if self._seen_at is None else f"no frame since {clock(self._seen_at)}"
        middle = self._size[0] / 2, (self._size[1] + self._caption) / 2
        half = np.array([pen.width(text) / 2 + pen.size, 0.9 * pen.size])
        shade(picture, np.concatenate([middle - half, middle + half]), 0.75)
        pen.write(picture, text, middle, anchor=0.5)


def _resize(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Return the image at (width, height) `size`, smooth also when it shrinks a lot.

    Averaging by a whole number first and interpolating the rest takes a third of the time of OpenCV's INTER_AREA by a
    broken number (1080p to 545 pixels: 2.1 ms against 7.8), and looks the same.
    """
    height, width = pixels.shape[:2]
    whole = min(width // size[0], height // size[1])
    if whole >= 2:
        pixels = np.asarray(
            cv2.resize(pixels, (width // whole, height // whole), interpolation=cv2.INTER_AREA), np.uint8
        )
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def draw_caption(bar: Picture, name: str, facts: str) -> None:
    """Fill the bar over a part of the picture: its name at the left, facts at the right."""
    height, width = bar.shape[:2]
    bar[:] = CAPTION
    Pen(round(height / 2), BRIGHT, SEMIBOLD).write(bar, name, (0.4 * height, height / 2))
    Pen(round(0.46 * height), FAINT).write(bar, facts, (width - 0.4 * height, height / 2), anchor=1.0)


def caption_height(width: int) -> int:
    """Return the height in pixels of the caption over a view of this width."""
    return 2 * round(min(max(width / 46, 11.0), 17.0))
