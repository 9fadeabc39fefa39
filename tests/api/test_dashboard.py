"""The dashboard and its cache."""

import asyncio
import json
import time
import zlib

import pytest
from fake_archive import NOON
from stage import Stage, batch, served, update

from app.api.dashboard import FRESH_S, DashboardAnswer, DashboardCache

SITE = "/api/v1/sites/shop"
DASHBOARD = f"{SITE}/dashboard"
HOURS = f"since={NOON - 3600}&until={NOON + 1800}"


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def client(stage):
    with served(stage.site()) as client:
        yield client


def test_it_tells_what_there_is_to_see_at_a_glance(client, stage):
    stage.runtime.publish(batch(5.0), update(5.0, {1: (2.0, 3.0), 2: (1.0, 1.0)}))
    time.sleep(0.1)
    answer = client.get(f"{DASHBOARD}?{HOURS}").json()
    assert answer["now"] == {
        "people": 2,
        "density": 0.04,
        "places": [{"id": "till", "people": 1, "density": 1.0}],
    }, "of 50 m2, and of a zone of one"
    assert (answer["recorded_since"], answer["without"]) == ("2026-01-01T12:00:00.000Z", [])
    assert (answer["visitors"], answer["entered"], answer["left"], answer["mean_dwell_s"]) == (5, 6, 4, 61.2)
    assert answer["peak"] == {"people": 3, "at": "2026-01-01T12:00:00.000Z"}
    assert answer["hours"] == {
        "at": [NOON - 3600, NOON],
        "mean": [None, 2.0],
        "peak": [None, 3.0],
        "observed": [0.0, 1.0],
    }
    assert answer["cameras"] == [
        {"id": "east", "state": "live", "uptime": None, "load": None},
        {"id": "west", "state": "live", "uptime": 0.75, "load": 2.0},
    ]
    assert [event["id"] for event in answer["events"]] == [7, 6, 5, 4, 3, 2, 1]
    assert {event["identity"] for event in answer["events"]} == {None}, "figures name nobody"
    assert 0.0 <= answer["age_s"] < 1.0


def test_without_a_period_it_is_the_day_so_far(client, stage):
    answer = client.get(DASHBOARD).json()
    assert answer["since"].endswith("T00:00:00.000Z")
    assert (answer["visitors"], answer["peak"], answer["hours"]["mean"][0]) == (None, None, None)
    (asked,) = [question for question in stage.archive.asked if question[0] == "dashboard"]
    assert asked[2].until == pytest.approx(stage.runtime.clock.now(), abs=5.0)


def test_the_history_is_read_once_for_many_and_the_answer_tells_its_age(client, stage):
    ages = [client.get(f"{DASHBOARD}?{HOURS}").json()["age_s"] for _ in range(20)]
    assert ages == sorted(ages)
    assert sum(question[0] == "dashboard" for question in stage.archive.asked) == 1
    time.sleep(FRESH_S)
    assert client.get(f"{DASHBOARD}?{HOURS}").json()["age_s"] < min(FRESH_S, 0.5)
    assert sum(question[0] == "dashboard" for question in stage.archive.asked) == 2


def test_staff_can_be_left_out_and_that_is_an_answer_of_its_own(client, stage):
    everybody = client.get(f"{DASHBOARD}?{HOURS}").json()
    guests = client.get(f"{DASHBOARD}?{HOURS}&without=staff&without=cleaner&without=staff").json()
    assert (everybody["visitors"], guests["visitors"], guests["without"]) == (5, 3, ["cleaner", "staff"])
    asked = [question[3] for question in stage.archive.asked if question[0] == "dashboard"]
    assert asked == [(), ("cleaner", "staff")]


def test_who_is_left_out_does_not_count_among_those_who_are_there_now(client, stage):
    stage.runtime.publish(batch(5.0), update(5.0, {3: (2.0, 3.0), 4: (1.0, 1.0)}))
    for person, tag in ((3, "staff"), (7, "guard")):
        assert client.send("PUT", f"{SITE}/identities/{person}/tags", {"tags": [tag]}).status_code == 200
    now = client.get(f"{DASHBOARD}?{HOURS}&without=staff").json()["now"]
    assert now == {"people": 1, "density": 0.02, "places": [{"id": "till", "people": 0, "density": 0.0}]}
    now = client.get(f"{DASHBOARD}?{HOURS}&without=guard").json()["now"]
    assert (now["people"], now["places"][0]["people"]) == (2, 1), "who is not there takes nobody away"


def test_packed_and_plain_say_the_same(client):
    packed = client.get(f"{DASHBOARD}?{HOURS}", **{"accept-encoding": "gzip"})
    plain = client.get(f"{DASHBOARD}?{HOURS}", **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert {**packed.json(), "age_s": 0} == {**plain.json(), "age_s": 0}
    assert packed.headers["etag"] == plain.headers["etag"]
    same = client.get(f"{DASHBOARD}?{HOURS}", **{"if-none-match": plain.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("place=nowhere", "place"),
        ("place=door&without=staff", "without"),
        ("without=", "without.0"),
        ("since=2024-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
    ],
)
def test_what_cannot_be_asked_is_refused(client, query, field):
    assert client.get(f"{DASHBOARD}?{query}").json()["errors"][0]["field"] == field


async def test_one_reads_while_the_others_wait():
    cache, reading = DashboardCache(), []

    async def make():
        reading.append(1)
        await asyncio.sleep(0.05)
        return DashboardAnswer.model_construct(visitors=7)

    answers = await asyncio.gather(*(cache.get((None, None, None, ()), make) for _ in range(50)))
    assert len(reading) == 1
    assert {json.loads(answer.head + b"}")["visitors"] for answer in answers} == {7}
    assert zlib.decompress(answers[0].packed + answers[0].packer.copy().flush(), 31) == answers[0].head


async def test_a_slow_question_holds_up_no_other():
    cache, asked, go = DashboardCache(), asyncio.Event(), asyncio.Event()

    async def slow():
        asked.set()
        await go.wait()
        return DashboardAnswer.model_construct(visitors=365)

    async def quick():
        return DashboardAnswer.model_construct(visitors=7)

    year = asyncio.create_task(cache.get((None, "2026-01-01T00:00:00Z", None, ()), slow))
    await asked.wait()
    async with asyncio.timeout(2.0):
        assert b"7" in (await cache.get((None, None, None, ()), quick)).head
    go.set()
    assert b"365" in (await year).head


async def test_who_fails_to_read_fails_alone():
    cache = DashboardCache()

    async def fails():
        raise RuntimeError("cannot be read")

    async def works():
        return DashboardAnswer.model_construct(visitors=7)

    with pytest.raises(RuntimeError):
        await cache.get((None, None, None, ()), fails)
    assert b"7" in (await cache.get((None, None, None, ()), works)).head


async def test_it_keeps_no_more_than_64_answers():
    cache = DashboardCache()

    async def make():
        return DashboardAnswer.model_construct(visitors=7)

    for i in range(100):
        await cache.get((str(i), None, None, ()), make)
    assert len(cache._kept) == 64
