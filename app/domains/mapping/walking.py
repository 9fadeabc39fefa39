"""How people walk: with a velocity that changes by chance and fades, a little, towards standing still.

The Ornstein-Uhlenbeck velocity of Singer (1970), for both axes of the floor alike; compiled with numba, because it is
needed for every target. Knows no cameras, and nothing of what was measured.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from app.domains.vocabulary import FloatArray


@dataclass(frozen=True, slots=True)
class Walk:
    """The model's two figures.

    Attributes:
        acceleration: m/s^1.5, intensity of the white noise that drives the velocity.
        fade_s: seconds in which a velocity that nothing renews falls to 37 %.
    """

    acceleration: float
    fade_s: float


@njit(cache=True, error_model="numpy")
def stride(dt: float, acceleration: float, fade_s: float) -> tuple[FloatArray, FloatArray]:
    """Return what `dt` seconds do to one axis, place and velocity: the transition (2, 2) and its noise (2, 2)."""
    keep = np.exp(-dt / fade_s)
    transition, noise = np.zeros((2, 2)), np.empty((2, 2))
    transition[0, 0], transition[0, 1], transition[1, 1] = 1.0, fade_s * (1.0 - keep), keep
    # the noise is that of a velocity that does not fade: over the steps between frames the difference is nothing
    intensity = acceleration**2
    noise[0, 0], noise[1, 1] = intensity * dt**3 / 3.0, intensity * dt
    noise[0, 1] = noise[1, 0] = intensity * dt**2 / 2.0
    return transition, noise


@njit(cache=True, error_model="numpy")
def predict(
    mean: FloatArray, covariance: FloatArray, dt: float, acceleration: float, fade_s: float
) -> tuple[FloatArray, FloatArray]:
    """Move M targets on by `dt` seconds.

    Args:
        mean: (M, 4) x, y, vx, vy.
        covariance: (M, 4, 4).
        dt: seconds.
        acceleration: of the walk.
        fade_s: of the walk.
    """
    transition, noise = stride(dt, acceleration, fade_s)
    moved, spread = np.empty_like(mean), np.empty_like(covariance)
    forth, keep = transition[0, 1], transition[1, 1]
    for i in range(len(mean)):
        for a in range(2):
            moved[i, a] = mean[i, a] + forth * mean[i, a + 2]
            moved[i, a + 2] = keep * mean[i, a + 2]
            for b in range(2):
                places, both = covariance[i, a, b], covariance[i, a, b + 2]
                other, velocities = covariance[i, a + 2, b], covariance[i, a + 2, b + 2]
                spread[i, a, b] = places + forth * (both + other) + forth**2 * velocities
                spread[i, a, b + 2] = keep * (both + forth * velocities)
                spread[i, a + 2, b] = keep * (other + forth * velocities)
                spread[i, a + 2, b + 2] = keep**2 * velocities
            spread[i, a, a] += noise[0, 0]
            spread[i, a, a + 2] += noise[0, 1]
            spread[i, a + 2, a] += noise[0, 1]
            spread[i, a + 2, a + 2] += noise[1, 1]
    return moved, spread


@njit(cache=True, error_model="numpy")
def look_back(  # noqa: PLR0913 - compiled functions take plain arrays
    mean: FloatArray,
    covariance: FloatArray,
    later_mean: FloatArray,
    later_covariance: FloatArray,
    dt: float,
    acceleration: float,
    fade_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Tell M targets what is known of them `dt` seconds later (Rauch, Tung and Striebel 1965).

    Args:
        mean: (M, 4) as filtered.
        covariance: (M, 4, 4) as filtered.
        later_mean: (M, 4) as smoothed, `dt` seconds later; NaN for those of whom nothing is known later.
        later_covariance: (M, 4, 4).
        dt: seconds.
        acceleration: of the walk.
        fade_s: of the walk.

    Returns:
        The smoothed means (M, 4) and covariances (M, 4, 4).
    """
    transition, _ = stride(dt, acceleration, fade_s)
    ahead, spread = predict(mean, covariance, dt, acceleration, fade_s)
    forth, keep = transition[0, 1], transition[1, 1]
    smooth, around = mean.copy(), covariance.copy()
    onward = np.zeros((4, 4))
    for axis in range(2):
        onward[axis, axis], onward[axis, axis + 2], onward[axis + 2, axis + 2] = 1.0, forth, keep
    for i in range(len(mean)):
        if np.isnan(later_mean[i, 0]):
            continue
        gain = np.ascontiguousarray(covariance[i]) @ onward.T @ np.linalg.inv(spread[i])
        smooth[i] = mean[i] + gain @ (later_mean[i] - ahead[i])
        around[i] = covariance[i] + gain @ (later_covariance[i] - spread[i]) @ gain.T
    return smooth, around
