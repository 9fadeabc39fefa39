"""Figures made anew, over REST."""

import json
import time

import pytest
from fake_archive import NOON
from stage import Stage, served

from app.domains.analytics.places import PlaceId
from app.errors import StoreError
from app.orchestration.exports import ExportLimits
from app.orchestration.job_queue import JobLimits

JOBS = "/api/v1/sites/shop/rebuilds"
TILL = {"place": "till", "since": NOON, "until": NOON + 3 * 3600.0}


@pytest.fixture
def stage(tmp_path):
    return Stage(folder=tmp_path)


@pytest.fixture
def client(stage):
    with served(stage.site()) as client:
        yield client


def until(client, address, condition):
    """Wait until a job is as it should be; return it."""
    end = time.monotonic() + 5.0
    while not condition(job := client.get(address).json()):
        assert time.monotonic() < end, job
        time.sleep(0.01)
    return job


def begun(client, **asked):
    answer = client.send("POST", JOBS, {**TILL, **asked})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{JOBS}/{answer.json()['id']}"
    return answer.headers["location"]


def test_a_zone_gets_its_past_hour_by_hour(client, stage):
    address = begun(client)
    until(client, address, lambda job: job["state"] == "running")
    stage.rebuilder.gate.release()
    half = until(client, address, lambda job: job["progress"])
    assert (half["progress"], half["hours"], half["reached"]) == (0.3333, 3, "2026-01-01T13:00:00.000Z")
    stage.rebuilder.gate.release(2)
    done = until(client, address, lambda job: job["state"] == "done")
    assert (done["place"], done["progress"], done["reached"]) == ("till", 1.0, "2026-01-01T15:00:00.000Z")
    assert set(stage.rebuilder.planned) == {(PlaceId("till"), NOON, NOON + 3 * 3600.0)}
    assert client.get(JOBS).json() == {"rebuilds": [done]}


def test_without_place_and_period_all_that_is_kept_is_made_anew(client, stage):
    before = stage.runtime.clock.now()
    assert client.send("POST", JOBS, {}).json()["place"] is None
    place, since, last = stage.rebuilder.planned[0]
    assert (place, since) == (None, NOON)
    assert before <= last <= stage.runtime.clock.now()


def test_one_that_is_stopped_goes_on_behind_the_last_hour(client, stage):
    address = begun(client)
    assert stage.rebuilder.waits.wait(5.0)
    assert client.send("DELETE", address).status_code == 204
    stage.rebuilder.gate.release()
    assert until(client, address, lambda job: job["state"] == "cancelled")["progress"] == 0.3333
    assert stage.rebuilder.stopped
    assert client.send("POST", f"{address}/resume").status_code == 202
    stage.rebuilder.gate.release(2)
    assert until(client, address, lambda job: job["state"] == "done")["hours"] == 3
    assert stage.rebuilder.planned[-1] == (PlaceId("till"), NOON + 3600.0, NOON + 3 * 3600.0)
    assert client.send("POST", f"{address}/resume").status_code == 409
    assert client.send("DELETE", address).status_code == 204
    assert client.get(address).status_code == 404


def test_one_that_fails_says_why_and_nothing_of_this_machine(client, stage):
    stage.rebuilder.fault = StoreError("/secret/history.sqlite", "disk I/O error")
    address = begun(client)
    stage.rebuilder.gate.release()
    failed = until(client, address, lambda job: job["state"] == "failed")
    assert failed["problem"] == "the history cannot be read now"


def test_a_job_outlives_the_program(tmp_path):
    stage = Stage(folder=tmp_path)
    with served(stage.site()) as client:
        address = begun(client)
        until(client, address, lambda job: job["state"] == "running")
        stage.rebuilder.gate.release()
        until(client, address, lambda job: job["progress"])
    stage.rebuilder.gate.release()
    with served(Stage(folder=tmp_path).site()) as client:
        job = client.get(address).json()
        assert (job["state"], job["progress"], job["place"]) == ("interrupted", 0.3333, "till")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"place": "attic"}, "place"),
        ({"place": ""}, "place"),
        ({"place": "till\n"}, "place"),
        ({"since": NOON, "until": NOON - 1}, "since"),
        ({"since": "soon"}, "since"),
        ({"until": "2026-01-01T12:00:00"}, "until"),
        ({"since": 1e300}, "since"),
        ({"zone": "till"}, "zone"),
        ({"place": 3}, "place"),
    ],
)
def test_what_cannot_be_made_anew_is_refused_with_its_field(client, stage, body, field):
    answer = client.send("POST", JOBS, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert stage.rebuilder.planned == []


def test_a_number_that_is_none_is_refused(client):
    answer = client.send_text(JOBS, json.dumps({"since": float("nan")}), **{"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "since")


def test_a_period_of_which_nothing_is_kept_is_refused(client, stage):
    stage.rebuilder.hours = 0
    answer = client.send("POST", JOBS, TILL)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "since")
    assert client.get(JOBS).json() == {"rebuilds": []}


def test_there_are_no_more_than_there_may_be(tmp_path):
    with served(Stage(folder=tmp_path, limits=ExportLimits(JobLimits(jobs=1))).site()) as client:
        begun(client)
        refused = client.send("POST", JOBS, TILL)
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "there are 1 rebuilds already; remove one first",
        )


def test_nobody_elses_job_is_found(client):
    assert [client.get(f"{JOBS}/{name}").status_code for name in ("none", "a" * 41)] == [404, 422]
