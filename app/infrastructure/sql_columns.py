"""Answers of the database as columns, and instants within questions as seconds. Knows no table.

An answer of many rows costs most where each row becomes an object. PostgreSQL puts columns together by itself
(`array_agg`), and SQLite's driver hands out plain tuples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Double, Select, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from app.domains.vocabulary import FloatArray, IntArray


class Seconds(FunctionElement[float]):
    """An instant as seconds since epoch, a double precision number in both databases."""

    type = Double()
    inherit_cache = True


@compiles(Seconds, "postgresql")
def _of_timestamp(element: Seconds, compiler: SQLCompiler, **options: object) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **options)}) AS DOUBLE PRECISION)"


@compiles(Seconds, "sqlite")
def _of_number(element: Seconds, compiler: SQLCompiler, **options: object) -> str:
    return compiler.process(element.clauses, **options)


class Bucket(FunctionElement[float]):
    """The begin of the bucket in which an instant lies, itself an instant; of (instant, width, begin of any bucket)."""

    inherit_cache = True


@compiles(Bucket, "postgresql")
def _binned(element: Bucket, compiler: SQLCompiler, **options: object) -> str:
    at, width_s, origin = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date_bin(make_interval(secs => {width_s}), {at}, to_timestamp({origin}))"  # thrice as fast as EXTRACT


@compiles(Bucket, "sqlite")
def _floored(element: Bucket, compiler: SQLCompiler, **options: object) -> str:
    at, width_s, origin = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({origin} + {width_s} * floor(({at} - {origin}) / {width_s}))"


def fetch(connection: Connection, query: Select[Any]) -> list[Sequence[Any]]:
    """Return the columns of an answer, in its order; instants must be wrapped in `Seconds`."""
    if connection.dialect.name == "sqlite":
        result = connection.execute(query)
        rows = result.cursor.fetchall() if result.cursor is not None else []  # the driver's tuples as they are
        result.close()
        return list(zip(*rows, strict=True)) if rows else [()] * len(query.selected_columns)
    inner = query.subquery()
    columns = [func.array_agg(column, type_=NullType()) for column in inner.c]  # the driver's lists as they are
    return [column or () for column in connection.execute(select(*columns)).one()]


def floats(column: Sequence[Any]) -> FloatArray:
    """Return a column as (N,) numbers, NULL as NaN."""
    return np.array(column, dtype=np.float64)


def integers(column: Sequence[Any]) -> IntArray:
    """Return a column without NULLs as (N,) whole numbers."""
    return np.array(column, dtype=np.int64)
