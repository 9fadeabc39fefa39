"""The table of who is seen where: a column a person, a row a camera, nothing that is not so."""

import numpy as np
import pytest

from app.domains.vocabulary import NO_ID, CameraId, FloorPoints, FloorTracks, Sightings, TrackingUpdate, Tracks
from app.infrastructure.drawing_ink import identity_colour
from app.infrastructure.presence_drawing import PresenceDrawing

HALL, DOOR = CameraId("hall"), CameraId("door")
CAPTION, SIZE = 28, (500, 28 + 4 * 25)  # four rows: ids, floor, hall, door


def update(time, seen, on_floor=()):
    """Seen: identities by camera; on_floor: identities with whether a camera supports them."""
    sightings = []
    for camera, ids in seen.items():
        n = len(ids)
        boxes = np.tile(np.array([0, 0, 10, 20], np.float32), (n, 1))
        ones = np.ones(n, np.int64)
        tracks = Tracks(camera, time, ones, ones, ones, boxes, ones.astype(np.float32), boxes[:, :0], np.ones(n))
        points = FloorPoints(camera, np.zeros((n, 2)), np.zeros((n, 2, 2)), np.zeros(n, np.bool_))
        sightings.append(Sightings(tracks, np.array(ids, np.int64), points, np.ones(len(ids))))
    n = len(on_floor)
    floor = FloorTracks(
        np.array([i for i, _ in on_floor], np.int64), np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2, 2)),
        tuple((HALL,) if supported else () for _, supported in on_floor), np.ones(n),
    )  # fmt: skip
    return TrackingUpdate(time, tuple(sightings), floor, ())


def rows_with(picture, global_id):
    """Which rows below the ids have a filled dot of the identity."""
    coloured = (picture[CAPTION:] == identity_colour(global_id)).all(axis=2)
    return [row for row in range(1, 4) if coloured[25 * row : 25 * row + 25].sum() > 60]


@pytest.mark.parametrize(
    ("seen", "on_floor", "rows"),
    [
        ({HALL: [7], DOOR: []}, [(7, True)], [1, 2]),
        ({HALL: [7], DOOR: [7]}, [], [2, 3]),
        ({HALL: [NO_ID], DOOR: [7]}, [(7, True)], [1, 3]),
        ({}, [(7, False)], []),
    ],
    ids=["one camera and the floor", "two cameras", "an unknown beside it", "predicted only: a ring"],
)
def test_a_person_is_marked_where_it_is_seen(seen, on_floor, rows):
    assert rows_with(PresenceDrawing([HALL, DOOR], SIZE, CAPTION).draw(update(0.0, seen, on_floor)), 7) == rows


@pytest.mark.parametrize(("later", "rows"), [(1.0, [2]), (9.0, [])], ids=["a slow camera", "a camera that fell silent"])
def test_what_a_camera_saw_holds_for_a_while(later, rows):
    drawing = PresenceDrawing([HALL, DOOR], SIZE, CAPTION)
    drawing.draw(update(0.0, {HALL: [7]}))
    assert rows_with(drawing.draw(update(later, {DOOR: []})), 7) == rows


def test_more_people_than_columns_are_counted():
    drawing = PresenceDrawing([HALL, DOOR], SIZE, CAPTION)
    few, many = (drawing.draw(update(0.0, {HALL: list(range(1, n + 1))}))[:CAPTION, 250:] for n in (5, 60))
    assert not np.array_equal(few, many)


def test_nobody_leaves_the_table_empty():
    drawing = PresenceDrawing([HALL, DOOR], SIZE, CAPTION)
    assert np.array_equal(drawing.draw(update(0.0, {})), drawing.draw(update(0.1, {HALL: [NO_ID]})))
