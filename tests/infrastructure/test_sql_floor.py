"""What the store finds at places, live, and again from what it has written."""

import numpy as np
import pytest
from test_sql_store import QUICK, T0, rows, sightings, written

from app.domains.analytics.places import Line, PlaceId, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.analytics.watched import DotRows
from app.domains.vocabulary import CameraId, FloorTracks, TrackingUpdate
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import check
from app.infrastructure.sql_store import SQLStore
from app.infrastructure.sql_write import Start

BOUNDS = (0.0, 0.0, 10.0, 6.0)
LEFT = np.array([[0.0, 0.0], [6.0, 0.0], [6.0, 6.0], [0.0, 6.0]])
RIGHT = np.array([[4.0, 0.0], [10.0, 0.0], [10.0, 6.0], [4.0, 6.0]])
TILL = Zone(PlaceId("till"), "Till", np.array([[7.0, 1.0], [9.0, 1.0], [9.0, 3.0], [7.0, 3.0]]), capacity=1)
STORE_ROOM = Zone(
    PlaceId("store-room"), "Store room", np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]]), max_dwell_s=4.0
)
DOOR = Line(PlaceId("door"), "Door", np.array([[5.0, 0.0], [5.0, 6.0]]))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """The first watch on a machine compiles for longer than a test waits."""
    watch = FloorWatch((), Coverage((), {}, BOUNDS))
    dots = DotRows(np.array([T0]), np.array([1]), *np.zeros((4, 1)))
    watch.update(np.array([T0]), dots, [frozenset()])
    assert watch.now() == {FLOOR: 1}


def update(at, places, cameras=("a", "b"), corrections=()):
    """Make an update: `places` maps ids to metres, and `cameras` gave a frame each."""
    n = len(places)
    floor = FloorTracks(
        np.array(list(places), np.int64).reshape(n),
        np.array(list(places.values()), np.float64).reshape(n, 2),
        np.zeros((n, 2)),
        np.tile(0.01 * np.eye(2), (n, 1, 1)),
        ((),) * n,
        np.full(n, 0.9),
    )
    return TrackingUpdate(at, tuple(sightings(camera, at, []) for camera in cameras), floor, tuple(corrections))


def floored(address, folder, begun=T0, places=(TILL, STORE_ROOM, DOOR), **more):
    database = open_database(address)
    check(database, "", make=True)
    footprints = {CameraId("a"): LEFT, CameraId("b"): RIGHT}
    start = Start("shop", begun, dict.fromkeys(footprints, "null"), tuple(places), footprints, BOUNDS)
    return SQLStore(database, folder / "spool", start, config=QUICK, **more)


def test_one_who_stands_at_the_till_is_counted_there_by_minute_and_hour(address, tmp_path):
    store = floored(address, tmp_path)
    for i in range(300):
        store.append(update(T0 + i / 5, {1: (8.0, 2.0)}))
    assert written(store).people_now() == {"": 1, "till": 1, "store-room": 0}
    assert store.close(3.0)
    columns = "place, step, observed_s, watched_s, person_s, peak, entered, gone"
    found = rows(address, f"SELECT {columns} FROM occupancy WHERE place IN ('', 'till') ORDER BY place, step")
    for (place, step, observed, watched, person, peak, entered, gone), known in zip(
        found, [("", 60), ("", 3600), ("till", 60), ("till", 3600)], strict=True
    ):
        assert (place, step) == known
        assert (peak, entered, gone) == (1, 1, 0)
        assert [observed, watched, person] == pytest.approx([59.8] * 3, abs=0.01)
