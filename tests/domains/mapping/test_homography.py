import numpy as np
import pytest

from app.domains.mapping.homography import Homography, fit_homography

# image 1920x1080 to metres, of a camera 4 m above the floor that looks down by 25 degrees
TRUE = np.array([[0.0016, 0.0, -1.536], [0.0, -0.00015, 2.2], [0.0, 0.00062, -0.022]])
SQUARE = np.array([[300.0, 300.0], [1700.0, 300.0], [1700.0, 1000.0], [300.0, 1000.0]])


def grid(n: int = 5) -> np.ndarray:
    u, v = np.meshgrid(np.linspace(200.0, 1700.0, n), np.linspace(200.0, 1050.0, n))
    return np.stack([u.ravel(), v.ravel()], axis=1)


def test_known_map_of_a_point():
    homography = Homography(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 2.0]]))
    assert homography.apply(np.array([[4.0, 6.0]])).tolist() == [[4.5, 9.0]]


def test_inverse_brings_points_back():
    homography = Homography(TRUE)
    assert homography.inverse().apply(homography.apply(grid())) == pytest.approx(grid(), abs=1e-8)


def test_no_points_give_no_points():
    xy, jacobian = Homography(TRUE).apply_with_jacobian(np.empty((0, 2)))
    assert xy.shape == (0, 2)
    assert jacobian.shape == (0, 2, 2)


@pytest.mark.parametrize("angle_deg", [0.0, 12.0, -35.0, 90.0, 180.0], ids="rolled by {}".format)
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["as given", "negated"])
def test_points_above_the_horizon_are_invalid_however_the_camera_is_rolled(angle_deg, sign):
    angle = np.radians(angle_deg)
    roll = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    shift = np.array([[1.0, 0.0, -960.0], [0.0, 1.0, -540.0], [0.0, 0.0, 1.0]])
    rolled = np.linalg.inv(shift) @ roll @ shift
    horizon_v = 0.022 / 0.00062
    upright = np.array(
        [[100.0, horizon_v - 5.0], [1800.0, horizon_v - 300.0], [100.0, horizon_v + 5.0], [960.0, 1080.0]]
    )
    image = Homography(rolled).apply(upright)
    homography = Homography(sign * TRUE @ np.linalg.inv(rolled)).oriented(image[3])
    assert np.isfinite(homography.apply(image)).all(axis=1).tolist() == [False, False, True, True]


def test_a_point_on_the_horizon_cannot_orient():
    with pytest.raises(ValueError, match="lies on the horizon"):
        Homography(TRUE).oriented(np.array([500.0, 0.022 / 0.00062]))


def test_jacobian_equals_finite_differences():
    homography, points, step = Homography(TRUE), grid(), 1e-3
    columns = [
        (homography.apply(points + offset) - homography.apply(points - offset)) / (2.0 * step)
        for offset in np.diag([step, step])
    ]
    assert homography.jacobian(points) == pytest.approx(np.stack(columns, axis=2), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 3)), "singular"),
        (np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]]), "singular"),
        (np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [np.nan, 0.0, 1.0]]), "NaN"),
        (np.eye(2), r"shape \(2, 2\)"),
    ],
    ids=["all zero", "two rows alike", "a NaN", "2x2"],
)
def test_unusable_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        Homography(matrix)


def test_a_distant_site_frame_is_not_taken_for_singular():
    utm = np.array([[1.0, 0.0, 450_000.0], [0.0, 1.0, 5_400_000.0], [0.0, 0.0, 1.0]])
    assert Homography(utm @ TRUE).apply(np.array([[960.0, 900.0]]))[0] == pytest.approx(
        Homography(TRUE).apply(np.array([[960.0, 900.0]]))[0] + (450_000.0, 5_400_000.0)
    )


def test_fit_finds_the_map_and_the_outliers():
    image, true = grid(), Homography(TRUE)
    floor = true.apply(image)
    floor[[3, 11]] += (2.0, -1.5)
    homography, inliers = fit_homography(image, floor)
    assert np.flatnonzero(~inliers).tolist() == [3, 11]
    assert homography.apply(image[inliers]) == pytest.approx(floor[inliers], abs=1e-6)
    assert homography.reprojection_error(image, floor)[3] == pytest.approx(2.5, abs=1e-5)
    assert np.isnan(homography.apply(np.array([[960.0, 10.0]]))).all()


def test_fit_of_noisy_clicks_stays_near_the_truth():
    image = grid()
    noisy = image + np.random.default_rng(1).normal(0.0, 1.0, image.shape)
    homography, _ = fit_homography(noisy, Homography(TRUE).apply(image))
    assert np.median(homography.reprojection_error(image, Homography(TRUE).apply(image))) < 0.02


@pytest.mark.parametrize(
    ("image", "floor", "message"),
    [
        (SQUARE[:3], SQUARE[:3], "at least 4 point pairs, got 3"),
        (np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]), SQUARE, "image points lie on one line"),
        (SQUARE, np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [5.0, 10.0]]), "floor points lie on one line"),
        (np.array([[0, 0], [1, 0], [2, 0], [1, 5.0]]), np.array([[0, 0], [1, 0], [2, 0], [1, 5.0]]), "undetermined"),
        (SQUARE[[0, 1, 2, 2]], SQUARE[[0, 1, 2, 2]], "undetermined"),
        (SQUARE, np.where(np.arange(8).reshape(4, 2) == 3, np.nan, SQUARE), "NaN"),
        (SQUARE, SQUARE[[0, 2, 1, 3]] / 100.0, "both sides of the horizon"),
        (SQUARE, SQUARE[:3], "shape"),
    ],
    ids=[
        "three",
        "image on a line",
        "floor on a line",
        "three of four on a line",
        "one twice",
        "NaN",
        "swapped",
        "ragged",
    ],
)
def test_point_pairs_that_determine_no_map_are_refused(image, floor, message):
    with pytest.raises(ValueError, match=message):
        fit_homography(image, floor)
