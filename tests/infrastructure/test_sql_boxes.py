import numpy as np
import pytest

from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorPoints,
    FloorTracks,
    Sightings,
    TrackingUpdate,
    Tracks,
    TrackState,
)
from app.infrastructure.sql_batch import LOAD, POINTS, SEEN, VISIT_GAP_S
from app.infrastructure.sql_boxes import Visits, stack

T0 = 1_767_261_600.0
CAMERAS = {CameraId("east"): 3, CameraId("west"): 8}


def sighting(camera, at, people, states=None, rows=None, valid=None):
    n = len(people)
    states = np.full(n, int(TrackState.CONFIRMED)) if states is None else np.array(states)
    rows = np.arange(n) if rows is None else np.array(rows)
    valid = np.ones(n, np.bool_) if valid is None else np.array(valid)
    boxes = np.arange(4 * n, dtype=np.float32).reshape(n, 4)
    confidence, ones = np.linspace(0.5, 0.9, n).astype(np.float32), np.ones(n)
    looks = np.zeros((n, 0), np.float32)
    tracks = Tracks(CameraId(camera), at, 100 + np.arange(n), states, rows, boxes, confidence, looks, ones)
    covariance = np.tile(np.diag([0.04, 0.01]), (n, 1, 1))
    xy = np.stack([np.arange(n, dtype=np.float64), np.full(n, 2.0)], axis=1)
    return Sightings(tracks, np.array(people, np.int64), FloorPoints(CameraId(camera), xy, covariance, valid), ones)


def update(at, sightings, dots=()):
    n, ids = len(dots), np.array(dots, np.int64)
    floor = FloorTracks(ids, np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2, 2)), ((),) * n, np.ones(n))
    return TrackingUpdate(at, tuple(sightings), floor, ())


def rows(columns):
    return list(zip(*(column.tolist() for column in columns.values()), strict=True))


def test_a_point_is_written_for_each_box_that_is_somebody_or_no_mere_attempt():
    tentative, confirmed = int(TrackState.TENTATIVE), int(TrackState.CONFIRMED)
    seen = [
        sighting("west", T0 - 0.01, [5, NO_ID, NO_ID], [tentative, tentative, confirmed], valid=[True, True, False]),
        sighting("east", T0, [6]),
    ]
    points = stack([update(T0, seen)], CAMERAS).points(2)
    assert {name: column.dtype for name, column in points.items()} == {name: c.dtype for name, c in POINTS.items()}
    assert points["camera_id"].tolist() == [8, 8, 3]
    assert points["at"].tolist() == [T0 - 0.01, T0 - 0.01, T0]
    assert points["track"].tolist() == [100, 102, 100]
    assert points["person"].tolist() == [5, NO_ID, 6]
    assert points["run_id"].tolist() == [2, 2, 2]
    assert np.isnan(points["x"]).tolist() == [False, True, False]
    assert points["sigma"][[0, 2]].tolist() == pytest.approx([0.2, 0.2])
    assert np.isnan(points["sigma"][1])
    assert [points[name][1] for name in ("x_min", "y_min", "x_max", "y_max")] == [8.0, 9.0, 10.0, 11.0]


def test_nothing_makes_no_rows_but_typed_columns():
    boxes = stack([update(T0, [])], CAMERAS)
    for columns, like in (
        (boxes.points(1), POINTS),
        (boxes.load(), LOAD),
        (boxes.seen([update(T0, [])]), SEEN),
    ):
        assert {name: (len(column), column.dtype) for name, column in columns.items()} == {
            name: (0, empty.dtype) for name, empty in like.items()
        }
    assert rows(Visits().lengthen(boxes, T0)) == []


def test_people_are_seen_from_the_first_update_to_the_last_that_has_them_be_it_as_a_dot_alone():
    updates = [
        update(T0, [sighting("east", T0 - 0.2, [5, NO_ID])]),
        update(T0 + 1.0, [sighting("east", T0 + 0.8, [7]), sighting("west", T0 + 1.0, [5])], dots=[5, 9]),
        update(T0 + 2.0, [], dots=[9]),
    ]
    seen = stack(updates, CAMERAS).seen(updates)
    assert rows(seen) == [(5, T0, T0 + 1.0), (7, T0 + 1.0, T0 + 1.0), (9, T0 + 1.0, T0 + 2.0)]


def test_the_load_counts_frames_and_detected_boxes_by_camera_and_minute():
    updates = [
        update(T0, [sighting("east", T0, [5, 6]), sighting("west", T0, [])]),
        update(T0 + 1, [sighting("east", T0 + 1, [5, 6], rows=[0, NO_ID])]),
        update(T0 + 61, [sighting("east", T0 + 61, [5])]),
    ]
    load = rows(stack(updates, CAMERAS).load())
    assert [row[:4] for row in load] == [(3, T0, 2, 3), (3, T0 + 60, 1, 1), (8, T0, 1, 0)]
    assert [row[4] for row in load] == pytest.approx([0.5 + 0.9 + 0.5, 0.5, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_visits_are_the_same_however_updates_are_joined_to_batches(seed):
    random, updates, expected = np.random.default_rng(seed), [], {}
    at, last = T0, {}
    for _ in range(60):
        at += float(random.choice([0.1, 0.5, 1.5, VISIT_GAP_S + 0.5]))
        sightings = []
        for name, number in CAMERAS.items():
            people = random.choice(8, int(random.integers(0, 5)), replace=False) + 1
            sightings.append(sighting(name, at, people))
            for person in people.tolist():
                begun, ended = last.get((person, number), (at, -np.inf))
                last[person, number] = (begun if at - ended <= VISIT_GAP_S else at), at
                expected[person, number, last[person, number][0]] = at
        updates.append(update(at, sightings))
    expected = {(p, c, round(begun, 6)): round(ended, 6) for (p, c, begun), ended in expected.items()}
    for most in (1, 7, 60):
        visits, found, first = Visits(), {}, 0
        while first < len(updates):
            part = updates[first : first + int(random.integers(1, most + 1))]
            rows_of_part = rows(visits.lengthen(stack(part, CAMERAS), part[-1].captured_at))
            assert len({row[:3] for row in rows_of_part}) == len(rows_of_part)
            found |= {row[:3]: row[3] for row in rows_of_part}
            first += len(part)
        assert found == expected
