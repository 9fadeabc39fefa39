"""The floor of the past over REST and over its WebSocket."""

import json
from contextlib import ExitStack

import pytest
from fake_archive import NOON
from stage import Stage, batch, closed, receive, served, update

from app.api.application import REPLAYS

REPLAY = "/api/v1/sites/shop/replay"
HOUR = "since=2026-01-01T12:00:00Z&until=2026-01-01T13:00:00Z"


@pytest.fixture(scope="module")
def shared():
    stage = Stage()
    with served(stage.site()) as client:
        yield stage, client


@pytest.fixture
def client(shared):
    return shared[1]


def test_an_instant_reads_like_a_message_of_the_live_floor(client, shared):
    then = client.get(f"{REPLAY}?at=2026-01-01T12:01:40Z").json()
    with client.watch("/api/v1/sites/shop/floor") as viewer:
        receive(viewer, "state")
        shared[0].runtime.publish(batch(5.0), update(5.0, {1: (2.0, 3.0)}))
        live = receive(viewer, "floor")
    assert then.keys() - live.keys() == {"replay"}
    assert then["people"][0].keys() == live["people"][0].keys()
    assert (then["replay"], then["captured_at"], then["people"][1]["x"]) == (True, NOON + 100.0, 10.0)
    assert then["people"][1]["cameras"] == []


def test_a_period_is_played_and_obeys_its_viewer(client):
    with client.watch(f"{REPLAY}?{HOUR}&speed=8") as viewer:
        state = receive(viewer, "replay")
        assert (state["since"], state["until"], state["speed"]) == (NOON, NOON + 3600.0, 8.0)
        first = receive(viewer, "floor")
        assert (first["replay"], len(first["people"])) == (True, 2)
        viewer.send(json.dumps({"type": "seek", "at": "2026-01-01T12:10:00Z"}))
        while receive(viewer, "replay")["at"] < NOON + 600.0:
            pass
        assert receive(viewer, "floor")["captured_at"] >= NOON + 600.0
        viewer.send('{"type":"pause"}')
        while not receive(viewer, "replay")["paused"]:
            pass
        viewer.send('{"type":"speed","x":600}')
        viewer.send('{"type":"resume"}')
        viewer.send('{"type":"ping","t":3}')
        assert receive(viewer, "pong")["t"] == 3.0
        viewer.send(json.dumps({"type": "seek", "at": NOON + 3540.0}))
        while not receive(viewer, "replay")["ended"]:
            pass


@pytest.mark.parametrize(
    ("query", "said", "reason"),
    [
        ("since=yesterday", None, "since: expected a time"),
        ("", None, "since: expected a time"),
        (f"{HOUR}&speed=601", None, "speed: expected 0.1 to 600"),
        (f"{HOUR}&speed=nan", None, "speed: expected 0.1 to 600"),
        (HOUR, "hello", 'expected {"type":"seek"'),
        (HOUR, '{"type":"seek"}', 'expected {"type":"seek"'),
        (HOUR, '{"type":"seek","at":"soon"}', 'expected {"type":"seek"'),
        (HOUR, '{"type":"seek","at":NaN}', 'expected {"type":"seek"'),
        (HOUR, '{"type":"speed","x":0}', 'expected {"type":"seek"'),
        (HOUR, '{"type":"pause","more":1}', 'expected {"type":"seek"'),
        (HOUR, b"\x00", "expected text"),
    ],
)
def test_what_is_asked_wrongly_ends_the_replay_with_the_reason(client, query, said, reason):
    with client.watch(f"{REPLAY}?{query}") as viewer:
        if said is not None:
            viewer.send(said)
        code, given = closed(viewer)
    assert (code, given[: len(reason)]) == (1007, reason)


def test_a_history_that_cannot_be_read_ends_the_replay_with_the_reason(shared, client):
    shared[0].archive.broken = True
    try:
        with client.watch(f"{REPLAY}?{HOUR}") as viewer:
            assert closed(viewer) == (1011, "the history cannot be read now; try again")
    finally:
        shared[0].archive.broken = False


def test_an_instant_that_is_over_is_not_sent_again(client):
    first = client.get(f"{REPLAY}?at=2026-01-01T12:05:00Z")
    assert first.json()["published_at"] == first.json()["captured_at"] == NOON + 300.0
    again = client.get(f"{REPLAY}?at=2026-01-01T12:05:00Z", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_replay_of_an_unknown_site_closes_with_the_reason(client):
    with client.watch("/api/v1/sites/other/replay") as viewer:
        assert closed(viewer) == (4404, "no such site")


def test_replays_have_few_seats_of_their_own(client):
    with ExitStack() as watched:
        for _ in range(REPLAYS):
            receive(watched.enter_context(client.watch(f"{REPLAY}?{HOUR}")), "replay")
        assert closed(watched.enter_context(client.watch(f"{REPLAY}?{HOUR}"))) == (
            1013,
            f"all {REPLAYS} viewers' places are taken; try again later",
        )
        receive(watched.enter_context(client.watch("/api/v1/sites/shop/floor")), "state")
