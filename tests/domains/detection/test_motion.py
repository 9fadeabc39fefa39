import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from app.domains.detection.motion import (
    MotionConfig,
    initiate,
    measurement_variance,
    predict,
    to_centre,
    to_corners,
    update,
)

CONFIG = MotionConfig()
NOISE = CONFIG.noise()
NOBODY = -1  # the filter of a measurement that corrects none


def started(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filters that start with these boxes, on memory that was used before."""
    mean, covariance = np.full((len(boxes), 8), np.nan), np.full((len(boxes), 4, 3), np.nan)
    for k, box in enumerate(boxes):
        initiate(mean, covariance, k, box, NOISE)
    return mean, covariance


def ahead_by(dt: float | np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ahead = np.full_like(mean, np.nan), np.full_like(covariance, np.nan)
    predict(mean, covariance, np.arange(len(mean)), np.broadcast_to(dt, len(mean)).copy(), NOISE, ahead)
    return ahead


def centred(corners: np.ndarray) -> np.ndarray:
    centre = np.full((len(corners), 4), np.nan)
    to_centre(corners, centre)
    return centre


def some_boxes(n: int, seed: int = 0) -> np.ndarray:
    """(N, 4) centre x, centre y, width, height of standing people, pixels."""
    random = np.random.default_rng(seed)
    height = random.uniform(60.0, 400.0, n)
    return np.column_stack([random.uniform(0, 1920, n), random.uniform(0, 1080, n), 0.4 * height, height])


def reference(box: np.ndarray) -> KalmanFilter:
    """filterpy's filter for one box, started as `initiate` says it starts."""
    height = box[3]
    reference = KalmanFilter(dim_x=8, dim_z=4)
    reference.x[:4, 0] = box
    reference.H = np.eye(4, 8)
    reference.P = np.diag(
        np.square(
            height
            * np.array(
                [CONFIG.measurement] * 4 + [CONFIG.initial_speed] * 2 + [CONFIG.initial_growth] * 2, dtype=np.float64
            )
        )
    )
    return reference


def predict_reference(reference: KalmanFilter, dt: float) -> None:
    height = reference.x[3, 0]
    intensity = np.square(height * np.array([CONFIG.acceleration] * 2 + [CONFIG.growth] * 2))
    transition = np.eye(8)
    transition[:4, 4:] = dt * np.eye(4)
    noise = np.block(
        [
            [np.diag(intensity * dt**3 / 3), np.diag(intensity * dt**2 / 2)],
            [np.diag(intensity * dt**2 / 2), np.diag(intensity * dt)],
        ]
    )
    reference.predict(F=transition, Q=noise)


def full(covariance: np.ndarray) -> np.ndarray:
    """(8, 8) covariance of one filter's (4, 3) blocks."""
    position, cross, velocity = (np.diag(column) for column in covariance.T)
    return np.block([[position, cross], [cross, velocity]])


def test_means_and_covariances_equal_filterpys_through_irregular_steps():
    random = np.random.default_rng(1)
    boxes = some_boxes(12)
    references = [reference(box) for box in boxes]
    mean, covariance = started(boxes)
    for step in range(80):
        dt = float(random.choice([1 / 30, 0.04, 1 / 7, 0.5, 1.3]))
        mean, covariance = ahead_by(dt, mean, covariance)
        for r in references:
            predict_reference(r, dt)
        seen = np.flatnonzero(random.random(12) < 0.7)
        boxes = boxes + random.normal(0, 0.01, boxes.shape) * boxes[:, 3:]
        update(mean, covariance, np.where(np.isin(np.arange(12), seen), np.arange(12), NOBODY), boxes, NOISE)
        for i in seen:
            references[i].update(boxes[i], R=np.eye(4) * (CONFIG.measurement * boxes[i, 3]) ** 2)
        for i, r in enumerate(references):
            np.testing.assert_allclose(mean[i], r.x[:, 0], rtol=1e-9, atol=1e-9, err_msg=f"step {step}")
            np.testing.assert_allclose(full(covariance[i]), r.P, rtol=1e-9, atol=1e-9 * r.P.max())


def test_two_short_steps_are_one_long_one():
    """What a filter believes after a second does not hang on how often it was asked meanwhile."""
    mean, covariance = started(some_boxes(5))
    mean[:, 4:6] = 80.0
    at_once = ahead_by(1.0, mean, covariance)
    in_steps = (mean, covariance)
    for dt in (0.1, 0.25, 0.65):
        in_steps = ahead_by(dt, *in_steps)
    np.testing.assert_allclose(in_steps[0], at_once[0], rtol=1e-12)
    np.testing.assert_allclose(in_steps[1], at_once[1], rtol=1e-9)


def test_no_time_changes_nothing():
    mean, covariance = started(some_boxes(3))
    mean[:, 4:] = 7.0
    moved, ahead = ahead_by(0.0, mean, covariance)
    np.testing.assert_array_equal(moved, mean)
    np.testing.assert_array_equal(ahead, covariance)


def test_covariances_stay_positive_definite_through_a_long_gap_and_many_updates():
    boxes = some_boxes(4)
    mean, covariance = ahead_by(3600.0, *started(boxes))
    for _ in range(500):
        mean, covariance = ahead_by(0.04, mean, covariance)
        update(mean, covariance, np.arange(4), boxes, NOISE)
    assert all(np.linalg.eigvalsh(full(c)).min() > 0 for c in covariance)
    np.testing.assert_allclose(mean[:, :4], boxes, rtol=1e-3)


def test_a_box_that_shrinks_never_gets_less_than_a_pixel():
    mean, covariance = started(some_boxes(3))
    mean[:, 6:] = -1000.0
    moved, ahead = ahead_by(5.0, mean, covariance)
    assert (moved[:, 2:4] == 1.0).all()
    again, ahead = ahead_by(5.0, moved, ahead)
    assert np.isfinite(again).all()
    assert np.isfinite(ahead).all()


def test_each_filter_goes_ahead_by_its_own_time():
    mean, covariance = started(some_boxes(2))
    mean[:, 4] = 10.0
    moved, ahead = ahead_by(np.array([0.0, 2.0]), mean, covariance)
    np.testing.assert_allclose(moved[:, 0] - mean[:, 0], [0.0, 20.0])
    np.testing.assert_array_equal(ahead[0], covariance[0])
    np.testing.assert_allclose(ahead[1:], ahead_by(2.0, mean[1:], covariance[1:])[1])


def test_a_look_ahead_leaves_the_filters_as_they_are():
    mean, covariance = started(some_boxes(3))
    before = mean.copy(), covariance.copy()
    ahead_by(0.5, mean, covariance)
    np.testing.assert_array_equal(mean, before[0])
    np.testing.assert_array_equal(covariance, before[1])


def test_each_measurement_corrects_its_own_filter_and_no_other():
    start, measured = some_boxes(3), some_boxes(2, seed=5)
    mean, covariance = started(start)
    update(mean, covariance, np.array([2, NOBODY]), measured, NOISE)
    alone = started(start[2:])
    update(*alone, np.array([0]), measured[:1], NOISE)
    before = started(start)
    np.testing.assert_array_equal(mean, np.concatenate([before[0][:2], alone[0]]))
    np.testing.assert_array_equal(covariance, np.concatenate([before[1][:2], alone[1]]))
    assert (mean[2] != before[0][2]).any()


def test_no_boxes():
    mean, covariance = started(np.empty((0, 4)))
    mean, covariance = ahead_by(0.1, mean, covariance)
    update(mean, covariance, np.empty(0, np.int64), np.empty((0, 4)), NOISE)
    assert (mean.shape, covariance.shape) == ((0, 8), (0, 4, 3))
    assert to_corners(mean).shape == (0, 4)
    assert centred(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_noise_grows_with_the_box():
    one, two = (measurement_variance(height, NOISE) for height in (100.0, 200.0))
    assert two == pytest.approx(4 * one)
    assert one == pytest.approx((100 * CONFIG.measurement) ** 2)


def test_corners_and_centre_form():
    corners = np.array([[10, 20, 50, 120], [0, 0, 1, 1]], np.float32)
    centre = centred(corners)
    np.testing.assert_allclose(centre, [[30, 70, 40, 100], [0.5, 0.5, 1, 1]])
    back = to_corners(centre)
    np.testing.assert_allclose(back, corners)
    assert (centre.dtype, back.dtype) == (np.float64, np.float32)
