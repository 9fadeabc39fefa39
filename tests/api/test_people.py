"""People and corrections over REST."""

import pytest
from fake_archive import NOON
from stage import Stage, receive, served

from app.domains.vocabulary import NO_ID, Merge, Split

SITE = "/api/v1/sites/shop"
HOUR = "since=2026-01-01T12:00:00Z&until=2026-01-01T13:00:00Z"


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def client(stage):
    with served(stage.site()) as client:
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


@pytest.mark.parametrize("steps", [True, False], ids=["and the frame path runs", "and no camera gives frames"])
def test_the_live_floor_is_told_when_a_correction_is_taken_back(client, stage, monkeypatch, steps):
    monkeypatch.setattr("app.api.people.STEP_S", 0.05)
    stage.runtime.steps = steps
    with client.watch(f"{SITE}/floor") as viewer:
        receive(viewer, "state")
        taken = client.send("DELETE", f"{SITE}/corrections/1").json()
        told = receive(viewer, "correction")
    assert stage.runtime.taken_back == [Merge(9, 2, 0.9)]
    assert told == {"type": "correction", "correction": taken}
    assert taken["taken_back_at"] is not None


def test_who_watches_is_told_of_a_correction_of_the_history_alone(client):
    with client.watch(f"{SITE}/floor") as viewer:
        receive(viewer, "state")
        made = client.send("POST", f"{SITE}/identities/3/merge", {"into": 9}).json()
        told = receive(viewer, "correction")
    assert told["correction"] == made


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


def test_a_merge_that_the_live_floor_does_not_know_goes_to_the_history(client, stage):
    made = client.send("POST", f"{SITE}/identities/3/merge", {"into": 9})
    assert made.status_code == 201
    assert {name: made.json()[name] for name in ("id", "type", "source", "target")} == {
        "id": 2,
        "type": "merge",
        "source": 3,
        "target": 2,
    }
    assert stage.runtime.ordered == [Merge(3, 2)], "9 has turned out to be 2"
    assert stage.archive.made[-1].correction == Merge(3, 2)


def test_a_merge_that_the_live_floor_follows_is_not_entered_a_second_time(client, stage):
    stage.runtime.followed = Merge(3, 2)
    made = client.send("POST", f"{SITE}/identities/3/merge", {"into": 2})
    assert (made.status_code, made.json()["id"], made.json()["source"]) == (202, None, 3)
    assert len(stage.archive.made) == 1


def test_a_floor_that_makes_no_steps_leaves_the_correction_to_the_history(client, stage):
    stage.runtime.steps = False
    made = client.send("POST", f"{SITE}/identities/3/merge", {"into": 2})
    assert (made.status_code, made.json()["id"]) == (201, 2)


def test_people_who_are_both_in_sight_are_not_merged(client, stage):
    stage.runtime.followed = ValueError("3 and 2 are both in sight now, at different places")
    refused = client.send("POST", f"{SITE}/identities/3/merge", {"into": 2})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "3 and 2 are both in sight now, at different places",
    )
    assert len(stage.archive.made) == 1


@pytest.mark.parametrize(
    ("body", "split"),
    [
        ({"since": "2026-01-01T12:00:00Z"}, Split(3, NO_ID, NOON, float("inf"))),
        ({"since": NOON - 9, "until": NOON}, Split(3, NO_ID, NOON - 9, NOON)),
        ({"until": str(NOON), "into": 9}, Split(3, 2, float("-inf"), NOON)),
        ({"reported": [7, 5, 7]}, Split(3, NO_ID, float("-inf"), float("inf"), (5, 7))),
    ],
)
def test_a_split_takes_a_time_or_ids_away(client, stage, body, split):
    made = client.send("POST", f"{SITE}/identities/3/split", body)
    assert (made.status_code, stage.runtime.ordered) == (201, [split])
    assert made.json()["until"] == (None if split.until == float("inf") else "2026-01-01T12:00:00.000Z")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("3/merge", {"into": 3}, 422, "into"),
        ("3/merge", {"into": 77}, 422, "into"),
        ("77/merge", {"into": 3}, 404, None),
        ("3/merge", {}, 422, "into"),
        ("3/split", {}, 422, "since"),
        ("3/split", {"since": "2026-01-01T12:00:00Z", "until": "2026-01-01T11:00:00Z"}, 422, "since"),
        ("3/split", {"since": "soon"}, 422, "since"),
        ("3/split", {"reported": [0]}, 422, "reported.0"),
        ("3/split", {"reported": [1], "into": 3}, 422, "into"),
        ("3/split", {"reported": list(range(1, 102))}, 422, "reported"),
    ],
)
def test_what_cannot_be_corrected_is_refused(client, stage, path, body, status, field):
    answer = client.send("POST", f"{SITE}/identities/{path}", body)
    assert answer.status_code == status
    assert field is None or answer.json()["errors"][0]["field"] == field
    assert stage.runtime.ordered == []
