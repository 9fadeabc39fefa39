"""Dots of people who walk on a floor of 10 m x 10 m, and places there: for tests of what is made of the record."""

from collections.abc import Sequence

import numpy as np

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.figures import Ending, Stays
from app.domains.analytics.places import Line, Place, PlaceId, PlaceVersion, Zone
from app.domains.analytics.watched import DotRows
from app.domains.vocabulary import CameraId

BEGUN = 1_700_000_000.0 - 1_700_000_000.0 % 3600.0 + 1790.0  # ten seconds before half past
BOUNDS = (0.0, 0.0, 10.0, 10.0)
LEFT_CAMERA, RIGHT_CAMERA = CameraId("left"), CameraId("right")
BOTH = frozenset({LEFT_CAMERA, RIGHT_CAMERA})


def rectangle(x_min: float, y_min: float, x_max: float, y_max: float) -> np.ndarray:
    """Return its corners, (4, 2)."""
    return np.array([[x_min, y_min], [x_max, y_min], [x_max, y_max], [x_min, y_max]])


FOOTPRINTS = {LEFT_CAMERA: rectangle(0.0, 0.0, 5.0, 10.0), RIGHT_CAMERA: rectangle(5.0, 0.0, 10.0, 10.0)}


def coverage() -> Coverage:
    """Return two cameras that see a half of the floor each."""
    return Coverage((), FOOTPRINTS, BOUNDS)


def zone(name: str, x_min: float, y_min: float, x_max: float, y_max: float, **limits: object) -> Zone:
    """Return a rectangular zone."""
    return Zone(PlaceId(name), name, rectangle(x_min, y_min, x_max, y_max), **limits)


def line(name: str, begin: tuple[float, float], end: tuple[float, float]) -> Line:
    """Return a tripwire."""
    return Line(PlaceId(name), name, np.array([begin, end]))


def drawn(*places: Place, version: int = 1) -> tuple[PlaceVersion, ...]:
    """Return the places as drawn long ago."""
    return tuple(PlaceVersion(place.place_id, version, 0.0, place) for place in places)


def dot_rows(rows: Sequence[tuple[float, int, float, float]], sigma: float = 0.1) -> DotRows:
    """Return dots of (capture time, person, x, y)."""
    at, person, x, y = np.array(rows, np.float64).reshape(-1, 4).T
    return DotRows(at, person.astype(np.int64), x, y, np.full(len(at), sigma), np.full(len(at), 0.9))


def walk(people: int, instants: int, seed: int, period_s: float = 0.2) -> tuple[np.ndarray, DotRows]:
    """Return the instants and the dots of people who wander about, appear, vanish and are missed at times."""
    rng = np.random.default_rng(seed)
    at = BEGUN + period_s * np.arange(instants) + rng.uniform(0, 0.02, instants)
    heading = rng.uniform(0, 2 * np.pi, people) + np.cumsum(rng.normal(0, 0.3, (instants, people)), axis=0)
    step = 1.2 * period_s * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    way = rng.uniform(0, 10, (people, 2)) + np.cumsum(step, axis=0)
    xy = np.abs((way + 10) % 20 - 10) + rng.normal(0, 0.05, way.shape)
    here = rng.random((instants, people)) < 0.9
    for person in range(people):
        for begin in rng.integers(0, instants, 3):
            here[begin : begin + rng.integers(1, 60), person] = False
    rows, columns = np.nonzero(here)
    sigma, certainty = rng.uniform(0.02, 0.4, len(rows)), rng.uniform(0.5, 1, len(rows))
    return at, DotRows(at[rows], columns + 1, *xy[rows, columns].T, sigma, certainty)


def part(dots: DotRows, begin: float, end: float) -> DotRows:
    """Return the dots from one capture time, exclusive, to another, inclusive."""
    rows = slice(*np.searchsorted(dots.at, [begin, end], side="right"))
    return DotRows(*(getattr(dots, name)[rows] for name in ("at", "person", "x", "y", "sigma", "certainty")))


def stays(*rows: tuple[str, int, float, float, str]) -> Stays:
    """Return stays of (place, identity, begin, end, ending)."""
    place, identity, begun, ended, ending = zip(*rows, strict=True) if rows else ((),) * 5
    return Stays(
        tuple(map(PlaceId, place)),
        np.array(identity, np.int64),
        np.array(begun, np.float64),
        np.array(ended, np.float64),
        tuple(map(Ending, ending)),
    )
