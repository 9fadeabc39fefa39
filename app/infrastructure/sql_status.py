"""What a database of the history holds, and what it lacks. Runs on SQLite and on PostgreSQL."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select, text

from app.infrastructure.sql_revision import revision
from app.infrastructure.sql_schema import HEAD, METADATA, time_of
from app.infrastructure.sql_timescale import EXTENSION


@dataclass(frozen=True, slots=True)
class TableStatus:
    """How many rows a table has, and from when to when; None where it has no time, or no rows."""

    name: str
    rows: int
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a database does.

    Attributes:
        revision: of the tables.
        needed: of this program.
        size: bytes.
        missing: what the database could do and does not, a line each.
    """

    revision: str
    needed: str
    size: int
    tables: tuple[TableStatus, ...]
    missing: tuple[str, ...]


def status(connection: Connection) -> Status:
    """Return how a database does; of tables of another revision only which that is."""
    found = revision(connection)
    tables = tuple(_table(connection, table) for table in METADATA.sorted_tables) if found == HEAD else ()
    if connection.dialect.name == "sqlite":
        size = connection.execute(text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
    else:
        size = connection.execute(text("SELECT pg_database_size(current_database())"))
    return Status(found, HEAD, int(size.scalar_one()), tables, missing(connection))


def missing(connection: Connection) -> tuple[str, ...]:
    """Return what a database of this kind could do and does not, a line each."""
    if connection.dialect.name == "sqlite":
        return ()
    found = connection.execute(EXTENSION).first()
    if found is not None and found[0] is not None:
        return ()
    how = (
        "is not installed on this server"
        if found is None
        else "is there, but not in this database; as a superuser: CREATE EXTENSION timescaledb; then: spoton db upgrade"
    )
    return (f"TimescaleDB {how}. Without it history is not compressed.",)


def _table(connection: Connection, table: Table) -> TableStatus:
    at = time_of(table)
    if at is None:
        return TableStatus(
            table.name, int(connection.execute(select(func.count()).select_from(table)).scalar_one()), None, None
        )
    return TableStatus(table.name, *connection.execute(select(func.count(), func.min(at), func.max(at))).one())
