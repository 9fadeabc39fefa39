"""Where people go from one place to the next, and how long that takes. Knows no store and no floor plan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Stays
from app.domains.analytics.places import FLOOR, PlaceId
from app.domains.vocabulary import FloatArray, IntArray

WITHIN_S = 1800.0  # who comes to another place later has not gone there from the one before
OVERLAP_S = 3.0  # who comes to another place so shortly before leaving the one before has gone there from it


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """Ways between P places: rows are where they began, columns where they ended.

    Attributes:
        places: P ids.
        n: (P, P) int64, how often people went.
        median_s: (P, P) seconds from leaving the one until coming to the other; NaN where nobody went.
    """

    places: tuple[PlaceId, ...]
    n: IntArray
    median_s: FloatArray


def flows(stays: Stays, places: Sequence[PlaceId], within_s: float = WITHIN_S) -> Flows:
    """Return an origin-destination matrix: for each stay, which stay of the same person follows, at another place.

    A zone inside another one is no way: whoever is in both goes on from each of them when they leave it. The whole
    floor is no place to go to.

    Args:
        stays: in any order.
        places: rows and columns; other places count as if nobody had been there.
        within_s: seconds that a way may take.
    """
    number = {place: i for i, place in enumerate(places) if place != FLOOR}
    column = np.array([number.get(place, -1) for place in stays.place], np.int64)
    order = np.lexsort([stays.begun, stays.identity])
    order = order[column[order] >= 0]
    place, begun, ended = column[order], stays.begun[order], stays.ended[order]
    following = _following(stays.identity[order], begun, ended)
    origin = np.flatnonzero(following >= 0)
    following = following[origin]
    took = np.maximum(begun[following] - ended[origin], 0.0)
    went = (took <= within_s) & (place[following] != place[origin])
    pair = (place[origin] * len(places) + place[following])[went]
    n = np.bincount(pair, minlength=len(places) ** 2)
    shape = len(places), len(places)
    return Flows(tuple(places), n.reshape(shape), _medians(pair, took[went], n).reshape(shape))


def _following(identity: IntArray, begun: FloatArray, ended: FloatArray) -> IntArray:
    """Return the stay of the same person that begins next after each ends, (N,), -1 for none.

    Args:
        identity: (N,), in order.
        begun: (N,) in order for each identity.
        ended: (N,).
    """
    if not len(identity):
        return np.zeros(0, np.int64)
    # one axis of time, on which everybody's time comes behind that of those before
    start = begun.min()
    stride = ended.max() - start + 2 * OVERLAP_S
    behind = (np.unique(identity, return_inverse=True)[1] + 1) * stride - start
    following = np.searchsorted(begun + behind, ended + behind - OVERLAP_S)
    following = np.maximum(following, np.arange(len(identity)) + 1)
    same = following < len(identity)
    same[same] = identity[following[same]] == identity[same]
    found: IntArray = np.where(same, following, -1)
    return found


def _medians(group: IntArray, values: FloatArray, n: IntArray) -> FloatArray:
    """Return the median of the values (N,) of each group; NaN for one without. `n` is how many each group has."""
    ordered = values[np.lexsort([values, group])]
    end = np.cumsum(n)
    begin, some = end - n, n > 0
    medians = np.full(len(n), np.nan)
    low, high = begin[some] + (n[some] - 1) // 2, begin[some] + n[some] // 2
    medians[some] = 0.5 * (ordered[low] + ordered[high])
    return medians
