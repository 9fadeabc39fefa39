"""Boxes by days in a PostgreSQL without TimescaleDB: a partition for each day, made when it begins, dropped as a whole.

A partition's rows lie in the order of time, so that a BRIN index finds them, which costs the writer next to nothing.
Were all days in one table, new rows would lie where old ones have been removed, and such an index would find nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, Table, delete, text
from sqlalchemy.exc import DBAPIError

from app.domains.vocabulary import FloatArray

DAY_S = 86_400.0
PIECE_S = 600.0  # 10 million boxes of 32 cameras with 50 people each, which are sorted in seconds
PATIENCE = "500ms"  # that readers may hold up a drop, and that it holds up readers
LONG_S = 6 * 3600.0  # that a statement may take which goes through all rows
LOCKED, NEEDED = "55P03", "2BP01"  # PostgreSQL's names for a lock that did not come in time, and for what others need
RIGHTS = """
    DO $$ DECLARE given record; BEGIN
        EXECUTE (SELECT format('ALTER TABLE {new} OWNER TO %I', pg_get_userbyid(relowner))
                 FROM pg_class WHERE oid = to_regclass('{old}'));
        FOR given IN SELECT privilege_type AS what,
                     CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS more,
                     CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS who
                     FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass('{old}')
        LOOP EXECUTE format('GRANT %s ON {new} TO %s%s', given.what, given.who, given.more); END LOOP;
    END $$"""
UNTIL = "until_"  # begins the name of what was there before days were told apart, and then the day before which it lies
PARTITIONS = text(
    "SELECT c.relname FROM pg_partitioned_table p LEFT JOIN pg_inherits i ON i.inhparent = p.partrelid"
    " LEFT JOIN pg_class c ON c.oid = i.inhrelid WHERE p.partrelid = to_regclass(:table)"
)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """Rows from one instant, inclusive, to another, exclusive (capture times)."""

    begin: float
    end: float
    name: str


def partitions(connection: Connection, table: Table) -> list[Partition] | None:
    """Return the partitions of a table, in order of time; None where it has none, as with TimescaleDB and SQLite.

    Those that somebody else has attached, by names of their own, are left to them.
    """
    if connection.dialect.name != "postgresql":
        return None
    names = connection.execute(PARTITIONS, {"table": table.name}).scalars().all()
    if not names:
        return None
    told = [re.fullmatch(rf"{table.name}_({UNTIL})?(\d{{8}})", name or "") for name in names]
    return sorted(_described(match) for match in told if match is not None)


def make_days(connection: Connection, table: Table, at: FloatArray) -> None:
    """Make the partitions that rows of these capture times (N,) need, and keep them until the transaction ends."""
    begins = np.unique(np.floor(at / DAY_S) * DAY_S).tolist()
    if not begins or connection.dialect.name != "postgresql":
        return
    connection.execute(text(f"LOCK TABLE ONLY {table.name} IN ROW EXCLUSIVE MODE"))  # nobody drops them meanwhile
    if not _missing(connection, table, begins):
        return
    # who writes for another site makes the same days at the same time
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:table))"), {"table": table.name})
    for begin in _missing(connection, table, begins):
        day = datetime.fromtimestamp(begin, UTC)
        name = f"{table.name}_{day:%Y%m%d}"
        connection.execute(text(f"CREATE TABLE {name} (LIKE {table.name})"))
        # unlike CREATE TABLE … PARTITION OF, this waits for no reader of other days
        span = f"FROM ('{day.isoformat()}') TO ('{(day + timedelta(days=1)).isoformat()}')"
        connection.execute(text(f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES {span}"))


def prune_days(connection: Connection, table: Table, before: float) -> tuple[int, int] | None:
    """Drop the days that were over before a capture time; returns how many, and how many rows beside them.

    The day in which it lies is dropped when all of it is too old. Only where that is the day which is written now, or
    what was there before days were told apart, are its rows removed one by one; so are those of a day that cannot be
    dropped now, because somebody reads it, or has made a view of it.

    Returns:
        None for a table without partitions.
    """
    there = partitions(connection, table)
    if there is None:
        return None
    dropped = _drop(connection, [partition for partition in there if partition.end <= before])
    rows = 0
    for partition in there:
        long_or_last = partition == there[-1] or partition.begin == -np.inf
        if partition not in dropped and partition.begin < before and (long_or_last or partition.end <= before):
            old = table.c.at >= partition.begin, table.c.at < min(before, partition.end)
            rows += connection.execute(delete(table).where(*old)).rowcount
    return len(dropped), rows


def execute_long(connection: Connection, statement: str) -> None:
    """Execute a statement that goes through all rows of a table in PostgreSQL."""
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise ValueError("the connection is closed")
    raw.run_async(lambda driver: driver.execute(statement, timeout=LONG_S))


def keep_rights(connection: Connection, old: str, new: str) -> None:
    """Give a table that takes the place of another its owner, and the rights that others have been granted."""
    connection.execute(text(RIGHTS.format(old=old, new=new)))


def pieces(connection: Connection, table: Table, since: float, until: float) -> Iterator[tuple[float, float]]:
    """Yield the parts of a time whose rows can be put in order one after the other: all of it where an index does."""
    there = partitions(connection, table)
    for partition in [Partition(-np.inf, np.inf, table.name)] if there is None else there:
        first, last = max(since, partition.begin), min(until, partition.end)
        if first < last:
            begins = [first] if np.isinf(partition.begin) else np.arange(first, last, PIECE_S).tolist()
            yield from pairwise([*begins, last])


def _missing(connection: Connection, table: Table, begins: list[float]) -> list[float]:
    """Return those days, by their begins, that have no partition yet and need one."""
    there = partitions(connection, table)
    if there is None:
        return []
    return [begin for begin in begins if not any(known.begin <= begin < known.end for known in there)]


def _drop(connection: Connection, days: list[Partition]) -> list[Partition]:
    """Drop partitions as far as that goes now; returns those that are gone."""
    dropped = []
    for day in days:
        try:
            with connection.begin_nested():
                connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
                connection.execute(text(f"DROP TABLE IF EXISTS {day.name}"))  # somebody else may prune, too
                connection.execute(text("SET LOCAL lock_timeout = DEFAULT"))
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state not in {LOCKED, NEEDED}:
                raise
            if state == LOCKED:
                break
        else:
            dropped.append(day)
    return dropped


def _described(name: re.Match[str]) -> Partition:
    """Return what a partition's name says."""
    day = datetime.strptime(name[2], "%Y%m%d").replace(tzinfo=UTC).timestamp()
    return Partition(-np.inf, day, name[0]) if name[1] else Partition(day, day + DAY_S, name[0])
