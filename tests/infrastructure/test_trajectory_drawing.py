"""The picture of a run: lines where people walked, on the floor or in the cameras' images."""

import numpy as np
import pytest

from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    FloorPoints,
    FloorTracks,
    Frame,
    FrameBatch,
    GlobalId,
    Merge,
    Sightings,
    TrackingUpdate,
    Tracks,
)
from app.infrastructure.drawing_ink import identity_colour
from app.infrastructure.floor_sheet import FloorPlan
from app.infrastructure.trajectory_drawing import HEADING, ImageTrajectories, Paths, draw_trajectories

PLAN = FloorPlan((-5.0, 10.0, 15.0, 20.0))
HALL, DOOR = CameraId("hall"), CameraId("door")
NOBODY = FloorTracks(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), (), np.zeros(0))


def paths(rows):
    """Rows are (time, id, x, y)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Paths(table[:, 0], table[:, 1].astype(np.int64), table[:, 2:])


def ink(picture, global_id):
    return (picture == identity_colour(global_id)).all(axis=2)


def instant(time, people, merges=(), pixels=None, camera=HALL):
    """People are (id, left, top, right, bottom)."""
    table = np.array(people, dtype=np.float64).reshape(-1, 5)
    n = len(table)
    tracks = Tracks(
        camera_id=camera,
        captured_at=time,
        track_id=np.arange(n) + 1,
        state=np.ones(n, np.int64),
        row=np.arange(n),
        xyxy=table[:, 1:].astype(np.float32),
        confidence=np.ones(n, np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.ones(n),
    )
    floor = FloorPoints(camera, np.full((n, 2), np.nan), np.zeros((n, 2, 2)), np.zeros(n, np.bool_))
    sightings = Sightings(tracks, table[:, 0].astype(np.int64), floor, np.ones(len(table)))
    frame = Frame(camera, time, round(time * 10), (320, 240), pixels)
    return FrameBatch(time, (frame,)), TrackingUpdate(time, (sightings,), NOBODY, tuple(merges))


def test_trajectories_pass_where_people_walked():
    picture = draw_trajectories(PLAN, "shop", paths([(1.0, 7, 10, 15), (0.0, 7, 0, 15)]))
    blank = draw_trajectories(PLAN, "shop", paths([]))
    inked = (np.abs(picture.astype(int) - blank).sum(axis=2) > 0)[HEADING:]
    columns = np.flatnonzero(ink(picture, 7)[HEADING:].any(axis=0))
    metre = (columns[-1] - columns[0]) / 10
    assert picture.shape == blank.shape
    assert metre == pytest.approx(blank.shape[1] / 22, rel=0.1)
    assert inked.any(axis=1).sum() < 60  # a level line


def test_a_long_absence_cuts_the_line():
    def inked(away_s):
        rows = [(0, 7, 0, 15), (1, 7, 1, 15), (2, 7, 2, 15), (2 + away_s, 7, 12, 15)]
        return int(ink(draw_trajectories(PLAN, "", paths(rows)), 7).sum())

    assert inked(60.0) < inked(1.0) / 2


def test_without_a_floor_the_lines_lie_in_the_image():
    trajectories = ImageTrajectories([HALL])
    for step in range(5):
        trajectories.write(*instant(step / 10, [(7, 20 + 50 * step, 50, 60 + 50 * step, 120)]))
    found = ink(trajectories.draw("shop"), 7)
    columns, rows = np.flatnonzero(found.any(axis=0)), np.flatnonzero(found.any(axis=1))
    scale = (columns[-1] - columns[0]) / 200  # pixels of the picture for one of the frame
    assert scale == pytest.approx(2.0, rel=0.1)  # twice its own size at most
    assert rows[-1] - rows[0] < 50
    assert rows.mean() == pytest.approx(HEADING + 34 + 120 * 2, abs=30)


def test_a_merge_gives_the_whole_line_to_one_identity():
    trajectories = ImageTrajectories([HALL])
    trajectories.write(*instant(0.0, [(7, 20, 50, 60, 120)]))
    trajectories.write(*instant(0.1, [(3, 60, 50, 100, 120)], [Merge(GlobalId(7), GlobalId(3))]))
    picture = trajectories.draw("shop")
    assert not ink(picture, 7).any()
    assert ink(picture, 3).sum() > 100


@pytest.mark.parametrize(
    "person",
    [(NO_ID, 20, 50, 60, 120), (7, 20, 50, 60, 239)],
    ids=["somebody without identity", "feet below the image"],
)
def test_no_line_is_made_up(person):
    trajectories, empty = ImageTrajectories([HALL]), ImageTrajectories([HALL])
    for step in range(3):
        trajectories.write(*instant(step / 10, [person]))
        empty.write(*instant(step / 10, []))
    assert np.array_equal(trajectories.draw("shop"), empty.draw("shop"))


def test_the_last_frame_lies_dimmed_below_and_a_camera_without_one_has_a_place():
    trajectories = ImageTrajectories([HALL, DOOR])
    trajectories.write(*instant(0.0, [], pixels=np.full((240, 320, 3), 200, np.uint8)))
    picture = trajectories.draw("shop")
    assert (picture == 90).all(axis=2).mean() > 0.3


def test_nobody_and_nothing_gives_a_picture():
    assert ImageTrajectories([HALL]).draw("shop").ndim == 3


def test_lines_in_the_image_do_not_tremble_with_single_boxes():
    trajectories = ImageTrajectories([HALL])
    for step in range(21):
        bottom = 120 + 20 * (step % 2 if 0 < step < 20 else 0)
        trajectories.write(*instant(step / 10, [(7, 10 * step, 50, 20 + 10 * step, bottom)]))
    rows = np.flatnonzero(ink(trajectories.draw("shop"), 7)[:, 150:400].any(axis=1))
    assert rows[-1] - rows[0] < 25  # the boxes' bottoms go up and down by 40 pixels of the picture
