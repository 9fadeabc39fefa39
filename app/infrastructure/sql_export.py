"""The rows of one table as text, a page at a time. Runs on SQLite and on PostgreSQL; knows no file."""

import csv
import json
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection, Table, select

from app.infrastructure.sql_days import pieces
from app.infrastructure.sql_schema import Instant, time_of

PAGE = 5_000  # rows that are held at once
FORMATS = ("csv", "jsonl")


class Output(Protocol):
    """Takes text."""

    def write(self, text: str, /) -> object:
        """Take it."""
        ...


def export(connection: Connection, table: Table, since: float, until: float, output: Output, text: str = "csv") -> int:
    """Write the rows of a table in order of time; returns how many.

    Args:
        connection: to a database with tables of the newest revision.
        table: any.
        since: capture time from which on, inclusive; a table without time is written whole.
        until: capture time up to which, exclusive.
        output: takes the text. Instants are written in UTC, ISO 8601; NULL is nothing in CSV and null in JSON Lines;
            bytes are hexadecimal.
        text: one of FORMATS.
    """
    names = list(table.c.keys())
    instants = [i for i, column in enumerate(table.c) if isinstance(column.type, Instant)]
    at = time_of(table)
    queries = [select(table)]
    if at is not None:
        parts = pieces(connection, table, since, until)
        queries = [select(table).where(at >= begin, at < end).order_by(at) for begin, end in parts]
    rows = csv.writer(output)
    if text == "csv":
        rows.writerow(names)
    written = 0
    streamed = connection.execution_options(yield_per=PAGE)
    for row in chain.from_iterable(map(streamed.execute, queries)):
        values: list[Any] = [value.hex() if isinstance(value, bytes) else value for value in row]
        for i in instants:
            values[i] = _utc(values[i])
        if text == "csv":
            rows.writerow(values)
        else:
            output.write(json.dumps(dict(zip(names, values, strict=True))) + "\n")
        written += 1
    return written


def _utc(at: float | None) -> str | None:
    if at is None or np.isinf(at):
        return None if at is None else str(at)
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
