"""A history on both databases that rows are put into by hand, and that is asked as the product asks it."""

import asyncio
import uuid

import numpy as np
import pytest
from databases import KINDS
from sqlalchemy import delete, insert

from app.domains.analytics.figures import Period
from app.domains.analytics.places import PlaceId
from app.infrastructure import sql_schema
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_copy import insert_columns
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_revision import upgrade
from app.orchestration.archive import Archive

T0 = 1_767_261_600.0  # 2026-01-01T10:00:00Z, a whole hour
HOUR, DAY = 3600.0, 86_400.0
DOOR, TILL = PlaceId("door"), PlaceId("till")
EVER = Period(T0 - DAY, T0 + 30 * DAY)


class History:
    """A database that rows are put into."""

    def __init__(self, address):
        self.address = address
        self.database = open_database(address)
        self.database.write(upgrade)

    def begin_anew(self):
        """Empty the tables, which takes a hundredth of the time that a new database does."""

        def empty(connection):
            for table in reversed(sql_schema.METADATA.sorted_tables):
                connection.execute(delete(table))

        self.database.write(empty)
        self.add("sites", {"id": 1, "name": "shop"}, {"id": 2, "name": "elsewhere"})
        self.add("cameras", *({"id": i, "site_id": 1, "name": name} for i, name in enumerate("ab", 1)))
        self.run(1, 0.0, 2 * HOUR)
        self.archive: Archive = SQLArchive(self.database, "shop")

    def add(self, table, *rows):
        into = insert(sql_schema.METADATA.tables[table])
        self.database.write(lambda connection: connection.execute(into, list(rows)))

    def run(self, run_id, begun, ended, site_id=1):
        self.add("runs", {"id": run_id, "site_id": site_id, "begun": T0 + begun, "batch": 1, "ended": T0 + ended})

    def seen(self, person, first, last, run_id=1):
        """Enter an id that was reported from one instant to another."""
        self.add("identities", {"run_id": run_id, "person": person, "first_seen": T0 + first})
        row = {"run_id": run_id, "person": person, "since": -np.inf, "until": np.inf, "identity": person}
        self.add("spans", {**row, "first_seen": T0 + first, "last_seen": T0 + last})

    def dots(self, person, instants, xy=(1.0, 2.0), run_id=1, sigma=0.1):
        n = len(instants)
        columns = {"at": T0 + np.array(instants, dtype=float), "run_id": np.full(n, run_id)}
        columns |= {"person": np.full(n, person)}
        columns |= {"x": np.full(n, float(xy[0])), "y": np.full(n, float(xy[1]))}
        columns |= {"sigma": np.full(n, sigma), "certainty": np.full(n, 0.5)}
        types = {"run_id": np.int32, "sigma": np.float32, "certainty": np.float32}
        columns = {name: column.astype(types.get(name, column.dtype)) for name, column in columns.items()}
        self.database.write(lambda connection: insert_columns(connection, sql_schema.DOTS, columns))

    def walked(self, person, first, last, run_id=1, **more):
        """Enter somebody with two dots a second."""
        self.seen(person, first, last, run_id)
        self.dots(person, np.arange(first, last + 0.25, 0.5), run_id=run_id, **more)

    def stay(self, place, person, begun, ended, ending="left", run_id=1):
        row = {"run_id": run_id, "place": place, "person": person, "begun": T0 + begun, "ended": T0 + ended}
        self.add("stays", {**row, "place_version": 1, "ending": ending})

    def rollup(self, place, at, step=60, **sums):
        row = dict.fromkeys(("watched_s", "observed_s", "person_s", "distance_m", "sigma_s", "certainty_s"), 0.0)
        row |= dict.fromkeys(("peak", "entered", "gone"), 0)
        self.add("occupancy", {"site_id": 1, "place": place, "step": step, "at": T0 + at, **row, **sums})

    def event(self, number, at, kind, person=None, place=DOOR, **more):
        row = {"id": number, "site_id": 1, "run_id": 1, "at": T0 + at, "place": place, "place_version": 1}
        unknown = dict.fromkeys(("inwards", "dwell_s", "people", "camera_id"))
        self.add("events", {**row, "kind": str(kind), "person": person, **unknown, **more})

    def ask(self, question, *args, **more):
        return asyncio.run(getattr(self.archive, question)(*args, **more))

    def parts(self, question, *args, **more):
        async def all_of():
            return [part async for part in getattr(self.archive, question)(*args, **more)]

        return asyncio.run(all_of())


@pytest.fixture(scope="session", params=KINDS)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    sqlite = request.param == "sqlite"
    server = None if sqlite else request.getfixturevalue("postgres")
    made = History(f"sqlite:///{folder / 'h.sqlite'}" if sqlite else server.make(f"t{uuid.uuid4().hex[:12]}"))
    yield made
    made.database.close()


@pytest.fixture
def history(made):
    made.begin_anew()
    return made


@pytest.fixture
def in_sqlite(tmp_path):
    made = History(f"sqlite:///{tmp_path / 'history.sqlite'}")
    made.begin_anew()
    yield made
    made.database.close()
