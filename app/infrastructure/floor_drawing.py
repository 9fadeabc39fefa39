"""Draws the floor from above: the plan, the people on it as dots, and the trajectories of a whole run.

Gets plain arrays in metres; knows neither cameras' images nor how a position was found.
Pictures are (height, width, 3) uint8 BGR.
"""

import math
from pathlib import Path

import cv2
import numpy as np

from app.domains.vocabulary import NO_ID, BoolArray, FloatArray, FloorTracks, IntArray
from app.infrastructure.drawing_ink import (
    BRIGHT,
    FAINT,
    SEMIBOLD,
    SUBPIXEL,
    Pen,
    Picture,
    Trails,
    clock,
    counted,
    draw_dot,
    fixed,
    identity_colour,
    write_labels,
)
from app.infrastructure.floor_sheet import FloorPlan, Sheet

CROWD = 60  # people; above it lines are thinner and names that would cover others are left out
DENSE = 2.447  # radius in sigmas of the ellipse that holds 95 % of a 2-d normal: sqrt(chi2.ppf(0.95, 2))


class FloorDrawing:
    """The plan at one size, and everyone on it at one instant after the other.

    Args:
        plan: what stands still; drawn once.
        size: (width, height) of the picture in pixels.
        trail_s: how long the line is that everyone draws behind themselves, seconds.
    """

    def __init__(self, plan: FloorPlan, size: tuple[int, int], trail_s: float = 6.0) -> None:
        self._sheet = Sheet.fit(plan, size)
        self._still, self._taken = self._sheet.draw(plan)
        self._trails = Trails(trail_s)
        self._unit = self._sheet.unit

    def to_pixels(self, xy: FloatArray) -> FloatArray:
        """Return where (N, 2) metres lie in the picture, as (N, 2) pixels."""
        return self._sheet.to_pixels(xy)

    def draw(self, captured_at: float, floor: FloorTracks) -> Picture:
        """Return the picture of one instant: ellipses of 95 % certainty, trails, dots, ids."""
        picture = self._still.copy()
        clip = self._sheet.inside(picture)
        points = self.to_pixels(floor.xy) - self._sheet.corner
        shown = _within(points, clip)
        self._draw_ellipses(clip, floor.global_id[shown], points[shown], floor.covariance[shown])
        self._trails.add(captured_at, floor.global_id, points)
        self._trails.draw(clip, max(2, round(2.4 * self._unit)))
        coasting = np.array([not cameras for cameras in floor.cameras], dtype=bool)
        radius = max(3.0, 6.0 * self._unit)
        for global_id, point, hollow in zip(
            floor.global_id[shown].tolist(), points[shown], coasting[shown].tolist(), strict=True
        ):
            draw_dot(clip, point, radius, identity_colour(global_id), hollow)
        labels = _names(floor.global_id[shown], max(11, round(14 * self._unit)))
        write_labels(clip, points[shown], labels, radius, self._taken)
        return picture

    def _draw_ellipses(self, clip: Picture, ids: IntArray, points: FloatArray, covariance: FloatArray) -> None:
        if not len(ids):
            return
        variance, axes = np.linalg.eigh(covariance)
        radii = DENSE * np.sqrt(np.maximum(variance, 0.0)) * self._sheet.scale
        angles = self._sheet.up * np.degrees(np.arctan2(axes[:, 1, 1], axes[:, 0, 1]))  # of the longer axis
        fill = clip.copy()
        outlines = []
        for global_id, centre, (short, long), angle in zip(ids.tolist(), points, radii, angles.tolist(), strict=True):
            if not math.isfinite(long) or long > 2 * max(clip.shape):
                continue
            colour = identity_colour(global_id)
            centre_px, axes_px = fixed(centre).tolist(), fixed(np.array([long, short])).tolist()
            cv2.ellipse(fill, centre_px, axes_px, angle, 0, 360, colour, -1, cv2.LINE_AA, SUBPIXEL)
            outlines.append((centre_px, axes_px, angle, colour))
        for centre_px, axes_px, angle, colour in outlines:
            cv2.ellipse(fill, centre_px, axes_px, angle, 0, 360, colour, 2, cv2.LINE_AA, SUBPIXEL)
        cv2.addWeighted(fill, 0.25, clip, 0.75, 0.0, dst=clip)


def draw_trajectories(plan: FloorPlan, title: str, time_s: FloatArray, global_id: IntArray, xy: FloatArray) -> Picture:
    """Return the picture of all trajectories of a run.

    Args:
        plan: what stands still.
        title: the site's name.
        time_s: (N,) seconds.
        global_id: (N,) identity of each row; rows in any order.
        xy: (N, 2) metres, site frame.
    """
    sheet = Sheet.fit(plan, _trajectory_size(plan), top=84)
    picture, taken = sheet.draw(plan)
    clip = sheet.inside(picture)
    order = np.lexsort((time_s, global_id))
    ids, times, points = global_id[order], time_s[order], sheet.to_pixels(xy[order]) - sheet.corner
    first, last = np.flatnonzero(np.diff(ids, prepend=NO_ID)), np.flatnonzero(np.diff(ids, append=NO_ID))
    broken = _breaks(times, ids)
    crowd = 1.0 if len(first) <= CROWD else 0.7
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        path, cuts = points[start : end + 1], np.flatnonzero(broken[start:end]) + 1
        pieces = [fixed(piece) for piece in np.split(path, cuts)]
        colour = identity_colour(int(ids[start]))
        cv2.polylines(clip, pieces, False, colour, max(2, round(3 * crowd)), cv2.LINE_AA, SUBPIXEL)
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        colour = identity_colour(int(ids[start]))
        draw_dot(clip, points[start], 5.0 * crowd, colour, hollow=True)
        draw_dot(clip, points[end], 7.0 * crowd, colour, hollow=False)
    shown = last[_within(points[last], clip)]
    write_labels(clip, points[shown], _names(ids[shown], round(17 * crowd)), 7.0 * crowd, taken, len(first) > CROWD)
    _draw_heading(picture, sheet, title, f"{counted(len(first))} · {_span(times)}")
    return picture


def _span(times: FloatArray) -> str:
    if not len(times):
        return "nobody was seen on the floor"
    begin, end = float(times.min()), float(times.max())
    return f"{clock(begin).removesuffix(' UTC')} to {clock(end)} · {end - begin:.1f} s"


def _breaks(times: FloatArray, ids: IntArray) -> BoolArray:
    """Return (N - 1,) whether the line is cut between a row and the next: someone was away for long."""
    gaps = np.diff(times)
    within = gaps[(np.diff(ids) == 0) & (gaps > 0)]
    usual = float(np.median(within)) if len(within) else 0.0
    return np.asarray(gaps > max(2.0, 2.5 * usual), dtype=bool)  # s; below it a straight line hides nothing of a walk


def _trajectory_size(plan: FloorPlan) -> tuple[int, int]:
    """Return a picture size of about 2.4 megapixels with the floor's shape, between 1:2 and 2.4:1."""
    aspect = min(max(plan.aspect, 0.5), 2.4)
    height = math.sqrt(2.4e6 / aspect)
    return round(height * aspect) + 110, round(height) + 140


def _draw_heading(picture: Picture, sheet: "Sheet", title: str, facts: str) -> None:
    left, right = sheet.left, sheet.left + sheet.width
    Pen(28, BRIGHT, SEMIBOLD).write(picture, title, (left, 30))
    small = Pen(16, FAINT)
    small.write(picture, facts, (left, 61))
    for text, hollow in (("end", False), ("start", True)):
        right -= small.width(text)
        small.write(picture, text, (right, 30))
        right -= 14
        draw_dot(picture, np.array([right, 30.0]), 6.0, FAINT, hollow)
        right -= 22


def _within(points: FloatArray, picture: Picture) -> BoolArray:
    height, width = picture.shape[:2]
    return np.asarray(((points >= 0) & (points < (width, height))).all(axis=1), dtype=bool)


def _names(ids: IntArray, size: int) -> list[tuple[str, Pen]]:
    return [(str(global_id), Pen(size, identity_colour(global_id), SEMIBOLD)) for global_id in ids.tolist()]


def write_png(path: Path, picture: Picture) -> None:
    """Write a picture to a PNG file."""
    _, data = cv2.imencode(".png", picture)
    path.write_bytes(data.tobytes())
