"""What `spoton bench store` measures: rows a second into SQLite and PostgreSQL beside peers, and the share of a core.

All contenders write the same rows into the same kind of table, in turns, so that other load on the machine hits all.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Connection, MetaData, insert

from app.bench.speed import Say, Section, Table
from app.bench.store_load import BATCH_S, CAMERAS, FPS, PEOPLE, T0, ZONES, share_of_core
from app.infrastructure.sql_batch import Columns
from app.infrastructure.sql_copy import copy_block, insert_columns
from app.infrastructure.sql_database import Database, open_database
from app.infrastructure.sql_days import make_days
from app.infrastructure.sql_schema import POINTS

SCRATCH = POINTS.to_metadata(MetaData(naming_convention=POINTS.metadata.naming_convention), name="bench_points")
WRITES = 10  # batches in a row
OURS, BARE, PEER = "SpotOn", "bare", "SQLAlchemy insert()"
Contender = Callable[[int, Connection], object]  # writes the batch of that number


def measure(quick: bool, address: str | None, say: Say) -> Section:
    """Measure SQLite, and PostgreSQL where an address is given."""
    seconds, rounds = (2.0, 3) if quick else (6.0, 12)
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
                facts[kind] = {
                    "rows_per_s": rates,
                    "core": share_of_core(database, seconds) if kind == "SQLite" else {},
                }
            finally:
                database.close()
            tables.append(_table(kind, facts[kind]))
    notes = [
        f"Batches of {PEOPLE * CAMERAS * FPS * BATCH_S:,.0f} boxes, a transaction each, into a table with one index.",
        "Each is later than the one before. SpotOn and insert() begin with arrays, insert() makes dicts of them; bare:",
        "the driver alone, with bytes or tuples ready before the clock starts. Medians; contenders take turns.",
        f"core: what {PEOPLE} people in each of {CAMERAS} cameras at {FPS} frames/s take, batches made and written;",
        f"with {ZONES} zones also stays, events and sums: people walk through all of them.",
    ]
    if address is None:
        notes.append("PostgreSQL is measured with --database URL; a table bench_points is made there, and removed.")
    return Section(tables, notes, facts)


def _rates(database: Database, rounds: int) -> dict[str, float]:
    """Return rows a second of each contender: the median over rounds."""
    rows = int(PEOPLE * CAMERAS * FPS * BATCH_S)
    batches = [_columns(rows, number * rows) for number in range(WRITES)]
    contenders = _contenders(batches)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    orders = list(permutations(contenders.items()))  # so that each follows each of the others equally often
    for turn in range(rounds + 1):  # the first warms up
        for name, contender in orders[turn % len(orders)]:
            with _scratch(database):
                begun = time.perf_counter()
                for number in range(WRITES):
                    database.write(partial(contender, number))
                rates[name].append(WRITES * rows / (time.perf_counter() - begun))
    return {name: float(np.median(values[1:])) for name, values in rates.items()}


def _contenders(batches: Sequence[Columns]) -> dict[str, Contender]:
    """Return who writes the rows, SpotOn first."""
    names = list(batches[0])
    ready = [list(_rows(columns)) for columns in batches]
    blocks = [copy_block(SCRATCH, columns) for columns in batches]

    def ours(number: int, connection: Connection) -> None:
        insert_columns(connection, SCRATCH, batches[number])

    def bare(number: int, connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if raw is None:
            raise ValueError("the connection is closed")
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(names))
            statement = f"INSERT INTO bench_points ({', '.join(names)}) VALUES ({marks})"
            raw.cursor().executemany(statement, ready[number])
        else:
            block = blocks[number]
            raw.run_async(lambda d: d.copy_to_table("bench_points", source=block, columns=names, format="binary"))

    def peer(number: int, connection: Connection) -> None:
        connection.execute(insert(SCRATCH), [dict(zip(names, row, strict=True)) for row in _rows(batches[number])])

    return {OURS: ours, BARE: bare, PEER: peer}


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns.values()), strict=True)


@contextmanager
def _scratch(database: Database) -> Iterator[None]:
    database.write(lambda connection: SCRATCH.metadata.create_all(connection))
    database.write(lambda connection: make_days(connection, SCRATCH, np.array([T0])))
    try:
        yield
    finally:
        database.write(lambda connection: SCRATCH.metadata.drop_all(connection))


def _columns(n: int, first: int) -> Columns:
    """Return rows as the store gets them, so many from the `first` on."""
    rng, number = np.random.default_rng(first), first + np.arange(n)
    people = number % PEOPLE + 1
    values = rng.random((9, n)).astype(np.float32)
    floats = dict(
        zip(("x_min", "y_min", "x_max", "y_max", "confidence", "certainty", "x", "y", "sigma"), values, strict=True)
    )
    at = T0 + number // (PEOPLE * CAMERAS) / FPS
    camera = (number // PEOPLE % CAMERAS).astype(np.int32)
    return {"at": at, "run_id": np.ones(n, np.int32), "camera_id": camera, "track": people, "person": people, **floats}


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
    for name, share in core.items():
        rows.append((name, f"{100 * share:.1f} %", "", f"10 %: {'met' if share <= 0.1 else 'missed'}"))
    return Table(kind, ("writer", "rows/s", "SpotOn/this", "goal"), rows)
