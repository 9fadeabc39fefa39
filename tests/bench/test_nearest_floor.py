import numpy as np
import pytest

from app.bench.nearest_floor import NearestFloor
from app.domains.mapping.camera_model import CameraModel
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import Detections


@pytest.fixture
def views():
    """Two cameras that look straight down: a pixel is a centimetre."""
    matrix = np.diag([0.01, 0.01, 1.0])
    return {name: CameraView(name, (1000, 1000), CameraModel.from_homography(matrix, (1000, 1000))) for name in "ab"}


def boxes(camera, *feet, score=0.9):
    xyxy = [[100 * x - 20, 100 * y - 90, 100 * x + 20, 100 * y] for x, y in feet]
    xyxy = np.array(xyxy, np.float32).reshape(-1, 4)
    return Detections(camera, 0.0, xyxy, np.full(len(feet), score, np.float32))


def test_two_cameras_that_see_one_place_see_one_person(views):
    ids, xy = NearestFloor(views, None).step(0.0, [boxes("a", (2, 2), (6, 6)), boxes("b", (2.2, 2))])
    assert ids.tolist() == [1, 2]
    np.testing.assert_allclose(xy, [[2.1, 2.0], [6.0, 6.0]], atol=1e-5)


def test_one_camera_never_sees_one_person_twice(views):
    ids, _ = NearestFloor(views, None).step(0.0, [boxes("a", (2, 2), (2.2, 2))])
    assert ids.tolist() == [1, 2]


def test_the_nearest_dot_goes_on_and_a_jump_is_somebody_new(views):
    tracker = NearestFloor(views, None)
    tracker.step(0.0, [boxes("a", (2, 2), (4, 2))])
    ids, _ = tracker.step(0.2, [boxes("a", (3.9, 2), (2.1, 2), (8, 8))])
    assert ids.tolist() == [2, 1, 3]


def test_who_is_away_for_too_long_is_somebody_new(views):
    tracker = NearestFloor(views, None)
    tracker.step(0.0, [boxes("a", (2, 2))])
    assert tracker.step(0.9, [boxes("a", (2, 2))])[0].tolist() == [1]
    assert tracker.step(2.0, [boxes("a", (2, 2))])[0].tolist() == [2]


def test_doubtful_boxes_and_places_outside_are_left_out(views):
    tracker = NearestFloor(views, (0.0, 0.0, 5.0, 5.0))
    ids, xy = tracker.step(0.0, [boxes("a", (2, 2), score=0.4), boxes("b", (7, 2))])
    assert (ids.shape, xy.shape) == ((0,), (0, 2))
