"""How full a place usually is at an hour of the week, and when it is not. Knows no store and no holidays.

What is usual is the median of the same hour of earlier weeks, and how far it scatters their median absolute deviation:
one odd week changes neither (Rousseeuw and Croux 1993). Fewer than three observed weeks tell nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from app.domains.analytics.figures import OccupancySeries
from app.domains.vocabulary import FloatArray, IntArray

HOUR_S = 3600.0
WEEK_HOURS = 168
TO_SIGMA = 1.4826  # from the median absolute deviation to the standard deviation, of a normal distribution


@dataclass(frozen=True, slots=True)
class RhythmConfig:
    """What is unusual."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    weeks: int = 3  # that must have been observed, at least
    observed: float = 0.5  # of what the best hour was observed, an hour must have been observed to count
    sigmas: float = 3.0
    least_people: float = 0.25  # scatter of a place that is always equally full, in people
    least_share: float = 0.1  # and as a share of how many there usually are

    def __post_init__(self) -> None:
        if self.weeks < 2 or not 0.0 < self.observed <= 1.0:
            raise ValueError("weeks must be at least 2, observed in (0, 1]")
        if not self.sigmas > 0.0 or min(self.least_people, self.least_share) < 0.0:
            raise ValueError("sigmas must be positive, least_people and least_share not negative")


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """What is usual at some hours: parallel arrays of length H; NaN where too little is known.

    Attributes:
        at: (H,) capture times at which the hours begin.
        low: (H,) people; fewer are unusual.
        expected: (H,) people.
        high: (H,) people; more are unusual.
        weeks: (H,) int64, how many weeks that were learnt from have the hour.
        least_observed: share of hour and area from which on an hour is judged: no camera may see all of a place.
    """

    at: FloatArray
    low: FloatArray
    expected: FloatArray
    high: FloatArray
    weeks: IntArray
    least_observed: float


class Side(StrEnum):
    """Which way an hour is unusual."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An hour in which a place was unusually full or empty; mean, low and high in people."""

    at: float
    mean: float
    low: float
    high: float
    side: Side


def expect(past: OccupancySeries, at: FloatArray, offset_s: float = 0.0, config: RhythmConfig | None = None) -> Band:
    """Return what is usual at hours.

    Args:
        past: by hour; only what lies before the first of the asked hours counts.
        at: (H,) capture times at which the asked hours begin.
        offset_s: seconds that the site's clocks are ahead of UTC, so that hours of the week are the site's.
        config: what is unusual.

    Raises:
        ValueError: the past is not by hour.
    """
    config = config or RhythmConfig()
    if past.bucket_s != HOUR_S:
        raise ValueError(f"past has buckets of {past.bucket_s:g} s, expected hours")
    least = config.observed * float(past.observed.max(initial=0.0))
    counts = (past.observed >= least) & np.isfinite(past.mean) & (past.at < at.min(initial=np.inf))
    learnt, people = _hour_of_week(past.at + offset_s)[counts], past.mean[counts]
    expected, spread = np.full(WEEK_HOURS, np.nan), np.full(WEEK_HOURS, np.nan)
    weeks = np.bincount(learnt, minlength=WEEK_HOURS)
    for hour in np.flatnonzero(weeks >= config.weeks):
        same = people[learnt == hour]
        expected[hour] = np.median(same)
        spread[hour] = TO_SIGMA * np.median(np.abs(same - expected[hour]))
    spread = np.maximum(spread, np.maximum(config.least_people, config.least_share * expected))
    asked = _hour_of_week(at + offset_s)
    width = config.sigmas * spread[asked]
    low, high = np.maximum(expected[asked] - width, 0.0), expected[asked] + width
    return Band(at, low, expected[asked], high, weeks[asked], least)


def anomalies(series: OccupancySeries, band: Band) -> tuple[Anomaly, ...]:
    """Return the hours, observed well enough, that lie outside the band of the same hours."""
    judged = series.observed >= band.least_observed
    above, below = judged & (series.mean > band.high), judged & (series.mean < band.low)
    return tuple(
        Anomaly(
            float(series.at[i]),
            float(series.mean[i]),
            float(band.low[i]),
            float(band.high[i]),
            Side.ABOVE if above[i] else Side.BELOW,
        )
        for i in np.flatnonzero(above | below)
    )


def _hour_of_week(at: FloatArray) -> IntArray:
    """Return the hours of the week, (N,) from 0; which weekday is 0 does not matter."""
    hour: IntArray = (np.floor(at / HOUR_S) % WEEK_HOURS).astype(np.int64)
    return hour
