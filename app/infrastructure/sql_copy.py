"""Rows from arrays into a table as fast as each database takes them. Knows no table's meaning.

SQLite takes tuples by `executemany`; PostgreSQL takes its binary COPY format, which is put together here as one block
of memory (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format").
"""

import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping
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
MESSAGE = 1 << 24  # bytes
NULL = -1  # in place of a field's length
ARRAYS = {"f": "float8[]", "i": "int8[]", "U": "text[]"}  # of PostgreSQL, by the kind of a numpy type
Merging = Literal["put", "add", "most"]


def insert_columns(connection: Connection, table: Table, columns: Columns) -> None:
    """Add rows to a table, in the connection's transaction.

    Args:
        connection: to SQLite by the standard library, or to PostgreSQL by asyncpg, whose transaction begins with the
            first thing that is executed in it, which this is not.
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
    sent = _sent(copy_block(table, columns))
    raw.run_async(lambda driver: driver.copy_to_table(table.name, source=sent, columns=list(columns), format="binary"))


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


def copy_block(table: Table, columns: Columns) -> bytearray:
    """Return rows in PostgreSQL's binary COPY format.

    Rows with NULLs in the same places have fields of the same lengths, so each such group is one array of records;
    groups follow each other, and rows keep their order within a group. Records are written where they lie in the
    block, first what all of them share, then column by column.
    """
    instants = {name for name in columns if isinstance(table.c[name].type, Instant)}
    wire = {name: np.rint((c - EPOCH_S) * 1e6) if name in instants else c for name, c in columns.items()}
    gaps = {name: _missing(column) for name, column in columns.items() if table.c[name].nullable}
    holes = {name: missing for name, missing in gaps.items() if missing.any()}
    bits = sum((missing.astype(np.int64) << bit for bit, missing in enumerate(holes.values())), np.zeros(1, np.int64))
    groups: list[tuple[NDArray[Any], slice | NDArray[np.int64], int]] = []
    for pattern in np.unique(bits).tolist():
        absent = {name for bit, name in enumerate(holes) if pattern >> bit & 1}
        types = {name: np.dtype(np.int64) if name in instants else column.dtype for name, column in wire.items()}
        rows = np.flatnonzero(bits == pattern) if holes else slice(None)
        number = len(rows) if isinstance(rows, np.ndarray) else len(next(iter(wire.values())))
        groups.append((_record(types, absent), rows, number))
    size = sum(record.itemsize * number for record, _, number in groups)
    block = bytearray(len(SIGNATURE) + size + len(TRAILER))
    block[: len(SIGNATURE)], block[-len(TRAILER) :] = SIGNATURE, TRAILER
    begin = len(SIGNATURE)
    for record, rows, number in groups:
        records = np.frombuffer(block, record.dtype, number, begin)
        raw = np.dtype((np.void, record.itemsize))  # copied byte by byte, not field by field
        records.view(raw)[:] = record.view(raw)
        for name in wire.keys() & set(record.dtype.names or ()):
            records[name] = wire[name][rows]
        begin += records.nbytes
    return block


async def _sent(block: bytearray) -> AsyncIterator[memoryview]:
    """Yield a block in messages of bounded size: PostgreSQL takes none of a gigabyte."""
    for begin in range(0, len(block), MESSAGE):
        yield memoryview(block)[begin : begin + MESSAGE]


def _record(types: Mapping[str, np.dtype[Any]], absent: Collection[str]) -> NDArray[Any]:
    """Return a record without values: the number of fields, then of each its length, and room where it is not NULL."""
    layout: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in types.items():
        layout.append((f"length {name}", ">i4"))
        layout += [] if name in absent else [(name, kind.newbyteorder(">"))]
    record = np.zeros(1, np.dtype(layout))
    record["fields"] = len(types)
    for name, kind in types.items():
        record[f"length {name}"] = NULL if name in absent else kind.itemsize
    return record


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else column == NO_ID
    return missing


def _values(column: NDArray[Any]) -> list[Any]:
    """Return what SQLite takes; its driver makes NULL of NaN."""
    values: list[Any] = column.tolist()
    if column.dtype.kind != "f" and (column == NO_ID).any():
        return [None if value == NO_ID else value for value in values]
    return values
