"""Places as the database keeps them, and what a start makes of the site file's."""

from functools import partial

import pytest
from test_sql_floor import DOOR, ROOM, TILL, WIDER, _compiled, floored, update  # noqa: F401 - a fixture
from test_sql_store import T0, written

from app.domains.analytics.places import PlaceId, Zone
from app.infrastructure.sql_database import open_database
from app.infrastructure.sql_places import definition_of, draw, draw_described, erase, in_force, place_of, read_places
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_write import Start, begin


@pytest.fixture
def database(address):
    opened = open_database(address)
    opened.write(upgrade)
    opened.write(partial(begin, start=Start("shop", T0, {})))
    yield opened
    opened.close()


def told(database):
    return [
        (version.place_id, version.version, version.since - T0, definition_of(version.place))
        for version in database.write(lambda c: read_places(c, 1))
    ]


@pytest.mark.parametrize("place", [TILL, ROOM, WIDER, DOOR], ids=lambda place: place.name)
def test_a_place_is_read_as_it_was_drawn(place):
    again = place_of(place.place_id, definition_of(place))
    assert type(again) is type(place)
    assert definition_of(again) == definition_of(place)
    assert place_of(PlaceId("x"), definition_of(None)) is None


def test_places_are_drawn_anew_and_erased_as_versions(database):
    first = database.write(lambda c: draw(c, 1, ROOM, T0 + 1.0))
    second = database.write(lambda c: draw(c, 1, WIDER, T0 + 5.0))
    early = database.write(lambda c: draw(c, 1, ROOM, T0 + 3.0))
    assert (first.version, second.version, early.version) == (1, 2, 3)
    assert early.since == T0 + 5.0, "no version begins before the one before it"
    gone = database.write(lambda c: erase(c, 1, ROOM.place_id, T0 + 9.0))
    assert (gone.version, gone.place) == (4, None)
    assert database.write(lambda c: erase(c, 1, ROOM.place_id, T0 + 9.0)) is None
    assert database.write(lambda c: erase(c, 1, TILL.place_id, T0)) is None
    room, wider = definition_of(ROOM), definition_of(WIDER)
    assert told(database) == [
        ("room", 1, 1.0, room),
        ("room", 2, 5.0, wider),
        ("room", 3, 5.0, room),
        ("room", 4, 9.0, None),
    ]
    assert in_force(database.write(lambda c: read_places(c, 1))) == ()


def test_what_users_drew_outlives_a_start_and_what_the_site_file_says_anew_does_not_wait(database):
    def start(places, at):
        database.write(lambda c: draw_described(c, 1, places, T0 + at))
        return {v.place_id: definition_of(v.place) for v in in_force(database.write(lambda c: read_places(c, 1)))}

    room, wider, till = (definition_of(place) for place in (ROOM, WIDER, TILL))
    assert start((ROOM, TILL), 0.0) == {"room": room, "till": till}
    database.write(lambda c: draw(c, 1, WIDER, T0 + 1.0))
    database.write(lambda c: erase(c, 1, TILL.place_id, T0 + 1.0))
    assert start((ROOM, TILL), 2.0) == {"room": wider}, "the file says nothing that it had not said"
    moved = Zone(ROOM.place_id, "Room", ROOM.polygon + 1.0)
    assert start((moved, TILL), 3.0) == {"room": definition_of(moved)}
    assert start((), 4.0) == {"room": definition_of(moved)}


def test_ids_of_people_go_on_where_the_run_before_ended_also_when_that_waits_in_files(postgres, tmp_path):
    address = postgres.make("ids")
    first = floored(address, tmp_path)
    assert first.last_id == 0
    first.append(update(T0, {7: (1.0, 1.0)}))
    written(first)
    postgres.stop()
    try:
        first.append(update(T0 + 1.0, {12: (1.0, 1.0)}))
        assert not first.close(0.5)
    finally:
        postgres.start()
    second = floored(address, tmp_path, begun=T0 + 10.0)
    assert second.last_id == 12
    written(second, 10.0)
    assert second.close(3.0)
    assert floored(address, tmp_path, begun=T0 + 20.0).last_id == 12


def test_stays_that_a_run_left_open_end_when_the_next_one_begins(database, address, tmp_path):
    rows = "SELECT count(*) FROM stays WHERE ending = 'here'"

    def ask(question):
        return database.write(lambda c: c.exec_driver_sql(question).scalar())

    first = floored(address, tmp_path)
    for i in range(20):
        first.append(update(T0 + i / 5, {7: (8.0, 2.0)}))
    written(first)
    assert ask(rows) == 2, "on the floor, and at the till"
    second = floored(address, tmp_path / "elsewhere", begun=T0 + 10.0)
    second.append(update(T0 + 11.0, {8: (8.0, 2.0)}))
    written(second)
    assert ask(rows) == 2
    assert ask(rows + " AND person = 7") == 0
    assert ask("SELECT count(*) FROM stays WHERE ending = 'lost' AND person = 7") == 2
    for store in (second, first):
        store.close(3.0)
