"""Who is there together: people who keep near each other for most of their time. Knows no store.

Near each other are also those who wait in one queue; a group comes together and leaves together. So a pair counts when
it was near for a good share of the time of the one who was there for longer.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from app.domains.vocabulary import FloatArray, GlobalId, IntArray


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Who counts as a group."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    near_m: float = 1.5  # the outer limit of personal distance is 1.2 m (Hall 1966), and dots are not exact
    least_s: float = 60.0
    share: float = 0.5  # of the time of the one who was there for longer

    def __post_init__(self) -> None:
        if not (self.near_m > 0.0 and self.least_s > 0.0 and 0.0 < self.share <= 1.0):
            raise ValueError("near_m and least_s must be positive, share in (0, 1]")


@dataclass(frozen=True, slots=True)
class Group:
    """People who were together.

    Attributes:
        identities: two or more, in order.
        together_s: seconds that two of them were near each other, of the pair that was so for longest.
        since: capture time at which a pair of them was near for the first time.
        until: and for the last.
    """

    identities: tuple[GlobalId, ...]
    together_s: float
    since: float
    until: float


@dataclass(slots=True)
class _Pairs:
    """Seconds that K pairs were near: parallel arrays, by pair."""

    low: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    high: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    seconds: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    first: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    last: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


class Company:
    """Finds groups in dots that are given in order of time, in parts of any size; looks once a second.

    Args:
        config: who counts as a group.
    """

    def __init__(self, config: GroupConfig | None = None) -> None:
        self.config = config or GroupConfig()
        self._pairs = _Pairs()
        self._present: dict[int, int] = {}  # seconds that each identity had a dot in
        self._second = -np.inf  # the last one that was looked at

    def add(self, at: FloatArray, identity: IntArray, xy: FloatArray) -> None:
        """Take in dots: capture times (N,), not decreasing, identities (N,) and metres (N, 2)."""
        second = np.floor(at).astype(np.int64)
        fresh = np.flatnonzero(second > self._second)
        if not len(fresh):
            return
        self._second = second[-1]
        # the first dot of everybody in every second
        order = fresh[np.lexsort([fresh, identity[fresh], second[fresh]])]
        again = (np.diff(second[order]) == 0) & (np.diff(identity[order]) == 0)
        rows = order[np.concatenate([[True], ~again])]
        for person, seconds in zip(*np.unique(identity[rows], return_counts=True), strict=True):
            self._present[int(person)] = self._present.get(int(person), 0) + int(seconds)
        # seconds stand so far apart that nobody is near anybody of another one
        apart = (second[rows] - second[rows[0]]) * (4.0 * self.config.near_m)
        pairs = cKDTree(np.column_stack([xy[rows], apart])).query_pairs(self.config.near_m, output_type="ndarray")
        self._add_pairs(np.sort(identity[rows[pairs]], axis=1), second[rows[pairs[:, 0]]])

    def _add_pairs(self, people: IntArray, second: IntArray) -> None:
        """Add pairs (K, 2), lower identity first, each in one second (K,)."""
        known = self._pairs
        low, high = np.concatenate([known.low, people[:, 0]]), np.concatenate([known.high, people[:, 1]])
        seconds = np.concatenate([known.seconds, np.ones(len(second), np.int64)])
        first, last = np.concatenate([known.first, second]), np.concatenate([known.last, second])
        if not len(low):
            return
        order = np.lexsort([high, low])
        low, high, seconds, first, last = (c[order] for c in (low, high, seconds, first, last))
        begin = np.flatnonzero(np.concatenate([[True], (np.diff(low) != 0) | (np.diff(high) != 0)]))
        self._pairs = _Pairs(
            low[begin],
            high[begin],
            np.add.reduceat(seconds, begin),
            np.minimum.reduceat(first, begin),
            np.maximum.reduceat(last, begin),
        )

    def groups(self) -> tuple[Group, ...]:
        """Return who has been together so far, by begin."""
        pairs = self._pairs
        longer = [max(self._present[a], self._present[b]) for a, b in zip(pairs.low, pairs.high, strict=True)]
        together = (pairs.seconds >= self.config.least_s) & (pairs.seconds >= self.config.share * np.array(longer))
        low, high = pairs.low[together], pairs.high[together]
        people, which = np.unique(np.concatenate([low, high]), return_inverse=True)
        if not len(people):
            return ()
        links = coo_array((np.ones(len(low)), (which[: len(low)], which[len(low) :])), (len(people),) * 2)
        number = connected_components(links, directed=False)[1]
        groups, of_pair = [], number[which[: len(low)]]
        for group in range(number.max() + 1):
            mine = of_pair == group
            seconds, first, last = (c[together][mine] for c in (pairs.seconds, pairs.first, pairs.last))
            members = tuple(GlobalId(int(person)) for person in people[number == group])
            groups.append(Group(members, float(seconds.max()), float(first.min()), float(last.max() + 1)))
        return tuple(sorted(groups, key=lambda group: (group.since, group.identities)))
