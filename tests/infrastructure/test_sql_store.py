import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from app.domains.analytics.figures import Period
from app.domains.vocabulary import (
    CameraId,
    FloorPoints,
    FloorTracks,
    GlobalId,
    Merge,
    Sightings,
    Split,
    TrackingUpdate,
    Tracks,
)
from app.errors import StoreError
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_corrections import take_back
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_retention import Retention
from app.infrastructure.sql_revision import check
from app.infrastructure.sql_schema import DOTS
from app.infrastructure.sql_store import SQLStore, StoreConfig
from app.infrastructure.sql_write import Start
from app.orchestration.journeys import journey_of

T0 = 1_767_261_600.0


def sightings(camera, captured_at, people):
    n, name = len(people), CameraId(camera)
    ids = np.arange(1, n + 1)
    boxes = np.tile(np.array([10.0, 20.0, 50.0, 120.0], np.float32), (n, 1))
    ones = np.ones(n)
    tracks = Tracks(
        name, captured_at, ids, ids * 0 + 1, ids - 1, boxes, ones.astype(np.float32), np.zeros((n, 0), np.float32), ones
    )
    floor = FloorPoints(name, np.zeros((n, 2)), np.zeros((n, 2, 2)), ones.astype(bool))
    return Sightings(tracks, np.array(people, dtype=np.int64), floor, ones)


def update(captured_at, places, cameras=None, merges=(), splits=()):
    """Make an update: `places` maps ids to metres, `cameras` names to the ids that they see."""
    n = len(places)
    floor = FloorTracks(
        np.array(list(places), dtype=np.int64).reshape(n),
        np.array(list(places.values()), dtype=np.float64).reshape(n, 2),
        np.zeros((n, 2)),
        np.zeros((n, 2, 2)),
        ((),) * n,
        np.ones(n),
    )
    seen = tuple(sightings(camera, captured_at, people) for camera, people in (cameras or {}).items())
    return TrackingUpdate(captured_at, seen, floor, (*(Merge(GlobalId(g), GlobalId(k)) for g, k in merges), *splits))


HERE = Path(__file__).resolve().parent
TABLES = ("points", "dots", "spans")
QUICK = StoreConfig(flush_s=0.02, retry_s=0.05, look_s=0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.sqlite"


def opened(address, folder, begun=T0, config=QUICK, make=True, **more):
    database = open_database(address)
    check(database, "spoton db upgrade", make=make)
    start = Start("shop", begun, {CameraId(camera): "null" for camera in ("a", "b")})
    return SQLStore(database, folder / "spool", start, config=config, **more)


@pytest.fixture
def store(address, tmp_path):
    store = opened(address, tmp_path)
    yield store
    store.close(3.0)


def rows(address, question):
    database = open_database(address)

    def asked(connection):
        answer = connection.exec_driver_sql(question)
        return [tuple(row) for row in answer] if answer.returns_rows else []

    try:
        return database.write(asked)
    finally:
        database.close()


def written(store, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while store.waiting():
        assert time.monotonic() < end
        time.sleep(0.01)
    return store


async def told(store, person, since):
    return await journey_of(SQLArchive(store._database, "shop"), person, Period(since, T0 + 86_400.0))


def walk(store, person, seconds, begin=0.0, rate=5.0, speed=1.0, camera="a"):
    for i in range(int(seconds * rate) + 1):
        t = begin + i / rate
        store.append(update(T0 + t, {person: (speed * t, 0.0)}, {camera: [person]}))


async def test_a_journey_tells_the_way_and_who_saw_it(store):
    walk(store, 7, 10.0, camera="a")
    walk(store, 7, 5.0, begin=10.2, camera="b")
    journey = await told(written(store), GlobalId(7), T0)
    assert (journey.person, journey.first_seen, journey.last_seen) == (7, T0, pytest.approx(T0 + 15.2))
    assert len(journey.time_s) == 51 + 26
    assert np.diff(journey.time_s).min() > 0
    assert journey.xy[0].tolist() == [0.0, 0.0]
    assert journey.xy[-1] == pytest.approx([15.2, 0.0])
    assert journey.distance_m == pytest.approx(15.2, abs=0.01)
    assert [(v.camera_id, v.begin - T0, v.end - T0) for v in journey.visits] == [
        ("a", 0.0, pytest.approx(10.0)),
        ("b", pytest.approx(10.2), pytest.approx(15.2)),
    ]


async def test_noise_does_not_walk(store):
    rng = np.random.default_rng(0)
    for i in range(300):
        store.append(update(T0 + i / 5, {1: rng.normal(0.0, 0.05, 2)}))
    journey = await told(written(store), GlobalId(1), T0)
    assert journey.distance_m < 6.0, "60 strides of at most 0.1 m, and not 300 of them"


async def test_a_way_that_nobody_saw_is_not_counted_and_parts_visits(store):
    walk(store, 1, 2.0)
    walk(store, 1, 2.0, begin=60.0)
    journey = await told(written(store), GlobalId(1), T0)
    assert journey.distance_m == pytest.approx(4.0, abs=0.01)
    assert [(v.begin - T0, v.end - T0) for v in journey.visits] == [(0.0, 2.0), (60.0, 62.0)]


async def test_a_journey_begins_where_it_is_asked_to(store):
    walk(store, 1, 10.0)
    journey = await told(written(store), GlobalId(1), T0 + 8.0)
    assert journey.time_s[0] == pytest.approx(T0 + 8.0)
    assert journey.first_seen == T0
    assert journey.distance_m == pytest.approx(2.0, abs=0.01)


async def test_of_somebody_who_was_never_there_nothing_is_known(store):
    walk(store, 1, 1.0)
    assert await told(written(store), GlobalId(2), T0) is None


async def test_journeys_follow_merges_whichever_id_is_asked_for(store):
    walk(store, 1, 2.0, camera="a")
    walk(store, 5, 2.0, begin=3.0, camera="b")
    store.append(update(T0 + 5.2, {1: (5.2, 0.0)}, merges=[(5, 1)]))
    written(store)
    for asked in (1, 5):
        journey = await told(store, GlobalId(asked), T0)
        assert (journey.person, len(journey.time_s), len(journey.visits)) == (1, 23, 2)
        assert (journey.first_seen, journey.last_seen) == (T0, T0 + 5.2)


async def test_merges_of_merges_end_at_the_one_that_is_left(store):
    for person in (1, 2, 3, 4):
        store.append(update(T0 + person, {person: (0.0, person)}))
    store.append(update(T0 + 5, {1: (0.0, 5.0)}, merges=[(4, 3), (3, 2)]))
    written(store)
    store.append(update(T0 + 6, {1: (0.0, 6.0)}, merges=[(2, 1)]))
    assert len((await told(written(store), GlobalId(4), T0)).time_s) == 6
    assert (await store.counts(T0 + 6)).last_minute == 1


async def test_one_who_is_merged_into_somebody_without_a_dot_yet_is_kept(store):
    store.append(update(T0, {9: (1.0, 1.0)}))
    store.append(update(T0 + 1, {}, merges=[(9, 2)]))
    assert (await told(written(store), GlobalId(9), T0)).person == 2


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "when all has been written"])
async def test_a_split_reads_as_if_right_from_the_start(store, at_once):
    """1 leaves at 2 s; from 60 s on somebody else is taken for 1, until 62 s."""
    walk(store, 1, 2.0, camera="a")
    walk(store, 1, 2.0, begin=60.0, camera="b")
    if not at_once:
        written(store)
    apart = Split(GlobalId(1), GlobalId(6), T0 + 60.0, T0 + 62.1)
    store.append(update(T0 + 62.2, {6: (62.2, 0.0)}, {"b": [6]}, splits=[apart]))
    written(store)
    for person, first, last, dots, camera in ((1, 0.0, 2.0, 11, "a"), (6, 60.0, 62.2, 12, "b")):
        journey = await told(store, GlobalId(person), T0)
        assert (journey.person, len(journey.time_s), [v.camera_id for v in journey.visits]) == (person, dots, [camera])
        assert (journey.first_seen - T0, journey.last_seen - T0) == pytest.approx((first, last))
    assert (await store.counts(T0 + 62.2)).last_minute == 1
    assert (await store.counts(T0 + 62.2)).last_hour == 2


async def test_a_merge_can_be_taken_back(store):
    walk(store, 1, 2.0, camera="a")
    walk(store, 5, 2.0, begin=1.0, camera="b")
    store.append(update(T0 + 5.0, {}, merges=[(5, 1)]))
    assert len((await told(written(store), GlobalId(5), T0)).visits) == 2
    back = Split(GlobalId(1), GlobalId(5), -np.inf, np.inf, reported=(GlobalId(5),))
    store.append(update(T0 + 6.0, {}, splits=[back]))
    for person, camera in ((1, "a"), (5, "b")):
        journey = await told(written(store), GlobalId(person), T0)
        assert (journey.person, len(journey.time_s), [v.camera_id for v in journey.visits]) == (person, 11, [camera])


async def test_people_are_counted_once_and_by_when_they_were_seen(store):
    empty = await store.counts(T0)
    assert (empty.last_minute, empty.last_hour, empty.observed_since) == (0, 0, None)
    for person, ago_s in ((1, 3000.0), (2, 800.0), (3, 30.0), (4, 5.0)):
        store.append(update(T0 + 3600.0 - ago_s, {person: (0.0, 0.0)}))
    store.append(update(T0 + 3600.0, {4: (0.0, 0.0)}, merges=[(3, 4)]))
    counts = await written(store).counts(T0 + 3600.0)
    assert (counts.last_minute, counts.last_15_minutes, counts.last_hour) == (1, 2, 3)
    assert counts.observed_since == T0 + 600.0


async def test_one_whom_only_a_camera_sees_counts_and_one_without_identity_does_not(store):
    store.append(update(T0, {}, {"a": [6, -1]}))
    assert (await written(store).counts(T0)).last_minute == 1
    journey = await told(store, GlobalId(6), T0)
    assert (len(journey.time_s), len(journey.visits), journey.distance_m) == (0, 1, 0.0)


def test_another_start_goes_on_behind_the_ids_of_the_one_before_whose_rows_stay(address, tmp_path):
    first = opened(address, tmp_path)
    walk(first, 1, 1.0)
    assert first.close(3.0)
    second = opened(address, tmp_path, begun=T0 + 10)
    assert (first.last_id, second.last_id) == (0, 1)
    assert len(asyncio.run(told(second, GlobalId(1), T0)).time_s) == 6
    assert second.close(3.0)
    assert rows(address, "SELECT run_id, count(*) FROM dots GROUP BY run_id") == [(1, 6)]


def test_points_keep_what_was_measured_and_no_data_is_null(address, tmp_path):
    store = opened(address, tmp_path)
    seen = update(T0, {3: (1.0, 2.0)}, {"a": [3, -1], "b": [-1]})
    covariance = np.tile(np.diag([0.04, 0.09]), (2, 1, 1))
    floor = FloorPoints(CameraId("a"), np.array([[1.5, 2.5], [np.nan] * 2]), covariance, np.array([True, False]))
    a, b = seen.sightings
    b = replace(b, tracks=replace(b.tracks, state=np.array([0])))  # an attempt that has no name is nothing yet
    store.append(replace(seen, sightings=(replace(a, floor=floor), b)))
    assert store.close(3.0)
    columns = "camera_id, track, person, x_min, y_min, x_max, y_max, confidence, certainty, x, y, sigma"
    assert rows(address, f"SELECT {columns} FROM points ORDER BY track") == [
        (1, 1, 3, 10.0, 20.0, 50.0, 120.0, 1.0, 1.0, 1.5, 2.5, pytest.approx(0.3)),
        (1, 2, None, 10.0, 20.0, 50.0, 120.0, 1.0, 1.0, None, None, None),
    ]


def test_instants_are_kept_to_the_microsecond(address, tmp_path):
    store = opened(address, tmp_path)
    instants = [T0 + 0.1, T0 + 0.123457, T0 + 1.999999]
    for at in instants:
        store.append(update(at, {1: (0.0, 0.0)}))
    assert store.close(3.0)
    database = open_database(address)
    kept = database.write(lambda c: c.execute(select(DOTS.c.at).order_by(DOTS.c.at)).scalars().all())
    database.close()
    assert kept == pytest.approx(instants, abs=5e-7, rel=0)


def test_each_class_of_rows_is_removed_when_it_is_old(address, tmp_path):
    store = opened(
        address, tmp_path, config=replace(QUICK, keep=Retention(points_s=100.0, dots_s=300.0, events_s=500.0))
    )
    walk(store, 1, 1.0)
    written(store)
    for gone, begin in (("points", 150.0), ("dots", 350.0), ("spans", 550.0)):
        walk(store, 2, 1.0, begin=begin)
        written(store)
        walk(store, 2, 0.2, begin=begin + 70.0)  # old rows are removed once a minute
        written(store)
        kept = {table: rows(address, f"SELECT count(*) FROM {table} WHERE person = 1")[0][0] for table in TABLES}
        assert kept[gone] == 0
        assert all(kept[table] for table in TABLES[TABLES.index(gone) + 1 :])
    assert rows(address, "SELECT person FROM identities") == [(2,)]
    store.close(3.0)


def test_a_correction_that_is_taken_back_reads_as_if_never_made(address, tmp_path):
    """1 and 5 are taken for one, and then 2 for 1 as well; the first of the two is taken back."""
    store = opened(address, tmp_path)
    for person, begin in ((1, 0.0), (5, 3.0), (2, 6.0)):
        walk(store, person, 2.0, begin=begin)
    store.append(update(T0 + 9.0, {}, merges=[(5, 1)]))
    store.append(update(T0 + 10.0, {}, merges=[(2, 1)]))
    assert len(asyncio.run(told(written(store), GlobalId(1), T0)).time_s) == 33
    taken = partial(take_back, run_id=1, correction_id=1, at=T0 + 11.0)
    database = open_database(address)
    assert database.write(taken)
    assert not database.write(taken), "once is enough"
    database.close()
    for person, dots, first in ((1, 22, T0), (5, 11, T0 + 3.0), (2, 22, T0)):
        journey = asyncio.run(told(store, GlobalId(person), T0))
        assert (len(journey.time_s), journey.first_seen) == (dots, pytest.approx(first))
    assert rows(address, "SELECT count(*) FROM dots") == [(33,)], "no row of the history is rewritten"
    store.close(3.0)


def test_calibrations_are_versioned_and_states_kept_when_they_change(address, tmp_path):
    now, states = T0, {"a": "live", "b": "starting"}

    def asked():
        return now, [(CameraId(name), state, None) for name, state in states.items()]

    for begun in (T0, T0 + 10.0):
        states["b"] = "lost"
        now = begun
        store = opened(address, tmp_path, begun=begun, states=asked)
        for i in range(3):
            time.sleep(0.1)
            now, states["b"] = begun + 1.0 + i, "live"
        assert store.close(3.0)
    assert rows(address, "SELECT camera_id, version, model FROM calibrations") == [(1, 1, "null"), (2, 1, "null")]
    changes = rows(address, "SELECT camera_id, state FROM camera_states ORDER BY at, camera_id")
    assert changes == [(1, "live"), (2, "lost"), (2, "live")] * 2


def test_nothing_is_lost_while_another_program_locks_the_file(tmp_path, path):
    store = opened(f"sqlite:///{path}", tmp_path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    walk(store, 1, 100.0)
    assert time.monotonic() - begun < 0.5, "taking in an update never waits for the file"
    time.sleep(0.3)
    assert store.waiting() == 501
    assert store.lag_s() == pytest.approx(100.0)
    other.execute("ROLLBACK")
    other.close()
    written(store)
    assert rows(f"sqlite:///{path}", "SELECT count(*) FROM dots") == [(501,)]
    assert (store.lost, store.lag_s()) == (0, 0.0)
    store.close(3.0)


def test_a_server_that_stops_in_the_middle_gets_every_row_once_and_in_order(postgres, tmp_path):
    address = postgres.make("outage")
    store = opened(address, tmp_path, config=StoreConfig(flush_s=0.02, retry_s=0.1))
    spool = tmp_path / "spool"
    for part in range(3):
        for i in range(100):
            t = T0 + 100 * part + i
            store.append(update(t, {1: (t - T0, 0.0)}, {"a": [1]}))
            if i == 30:
                postgres.stop() if part == 1 else None
            if i == 80 and part == 1:
                time.sleep(0.6)
                assert list(spool.glob("*/*.spool")), "what the server does not take goes to disk"
                postgres.start()
            time.sleep(0.002)
    written(store, 15.0)
    assert rows(address, "SELECT count(*), count(DISTINCT at) FROM dots") == [(300, 300)]
    assert rows(address, "SELECT count(*), count(DISTINCT at) FROM points") == [(300, 300)]
    assert not list(spool.glob("*/*.spool"))
    assert store.close(3.0)


def test_what_could_not_be_written_is_written_by_the_next_start(postgres, tmp_path):
    address = postgres.make("restart")
    first = opened(address, tmp_path)
    walk(first, 1, 2.0)
    written(first)
    postgres.stop()
    try:
        walk(first, 1, 2.0, begin=3.0)
        assert not first.close(0.5)
    finally:
        postgres.start()
    second = opened(address, tmp_path, begun=T0 + 10.0)
    assert rows(address, "SELECT run_id, count(*) FROM dots GROUP BY run_id") in ([(1, 11)], [(1, 22)])
    written(second, 10.0)
    assert second.close(3.0)
    assert rows(address, "SELECT run_id, count(*) FROM dots GROUP BY run_id") == [(1, 22)]


def test_a_writer_that_is_killed_loses_less_than_a_second_and_corrupts_nothing(tmp_path, path):
    """The writer prints the capture time of each update that it was given; updates come every 10 ms."""
    address = f"sqlite:///{path}"
    opened(address, tmp_path).close(3.0)
    for _ in range(2):
        before = rows(address, "SELECT count(*) FROM dots")[0][0]
        program = subprocess.Popen(
            [sys.executable, "-c", WRITER, address, str(tmp_path), str(HERE), str(HERE.parent)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        given = [float(program.stdout.readline()) for _ in range(150)]
        program.kill()
        given += [float(line) for line in program.stdout if line.endswith("\n")]
        program.wait()
        program.stdout.close()
        store = opened(address, tmp_path)
        written(store)
        store.close(3.0)
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = rows(address, "SELECT max(at) FROM dots")[0][0]
        assert given[-1] - kept < 1.0
        count = rows(address, "SELECT count(*) FROM dots")[0][0] - before
        assert count == pytest.approx((kept - given[0]) / 0.01 + 1, abs=0.5), (
            "none is missing before, none is there twice"
        )


WRITER = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_sql_store import StoreConfig, T0, opened, update
store = opened(sys.argv[1], Path(sys.argv[2]), config=StoreConfig())
begun, i = time.time(), 0
while True:
    t = begun + 0.01 * i
    time.sleep(max(0.0, t - time.time()))
    store.append(update(t, {1: (0.0, 0.0)}))
    print(t, flush=True)
    i += 1
"""


def test_a_file_that_is_no_database_stops_the_start(path, tmp_path):
    path.write_text("no database" * 100)
    with pytest.raises(StoreError, match=r"history.sqlite: file is not a database"):
        opened(f"sqlite:///{path}", tmp_path)


def test_a_history_that_cannot_be_read_says_so(address, tmp_path):
    store = opened(address, tmp_path)
    rows(address, "DROP TABLE spans")
    with pytest.raises(StoreError, match="spans"):
        asyncio.run(store.counts(T0))
    with pytest.raises(StoreError, match="spans"):
        asyncio.run(told(store, GlobalId(1), T0))
    store.close(3.0)


def test_what_the_database_never_takes_is_set_aside_and_the_rest_goes_on(address, tmp_path):
    store = opened(address, tmp_path)
    rows(address, "INSERT INTO identities SELECT 1, 1, begun FROM runs")
    store.append(update(T0, {1: (0.0, 0.0)}))
    end = time.monotonic() + 5.0
    while not list(tmp_path.glob("spool/*/*.refused")):
        assert time.monotonic() < end
        time.sleep(0.02)
    store.append(update(T0 + 1.0, {2: (0.0, 0.0)}))
    assert store.close(3.0)
    assert rows(address, "SELECT person FROM dots") == [(2,)]
