"""The figures of the history over REST: what is asked, what is answered, and what is refused."""

import gzip
import json
from dataclasses import replace

import pytest
from fake_archive import DOOR, NOON, TILL
from stage import Stage, served

from app.api.application import build_api
from app.api.permissions import NAMES, permissions_of
from app.domains.analytics.figures import EventKind, Period
from app.domains.analytics.places import FLOOR, PlaceId, PlaceVersion

SITE = "/api/v1/sites/shop"
HOUR = "since=2026-01-01T12:00:00Z&until=2026-01-01T13:00:00Z"
QUALITY = {
    "observed": 0.75,
    "cameras_out": [{"camera": "west", "seconds": 900.0}],
    "sigma_m": 0.123,
    "certainty": 0.988,
}


@pytest.fixture(scope="module")
def shared():
    stage = Stage()
    with served(stage.site()) as client:
        yield stage, client


@pytest.fixture
def client(shared):
    return shared[1]


@pytest.fixture
def archive(shared):
    shared[0].archive.asked.clear()
    yield shared[0].archive
    shared[0].archive.broken = False


def test_occupancy_is_null_where_nobody_observed(client):
    answer = client.get(f"{SITE}/occupancy?place=till&since={NOON - 1800}&until={NOON + 1800}&bucket_s=900").json()
    assert (answer["place"], answer["bucket_s"], answer["quality"]) == ("till", 900, QUALITY)
    assert (answer["since"], answer["until"]) == ("2026-01-01T11:30:00.000Z", "2026-01-01T12:30:00.000Z")
    columns = answer["columns"]
    assert columns["at"] == [NOON - 1800, NOON - 900, NOON, NOON + 900]
    assert columns["mean"] == [None, None, 2.0, 2.0]
    assert columns["observed"] == [0.0, 0.0, 1.0, 1.0]
    assert columns["left"] == [None, None, 1.0, 1.0]
    assert (answer["area_m2"], columns["density"], columns["peak_density"]) == (
        1.0,
        [None, None, 2.0, 2.0],
        [None, None, 3.0, 3.0],
    )
    assert columns["speed"] == [None, None, 0.5, 0.5]


def test_the_sums_of_the_columns_come_with_what_corrections_make_of_them(client):
    counts = client.get(f"{SITE}/counts?place=till&{HOUR}").json()
    corrected = client.get(f"{SITE}/occupancy?place=till&{HOUR}&bucket_s=900").json()["corrected"]
    assert corrected == {"entered": counts["entered"], "left": counts["left"]} == {"entered": 3, "left": 2}
    long = client.get(f"{SITE}/occupancy?place=till&since={NOON - 80_000}&until={NOON + 7_000}&bucket_s=900").json()
    assert long["corrected"] is None, "of more than a day not every stay is looked at"


def test_the_whole_floor_and_lines_have_their_own_density(client):
    floor = client.get(f"{SITE}/occupancy?{HOUR}&bucket_s=3600").json()
    assert (floor["area_m2"], floor["columns"]["density"]) == (50.0, [0.04])
    line = client.get(f"{SITE}/occupancy?place=door&{HOUR}&bucket_s=3600").json()
    assert (line["area_m2"], line["columns"]["density"]) == (None, [None])


def test_density_goes_by_how_a_zone_was_drawn_then(client, archive):
    larger = replace(TILL, polygon=2.0 * TILL.polygon)
    archive.versions.append(PlaceVersion(TILL.place_id, 2, NOON + 1800.0, larger))
    try:
        answer = client.get(f"{SITE}/occupancy?place=till&{HOUR}&bucket_s=900").json()
    finally:
        archive.versions.pop()
    assert (answer["area_m2"], answer["columns"]["density"]) == (4.0, [2.0, 2.0, 0.5, 0.5])


def test_people_can_be_left_out_of_occupancy_and_of_the_heat_map(client, archive):
    assert client.get(f"{SITE}/occupancy?place=till&{HOUR}&bucket_s=900&without=staff").status_code == 200
    assert client.get(f"{SITE}/heatmap?{HOUR}&without=staff&without=guard").status_code == 200
    hour = Period(NOON, NOON + 3600)
    assert ("occupancy", "till", hour, 900.0, "staff") in archive.asked
    assert ("stays", ("till",), hour, None, ("staff",)) in archive.asked
    assert ("heat", hour, 0.5, None, "staff", "guard") in archive.asked


def test_nobody_is_left_out_of_a_place_that_was_a_zone_and_is_a_line(client, archive):
    archive.versions.append(PlaceVersion(TILL.place_id, 2, NOON + 1800.0, replace(DOOR, place_id=TILL.place_id)))
    try:
        answer = client.get(f"{SITE}/counts?place=till&{HOUR}&without=staff")
    finally:
        archive.versions.pop()
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "without")


@pytest.mark.parametrize(("hours", "bucket_s"), [(1, 60), (9, 300), (100, 900), (24 * 20, 3600), (24 * 60, 86_400)])
def test_a_bucket_that_suits_the_period_is_chosen(client, hours, bucket_s):
    answer = client.get(f"{SITE}/occupancy?since={NOON - 3600 * hours}&until={NOON}").json()
    assert answer["bucket_s"] == bucket_s
    assert len(answer["columns"]["at"]) <= 500


def test_the_period_is_widened_to_whole_buckets(client, archive):
    client.get(f"{SITE}/occupancy?since={NOON + 61}&until={NOON + 122}&bucket_s=60")
    assert ("occupancy", "", Period(NOON + 60, NOON + 180), 60.0) in archive.asked


def test_visitors_of_a_zone_come_with_who_came_and_went(client, archive):
    answer = client.get(f"{SITE}/counts?place=till&{HOUR}&without=staff").json()
    assert answer == {
        "since": "2026-01-01T12:00:00.000Z",
        "until": "2026-01-01T13:00:00.000Z",
        "place": "till",
        "visitors": 4,
        "entered": 3,
        "left": 2,
        "quality": QUALITY,
    }
    assert ("visitors", "till", Period(NOON, NOON + 3600), ("staff",)) in archive.asked


def test_whoever_was_lost_from_sight_has_left_the_floor(client):
    answer = client.get(f"{SITE}/counts?since={NOON - 60}&until={NOON + 3600}").json()
    assert (answer["entered"], answer["left"]) == (1, 1)


def test_a_place_that_nobody_came_to_is_counted(client, archive):
    archive.versions.append(PlaceVersion(PlaceId("yard"), 1, NOON - 3600.0, replace(TILL, place_id=PlaceId("yard"))))
    try:
        answer = client.get(f"{SITE}/counts?place=yard&{HOUR}").json()
    finally:
        archive.versions.pop()
    assert (answer["entered"], answer["left"]) == (0, 0)


def test_crossings_of_a_line_add_up_minutes_and_hours(client, archive):
    answer = client.get(f"{SITE}/counts?place=door&since={NOON - 120}&until={NOON + 3720}").json()
    assert (answer["entered"], answer["left"]) == (2, 1), "of the one hour that was observed"
    assert answer["visitors"] is None, "nobody is at a line"
    parts = [(question[2], question[3]) for question in archive.asked if question[0] == "occupancy"]
    assert parts == [
        (Period(NOON - 120, NOON), 60.0),
        (Period(NOON, NOON + 3600), 3600.0),
        (Period(NOON + 3600, NOON + 3720), 60.0),
    ]


def test_visitors_of_a_time_that_nobody_observed_are_unknown_and_not_none(client):
    answer = client.get(f"{SITE}/counts?since={NOON - 7200}&until={NOON - 3600}").json()
    assert (answer["visitors"], answer["entered"], answer["quality"]["observed"]) == (None, None, 0.0)


def test_a_site_without_floor_counts_whom_its_cameras_see():
    with served(Stage().site(bounds=None)) as client:
        unseen = f"since={NOON - 7200}&until={NOON - 3600}"
        counts, board = (client.get(f"{SITE}/{what}?{unseen}").json() for what in ("counts", "dashboard"))
    assert (counts["visitors"], counts["entered"], counts["left"]) == (5, None, None)
    assert (board["visitors"], board["entered"], board["left"]) == (5, None, None)


def test_counts_without_a_question_are_live(client):
    assert client.get(f"{SITE}/counts").json()["last_15_minutes"] == 2


def test_a_heat_map_is_rows_of_seconds(client, archive):
    answer = client.get(f"{SITE}/identities/9/heatmap?{HOUR}&cell_m=0.75").json()
    assert (answer["rows"], answer["columns"], answer["cell_m"], answer["origin"]) == (2, 3, 0.75, [1.0, 2.0])
    assert answer["seconds"] == [1.0, 2.5, 0.0, 0.0, 0.0, 7.12]
    assert archive.asked[-1] == ("heat", Period(NOON, NOON + 3600), 0.75, 2), "9 has turned out to be 2"


def test_events_come_in_pages_newest_first(client):
    ids, cursor = [], ""
    for _ in range(4):
        page = client.get(f"{SITE}/events?{HOUR}&limit=3{cursor}").json()
        ids.append([event["id"] for event in page["events"]])
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert ids == [[7, 6, 5], [4, 3, 2], [1]]
    assert page["events"][0] == {
        "id": 1,
        "at": "2026-01-01T12:00:01.000Z",
        "place": "till",
        "version": 1,
        "kind": "enter",
        "identity": 1,
        "inwards": None,
        "dwell_s": None,
        "people": None,
        "camera": None,
    }


def test_events_are_chosen_by_kind_and_place(client, archive):
    page = client.get(f"{SITE}/events?{HOUR}&kind=exit&kind=cross&place=till").json()
    assert [event["id"] for event in page["events"]] == [6, 4, 2]
    assert archive.asked[-1][1].kinds == [EventKind.EXIT, EventKind.CROSS]


def test_events_of_several_places_take_one_look_at_the_places(client, archive):
    archive.asked.clear()
    page = client.get(f"{SITE}/events?{HOUR}&place=till&place=door&place=").json()
    assert len(page["events"]) == 7
    assert [question[0] for question in archive.asked] == ["places", "events"]
    assert archive.asked[-1][1].places == ("till", "door", FLOOR)


def test_a_page_that_is_full_to_the_last_event_has_an_empty_one_behind(client):
    page = client.get(f"{SITE}/events?{HOUR}&limit=7").json()
    assert client.get(f"{SITE}/events?{HOUR}&limit=7&cursor={page['next']}").json() == {"events": [], "next": None}


def test_uptime_tells_each_cameras_states(client):
    camera = client.get(f"{SITE}/cameras/uptime?{HOUR}").json()["cameras"][0]
    assert (camera["camera"], camera["uptime"], camera["out_s"], camera["confidence"]) == ("west", 0.75, 900.0, 0.812)
    assert camera["states"][1] == {"at": "2026-01-01T12:01:40.000Z", "state": "lost", "reason": "cannot be opened"}


@pytest.mark.parametrize(
    ("path", "field", "detail"),
    [
        ("occupancy?since=yesterday", "since", "expected a time such as"),
        ("occupancy?since=nan", "since", "expected a time such as"),
        ("occupancy?since=1e999", "since", "expected a time such as"),
        ("occupancy?since=1999-12-31T23:59:59Z", "since", "outside of the years"),
        ("occupancy?since=2026-01-01T12:00:00", "since", "lacks its time zone"),
        ("occupancy?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since", "is not before until"),
        ("occupancy?since=2090-01-01T00:00:00Z", "since", "is not before now"),
        ("occupancy?since=2001-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since", "five years"),
        (f"occupancy?{HOUR}&bucket_s=61", "bucket_s", "expected one of 60"),
        ("occupancy?since=2025-01-01T00:00:00Z&until=2026-01-01T00:00:00Z&bucket_s=60", "bucket_s", "more than 5000"),
        (f"occupancy?{HOUR}&place=nowhere", "place", "names no zone"),
        (f"counts?{HOUR}&place=nowhere", "place", "names no zone"),
        (f"counts?{HOUR}&place=door&without=staff", "without", "does not go with a line"),
        (f"counts?{HOUR}&without=%00", "without.0", "should match pattern"),
        (f"occupancy?{HOUR}&place=door&without=staff", "without", "does not go with a line"),
        ("heatmap?since=2025-11-01T00:00:00Z&until=2026-01-01T00:00:00Z&without=staff", "since", "more than 31 days"),
        ("identities?tag=%00", "tag", "should match pattern"),
        ("zones/%00/versions", "place", "should match pattern"),
        (f"heatmap?{HOUR}&cell_m=0.3", "cell_m", "no multiple of 0.25"),
        (f"heatmap?{HOUR}&cell_m=nan", "cell_m", "less than or equal to 10"),
        (f"heatmap?{HOUR}&cell_m=1e-9", "cell_m", "no multiple"),
        ("heatmap?since=2024-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since", "more than a year"),
        (f"events?{HOUR}&place=till&place=nowhere", "place", "names no zone"),
        (f"events?{HOUR}&camera=roof", "camera", "names no camera"),
        (f"cameras/uptime?{HOUR}&camera=roof", "camera", "names no camera"),
        (f"events?{HOUR}&kind=party", "kind.0", "Input should be"),
        (f"events?{HOUR}&limit=1001", "limit", "less than or equal to 1000"),
        (f"events?{HOUR}&cursor=WyJldmVudHMiLCAx", "cursor", "none that was given out"),
        (f"events?{HOUR}&cursor=%F0%9F%90%88", "cursor", "none that was given out"),
        (f"events?{HOUR}&cursor=W1tbW1tbW1tbW1tb", "cursor", "none that was given out"),
        (f"events?{HOUR}&cursor=WyJpZGVudGl0aWVzIiwgMTc2NzI2ODgwMC4wLCA1XQ", "cursor", "none that was given out"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(client, path, field, detail):
    answer = client.get(f"{SITE}/{path}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert detail in answer.json()["errors"][0]["detail"]
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize("path", ["occupancy", "counts?place=till", "heatmap", "events", "identities/1"])
def test_a_history_that_cannot_be_read_is_503_and_shows_no_path(client, archive, path):
    archive.broken = True
    answer = client.get(f"{SITE}/{path}")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_one_camera_can_be_asked_for_alone(client, archive):
    client.get(f"{SITE}/events?{HOUR}&camera=west")
    assert archive.asked[-1][1].camera == "west"
    for camera, found in (("west", ["west"]), ("east", [])):
        answer = client.get(f"{SITE}/cameras/uptime?{HOUR}&camera={camera}").json()
        assert [one["camera"] for one in answer["cameras"]] == found


def test_an_unchanged_answer_is_not_sent_again(client):
    path = f"{SITE}/heatmap?{HOUR}"
    first = client.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["etag"].startswith('W/"')
    again = client.get(path, **{"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = client.get(f"{SITE}/heatmap?{HOUR}&cell_m=1", **{"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


def test_long_answers_are_packed_for_who_takes_that(client):
    path = f"{SITE}/occupancy?{HOUR}&bucket_s=60"
    packed = client.get(path, **{"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = client.get(path, **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert packed.headers["etag"] == plain.headers["etag"]
    assert len(gzip.compress(plain.content)) * 3 < len(plain.content)


def test_every_route_names_one_permission_that_there_is():
    app = build_api(Stage().site())
    routes = dict(permissions_of(app.routes))
    assert {f"/api/v1/sites/{{site}}/{name}" for name in ("floor", "frames", "occupancy", "zones")} <= set(routes)
    for path, names in routes.items():
        assert len(names) == 1, path
        assert names[0] in NAMES, path
    operations = [operation for path in app.openapi()["paths"].values() for operation in path.values()]
    assert all(operation["x-permission"] in NAMES for operation in operations)
    assert len(json.dumps(app.openapi())) > 1000
