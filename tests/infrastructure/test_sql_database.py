import asyncio
import time

import pytest
from sqlalchemy import text

from app.errors import StoreError, StoreRefused
from app.infrastructure import sql_database
from app.infrastructure.sql_database import READERS, open_database

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def database(address):
    opened = open_database(address)
    opened.write(lambda connection: connection.execute(text("CREATE TABLE kept (number INTEGER NOT NULL)")))
    yield opened
    opened.close()


def count(connection):
    return connection.execute(text("SELECT count(*) FROM kept")).scalar_one()


def add(connection):
    connection.execute(text("INSERT INTO kept VALUES (1)"))
    return count(connection)


def endless(connection):
    connection.execute(text(ENDLESS))


async def test_a_question_that_nobody_waits_for_any_more_is_given_up(database):
    lost = [asyncio.create_task(database.read(endless)) for _ in range(READERS + 2)]
    await asyncio.sleep(0.2)
    for task in lost:
        task.cancel()
    begun = time.monotonic()
    assert await database.read(count) == 0
    assert time.monotonic() - begun < 1.0
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*lost, return_exceptions=True))
    assert await asyncio.gather(*(database.read(count) for _ in range(READERS))) == [0] * READERS


async def test_a_question_that_takes_too_long_is_a_fault_and_the_next_is_answered(database, monkeypatch):
    monkeypatch.setattr(sql_database, "ANSWER_S", 0.2)
    with pytest.raises(StoreError, match="gave no answer in time"):
        await database.read(endless)
    assert await database.read(count) == 0


async def test_a_long_question_holds_nobody_up(database):
    long = asyncio.create_task(database.read(endless))
    await asyncio.sleep(0.1)
    assert await asyncio.wait_for(database.read(count), 1.0) == 0
    assert await asyncio.wait_for(database.change(add), 1.0) == 1
    long.cancel()


def test_closing_waits_for_no_question(address):
    database = open_database(address)

    async def leave():
        task = asyncio.create_task(database.read(endless))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await asyncio.to_thread(database.close)
        assert time.monotonic() - begun < 1.0
        with pytest.raises((StoreError, asyncio.CancelledError)):
            await task

    asyncio.run(leave())


async def test_reading_changes_nothing(database):
    with pytest.raises(StoreError, match=r"readonly|read-only"):
        await database.read(add)
    assert await database.change(add) == 1


async def test_one_question_sees_one_instant(database):
    """Somebody writes between its two looks."""
    begun, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def twice(connection):
        before = count(connection)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(written.wait(), loop).result(5.0)
        return before, count(connection)

    looking = asyncio.create_task(database.read(twice))
    await begun.wait()
    await database.change(add)
    written.set()
    assert await looking == (0, 0)
    assert await database.read(count) == 1


async def test_those_who_write_at_once_wait_for_each_other(database):
    counts = await asyncio.gather(*(database.change(add) for _ in range(10)))
    assert sorted(counts) == list(range(1, 11))


async def test_what_the_database_never_takes_is_refused(database):
    with pytest.raises(StoreRefused):
        await database.change(lambda connection: connection.execute(text("INSERT INTO kept VALUES (NULL)")))
    assert await database.read(count) == 0


def test_a_new_file_and_those_beside_it_are_its_owners_alone(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path / 'history.sqlite'}")
    opened.write(lambda connection: connection.exec_driver_sql("CREATE TABLE a (b)"))
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "history.sqlite": 0o600,
        "history.sqlite-shm": 0o600,
        "history.sqlite-wal": 0o600,
    }
    opened.close()
