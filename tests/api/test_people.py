"""People and corrections over REST."""

import pytest
from fake_archive import NOON
from stage import Stage, served

SITE = "/api/v1/sites/shop"
HOUR = "since=2026-01-01T12:00:00Z&until=2026-01-01T13:00:00Z"


@pytest.fixture
def client():
    with served(Stage().site()) as client:
        yield client


def test_people_come_in_pages_last_seen_first(client):
    page = client.get(f"{SITE}/identities?{HOUR}&limit=5").json()
    assert [person["id"] for person in page["identities"]] == [7, 6, 5, 4, 3]
    rest = client.get(f"{SITE}/identities?{HOUR}&limit=5&cursor={page['next']}").json()
    assert [person["id"] for person in rest["identities"]] == [2, 1]
    assert rest["next"] is None
    assert rest["identities"][1] == {
        "id": 1,
        "first_seen": "2026-01-01T12:00:10.000Z",
        "last_seen": "2026-01-01T12:01:00.000Z",
        "certainty": 0.977,
        "reported": [1],
        "tags": [],
    }


def test_a_person_is_found_by_any_id(client):
    assert client.get(f"{SITE}/identities/9").json()["id"] == 2


@pytest.mark.parametrize("identity", ["55", "0", "-3", "99999999999999999999"])
def test_nobody_is_404(client, identity):
    answer = client.get(f"{SITE}/identities/{identity}")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"nobody with the id {identity} is known to the history",
    )


def test_tags_are_replaced_and_find_people(client):
    tagged = client.send("PUT", f"{SITE}/identities/3/tags", {"tags": ["staff", "till", "staff"]})
    assert tagged.json()["tags"] == ["staff", "till"]
    found = client.get(f"{SITE}/identities?{HOUR}&tag=staff").json()["identities"]
    assert [person["id"] for person in found] == [3]
    assert client.send("PUT", f"{SITE}/identities/3/tags", {"tags": []}).json()["tags"] == []


@pytest.mark.parametrize("tags", [[""], ["a" * 33], ["a\nb"], ["t"] * 21, "staff", [1]])
def test_what_is_no_tag_is_refused(client, tags):
    assert client.send("PUT", f"{SITE}/identities/3/tags", {"tags": tags}).status_code == 422


def test_a_correction_is_taken_back_once(client):
    listed = client.get(f"{SITE}/corrections").json()["corrections"]
    assert [(c["id"], c["type"], c["source"], c["target"], c["since"]) for c in listed] == [(1, "merge", 9, 2, None)]
    taken = client.send("DELETE", f"{SITE}/corrections/1")
    assert (taken.status_code, taken.json()["taken_back_at"] is None) == (200, False)
    assert client.send("DELETE", f"{SITE}/corrections/1").status_code == 404
    assert client.get(f"{SITE}/corrections?standing=true").json() == {"corrections": [], "next": None}


def test_a_journey_tells_points_visits_and_how_long_in_which_zone(client):
    journey = client.get(f"{SITE}/identities/1/journey?{HOUR}").json()
    assert (journey["id"], journey["first_seen"]) == (1, "2026-01-01T12:00:10.000Z")
    assert len(journey["points"]) == 500
    assert journey["points"][0] == [NOON, 0.0, 1.0]
    assert journey["points"][-1] == [NOON + 1199.5, 119.95, 1.0]
    assert journey["distance_m"] == 119.95
    assert journey["visits"] == [{"camera": "west", "from": NOON, "to": NOON + 90.0}]
    assert journey["hops"] == [
        {
            "place": "till",
            "since": "2026-01-01T12:00:00.000Z",
            "until": "2026-01-01T12:01:00.000Z",
            "dwell_s": 60.0,
            "ending": "left",
        },
        {
            "place": "till",
            "since": "2026-01-01T12:01:40.000Z",
            "until": "2026-01-01T12:06:40.000Z",
            "dwell_s": 300.0,
            "ending": "here",
        },
    ]


def test_a_journey_of_a_time_without_the_person_is_empty(client):
    journey = client.get(f"{SITE}/identities/1/journey?seconds=60").json()
    assert (journey["points"], journey["distance_m"]) == ([], 0.0)


@pytest.mark.parametrize(
    ("query", "field"),
    [(f"{HOUR}&seconds=9", "seconds"), ("since=2025-01-01T00:00:00Z&until=2025-03-01T00:00:00Z", "since")],
)
def test_what_no_journey_can_be_is_refused(client, query, field):
    assert client.get(f"{SITE}/identities/1/journey?{query}").json()["errors"][0]["field"] == field
