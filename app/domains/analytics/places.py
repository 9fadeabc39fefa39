"""Places on the floor that people draw: zones and tripwires. Knows nobody who walks there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

import numpy as np

from app.domains.vocabulary import BoolArray, FloatArray, check_shape

PlaceId = NewType("PlaceId", str)  # a word of a-z, 0-9 and -, unique at a site
FLOOR = PlaceId("")  # the whole watched floor, which is a place that nobody draws

MAX_CORNERS = 200
MIN_AREA_M2 = 0.05  # of a zone; a person stands on more
MIN_LINE_M = 0.1
MAX_REACH_M = 8000.0  # from the site's origin: as far as the cells of heat maps go


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


def areas_at(versions: Sequence[PlaceVersion], at: FloatArray) -> FloatArray:
    """Return the area of a zone as it was last drawn before some instants.

    Args:
        versions: of one zone, in order.
        at: (N,) capture times.

    Returns:
        (N,) square metres; NaN before it was first drawn, and of a line.
    """
    drawn = [version for version in versions if isinstance(version.place, Zone)]
    areas = [np.nan, *(area_m2(version.place.polygon) for version in drawn if isinstance(version.place, Zone))]
    found: FloatArray = np.array(areas)[np.searchsorted([version.since for version in drawn], at)]
    return found


def check_place(place: Place) -> None:
    """Raise ValueError, with the field's name first, for a place that nobody could have meant."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", place.place_id) or len(place.place_id) > 64:
        raise ValueError("place_id: must be a word of a-z, 0-9 and -, of at most 64 characters")
    if not place.name.strip() or len(place.name) > 200 or not place.name.isprintable():
        raise ValueError("name: must have 1 to 200 printable characters")
    if isinstance(place, Line):
        _check_points("ends", place.ends)
        if np.linalg.norm(place.ends[1] - place.ends[0]) < MIN_LINE_M:
            raise ValueError(f"ends: must be at least {MIN_LINE_M:g} m apart")
        return
    _check_polygon(place.polygon)
    if place.capacity is not None and place.capacity < 1:
        raise ValueError("capacity: must be at least 1; leave it out for a zone without limit")
    if place.max_dwell_s is not None and not 0.0 < place.max_dwell_s < np.inf:
        raise ValueError("max_dwell_s: must be above 0 and finite; leave it out for a zone without limit")


def _check_points(field: str, points: FloatArray) -> None:
    if not np.isfinite(points).all():
        raise ValueError(f"{field}: every coordinate must be a finite number")
    if np.abs(points).max(initial=0.0) > MAX_REACH_M:
        raise ValueError(f"{field}: must be within {MAX_REACH_M:g} m of the site's origin")


def _check_polygon(polygon: FloatArray) -> None:
    if not 3 <= len(polygon) <= MAX_CORNERS:
        raise ValueError(f"polygon: has {len(polygon)} corners, expected 3 to {MAX_CORNERS}")
    _check_points("polygon", polygon)
    following = np.roll(polygon, -1, axis=0)
    if not (np.abs(following - polygon) > 1e-9).any(axis=1).all():
        raise ValueError("polygon: has a corner twice in a row; leave one of them out, and the last if it is the first")
    crossing = np.argwhere(_meet(polygon, following))
    if len(crossing):
        first, second = sorted(crossing[0] + 1)
        raise ValueError(f"polygon: the edges from corner {first} and from corner {second} cross or touch")
    area = area_m2(polygon)
    if area < MIN_AREA_M2:
        raise ValueError(f"polygon: has an area of {area:.3g} m2, expected at least {MIN_AREA_M2:g}")


def area_m2(polygon: FloatArray) -> float:
    """Return the area of a polygon, (K, 2) metres, whose edges do not cross: people by it are a density."""
    x, y = (polygon - polygon[0]).T  # near the origin, so that little is lost; shoelace formula
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _meet(begin: FloatArray, end: FloatArray) -> BoolArray:
    """Tell which edges of a polygon cross or touch, (K, K), other than neighbours in their common corner."""
    along = end - begin

    def side(point: FloatArray) -> FloatArray:
        """Return on which side of each edge (rows) each point (columns) is, (K, K): -1, 0 or 1."""
        sides: FloatArray = np.sign(_cross(along[:, None], point[None] - begin[:, None]))
        return sides

    low, high = np.minimum(begin, end), np.maximum(begin, end)
    near = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(axis=2)
    beside = side(begin) * side(end) > 0  # both ends of an edge on the same side of another one
    meet: BoolArray = near & ~beside & ~beside.T
    edge = np.arange(len(begin))
    following, ahead = np.roll(edge, -1), np.roll(along, -1, axis=0)
    meet[edge, edge] = False
    meet[edge, following] = meet[following, edge] = (_cross(along, ahead) == 0.0) & ((along * ahead).sum(axis=1) < 0.0)
    return meet


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    turned: FloatArray = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return turned
