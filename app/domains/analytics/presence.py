"""What stays amount to, bucket by bucket: of everybody, or of some people apart from others. Pure."""

from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Ending, Period, Stays
from app.domains.vocabulary import BoolArray, FloatArray

TICK_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """What stays at one place amount to in B buckets of equal length.

    Attributes:
        person_s: (B,) person-seconds.
        peak: (B,) people at once.
        entered: (B,) stays that began.
        gone: (B,) stays that ended.
    """

    person_s: FloatArray
    peak: FloatArray
    entered: FloatArray
    gone: FloatArray


def presence(stays: Stays, period: Period, bucket_s: float, counted: BoolArray) -> Presence:
    """Add up stays at one place.

    Args:
        stays: that overlap the period.
        period: in whole buckets.
        bucket_s: seconds.
        counted: (N,) which of the stays.
    """
    buckets = round(period.seconds / bucket_s)
    begin, end = stays.begun[counted] - period.since, stays.ended[counted] - period.since
    over = np.array([ending is not Ending.HERE for ending in stays.ending], np.bool_)[counted]
    edges = bucket_s * np.arange(buckets + 1, dtype=np.float64)
    return Presence(
        person_s=np.diff(_seconds_until(edges, begin) - _seconds_until(edges, end)),
        peak=_peaks(np.clip(begin, 0.0, period.seconds), np.clip(end, 0.0, period.seconds), bucket_s, buckets),
        entered=_counted(begin, bucket_s, buckets),
        gone=_counted(end[over], bucket_s, buckets),
    )


def _seconds_until(edges: FloatArray, instants: FloatArray) -> FloatArray:
    """Return the seconds that have gone by since some instants, all together, at each edge (E,)."""
    ordered = np.sort(instants)
    passed = np.searchsorted(ordered, edges)
    total: FloatArray = edges * passed - np.concatenate([[0.0], np.cumsum(ordered)])[passed]
    return total


def _counted(instants: FloatArray, bucket_s: float, buckets: int) -> FloatArray:
    number = np.floor(instants / bucket_s).astype(np.int64)
    inside = (number >= 0) & (number < buckets)
    return np.bincount(number[inside], minlength=buckets).astype(np.float64)


def _peaks(begin: FloatArray, end: FloatArray, bucket_s: float, buckets: int) -> FloatArray:
    """Return the most stays at once in each bucket (B,); who goes at an instant makes room for who comes then."""
    end = np.maximum(end, begin + TICK_S)  # whoever was there at all was there at an instant
    instant = np.concatenate([begin, end, bucket_s * np.arange(buckets, dtype=np.float64)])
    change = np.repeat([1, -1, 0], [len(begin), len(end), buckets])
    order = np.lexsort((change, instant))
    opened = np.flatnonzero(order >= len(begin) + len(end))  # where each bucket begins
    return np.maximum.reduceat(np.cumsum(change[order]), opened).astype(np.float64)
