"""Which revision a database's tables have, and how they come to the newest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text

import app
from app.errors import ConfigError
from app.infrastructure import sql_timescale
from app.infrastructure.sql_schema import HEAD, IDENTITIES, METADATA

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.infrastructure.sql_database import Database

NOTHING = "nothing"  # an empty database
FIRST = "0001"  # ids of people were not unique over runs yet
FOREIGN = "foreign"  # tables of these names that no migration has made


def revision(connection: Connection) -> str:
    """Return the revision, NOTHING or FOREIGN."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return NOTHING if found is None else str(found)
    return FOREIGN if tables & ({"boxes"} | set(METADATA.tables)) else NOTHING


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    command.upgrade(config, "head")
    sql_timescale.apply(connection)


def mend(database: Database) -> str:
    """Bring the tables to the newest revision; returns what was done.

    Raises:
        ConfigError: tables that no migration has made, or that a newer SpotOn has.
        StoreError: the database cannot be reached.
    """
    before = database.write(revision)
    if before == FOREIGN or (before != NOTHING and before > HEAD):
        check(database, "", make=False)
    database.write(upgrade)
    done = f"revision {HEAD}" if before == HEAD else f"revision {HEAD}, from {before}"
    runs = database.write(_runs_with_people) if before == FIRST else 0
    if runs > 1:
        done += f"; in each of its {runs} runs ids of people begin at 1, so that one id of then may be several people"
    return done


def _runs_with_people(connection: Connection) -> int:
    return int(connection.execute(select(func.count(IDENTITIES.c.run_id.distinct()))).scalar_one())


def folder() -> Path:
    """Return where the migrations lie: beside the package in a checkout, inside of it once installed."""
    package = Path(app.__file__ or "").resolve().parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def check(database: Database, mend: str, *, make: bool) -> None:
    """Refuse a database whose tables are not those of this program.

    Args:
        database: any.
        mend: the command that upgrades it.
        make: whether tables are made where there are none yet.

    Raises:
        ConfigError: too old, too new, or made by something else.
        StoreError: the database cannot be reached.
    """
    found = database.write(revision)
    if found == NOTHING and make:
        database.write(upgrade)
    elif found == FOREIGN:
        problem = "has tables that no migration has made: a history of before SpotOn's migrations, or another program's"
        raise ConfigError(database.name, "", f"{problem}; move it away, and a new one is made")
    elif found == NOTHING or found < HEAD:
        state = "is empty" if found == NOTHING else f"has tables of revision {found}, this SpotOn needs {HEAD}"
        raise ConfigError(database.name, "", f"{state}; run: {mend}")
    elif found > HEAD:
        problem = f"has tables of revision {found}, this SpotOn knows none after {HEAD}"
        raise ConfigError(database.name, "", f"{problem}; upgrade SpotOn, or give another --database")
