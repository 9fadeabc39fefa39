"""Distances to polygons against OpenCV's, and sides of lines."""

import cv2
import numpy as np
import pytest

from app.domains.analytics.polygon import depth_of, depths, grid_within, height_over, passes_between, signed_distance

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
ENDS = np.array([[0.0, 0.0], [10.0, 0.0]])  # seen along x, right is where y is negative


def star(corners: int, seed: int) -> np.ndarray:
    """Return a polygon that is not convex."""
    rng = np.random.default_rng(seed)
    angle, radius = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(1, 5, corners)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_distances_are_those_of_opencv(seed: int) -> None:
    polygon = star(3 + 5 * seed, seed)
    xy = np.random.default_rng(seed).uniform(-6, 6, (200, 2))
    # OpenCV rounds corners to single precision
    expected = [cv2.pointPolygonTest(polygon.astype(np.float32), (float(x), float(y)), True) for x, y in xy]
    assert depths(polygon, xy) == pytest.approx(expected, abs=1e-5)
    assert depths(polygon[::-1].copy(), xy) == pytest.approx(expected, abs=1e-5)


def test_a_point_on_the_border_is_at_no_distance() -> None:
    for x, y in [(0.0, 1.0), (2.0, 2.0), (1.0, 0.0)]:
        assert abs(signed_distance(SQUARE, x, y)) == 0.0


def test_depth() -> None:
    assert depth_of(SQUARE) == pytest.approx(1.0, abs=0.05)
    ring = np.array(
        [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0.2], [0.2, 0.2], [0.2, 3.8], [3.8, 3.8], [3.8, 0.2], [0, 0.1]]
    )
    assert 0.0 <= depth_of(ring) <= 0.11


def test_a_grid_lies_inside_and_spreads_over_all() -> None:
    polygon = star(9, 3)
    grid = grid_within(polygon, 1000)
    assert (depths(polygon, grid) >= 0.0).all()
    assert 300 < len(grid) <= 1000
    sliver = np.array([[0.0, 0.0], [10.0, 0.004], [10.0, 9.0], [9.999, 0.005]])
    assert len(grid_within(sliver, 10)) == 1


def test_right_of_a_line_is_positive() -> None:
    assert height_over(ENDS, 3.0, -2.0) == pytest.approx(2.0)
    assert height_over(ENDS, -30.0, 1.5) == pytest.approx(-1.5)
    assert height_over(ENDS[::-1].copy(), 3.0, -2.0) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [((1.0, 1.0), (1.0, -1.0), True), ((-3.0, 1.0), (2.0, -1.0), False), ((-1.0, 1.0), (2.0, -1.0), True)],
)
def test_ways_past_the_ends_do_not_cross(before: tuple, after: tuple, between: bool) -> None:
    assert passes_between(ENDS, before, after) is between
