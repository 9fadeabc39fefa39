import cv2
import numpy as np
import pytest

from app.domains.mapping.lens import distort, opencv_lens, perfect_lens, tsai_lens, undistort

SPREAD = np.array([0.3, 0.1, 0.002, 0.002, 0.05, 0.1, 0.05, 0.01, 0.003, 0.003, 0.003, 0.003, 0.03, 0.03]) / 2.0
EYE, ZERO = np.eye(3), np.zeros(3)


def points(n: int = 60) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (n, 2))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_lenses_of_any_number_of_coefficients_equal_opencvs(count, seed):
    coefficients = np.random.default_rng(seed).normal(0.0, SPREAD[:count])
    lens, ideal = opencv_lens(coefficients), points()
    rays = np.column_stack([ideal, np.ones(len(ideal))])
    expected = cv2.projectPoints(rays, ZERO, ZERO, EYE, coefficients)[0][:, 0]
    bent = distort(lens, ideal)
    inside = np.isfinite(bent).all(axis=1)
    assert inside.sum() > 40
    np.testing.assert_allclose(bent[inside], expected[inside], atol=1e-13)
    np.testing.assert_allclose(undistort(lens, bent[inside]), ideal[inside], atol=1e-6)


@pytest.mark.parametrize(
    "lens",
    [perfect_lens(), opencv_lens(np.array([-0.43, 0.61, 0.008, 0.002, -0.69])), tsai_lens(-0.25), tsai_lens(0.4)],
    ids=["perfect", "opencv", "tsai barrel", "tsai pincushion"],
)
def test_there_and_back(lens):
    ideal = points()
    np.testing.assert_allclose(undistort(lens, distort(lens, ideal)), ideal, atol=1e-6)
    assert distort(lens, np.empty((0, 2))).shape == undistort(lens, np.empty((0, 2))).shape == (0, 2)


def test_beyond_the_fold_and_nowhere_are_nowhere():
    lens = tsai_lens(-0.5)
    far = np.array([[1.01 * lens.max_radius, 0.0], [np.nan, 0.0], [0.99 * lens.max_radius, 0.0]])
    assert np.isnan(distort(lens, far)).all(axis=1).tolist() == [True, True, False]
