"""Predicted ways of people whose ways are known."""

import numpy as np
import pytest

from app.domains.analytics.prediction import ENOUGH, PredictionConfig, Predictor
from app.domains.vocabulary import CameraId, FloorTracks

TINY = np.eye(2)[None] * 1e-4


SEEN, COASTING = (CameraId("camera"),), ()


def show(
    predictor: Predictor, at: float, xy: np.ndarray, velocity: np.ndarray, first: int = 1, cameras: tuple = SEEN
) -> None:
    n = len(xy)
    floor = FloorTracks(
        np.arange(first, first + n), xy, velocity, np.repeat(TINY, n, axis=0), (cameras,) * n, np.ones(n)
    )
    predictor.see(at, floor)


def test_who_walks_straight_is_predicted_exactly() -> None:
    predictor, velocity = Predictor(), np.array([[1.0, -0.5], [0.0, 0.0]])
    for step in range(101):
        show(predictor, 50.0 + 0.1 * step, np.array([[0.0, 0.0], [3.0, 3.0]]) + 0.1 * step * velocity, velocity)
    paths, error = predictor.paths(), predictor.error()
    assert paths.at == pytest.approx(60.0)
    assert paths.xy[0] == pytest.approx(np.array([[11.0, -5.5], [12.0, -6.0], [13.0, -6.5]]))
    assert paths.xy[1] == pytest.approx(np.full((3, 2), 3.0))
    assert error.median_m == pytest.approx(np.zeros(3), abs=1e-6)
    assert error.standing_m == pytest.approx(0.5 * np.hypot(1.0, 0.5) * np.array([1.0, 2.0, 3.0]), rel=1e-3)
    assert error.n.tolist() == [38, 34, 30]  # one in half a second, and those whose time has come


def test_errors_say_how_sure_predictions_are() -> None:
    rng, predictor = np.random.default_rng(0), Predictor()
    people, xy, velocity = 40, np.zeros((40, 2)), rng.normal(0, 1, (40, 2))
    before = predictor.paths()
    for step in range(300):
        velocity += rng.normal(0, 0.4 * np.sqrt(0.1), velocity.shape)
        xy = xy + 0.1 * velocity
        show(predictor, 0.1 * step, xy, velocity)
    paths, error = predictor.paths(), predictor.error()
    assert len(before) == 0
    assert error.n.min() > ENOUGH
    expected = 0.4 * np.sqrt(np.array([1.0, 8.0, 27.0]) / 3.0)  # of the velocity's random walk, one axis
    for person in (0, people - 1):
        assert np.sqrt(np.linalg.eigvalsh(paths.covariance[person])) == pytest.approx(
            np.repeat(expected[:, None], 2, axis=1), rel=0.15
        )
    assert error.median_m == pytest.approx(1.1774 * expected, rel=0.15)  # of a Rayleigh distribution
    assert (error.median_m < error.p90_m).all()


def test_errors_lie_along_the_way() -> None:
    predictor, rng = Predictor(PredictionConfig(memory_s=1e9)), np.random.default_rng(1)
    heading = np.array([0.6, 0.8])
    for person in range(60):
        begin, speed = 100.0 * person, 1.0 + 0.3 * rng.normal()
        for step in range(35):
            show(predictor, begin + 0.1 * step, (0.1 * step * speed * heading)[None], heading[None], first=person + 1)
    show(predictor, 7e3, np.zeros((1, 2)), heading[None])
    low, high = np.linalg.eigh(predictor.paths().covariance[0, -1])[0]
    assert low < 0.01 * high


def test_before_there_are_errors_the_dot_and_the_model_say_how_sure() -> None:
    predictor = Predictor()
    show(predictor, 0.0, np.zeros((1, 2)), np.zeros((1, 2)))
    assert predictor.paths().covariance[0, 1] == pytest.approx(TINY[0] + 0.16 * 8.0 / 3.0 * np.eye(2))
    assert np.isnan(predictor.error().median_m).all()
    assert predictor.error().n.tolist() == [0, 0, 0]


def test_gaps_and_strangers_are_not_judged() -> None:
    predictor = Predictor()
    show(predictor, 0.0, np.zeros((1, 2)), np.zeros((1, 2)))
    show(predictor, 2.0, np.ones((1, 2)), np.zeros((1, 2)))  # nobody saw where they were after a second
    show(predictor, 2.1, np.ones((1, 2)), np.zeros((1, 2)), first=2)
    show(predictor, 3.0, np.ones((1, 2)), np.zeros((1, 2)), first=2)
    assert predictor.error().n.tolist() == [0, 0, 0]


def test_a_dot_that_coasts_judges_no_prediction() -> None:
    predictor = Predictor()
    for step in range(100):
        cameras = SEEN if step < 30 else COASTING
        show(predictor, 0.1 * step, np.zeros((1, 2)), np.zeros((1, 2)), cameras=cameras)
    assert predictor.error().n.tolist() == [4, 2, 0]
    assert len(predictor.paths()) == 1


def test_errors_are_forgotten() -> None:
    predictor = Predictor(PredictionConfig(memory_s=5.0))
    for step in range(200):
        show(predictor, 0.1 * step, np.zeros((1, 2)), np.zeros((1, 2)))
    assert predictor.error().n.tolist() == [10, 10, 10]
    show(predictor, 100.0, np.zeros((0, 2)), np.zeros((0, 2)))
    assert predictor.error().n.tolist() == [0, 0, 0]
    assert len(predictor.paths()) == 0
