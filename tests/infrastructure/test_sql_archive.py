"""The history as it is asked, on both databases: rows are put in by hand, and figures worked out by hand."""

import asyncio
from functools import partial

import numpy as np
import pytest
from sqlalchemy import event
from written_history import DAY, DOOR, EVER, HOUR, T0, TILL

from app.domains.analytics.figures import Ending, EventKind, Period
from app.domains.analytics.heat import cell_of
from app.domains.analytics.places import FLOOR, Line, PlaceId, Zone
from app.domains.vocabulary import NO_ID, CameraId, GlobalId, Merge, Split
from app.errors import StoreError
from app.infrastructure import sql_dots
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_copy import insert_columns
from app.infrastructure.sql_days import make_days
from app.infrastructure.sql_replay import StoredRun, read_piece
from app.infrastructure.sql_rollup import pack_cells, put_heat
from app.infrastructure.sql_schema import POINTS
from app.infrastructure.sql_ways import pack_ways
from app.orchestration.archive import EventFilter, Page

MANY = Page(100)
RUN = StoredRun(1, 1, T0, T0, T0 + HOUR, (0.0, 0.0, 9.0, 9.0))


def people(*ids):
    return [GlobalId(one) for one in ids]


def test_an_empty_history_says_nothing_and_makes_nothing_up(history):
    assert history.ask("begin") is None
    assert history.ask("places") == ()
    assert history.ask("visitors", FLOOR, EVER) == 0
    assert len(history.ask("stays", (), EVER)) == 0
    assert history.ask("events", EventFilter(EVER), MANY) == ()
    assert history.ask("identities", EVER, MANY) == ()
    assert history.ask("identity", GlobalId(1)) is None
    assert history.ask("visits", GlobalId(1), EVER) == ()
    assert history.parts("dots", EVER) == history.parts("boxes", EVER) == []
    assert history.parts("dots", EVER, GlobalId(1)) == []
    series = history.ask("occupancy", FLOOR, Period(T0, T0 + HOUR), 900.0)
    assert len(series) == 4
    for column in (series.mean, series.peak, series.entered, series.left, series.speed):
        assert np.isnan(column).all()
    assert series.observed.tolist() == [0.0] * 4
    assert history.ask("heat", EVER, 0.5).seconds.shape == (0, 0)
    board = history.ask("dashboard", FLOOR, Period(T0, T0 + HOUR))
    assert (board.visitors, board.entered, board.left, board.peak, board.mean_dwell_s) == (0, None, None, None, None)
    assert (board.quality.observed, board.quality.sigma_m, board.quality.certainty) == (0.0, None, None)


def test_a_site_that_is_not_there_yet_is_a_fault_and_not_an_empty_history(history):
    with pytest.raises(StoreError, match="has no site nowhere yet"):
        asyncio.run(SQLArchive(history.database, "nowhere").begin())


def test_sites_of_one_database_know_nothing_of_each_other(history):
    history.run(2, 0.0, HOUR, site_id=2)
    history.walked(7, 0.0, 10.0, run_id=2)
    history.stay(FLOOR, 7, 0.0, 10.0, run_id=2)
    assert history.ask("begin") is None
    assert history.parts("dots", EVER) == []
    assert history.ask("identity", GlobalId(7)) is None
    assert history.ask("identities", EVER, MANY) == ()
    assert len(history.ask("stays", [FLOOR], EVER)) == 0
    assert history.ask("correct", Merge(GlobalId(7), GlobalId(7)), T0) is None


def test_the_oldest_dot_or_state_begins_the_history(history):
    history.walked(1, 100.0, 101.0)
    assert history.ask("begin") == T0 + 100.0
    history.add("camera_states", {"camera_id": 1, "at": T0 + 50.0, "state": "live", "reason": None})
    assert history.ask("begin") == T0 + 50.0


def test_places_are_versioned_and_erased(history):
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    drawn = history.ask("draw", Zone(TILL, "Till 1", square, capacity=3, queue=True), T0)
    assert (drawn.version, drawn.since) == (1, T0)
    again = history.ask("draw", Zone(TILL, "Till 1", square, capacity=3, queue=True), T0 + 0.5)
    assert (again.version, again.since) == (1, T0), "nothing has changed, and no stay need end"
    history.ask("draw", Line(DOOR, "Door", square[:2]), T0 + 1.0)
    assert history.ask("erase", TILL, T0 + 2.0)
    assert not history.ask("erase", TILL, T0 + 3.0)
    door, till, gone = history.ask("places")
    assert (door.place_id, door.place.name, door.place.ends.tolist()) == ("door", "Door", [[0.0, 0.0], [2.0, 0.0]])
    assert (till.place.capacity, till.place.queue, till.place.polygon.tolist()) == (3, True, square.tolist())
    assert (gone.place_id, gone.version, gone.since, gone.place) == ("till", 2, T0 + 2.0, None)


def test_nobody_is_at_a_line_and_so_how_many_were_is_not_known(history):
    history.ask("draw", Line(DOOR, "Door", np.array([[0.0, 0.0], [2.0, 0.0]])), T0)
    for step in (60, 3600):
        history.rollup(DOOR, 0.0, step=step, watched_s=60.0, observed_s=60.0, entered=2)
    series = history.ask("occupancy", DOOR, Period(T0, T0 + 120.0), 60.0)
    assert np.isnan([series.mean, series.peak]).all()
    assert (series.entered[0], series.observed[0]) == (2.0, 1.0)
    board = history.ask("dashboard", DOOR, Period(T0, T0 + HOUR))
    assert (board.visitors, board.peak, board.entered, board.left) == (None, None, 2, 0)


def test_dots_come_in_order_and_in_parts_that_end_with_an_instant(history, monkeypatch):
    for person in (3, 1, 2):
        history.walked(person, 0.0, 50.0, xy=(person, 0.0))
    monkeypatch.setattr(sql_dots, "PART", 40)
    parts = history.parts("dots", Period(T0 + 10.0, T0 + 40.0))
    assert all(len(part) <= 40 for part in parts)
    assert len(parts) == 5
    at, identity = (np.concatenate([getattr(part, name) for part in parts]) for name in ("at", "identity"))
    assert at.tolist() == [T0 + 10.0 + 0.5 * (i // 3) for i in range(180)]
    assert identity.tolist() == [1, 2, 3] * 60
    assert parts[0].xy[:3].tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    assert (parts[0].sigma[0], parts[0].certainty[0]) == (pytest.approx(0.1), 0.5)


def test_more_rows_of_one_instant_than_a_part_holds_stay_together(history, monkeypatch):
    for person in range(1, 6):
        history.dots(person, [0.0, 1.0])
    monkeypatch.setattr(sql_dots, "PART", 3)
    assert [part.identity.tolist() for part in history.parts("dots", EVER)] == [[1, 2, 3, 4, 5]] * 2


def test_dots_of_one_person_follow_corrections_over_runs(history):
    history.run(2, 3 * HOUR, 5 * HOUR)
    history.walked(1, 0.0, 10.0)
    history.walked(2, 0.0, 10.0)
    history.walked(5, 4 * HOUR, 4 * HOUR + 10.0, run_id=2)
    made = history.ask("correct", Merge(GlobalId(5), GlobalId(1)), T0 + 6 * HOUR)
    assert made.taken_back_at is None
    first, second = history.parts("dots", EVER, GlobalId(1))
    assert (len(first), len(second)) == (21, 21)
    assert set(second.identity.tolist()) == {1}
    assert set(second.certainty.tolist()) == {1.0}, "the operator's word, and not the program's"
    assert set(first.certainty.tolist()) == {0.5}
    assert len(history.parts("dots", EVER, GlobalId(5))) == 2, "whoever is asked for by an old id is the one they are"
    whole = np.concatenate([part.identity for part in history.parts("dots", EVER)])
    assert np.unique(whole, return_counts=True)[1].tolist() == [42, 21]
    history.ask("take_back", made.correction_id, T0 + 7 * HOUR)
    assert [len(part) for part in history.parts("dots", EVER, GlobalId(1))] == [21]


def test_two_ids_of_one_person_at_one_instant_are_one_dot_at_the_surer_place(history):
    history.walked(1, 0.0, 1.0, xy=(0.0, 0.0), sigma=0.3)
    history.walked(2, 0.0, 1.0, xy=(1.0, 0.0), sigma=0.2)
    history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0 + 5.0)
    for parts in (history.parts("dots", EVER), history.parts("dots", EVER, GlobalId(1))):
        assert [part.xy[:, 0].tolist() for part in parts] == [[1.0, 1.0, 1.0]]


def test_one_persons_dots_of_a_long_time_come_in_parts_that_skip_where_they_were_not(history, monkeypatch):
    monkeypatch.setattr(sql_dots, "PART_S", HOUR)
    history.walked(1, 0.0, 1.5 * HOUR)
    history.run(2, 500 * HOUR, 502 * HOUR)
    history.walked(2, 500 * HOUR, 500 * HOUR + 1.0, run_id=2)
    history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0)
    assert [len(part) for part in history.parts("dots", EVER, GlobalId(1))] == [7200, 3601, 3]


def test_boxes_come_with_their_camera_and_who_it_was(history):
    columns = dict.fromkeys(("x_min", "y_min", "x_max", "y_max"), np.array([1, 2, 3, 4], np.float32))
    columns |= {"confidence": np.full(4, 0.5, np.float32), "certainty": np.full(4, 0.5, np.float32)}
    columns |= dict.fromkeys(("x", "y", "sigma"), np.array([0.5, np.nan, 1.5, 2.5], np.float32))
    columns |= {"at": T0 + np.array([1.0, 0.0, 0.0, 0.0]), "run_id": np.ones(4, np.int32)}
    columns |= {"camera_id": np.array([1, 2, 1, 1], np.int32), "track": np.array([1, 1, 2, 1])}
    columns |= {"person": np.array([1, NO_ID, 2, 1])}
    history.database.write(lambda connection: make_days(connection, POINTS, columns["at"]))
    history.database.write(lambda connection: insert_columns(connection, POINTS, columns))
    for person in (1, 2):
        history.walked(person, 0.0, 1.0)
    history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0)
    (boxes,) = history.parts("boxes", EVER)
    assert (boxes.at - T0).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert boxes.camera == ("a", "a", "b", "a")
    assert boxes.track.tolist() == [1, 2, 1, 1]
    assert boxes.identity.tolist() == [1, 1, NO_ID, 1]
    assert boxes.xyxy[0].tolist() == [4.0] * 4
    assert boxes.xy[:, 0].tolist() == pytest.approx([2.5, 1.5, np.nan, 0.5], nan_ok=True)
    assert [part.camera for part in history.parts("boxes", EVER, CameraId("b"))] == [("b",)]
    assert history.parts("boxes", EVER, CameraId("nowhere")) == []


def test_occupancy_is_a_mean_over_what_was_watched_and_nothing_where_nobody_watched(history):
    for minute, person_s, watched_s, peak in ((0, 90.0, 60.0, 2), (1, 15.0, 30.0, 1), (6, 0.0, 60.0, 0)):
        sums = {"person_s": person_s, "watched_s": watched_s, "observed_s": watched_s / 2, "peak": peak}
        history.rollup(TILL, 60.0 * minute, entered=minute, gone=1, distance_m=person_s / 3, **sums)
    series = history.ask("occupancy", TILL, Period(T0, T0 + 900.0), 300.0)
    assert series.at.tolist() == [T0, T0 + 300.0, T0 + 600.0]
    assert series.mean.tolist() == pytest.approx([105.0 / 90.0, 0.0, np.nan], nan_ok=True)
    assert series.peak.tolist() == pytest.approx([2, 0, np.nan], nan_ok=True)
    assert series.entered.tolist() == pytest.approx([1, 6, np.nan], nan_ok=True)
    assert series.left.tolist() == pytest.approx([2, 1, np.nan], nan_ok=True)
    assert series.speed.tolist() == pytest.approx([1 / 3, np.nan, np.nan], nan_ok=True)
    assert series.observed.tolist() == pytest.approx([45.0 / 300.0, 30.0 / 300.0, 0.0])


def test_the_longest_steps_are_read_that_a_period_and_its_buckets_have(history):
    """Each row has a weight of its own, so that the sum tells which were read."""
    history.ask("draw", Line(DOOR, "Door", np.array([[0.0, 0.0], [1.0, 0.0]])), T0)
    for minute in range(240):
        history.rollup(DOOR, 60.0 * minute, entered=1, watched_s=60.0, observed_s=60.0)
    for quarter in range(16):
        history.rollup(DOOR, 900.0 * quarter, step=900, entered=100, watched_s=900.0, observed_s=900.0)
    for hour in range(4):
        history.rollup(DOOR, HOUR * hour, step=3600, entered=1000, watched_s=HOUR, observed_s=HOUR)
    for since, until, entered in (
        (0.0, 2 * HOUR, 2000),
        (600.0, 2 * HOUR, 50 + 1000),
        (600.0, 3 * HOUR + 300.0, 50 + 2000 + 5),
        (600.0, 1200.0, 10),
        (3000.0, 4000.0, 17),
        (30.0, 90.0, 2),
    ):
        board = history.ask("dashboard", DOOR, Period(T0 + since, T0 + until))
        assert board.entered == entered
    for since, bucket_s, entered in (
        (0.0, 2 * HOUR, 2000.0),
        (1800.0, HOUR, 400.0),
        (0.0, 1800.0, 200.0),
        (900.0, 900.0, 100.0),
        (300.0, 900.0, 15.0),
        (0.0, 300.0, 5.0),
    ):
        series = history.ask("occupancy", DOOR, Period(T0 + since, T0 + since + 2 * bucket_s), bucket_s)
        assert series.entered.tolist() == [entered, entered]


def test_quality_tells_what_was_seen_how_sharply_and_how_surely(history):
    history.rollup(TILL, 0.0, observed_s=45.0, watched_s=60.0, person_s=10.0, sigma_s=2.0, certainty_s=9.0)
    for camera, ended in ((1, 500.0), (2, 60.0)):
        history.add("footage", {"camera_id": camera, "begun": T0, "ended": T0 + ended})
    quality = history.ask("quality", TILL, Period(T0, T0 + 90.0))
    assert quality.observed == pytest.approx(0.5)
    assert quality.cameras_out == (("b", pytest.approx(30.0)),)
    assert (quality.sigma_m, quality.certainty) == (pytest.approx(0.2), pytest.approx(0.9))


def test_uptime_knows_a_camera_that_was_out_from_a_program_that_was_off(history):
    history.run(2, 3 * HOUR, 4 * HOUR)
    for camera, at, state in ((1, 0.0, "live"), (1, HOUR, "lost"), (1, 1.5 * HOUR, "live"), (1, 3.5 * HOUR, "late")):
        history.add("camera_states", {"camera_id": camera, "at": T0 + at, "state": state, "reason": None})
    for begun, ended in ((0.0, HOUR), (1.5 * HOUR, 2 * HOUR), (3 * HOUR, 3.5 * HOUR)):
        history.add("footage", {"camera_id": 1, "begun": T0 + begun, "ended": T0 + ended})
    load = {"camera_id": 1, "step": 3600, "confidence": 30.0, "frames": 7, "boxes": 40}
    history.add("camera_load", {**load, "at": T0}, {**load, "at": T0 + HOUR})
    a, b = history.ask("uptime", Period(T0 + 0.5 * HOUR, T0 + 5 * HOUR))
    assert [(at - T0, state) for at, state, _ in a.states] == [
        (0.0, "live"),
        (HOUR, "lost"),
        (1.5 * HOUR, "live"),
        (3.5 * HOUR, "late"),
    ]
    assert (a.running_s, a.out_s) == (pytest.approx(1.5 * HOUR), pytest.approx(HOUR))
    assert (a.frames, a.boxes, a.confidence) == (7, 40, 0.75)
    assert (b.camera_id, b.states, b.frames, b.boxes, b.confidence) == ("b", (), None, None, None)
    assert (b.running_s, b.out_s) == (0.0, 0.0), "nobody knows of it"


def test_stays_of_one_person_are_joined_and_of_two_are_not(history):
    for person in (1, 2, 3):
        history.walked(person, 0.0, 100.0)
    history.stay(TILL, 1, 0.0, 10.0, "lost")
    history.stay(TILL, 2, 12.0, 20.0)
    history.stay(TILL, 3, 5.0, 30.0, "here")
    history.stay(FLOOR, 1, 0.0, 40.0)
    stays = history.ask("stays", (), EVER)
    assert stays.identity.tolist() == [1, 3, 2]
    merged = history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0 + 50.0)
    stays = history.ask("stays", [TILL], EVER)
    assert list(zip(stays.identity.tolist(), stays.begun - T0, stays.ended - T0, stays.ending, strict=True)) == [
        (1, 0.0, 20.0, Ending.LEFT),
        (3, 5.0, 30.0, Ending.HERE),
    ]
    assert stays.place == (TILL, TILL)
    assert history.ask("visitors", TILL, EVER) == 2
    assert history.ask("visitors", TILL, Period(T0 + 25.0, T0 + 26.0)) == 1
    assert history.ask("stays", (TILL, FLOOR), EVER, identity=GlobalId(1)).place == (FLOOR, TILL)
    history.ask("take_back", merged.correction_id, T0 + 60.0)
    assert history.ask("visitors", TILL, EVER) == 3


def test_a_stay_that_two_people_shared_is_cut_where_one_became_the_other(history):
    history.walked(1, 0.0, 100.0)
    history.stay(TILL, 1, 0.0, 60.0)
    split = Split(GlobalId(1), GlobalId(NO_ID), T0 + 40.0, np.inf)
    made = history.ask("correct", split, T0 + 100.0)
    new = made.correction.apart
    assert new == 1_000_000_000
    stays = history.ask("stays", [TILL], EVER)
    assert list(zip(stays.identity.tolist(), stays.begun - T0, stays.ended - T0, stays.ending, strict=True)) == [
        (1, 0.0, 40.0, Ending.LOST),
        (new, 40.0, 60.0, Ending.LEFT),
    ]
    assert history.ask("visitors", TILL, Period(T0 + 50.0, T0 + 55.0)) == 1
    assert history.ask("identity", new).first_seen == T0 + 40.0
    assert history.ask("correct", split, T0 + 101.0) is None, "nothing of that is the first one's any more"
    again = Split(GlobalId(1), GlobalId(NO_ID), T0 + 20.0, T0 + 40.0)
    assert history.ask("correct", again, T0 + 102.0).correction.apart == new + 1


def test_whoever_wears_a_tag_is_left_out(history):
    for person in (1, 2, 3):
        history.walked(person, 0.0, 100.0)
        history.stay(TILL, person, 0.0, 10.0)
    assert history.ask("tag", GlobalId(2), ["staff", "night"]).tags == ("night", "staff")
    assert history.ask("visitors", TILL, EVER, without=["staff"]) == 2
    assert history.ask("stays", (), EVER, without=["staff", "guard"]).identity.tolist() == [1, 3]
    assert [one.identity for one in history.ask("identities", EVER, MANY, tag="night")] == [2]
    assert [history.ask("tagged", tags).tolist() for tags in (["guard", "staff"], ["guard"], [])] == [[2], [], []]
    merged = history.ask("correct", Merge(GlobalId(2), GlobalId(3)), T0 + 50.0)
    assert history.ask("identity", GlobalId(3)).tags == ("night", "staff"), "a tag follows whom it was given to"
    assert history.ask("visitors", TILL, EVER, without=["staff"]) == 1
    history.ask("take_back", merged.correction_id, T0 + 51.0)
    assert history.ask("identity", GlobalId(3)).tags == ()
    assert history.ask("tag", GlobalId(2), []).tags == ()
    assert history.ask("visitors", TILL, EVER, without=["staff"]) == 3
    assert history.ask("tag", GlobalId(9), ["staff"]) is None


def test_people_come_by_when_they_were_seen_last_and_a_page_at_a_time(history):
    for person, first, last in ((1, 0.0, 50.0), (2, 0.0, 90.0), (3, 10.0, 90.0), (4, 20.0, 70.0), (5, 95.0, 99.0)):
        history.walked(person, first, last)
    found, page = [], Page(2)
    while more := history.ask("identities", Period(T0, T0 + 95.0), page):
        found += more
        page = Page(2, (more[-1].last_seen, more[-1].identity))
    assert [one.identity for one in found] == [3, 2, 4, 1]
    history.ask("correct", Merge(GlobalId(5), GlobalId(1)), T0 + 100.0)
    first, *_ = history.ask("identities", Period(T0, T0 + 95.0), MANY)
    assert (first.identity, first.first_seen - T0, first.last_seen - T0) == (1, 0.0, 99.0)
    assert (first.reported, first.certainty) == ((1, 5), 1.0)
    assert [one.identity for one in history.ask("identities", Period(T0, T0 + 5.0), MANY)] == [1, 2]


def test_visits_are_those_of_every_id_of_a_person_and_cut_to_the_period(history):
    for person, camera, begun, ended in ((1, 1, 0.0, 20.0), (2, 1, 22.0, 30.0), (2, 2, 40.0, 50.0)):
        if camera == 1:
            history.seen(person, begun, 50.0)
        row = {"run_id": 1, "person": person, "camera_id": camera, "begun": T0 + begun, "ended": T0 + ended}
        history.add("appearances", row)
    history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0 + 60.0)
    visits = history.ask("visits", GlobalId(2), Period(T0 + 10.0, T0 + 45.0))
    assert [(visit.camera_id, visit.begin - T0, visit.end - T0) for visit in visits] == [
        ("a", 10.0, 30.0),
        ("b", 40.0, 45.0),
    ]
    assert history.ask("visitors", FLOOR, EVER) == 1, "a site without floor counts whom its cameras see"


def test_events_are_filtered_paged_and_corrected(history):
    for person in (1, 2):
        history.walked(person, 0.0, 100.0)
    history.event(1, 0.0, EventKind.ENTER, 1)
    history.event(2, 5.0, EventKind.CROSS, 2, inwards=True)
    history.event(3, 5.0, EventKind.EXIT, 1, place=TILL, dwell_s=4.0)
    history.event(4, 9.0, EventKind.SILENT, camera_id=2)
    history.event(5, 9.5, EventKind.CAPACITY, people=12)
    everything = history.ask("events", EventFilter(EVER), MANY)
    assert [event.event_id for event in everything] == [5, 4, 3, 2, 1]
    assert (everything[0].people, everything[1].camera_id, everything[1].identity) == (12, "b", None)
    assert (everything[2].dwell_s, everything[3].inwards, everything[3].identity) == (4.0, True, 2)
    found, page = [], Page(2)
    while more := history.ask("events", EventFilter(EVER), page):
        found += [event.event_id for event in more]
        page = Page(2, (more[-1].at, more[-1].event_id))
    assert found == [5, 4, 3, 2, 1]
    for which, ids in (
        ({"places": [TILL]}, [3]),
        ({"kinds": [EventKind.ENTER, EventKind.CROSS]}, [2, 1]),
        ({"identity": GlobalId(1)}, [3, 1]),
        ({"camera": CameraId("b")}, [4]),
        ({"camera": CameraId("c")}, []),
    ):
        assert [event.event_id for event in history.ask("events", EventFilter(EVER, **which), MANY)] == ids
    history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0 + 100.0)
    mine = history.ask("events", EventFilter(EVER, identity=GlobalId(1)), MANY)
    assert [(event.event_id, event.identity) for event in mine] == [(3, 1), (2, 1), (1, 1)]


def test_corrections_are_listed_and_undone_in_any_order_over_runs(history):
    """5 of the second run was 1, and then all of 1 was 2; the two are taken back one by one."""
    history.run(2, 3 * HOUR, 4 * HOUR)
    history.walked(1, 0.0, 1.0)
    history.walked(2, 0.0, 1.0, xy=(9.0, 9.0))
    history.walked(5, 3 * HOUR, 3 * HOUR + 1.0, run_id=2)
    first = history.ask("correct", Merge(GlobalId(5), GlobalId(1)), T0 + 10.0)
    second = history.ask("correct", Merge(GlobalId(5), GlobalId(2)), T0 + 20.0)
    assert second.correction == Merge(GlobalId(1), GlobalId(2)), "5 is known as 1, and so 1 becomes 2"
    both = history.ask("corrections", MANY)
    assert [one.correction_id for one in both] == [second.correction_id, first.correction_id]
    page = Page(1, (second.at, second.correction_id))
    assert [one.correction_id for one in history.ask("corrections", page)] == [first.correction_id]
    assert history.ask("identity", GlobalId(2)).reported == (1, 2, 5)
    undone = history.ask("take_back", first.correction_id, T0 + 30.0)
    assert undone.taken_back_at == T0 + 30.0
    assert history.ask("take_back", first.correction_id, T0 + 31.0) is None
    assert history.ask("take_back", 99, T0 + 31.0) is None
    assert history.ask("identity", GlobalId(5)).identity == 5
    assert history.ask("identity", GlobalId(1)).identity == 2
    assert [one.correction_id for one in history.ask("corrections", MANY, standing=True)] == [second.correction_id]
    history.ask("take_back", second.correction_id, T0 + 32.0)
    assert [history.ask("identity", one).reported for one in people(1, 2, 5)] == [(1,), (2,), (5,)]


@pytest.mark.parametrize(
    "correction",
    [
        Merge(GlobalId(1), GlobalId(8)),
        Merge(GlobalId(8), GlobalId(1)),
        Merge(GlobalId(1), GlobalId(1)),
        Split(GlobalId(8), GlobalId(NO_ID), T0, T0 + 1.0),
        Split(GlobalId(1), GlobalId(1), T0, T0 + 1.0),
        Split(GlobalId(1), GlobalId(NO_ID), -np.inf, np.inf, (GlobalId(7),)),
    ],
    ids=["into nobody", "of nobody", "into oneself", "of nobody into two", "from oneself", "what never was theirs"],
)
def test_a_correction_of_nobody_or_to_no_effect_is_none(history, correction):
    history.walked(1, 0.0, 1.0)
    assert history.ask("correct", correction, T0) is None
    assert history.ask("corrections", MANY) == ()


def test_heat_is_of_packed_hours_fresh_minutes_and_dots_at_the_ends(history):
    cell = cell_of(np.array([[0.1, 0.1], [1.1, 0.1]]))
    for hour in (0, 1):
        history.add("heat", {"site_id": 1, "at": T0 + hour * HOUR, "cells": pack_cells(cell, np.array([10.0, 5.0]))})
    history.add("heat_cells", {"site_id": 1, "at": T0 + 2 * HOUR, "cell": int(cell[0]), "seconds": 1.0})
    history.add("heat_cells", {"site_id": 1, "at": T0 + 2 * HOUR + 60.0, "cell": int(cell[0]), "seconds": 2.0})
    whole = history.ask("heat", Period(T0, T0 + 2 * HOUR + 60.0), 0.5)
    assert (whole.origin, whole.cell_m) == ((0.0, 0.0), 0.5)
    assert whole.seconds.tolist() == [[21.0, 0.0, 10.0]]
    history.walked(1, 0.5 * HOUR, 0.5 * HOUR + 9.0, xy=(1.1, 0.1))
    cut = history.ask("heat", Period(T0 + 0.5 * HOUR, T0 + 2 * HOUR), 0.25)
    assert cut.seconds[0].tolist() == pytest.approx([10.0, 0.0, 0.0, 0.0, 5.0 + 9.0])
    mine = history.ask("heat", EVER, 1.0, GlobalId(1))
    assert (mine.origin, mine.seconds.tolist()) == ((1.0, 0.0), [[pytest.approx(9.0)]])


def test_of_an_hour_that_is_cut_only_cut_minutes_are_read_from_dots(history):
    cells = cell_of(np.array([[0.1, 0.1], [1.1, 0.1], [2.1, 0.1]]))

    def pack(connection):
        for cell, minutes in zip(cells, ((9, 10, 29), (10, 11), (10, 45)), strict=True):
            at = T0 + 60.0 * np.array(minutes)
            put_heat(connection, 1, T0, at, np.full(len(at), cell, np.int64), np.full(len(at), 20.0))

    history.database.write(pack)
    history.walked(1, 9.5 * 60.0, 30.5 * 60.0, xy=(5.1, 0.1))  # of which only cut minutes may be told
    whole = history.ask("heat", Period(T0, T0 + HOUR), 1.0)
    assert whole.seconds.tolist() == [[60.0, 40.0, 40.0]]
    minutes = history.ask("heat", Period(T0 + 600.0, T0 + 1800.0), 1.0)
    assert minutes.seconds.tolist() == [[40.0, 40.0, 20.0]]
    cut = history.ask("heat", Period(T0 + 590.0, T0 + 1815.0), 1.0)
    assert cut.seconds[0].tolist() == pytest.approx([40.0, 40.0, 20.0, 0.0, 0.0, 10.0 + 15.0])
    within = history.ask("heat", Period(T0 + 605.0, T0 + 607.0), 1.0)
    assert (within.origin, within.seconds.tolist()) == ((5.0, 0.0), [[pytest.approx(2.0)]])


def test_the_dashboard_says_what_the_single_questions_say(history):
    for person in (1, 2):
        history.walked(person, 0.0, 100.0)
        history.stay(FLOOR, person, 0.0, 50.0 * person)
    history.stay(FLOOR, 2, 105.0, 106.0, "here")
    for hour, peak in ((0, 2), (1, 1)):
        sums = {"watched_s": HOUR, "observed_s": HOUR, "person_s": 360.0, "peak": peak, "entered": 1, "gone": 3}
        history.rollup(FLOOR, hour * HOUR, step=3600, **sums)
    history.event(1, 0.0, EventKind.ENTER, 1)
    period = Period(T0, T0 + 2 * HOUR)
    board = history.ask("dashboard", FLOOR, period)
    assert board.visitors == history.ask("visitors", FLOOR, period) == 2
    assert (board.entered, board.left) == history.ask("stays", [FLOOR], period).passages(period) == (3, 2)
    assert board.peak == (2, T0)
    assert board.mean_dwell_s == pytest.approx(75.0), "of the two who left"
    assert board.hours.mean.tolist() == pytest.approx([0.1, 0.1])
    assert [event.event_id for event in board.events] == [1]
    assert [camera.camera_id for camera in board.cameras] == ["a", "b"]
    assert board.quality == history.ask("quality", FLOOR, period)


def test_the_dashboard_follows_corrections_and_leaves_out_whom_it_is_told_to(history):
    for person, begun in ((1, 0.0), (2, 51.0), (3, 20.0)):
        history.walked(person, begun, begun + 50.0)
        history.stay(TILL, person, begun, begun + 50.0)
    history.rollup(TILL, 0.0, step=60, watched_s=60.0, observed_s=60.0, entered=3, gone=3)
    period = Period(T0, T0 + 200.0)

    def told(*without):
        board = history.ask("dashboard", TILL, period, without)
        stays = history.ask("stays", [TILL], period, without=without)
        assert (board.entered, board.left) == stays.passages(period)
        return board.visitors, board.entered, board.left, board.mean_dwell_s

    assert told() == (3, 3, 3, pytest.approx(50.0))
    merged = history.ask("correct", Merge(GlobalId(2), GlobalId(1)), T0 + 150.0)
    assert told() == (2, 2, 2, pytest.approx(75.5)), "two that were one stayed once, without a gap"
    history.ask("tag", GlobalId(1), ["staff"])
    assert told("staff") == (1, 1, 1, pytest.approx(50.0))
    history.ask("take_back", merged.correction_id, T0 + 160.0)
    assert told("staff") == (2, 2, 2, pytest.approx(50.0))


def test_words_of_users_are_never_part_of_a_statement(history):
    history.walked(1, 0.0, 1.0)
    word = "x'; DROP TABLE spans; --"
    history.ask("tag", GlobalId(1), [word])
    assert history.ask("identity", GlobalId(1)).tags == (word,)
    assert len(history.ask("identities", EVER, MANY, tag=word)) == 1
    assert history.ask("visitors", PlaceId(word), EVER, without=[word]) == 0
    assert history.ask("events", EventFilter(EVER, places=[PlaceId(word)]), MANY) == ()
    assert history.parts("boxes", EVER, CameraId(word)) == []
    assert len(history.parts("dots", EVER)) == 1


def test_a_stay_that_began_days_before_and_ends_days_later_is_found(history):
    history.run(2, 0.0, 10 * DAY)
    history.walked(9, 5 * DAY, 5 * DAY + 1.0, run_id=2)
    history.stay(TILL, 9, 0.0, 10 * DAY, run_id=2)
    noon = Period(T0 + 5 * DAY, T0 + 5 * DAY + 60.0)
    assert history.ask("stays", [TILL], noon).identity.tolist() == [9]
    assert history.ask("visitors", TILL, noon) == 1


def asked_of_sqlite(history, ask):
    """Return how SQLite goes about what is asked: a line for each table that it looks into."""
    statements = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        statements.append((statement, parameters))

    engine = history.database._engine
    event.listen(engine, "before_cursor_execute", note)
    ask()
    event.remove(engine, "before_cursor_execute", note)
    plans = [f"EXPLAIN QUERY PLAN {statement}" for statement, _ in statements if statement.startswith("SELECT")]
    values = [parameters for statement, parameters in statements if statement.startswith("SELECT")]
    return [
        row[3]
        for plan, bound in zip(plans, values, strict=True)
        for row in history.database.write(lambda c, plan=plan, bound=bound: c.exec_driver_sql(plan, bound).all())
    ]


GROWING = (
    "dots",
    "stays",
    "events",
    "spans",
    "occupancy",
    "camera_load",
    "appearances",
    "instants",
    "heat",
    "points",
    "ways",
)


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("dashboard", (FLOOR, EVER)),
        ("occupancy", (TILL, Period(T0, T0 + DAY), 900.0)),
        ("visitors", (TILL, EVER, ["staff"])),
        ("stays", ((TILL,), EVER)),
        ("stays", ((), EVER, GlobalId(1))),
        ("events", (EventFilter(EVER, identity=GlobalId(1)), MANY)),
        ("identities", (EVER, MANY)),
        ("identity", (GlobalId(1),)),
        ("visits", (GlobalId(1), EVER)),
        ("dots", (EVER,)),
        ("dots", (EVER, GlobalId(1))),
        ("heat", (Period(T0, T0 + HOUR), 0.5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "of" if isinstance(value, tuple) else None,
)
def test_no_question_reads_a_growing_table_whole(in_sqlite, question, arguments):
    """SQLite counts nothing by itself, so that its plans are the same for an empty and for a large history."""
    in_sqlite.walked(1, 0.0, 10.0)
    how = in_sqlite.parts if question == "dots" else in_sqlite.ask
    plan = asked_of_sqlite(in_sqlite, partial(how, question, *arguments))
    assert plan
    assert not [line for line in plan if line.startswith("SCAN") and line.split()[1] in GROWING]
    by_run = [line for line in plan if "(run_id=?)" in line and line.split()[1] in GROWING]
    assert not by_run, "a run may last for months"


@pytest.mark.parametrize("work", [pack_ways, partial(read_piece, run=RUN, since=T0, until=T0 + 120.0)])
def test_no_work_on_a_time_reads_its_run_whole(in_sqlite, work):
    in_sqlite.walked(1, 0.0, HOUR)
    plan = asked_of_sqlite(in_sqlite, lambda: in_sqlite.database.write(work))
    assert [line for line in plan if line.startswith("SEARCH dots USING") and "(at>" in line]
    assert not [
        line for line in plan if line.startswith("SCAN dots") or line.endswith("dots_run_id_person_at (run_id=?)")
    ]
