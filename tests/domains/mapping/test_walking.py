"""The walker's model against its definition, and the look back against the batch estimate over all measurements."""

import numpy as np
import pytest

from app.domains.mapping.walking import look_back, predict, stride

ACCELERATION = 0.4


def test_nothing_happens_in_no_time():
    mean, covariance = np.array([[1.0, 2.0, 0.5, -0.5]]), np.eye(4)[None]
    moved, spread = predict(mean, covariance, 0.0, ACCELERATION, 10.0)
    assert moved == pytest.approx(mean)
    assert spread == pytest.approx(covariance)


def test_a_velocity_fades_and_its_way_ends():
    mean = np.array([[0.0, 0.0, 1.0, -2.0]])
    far, _ = predict(mean, np.eye(4)[None], 1000.0, ACCELERATION, 3.0)
    near, _ = predict(mean, np.eye(4)[None], 3.0, ACCELERATION, 3.0)
    assert far[0] == pytest.approx([3.0, -6.0, 0.0, 0.0])  # speed times fade_s
    assert near[0, 2:] == pytest.approx(mean[0, 2:] / np.e)


def test_two_steps_do_what_one_does():
    mean, covariance = np.array([[1.0, 2.0, 0.5, -0.5]]), np.diag([0.1, 0.2, 0.3, 0.4])[None]
    once = predict(mean, covariance, 0.4, ACCELERATION, 1e9)
    twice = predict(*predict(mean, covariance, 0.15, ACCELERATION, 1e9), 0.25, ACCELERATION, 1e9)
    assert twice[0] == pytest.approx(once[0])
    assert twice[1] == pytest.approx(once[1])


def test_the_covariance_is_that_of_the_transition():
    root = np.random.default_rng(0).normal(size=(4, 4))
    covariance = root @ root.T
    transition, noise = stride(0.7, ACCELERATION, 5.0)
    whole, chance = np.kron(transition, np.eye(2)), np.kron(noise, np.eye(2))
    _, spread = predict(np.zeros((1, 4)), covariance[None], 0.7, ACCELERATION, 5.0)
    assert spread[0] == pytest.approx(whole @ covariance @ whole.T + chance)


def test_looking_back_agrees_with_all_measurements_at_once():
    """Least squares over the whole course, with the model's own prior, is what filter and look back must come to."""
    rng, dt, sigma, steps = np.random.default_rng(1), 0.5, 0.2, 6
    seen = np.cumsum(rng.normal(0.4, 0.2, size=(steps, 2)), axis=0)
    prior_mean, prior = np.zeros(4), np.diag([4.0, 4.0, 1.0, 1.0])
    look, noise = np.eye(2, 4), sigma**2 * np.eye(2)
    transition, chance = (np.kron(m, np.eye(2)) for m in stride(dt, ACCELERATION, 5.0))
    means, covariances = [], []
    mean, covariance = prior_mean[None], prior[None]
    for k in range(steps):
        if k:
            mean, covariance = predict(mean, covariance, dt, ACCELERATION, 5.0)
        gain = covariance[0] @ look.T @ np.linalg.inv(look @ covariance[0] @ look.T + noise)
        mean = mean + gain @ (seen[k] - look @ mean[0])
        covariance = (np.eye(4) - gain @ look) @ covariance
        means.append(mean)
        covariances.append(covariance)
    smooth, around = means[-1], covariances[-1]
    for k in range(steps - 2, -1, -1):
        smooth, around = look_back(means[k], covariances[k], smooth, around, dt, ACCELERATION, 5.0)

    # the information of everything about all states together
    information, vector = np.zeros((4 * steps, 4 * steps)), np.zeros(4 * steps)
    information[:4, :4] += np.linalg.inv(prior)
    for k in range(steps):
        own = slice(4 * k, 4 * k + 4)
        information[own, own] += look.T @ look / sigma**2
        vector[own] += look.T @ seen[k] / sigma**2
        if k:
            step = np.zeros((4, 4 * steps))
            step[:, 4 * k - 4 : 4 * k], step[:, own] = -transition, np.eye(4)
            information += step.T @ np.linalg.inv(chance) @ step
    every = np.linalg.inv(information)
    assert smooth[0] == pytest.approx((every @ vector)[:4])
    assert around[0] == pytest.approx(every[:4, :4])


def test_those_of_whom_nothing_is_known_later_stay_as_they_were():
    mean, covariance = np.array([[1.0, 2.0, 0.5, -0.5]]), np.eye(4)[None]
    smooth, around = look_back(mean, covariance, np.full((1, 4), np.nan), covariance, 0.5, ACCELERATION, 5.0)
    assert smooth == pytest.approx(mean)
    assert around == pytest.approx(covariance)
