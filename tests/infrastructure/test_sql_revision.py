import sqlite3
from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.errors import ConfigError
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import check, folder, mend, revision, upgrade
from app.infrastructure.sql_schema import HEAD, METADATA
from app.infrastructure.sql_write import Start, begin


@pytest.fixture
def database(address):
    opened = open_database(address)
    yield opened
    opened.close()


def test_the_migrations_make_the_schema(database):
    database.write(upgrade)
    differences = database.write(lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA))
    assert differences == []
    assert database.write(revision) == HEAD


def test_the_newest_revision_is_the_one_that_the_program_needs():
    config = Config()
    config.set_main_option("script_location", str(folder()))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_an_empty_database_is_made_only_where_that_is_meant(database):
    with pytest.raises(ConfigError, match=r"is empty; run: spoton db upgrade --database URL"):
        check(database, "spoton db upgrade --database URL", make=False)
    check(database, "", make=True)
    check(database, "", make=False)


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("0000", r"has tables of revision 0000, this SpotOn needs 0003; run: mend it"),
        ("0999", r"has tables of revision 0999, this SpotOn knows none after 0003; upgrade SpotOn"),
    ],
    ids=["too old", "too new"],
)
def test_tables_of_another_version_are_refused(database, version, problem):
    database.write(upgrade)
    database.write(lambda c: c.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'"))
    with pytest.raises(ConfigError, match=problem):
        check(database, "mend it", make=True)


def test_upgrading_says_what_it_did_and_refuses_what_is_newer(database):
    assert mend(database) == "revision 0003, from nothing"
    assert mend(database) == "revision 0003"
    database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(ConfigError, match="upgrade SpotOn"):
        mend(database)


def test_a_history_of_the_first_revision_goes_on_with_new_ids(database):
    def make(connection):
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder()))
        command.upgrade(config, "0001")
        at = "0.0" if connection.dialect.name == "sqlite" else "now()"
        connection.exec_driver_sql("INSERT INTO sites (id, name) VALUES (1, 'shop')")
        for run in (1, 2):
            connection.exec_driver_sql(f"INSERT INTO runs (site_id, begun, batch) VALUES (1, {at}, 1)")
            for person in range(1, 3 + run):
                connection.exec_driver_sql(f"INSERT INTO identities VALUES ({run}, {person}, {at})")

    database.write(make)
    told = "revision 0003, from 0001; in each of its 2 runs ids of people begin at 1"
    assert mend(database).startswith(told)
    assert database.write(lambda c: begin(c, Start("shop", 1e9, {}))).last_id == 4


def test_a_history_of_before_the_migrations_is_told_apart(tmp_path):
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE runs (run INTEGER PRIMARY KEY, site TEXT NOT NULL, begun REAL NOT NULL)")
    database = open_database(f"sqlite:///{path}")
    for refuse in (lambda: check(database, "", make=True), lambda: mend(database)):
        with pytest.raises(ConfigError, match=r"history.sqlite: has tables that no migration has made.*move it away"):
            refuse()
    database.close()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mysql://joe:secret@h/x", "mysql is not supported"),
        ("postgresql://joe:secret@h:nix/x", "is no address of a database"),
        ("postgresql://joe:secret", "is no address of a database"),
        ("nothing", "is no address of a database"),
        ("sqlite://", "names no file"),
        ("postgresql://joe:se@secret@h/x", "has an @ or / in its user or password; write it as %40 or %2F"),
        ("postgresql://joe:se@h/secret@h/x", "has an @ or / in its user or password; write it as %40 or %2F"),
        ("postgresql://joe:se@h?secret=1@h/x", "has an @ or / in its user or password; write it as %40 or %2F"),
        ("postgresql://j/oe:secret@h/x", "has an @ or / in its user or password; write it as %40 or %2F"),
        ("postgresql://joe:secret@h/x?options=1", "has the parameter options"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(address, problem):
    with pytest.raises(ConfigError, match=problem) as refused:
        open_database(address)
    assert "secret" not in str(refused.value)


def test_a_server_that_does_not_answer_is_named_without_its_password():
    database = open_database("postgresql://joe:secret@127.0.0.1:1/x")
    with pytest.raises(Exception, match=r"^postgresql://127.0.0.1:1/x: .*Connect call failed") as refused:
        database.write(revision)
    assert "secret" not in str(refused.value)
    database.close()
