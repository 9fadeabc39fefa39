"""Places on the floor that people draw: zones and tripwires. Knows nobody who walks there."""

from dataclasses import dataclass
from typing import NewType

from app.domains.vocabulary import FloatArray, check_shape

PlaceId = NewType("PlaceId", str)  # a word of a-z, 0-9 and -, unique at a site
FLOOR = PlaceId("")  # the whole watched floor, which is a place that nobody draws


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """An area.

    Attributes:
        name: as users write it.
        polygon: (K, 2) metres, site frame; its edges do not cross.
        capacity: more people than this at once are an event; None without limit.
        max_dwell_s: staying longer is an event; None without limit.
        restricted: whether anybody's entering is an event of its own.
        queue: whether people wait here for their turn.
    """

    place_id: PlaceId
    name: str
    polygon: FloatArray
    capacity: int | None = None
    max_dwell_s: float | None = None
    restricted: bool = False
    queue: bool = False

    def __post_init__(self) -> None:
        check_shape("polygon", self.polygon, (len(self.polygon), 2))


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A tripwire. Seen from its first end towards the second, who crosses from left to right goes in, else out.

    Attributes:
        name: as users write it.
        ends: (2, 2) metres, site frame.
    """

    place_id: PlaceId
    name: str
    ends: FloatArray

    def __post_init__(self) -> None:
        check_shape("ends", self.ends, (2, 2))


Place = Zone | Line


@dataclass(frozen=True, slots=True)
class PlaceVersion:
    """A place as it was drawn from one instant on.

    Attributes:
        version: counts the place's versions from 1.
        since: capture time.
        place: None where it was removed.
    """

    place_id: PlaceId
    version: int
    since: float
    place: Place | None
