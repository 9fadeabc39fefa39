"""What each camera has been found to do, learnt while running from people whom other cameras place.

Three things, none of which a calibration tells:
- Its image is shifted: somebody has knocked against it, or it was calibrated by a few pixels wrong. A small turn of a
  camera moves the whole image by nearly the same amount, so two numbers say it; each is a Kalman filter that may
  wander, and falls back to nothing when nobody speaks for it. A few pixels are no shift, because boxes and people are
  no truer. Cameras can only tell how they differ: what would move everybody on the floor alike, by most cameras' word,
  is nobody's shift.
- Its boxes end above the feet: where nearer people or furniture hide them, some detectors draw what they see, others
  the whole figure. Shares say how often, learnt by expectation and maximisation (Dempster, Laird and Rubin 1977): of
  boxes whose end nearer boxes cover, one for the site, because one detector serves it; of others, one for each part of
  each image, because shelves stay where they are.
- Its boxes are rougher than the view's config has it, by one factor sideways and one upright for the site, never below
  1: half of all feet lie nearer than a Gaussian's median says. What the tail is like does not matter to a median.

Knows boxes and places, no targets and no identities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from app.domains.mapping.rig import Rig, stack_views
from app.domains.mapping.sight import Sight, cell_of, compare_feet, in_image, on_floor
from app.domains.mapping.view import CELLS, CameraView, Habit
from app.domains.vocabulary import BoxArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class HabitConfig:
    """How fast habits are learnt and forgotten."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    wander: float = 0.0012  # focal lengths per root second, random walk of the shift: 20 px are found in some seconds
    fade_s: float = 60.0  # a shift for which nothing speaks any more falls to 37 % in this time
    outlier: float = 9.0  # squared deviations from which on a foot is believed less, the farther the less
    doubt: float = 0.006  # focal lengths; so small a shift is put down to people and boxes, and not corrected
    anchor_s: float = 1.0  # how often what all cameras have in common is taken from the shifts
    covered_boxes: float = 30.0  # weight of the share of covered ends that the view's config begins with
    cell_boxes: float = 10.0  # and of the share of other ends, in each part of an image
    memory_boxes: float = 3000.0  # older boxes fade behind so many new ones
    rough_boxes: float = 100.0  # of the first so many, none says much of how rough boxes are
    roughest: float = 3.0  # as what the view's config says, at most


MEDIAN = 0.455  # of the square of a standard Gaussian number
SIDEWAYS, UPRIGHT = ("sigma_u",), ("sigma_v", "sigma_head")  # fields of a view's trust that share a factor
WHOLE = 0.2  # a box that ends above the feet with a smaller probability tells of its lower edge


class CameraHabits:
    """The habits of all calibrated cameras of a site.

    Args:
        views: of the cameras, in the order of their numbers here.
        config: how fast they change.

    Attributes:
        rig: the cameras, and how far their boxes are trusted, which changes while it is learnt.
    """

    def __init__(self, views: Sequence[CameraView], config: HabitConfig) -> None:
        self.config = config
        self.rig = stack_views(views)
        usual = [view.usual for view in views]
        self.general: FloatArray = np.array([habit.general for habit in usual]).reshape(-1, 3)
        self.ends: FloatArray = np.array([habit.ends for habit in usual]).reshape(-1, *CELLS)
        self._covered = config.covered_boxes * np.array([views[0].config.covered_hidden if views else 0.0, 1.0])
        self._counts = config.cell_boxes * np.stack([self.ends, np.ones_like(self.ends)], axis=-1)
        self._shift = np.zeros((len(views), 2))
        self._variance = np.zeros((len(views), 2))
        self._learnt_at = np.full(len(views), -np.inf)
        self._middle = np.full((len(views), 2), np.nan)
        self._anchored_at = -np.inf
        self._rough = np.zeros((2, 2))  # sideways and upright: the factor's logarithm, and of how many boxes
        self._usual = {name: self.rig["trust"][name].copy() for name in SIDEWAYS + UPRIGHT}

    def of(self, camera: int) -> Habit:
        """Return the habit of a camera, which changes while it is learnt."""
        return Habit(self.general[camera], self.ends[camera])

    @property
    def roughness(self) -> FloatArray:
        """How much rougher boxes are than the view's config says, (2,): sideways and upright."""
        return np.exp(self._rough[:, 0])

    def learn(self, now: float, frames: IntArray, xyxy: BoxArray, xy: FloatArray, spread: FloatArray) -> None:
        """Learn from what cameras see and others say.

        Args:
            now: seconds.
            frames: (F, 3) camera of each frame, its first box, and the first one behind.
            xyxy: (N, 4) pixels.
            xy: (N, 2) metres, where others place the person of each box; NaN for those whom nobody else sees, who are
                among them because they may hide others.
            spread: (N, 2, 2) square metres, of that.
        """
        shares = self.ends, self._counts, self._covered
        learnt = self.general, self._shift, self._variance, shares, self._learnt_at, self._middle, self._rough
        config, roughest = self.config, float(np.log(self.config.roughest))
        forget = config.wander, config.fade_s, config.outlier, config.memory_boxes, config.doubt
        rates = (*forget, config.rough_boxes, roughest)
        _learn(self.rig, learnt, now, frames, xyxy, xy, spread, rates)

    def anchor(self, now: float) -> None:
        """Take from all shifts what moves everybody on the floor alike: the median over cameras.

        From then on boxes are trusted as far as they have been found to be right.
        """
        if now - self._anchored_at >= self.config.anchor_s:
            self._anchored_at = now
            for names, factor in zip((SIDEWAYS, UPRIGHT), self.roughness.tolist(), strict=True):
                for name in names:
                    self.rig["trust"][name] = factor * self._usual[name]
            _anchor(self.rig, self.general, self._shift, self._middle, self.config.doubt)


# (C, 3) habits; (C, 2) shifts as estimated, pixels, and their variance; (C, GY, GX), (C, GY, GX, 2) and (2,) how often
# boxes end above the feet, and how many did of how many, in each part of each image and behind nearer boxes anywhere;
# (C,) seconds when each camera learnt last; (C, 2) metres, where the people were whom it saw then, on average; (2, 2)
# how rough boxes are, as a logarithm, and of how many
_Learnt = tuple[
    FloatArray, FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray], FloatArray, FloatArray, FloatArray
]
# `wander`, `fade_s`, `outlier`, `memory_boxes`, `doubt`, `rough_boxes`, the logarithm of `roughest`
_Rates = tuple[float, float, float, float, float, float, float]


@njit(cache=True, error_model="numpy")
def _learn(  # noqa: PLR0913 - compiled functions take plain arrays
    rig: Rig,
    learnt: _Learnt,
    now: float,
    frames: IntArray,
    xyxy: BoxArray,
    xy: FloatArray,
    spread: FloatArray,
    rates: _Rates,
) -> None:
    """Change what has been learnt, frame by frame."""
    general, shift, variance, (ends, counts, covered), learnt_at, middle, rough = learnt
    wander, fade_s, _, _, doubt, _, _ = rates
    for f in range(len(frames)):
        camera, first, last = frames[f]
        sight, trust, places = rig[camera].sight, rig[camera].trust, xy[first:last]
        away = now - learnt_at[camera] if np.isfinite(learnt_at[camera]) else 0.0
        learnt_at[camera] = now
        keep = np.exp(-away / fade_s)
        for axis in range(2):
            shift[camera, axis] *= keep
            variance[camera, axis] = keep**2 * variance[camera, axis] + away * (wander * sight.focal[axis]) ** 2
            known = np.flatnonzero(np.isfinite(places[:, axis]))
            if len(known):
                middle[camera, axis] = places[known, axis].mean()
        habit = np.array([shift[camera, 0], shift[camera, 1], general[camera, 2]])
        feet = compare_feet(sight, trust, habit, ends[camera], xyxy[first:last], places, spread[first:last])
        _take_in(sight, feet, xyxy[first:last], shift[camera], variance[camera], counts[camera], covered, rough, rates)
        general[camera, :2] = _believed(shift[camera], doubt * sight.focal[0])
        ends[camera] = counts[camera, :, :, 0] / counts[camera, :, :, 1]
        general[:, 2] = covered[0] / covered[1]


@njit(cache=True, error_model="numpy")
def _believed(shift: FloatArray, doubt: float) -> FloatArray:
    """Return what is made of a shift (2,), pixels: nothing up to `doubt`, far beyond it nearly all; James and Stein."""
    believed: FloatArray = shift * max(1.0 - doubt**2 / max((shift**2).sum(), 1e-12), 0.0)
    return believed


@njit(cache=True, error_model="numpy")
def _take_in(  # noqa: PLR0913 - compiled functions take plain arrays
    sight: Sight,
    feet: FloatArray,
    xyxy: BoxArray,
    shift: FloatArray,
    variance: FloatArray,
    counts: FloatArray,
    covered: FloatArray,
    rough: FloatArray,
    rates: _Rates,
) -> None:
    """Take in what `compare_feet` has found of one camera: changes all but feet, xyxy and rates."""
    _, _, outlier, memory, _, rough_boxes, roughest = rates
    moved = np.zeros(2)
    for i in range(len(feet)):
        if np.isnan(feet[i, 0]):
            continue
        hidden, share = feet[i, 4], feet[i, 5]
        for axis in range(2):
            gap, noise = feet[i, axis] - moved[axis], feet[i, 2 + axis]
            if axis == 0 or hidden < WHOLE:
                _balance(rough[axis], gap * gap > MEDIAN * noise, (rough_boxes, memory, roughest))
            noise = noise / max(1.0 - hidden, 1e-6) if axis == 1 else noise  # a hidden foot tells nothing of its height
            noise *= max(1.0, gap * gap / (outlier * (variance[axis] + noise)))
            gain = variance[axis] / (variance[axis] + noise)
            moved[axis] += gain * gap
            variance[axis] *= 1.0 - gain
        row, column = cell_of(sight, counts.shape[:2], xyxy[i])
        _count(counts[row, column], hidden, 1.0 - share, memory)
        _count(covered, hidden, share, memory)
    shift += moved


@njit(cache=True, error_model="numpy")
def _balance(rough: FloatArray, farther: bool, rates: tuple[float, float, float]) -> None:
    """Take in whether a foot lies farther off than half of them should; the factor grows until half of them do.

    Stochastic approximation of a quantile (Robbins and Monro 1951).
    """
    first, memory, roughest = rates
    rough[1] += 1.0
    step = 1.0 / min(first + rough[1], memory)
    rough[0] = min(max(rough[0] + (step if farther else -step), 0.0), roughest)


@njit(cache=True, error_model="numpy")
def _anchor(rig: Rig, general: FloatArray, shift: FloatArray, middle: FloatArray, doubt: float) -> None:
    """Take from the shifts, in place, their median on the floor, seen where each camera saw people last."""
    moved = np.full((len(middle), 2), np.nan)
    for camera in range(len(middle)):
        if np.isfinite(middle[camera, 0]):
            moved[camera] = on_floor(rig[camera].sight, middle[camera], shift[camera])
    if not np.isfinite(moved).any():
        return
    common = np.array([np.nanmedian(moved[:, 0]), np.nanmedian(moved[:, 1])])
    for camera in range(len(middle)):
        if np.isfinite(middle[camera, 0]):
            way = in_image(rig[camera].sight, middle[camera], common)
            if np.isfinite(way).all():
                shift[camera] -= way
                general[camera, :2] = _believed(shift[camera], doubt * rig[camera].sight.focal[0])


@njit(cache=True, error_model="numpy")
def _count(counts: FloatArray, hidden: float, share: float, memory: float) -> None:
    """Count a share of a box, hidden or not; older ones fade behind `memory` new ones."""
    if counts[1] >= memory:
        counts *= 1.0 - share / memory
    counts[0] += share * hidden
    counts[1] += share
