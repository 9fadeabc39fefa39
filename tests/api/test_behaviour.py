"""Dwell, queue, flows, groups, rhythm and forecast over REST."""

import time

import numpy as np
import pytest
from fake_archive import NOON, TILL, FakeArchive
from stage import Stage, batch, served, update

from app.domains.analytics.figures import OccupancySeries, Stays
from app.domains.analytics.places import PlaceId, PlaceVersion, Zone

SITE = "/api/v1/sites/shop"
HOUR = "since=2026-01-01T12:00:00Z&until=2026-01-01T13:00:00Z"
WEEK_S = 7 * 86_400.0
SHELF = Zone(PlaceId("shelf"), "Shelf", TILL.polygon + 5.0)


class Weeks(FakeArchive):
    """Two people at each full hour of the weeks before, five in the last; nobody watched at night."""

    async def occupancy(self, place, period, bucket_s):
        at = np.arange(period.since, period.until, bucket_s)
        observed = np.where(at % 86_400 >= 6 * 3600, 1.0, 0.0)
        people = np.where(observed > 0, np.where(at >= NOON, 5.0, 2.0), np.nan)
        quality = await self.quality(place, period)
        return OccupancySeries(at, bucket_s, people, people, people, people, people, observed, quality)


class Ways(FakeArchive):
    """Three ways from till to shelf."""

    async def places(self):
        return (*await super().places(), PlaceVersion(SHELF.place_id, 1, NOON, SHELF))

    async def stays(self, _places, period, identity=None, without=()):
        stays = await super().stays((TILL.place_id,), period, identity, without)
        n, after = len(stays), np.array([10.0, 20.0, 60.0])
        return Stays(
            (*stays.place, *(SHELF.place_id,) * n),
            np.tile(np.arange(n), 2),
            np.concatenate([stays.begun, stays.ended + after]),
            np.concatenate([stays.ended, stays.ended + after + 30.0]),
            stays.ending * 2,
        )


@pytest.fixture(scope="module")
def client():
    with served(Stage().site()) as client:
        yield client


def test_dwell_counts_stays_that_nobody_saw_end_for_as_long_as_they_were_seen(client):
    answer = client.get(f"{SITE}/dwell?place=till&{HOUR}").json()
    assert (answer["n"], answer["open"], answer["lost"]) == (3, 1, 0)
    assert (answer["p10_s"], answer["median_s"], answer["p90_s"]) == (60.0, 120.0, None)
    assert answer["histogram"]["n"][-2:] == [1, 1]
    assert answer["histogram"]["edges_s"][-2:] == [60.0, 120.0]
    assert answer["cut_off"] is True
    assert answer["quality"]["observed"] == 0.75


def test_dwell_of_nobody_has_no_mean(client):
    answer = client.get(f"{SITE}/dwell?place=till&since={NOON - 7200}&until={NOON - 3600}").json()
    assert (answer["n"], answer["mean_s"], answer["median_s"], answer["histogram"]["n"]) == (0, None, None, [])


def test_a_queue_has_a_length_and_a_wait(client):
    answer = client.get(f"{SITE}/queue?place=till&{HOUR}").json()
    assert answer["length"] == {"mean": round((60 + 120 + 300) / 2700, 3), "peak": 2}
    assert answer["wait"] == {"median_s": 120.0, "p90_s": None, "n": 3}


@pytest.mark.parametrize("query", ["", "place=&", "place=nowhere&", "place=door&"])
def test_a_queue_is_at_a_zone(client, query):
    assert client.get(f"{SITE}/queue?{query}{HOUR}").json()["errors"][0]["field"] == "place"


def test_flows_go_from_rows_to_columns():
    with served(Stage(archive=Ways()).site()) as client:
        answer = client.get(f"{SITE}/flows?{HOUR}").json()
    assert answer["places"] == ["till", "shelf"]
    assert answer["n"] == [[0, 3], [0, 0]]
    assert answer["median_s"] == [[None, 20.0], [None, None]]


def test_a_site_without_zones_has_no_flows():
    stage = Stage()
    stage.archive.versions = []
    with served(stage.site()) as client:
        answer = client.get(f"{SITE}/flows?{HOUR}").json()
    assert (answer["places"], answer["n"]) == ([], [])


def test_who_walks_together_is_a_group(client):
    answer = client.get(f"{SITE}/groups?{HOUR}").json()
    (group,) = answer["groups"]
    assert answer["quality"]["observed"] == 0.75
    assert group == {
        "identities": [1, 2],
        "together_s": 1200.0,
        "since": "2026-01-01T12:00:00.000Z",
        "until": "2026-01-01T12:20:00.000Z",
    }
    week = f"since={NOON - WEEK_S}&until={NOON}"
    assert client.get(f"{SITE}/groups?{week}").json()["errors"][0]["field"] == "since"


def test_staff_are_in_no_group(client):
    assert client.send("PUT", f"{SITE}/identities/2/tags", {"tags": ["staff"]}).status_code == 200
    assert client.get(f"{SITE}/groups?{HOUR}&without=staff").json()["groups"] == []
    assert len(client.get(f"{SITE}/groups?{HOUR}&without=guest").json()["groups"]) == 1
    assert client.send("PUT", f"{SITE}/identities/2/tags", {"tags": []}).status_code == 200


def test_rhythm_shows_the_usual_beside_what_is_and_what_stands_out():
    with served(Stage(archive=Weeks()).site()) as client:
        answer = client.get(f"{SITE}/rhythm?since={NOON - 8 * 3600}&until={NOON + 3600}").json()
    columns = answer["columns"]
    assert columns["mean"] == [None, None, *[2.0] * 6, 5.0]
    assert columns["expected"] == [None, None, *[2.0] * 7]
    assert columns["weeks"] == [0, 0, *[8] * 7]
    assert columns["low"][-1] < 2.0 < columns["high"][-1] < 5.0
    assert [(a["at"], a["side"]) for a in answer["anomalies"]] == [("2026-01-01T12:00:00.000Z", "above")]
    assert answer["learnt_from"]["until"] == answer["since"]
    assert answer["learnt_from"]["weeks"] == 8


def test_the_forecast_says_where_people_will_be_and_how_wrong_that_was():
    stage = Stage()
    with served(stage.site()) as client:
        assert client.get(f"{SITE}/forecast").json() == {
            "at": None,
            "people": [],
            "error": {
                "horizon_s": [1.0, 2.0, 3.0],
                "error_m": [None] * 3,
                "p90_m": [None] * 3,
                "standing_m": [None] * 3,
                "n": [0, 0, 0],
            },
        }
        for i in range(30):
            at = NOON + 0.2 * i
            stage.runtime.publish(batch(at), update(at, {1: (0.1 * i, 0.1 * i)}))
            time.sleep(0.002)
        time.sleep(0.2)
        answer = client.get(f"{SITE}/forecast").json()
    (person,) = answer["people"]
    (at, x, y, sigma), *_ = person["path"]
    assert (person["id"], at) == (1, pytest.approx(NOON + 6.8))
    assert 2.9 < x < 3.5
    assert x == y
    assert sigma > 0.0
    assert answer["error"]["n"][0] > 0
    assert answer["error"]["error_m"][0] < answer["error"]["standing_m"][0]
