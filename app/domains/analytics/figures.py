"""The figures of the history, and how far each can be trusted. Knows no database and no route.

Figures over time that nobody observed are NaN, or None for a single one, and never zero.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import CameraId, FloatArray, GlobalId, IntArray


@dataclass(frozen=True, slots=True)
class Period:
    """From one capture time, inclusive, to another, exclusive; seconds since epoch."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Quality:
    """How far a figure can be trusted.

    Attributes:
        observed: share of the period and of the area that a running camera saw, in [0, 1].
        cameras_out: seconds of the period for which each camera gave nothing; only those above 0.
        sigma_m: metres, mean standard deviation of the places that it was made from; None without any.
        certainty: mean probability that the ids were right; None without any.
        watched_s: seconds of the period in which a running camera saw some of the area.
    """

    observed: float
    cameras_out: tuple[tuple[CameraId, float], ...]
    sigma_m: float | None
    certainty: float | None
    watched_s: float


@dataclass(frozen=True, slots=True, eq=False)
class OccupancySeries:
    """How many people were at a place, in buckets of equal length: parallel arrays of length B.

    Attributes:
        at: (B,) capture times at which the buckets begin.
        bucket_s: seconds.
        mean: (B,) people, over the time that was observed; NaN where nothing was, and of a line, at which nobody is.
        peak: (B,) people at once; NaN as above.
        entered: (B,) times that somebody came in; of a line, crossings inwards; NaN as above.
        left: (B,) times that somebody went out; of a line, crossings outwards; NaN as above.
        speed: (B,) metres per second, mean of everybody there; NaN where nobody was.
        observed: (B,) share of bucket and area, in [0, 1].
        quality: of the whole.
    """

    at: FloatArray
    bucket_s: float
    mean: FloatArray
    peak: FloatArray
    entered: FloatArray
    left: FloatArray
    speed: FloatArray
    observed: FloatArray
    quality: Quality

    def __len__(self) -> int:
        return len(self.at)


class Ending(StrEnum):
    """How a stay ended."""

    HERE = "here"  # it has not
    LEFT = "left"
    LOST = "lost"  # the person was not seen any more


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Who was at which place from when to when, corrections followed: parallel arrays of length N, by begin.

    Stays of several ids that were one person, without a gap worth the name between them, are one stay.

    Attributes:
        place: N place ids.
        identity: (N,) int64, who it has turned out to be; unique over all runs of a site.
        begun: (N,) capture times.
        ended: (N,) capture times; of those that go on, of the last sight.
        ending: N.
    """

    place: tuple[PlaceId, ...]
    identity: IntArray
    begun: FloatArray
    ended: FloatArray
    ending: tuple[Ending, ...]

    def __len__(self) -> int:
        return len(self.identity)

    def passages(self, period: Period) -> tuple[int, int]:
        """Return how many stays begin, and how many end, within a period.

        Whoever was lost from sight is gone, as in events and roll-ups; from the whole floor nobody goes in another way.
        """
        gone = np.array([ending is not Ending.HERE for ending in self.ending], np.bool_)
        began = (self.begun >= period.since) & (self.begun < period.until)
        ended = (self.ended >= period.since) & (self.ended < period.until) & gone
        return int(began.sum()), int(ended.sum())


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Where people were.

    Attributes:
        origin: x and y in metres of the corner of cell [0, 0] with the smallest x and y.
        cell_m: metres, side of a cell.
        seconds: (H, W) person-seconds in each cell; rows go up with y, columns with x. (0, 0) when nobody was there.
        quality: of the whole.
    """

    origin: tuple[float, float]
    cell_m: float
    seconds: FloatArray
    quality: Quality


class EventKind(StrEnum):
    """What happens at places."""

    ENTER = "enter"
    EXIT = "exit"
    CROSS = "cross"
    DWELL = "dwell_exceeded"
    CAPACITY = "over_capacity"
    CALM = "capacity_restored"
    RESTRICTED = "restricted"
    SILENT = "fall_silent"  # a camera that sees the place is lost
    HEARD = "heard_again"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at a place.

    Attributes:
        event_id: of the database, increasing with the order in which events were found; 0 before it has one.
        at: capture time.
        place_version: that was in force.
        identity: who, corrections followed; None where nobody in particular.
        inwards: of a crossing.
        dwell_s: of an exit or a dwell that was exceeded.
        people: of a capacity: how many were there.
        camera_id: of a camera that fell silent.
    """

    event_id: int
    at: float
    place_id: PlaceId
    place_version: int
    kind: EventKind
    identity: GlobalId | None = None
    inwards: bool | None = None
    dwell_s: float | None = None
    people: int | None = None
    camera_id: CameraId | None = None
