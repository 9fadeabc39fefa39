"""What happens at places, as rows: events, stays, and sums over minutes and hours that every batch adds to.

Runs on SQLite and on PostgreSQL, in the transaction that it is given. Knows no people, and no batch's number.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.sql.schema import Table

from app.domains.analytics.figures import Event
from app.domains.vocabulary import FloatArray, IntArray
from app.infrastructure.sql_batch import Columns
from app.infrastructure.sql_copy import Merging, upsert_columns
from app.infrastructure.sql_schema import CAMERA_LOAD, CAMERAS, EVENTS, HEAT, HEAT_CELLS, OCCUPANCY, STAYS

MINUTE_S, HOUR_S = 60, 3600  # the steps of roll-ups
OCCUPIED: Mapping[str, Merging] = {
    **dict.fromkeys(("observed_s", "watched_s", "person_s", "distance_m", "sigma_s", "certainty_s"), "add"),
    "peak": "most",
    "entered": "add",
    "gone": "add",
}
LOADED: Mapping[str, Merging] = {"frames": "add", "boxes": "add", "confidence": "add"}


def add_occupancy(connection: Connection, site_id: int, minutes: Columns) -> None:
    """Add to the minutes of places and to their hours."""
    _add_steps(connection, OCCUPANCY, {"site_id": np.full(len(minutes["at"]), site_id), **minutes}, OCCUPIED)


def add_load(connection: Connection, minutes: Columns) -> None:
    """Add to the minutes of cameras and to their hours."""
    _add_steps(connection, CAMERA_LOAD, minutes, LOADED)


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
    """Pack the cells of hours that are over into one row each; returns how many hours.

    Cells that come later, such as those of an outage, are packed to those of their hour by the next call.
    """
    cells, packed = HEAT_CELLS.c, HEAT.c
    hours = 0
    while (first := _first_before(connection, site_id, before)) is not None:
        hour = first - first % HOUR_S
        mine = cells.site_id == site_id, cells.at >= hour, cells.at < hour + HOUR_S
        query = select(cells.cell, func.sum(cells.seconds)).where(*mine).group_by(cells.cell)
        table = np.array([tuple(row) for row in connection.execute(query)], np.float64)
        number, seconds = table[:, 0].astype(np.int64), table[:, 1]
        same = packed.site_id == site_id, packed.at == hour
        there = connection.execute(select(packed.cells).where(*same)).scalar()
        if there is not None:
            earlier = unpack_cells(there)
            number, seconds = np.concatenate([earlier[0], number]), np.concatenate([earlier[1], seconds])
            connection.execute(delete(HEAT).where(*same))
        row = {"site_id": site_id, "at": hour, "cells": pack_cells(number, seconds)}
        connection.execute(insert(HEAT), row)
        connection.execute(delete(HEAT_CELLS).where(*mine))
        hours += 1
    return hours


def pack_cells(cell: IntArray, seconds: FloatArray) -> bytes:
    """Return cells (N,) and the seconds (N,) in them as bytes; cells that are there more than once are added up.

    Differences of the sorted cells as little-endian int32, then seconds as float32, all of it deflated by zlib.
    """
    known, row = np.unique(cell, return_inverse=True)
    total = np.bincount(row, weights=seconds, minlength=len(known))
    return zlib.compress(np.diff(known, prepend=0).astype("<i4").tobytes() + total.astype("<f4").tobytes())


def unpack_cells(packed: bytes) -> tuple[IntArray, FloatArray]:
    """Return cells (N,), increasing, and the seconds (N,) in them."""
    raw = zlib.decompress(packed)
    half = len(raw) // 2
    cell = np.cumsum(np.frombuffer(raw[:half], "<i4"), dtype=np.int32)  # differences may wrap around, and wrap back
    return cell.astype(np.int64), np.frombuffer(raw[half:], "<f4").astype(np.float64)


def _add_steps(connection: Connection, table: Table, minutes: Columns, merge: Mapping[str, Merging]) -> None:
    """Add to the minutes and to the hours that they are part of."""
    n = len(minutes["at"])
    upsert_columns(connection, table, {**minutes, "step": np.full(n, MINUTE_S)}, merge)
    hours = {**minutes, "step": np.full(n, HOUR_S), "at": minutes["at"] - minutes["at"] % HOUR_S}
    upsert_columns(connection, table, _summed(hours, merge), merge)


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
