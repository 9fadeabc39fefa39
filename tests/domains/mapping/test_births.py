import numpy as np
import pytest

from app.domains.mapping.births import find_births

GATE, HIT = 12.0, 3.0


def births(points, sigma=0.1, misses=None):
    """Find births among points (camera, x, y) of three cameras."""
    camera = np.array([c for c, _, _ in points], np.int64)
    xy = np.array([[x, y] for _, x, y in points], np.float64).reshape(-1, 2)
    covariance = np.tile(sigma**2 * np.eye(2), (len(points), 1, 1))
    missed = np.zeros((len(points), 3)) if misses is None else np.array(misses, np.float64)
    return find_births(camera, xy, covariance, missed, GATE, HIT)


def test_points_of_all_cameras_that_meet_are_one_spot():
    members, xy, covariance, log_odds = births([(0, 0.0, 0.0), (2, 0.3, 0.0), (1, 0.0, 0.3)])
    assert members.tolist() == [[0, 2, 1]]
    assert xy == pytest.approx(np.array([[0.1, 0.1]]))
    assert covariance == pytest.approx(0.01 / 3.0 * np.eye(2)[None])
    assert log_odds.tolist() == [2 * HIT]


def test_every_point_is_in_one_spot_and_two_of_one_camera_in_two():
    members, xy, _, log_odds = births([(0, 0.0, 0.0), (0, 0.2, 0.0), (1, 0.01, 0.0), (1, 9.0, 9.0)])
    assert members.tolist() == [[0, 2, -1], [1, -1, -1], [-1, 3, -1]]
    assert xy[1:].tolist() == [[0.2, 0.0], [9.0, 9.0]]
    assert log_odds.tolist() == [HIT, 0.0, 0.0]


def test_a_camera_that_sees_nobody_at_the_spot_speaks_against_it():
    misses = [[-1.0, -1.0, -2.0], [-1.0, -1.0, -2.0]]
    assert births([(0, 0.0, 0.0), (1, 0.1, 0.0)], misses=misses)[3].tolist() == [HIT - 2.0]
    assert births([(0, 0.0, 0.0), (0, 5.0, 0.0)], misses=misses)[3].tolist() == [-3.0, -3.0]


def test_no_points_are_no_spots():
    members, xy, covariance, log_odds = births([])
    assert (members.shape, xy.shape, covariance.shape, log_odds.shape) == ((0, 3), (0, 2), (0, 2, 2), (0,))
