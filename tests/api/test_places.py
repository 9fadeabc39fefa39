"""Zones and lines over REST."""

from dataclasses import replace

import pytest
from fake_archive import NOON
from fake_archive import TILL as DRAWN
from stage import Stage, served

from app.domains.analytics.places import PlaceId, PlaceVersion

ZONES = "/api/v1/sites/shop/zones"
TILL = {
    "id": "till",
    "name": "Till",
    "kind": "zone",
    "polygon": [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]],
    "ends": None,
    "capacity": 3,
    "max_dwell_s": None,
    "restricted": False,
    "queue": True,
    "version": 1,
    "since": "2026-01-01T11:00:00.000Z",
}
SHELF = {"name": "Shelf", "kind": "zone", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def client(stage):
    with served(stage.site()) as client:
        yield client


def test_zones_and_lines_in_use_are_listed_with_their_version(client):
    door, till = client.get(ZONES).json()["places"]
    assert till == TILL
    assert (door["kind"], door["ends"], door["polygon"]) == ("line", [[4.0, 0.0], [6.0, 0.0]], None)


def test_a_drawn_zone_is_in_force_at_once_and_each_change_is_a_version(client, stage):
    made = client.send("PUT", f"{ZONES}/shelf", SHELF)
    assert (made.status_code, made.json()["version"], made.json()["restricted"]) == (200, 1, False)
    wider = client.send("PUT", f"{ZONES}/shelf", {**SHELF, "polygon": [[0, 0], [3, 0], [3, 1]], "restricted": True})
    assert (wider.json()["version"], wider.json()["restricted"]) == (2, True)
    assert [drawn for drawn, _ in stage.watch.drawn] == [("door", "shelf", "till")] * 2
    versions = client.get(f"{ZONES}/shelf/versions").json()["versions"]
    assert [version["place"]["polygon"][1] for version in versions] == [[1.0, 0.0], [3.0, 0.0]]


def test_an_erased_zone_is_out_of_use_and_its_versions_stay(client, stage):
    assert client.send("DELETE", f"{ZONES}/till").status_code == 204
    assert [place["id"] for place in client.get(ZONES).json()["places"]] == ["door"]
    assert stage.watch.drawn[-1][0] == ("door",)
    versions = client.get(f"{ZONES}/till/versions").json()["versions"]
    assert [(version["version"], version["place"] is None) for version in versions] == [(1, False), (2, True)]
    again = client.send("DELETE", f"{ZONES}/till")
    assert (again.status_code, again.json()["detail"]) == (404, "there is no zone or line till in use")
    assert client.send("PUT", f"{ZONES}/till", SHELF).json()["version"] == 3


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"name": ""}, "name", "at least 1"),
        ({"polygon": [[0, 0], [1, 0]]}, "polygon", "at least 3"),
        ({"polygon": [[0, 0], [1, 0], [1e9, 0]]}, "polygon", "within 8000 m"),
        ({"polygon": [[0, 0], [1, 0], [0, 1], [1, 1]]}, "polygon", "cross or touch"),
        ({"polygon": [[0, 0], [0.1, 0], [0.1, 0.1]]}, "polygon", "at least 0.05"),
        ({"kind": "line", "polygon": None, "ends": [[0, 0], [0, 0]]}, "ends", "at least 0.1 m apart"),
        ({"polygon": [[0, 0], [1, 0], ["NaN", 0]]}, "polygon.2.0", "finite"),
        ({"polygon": [[0, 0]] * 201}, "polygon", "at most 200"),
        ({"polygon": None}, "", "a zone has a polygon"),
        ({"kind": "line"}, "", "a line has two ends"),
        ({"kind": "line", "polygon": None, "ends": [[0, 0], [1, 1]], "capacity": 3}, "", "no limits"),
        ({"capacity": 0}, "capacity", "greater than or equal to 1"),
        ({"colour": "red"}, "colour", "not permitted"),
    ],
)
def test_what_is_no_place_is_refused_with_its_field(client, stage, change, field, detail):
    answer = client.send("PUT", f"{ZONES}/shelf", {**SHELF, **change})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert detail in answer.json()["errors"][0]["detail"]
    assert stage.watch.drawn == []


@pytest.mark.parametrize("name", ["Shelf", "-shelf", "a" * 65, "a_b", "%20"])
def test_what_is_no_name_of_a_place_is_refused(client, name):
    answer = client.send("PUT", f"{ZONES}/{name}", SHELF)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "place")


def test_there_may_be_200_places_and_no_more(client, stage):
    for i in range(197):
        name = PlaceId(f"shelf-{i}")
        stage.archive.versions.append(PlaceVersion(name, 1, NOON, replace(DRAWN, place_id=name)))
    assert client.send("PUT", f"{ZONES}/shelf-197", SHELF).status_code == 200
    refused = client.send("PUT", f"{ZONES}/shelf-198", SHELF)
    assert (refused.status_code, "200 zones and lines already" in refused.json()["detail"]) == (409, True)
    assert client.send("PUT", f"{ZONES}/shelf-7", SHELF).status_code == 200, "who is there may be drawn anew"


def test_a_site_without_a_floor_has_nothing_to_draw_on():
    with served(Stage().site(bounds=None)) as client:
        assert client.send("PUT", f"{ZONES}/shelf", SHELF).status_code == 409
