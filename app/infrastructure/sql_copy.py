"""Rows from arrays into a table as fast as each database takes them. Knows no table's meaning.

SQLite takes tuples by `executemany`; PostgreSQL takes its binary COPY format, which is put together here as one block
of memory (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format").
"""

import io
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from app.domains.vocabulary import NO_ID
from app.infrastructure.sql_batch import Columns
from app.infrastructure.sql_schema import Instant

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension of the header
TRAILER = b"\xff\xff"
EPOCH_S = 946_684_800  # 2000-01-01, from which PostgreSQL counts microseconds
NULL = -1  # in place of a field's length
ARRAYS = {"f": "float8[]", "i": "int8[]", "U": "text[]"}  # of PostgreSQL, by the kind of a numpy type
Merging = Literal["put", "add", "most"]


def insert_columns(connection: Connection, table: Table, columns: Columns) -> None:
    """Add rows to a table, in the connection's transaction.

    Args:
        connection: to SQLite by the standard library, or to PostgreSQL by asyncpg.
        table: the table.
        columns: arrays of one length by the names of the table's columns; NaN and NO_ID become NULL where the column
            may be.
    """
    if not len(next(iter(columns.values()))):
        return
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise ValueError("the connection is closed")
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
        cast("sqlite3.Connection", raw).executemany(statement, zip(*map(_values, columns.values()), strict=True))
        return
    block = io.BytesIO(copy_block(table, columns))
    raw.run_async(lambda driver: driver.copy_to_table(table.name, source=block, columns=list(columns), format="binary"))


def upsert_columns(connection: Connection, table: Table, columns: Columns, merge: Mapping[str, Merging]) -> None:
    """Add rows to a table, or where their keys are there already change those rows; no NULLs.

    Args:
        connection: as for `insert_columns`.
        table: the table.
        columns: arrays of one length by the names of the table's columns; no key twice.
        merge: what becomes of the columns of rows that are there.
    """
    if not len(next(iter(columns.values()))):
        return
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise ValueError("the connection is closed")
    names, keys = ", ".join(columns), ", ".join(column.name for column in table.primary_key)
    sqlite = connection.dialect.name == "sqlite"
    most = "max" if sqlite else "greatest"
    changed = {
        "put": "excluded.{name}",
        "add": "{table}.{name} + excluded.{name}",
        "most": most + "({table}.{name}, excluded.{name})",
    }
    changes = (f"{name} = " + changed[how].format(table=table.name, name=name) for name, how in merge.items())
    rule = f"ON CONFLICT ({keys}) DO {'UPDATE SET ' if merge else 'NOTHING'}{', '.join(changes)}"
    values = [column.tolist() for column in columns.values()]
    if sqlite:
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))}) {rule}"
        cast("sqlite3.Connection", raw).executemany(statement, zip(*values, strict=True))
        return
    arrays = ", ".join(f"${i}::{ARRAYS[column.dtype.kind]}" for i, column in enumerate(columns.values(), 1))
    picked = ", ".join(f"to_timestamp({name})" if isinstance(table.c[name].type, Instant) else name for name in columns)
    statement = f"INSERT INTO {table.name} ({names}) SELECT {picked} FROM unnest({arrays}) AS given({names}) {rule}"
    raw.run_async(lambda driver: driver.execute(statement, *values))


def copy_block(table: Table, columns: Columns) -> bytes:
    """Return rows in PostgreSQL's binary COPY format.

    Rows with NULLs in the same places have fields of the same lengths, so each such group is one array of records;
    groups follow each other, and rows keep their order within a group.
    """
    wire = {name: _wire(table, name, column) for name, column in columns.items()}
    gaps = [_missing(column) if table.c[name].nullable else None for name, column in columns.items()]
    holes = [missing for missing in gaps if missing is not None and missing.any()]
    if not holes:
        return b"".join((SIGNATURE, _records(wire, frozenset(), slice(None)), TRAILER))
    pattern = sum((missing.astype(np.int64) << bit for bit, missing in enumerate(holes)), np.zeros(1, np.int64))
    blocks = []
    for value in np.unique(pattern):
        rows = np.flatnonzero(pattern == value)
        absent = {name for name, gap in zip(columns, gaps, strict=True) if gap is not None and gap[rows[0]]}
        blocks.append(_records(wire, frozenset(absent), rows))
    return b"".join((SIGNATURE, *blocks, TRAILER))


def _records(wire: Columns, absent: frozenset[str], rows: NDArray[np.int64] | slice) -> bytes:
    """Return records of one layout: the number of fields, then each one's length and value."""
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, column in wire.items():
        layout.append((f"length {name}", ">i4"))
        layout += [] if name in absent else [(name, column.dtype)]
    records = np.empty(len(next(iter(wire.values()))[rows]), np.dtype(layout))
    records["fields"] = len(wire)
    for name, column in wire.items():
        records[f"length {name}"] = NULL if name in absent else column.dtype.itemsize
        if name not in absent:
            records[name] = column[rows]
    return records.tobytes()


def _wire(table: Table, name: str, column: NDArray[Any]) -> NDArray[Any]:
    """Return a column as PostgreSQL's own type of it, big-endian."""
    if isinstance(table.c[name].type, Instant):
        column = np.rint((column - EPOCH_S) * 1e6).astype(np.int64)
    return column.astype(column.dtype.newbyteorder(">"))


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else column == NO_ID
    return missing


def _values(column: NDArray[Any]) -> list[Any]:
    """Return what SQLite takes; its driver makes NULL of NaN."""
    values: list[Any] = column.tolist()
    if column.dtype.kind != "f" and (column == NO_ID).any():
        return [None if value == NO_ID else value for value in values]
    return values
