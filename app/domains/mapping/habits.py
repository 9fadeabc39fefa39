"""What each camera has been found to do, learnt while running from people whom other cameras place.

Two things, neither of which a calibration tells:
- Its image is shifted: somebody has knocked against it, or it was calibrated by a few pixels wrong. A small turn of a
  camera moves the whole image by nearly the same amount, so two numbers say it; each is a Kalman filter that may
  wander, and falls back to nothing when nobody speaks for it. Cameras can only tell how they differ: what would move
  everybody on the floor alike, by most cameras' word, is nobody's shift.
- Its boxes end above the feet: where nearer people or furniture hide them, some detectors draw what they see, others
  the whole figure. Shares say how often, learnt by expectation and maximisation (Dempster, Laird and Rubin 1977): of
  boxes whose end nearer boxes cover, one for the site, because one detector serves it; of others, one for each part of
  each image, because shelves stay where they are.

Knows boxes and places, no targets and no identities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from app.domains.mapping.sight import Sight, cell_of, in_image, on_floor
from app.domains.mapping.view import CameraView, Habit
from app.domains.vocabulary import BoxArray, FloatArray


@dataclass(frozen=True, slots=True)
class HabitConfig:
    """How fast habits are learnt and forgotten."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    wander: float = 0.0012  # focal lengths per root second, random walk of the shift: 20 px are found in some seconds
    fade_s: float = 60.0  # a shift for which nothing speaks any more falls to 37 % in this time
    outlier: float = 9.0  # squared deviations from which on a foot is believed less, the farther the less
    anchor_s: float = 1.0  # how often what all cameras have in common is taken from the shifts
    covered_boxes: float = 30.0  # weight of the share of covered ends that the view's config begins with
    cell_boxes: float = 10.0  # and of the share of other ends, in each part of an image
    memory_boxes: float = 3000.0  # older boxes fade behind so many new ones


class CameraHabits:
    """The habits of all calibrated cameras of a site.

    Args:
        views: of the cameras, in the order of their numbers here.
        config: how fast they change.
    """

    def __init__(self, views: Sequence[CameraView], config: HabitConfig) -> None:
        self.config = config
        self._views = list(views)
        self._sights = [view.sight for view in views]
        self._habits = [view.usual for view in views]
        self._variance = np.zeros((len(views), 2))
        self._learnt_at = np.full(len(views), -np.inf)
        self._anchored_at = -np.inf
        self._middle = np.full((len(views), 2), np.nan)  # where the people were whom each camera saw last, on average
        # how many boxes ended above the feet, and how many there were
        self._covered = config.covered_boxes * np.array([views[0].config.covered_hidden if views else 0.0, 1.0])
        self._ends = [config.cell_boxes * np.stack([h.ends, np.ones_like(h.ends)], axis=-1) for h in self._habits]

    def of(self, camera: int) -> Habit:
        """Return the habit of a camera."""
        return self._habits[camera]

    def learn(self, now: float, camera: int, xyxy: BoxArray, xy: FloatArray, spread: FloatArray) -> None:
        """Learn from boxes (N, 4) of one camera: others place their people at (N, 2) metres, give or take (N, 2, 2).

        Boxes of people whom nobody else sees are among them, with NaN for a place, because they may hide others.
        """
        sight, habit, variance, config = self._sights[camera], self._habits[camera], self._variance[camera], self.config
        if sight is None:
            return
        away = now - self._learnt_at[camera] if np.isfinite(self._learnt_at[camera]) else 0.0
        self._learnt_at[camera] = now
        keep = np.exp(-away / config.fade_s)
        habit.general[:2] *= keep
        variance *= keep**2
        variance += away * (config.wander * sight.focal) ** 2
        if np.isfinite(xy).any():
            self._middle[camera] = np.nanmean(xy, axis=0)
        rows = self._views[camera].compare_feet(xyxy, habit, xy, spread)
        ends, covered = self._ends[camera], self._covered
        _learn(sight, rows, xyxy, habit.general, variance, ends, covered, config.outlier, config.memory_boxes)
        habit.ends[:] = ends[..., 0] / ends[..., 1]
        for other in self._habits:
            other.general[2] = covered[0] / covered[1]

    def anchor(self, now: float) -> None:
        """Take from all shifts what moves everybody on the floor alike: the median over cameras."""
        if now - self._anchored_at < self.config.anchor_s:
            return
        self._anchored_at = now
        places = zip(self._sights, self._middle, self._habits, strict=True)
        seen = [(sight, at, habit.general) for sight, at, habit in places if sight is not None and np.isfinite(at[0])]
        moved = np.array([on_floor(sight, at, general[:2]) for sight, at, general in seen]).reshape(-1, 2)
        if not np.isfinite(moved).any():
            return
        common = np.nanmedian(moved, axis=0)
        for sight, at, general in seen:
            general[:2] -= np.nan_to_num(in_image(sight, at, common))


@njit(cache=True, error_model="numpy")
def _learn(  # noqa: PLR0913 - compiled functions take plain arrays
    sight: Sight,
    rows: FloatArray,
    xyxy: BoxArray,
    general: FloatArray,
    variance: FloatArray,
    ends: FloatArray,
    covered: FloatArray,
    outlier: float,
    memory: float,
) -> None:
    """Take in what `compare_feet` has found: changes general, variance (2,), ends (GY, GX, 2), covered (2,)."""
    moved = np.zeros(2)
    for i in range(len(rows)):
        if np.isnan(rows[i, 0]):
            continue
        hidden, share = rows[i, 4], rows[i, 5]
        for axis in range(2):
            gap, noise = rows[i, axis] - moved[axis], rows[i, 2 + axis]
            noise = noise / max(1.0 - hidden, 1e-6) if axis == 1 else noise  # a hidden foot tells nothing of its height
            noise *= max(1.0, gap * gap / (outlier * (variance[axis] + noise)))
            gain = variance[axis] / (variance[axis] + noise)
            moved[axis] += gain * gap
            variance[axis] *= 1.0 - gain
        row, column = cell_of(sight, ends.shape[:2], xyxy[i])
        _count(ends[row, column], hidden, 1.0 - share, memory)
        _count(covered, hidden, share, memory)
    general[:2] += moved


@njit(cache=True, error_model="numpy")
def _count(counts: FloatArray, hidden: float, share: float, memory: float) -> None:
    """Count a share of a box, hidden or not; older ones fade behind `memory` new ones."""
    if counts[1] >= memory:
        counts *= 1.0 - share / memory
    counts[0] += share * hidden
    counts[1] += share
