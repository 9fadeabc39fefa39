import asyncio
import sqlite3
import time
from contextlib import closing

import numpy as np
import pytest

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
from app.errors import ConfigError, StoreError
from app.infrastructure import sqlite_store
from app.infrastructure.sqlite_store import SQLiteStore

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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.sqlite"


@pytest.fixture
def store(path):
    store = SQLiteStore(path, "shop", T0, keep_s=3600.0)
    yield store
    store.close(3.0)


def written(store, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while store.waiting():
        assert time.monotonic() < end
        time.sleep(0.01)
    return store


def walk(store, person, seconds, begin=0.0, rate=5.0, speed=1.0, camera="a"):
    for i in range(int(seconds * rate) + 1):
        t = begin + i / rate
        store.append(update(T0 + t, {person: (speed * t, 0.0)}, {camera: [person]}))


async def test_a_journey_tells_the_way_and_who_saw_it(store):
    walk(store, 7, 10.0, camera="a")
    walk(store, 7, 5.0, begin=10.2, camera="b")
    journey = await written(store).journey(GlobalId(7), T0)
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
    journey = await written(store).journey(GlobalId(1), T0)
    assert journey.distance_m < 6.0, "60 strides of at most 0.1 m, and not 300 of them"


async def test_a_way_that_nobody_saw_is_not_counted_and_parts_visits(store):
    walk(store, 1, 2.0)
    walk(store, 1, 2.0, begin=60.0)
    journey = await written(store).journey(GlobalId(1), T0)
    assert journey.distance_m == pytest.approx(4.0, abs=0.01)
    assert [(v.begin - T0, v.end - T0) for v in journey.visits] == [(0.0, 2.0), (60.0, 62.0)]


async def test_a_journey_begins_where_it_is_asked_to(store):
    walk(store, 1, 10.0)
    journey = await written(store).journey(GlobalId(1), T0 + 8.0)
    assert journey.time_s[0] == pytest.approx(T0 + 8.0)
    assert journey.first_seen == T0
    assert journey.distance_m == pytest.approx(2.0, abs=0.01)


async def test_of_somebody_who_was_never_there_nothing_is_known(store):
    walk(store, 1, 1.0)
    assert await written(store).journey(GlobalId(2), T0) is None


async def test_journeys_follow_merges_whichever_id_is_asked_for(store):
    walk(store, 1, 2.0, camera="a")
    walk(store, 5, 2.0, begin=3.0, camera="b")
    store.append(update(T0 + 5.2, {1: (5.2, 0.0)}, merges=[(5, 1)]))
    written(store)
    for asked in (1, 5):
        journey = await store.journey(GlobalId(asked), T0)
        assert (journey.person, len(journey.time_s), len(journey.visits)) == (1, 23, 2)
        assert (journey.first_seen, journey.last_seen) == (T0, T0 + 5.2)


async def test_merges_of_merges_end_at_the_one_that_is_left(store):
    for person in (1, 2, 3, 4):
        store.append(update(T0 + person, {person: (0.0, person)}))
    store.append(update(T0 + 5, {1: (0.0, 5.0)}, merges=[(4, 3), (3, 2)]))
    written(store)
    store.append(update(T0 + 6, {1: (0.0, 6.0)}, merges=[(2, 1)]))
    assert len((await written(store).journey(GlobalId(4), T0)).time_s) == 6
    assert (await store.counts(T0 + 6)).last_minute == 1


async def test_one_who_is_merged_into_somebody_without_a_dot_yet_is_kept(store):
    store.append(update(T0, {9: (1.0, 1.0)}))
    store.append(update(T0 + 1, {}, merges=[(9, 2)]))
    assert (await written(store).journey(GlobalId(9), T0)).person == 2


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
        journey = await store.journey(GlobalId(person), T0)
        assert (journey.person, len(journey.time_s), [v.camera_id for v in journey.visits]) == (person, dots, [camera])
        assert (journey.first_seen - T0, journey.last_seen - T0) == pytest.approx((first, last))
    assert (await store.counts(T0 + 62.2)).last_minute == 1
    assert (await store.counts(T0 + 62.2)).last_hour == 2


async def test_a_merge_can_be_taken_back(store):
    walk(store, 1, 2.0, camera="a")
    walk(store, 5, 2.0, begin=1.0, camera="b")
    store.append(update(T0 + 5.0, {}, merges=[(5, 1)]))
    assert len((await written(store).journey(GlobalId(5), T0)).visits) == 2
    back = Split(GlobalId(1), GlobalId(5), -np.inf, np.inf, reported=(GlobalId(5),))
    store.append(update(T0 + 6.0, {}, splits=[back]))
    for person, camera in ((1, "a"), (5, "b")):
        journey = await written(store).journey(GlobalId(person), T0)
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
    journey = await store.journey(GlobalId(6), T0)
    assert (len(journey.time_s), len(journey.visits), journey.distance_m) == (0, 1, 0.0)


async def test_another_start_has_ids_of_its_own_and_keeps_the_old_rows(path):
    first = SQLiteStore(path, "shop", T0, 3600.0)
    walk(first, 1, 1.0)
    assert first.close(3.0)
    second = SQLiteStore(path, "shop", T0 + 10, 3600.0)
    assert await second.journey(GlobalId(1), T0) is None
    second.close(3.0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM dots WHERE run = 1").fetchone() == (6,)


def test_closing_writes_what_waits(path):
    store = SQLiteStore(path, "shop", T0, 3600.0)
    walk(store, 1, 20.0)
    assert store.close(3.0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM dots").fetchone() == (101,)


async def test_people_who_were_not_seen_for_long_are_removed(path):
    store = SQLiteStore(path, "shop", T0, keep_s=100.0)
    walk(store, 1, 1.0)
    walk(store, 2, 400.0, rate=0.1)
    assert store.close(3.0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT DISTINCT person FROM dots").fetchall() == [(2,)]
        assert database.execute("SELECT DISTINCT person FROM boxes").fetchall() == [(2,)]
        assert database.execute("SELECT person FROM spans").fetchall() == [(2,)]


async def test_nothing_is_lost_while_another_program_locks_the_file(path, monkeypatch):
    monkeypatch.setattr(sqlite_store, "RETRY_S", 0.05)
    monkeypatch.setattr(sqlite_store, "FLUSH_S", 0.02)
    store = SQLiteStore(path, "shop", T0, 3600.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    walk(store, 1, 100.0)
    assert time.monotonic() - begun < 0.5, "taking in an update never waits for the file"
    await asyncio.sleep(0.3)
    assert store.waiting() == 501
    other.execute("ROLLBACK")
    other.close()
    assert len((await written(store).journey(GlobalId(1), T0)).time_s) == 501
    assert store.lost == 0
    store.close(3.0)


async def test_what_memory_cannot_hold_is_given_up_oldest_first_and_counted(path, monkeypatch):
    monkeypatch.setattr(sqlite_store, "MEMORY", 10)
    monkeypatch.setattr(sqlite_store, "FLUSH_S", 30.0)
    store = SQLiteStore(path, "shop", T0, 3600.0)
    walk(store, 1, 3.0)
    assert (store.lost, store.waiting()) == (6, 10)
    assert store.close(3.0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT min(at) FROM dots").fetchone() == (T0 + 1.2,)


def test_a_file_that_is_no_database_stops_the_start(path):
    path.write_text("no database" * 100)
    with pytest.raises(ConfigError, match=r"history.sqlite: the history cannot be opened: file is not a database"):
        SQLiteStore(path, "shop", T0, 3600.0)


async def test_a_history_that_cannot_be_read_says_so(store, path):
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE spans")
    with pytest.raises(StoreError, match="no such table: spans"):
        await store.counts(T0)
    with pytest.raises(StoreError, match="no such table: spans"):
        await store.journey(GlobalId(1), T0)


async def test_a_file_of_an_earlier_version_goes_on(path):
    """Merges of earlier versions stand in the table of people."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            "CREATE TABLE people (run INTEGER NOT NULL, person INTEGER NOT NULL, kept INTEGER NOT NULL,"
            " first_seen REAL NOT NULL, last_seen REAL NOT NULL, PRIMARY KEY (run, person)) WITHOUT ROWID;"
            "CREATE TABLE merges (run INTEGER); INSERT INTO people VALUES (0, 3, 2, 10.0, 20.0);"
        )
    store = SQLiteStore(path, "shop", T0, 3600.0)
    store.close(3.0)
    with closing(sqlite3.connect(path)) as database:
        spans = database.execute("SELECT run, person, since, until, identity, last_seen FROM spans").fetchall()
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert spans == [(0, 3, -np.inf, np.inf, 2, 20.0)]
    assert tables == {"runs", "spans", "dots", "boxes"}
