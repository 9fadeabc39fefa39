"""What the store finds at places, live, and again from what it has written."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select
from test_sql_store import QUICK, T0, sightings, written

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.figures import Period
from app.domains.analytics.heat import cell_of
from app.domains.analytics.places import FLOOR, Line, PlaceId, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.analytics.watched import DotRows
from app.domains.vocabulary import CameraId, FloorTracks, GlobalId, Merge, Split, TrackingUpdate
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_join import rows_of
from app.infrastructure.sql_places import draw, in_force, read_places
from app.infrastructure.sql_replay import in_force_at, read_camera_turns, read_coverage, read_piece, read_runs, redraws
from app.infrastructure.sql_revision import check
from app.infrastructure.sql_schema import CAMERA_LOAD, CAMERAS, DOTS, EVENTS, FOOTAGE, HEAT_CELLS, OCCUPANCY, STAYS
from app.infrastructure.sql_store import SQLStore
from app.infrastructure.sql_write import Start
from app.orchestration.floor_record import FloorRecord, Found

BOUNDS = (0.0, 0.0, 10.0, 6.0)
FOOTPRINTS = {
    CameraId("a"): np.array([[0.0, 0.0], [6.0, 0.0], [6.0, 6.0], [0.0, 6.0]]),
    CameraId("b"): np.array([[4.0, 0.0], [10.0, 0.0], [10.0, 6.0], [4.0, 6.0]]),
}
TILL = Zone(PlaceId("till"), "Till", np.array([[7.0, 1.0], [9.0, 1.0], [9.0, 3.0], [7.0, 3.0]]), capacity=1)
ROOM = Zone(PlaceId("room"), "Room", np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]]), max_dwell_s=1.0)
WIDER = Zone(PlaceId("room"), "Room", np.array([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0], [1.0, 5.0]]), restricted=True)
DOOR = Line(PlaceId("door"), "Door", np.array([[5.0, 0.0], [5.0, 6.0]]))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """The first watch on a machine compiles for longer than a test waits."""
    watch = FloorWatch((), Coverage((), {}, BOUNDS))
    watch.update(np.array([T0]), DotRows(np.array([T0]), np.array([1]), *np.zeros((4, 1))), [frozenset()])
    assert watch.now() == {FLOOR: 1}


def update(at, places, cameras=("a", "b"), corrections=(), sigma=0.1):
    """Make an update: `places` maps ids to metres, and `cameras` gave a frame each."""
    n = len(places)
    floor = FloorTracks(
        np.array(list(places), np.int64).reshape(n),
        np.array(list(places.values()), np.float64).reshape(n, 2),
        np.zeros((n, 2)),
        np.tile(sigma**2 * np.eye(2), (n, 1, 1)),
        ((),) * n,
        np.full(n, 0.9),
    )
    return TrackingUpdate(at, tuple(sightings(camera, at, []) for camera in cameras), floor, tuple(corrections))


def floored(address, folder, begun=T0, places=(TILL, ROOM, DOOR), **more):
    database = open_database(address)
    check(database, "", make=True)
    start = Start("shop", begun, dict.fromkeys(FOOTPRINTS, "null"), tuple(places), FOOTPRINTS, BOUNDS)
    return SQLStore(database, folder / "spool", start, config=QUICK, **more)


@pytest.fixture
def ask(address):
    """Asks what the database holds."""
    database = open_database(address)
    yield database.write
    database.close()


def test_one_who_stands_at_the_till_is_counted_there_by_minute_and_hour(address, tmp_path, ask):
    store = floored(address, tmp_path)
    for i in range(600):
        store.append(update(T0 + i / 5, {1: (8.0, 2.0)}))
    there = written(store).people_now()
    assert {place: people.tolist() for place, people in there.items()} == {"": [1], "till": [1], "room": []}
    assert store.close(3.0)
    found = ask(lambda c: c.execute(select(OCCUPANCY).where(OCCUPANCY.c.place == "till").order_by("step", "at")).all())
    longer = [(step, T0 // step * step - T0) for step in (900, 3600)]
    assert [(row.step, row.at - T0) for row in found] == [(60, 0.0), (60, 60.0), *longer]
    for row, seconds in zip(found, (60.0, 59.8, 119.8, 119.8), strict=True):
        assert (row.observed_s, row.watched_s, row.person_s) == pytest.approx((seconds,) * 3)
        assert row.certainty_s == pytest.approx(0.9 * seconds)
    assert [(row.peak, row.entered, row.gone) for row in found] == [(1, 1, 0), (1, 0, 0), (1, 1, 0), (1, 1, 0)]
    stays = ask(lambda c: c.execute(select(STAYS).order_by("place")).all())
    assert [(row.place, row.person, row.begun - T0, row.ending) for row in stays] == [
        ("", 1, 0.0, "lost"),
        ("till", 1, 0.0, "lost"),
    ]
    assert [row.ended - T0 for row in stays] == pytest.approx([119.8] * 2)
    load = ask(lambda c: c.execute(select(CAMERA_LOAD).order_by("camera_id", "step", "at")).all())
    frames = [(row.step, row.frames, row.boxes) for row in load]
    assert frames == [(60, 300, 0), (60, 300, 0), (3600, 600, 0)] * 2
    footage = ask(lambda c: c.execute(select(FOOTAGE)).all())
    assert [row.ended - row.begun for row in footage] == pytest.approx([119.8] * 2)
    heat = ask(lambda c: c.execute(select(HEAT_CELLS)).all())
    assert {row.cell for row in heat} == set(cell_of(np.array([[8.0, 2.0]])).tolist())
    assert sum(row.seconds for row in heat) == pytest.approx(119.8)


def wander(store, seed, seconds=90.0, people=6, begun=T0, first_id=1):
    """Let people wander about, vanish, and be taken for each other, while a camera fails and a place is redrawn."""
    rng = np.random.default_rng(seed)
    xy, way = rng.uniform(0, (10, 6), (people, 2)), rng.normal(0, 1, (people, 2))
    hidden = np.zeros(people)
    apart = first_id + 100
    for i in range(int(seconds * 5)):
        at = begun + i / 5 + rng.uniform(0, 0.05)
        way += rng.normal(0, 0.3, way.shape)
        xy = np.clip(xy + way / 5, 0, (10, 6))
        way[(xy <= 0) | (xy >= (10, 6))] *= -1
        hidden = np.where(rng.random(people) < 0.01, rng.uniform(0, 6), hidden) - 0.2
        there = np.flatnonzero(hidden < 0)
        corrections = []
        if i % 120 == 60:
            gone, kept = (GlobalId(int(p) + first_id) for p in rng.permutation(people)[:2])
            corrections = [Merge(gone, kept, 0.8), Split(kept, GlobalId(apart), at - 3.0, at + 0.1)]
            apart += 1
        cameras = ("a",) if 30 < i / 5 < 37 else ("a", "b")
        places = {int(p) + first_id: tuple(xy[p]) for p in there}
        store.append(update(at, places, cameras, corrections, sigma=rng.uniform(0.05, 0.3)))


def watched_again(connection):
    """Watch every run of the only site once more, as the database has it; return what is found by run."""
    found = {}
    for run in read_runs(connection, 1):
        versions = read_places(connection, 1)
        watch = FloorWatch(in_force_at(versions, run.begun), read_coverage(connection, run))
        record, total = FloorRecord(watch), Found()
        turns = read_camera_turns(connection, run, run.begun, np.inf)
        for turn in [*turns, *redraws(versions, np.nextafter(run.begun, np.inf), np.inf)]:
            record.tell(turn)
        for since in np.arange(run.first, run.last + 1.0, 17.0):
            total.join(record.advance(read_piece(connection, run, since, since + 17.0)))
        total.join(record.close(run.last))
        found[run.run_id] = total
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_watched_again_is_what_was_seen_live(address, tmp_path, ask, seed):
    states = {"a": "live", "b": "live"}
    now = T0
    store = floored(address, tmp_path, states=lambda: (now, [(CameraId(c), s, None) for c, s in states.items()]))
    at = T0 + 40.0
    ask(lambda connection: draw(connection, 1, WIDER, at))
    store.redraw(in_force(ask(lambda connection: read_places(connection, 1))), at)
    wander(store, seed)
    written(store)
    now, states["b"] = T0 + 80.0, "lost"
    assert store.close(5.0)
    (found,) = ask(watched_again).values()
    agrees(ask, found)
    events = ask(lambda c: c.execute(select(EVENTS)).all())
    assert {"enter", "exit", "cross", "over_capacity", "dwell_exceeded", "restricted"} <= {row.kind for row in events}
    assert {row.place_version for row in events if row.place == "room"} == {1, 2}


def agrees(ask, found, *, killed=False):
    """Compare what was written live with what is found again; sums only up to the order in which they were added.

    Of a run that was killed, those who were there then may have stayed for a second longer than was written.
    """
    again = rows_of(found.watched)
    names = {None: None, **dict(ask(lambda c: c.execute(select(CAMERAS.c.id, CAMERAS.c.name)).all()))}
    told = "at", "place_version", "inwards", "dwell_s", "people"
    live = [
        (*(getattr(e, name) for name in told), e.place, e.kind, e.person, names[e.camera_id])
        for e in ask(lambda c: c.execute(select(EVENTS)).all())
    ]
    seen = [
        (*(getattr(e, name) for name in told), e.place_id, str(e.kind), e.identity, e.camera_id) for e in found.events
    ]
    assert sorted(map(repr, live)) == sorted(map(repr, seen))
    if not killed:
        assert written_rows(ask, STAYS, again["stays"]) == sorted_rows(again["stays"])
    for table, columns, keys in ((OCCUPANCY, again["occupancy"], 2), (HEAT_CELLS, again["heat"], 2)):
        live, seen = written_rows(ask, table, columns), sorted_rows(columns)
        assert [row[:keys] for row in live] == [row[:keys] for row in seen]
        np.testing.assert_allclose([row[keys:] for row in live], [row[keys:] for row in seen], rtol=1e-5, atol=1e-5)


def written_rows(ask, table, columns):
    query = select(*(table.c[name] for name in columns))
    query = query.where(table.c.step == 60) if "step" in table.c else query
    return sorted(tuple(row) for row in ask(lambda c: c.execute(query).all()))


def sorted_rows(columns):
    return sorted(zip(*(column.tolist() for column in columns.values()), strict=True))


def test_sums_of_a_run_that_was_killed_say_what_its_dots_say(tmp_path):
    """Two people walk to and fro; the program is killed in the middle of writing, and the next start takes over."""
    address = f"sqlite:///{tmp_path / 'history.sqlite'}"
    assert floored(address, tmp_path).close(3.0)
    here = Path(__file__).resolve().parent
    program = subprocess.Popen(
        [sys.executable, "-c", WRITER, address, str(tmp_path), str(here), str(here.parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    given = [float(program.stdout.readline()) for _ in range(250)]
    program.kill()
    given += [float(line) for line in program.stdout if line.endswith("\n")]
    program.wait()
    program.stdout.close()
    after = floored(address, tmp_path, begun=given[-1] + 1.0)
    assert after.last_id == 2
    after.append(update(given[-1] + 2.0, {}))
    written(after)
    assert after.close(3.0)
    database = open_database(address)
    found = database.write(watched_again)
    killed = found.pop(2)
    kept = database.write(lambda c: c.execute(select(func.max(DOTS.c.at))).scalar())
    assert given[-1] - kept < 1.0
    assert len(killed.events) > 5
    agrees(database.write, merged(killed, *found.values()), killed=True)
    stays = written_rows(database.write, STAYS, again := rows_of(killed.watched)["stays"])
    assert [row[:3] for row in stays] == [row[:3] for row in sorted_rows(again)]
    assert {row[5] for row in stays} <= {"left", "lost"}
    assert max(abs(a[3] - b[3]) for a, b in zip(stays, sorted_rows(again), strict=True)) < 1.5
    database.close()


def merged(*found):
    total = Found()
    for part in found:
        total.join(part)
    return total


WRITER = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_sql_floor import floored, update
store = floored(sys.argv[1], Path(sys.argv[2]), begun=(begun := time.time()))
i = 0
while True:
    t = begun + 0.01 * i
    time.sleep(max(0.0, t - time.time()))
    x = abs((i / 20) % 18 - 9) + 0.5
    store.append(update(t, {1: (x, 2.0), 2: (10.0 - x, 2.0)}))
    print(t, flush=True)
    i += 1
"""


def test_leaving_people_out_says_what_would_have_been_written_without_them(address, tmp_path):
    staff, other = (2, 5), f"sqlite:///{tmp_path / 'other.sqlite'}"
    databases = [open_database(where) for where in (address, other)]
    archive, without_them = (SQLArchive(database, "shop") for database in databases)
    for where, hidden in ((address, ()), (other, staff)):
        store = floored(where, tmp_path / f"{len(hidden)}", places=(TILL, ROOM))
        rng = np.random.default_rng(7)
        xy, way = rng.uniform(0, (10, 6), (6, 2)), rng.normal(0, 1, (6, 2))
        for i in range(700):
            way += rng.normal(0, 0.3, way.shape)
            xy = np.clip(xy + way / 5, 0, (10, 6))
            way[(xy <= 0) | (xy >= (10, 6))] *= -1
            store.append(update(T0 + i / 5, {p + 1: tuple(xy[p]) for p in range(6) if p + 1 not in hidden}))
        assert store.close(5.0)
    for person in staff:
        asyncio.run(archive.tag(GlobalId(person), ["staff"]))
    period, tags = Period(T0, T0 + 180.0), ["staff"]
    for place in (FLOOR, TILL.place_id, ROOM.place_id):
        found = asyncio.run(archive.occupancy(place, period, 60.0, tags))
        expected = asyncio.run(without_them.occupancy(place, period, 60.0))
        np.testing.assert_allclose(found.mean, expected.mean, atol=0.03)
        for name in ("peak", "entered", "observed"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), f"{name} at {place}")
        assert found.left[:2].tolist() == expected.left[:2].tolist(), "in the third, the program ended with some inside"
        assert np.isnan(found.speed).all()
        everybody = asyncio.run(archive.occupancy(place, period, 60.0))
        assert np.nansum(everybody.mean) > np.nansum(found.mean) > 0.0
        board, alone = (asyncio.run(a.dashboard(place, period, t)) for a, t in ((archive, tags), (without_them, ())))
        assert (board.peak, board.visitors, board.entered) == (alone.peak, alone.visitors, alone.entered)
    found, expected = asyncio.run(archive.heat(period, 0.5, None, tags)), asyncio.run(without_them.heat(period, 0.5))
    assert expected.seconds.sum() == pytest.approx(4 * 139.8)
    assert found.seconds.sum() == pytest.approx(expected.seconds.sum(), abs=1e-6)
    corner = tuple(round((e - f) / 0.5) for e, f in zip(expected.origin, found.origin, strict=True))
    height, width = expected.seconds.shape
    same = found.seconds[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
    np.testing.assert_allclose(same, expected.seconds, atol=1e-6)
    for database in databases:
        database.close()
