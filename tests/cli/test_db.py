import json
import time

import numpy as np
import pytest
from sqlalchemy import insert

from app.cli.main import main
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_rollup import pack_cells
from app.infrastructure.sql_schema import HEAT


@pytest.fixture
def spoton(monkeypatch, capsys, address):
    """Runs `spoton db` on a database; returns the exit code and what was printed."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments, database=address):
        with pytest.raises(SystemExit) as left:
            main(["db", *arguments, *([] if database is None else ["--database", database])])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


@pytest.fixture
def filled(address):
    now = time.time()
    database = open_database(address)
    instant = {"sqlite": str, "postgresql": lambda at: f"to_timestamp({at})"}[address.partition(":")[0]]
    database.write(upgrade)
    for days in (0.0, 1.0, 3.0, 100.0):
        row = f"{instant(now - 86_400.0 * days)}, 1, 7, 1.5, 2.5, 0.25, 1"
        database.write(lambda c, row=row: c.exec_driver_sql(f"INSERT INTO dots VALUES ({row})"))
    database.close()
    return now


def test_a_database_is_made_upgraded_and_told_about(spoton):
    code, printed, _ = spoton("status")
    assert (code, "revision nothing, this SpotOn needs 0003" in printed) == (0, True)
    code, _, said = spoton("upgrade")
    assert (code, "revision 0003, from nothing" in said) == (0, True)
    code, printed, _ = spoton("status")
    assert "revision 0003, up to date" in printed
    assert "corrections " in printed


@pytest.mark.usefixtures("filled")
def test_old_rows_are_removed_when_asked(spoton):
    assert "removed 1 of dots" in spoton("prune")[2]
    assert "removed 1 of dots" in spoton("prune", "--keep-dots", "2")[2]
    assert "removed nothing" in spoton("prune", "--keep-dots", "2")[2]


def test_rows_are_printed_with_their_times_in_utc(spoton, filled):
    code, printed, _ = spoton("export", "dots")
    header, *lines = printed.split()
    assert (code, header, len(lines)) == (0, "at,run_id,person,x,y,sigma,certainty", 4)
    assert lines == sorted(lines)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(filled - 2 * 86_400.0))
    rows = [
        json.loads(line) for line in spoton("export", "dots", "--format", "jsonl", "--since", since)[1].splitlines()
    ]
    assert [(row["person"], row["x"], row["y"], row["sigma"]) for row in rows] == [(7, 1.5, 2.5, 0.25)] * 2
    day = time.strftime("%Y-%m-%d", time.gmtime(filled))
    assert rows[-1]["at"].startswith(day)
    assert rows[-1]["at"].endswith("Z")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("export", "nix"), "there is no nix; expected one of appearances"),
        (("export", "dots", "--format", "xml"), "there is no xml; expected one of csv, jsonl"),
        (("export", "dots"), "is empty; run: spoton db upgrade --database URL"),
        (("prune",), "is empty; run: spoton db upgrade --database URL"),
    ],
)
def test_what_cannot_be_done_is_one_line(spoton, arguments, problem):
    code, _, said = spoton(*arguments)
    assert (code, problem in said, said.count("\n")) == (2, True, 1)


def test_an_embedded_history_that_is_not_there_is_not_made_by_looking(spoton, tmp_path):
    code, _, said = spoton("status", "--data", str(tmp_path / "none"), database=None)
    assert (code, "there is no history yet" in said) == (2, True)
    assert not (tmp_path / "none").exists()


def test_a_password_may_stand_in_a_file(spoton, tmp_path, monkeypatch, address):
    place, _, name = address.rpartition("/")
    (tmp_path / "name").write_text(name + "\n")
    monkeypatch.setenv("HISTORY_FILE", str(tmp_path / "name"))
    assert "revision 0003, from nothing" in spoton("upgrade", database=place + "/{HISTORY}")[2]
    assert "up to date" in spoton("status", database=address)[1]
    code, _, said = spoton("status", database="postgresql://spoton:{NO_SUCH_NAME}@127.0.0.1/x")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("spoton: --database: the environment has no NO_SUCH_NAME; set it before the start, or")


def test_bytes_are_printed_as_hexadecimal(spoton, address):
    spoton("upgrade")
    database = open_database(address)
    packed = pack_cells(np.array([3]), np.array([2.0]))
    row = {"site_id": 1, "at": 1.7e9, "cells": packed}
    database.write(lambda c: c.execute(insert(HEAT), row))
    database.close()
    printed = spoton("export", "heat", "--format", "jsonl")[1]
    assert json.loads(printed) == {"site_id": 1, "at": "2023-11-14T22:13:20.000000Z", "cells": packed.hex()}
