import numpy as np
import pytest

from app.domains.detection.association import covered_share, iou, shows_one, squared_distance


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 10, 20), (0, 0, 10, 20), 1.0, id="the same box"),
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, id="half over"),
        pytest.param((0, 0, 10, 10), (2, 2, 7, 7), 0.25, id="one inside the other"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0.0, id="side by side"),
        pytest.param((0, 0, 10, 10), (50, 60, 70, 80), 0.0, id="far apart on both axes"),
        pytest.param((5, 5, 5, 5), (5, 5, 5, 5), 0.0, id="boxes without area"),
    ],
)
def test_iou(a, b, expected):
    assert iou(boxes(a), boxes(b)) == pytest.approx(np.array([[expected]]))
    assert iou(boxes(b), boxes(a)) == pytest.approx(np.array([[expected]]))


def test_covered_share_is_of_the_first_box():
    small, large = boxes((2, 2, 7, 7)), boxes((0, 0, 10, 10))
    assert covered_share(small, large) == pytest.approx(np.array([[1.0]]))
    assert covered_share(large, small) == pytest.approx(np.array([[0.25]]))


def test_pairs_are_rows_by_columns():
    a, b = boxes((0, 0, 10, 10), (0, 0, 10, 20), (90, 90, 99, 99)), boxes((0, 0, 10, 10), (90, 90, 99, 99))
    np.testing.assert_allclose(iou(a, b), [[1, 0], [0.5, 0], [0, 1]])
    np.testing.assert_allclose(covered_share(a, b), [[1, 0], [0.5, 0], [0, 1]])


@pytest.mark.parametrize("share", [iou, covered_share], ids=["iou", "covered share"])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_no_boxes(share, n, m):
    assert share(np.ones((n, 4), np.float32), np.ones((m, 4), np.float32)).shape == (n, m)


def test_a_crop_of_a_person_behind_another_shows_two_and_the_nearer_ones_shows_one():
    near, far, alone = (0, 0, 40, 120), (10, 0, 40, 100), (300, 0, 340, 100)
    nobody = boxes()
    assert shows_one(np.arange(3), boxes(near, far, alone), nobody, 0.4).tolist() == [True, False, True]


def test_a_crop_where_somebody_out_of_sight_is_expected_shows_perhaps_two():
    a, b = (0, 0, 40, 120), (300, 0, 340, 100)
    assert shows_one(np.arange(2), boxes(a, b), boxes((5, 10, 45, 120)), 0.4).tolist() == [False, True]
    assert shows_one(np.arange(0), boxes(), boxes(a), 0.4).tolist() == []


def test_squared_distance_counts_deviations_of_the_rows():
    expected, variance = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[1.0, 4.0], [100.0, 100.0]])
    measured = np.array([[0.0, 0.0], [3.0, 4.0], [20.0, 0.0]])
    np.testing.assert_allclose(squared_distance(expected, variance, measured), [[0, 13, 400], [1, 0.65, 1]])


def test_squared_distance_of_nothing():
    nothing = np.empty((0, 4))
    assert squared_distance(nothing, nothing, np.ones((3, 4))).shape == (0, 3)
    assert squared_distance(np.ones((3, 4)), np.ones((3, 4)), nothing).shape == (3, 0)
