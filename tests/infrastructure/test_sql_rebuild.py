"""A time made anew from its dots is what was written when it was lived."""

import asyncio
import re
from collections import Counter

import numpy as np
import pytest
from sqlalchemy import delete, func, select, update
from test_sql_floor import DOOR, ROOM, TILL, _compiled, floored, wander  # noqa: F401 - a fixture
from test_sql_store import T0, written

from app.cli.main import main
from app.domains.analytics.figures import Period
from app.domains.analytics.places import PlaceId, Zone
from app.domains.vocabulary import CameraId
from app.errors import ConfigError, StoreError
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_places import draw, in_force, read_places
from app.infrastructure.sql_rebuild import complete, plan, rebuild
from app.infrastructure.sql_rebuilder import SQLRebuilder
from app.infrastructure.sql_retention import Retention, tidy
from app.infrastructure.sql_rollup import unpack_cells
from app.infrastructure.sql_schema import DOTS, EVENTS, HEAT, HEAT_CELLS, INSTANTS, OCCUPANCY, PLACES, STAYS

HOUR = T0 - T0 % 3600.0 + 3600.0  # at which an hour begins
ALL = (-np.inf, np.inf)


@pytest.fixture
def database(address):
    opened = open_database(address)
    yield opened
    opened.close()


def everything(database):
    """Return all that is found at places; sums as far as the order of adding up leaves them alone."""

    def rows(table, but=()):
        columns = [column for column in table.c if column.name not in but]
        return sorted(map(repr, map(tuple, database.write(lambda c: c.execute(select(*columns)).all()))))

    sums = database.write(lambda c: c.execute(select(OCCUPANCY).order_by("place", "step", "at")).all())
    return {
        "events": rows(EVENTS, but={"id"}),
        "stays": rows(STAYS),
        "keys": [tuple(row[:4]) for row in sums],
        "sums": np.array([row[4:] for row in sums], np.float64).round(4).tolist(),
    }


def live_through(address, folder, runs=2):
    """Two runs across the turn of an hour; one camera is lost for some of the time."""
    site = {"now": 0.0, "a": "live", "b": "live"}

    def states():
        return site["now"], [(CameraId(name), site[name], None) for name in "ab"]

    for run in range(runs):
        begun = site["now"] = HOUR - 20.0 + 60.0 * run
        store = floored(address, folder, begun, states=states)
        wander(store, seed=run, seconds=40.0, begun=begun, first_id=store.last_id + 1)
        written(store, 20.0)
        site |= {"now": begun + 35.0, "b": ("lost", "live")[run % 2]}
        assert store.close(10.0)


def test_hours_made_anew_are_as_they_were(address, tmp_path, database):
    live_through(address, tmp_path)
    before = everything(database)
    assert len(before["events"]) > 60
    planned = database.write(lambda c: plan(c, "shop", *ALL))
    assert planned.hours == (HOUR - 3600.0, HOUR)
    assert list(rebuild(database, planned)) == [HOUR - 3600.0, HOUR]
    assert everything(database) == before


@pytest.mark.parametrize("hour", [0, 1], ids=["the first", "the second"])
def test_one_hour_made_anew_leaves_the_other_alone(address, tmp_path, database, hour):
    """Stays that reach over the turn of the hour keep their begin and their end."""
    live_through(address, tmp_path)
    before = everything(database)
    begin = HOUR - 3600.0 + 3600.0 * hour
    spoil(database, begin)
    assert everything(database) != before
    planned = database.write(lambda c: plan(c, None, begin, begin + 3600.0))
    assert list(rebuild(database, planned)) == [begin]
    assert everything(database) == before


def spoil(database, begin):
    """Remove what was found within an hour, and make a figure up."""
    for table in (EVENTS, OCCUPANCY):
        within = table.c.at >= begin, table.c.at < begin + 3600.0
        query = (delete(table) if table is EVENTS else update(table).values(peak=99)).where(*within)
        database.write(lambda c, query=query: c.execute(query))


def heat(database):
    """Return the seconds of each cell."""
    loose = database.write(lambda c: c.execute(select(HEAT_CELLS.c.cell, HEAT_CELLS.c.seconds)).all())
    total = Counter()
    for cell, seconds in loose:
        total[cell] += seconds
    for row in database.write(lambda c: c.execute(select(HEAT)).all()):
        for cell, seconds in zip(*unpack_cells(row.cells), strict=True):
            total[int(cell)] += seconds
    return total


def heat_of_cut_hours(database):
    """Return the person-seconds of periods that begin or end within an hour, and within a minute."""
    archive = SQLArchive(database, "shop")
    periods = [(-60.0, 60.0), (-15.5, 50.25), (40.0, 45.0), (50.0, 180.0), (0.0, 60.0)]
    return [
        asyncio.run(archive.heat(Period(HOUR + since, HOUR + until), 0.25)).seconds.sum() for since, until in periods
    ]


def test_heat_is_packed_by_hours_and_the_same_after_it_was_made_anew(address, tmp_path, database):
    live_through(address, tmp_path)
    loose = heat(database)
    assert sum(loose.values()) > 300.0
    maps = heat_of_cut_hours(database)
    assert maps[0] > 50.0
    database.write(lambda c: tidy(c, HOUR + 7200.0, Retention()))
    assert heat_of_cut_hours(database) == pytest.approx(maps, rel=1e-4)
    hours = select(HEAT.c.at).order_by("at")
    assert database.write(lambda c: c.execute(hours).scalars().all()) == [HOUR - 3600.0, HOUR]
    assert database.write(lambda c: c.execute(select(HEAT_CELLS)).all()) == []
    assert heat(database) == pytest.approx(loose, rel=1e-4)
    list(rebuild(database, database.write(lambda c: plan(c, None, *ALL))))
    assert database.write(lambda c: c.execute(hours).scalars().all()) == [HOUR - 3600.0, HOUR]
    assert heat(database) == pytest.approx(loose, rel=1e-4)


def test_a_zone_that_is_drawn_late_gets_figures_of_before(address, tmp_path, database):
    live_through(address, tmp_path, runs=1)
    before = everything(database)
    late = Zone(PlaceId("late"), "Late", TILL.polygon)
    database.write(lambda c: draw(c, 1, late, HOUR + 9000.0))
    list(rebuild(database, database.write(lambda c: plan(c, None, *ALL, PlaceId("late")))))
    stays = database.write(lambda c: c.execute(select(STAYS).order_by("person", "begun")).all())
    of = {name: [tuple(row)[2:5] for row in stays if row.place == name] for name in ("till", "late")}
    assert of["late"] == of["till"]
    assert len(of["late"]) > 5
    since = select(PLACES.c.since).where(PLACES.c.place == "late")
    assert database.write(lambda c: c.execute(since).scalar()) == HOUR - 3600.0
    database.write(lambda c: [c.execute(delete(t).where(t.c.place == "late")) for t in (EVENTS, STAYS, OCCUPANCY)])
    assert everything(database) == before, "nothing else was touched"


def drawn_in_the_hour(address, folder, database):
    """Let people wander in an hour that is not over; a zone like the till is drawn after 20 s of 40."""
    begun, late = HOUR + 600.0, Zone(PlaceId("late"), "Late", TILL.polygon, capacity=1)
    store = floored(address, folder, begun)
    database.write(lambda c: draw(c, 1, late, begun + 20.0))
    store.redraw(in_force(database.write(lambda c: read_places(c, 1))), begun + 20.0)
    wander(store, seed=5, seconds=40.0, begun=begun)
    written(store, 20.0)
    assert store.close(10.0)
    return begun


def missed(database, until):
    return database.write(lambda c: plan(c, None, HOUR, until, PlaceId("late")))


def test_a_zone_that_was_drawn_in_the_hour_that_goes_on_gets_what_it_missed_once(address, tmp_path, database):
    begun = drawn_in_the_hour(address, tmp_path, database)
    planned = missed(database, begun + 60.0)
    assert (planned.hours, planned.drawn_at, len(planned)) == ((), begun + 20.0, 1)
    complete(database, planned)
    complete(database, planned)
    assert missed(database, begun + 60.0).drawn_at is None
    table = OCCUPANCY.c
    sums = select(table.place, table.step, table.at, table.entered, table.gone, table.observed_s, table.person_s)
    rows = database.write(lambda c: c.execute(sums.order_by(table.place, table.step, table.at)).all())
    of = {name: [tuple(row)[1:] for row in rows if row.place == name] for name in ("till", "late")}
    assert [row[:4] for row in of["late"]] == [row[:4] for row in of["till"]]
    assert sum(row[2] for row in of["late"]) > 10
    for late, till in zip(of["late"], of["till"], strict=True):
        assert late[4:] == pytest.approx(till[4:], abs=1.0)  # from the dot before it was drawn to the one behind
    events = select(EVENTS.c.place, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.person)
    found = database.write(lambda c: c.execute(events.where(EVENTS.c.kind.in_(["enter", "exit"]))).all())
    told = {name: sorted(tuple(row)[1:] for row in found if row.place == name) for name in ("till", "late")}
    assert told["late"] == told["till"]
    since = select(PLACES.c.since).where(PLACES.c.place == "late")
    assert database.write(lambda c: c.execute(since).scalar()) == HOUR


def test_once_the_hour_is_over_it_is_made_anew_as_a_whole(address, tmp_path, database):
    begun = drawn_in_the_hour(address, tmp_path, database)
    complete(database, missed(database, begun + 60.0))
    planned = missed(database, HOUR + 3600.0)
    assert (planned.hours, planned.drawn_at) == ((HOUR,), None)
    assert list(rebuild(database, planned)) == [HOUR]
    stays = database.write(lambda c: c.execute(select(STAYS).order_by("person", "begun")).all())
    of = {name: [tuple(row)[2:5] for row in stays if row.place == name] for name in ("till", "late")}
    assert of["late"] == of["till"]


@pytest.mark.parametrize(("since", "until"), [(HOUR + 1.0, HOUR + 700.0), (HOUR, HOUR + 615.0)])
def test_nothing_is_added_of_a_time_that_is_not_asked_for(address, tmp_path, database, since, until):
    drawn_in_the_hour(address, tmp_path, database)
    planned = database.write(lambda c: plan(c, None, since, until, PlaceId("late")))
    assert (len(planned), planned.drawn_at) == (0, None)


def test_hours_of_which_no_dots_are_kept_stay_as_they_are(address, tmp_path, database):
    live_through(address, tmp_path, runs=1)
    before = everything(database)
    for table in (DOTS, INSTANTS):
        database.write(lambda c, t=table: c.execute(delete(t)))
    planned = database.write(lambda c: plan(c, None, *ALL))
    assert planned.hours == ()
    assert list(rebuild(database, planned)) == []
    assert everything(database) == before


def test_what_is_not_there_is_named(address, tmp_path, database):
    assert floored(address, tmp_path, places=(TILL, ROOM, DOOR)).close(3.0)
    with pytest.raises(ConfigError, match="there is no such site: one of shop"):
        database.write(lambda c: plan(c, "mall", *ALL))
    with pytest.raises(ConfigError, match="there is no such place; expected one of door, room, till"):
        database.write(lambda c: plan(c, None, *ALL, PlaceId("attic")))


def test_the_command_says_what_it_did(address, tmp_path, capsys):
    def said(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["db", "rebuild", "--database", address, *arguments])
        return left.value.code, capsys.readouterr().err

    live_through(address, tmp_path, runs=1)
    code, line = said()
    assert code == 0
    assert re.search(r"made anew 2 hours, 2026-01-01T\d\d:00:00Z to 2026-01-01T\d\d:00:00Z\n$", line)
    assert "nothing is made anew" in said("--since", "2026-02-01")[1]


def test_a_job_makes_anew_what_is_over_while_the_store_goes_on(address, tmp_path, database):
    live_through(address, tmp_path, runs=1)
    late = Zone(PlaceId("late"), "Late", TILL.polygon)
    store = floored(address, tmp_path, HOUR + 60.0)
    drawn_at = HOUR + 80.0
    database.write(lambda c: draw(c, 1, late, drawn_at))
    store.redraw(in_force(database.write(lambda c: read_places(c, 1))), drawn_at)
    wander(store, seed=2, seconds=40.0, begun=HOUR + 60.0, first_id=store.last_id + 1)
    written(store, 20.0)
    rebuilder = SQLRebuilder(database, "shop")
    planned = rebuilder.plan(PlaceId("late"), Period(HOUR - 1.0, HOUR + 200.0), HOUR + 200.0)
    assert (len(planned), planned.ready_at) == (2, drawn_at + 25.0)
    assert list(planned.slices()) == [HOUR - 3600.0, HOUR]
    again = rebuilder.plan(PlaceId("late"), Period(HOUR - 1.0, HOUR + 200.0), HOUR + 200.0)
    assert list(again.slices()) == [HOUR], "what the hour that goes on lacked is added once"
    table = OCCUPANCY.c
    entered = select(table.place, func.sum(table.entered)).where(table.step == 3600).group_by(table.place)
    sums = dict(database.write(lambda c: c.execute(entered).all()))
    assert sums["late"] == sums["till"] > 10
    assert store.close(10.0)


def test_a_job_of_an_hour_that_is_not_over_waits_for_it(address, tmp_path, database):
    live_through(address, tmp_path, runs=1)
    rebuilder = SQLRebuilder(database, "shop")
    assert [len(rebuilder.plan(None, Period(HOUR, HOUR + 3600.0), HOUR + 3600.0 + s)) for s in (14.0, 16.0)] == [0, 1]


def test_a_job_that_is_given_up_asks_the_database_no_more(address, tmp_path, database):
    live_through(address, tmp_path, runs=1)
    planned = SQLRebuilder(database, "shop").plan(None, Period(HOUR - 3600.0, HOUR + 3600.0), HOUR + 9000.0)
    slices = planned.slices()
    assert next(slices) == HOUR
    planned.stop()
    with pytest.raises(StoreError, match="the program ends"):
        next(slices)
