"""How long people stay: the distribution, with those whose end nobody saw. Knows no place and no store.

Of a stay that goes on, or of somebody who was lost from sight, it is only known that it was no shorter. Leaving such
stays out would make all seem short, and taking them for whole ones, too; Kaplan and Meier (1958) count each for as long
as it was watched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Ending, Period, Stays
from app.domains.analytics.places import FLOOR
from app.domains.vocabulary import BoolArray, FloatArray, IntArray

EDGES_S = np.array([0, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Dwell:
    """How long the stays of a place took.

    Attributes:
        n: stays.
        mean_s: seconds; of the stays as far as they were watched, so that it is too short where `cut_off`; None
            without stays.
        cut_off: whether the longest stay has no known end.
        quantiles_s: (Q,) seconds within which so many have ended; NaN where fewer ends are known.
        open: stays that go on.
        lost: stays that ended because the person was not seen any more.
        edges_s: (B,) seconds at which the buckets of the histogram begin; the last one is open to the right.
        histogram: (B,) stays by length, of those whose end is known.
    """

    n: int
    mean_s: float | None
    cut_off: bool
    quantiles_s: FloatArray
    open: int
    lost: int
    edges_s: FloatArray
    histogram: IntArray

    def __len__(self) -> int:
        return self.n


def distribution(stays: Stays, period: Period, quantiles: Sequence[float], least_s: float = 0.0) -> Dwell:
    """Return how long the stays that began within a period took, up to their end, whenever that was.

    By their begin, because of the stays that reach into a period the long ones are too many. From the whole floor
    people go out of sight, so that there being lost is a known end.

    Args:
        stays: of one place.
        period: in which they began.
        quantiles: shares of the stays, in (0, 1).
        least_s: stays that ended sooner are left out, such as of those who only pass.
    """
    place = np.array([p == FLOOR for p in stays.place], np.bool_)
    is_open = np.array([e == Ending.HERE for e in stays.ending], np.bool_)
    is_lost = np.array([e == Ending.LOST for e in stays.ending], np.bool_)
    seconds = stays.ended - stays.begun
    asked = (stays.begun >= period.since) & (stays.begun < period.until) & (is_open | (seconds >= least_s))
    seconds, known = seconds[asked], ~(is_open | (is_lost & ~place))[asked]
    times, left = survival(seconds, known)
    ended = np.concatenate([[1.0], left])
    buckets = np.searchsorted(EDGES_S, seconds[known], side="right") - 1
    used = int(buckets.max(initial=-1)) + 1
    return Dwell(
        n=len(seconds),
        mean_s=float(np.diff(times, prepend=0.0) @ ended[:-1]) if len(seconds) else None,
        cut_off=bool(len(left) and left[-1] > 0.0),
        quantiles_s=np.array([_first(times, left <= 1.0 - quantile + 1e-12) for quantile in quantiles]),
        open=int(is_open[asked].sum()),
        lost=int(is_lost[asked].sum()),
        edges_s=EDGES_S[:used],
        histogram=np.bincount(buckets, minlength=used),
    )


def survival(seconds: FloatArray, known: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the share that stays longer, after Kaplan and Meier (1958).

    Args:
        seconds: (N,) how long each was watched.
        known: (N,) whether that was the end.

    Returns:
        Times (T,), increasing, and the share that has not ended by then, (T,).
    """
    times, which = np.unique(seconds, return_inverse=True)
    ends = np.bincount(which, weights=known, minlength=len(times))
    watched = len(seconds) - np.concatenate([[0], np.cumsum(np.bincount(which, minlength=len(times)))])[: len(times)]
    left: FloatArray = np.cumprod(1.0 - ends / watched)
    return times, left


def _first(times: FloatArray, holds: BoolArray) -> float:
    return float(times[np.argmax(holds)]) if holds.any() else np.nan
