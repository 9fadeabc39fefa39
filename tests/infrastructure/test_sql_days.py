"""Boxes in a PostgreSQL without TimescaleDB lie by days: made as they come, found by time, and dropped as a whole."""

import asyncio
import io
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from app.domains.analytics.figures import Period
from app.errors import ConfigError, StoreError, StoreRefused
from app.infrastructure import sql_copy, sql_dots
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_copy import insert_columns
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_days import DAY_S, make_days, partitions
from app.infrastructure.sql_export import export
from app.infrastructure.sql_retention import DAYS, Retention, prune
from app.infrastructure.sql_revision import folder, mend, upgrade
from app.infrastructure.sql_schema import METADATA, POINTS
from app.infrastructure.sql_write import Start, begin

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.fixture
def address(postgres):
    return postgres.make(f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def empty(address):
    database = open_database(address)
    yield database
    database.close()


@pytest.fixture
def database(empty):
    empty.write(upgrade)
    empty.write(partial(begin, start=Start("shop", MIDNIGHT, {"a": "null"})))
    return empty


def boxes(at):
    at = np.asarray(at, float)
    ones = dict.fromkeys(("run_id", "camera_id"), np.ones(len(at), np.int32))
    ids = dict.fromkeys(("track", "person"), np.arange(1, len(at) + 1))
    names = ("x_min", "y_min", "x_max", "y_max", "confidence", "certainty", "x", "y", "sigma")
    return {"at": at, **ones, **ids, **dict.fromkeys(names, np.full(len(at), 0.5, np.float32))}


def put(connection, at):
    make_days(connection, POINTS, np.asarray(at, float))
    insert_columns(connection, POINTS, boxes(at))


def days(connection):
    return [partition.name for partition in partitions(connection, POINTS)]


def kept(connection):
    asked = text("SELECT CAST(extract(epoch FROM at) AS float8) FROM points ORDER BY 1")
    return (np.array(connection.execute(asked).scalars().all()) - MIDNIGHT).tolist()


def removed(database, before):
    old = Retention(points_s=MIDNIGHT + before, dots_s=0, events_s=0, minutes_s=0, hours_s=0)
    done = database.write(partial(prune, before=old))
    return done[DAYS], done["points"]


def test_a_day_is_made_when_its_first_box_comes(database):
    assert database.write(days) == []
    database.write(partial(put, at=[MIDNIGHT - 1e-6, MIDNIGHT]))
    assert database.write(days) == ["points_20251231", "points_20260101"]
    database.write(partial(put, at=[MIDNIGHT + 10 * DAY_S, MIDNIGHT - 3 * DAY_S + 1.0]))  # late, after an outage
    assert database.write(days) == ["points_20251229", "points_20251231", "points_20260101", "points_20260111"]
    assert database.write(kept) == pytest.approx([1.0 - 3 * DAY_S, -1e-6, 0.0, 10 * DAY_S], abs=1e-6)
    assert database.write(partial(partitions, table=METADATA.tables["dots"])) is None


def test_a_partition_that_others_attach_is_left_to_them(database):
    database.write(lambda c: c.execute(text("CREATE TABLE points_rest PARTITION OF points DEFAULT")))
    assert database.write(days) == []
    database.write(partial(put, at=[MIDNIGHT]))
    assert database.write(days) == ["points_20260101"]
    assert removed(database, DAY_S) == (1, 0)
    assert database.write(lambda c: c.execute(text("SELECT to_regclass('points_rest')")).scalar()) == "points_rest"


def test_two_who_begin_a_day_at_the_same_time_both_write(database, address):
    other = open_database(address)

    def first(connection):
        put(connection, [MIDNIGHT])
        second = thread.submit(other.write, partial(put, at=[MIDNIGHT + 1.0]))
        time.sleep(0.3)
        assert not second.done(), "it waits for whoever makes the day"
        return second

    with ThreadPoolExecutor(1) as thread:
        database.write(first).result(5.0)
    other.close()
    assert database.write(kept) == [0.0, 1.0]


def test_days_go_as_a_whole_once_all_of_them_is_too_old(database):
    at = MIDNIGHT + np.array([0.0, 0.5, 1.25, 1.75, 2.25, 2.75]) * DAY_S
    database.write(partial(put, at=at))
    assert removed(database, 0.75 * DAY_S) == (0, 0), "the other half of the day is kept with it"
    assert removed(database, 1.5 * DAY_S) == (1, 0)
    assert database.write(kept) == ((at - MIDNIGHT)[2:]).tolist()
    assert removed(database, 2.5 * DAY_S) == (1, 1), "of the day that is written now, rows go one by one"
    assert database.write(kept) == [2.75 * DAY_S]
    assert removed(database, 9.0 * DAY_S) == (1, 0)
    assert database.write(days) == []


def test_a_day_that_somebody_reads_is_emptied_and_goes_the_next_time(database, address):
    database.write(partial(put, at=MIDNIGHT + np.array([0.0, 1.0, 2.0]) * DAY_S))
    other = open_database(address)
    with ThreadPoolExecutor(1) as thread:

        def read(connection):
            assert len(kept(connection)) == 3
            done = thread.submit(removed, other, 1.5 * DAY_S).result(5.0)
            thread.submit(other.write, partial(put, at=[MIDNIGHT + 2.5 * DAY_S])).result(5.0)
            return done

        assert database.write(read) == (0, 1)
    other.close()
    assert database.write(days)[0] == "points_20260101"
    assert removed(database, 1.5 * DAY_S) == (1, 0)
    assert database.write(kept) == [DAY_S, 2 * DAY_S, 2.5 * DAY_S]


def test_a_day_that_others_need_is_emptied(database):
    database.write(partial(put, at=MIDNIGHT + np.array([0.0, 1.0, 2.0]) * DAY_S))
    database.write(lambda c: c.execute(text("CREATE VIEW first_day AS SELECT at FROM points_20260101")))
    assert removed(database, 2 * DAY_S) == (1, 1)
    assert database.write(days) == ["points_20260101", "points_20260103"]


def test_two_who_prune_at_the_same_time_do_not_stop_each_other(database, address):
    database.write(partial(put, at=MIDNIGHT + np.array([0.0, 1.0]) * DAY_S))
    other = open_database(address)
    old = Retention(points_s=MIDNIGHT + DAY_S, dots_s=0, events_s=0, minutes_s=0, hours_s=0)

    def first(connection):
        prune(connection, old)
        second = thread.submit(other.write, partial(prune, before=old))
        time.sleep(0.2)
        return second

    with ThreadPoolExecutor(1) as thread:
        assert database.write(first).result(5.0)[DAYS] <= 1
    other.close()
    assert database.write(days) == ["points_20260102"]


def test_a_write_waits_for_no_one_who_is_busy_with_another_day(database, address):
    database.write(partial(put, at=MIDNIGHT + np.array([0.0, 1.0]) * DAY_S))
    other = open_database(address)

    def busy(connection):
        connection.execute(text("LOCK TABLE points_20260101 IN ACCESS EXCLUSIVE MODE"))  # as VACUUM FULL does
        thread.submit(other.write, partial(put, at=[MIDNIGHT + 1.5 * DAY_S])).result(5.0)

    with ThreadPoolExecutor(1) as thread:
        database.write(busy)
    other.close()
    assert len(database.write(kept)) == 3


def test_what_a_role_may_not_do_yet_is_tried_again(database, postgres, address):
    """A role that may write but owns nothing cannot make a day; once it may, what waits is written."""
    name = address.rpartition("/")[2]
    database.write(lambda c: c.execute(text("CREATE ROLE clerk LOGIN")))
    database.write(lambda c: c.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")))
    clerk = open_database(postgres.url(name).replace("postgres@", "clerk@"))
    with pytest.raises(StoreError, match="permission denied") as told:
        clerk.write(partial(put, at=[MIDNIGHT]))
    assert not isinstance(told.value, StoreRefused)
    clerk.close()
    for statement in ("DROP OWNED BY clerk", "DROP ROLE clerk"):
        database.write(lambda c, statement=statement: c.execute(text(statement)))


def test_a_copy_of_any_size_goes_in_messages_that_postgresql_takes(database, monkeypatch):
    monkeypatch.setattr(sql_copy, "MESSAGE", 100)
    database.write(partial(put, at=MIDNIGHT + np.arange(50.0)))
    assert database.write(kept) == np.arange(50.0).tolist()


def test_boxes_are_found_by_an_index_that_costs_next_to_nothing(database):
    def asked(question):
        return database.write(lambda c: c.execute(text(question)).scalars().all())

    database.write(partial(put, at=MIDNIGHT + np.arange(100_000) * 0.5))
    (index,) = asked("SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass('points_20260101')")
    asked(f"SELECT brin_summarize_new_values({index})")  # what autovacuum does meanwhile
    database.write(lambda c: c.execute(text("ANALYZE points_20260101")))
    second = f"at >= to_timestamp({MIDNIGHT + 9.0}) AND at < to_timestamp({MIDNIGHT + 10.0})"
    assert "Bitmap Index Scan" in " ".join(asked(f"EXPLAIN SELECT * FROM points WHERE {second}"))
    assert asked("SELECT pg_indexes_size('points_20260101')")[0] < 100_000


@pytest.mark.parametrize("part", [3, 7, 1000])
def test_boxes_are_read_in_order_over_days_and_gaps(database, monkeypatch, part):
    monkeypatch.setattr(sql_dots, "PART", part)
    at = np.concatenate([np.repeat([0.0, 1.0, 500.0], 5), DAY_S * np.array([1.0, 9.0]) - 0.5, [9.0 * DAY_S]])
    order = np.random.default_rng(1).permutation(len(at))
    database.write(partial(put, at=MIDNIGHT + at[order]))

    async def read():
        archive = SQLArchive(database, "shop")
        return [found async for found in archive.boxes(Period(MIDNIGHT, MIDNIGHT + 20 * DAY_S))]

    parts = asyncio.run(read())
    assert np.concatenate([found.at for found in parts]).tolist() == (MIDNIGHT + at).tolist()
    assert all(len(np.intersect1d(a.at, b.at)) == 0 for a, b in pairwise(parts)), "whole instants"


def exported(database, since=-np.inf, until=np.inf):
    text = io.StringIO()
    database.write(partial(export, table=POINTS, since=since, until=until, output=text))
    return [line.split(",")[0] for line in text.getvalue().splitlines()[1:]]


def test_boxes_are_printed_in_order_of_time(database):
    at = MIDNIGHT + np.array([2 * DAY_S, 700.0, 3.0, 0.0, 650.0, -5.0])
    database.write(partial(put, at=at))
    told = ["2025-12-31T23:59:55", "2026-01-01T00:00:00", "2026-01-01T00:00:03", "2026-01-01T00:10:50"]
    told += ["2026-01-01T00:11:40", "2026-01-03T00:00:00"]
    assert exported(database) == [f"{instant}.000000Z" for instant in told]
    assert exported(database, MIDNIGHT, MIDNIGHT + 650.0) == [f"{instant}.000000Z" for instant in told[1:3]]


def test_boxes_of_before_stay_where_they_are(empty):
    """A history of the revision before: one table, which becomes the partition of all days so far."""

    def make(connection):
        first_revisions(connection)
        insert_columns(connection, POINTS, boxes(MIDNIGHT + np.array([-3.0, 0.1, 0.5]) * DAY_S))

    empty.write(make)
    assert mend(empty) == "revision 0003, from 0002"
    assert empty.write(days) == ["points_until_20260102"]
    empty.write(partial(put, at=MIDNIGHT + np.array([-9.0, 0.75, 1.5]) * DAY_S))
    assert empty.write(days) == ["points_until_20260102", "points_20260102"]
    assert len(exported(empty)) == 6
    assert removed(empty, 0.25 * DAY_S) == (0, 3), "such a partition may be far longer than a day"
    assert empty.write(kept) == [0.5 * DAY_S, 0.75 * DAY_S, 1.5 * DAY_S]
    assert removed(empty, DAY_S) == (1, 0)
    assert empty.write(days) == ["points_20260102"]


def first_revisions(connection):
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder()))
    command.upgrade(config, "0002")


@pytest.mark.parametrize("there", [[], [0.5]], ids=["no boxes", "boxes"])
def test_an_upgrade_waits_for_rows_that_are_under_way_and_keeps_them(empty, address, there):
    empty.write(first_revisions)
    empty.write(lambda connection: insert_columns(connection, POINTS, boxes(MIDNIGHT + np.array(there) * DAY_S)))
    other = open_database(address)
    with ThreadPoolExecutor(1) as thread:

        def write(connection):
            connection.execute(text("SELECT 1"))  # begins the transaction
            insert_columns(connection, POINTS, boxes([MIDNIGHT + 3 * DAY_S]))
            upgraded = thread.submit(other.write, upgrade)
            time.sleep(0.3)
            assert not upgraded.done()
            return upgraded

        empty.write(write).result(5.0)
    other.close()
    assert empty.write(kept) == [day * DAY_S for day in [*there, 3.0]]


def test_an_upgrade_keeps_whose_boxes_they_are_and_who_may_read_them(empty):
    def asked(question):
        return empty.write(lambda c: [tuple(row) for row in c.execute(text(question))])

    empty.write(first_revisions)
    for statement in ("CREATE ROLE keeper", "CREATE ROLE viewer", "ALTER TABLE points OWNER TO keeper"):
        empty.write(lambda c, statement=statement: c.execute(text(statement)))
    empty.write(lambda c: c.execute(text("GRANT SELECT ON points TO viewer WITH GRANT OPTION")))
    before = asked("SELECT pg_get_userbyid(relowner), CAST(relacl AS text) FROM pg_class WHERE relname = 'points'")
    empty.write(upgrade)
    after = asked("SELECT pg_get_userbyid(relowner), CAST(relacl AS text) FROM pg_class WHERE relname = 'points'")
    assert after == before
    for statement in ("DROP OWNED BY keeper, viewer", "DROP ROLE keeper, viewer"):
        empty.write(lambda c, statement=statement: c.execute(text(statement)))


def test_an_upgrade_names_the_views_that_are_in_its_way(empty):
    empty.write(first_revisions)
    empty.write(lambda c: c.execute(text("CREATE VIEW busy AS SELECT camera_id, count(*) FROM points GROUP BY 1")))
    with pytest.raises(ConfigError, match=r"points: views read it, which are to be dropped and made anew: busy"):
        mend(empty)


def test_a_history_of_before_without_boxes_has_no_partition_yet(empty):
    empty.write(upgrade)
    assert empty.write(days) == []
