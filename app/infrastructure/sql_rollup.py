"""What happens at places, as rows: events, stays, and sums over minutes and hours that every batch adds to.

Runs on SQLite and on PostgreSQL, in the transaction that it is given. Knows no people, and no batch's number.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.sql.schema import Table

from app.domains.analytics.figures import Event
from app.domains.vocabulary import FloatArray, IntArray
from app.infrastructure.sql_batch import Columns
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_copy import Merging, upsert_columns
from app.infrastructure.sql_schema import CAMERA_LOAD, CAMERAS, EVENTS, HEAT, HEAT_CELLS, HEAT_MINUTES, OCCUPANCY, STAYS

MINUTE_S, QUARTER_S, HOUR_S = 60, 900, 3600  # the steps of roll-ups
MINUTES = HOUR_S // MINUTE_S
OCCUPIED: Mapping[str, Merging] = {
    **dict.fromkeys(("observed_s", "watched_s", "person_s", "distance_m", "sigma_s", "certainty_s"), "add"),
    "peak": "most",
    "entered": "add",
    "gone": "add",
}
_NO_MINUTES = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
LOADED: Mapping[str, Merging] = {"frames": "add", "boxes": "add", "confidence": "add"}


def add_occupancy(connection: Connection, site_id: int, minutes: Columns) -> None:
    """Add to the minutes of places, and to their quarters and hours."""
    rows = {"site_id": np.full(len(minutes["at"]), site_id), **minutes}
    _add_steps(connection, OCCUPANCY, rows, (MINUTE_S, QUARTER_S, HOUR_S), OCCUPIED)


def add_load(connection: Connection, minutes: Columns) -> None:
    """Add to the minutes of cameras and to their hours."""
    _add_steps(connection, CAMERA_LOAD, minutes, (MINUTE_S, HOUR_S), LOADED)


def add_heat(connection: Connection, site_id: int, cells: Columns) -> None:
    """Add seconds to the cells of minutes."""
    columns = {"site_id": np.full(len(cells["at"]), site_id), **cells}
    upsert_columns(connection, HEAT_CELLS, columns, {"seconds": "add"})


def put_stays(connection: Connection, run_id: int, stays: Columns) -> None:
    """Enter stays that begin, and how long those have lasted that go on."""
    columns = {"run_id": np.full(len(stays["person"]), run_id), **stays}
    upsert_columns(connection, STAYS, columns, {"ended": "put", "ending": "put"})


def add_events(connection: Connection, site_id: int, run_id: int, events: Iterable[Event]) -> None:
    """Enter events."""
    found = list(events)
    if not found:
        return
    query = select(CAMERAS.c.name, CAMERAS.c.id).where(CAMERAS.c.site_id == site_id)
    cameras = {row.name: row.id for row in connection.execute(query)}
    rows = []
    for event in found:
        told = asdict(event)
        rows.append(
            {
                **{name: told[name] for name in ("at", "place_version", "inwards", "dwell_s", "people")},
                "site_id": site_id,
                "run_id": run_id,
                "place": event.place_id,
                "kind": str(event.kind),
                "person": event.identity,
                "camera_id": None if event.camera_id is None else cameras[event.camera_id],
            }
        )
    connection.execute(insert(EVENTS), rows)


def pack_heat(connection: Connection, site_id: int, before: float) -> int:
    """Pack the cells of hours that are over into two rows each; returns how many hours.

    Cells that come later, such as those of an outage, are packed to those of their hour by the next call.
    """
    cells = HEAT_CELLS.c
    hours = 0
    while (first := _first_before(connection, site_id, before)) is not None:
        hour = first - first % HOUR_S
        mine = cells.site_id == site_id, cells.at >= hour, cells.at < hour + HOUR_S
        at, cell, seconds = fetch(connection, select(Seconds(cells.at), cells.cell, cells.seconds).where(*mine))
        put_heat(connection, site_id, hour, floats(at), integers(cell), floats(seconds))
        connection.execute(delete(HEAT_CELLS).where(*mine))
        hours += 1
    return hours


def put_heat(
    connection: Connection, site_id: int, hour: float, at: FloatArray, cell: IntArray, seconds: FloatArray
) -> None:
    """Add to the packed cells of an hour.

    Args:
        connection: to the database.
        site_id: of the site.
        hour: capture time of its begin.
        at: (N,) capture times, begins of minutes of the hour.
        cell: (N,).
        seconds: (N,) person-seconds.
    """
    minute = ((at - hour) // MINUTE_S).astype(np.int64)
    whole, by_minute = (_there(connection, table, site_id, hour) for table in (HEAT, HEAT_MINUTES))
    if whole is None or by_minute is not None:  # else the hour's minutes are too old to be kept
        before = _NO_MINUTES if by_minute is None else unpack_minutes(by_minute)
        columns = (np.concatenate(column) for column in zip(before, (minute, cell, seconds), strict=True))
        _put(connection, HEAT_MINUTES, site_id, hour, pack_minutes(*columns))
    if whole is not None:
        earlier = unpack_cells(whole)
        cell, seconds = np.concatenate([earlier[0], cell]), np.concatenate([earlier[1], seconds])
    _put(connection, HEAT, site_id, hour, pack_cells(cell, seconds))


def pack_cells(cell: IntArray, seconds: FloatArray) -> bytes:
    """Return cells (N,) and the seconds (N,) in them as bytes; cells that are there more than once are added up.

    Differences of the sorted cells as little-endian int32, then seconds as float32, all of it deflated by zlib.
    """
    known, row = np.unique(cell, return_inverse=True)
    return zlib.compress(_columns(known, _totals(row, seconds, len(known))))


def unpack_cells(packed: bytes) -> tuple[IntArray, FloatArray]:
    """Return cells (N,), increasing, and the seconds (N,) in them."""
    return _cells(zlib.decompress(packed))


def pack_minutes(minute: IntArray, cell: IntArray, seconds: FloatArray) -> bytes:
    """Return minutes of an hour (N,), cells (N,) and the seconds (N,) in them as bytes, added up like `pack_cells`.

    How many cells each minute has as little-endian int32, then the cells minute by minute as `pack_cells` has them.
    """
    known, row = np.unique(np.stack([minute, cell], axis=1), axis=0, return_inverse=True)
    numbers = np.bincount(known[:, 0], minlength=MINUTES).astype("<i4")
    return zlib.compress(numbers.tobytes() + _columns(known[:, 1], _totals(row, seconds, len(known))))


def unpack_minutes(packed: bytes) -> tuple[IntArray, IntArray, FloatArray]:
    """Return minutes of an hour (N,), increasing, cells (N,) and the seconds (N,) in them."""
    raw = zlib.decompress(packed)
    numbers = np.frombuffer(raw[: 4 * MINUTES], "<i4")
    return np.repeat(np.arange(MINUTES), numbers), *_cells(raw[4 * MINUTES :])


def _totals(row: IntArray, seconds: FloatArray, n: int) -> FloatArray:
    return np.bincount(row, weights=seconds, minlength=n).astype(np.float64)


def _columns(cell: IntArray, seconds: FloatArray) -> bytes:
    return np.diff(cell, prepend=0).astype("<i4").tobytes() + seconds.astype("<f4").tobytes()


def _cells(raw: bytes) -> tuple[IntArray, FloatArray]:
    half = len(raw) // 2
    cell = np.cumsum(np.frombuffer(raw[:half], "<i4"), dtype=np.int32)  # differences may wrap around, and wrap back
    return cell.astype(np.int64), np.frombuffer(raw[half:], "<f4").astype(np.float64)


def _there(connection: Connection, table: Table, site_id: int, hour: float) -> bytes | None:
    mine = table.c.site_id == site_id, table.c.at == hour
    there: bytes | None = connection.execute(select(table.c.cells).where(*mine)).scalar()
    return there


def _put(connection: Connection, table: Table, site_id: int, hour: float, packed: bytes) -> None:
    connection.execute(delete(table).where(table.c.site_id == site_id, table.c.at == hour))
    connection.execute(insert(table), {"site_id": site_id, "at": hour, "cells": packed})


def _add_steps(
    connection: Connection, table: Table, minutes: Columns, steps: Sequence[int], merge: Mapping[str, Merging]
) -> None:
    """Add to the minutes and to the longer steps that they are part of."""
    n = len(minutes["at"])
    parts = [{**minutes, "step": np.full(n, step), "at": minutes["at"] - minutes["at"] % step} for step in steps]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    upsert_columns(connection, table, _summed(rows, merge), merge)


def _summed(columns: Columns, merge: Mapping[str, Merging]) -> Columns:
    """Put rows with the same key together."""
    keys = list(zip(*(column.tolist() for name, column in columns.items() if name not in merge), strict=True))
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    if len(number) == len(keys):
        return columns
    row = np.array([number[key] for key in keys])
    first = np.unique(row, return_index=True)[1]
    summed = {name: column[first] for name, column in columns.items()}
    for name, how in merge.items():
        summed[name] = np.zeros_like(summed[name])
        (np.maximum if how == "most" else np.add).at(summed[name], row, columns[name])
    return summed


def _first_before(connection: Connection, site_id: int, before: float) -> float | None:
    """Return the first minute with cells before an instant; None where there is none."""
    cells = HEAT_CELLS.c
    query = select(func.min(cells.at)).where(cells.site_id == site_id, cells.at < before)
    first: float | None = connection.execute(query).scalar()
    return first
