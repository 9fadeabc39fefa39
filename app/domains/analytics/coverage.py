"""How much of each place cameras see, while some of them run. Knows no time and nobody.

What a camera sees of the floor is a polygon, its footprint; walls and shelves are not known, so that a place behind one
counts as seen.
"""

from collections.abc import Mapping, Sequence, Set

import numpy as np

from app.domains.analytics.places import FLOOR, Line, Place, PlaceId
from app.domains.analytics.polygon import depths, grid_within
from app.domains.vocabulary import BoolArray, CameraId, FloatArray

POINTS = 1000  # at which a place is looked at: shares are right within about 1 %
FLOOR_POINTS = 4000

Bounds = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max


class Coverage:
    """The share of every place that a set of cameras sees.

    Args:
        places: zones and lines.
        footprints: of each camera (P, 2) metres; P may be 0, for a camera that sees no floor.
        bounds: x_min, y_min, x_max, y_max of the whole floor, in metres.

    Attributes:
        place_ids: P ids, FLOOR and then the places in their order: the columns of what is returned.
    """

    def __init__(self, places: Sequence[Place], footprints: Mapping[CameraId, FloatArray], bounds: Bounds) -> None:
        self.place_ids: tuple[PlaceId, ...] = (FLOOR, *(place.place_id for place in places))
        self._footprints = {camera: np.array(f, np.float64) for camera, f in footprints.items() if len(f) >= 3}
        self._bounds = bounds
        self._seen = [self._look(grid_within(_rectangle(bounds), FLOOR_POINTS)), *map(self._look_at, places)]
        self._shares: dict[Set[CameraId], FloatArray] = {}

    def redrawn(self, places: Sequence[Place]) -> "Coverage":
        """Return the same cameras' coverage of other places."""
        return Coverage(places, self._footprints, self._bounds)

    def share(self, running: Set[CameraId]) -> FloatArray:
        """Return the share of each place that the running cameras see, (P,), in [0, 1]."""
        known = self._shares.get(running)
        if known is None:
            columns = [i for i, camera in enumerate(self._footprints) if camera in running]
            known = np.array([seen[:, columns].any(axis=1).mean() for seen in self._seen])
            self._shares[frozenset(running)] = known
        return known

    def sees(self, camera: CameraId) -> BoolArray:
        """Tell of which places a camera sees anything, (P,)."""
        return self.share(frozenset({camera})) > 0.0

    def _look_at(self, place: Place) -> BoolArray:
        if isinstance(place, Line):
            part = (np.arange(POINTS) + 0.5)[:, None] / POINTS
            return self._look((1.0 - part) * place.ends[0] + part * place.ends[1])
        return self._look(grid_within(place.polygon, POINTS))

    def _look(self, xy: FloatArray) -> BoolArray:
        """Tell for points (G, 2) which cameras see them, (G, C)."""
        seen = [depths(footprint, xy) >= 0.0 for footprint in self._footprints.values()]
        return np.stack(seen, axis=1) if seen else np.zeros((len(xy), 0), np.bool_)


def _rectangle(bounds: Bounds) -> FloatArray:
    x_min, y_min, x_max, y_max = bounds
    return np.array([[x_min, y_min], [x_max, y_min], [x_max, y_max], [x_min, y_max]])
