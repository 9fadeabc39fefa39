"""A connection to the history's database, SQLite or PostgreSQL, so that one piece of work runs on either.

Work is a function of a SQLAlchemy connection. Knows no tables but the one in which Alembic keeps the revision.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import asyncpg
from sqlalchemy import NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from app.errors import ConfigError, StoreError, StoreRefused

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

T = TypeVar("T")
BUSY_S = 1.0  # that SQLite waits for another program's lock
CONNECT_S = 5.0  # that PostgreSQL may take to answer at first
ANSWER_S = 30.0  # that PostgreSQL may take for one statement; a COPY of half a second's rows takes milliseconds
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
FAILURES = (SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
REFUSED = (DataError, IntegrityError, ProgrammingError, sqlite3.IntegrityError, asyncpg.DataError)
REFUSED_BY_POSTGRESQL = (asyncpg.IntegrityConstraintViolationError, asyncpg.UndefinedTableError)


class Database(Protocol):
    """One of the two; `name` is fit for messages and holds no password."""

    name: str
    digest: str  # tells databases apart

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, whole or not at all; blocks, one thread after the other.

        Raises:
            StoreRefused: the database will never take it.
            StoreError: it failed, and may be tried again.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work that changes nothing, in a thread of its own.

        Raises:
            StoreError: it failed.
        """
        ...

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction as `write` does, in a thread of its own; waits for a write that goes on.

        Raises:
            StoreRefused: the database will never take it.
            StoreError: it failed.
        """
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


def open_database(address: str) -> Database:
    """Return the database of an address; connects only when there is work.

    Args:
        address: sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME; what a URL of PostgreSQL leaves out is
            taken from PGHOST, PGUSER, PGPASSWORD, PGPASSFILE and the like.

    Raises:
        ConfigError: neither of the two.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # whose text may hold a part of the password
        raise ConfigError("--database", "", f"is no address of a database; expected {EXPECTED}") from None
    kind = url.drivername.partition("+")[0]
    if kind not in DRIVERS:
        raise ConfigError("--database", "", f"{kind} is not supported; expected {EXPECTED}")
    url = url.set(drivername=DRIVERS[kind])
    if kind == "sqlite":
        if url.database in {None, "", ":memory:"}:
            raise ConfigError("--database", "", f"names no file; expected {EXPECTED}")
        return SQLite(Path(url.database or ""))
    if "@" in (url.host or ""):
        raise ConfigError("--database", "", "has an @ in its user or password; write it as %40")
    query = {("ssl" if key == "sslmode" else key): value for key, value in url.query.items()}
    if unknown := sorted(set(query) - {"host", "port", "ssl"}):
        raise ConfigError("--database", "", f"has the parameter {unknown[0]}; only host, port and sslmode are read")
    return PostgreSQL(url.set(query=query))


EXPECTED = "sqlite:///PATH or postgresql://USER@HOST/NAME"


class SQLite:
    """A file in WAL mode: readers and the writer do not wait for each other.

    Args:
        path: made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.digest = _digest(str(path.absolute()))
        self._engine = create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            connect_args={"timeout": BUSY_S, "isolation_level": None, "check_same_thread": False},
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history-read")
        self._writing: Connection | None = None
        self._lock = threading.Lock()  # of the connection that writes

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        try:
            with self._lock:
                if self._writing is None:
                    self._writing = self._engine.connect().execution_options(writes=True)
                with self._writing.begin():
                    return work(self._writing)
        except FAILURES as error:
            raise failure(self.name, error) from error

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self.write, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)

    def close(self) -> None:
        """Let go of all connections."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        if self._writing is not None:
            self._writing.close()
        self._engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except FAILURES as error:
            raise failure(self.name, error) from error


class PostgreSQL:
    """A server, by asyncpg: one connection that writes and one that reads, each with an event loop of its own.

    Args:
        url: with the driver's name.
    """

    def __init__(self, url: URL) -> None:
        self.name = (
            f"postgresql://{url.host or 'default host'}{f':{url.port}' if url.port else ''}/{url.database or ''}"
        )
        self.digest = _digest(url.render_as_string(hide_password=True))
        self._writing, self._reading = _Session(url), _Session(url)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history-read")

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        return self._run(self._writing, work)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self.write, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._run, self._reading, work)

    def close(self) -> None:
        """Let go of all connections."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._reading.close()
        self._writing.close()

    def _run(self, session: _Session, work: Callable[[Connection], T]) -> T:
        try:
            return session.run(work)
        except FAILURES as error:
            raise failure(self.name, error) from error


class _Session:
    """One connection and the event loop that it lives in; one thread after the other."""

    def __init__(self, url: URL) -> None:
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()
        patience = {"timeout": CONNECT_S, "command_timeout": ANSWER_S}
        self._engine = create_async_engine(url, pool_size=1, max_overflow=0, connect_args=patience)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        with self._lock:
            return self._runner.run(self._transact(work))

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._engine.dispose())
        self._runner.close()

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)


def failure(name: str, error: BaseException) -> StoreError:
    """Return what a driver's fault means, in one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    line = str(cause).partition("\n")[0].partition(">: ")
    problem = line[2] or line[0] or type(cause).__name__
    never = isinstance(error, REFUSED) or isinstance(cause, (*REFUSED, *REFUSED_BY_POSTGRESQL))
    return StoreRefused(name, problem) if never else StoreError(name, problem)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last transactions, never the file
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
