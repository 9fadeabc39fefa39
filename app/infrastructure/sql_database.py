"""A connection to the history's database, SQLite or PostgreSQL, so that one piece of work runs on either.

Work is a function of a SQLAlchemy connection. Knows no tables but the one in which Alembic keeps the revision.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import asyncpg
from sqlalchemy import NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from app.errors import ConfigError, StoreError, StoreRefused

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

T = TypeVar("T")
S = TypeVar("S")  # a connection
BUSY_S = 1.0  # that SQLite waits for another program's lock
CONNECT_S = 5.0  # that PostgreSQL may take to answer at first
ANSWER_S = 30.0  # that a question may take, or one statement of a write; half a second's rows take milliseconds
READERS = 3  # questions at once: one for each of two cores, and one that waits for the disk
STEPS = 50_000  # of SQLite's machine, about a millisecond, after which it asks whether somebody still waits
CACHE_KB = 32_768  # that each of SQLite's readers keeps of the file
# A plan is made for each question: one for all periods would be far off for most. Compiling takes longer than it saves.
READING = {"plan_cache_mode": "force_custom_plan", "jit": "off", "statement_timeout": f"{ANSWER_S * 1000:.0f}"}
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
FAILURES = (SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
REFUSED = (DataError, IntegrityError, ProgrammingError, sqlite3.IntegrityError, asyncpg.DataError)
MAY_BE_GRANTED = "42501"  # PostgreSQL's name for what the role may not do
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
        """Do work that changes nothing, in a thread of its own; all of it sees the same instant of the database.

        Several pieces of work are done at once. One that nobody waits for any more, because the task was cancelled, is
        given up, and so is one that takes longer than ANSWER_S.

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
    if address.count("@") > 1 or "@" in (url.database or ""):  # a part of the password would pass for something else
        raise ConfigError("--database", "", "has an @ or / in its user or password; write it as %40 or %2F")
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
        self._path, self.name = path, str(path)
        self.digest = _digest(str(path.absolute()))
        self._engine = create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            connect_args={"timeout": BUSY_S, "isolation_level": None, "check_same_thread": False},
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._readers = _Readers(self._open)
        self._writing: Connection | None = None
        self._lock = threading.Lock()  # of the connection that writes

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        try:
            with self._lock:
                if self._writing is None:
                    _keep_private(self._path)
                    self._writing = self._engine.connect().execution_options(writes=True)
                with self._writing.begin():
                    return work(self._writing)
        except FAILURES as error:
            raise failure(self.name, error) from error

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, in a thread of its own."""
        return await self._readers.run(lambda _connection, _question: self.write(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work in a thread of its own."""
        return await self._readers.run(partial(self._read, work))

    def close(self) -> None:
        """Let go of all connections."""
        for connection in self._readers.close():
            connection.close()
        if self._writing is not None:
            self._writing.close()
        self._engine.dispose()

    def _open(self) -> Connection:
        """Return a connection that cannot write."""
        try:
            connection = self._engine.connect()
        except FAILURES as error:
            raise failure(self.name, error) from error
        raw = _raw(connection)
        raw.execute("PRAGMA query_only = ON")
        raw.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return connection

    def _read(self, work: Callable[[Connection], T], connection: Connection, question: _Question) -> T:
        _raw(connection).set_progress_handler(question.is_over, STEPS)
        try:
            with connection.begin():
                return work(connection)
        except FAILURES as error:
            raise failure(self.name, TimeoutError() if question.is_over() else error) from error


class PostgreSQL:
    """A server, by asyncpg: one connection that writes and a few that read, each with an event loop of its own.

    Args:
        url: with the driver's name.
    """

    def __init__(self, url: URL) -> None:
        self.name = (
            f"postgresql://{url.host or 'default host'}{f':{url.port}' if url.port else ''}/{url.database or ''}"
        )
        self.digest = _digest(url.render_as_string(hide_password=True))
        self._writing = _Session(url)
        self._readers = _Readers(partial(_Session, url, reads=True))
        self._lock = threading.Lock()  # of the connection that writes

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        with self._lock:
            return self._run(work, self._writing, None)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction, in a thread of its own."""
        return await self._readers.run(lambda _session, _question: self.write(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work in a thread of its own."""
        return await self._readers.run(partial(self._run, work))

    def close(self) -> None:
        """Let go of all connections."""
        for session in (*self._readers.close(), self._writing):
            session.close()

    def _run(self, work: Callable[[Connection], T], session: _Session, question: _Question | None) -> T:
        try:
            return session.run(work, question)
        except FAILURES as error:
            raise failure(self.name, error) from error


class _Session:
    """One connection and the event loop that it lives in; used by one thread at a time."""

    def __init__(self, url: URL, *, reads: bool = False) -> None:
        self._runner = asyncio.Runner()
        settings: dict[str, Any] = {"timeout": CONNECT_S, "command_timeout": ANSWER_S}
        options: dict[str, Any] = {}
        if reads:
            settings["server_settings"] = READING
            options = {"isolation_level": "REPEATABLE READ", "execution_options": {"postgresql_readonly": True}}
        self._engine = create_async_engine(url, pool_size=1, max_overflow=0, connect_args=settings, **options)

    def run(self, work: Callable[[Connection], T], question: _Question | None) -> T:
        """Do work in one transaction."""
        return self._runner.run(self._transact(work) if question is None else self._answer(work, question))

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._engine.dispose())
        self._runner.close()

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def _answer(self, work: Callable[[Connection], T], question: _Question) -> T:
        """Do work that may be given up."""
        task = asyncio.current_task()
        if task is not None:
            question.on_stop(partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._transact(work)
        finally:
            question.on_stop(lambda: None)


class _Question:
    """Somebody waits for an answer, for ANSWER_S at most, and may stop to wait."""

    def __init__(self) -> None:
        self._until = time.monotonic() + ANSWER_S
        self._lock = threading.Lock()
        self._stopped = False
        self._tell: Callable[[], object] = lambda: None

    def is_over(self) -> bool:
        """Say whether nobody waits any more."""
        return self._stopped or time.monotonic() > self._until

    def on_stop(self, tell: Callable[[], object]) -> None:
        """Have something called when nobody waits any more, in the thread in which that is said."""
        with self._lock:
            self._tell = tell
            if self._stopped:
                tell()

    def stop(self) -> None:
        """Say that nobody waits any more."""
        with self._lock:
            self._stopped = True
            self._tell()


class _Readers(Generic[S]):
    """A few threads that answer questions, each with a connection of its own.

    Args:
        open_one: makes a connection; called by the thread that will use it.
    """

    def __init__(self, open_one: Callable[[], S]) -> None:
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="history-read")
        self._open, self._own, self._opened = open_one, threading.local(), list[S]()
        self._asked = set[_Question]()

    async def run(self, work: Callable[[S, _Question], T]) -> T:
        """Do work in one of the threads; gives it up when the task is cancelled."""
        question = _Question()
        self._asked.add(question)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, work, question)
        except asyncio.CancelledError:
            question.stop()
            raise
        finally:
            self._asked.discard(question)

    def close(self) -> list[S]:
        """Give up all questions and end the threads; returns the connections."""
        for question in tuple(self._asked):
            question.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        return self._opened

    def _answer(self, work: Callable[[S, _Question], T], question: _Question) -> T:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._open()
            self._opened.append(self._own.connection)
        return work(self._own.connection, question)


def failure(name: str, error: BaseException) -> StoreError:
    """Return what a driver's fault means, in one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, TimeoutError):
        return StoreError(name, "gave no answer in time")
    line = str(cause).partition("\n")[0].partition(">: ")
    problem = line[2] or line[0] or type(cause).__name__
    never = isinstance(error, REFUSED) or isinstance(cause, (*REFUSED, *REFUSED_BY_POSTGRESQL))
    never = never and getattr(cause, "sqlstate", None) != MAY_BE_GRANTED
    return StoreRefused(name, problem) if never else StoreError(name, problem)


def _keep_private(path: Path) -> None:
    """Make a new database's file such that nobody else may read it, nor the files that SQLite lays beside it."""
    with suppress(OSError):  # it is there already; of a folder that is not, SQLite tells
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last transactions, never the file
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
