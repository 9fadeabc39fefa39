"""Constant-velocity Kalman filter for boxes, all tracks stacked. Knows nothing of tracks or association.

The state of a box is (cx, cy, w, h, vcx, vcy, vw, vh), pixels and pixels per second. Transition, process noise and
measurement noise never mix the four coordinates, so the 8 x 8 covariance is four 2 x 2 blocks; a block is kept as its
three numbers (position variance, position-velocity covariance, velocity variance). The result equals the full
8 x 8 filter (tests compare with filterpy) at a fraction of its cost. Compiled with numba.

State and noise proportional to the box height: SORT/DeepSORT (Wojke et al. 2017, section 2.1); width instead of aspect
ratio: BoT-SORT (Aharon et al. 2022, section 3.1); white-noise acceleration in continuous time: Bar-Shalom, Li,
Kirubarajan 2001, section 6.2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from app.domains.assignment import in_place
from app.domains.vocabulary import BoxArray, FloatArray, IntArray

Noise = tuple[float, float, float, float, float]  # the fields of MotionConfig, for compiled code


@dataclass(frozen=True, slots=True)
class MotionConfig:
    """Noise of boxes, as shares of the box height."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    measurement: float = 0.07  # standard deviation of a detected box's centre and size (DeepSORT: 0.05)
    initial_speed: float = 0.5  # heights per second: a walk of 0.9 m/s by a person of 1.75 m
    initial_growth: float = 0.05  # heights per second, of width and height
    acceleration: float = 0.2  # heights per second^1.5, white-noise intensity of the centre
    growth: float = 0.06  # the same, of width and height

    def noise(self) -> Noise:
        """Return the fields in their order."""
        return (self.measurement, self.initial_speed, self.initial_growth, self.acceleration, self.growth)


@in_place
def to_centre(xyxy: BoxArray, centre: FloatArray) -> None:
    """Turn (N, 4) corners into (N, 4) float64 centre x, centre y, width, height, written there."""
    for i in range(len(xyxy)):
        for axis in range(2):
            low, high = np.float64(xyxy[i, axis]), np.float64(xyxy[i, axis + 2])
            centre[i, axis], centre[i, axis + 2] = low + (high - low) / 2, high - low


@njit(cache=True, error_model="numpy")
def to_corners(mean: FloatArray) -> BoxArray:
    """Turn the (N, 8) state or (N, 4) centre form into (N, 4) float32 corners."""
    result = np.empty((len(mean), 4), np.float32)
    for i in range(len(mean)):
        for axis in range(2):
            result[i, axis] = mean[i, axis] - mean[i, axis + 2] / 2
            result[i, axis + 2] = mean[i, axis] + mean[i, axis + 2] / 2
    return result


@in_place
def initiate(mean: FloatArray, covariance: FloatArray, k: int, measurement: FloatArray, noise: Noise) -> None:
    """Start a filter at rest, in place.

    Args:
        mean: (R, 8).
        covariance: (R, 4, 3).
        k: the filter.
        measurement: (4,) cx, cy, w, h, pixels.
        noise: to assume.
    """
    own, initial_speed, initial_growth, _, _ = noise
    height = measurement[3]
    for axis in range(4):
        mean[k, axis], mean[k, axis + 4] = measurement[axis], 0.0
        covariance[k, axis, 0], covariance[k, axis, 1] = (own * height) ** 2, 0.0
        covariance[k, axis, 2] = ((initial_speed if axis < 2 else initial_growth) * height) ** 2


@in_place
def predict(
    mean: FloatArray,
    covariance: FloatArray,
    filters: IntArray,
    dt: FloatArray,
    noise: Noise,
    ahead: tuple[FloatArray, FloatArray],
) -> None:
    """Say where filters will be.

    Args:
        mean: (R, 8).
        covariance: (R, 4, 3).
        filters: (T,) int64, whose future is asked for.
        dt: (T,) seconds, how far each goes ahead.
        noise: to assume.
        ahead: where their T means and covariances are written, in the order of `filters`.
    """
    _, _, _, acceleration, growth = noise
    moved, spread = ahead
    for i in range(len(filters)):
        k, t = filters[i], dt[i]
        height = max(mean[k, 3], 1.0)
        for axis in range(4):
            intensity = ((acceleration if axis < 2 else growth) * height) ** 2
            position, cross, velocity = covariance[k, axis, 0], covariance[k, axis, 1], covariance[k, axis, 2]
            spread[i, axis, 0] = position + t * (2.0 * cross + t * velocity) + intensity * (t**3 / 3.0)
            spread[i, axis, 1] = cross + t * velocity + intensity * (t**2 / 2.0)
            spread[i, axis, 2] = velocity + intensity * t
            moved[i, axis] = mean[k, axis] + t * mean[k, axis + 4]
            moved[i, axis + 4] = mean[k, axis + 4]
        moved[i, 2] = max(moved[i, 2], 1.0)  # a box never shrinks to nothing while it is out of sight
        moved[i, 3] = max(moved[i, 3], 1.0)


@in_place
def measurement_variance(height: float, noise: Noise) -> float:
    """Return the variance, square pixels, of each coordinate of a detected box of the given height."""
    return (noise[0] * height) ** 2


@in_place
def update(mean: FloatArray, covariance: FloatArray, track_of: IntArray, measurement: FloatArray, noise: Noise) -> None:
    """Correct filters by their measurements, in place.

    Args:
        mean: (T, 8).
        covariance: (T, 4, 3).
        track_of: (N,) int64, the filter that each measurement is of, each at most once; -1 for none.
        measurement: (N, 4) cx, cy, w, h.
        noise: to assume.
    """
    for row in range(len(track_of)):
        track = track_of[row]
        if track < 0:
            continue
        variance = measurement_variance(measurement[row, 3], noise)
        for axis in range(4):
            position, cross, velocity = (
                covariance[track, axis, 0],
                covariance[track, axis, 1],
                covariance[track, axis, 2],
            )
            to_position, to_velocity = position / (position + variance), cross / (position + variance)
            innovation = measurement[row, axis] - mean[track, axis]
            mean[track, axis] += to_position * innovation
            mean[track, axis + 4] += to_velocity * innovation
            covariance[track, axis, 0] = position - to_position * position
            covariance[track, axis, 1] = cross - to_position * cross
            covariance[track, axis, 2] = velocity - to_velocity * cross
