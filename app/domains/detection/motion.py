"""Constant-velocity Kalman filter for boxes, all tracks of a camera stacked. Knows nothing of tracks or association.

The state of a box is (cx, cy, w, h, vcx, vcy, vw, vh), pixels and pixels per second. Transition, process noise and
measurement noise never mix the four coordinates, so the 8 x 8 covariance is four 2 x 2 blocks; a block is kept as its
three numbers (position variance, position-velocity covariance, velocity variance). The result equals the full
8 x 8 filter (tests compare with filterpy) at a fraction of its cost.

State and noise proportional to the box height: SORT/DeepSORT (Wojke et al. 2017, section 2.1); width instead of aspect
ratio: BoT-SORT (Aharon et al. 2022, section 3.1); white-noise acceleration in continuous time: Bar-Shalom, Li,
Kirubarajan 2001, section 6.2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from app.domains.vocabulary import BoxArray, FloatArray


@dataclass(frozen=True, slots=True)
class MotionConfig:
    """Noise of boxes, as shares of the box height."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    measurement: float = 0.07  # standard deviation of a detected box's centre and size (DeepSORT: 0.05)
    initial_speed: float = 0.5  # heights per second: a walk of 0.9 m/s by a person of 1.75 m
    initial_growth: float = 0.05  # heights per second, of width and height
    acceleration: float = 0.2  # heights per second^1.5, white-noise intensity of the centre
    growth: float = 0.06  # the same, of width and height


def to_centre(xyxy: BoxArray) -> FloatArray:
    """Turn (N, 4) corners into (N, 4) float64 centre x, centre y, width, height."""
    boxes = xyxy.astype(np.float64)
    size = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] + size / 2, size], axis=1)


def to_corners(mean: FloatArray) -> BoxArray:
    """Turn the (N, 8) state or (N, 4) centre form into (N, 4) float32 corners."""
    half = mean[:, 2:4] / 2
    return np.concatenate([mean[:, :2] - half, mean[:, :2] + half], axis=1).astype(np.float32)


def initiate(measurement: FloatArray, config: MotionConfig) -> tuple[FloatArray, FloatArray]:
    """Start filters at rest.

    Args:
        measurement: (N, 4) cx, cy, w, h, pixels.
        config: the noise to assume.

    Returns:
        Mean (N, 8) and covariance (N, 4, 3).
    """
    n = len(measurement)
    height = measurement[:, 3:4]
    covariance = np.zeros((n, 4, 3))
    covariance[:, :, 0] = (config.measurement * height) ** 2
    covariance[:, :2, 2] = (config.initial_speed * height) ** 2
    covariance[:, 2:, 2] = (config.initial_growth * height) ** 2
    return np.concatenate([measurement, np.zeros((n, 4))], axis=1), covariance


def predict(mean: FloatArray, covariance: FloatArray, dt: float, config: MotionConfig) -> tuple[FloatArray, FloatArray]:
    """Advance all filters by `dt` seconds; returns new arrays of the same shapes."""
    height = np.maximum(mean[:, 3:4], 1.0)
    intensity = np.empty((len(mean), 4))
    intensity[:, :2] = (config.acceleration * height) ** 2
    intensity[:, 2:] = (config.growth * height) ** 2
    position, cross, velocity = covariance[:, :, 0], covariance[:, :, 1], covariance[:, :, 2]
    ahead = np.empty_like(covariance)
    ahead[:, :, 0] = position + dt * (2.0 * cross + dt * velocity) + intensity * (dt**3 / 3.0)
    ahead[:, :, 1] = cross + dt * velocity + intensity * (dt**2 / 2.0)
    ahead[:, :, 2] = velocity + intensity * dt
    moved = mean.copy()
    moved[:, :4] += dt * mean[:, 4:]
    moved[:, 2:4] = np.maximum(moved[:, 2:4], 1.0)  # a box never shrinks to nothing while it is out of sight
    return moved, ahead


def measurement_variance(height: FloatArray, config: MotionConfig) -> FloatArray:
    """Return the variance, square pixels, of each coordinate of a detected box of the given height, same shape."""
    return np.square(config.measurement * height)


def update(
    mean: FloatArray, covariance: FloatArray, measurement: FloatArray, config: MotionConfig
) -> tuple[FloatArray, FloatArray]:
    """Correct each filter by its own measurement.

    Args:
        mean: (N, 8).
        covariance: (N, 4, 3).
        measurement: (N, 4) cx, cy, w, h, row for row.
        config: the noise to assume.

    Returns:
        Mean (N, 8) and covariance (N, 4, 3).
    """
    noise = measurement_variance(measurement[:, 3:4], config)
    position, cross, velocity = covariance[:, :, 0], covariance[:, :, 1], covariance[:, :, 2]
    innovation = measurement - mean[:, :4]
    total = position + noise
    gain_position, gain_velocity = position / total, cross / total
    corrected = np.empty_like(covariance)
    corrected[:, :, 0] = position - gain_position * position
    corrected[:, :, 1] = cross - gain_position * cross
    corrected[:, :, 2] = velocity - gain_velocity * cross
    moved = mean + np.concatenate([gain_position * innovation, gain_velocity * innovation], axis=1)
    return moved, corrected
