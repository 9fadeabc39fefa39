"""A person as identities know one: where and when seen, how sure, and what may still turn out wrong.

Plain data with the arithmetic of stays. Knows no gallery, and not who else there is.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from app.domains.vocabulary import CameraId, FloatArray, GlobalId, IntArray, VectorArray

TrackKey = tuple[CameraId, int]  # a camera and the id of one of its tracks
Key = int | TrackKey  # or a floor target's id
Stay = tuple[float, float]  # from and to, capture times
OCTAVES = 12  # of seconds of absence: up to an hour
MOST_STAYS = 100  # that are remembered of a person


@dataclass(slots=True, eq=False)
class Whereabouts:
    """Where somebody was last.

    Attributes:
        last_seen: by any camera.
        xy: (2,) metres; None without floor.
        velocity: (2,) metres per second.
        placed_at: when that was known; later only boxes without floor point were seen. -infinity for never.
        at_edge: whether every box of that last sighting was at an edge of its image.
    """

    last_seen: Final[float]
    xy: Final[FloatArray | None] = None
    velocity: Final[FloatArray | None] = None
    placed_at: Final[float] = -np.inf
    at_edge: Final[bool] = False


@dataclass(slots=True)
class Claim:
    """That a newcomer is the identity that was given, for as long as it may be corrected.

    Attributes:
        at: when it was given.
        since: capture time from which on rows belong to it.
        entered_at: (2,) metres, where the newcomer first stood on the floor; None as long as that is nowhere.
        landed_at: when that was; infinity for not yet.
        before: where the identity was before, if somebody remembered; None for a new one.
        beside: whom one camera has seen at one instant with the newcomer since.
        absent: (OCTAVES,) how many people were absent for how long then.
        returned: (OCTAVES,) the probability that it was one of them; None before looks have been weighed.
        review_at: when looks are weighed next.
    """

    at: float
    since: float
    entered_at: FloatArray | None
    landed_at: float
    before: Whereabouts | None = None
    beside: set[GlobalId] = field(default_factory=set)
    absent: FloatArray = field(default_factory=lambda: np.zeros(OCTAVES))
    returned: FloatArray | None = None
    review_at: float = -np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """That the looks of somebody in sight are gathered anew.

    Attributes:
        at: when that began.
        since: capture time from which on rows belong to it.
        where: the person was then.
    """

    at: float
    since: float
    where: Whereabouts


@dataclass(slots=True)
class Person:
    """Where an identity is, and how sure.

    Attributes:
        where: at last.
        cameras: when each camera saw the person last.
        certainty: probability that the identity is right, given whom else the person may be.
        stays: when the person was on the floor, or seen by cameras without one, from and to, in order of time.
        lesson: while looks are gathered anew without a claim.
        vouched: whether somebody who knows has said who this is, of the one who is there; until that one is gone.
    """

    where: Whereabouts
    cameras: dict[CameraId, float] = field(default_factory=dict)
    certainty: float = 1.0
    stays: list[Stay] = field(default_factory=list)
    lesson: Lesson | None = None
    vouched: bool = False

    def is_seen(self, now: float, gap_s: float) -> None:
        """Note that the person is there; a gap that is longer begins another stay."""
        if self.stays and now - self.stays[-1][1] <= gap_s:
            self.stays[-1] = self.stays[-1][0], now
        else:
            self.stays.append((now, now))
            del self.stays[:-MOST_STAYS]

    def seen_s(self) -> float:
        """Return for how many seconds the person was there in all."""
        return sum(end - begin for begin, end in self.stays)

    def goes_on(self, since: float, gap_s: float) -> tuple[list[Stay], float]:
        """Return the stays of one who was there at an instant, and when one began that may be somebody else's.

        Args:
            since: the instant.
            gap_s: who comes back so soon is still the one who was there.
        """
        its, reached = list[Stay](), since
        for begin, end in self.stays:
            if end < since:
                continue
            if begin - reached > gap_s:
                return its, begin
            its.append((begin, end))
            reached = end
        return its, np.inf

    def beside_s(self, other: "Person") -> float:
        """Return for how many seconds both were there at one time."""
        return sum(
            max(min(end, its_end) - max(begin, its_begin), 0.0)
            for begin, end in self.stays
            for its_begin, its_end in other.stays
        )


@dataclass(frozen=True, slots=True, eq=False)
class Newcomer:
    """A target, or a track without floor point, that wants an identity in this step.

    Attributes:
        xy: (2,) metres; None without floor.
        vector: (D,) its look; None for none.
    """

    key: Key
    cameras: tuple[CameraId, ...]
    xy: FloatArray | None
    vector: VectorArray | None
    may_enrol: bool


def octave(away_s: FloatArray) -> IntArray:
    """Return the octave of each absence, (N,)."""
    return np.clip(np.log2(np.maximum(away_s, 1.0)), 0, OCTAVES - 1).astype(np.int64)
