"""REST, WebSockets and guards through the whole application."""

import re
import socket
import time
from dataclasses import replace

import pytest
from stage import CAMERAS, Stage, StagedScorer, StagedTruth, batch, closed, receive, served, update
from websockets.exceptions import InvalidStatus

from app.api.application import LARGEST_BODY, Access
from app.api.frame_message import decode
from app.api.site import PlanPicture
from app.errors import StoreError

FLOOR, FRAMES = "/api/v1/sites/shop/floor", "/api/v1/sites/shop/frames"


@pytest.fixture(scope="module")
def shared():
    """One server for all tests that change nothing about it."""
    stage = Stage()
    with served(stage.site()) as client:
        yield stage, client


@pytest.fixture
def stage(shared):
    yield shared[0]
    shared[0].runtime.device_faults = {}
    shared[0].runtime.fault, shared[0].store.broken = None, False
    shared[0].encoder.encoded.clear()


@pytest.fixture
def client(shared):
    return shared[1]


def test_it_answers_and_says_whether_it_tracks(client, stage):
    assert client.get("/healthz").json() == {"status": "ok", "reason": None}
    assert client.get("/readyz").json() == {
        "status": "ok",
        "reason": None,
        "device_faults": {},
        "history_lag_s": 0.75,
    }
    stage.runtime.device_faults = {"cuda:0 out of memory": 2}
    assert client.get("/readyz").json()["device_faults"] == {"cuda:0 out of memory": 2}
    stage.runtime.fault = "RuntimeError: the log says more"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "RuntimeError: the log says more")
    assert answer.json()["device_faults"] == {"cuda:0 out of memory": 2}
    assert client.get("/healthz").status_code == 200


def test_sites_are_named_and_described(client):
    assert client.get("/api/v1/sites").json() == {"sites": [{"site": "shop", "demo": False}]}
    site = client.get("/api/v1/sites/shop").json()
    assert (site["detector"], site["notes"], site["demo"]) == ("retail", ["a note"], False)
    assert site["recorded_since"] == "2026-01-01T12:00:00.000Z"
    assert site["floor"] == {"bounds": [0.0, 0.0, 10.0, 5.0], "image": None}
    assert site["cameras"] == [
        {
            "id": "east",
            "width": 64,
            "height": 48,
            "fps": 5.0,
            "position": [1.0, 2.0],
            "footprint": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
        },
        {"id": "west", "width": 64, "height": 48, "fps": 5.0, "position": None, "footprint": []},
    ]


def test_a_history_that_cannot_be_read_keeps_nobody_from_what_is_live(client, stage, monkeypatch):
    async def broken():
        raise StoreError("/secret/history.sqlite", "disk I/O error")

    monkeypatch.setattr(stage.archive, "begin", broken)
    answer = client.get("/api/v1/sites/shop")
    assert (answer.status_code, answer.json()["recorded_since"]) == (200, None)


def test_the_plan_is_a_picture_where_there_is_one(tmp_path):
    (tmp_path / "plan.png").write_bytes(b"\x89PNG")
    plan = PlanPicture(tmp_path / "plan.png", "image/png", 20.0, (60.0, 540.0), (200, 100))
    with served(Stage().site(plan=plan)) as client:
        image = client.get("/api/v1/sites/shop").json()["floor"]["image"]
        assert image == {
            "url": "/api/v1/sites/shop/plan",
            "pixels_per_metre": 20.0,
            "origin_px": [60.0, 540.0],
            "width": 200,
            "height": 100,
        }
        picture = client.get(image["url"])
        assert (picture.content, picture.headers["content-type"]) == (b"\x89PNG", "image/png")


def test_a_simulated_site_is_a_demo():
    with served(Stage().site(truth=StagedTruth(), scorer=StagedScorer())) as client:
        assert client.get("/api/v1/sites").json()["sites"][0]["demo"] is True


def test_counts_have_who_is_there_now_and_who_was(client):
    counts = client.get("/api/v1/sites/shop/counts").json()
    assert counts == {
        "now": 0,
        "last_minute": 1,
        "last_15_minutes": 2,
        "last_hour": 3,
        "observed_since": "2026-01-01T10:00:00.250Z",
    }


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/sites/other", 404, "no such site"),
        ("/api/v1/sites/shop/plan", 404, "no drawing"),
        ("/api/v1/sites/shop/identities/55/journey", 404, "nobody with the id 55"),
        ("/api/v1/sites/shop/identities/-1/journey", 404, "nobody with the id -1"),
        ("/api/v1/sites/shop/identities/99999999999999999999/journey", 404, "nobody"),
        ("/api/v1/sites/shop/identities/x/journey", 422, "identity"),
        ("/api/v1/sites/shop/identities/4/journey?seconds=nan", 422, "seconds"),
        ("/api/v1/sites/shop/identities/4/journey?seconds=1e9", 422, "seconds"),
        ("/api/v1/nothing", 404, "Not Found"),
        ("/../../pyproject.toml", 404, "Not Found"),
        ("/%2e%2e/%2e%2e/pyproject.toml", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_in_plain_words(client, path, status, detail):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]
    assert answer.json()["status"] == status


def test_a_history_that_cannot_be_read_shows_no_path(client, stage):
    stage.store.broken = True
    answer = client.get("/api/v1/sites/shop/counts")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_every_route_is_in_the_openapi_description(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/healthz", "/api/v1/sites", "/api/v1/sites/{site}/identities/{identity}/journey"} <= set(paths)


@pytest.mark.parametrize("path", ["/", "/api/v1/sites", "/api/v1/nothing", "/healthz"])
def test_every_answer_tells_browsers_to_be_careful(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    for part in ("default-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "access-control-allow-origin" not in headers


def test_the_page_is_served_and_always_asked_for_anew(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert "http" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page.text)), "nothing comes from elsewhere"
    script = client.get("/frame_message.js")
    assert "javascript" in script.headers["content-type"]


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("[::1]:8000", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.5:8000", False),
        ("[::1", False),
    ],
)
def test_only_this_machines_names_are_answered(client, host, known):
    answer = client.get("/api/v1/sites", host=host)
    assert answer.status_code == (200 if known else 400)
    if not known:
        assert "does not go by that name" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "known"),
    [("192.168.1.5:8000", True), ("[fe80::1]:8000", True), ("till.example", True), ("evil.example", False)],
)
def test_a_server_for_others_is_asked_by_address_or_by_its_names(host, known):
    with served(Stage().site(), Access(hosts=("till.example",), any_address=True)) as client:
        assert client.get("/api/v1/sites", host=host).status_code == (200 if known else 400)


def test_a_foreign_name_opens_no_socket(client):
    with pytest.raises(InvalidStatus, match="403"):
        client.watch(FLOOR, host="evil.example")


@pytest.mark.parametrize("origin", [None, "http://HOST"], ids=["no browser", "its own page"])
def test_its_own_page_and_programs_may_watch(client, origin):
    with client.watch(FLOOR, origin=origin and origin.replace("HOST", client.host)) as viewer:
        assert receive(viewer, "state")["steps_per_s"] == 5.0


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:1",
        "http://evil.example",
        "null",
        "http://HOST@evil.example",
        "http://HOST.evil.example",
        "file://HOST",
        "http://[",
    ],
)
@pytest.mark.parametrize("path", [FLOOR, FRAMES])
def test_pages_of_other_sites_may_not_watch(client, origin, path):
    with pytest.raises(InvalidStatus, match="403"):
        client.watch(path, origin=origin.replace("HOST", client.host))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://HOST.evil.example"])
def test_pages_of_other_sites_may_not_change_anything(client, stage, origin):
    path = "/api/v1/sites/shop/identities/3/tags"
    body = {"tags": ["staff"]}
    foreign = client.send("PUT", path, body, origin=origin.replace("HOST", client.host))
    assert (foreign.status_code, foreign.json()["detail"]) == (400, "a page of another site may not change anything")
    assert stage.archive.people[3].tags == ()
    assert client.send("PUT", path, body, origin=f"http://{client.host}").status_code == 200
    stage.archive.people[3] = replace(stage.archive.people[3], tags=())


def test_a_form_of_another_site_is_no_json(client):
    sent = client.send_text("/api/v1/sites/shop/identities/3/merge", '{"into": 2}', **{"content-type": "text/plain"})
    assert sent.status_code == 422


def test_the_floor_comes_over_its_socket_and_pings_are_answered(client, stage):
    with client.watch(FLOOR) as viewer:
        receive(viewer, "state")
        stage.runtime.publish(batch(5.0), update(5.0, {1: (2.0, 3.0)}))
        assert receive(viewer, "floor")["people"][0]["id"] == 1
        viewer.send('{"type":"ping","t":12.5}')
        pong = receive(viewer, "pong")
        assert pong["t"] == 12.5
        assert abs(pong["now"] - stage.runtime.clock.now()) < 5.0


def test_a_demo_shows_truth_and_scores():
    stage = Stage()
    with served(stage.site(truth=StagedTruth(), scorer=StagedScorer())) as client, client.watch(FLOOR) as viewer:
        receive(viewer, "state")
        stage.runtime.publish(batch(5.0), update(5.0, {1: (2.0, 3.0)}))
        assert receive(viewer, "truth")["captured_at"] == 5.0
        score = receive(viewer, "score")
        assert (score["idf1"], score["moda"], score["people"]) == (None, 0.5, 2)


def test_frames_come_over_theirs_as_the_address_and_then_the_viewer_asks(client, stage):
    stage.runtime.publish(batch(5.0, 7), update(5.0, {}))
    with client.watch(f"{FRAMES}?cameras=east&width=320") as viewer:
        message = decode(viewer.recv(timeout=5))
        assert (message.camera_id, message.index, message.size) == ("east", 7, (64, 48))
        viewer.send('{"type":"watch","cameras":["west"],"width":640}')
        assert decode(viewer.recv(timeout=5)).camera_id == "west"
    assert stage.encoder.encoded == [(7, 320), (7, 640)]


def test_cameras_may_be_named_with_blanks_between(client, stage):
    stage.runtime.publish(batch(6.0, 8), update(6.0, {}))
    with client.watch(f"{FRAMES}?cameras=,{CAMERAS[0]},,{CAMERAS[1]}") as viewer:
        assert {decode(viewer.recv(timeout=5)).camera_id for _ in range(2)} == set(CAMERAS)


@pytest.mark.parametrize(
    ("path", "said", "reason"),
    [
        (FLOOR, "hello", "expected {"),
        (FLOOR, '{"type":"ping"}', "expected {"),
        (FLOOR, '{"type":"ping","t":"1e999"}', "expected {"),
        (FLOOR, '{"type":"ping","t":1,"more":2}', "expected {"),
        (FLOOR, "[" * 10_000, "expected {"),
        (FLOOR, b"\x00\x01", "expected text, got a binary message"),
        (FRAMES, '{"type":"watch","cameras":"east"}', "expected {"),
        (FRAMES, '{"type":"watch","cameras":["nowhere"]}', "no camera 'nowhere'"),
        (FRAMES, '{"type":"watch","cameras":["east"],"width":0}', "expected {"),
        (FRAMES, '{"type":"watch","cameras":["east"],"width":1e99}', "expected {"),
        (f"{FRAMES}?cameras=nowhere", None, "no camera 'nowhere'"),
        (f"{FRAMES}?cameras=%f0%9f%90%88{'x' * 500}", None, "expected {"),
        (f"{FRAMES}?cameras=east&width=wide", None, "expected {"),
    ],
)
def test_what_a_viewer_says_wrongly_ends_the_connection_with_the_reason(client, path, said, reason):
    with client.watch(path) as viewer:
        if said is not None:
            viewer.send(said)
        code, given = closed(viewer)
    assert code == 1007
    assert given.startswith(reason)
    with client.watch(FLOOR) as viewer:
        assert receive(viewer, "state"), "others are served as before"


@pytest.mark.parametrize("path", ["/api/v1/sites/other/floor", "/api/v1/sites/other/frames"])
def test_the_socket_of_an_unknown_site_closes_with_the_reason(client, path):
    with client.watch(path) as viewer:
        assert closed(viewer) == (4404, "no such site")


def test_when_all_places_are_taken_the_next_viewer_is_told_so_and_may_come_back():
    with served(Stage().site(), Access(viewers=2)) as client:
        with client.watch(FLOOR) as first, client.watch(FRAMES), client.watch(FLOOR) as third:
            assert closed(third) == (1013, "all 2 viewers' places are taken; try again later")
            assert receive(first, "state")
        for _ in range(5):
            with client.watch(FLOOR) as again:
                assert receive(again, "state")


def test_a_viewer_that_vanishes_gives_its_place_back():
    stage = Stage()
    with served(stage.site(), Access(viewers=1)) as client:
        for i in range(3):
            with client.watch(FLOOR) as viewer:
                assert receive(viewer, "state")
                viewer.socket.shutdown(socket.SHUT_RDWR)
            stage.runtime.publish(batch(float(i)), update(float(i), {}))
            time.sleep(0.05)


def test_a_viewer_that_stops_reading_holds_nobody_up():
    stage = Stage()
    lazily = {"max_queue": 1, "close_timeout": 0.1}
    with served(stage.site()) as client, client.watch(FLOOR, **lazily) as lazy, client.watch(FLOOR) as keen:
        receive(lazy, "state")
        people = dict.fromkeys(range(1, 400), (1.0, 2.0))
        for i in range(200):
            stage.runtime.publish(batch(float(i)), update(float(i), people))
            assert receive(keen, "floor")["captured_at"] == i


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_body_larger_than_any_question_is_refused(client, in_pieces):
    body = b'{"what": "' + b"a" * LARGEST_BODY + b'"}'
    content = iter([body]) if in_pieces else body  # of an iterator nobody knows the length beforehand
    answer = client.send_text("/api/v1/sites/shop/exports", content, **{"content-type": "application/json"})
    assert answer.status_code == 413
