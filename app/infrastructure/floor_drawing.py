"""Draws the floor from above: the plan, and the people on it as dots.

Gets plain arrays in metres; knows neither cameras' images nor how a position was found.
Pictures are (height, width, 3) uint8 BGR.
"""

import math

import numpy as np

from app.domains.vocabulary import FloatArray, FloorTracks, IntArray
from app.infrastructure.drawing_ink import (
    Picture,
    Trails,
    draw_dot,
    draw_region,
    identity_colour,
    names_of,
    within,
    write_labels,
)
from app.infrastructure.floor_sheet import FloorPlan, Sheet

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
        shown = within(points, clip)
        self._draw_ellipses(clip, floor.global_id[shown], points[shown], floor.covariance[shown])
        self._trails.add(captured_at, floor.global_id, points)
        self._trails.draw(clip, max(2, round(2.4 * self._unit)))
        coasting = np.array([not cameras for cameras in floor.cameras], dtype=bool)
        radius = max(3.0, 6.0 * self._unit)
        for global_id, point, hollow in zip(
            floor.global_id[shown].tolist(), points[shown], coasting[shown].tolist(), strict=True
        ):
            draw_dot(clip, point, radius, identity_colour(global_id), hollow)
        labels = names_of(floor.global_id[shown], max(11, round(14 * self._unit)))
        write_labels(clip, points[shown], labels, radius, self._taken)
        return picture

    def _draw_ellipses(self, clip: Picture, ids: IntArray, points: FloatArray, covariance: FloatArray) -> None:
        if not len(ids):
            return
        variance, axes = np.linalg.eigh(covariance)
        radii = DENSE * np.sqrt(np.maximum(variance, 0.0)) * self._sheet.scale
        angles = self._sheet.up * np.degrees(np.arctan2(axes[:, 1, 1], axes[:, 0, 1]))  # of the longer axis
        for global_id, centre, (short, long), angle in zip(
            ids.tolist(), points, radii.tolist(), angles.tolist(), strict=True
        ):
            if math.isfinite(long) and long <= 2 * max(clip.shape):
                draw_region(clip, centre, (long, short), angle, identity_colour(global_id))
