"""What FloorWatch is told and what it tells, as parallel arrays. Knows no place's shape and keeps nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domains.analytics.figures import Ending, Event
from app.domains.analytics.heat import CellArray
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import FloatArray, IntArray, check_shape


@dataclass(frozen=True, slots=True, eq=False)
class DotRows:
    """Dots of the record, under the ids that were reported: parallel arrays of length N, by time.

    Attributes:
        at: (N,) capture times, not decreasing.
        person: (N,) int64, the reported ids.
        x: (N,) metres; so y.
        sigma: (N,) metres.
        certainty: (N,) probability that the id is right.
    """

    at: FloatArray
    person: IntArray
    x: FloatArray
    y: FloatArray
    sigma: NDArray[np.floating[Any]]
    certainty: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        for name in ("person", "x", "y", "sigma", "certainty"):
            check_shape(name, getattr(self, name), (len(self),))

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True, eq=False)
class StayRows:
    """Stays that began, went on or ended: parallel arrays of length N; place, person and begin tell which it is.

    Attributes:
        place: N place ids, FLOOR among them.
        place_version: (N,) int64 that was in force; 0 of the whole floor.
        person: (N,) int64, the reported id.
        begun: (N,) capture times.
        ended: (N,) capture times, of those that go on of the last dot.
        ending: N.
    """

    place: tuple[PlaceId, ...]
    place_version: IntArray
    person: IntArray
    begun: FloatArray
    ended: FloatArray
    ending: tuple[Ending, ...]

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True, eq=False)
class OccupancyRows:
    """What is to be added to the sums of minutes: parallel arrays of length N, each place and minute once.

    Attributes:
        place: N place ids, FLOOR among them.
        minute: (N,) capture times at which the minutes begin.
        observed_s: (N,) seconds times the share of the area that running cameras saw; of a line, of its length.
        watched_s: (N,) seconds in which a running camera saw any of it.
        person_s: (N,) seconds that people were there, added up; 0 of lines, as are the next three.
        distance_m: (N,) that they walked.
        sigma_s: (N,) standard deviation of their dots, in metres, times seconds.
        certainty_s: (N,) certainty of their ids times seconds.
        peak: (N,) int64, most people seen at once; the larger one counts.
        entered: (N,) int64; of a line, crossings inwards.
        gone: (N,) int64, those who left and those who were lost; of a line, crossings outwards.
    """

    place: tuple[PlaceId, ...]
    minute: FloatArray
    observed_s: FloatArray
    watched_s: FloatArray
    person_s: FloatArray
    distance_m: FloatArray
    sigma_s: FloatArray
    certainty_s: FloatArray
    peak: IntArray
    entered: IntArray
    gone: IntArray

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(frozen=True, slots=True, eq=False)
class HeatRows:
    """Seconds to be added to cells of minutes: parallel arrays of length N, each minute and cell once, in order.

    Attributes:
        minute: (N,) capture times at which the minutes begin.
        cell: (N,) int32, see heat.py.
        seconds: (N,) person-seconds.
    """

    minute: FloatArray
    cell: CellArray
    seconds: FloatArray

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What a few updates amount to.

    Attributes:
        events: in the order in which they were found, without an id.
    """

    events: tuple[Event, ...]
    stays: StayRows
    occupancy: OccupancyRows
    heat: HeatRows


def no_occupancy() -> OccupancyRows:
    """Return nothing to be added."""
    none, no = np.zeros(0), np.zeros(0, np.int64)
    return OccupancyRows((), none, none, none, none, none, none, none, no, no, no)


def no_heat() -> HeatRows:
    """Return nothing to be added."""
    return HeatRows(np.zeros(0), np.zeros(0, np.int32), np.zeros(0))
