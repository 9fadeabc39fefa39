"""What `spoton bench store` measures: rows a second into SQLite and PostgreSQL beside peers, and the share of a core.

All contenders write the same rows into the same kind of table, in turns, so that other load on the machine hits all.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Connection, MetaData, insert

from app.bench.speed import Say, Section, Table
from app.domains.vocabulary import (
    CameraId,
    FloorPoints,
    FloorTracks,
    Sightings,
    TrackingUpdate,
    Tracks,
    TrackState,
)
from app.infrastructure.sql_batch import Batch, Columns
from app.infrastructure.sql_copy import copy_block, insert_columns
from app.infrastructure.sql_database import Database, open_database
from app.infrastructure.sql_join import Batches
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_schema import POINTS
from app.infrastructure.sql_write import Start, begin, write

SCRATCH = POINTS.to_metadata(MetaData(naming_convention=POINTS.metadata.naming_convention), name="bench_points")
PEOPLE, CAMERAS, FPS = 50, 32, 10
WRITES = 10  # batches in a row
BATCH_S = 0.25  # of the load above, as the store writes it: 4,000 rows
T0 = 1_767_261_600.0
OURS, BARE, PEER = "SpotOn", "bare", "SQLAlchemy insert()"
Contender = Callable[[Connection], object]


def measure(quick: bool, address: str | None, say: Say) -> Section:
    """Measure SQLite, and PostgreSQL where an address is given."""
    seconds, rounds = (2.0, 3) if quick else (6.0, 7)
    facts: dict[str, Any] = {}
    tables = []
    with TemporaryDirectory(prefix="spoton-bench-") as folder:
        addresses = {"SQLite": f"sqlite:///{Path(folder) / 'bench.sqlite'}"}
        if address is not None:
            addresses["PostgreSQL"] = address
        for kind, where in addresses.items():
            say(f"{kind}: {rounds} rounds")
            database = open_database(where)
            try:
                rates = _rates(database, rounds)
                facts[kind] = {"rows_per_s": rates, "core": _core(database, kind == "SQLite", seconds)}
            finally:
                database.close()
            tables.append(_table(kind, facts[kind]))
    notes = [
        f"Batches of {PEOPLE * CAMERAS * FPS * BATCH_S:,.0f} boxes, a transaction each, into a table with one index.",
        "bare: the driver alone, with bytes or tuples ready before the clock starts. Medians; contenders take turns.",
        f"core: what {PEOPLE} people in each of {CAMERAS} cameras at {FPS} frames/s take, batches made and written.",
    ]
    if address is None:
        notes.append("PostgreSQL is measured with --database URL; a table bench_points is made there, and removed.")
    return Section(tables, notes, facts)


def _rates(database: Database, rounds: int) -> dict[str, float]:
    """Return rows a second of each contender: the median over rounds."""
    columns = _columns(int(PEOPLE * CAMERAS * FPS * BATCH_S))
    contenders = list(_contenders(columns).items())
    rates: dict[str, list[float]] = {name: [] for name, _ in contenders}
    for turn in range(rounds + 1):  # the first warms up
        first = turn % len(contenders)
        for name, contender in contenders[first:] + contenders[:first]:
            with _scratch(database):
                begun = time.perf_counter()
                for _ in range(WRITES):
                    database.write(contender)
                rates[name].append(WRITES * len(columns["at"]) / (time.perf_counter() - begun))
    return {name: float(np.median(values[1:])) for name, values in rates.items()}


def _contenders(columns: Columns) -> dict[str, Contender]:
    """Return who writes the rows, SpotOn first."""
    names = list(columns)
    ready = list(zip(*(column.tolist() for column in columns.values()), strict=True))
    block = copy_block(SCRATCH, columns)

    def bare(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if raw is None:
            raise ValueError("the connection is closed")
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(names))
            raw.cursor().executemany(f"INSERT INTO bench_points ({', '.join(names)}) VALUES ({marks})", ready)
        else:
            source = io.BytesIO(block)
            raw.run_async(lambda d: d.copy_to_table("bench_points", source=source, columns=names, format="binary"))

    def peer(connection: Connection) -> None:
        connection.execute(insert(SCRATCH), [dict(zip(names, row, strict=True)) for row in ready])

    return {OURS: lambda connection: insert_columns(connection, SCRATCH, columns), BARE: bare, PEER: peer}


@contextmanager
def _scratch(database: Database) -> Iterator[None]:
    database.write(lambda connection: SCRATCH.metadata.create_all(connection))
    try:
        yield
    finally:
        database.write(lambda connection: SCRATCH.metadata.drop_all(connection))


def _core(database: Database, embedded: bool, seconds: float) -> float | None:
    """Return the share of a core that the load takes; only of a database of our own, whose history is nobody's."""
    if not embedded:
        return None
    database.write(upgrade)
    cameras = {CameraId(f"c{i}"): "null" for i in range(CAMERAS)}
    run = database.write(partial(begin, start=Start("bench", T0, cameras)))
    batches = Batches(run.run_id, run.cameras)
    updates = [_update(T0 + i / FPS, list(cameras)) for i in range(int(seconds * FPS))]
    step = max(1, round(BATCH_S * FPS))
    begun = time.thread_time()
    for i in range(0, len(updates), step):
        batch: Batch = batches.join(updates[i : i + step], ())
        database.write(partial(write, batch=batch))
    return (time.thread_time() - begun) / seconds


def _columns(n: int) -> Columns:
    rng = np.random.default_rng(0)
    people = np.arange(n) % PEOPLE + 1
    values = rng.random((9, n)).astype(np.float32)
    floats = dict(
        zip(("x_min", "y_min", "x_max", "y_max", "confidence", "certainty", "x", "y", "sigma"), values, strict=True)
    )
    at = T0 + np.arange(n) // (PEOPLE * CAMERAS) / FPS
    camera = (np.arange(n) // PEOPLE % CAMERAS).astype(np.int32)
    return {"at": at, "run_id": np.ones(n, np.int32), "camera_id": camera, "track": people, "person": people, **floats}


def _update(at: float, cameras: Sequence[CameraId]) -> TrackingUpdate:
    """Return an update in which every camera sees everybody."""
    n = PEOPLE
    people, ones = np.arange(1, n + 1), np.ones(n)
    boxes, looks = np.tile(np.array([10, 20, 50, 120], np.float32), (n, 1)), np.zeros((n, 0), np.float32)
    states, covariance = np.full(n, int(TrackState.CONFIRMED)), np.tile(0.01 * np.eye(2), (n, 1, 1))
    xy = np.stack([people / 2.0, people / 3.0], axis=1)
    sightings = []
    for camera in cameras:
        tracks = Tracks(camera, at, people, states, people - 1, boxes, ones.astype(np.float32), looks, ones)
        floor = FloorPoints(camera, xy, covariance, np.ones(n, np.bool_))
        sightings.append(Sightings(tracks, people, floor, ones))
    dots = FloorTracks(people, xy, np.zeros((n, 2)), covariance, (tuple(cameras),) * n, ones)
    return TrackingUpdate(at, tuple(sightings), dots, ())


def _table(kind: str, facts: dict[str, Any]) -> Table:
    rates, core = facts["rows_per_s"], facts["core"]
    ours = rates[OURS]
    goals = {BARE: (0.8, "of bare"), PEER: (10.0, "times insert()")}
    rows = []
    for name, rate in rates.items():
        goal = ""
        if name == OURS:
            goal = f"300,000: {'met' if rate >= 300_000 else 'missed'}" if kind == "SQLite" else ""
        elif kind == "PostgreSQL":
            least, _ = goals[name]
            goal = f"{least:g}: {'met' if ours / rate >= least else 'missed'}"
        rows.append((name, f"{rate:,.0f}", "" if name == OURS else f"{ours / rate:.2f}", goal))
    if core is not None:
        rows.append(("core", f"{100 * core:.1f} %", "", f"10 %: {'met' if core <= 0.1 else 'missed'}"))
    return Table(kind, ("writer", "rows/s", "SpotOn/this", "goal"), rows)
