"""Where people will be in a few seconds, and how wrong that has turned out to be. Knows no store, walls or purposes.

People go on as they go: with constant velocity, which over a few seconds learnt models hardly beat (Schoeller et al.
2020). How sure a prediction is comes from what became of the ones before: their errors, along the way and across it.
Dots must be those of the live floor: the record's have been smoothed by what came later.
"""

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from app.domains.vocabulary import BoolArray, FloatArray, FloorTracks, IntArray

ENOUGH = 30  # errors, from which on they say how sure a prediction is


@dataclass(frozen=True, slots=True)
class PredictionConfig:
    """How people go on."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    horizons_s: tuple[float, ...] = (1.0, 2.0, 3.0)
    spread: float = 0.4  # m/s^1.5, how much velocities change by chance, as long as no errors are known
    rhythm_s: float = 0.5  # predictions are remembered, to be judged, no more often
    memory_s: float = 300.0  # errors count for so long
    apart_s: float = 0.6  # between the two dots between which a place is taken that was predicted

    def __post_init__(self) -> None:
        if not self.horizons_s or not min(self.horizons_s) > 0.0 or list(self.horizons_s) != sorted(self.horizons_s):
            raise ValueError("horizons_s must be positive and increase")
        if not min(self.spread, self.rhythm_s, self.memory_s, self.apart_s) > 0.0:
            raise ValueError("spread, rhythm_s, memory_s and apart_s must be positive")


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Where N people will be after each of H horizons.

    Attributes:
        at: capture time of the dots that they begin with; NaN without any.
        person: (N,) int64.
        horizons_s: (H,) seconds.
        xy: (N, H, 2) metres.
        covariance: (N, H, 2, 2) square metres.
    """

    at: float
    person: IntArray
    horizons_s: FloatArray
    xy: FloatArray
    covariance: FloatArray

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True, eq=False)
class PredictionError:
    """How far people were from where they had been predicted, by horizon: parallel arrays of length H.

    Attributes:
        horizons_s: (H,) seconds.
        median_m: (H,) metres; NaN without predictions that could be judged.
        p90_m: (H,) metres, 90 % were no farther.
        standing_m: (H,) metres, the median if everybody had been predicted to stay where they were.
        n: (H,) int64, predictions that were judged.
    """

    horizons_s: FloatArray
    median_m: FloatArray
    p90_m: FloatArray
    standing_m: FloatArray
    n: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class _Dots:
    """Dots of one instant, by person; see `Predictor.see`."""

    at: float
    person: IntArray
    xy: FloatArray
    velocity: FloatArray
    covariance: FloatArray
    seen: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What became of K predictions for an instant: errors (K, 2) along the way and across it, (K,) if all had stood."""

    at: float
    error: FloatArray
    standing: FloatArray


class Predictor:
    """Predicts paths from the dots of now, and judges each prediction when its time has come.

    Args:
        config: how people go on.
    """

    def __init__(self, config: PredictionConfig | None = None) -> None:
        self.config = config or PredictionConfig()
        self._horizons = np.array(self.config.horizons_s)
        self._now: _Dots | None = None
        self._begun: deque[_Dots] = deque()  # with which predictions began that are not all judged yet
        self._judged: tuple[deque[_Judged], ...] = tuple(deque() for _ in self._horizons)

    def see(self, at: float, floor: FloorTracks) -> None:
        """Take in the dots of an instant, and judge the predictions for the time since the one before.

        Judged is by dots that a camera supports: others have been predicted themselves.

        Args:
            at: capture time; where it is no later than the last, all begins anew.
            floor: the dots.
        """
        seen = np.array([len(cameras) > 0 for cameras in floor.cameras], np.bool_)
        now = _Dots(at, floor.global_id, floor.xy, floor.velocity, floor.covariance, seen)
        before, self._now = self._now, now
        if before is None or at <= before.at:
            self._begun.clear()
        elif at - before.at <= self.config.apart_s:
            for begun in self._begun:
                for seconds, judged in zip(self.config.horizons_s, self._judged, strict=True):
                    if before.at < begun.at + seconds <= at:
                        judged.append(_judge(begun, seconds, before, now))
        while self._begun and self._begun[0].at + self._horizons[-1] <= at:
            self._begun.popleft()
        if not self._begun or at - self._begun[-1].at >= self.config.rhythm_s:
            self._begun.append(now)
        for judged in self._judged:
            while judged and judged[0].at < at - self.config.memory_s:
                judged.popleft()

    def paths(self) -> Paths:
        """Return where everybody who had a dot at the last instant will be."""
        if self._now is None:
            shape = 0, len(self._horizons), 2
            return Paths(np.nan, np.zeros(0, np.int64), self._horizons, np.zeros(shape), np.zeros((*shape, 2)))
        now = self._now
        xy = now.xy[:, None] + self._horizons[:, None] * now.velocity[:, None]
        heading = _headings(now.velocity)
        covariance = np.empty((*xy.shape, 2))
        for h, (seconds, judged) in enumerate(zip(self._horizons, self._judged, strict=True)):
            errors = np.concatenate([np.zeros((0, 2)), *(j.error for j in judged)])
            if len(errors) >= ENOUGH:
                covariance[:, h] = np.swapaxes(heading, 1, 2) @ (np.mean(errors**2, axis=0)[:, None] * heading)
            else:
                covariance[:, h] = now.covariance + self.config.spread**2 * seconds**3 / 3.0 * np.eye(2)
        return Paths(now.at, now.person, self._horizons, xy, covariance)

    def error(self) -> PredictionError:
        """Return how wrong the predictions of the last `memory_s` were."""
        errors = [np.concatenate([np.zeros(0), *(np.hypot(*j.error.T) for j in judged)]) for judged in self._judged]
        standing = [np.concatenate([np.zeros(0), *(j.standing for j in judged)]) for judged in self._judged]
        return PredictionError(
            self._horizons,
            np.array([_quantile(e, 0.5) for e in errors]),
            np.array([_quantile(e, 0.9) for e in errors]),
            np.array([_quantile(s, 0.5) for s in standing]),
            np.array([len(e) for e in errors], np.int64),
        )


def _judge(begun: _Dots, seconds: float, before: _Dots, now: _Dots) -> _Judged:
    """Compare a prediction with where those were whom cameras saw at the two instants around its time."""
    known = np.intersect1d(before.person[before.seen], now.person[now.seen])
    known = np.intersect1d(begun.person, known)
    i, j, k = (np.searchsorted(dots.person, known) for dots in (begun, before, now))
    at = begun.at + seconds
    part = (at - before.at) / (now.at - before.at)
    went = before.xy[j] + part * (now.xy[k] - before.xy[j]) - begun.xy[i]
    error = (_headings(begun.velocity[i]) @ (went - seconds * begun.velocity[i])[..., None])[..., 0]
    return _Judged(at, error, np.hypot(*went.T))


def _headings(velocity: FloatArray) -> FloatArray:
    """Return the matrices (N, 2, 2) that turn the floor so that the first axis is along each velocity, (N, 2)."""
    angle = np.arctan2(velocity[:, 1], velocity[:, 0])
    cos, sin = np.cos(angle), np.sin(angle)
    turn: FloatArray = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
    return turn


def _quantile(values: FloatArray, quantile: float) -> float:
    return float(np.quantile(values, quantile)) if len(values) else np.nan
