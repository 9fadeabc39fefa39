"""All cameras of a site as parallel arrays, so that one compiled call serves them all.

Knows no time, and nobody. What is asked of each camera is in `sight.py` and `visibility.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.mapping.lens import Lens, perfect_lens
from app.domains.mapping.sight import Sight, Trust, stand
from app.domains.mapping.view import CameraView
from app.domains.mapping.visibility import cover, expect
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray


class Rig(NamedTuple):
    """C cameras, for compiled code: the fields of Sight, Lens and Trust, each stacked.

    Attributes:
        kind: (C,) int64, of the lens.
        coefficients: (C, 12), of the lens.
        tilt: (C, 3, 3), of the lens.
        untilt: (C, 3, 3), of the lens.
        max_radius: (C,), of the lens.
        trust: (C, 11), the fields of Trust.
        body_width_m: (C,).
    """

    size: FloatArray
    focal: FloatArray
    centre: FloatArray
    to_floor: FloatArray
    to_plane: FloatArray
    rise: FloatArray
    position: FloatArray
    kind: IntArray
    coefficients: FloatArray
    tilt: FloatArray
    untilt: FloatArray
    max_radius: FloatArray
    trust: FloatArray
    body_width_m: FloatArray


# a Rig as it goes into compiled code: numba types a named tuple in Python, 10 us a call
RigArrays = tuple[
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    IntArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
    FloatArray,
]


def stack_views(views: Sequence[CameraView]) -> RigArrays:
    """Put cameras into arrays; of one without calibration all is NaN but its size, so that it sees nobody."""
    sights = [_blind(view.size) if view.sight is None else view.sight for view in views]
    lenses = [sight.lens for sight in sights]
    return (
        _stack([s.size for s in sights], (2,)),
        _stack([s.focal for s in sights], (2,)),
        _stack([s.centre for s in sights], (2,)),
        _stack([s.to_floor for s in sights], (3, 3)),
        _stack([s.to_plane for s in sights], (3, 3)),
        _stack([s.rise for s in sights], (3,)),
        _stack([s.position for s in sights], (2,)),
        np.array([lens.kind for lens in lenses], np.int64),
        _stack([lens.coefficients for lens in lenses], perfect_lens().coefficients.shape),
        _stack([lens.tilt for lens in lenses], (3, 3)),
        _stack([lens.untilt for lens in lenses], (3, 3)),
        np.array([lens.max_radius for lens in lenses], np.float64),
        _stack([np.array(view.trust) for view in views], (len(Trust._fields),)),
        np.array([view.config.body_width_m for view in views], np.float64),
    )


def _stack(values: Sequence[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(len(values), *shape)


def _blind(size: tuple[int, int]) -> Sight:
    """Return a camera of which nothing is known but its size."""
    pair, square = np.full(2, np.nan), np.full((3, 3), np.nan)
    return Sight(np.array(size, np.float64), pair, pair, perfect_lens(), square, square, np.full(3, np.nan), pair)


@njit(cache=True, error_model="numpy")
def sight_of(rig: Rig, camera: int) -> Sight:
    """Return one of the cameras."""
    lens = Lens(
        rig.kind[camera],
        rig.coefficients[camera],
        rig.tilt[camera],
        rig.untilt[camera],
        rig.max_radius[camera],
    )
    return Sight(
        rig.size[camera],
        rig.focal[camera],
        rig.centre[camera],
        lens,
        rig.to_floor[camera],
        rig.to_plane[camera],
        rig.rise[camera],
        rig.position[camera],
    )


@njit(cache=True, error_model="numpy")
def trust_of(rig: Rig, camera: int) -> Trust:
    """Return how far the boxes of one of the cameras are trusted."""
    t = rig.trust[camera]
    return Trust(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10])


@njit(cache=True, error_model="numpy")
def stand_in_all(
    rig: RigArrays, general: FloatArray, ends: FloatArray, frames: IntArray, xyxy: BoxArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Find where the boxes of all frames of a step stand; see `sight.stand`.

    Args:
        rig: of C cameras.
        general: (C, 3), habits of the cameras.
        ends: (C, GY, GX), habits of the cameras.
        frames: (F, 3) camera of each frame, its first box, and the first one behind.
        xyxy: (N, 4) pixels.

    Returns:
        (N, 2) metres, (N, 2, 2) square metres, and (N,) whether they are known.
    """
    cameras = Rig(*rig)
    xy, covariance = np.empty((len(xyxy), 2)), np.empty((len(xyxy), 2, 2))
    valid = np.empty(len(xyxy), np.bool_)
    for f in range(len(frames)):
        camera, first, last = frames[f]
        sight, trust = sight_of(cameras, camera), trust_of(cameras, camera)
        found = stand(sight, trust, general[camera], ends[camera], xyxy[first:last])
        xy[first:last], covariance[first:last], valid[first:last] = found
    return xy, covariance, valid


@njit(cache=True, error_model="numpy")
def clear_shares(
    rig: RigArrays, xy: FloatArray, solid: BoolArray, height_m: float, open_from: tuple[float, float]
) -> FloatArray:
    """Say how clearly each camera can see people at (Q, 2) spots past those among them who are there for sure.

    Args:
        rig: of C cameras.
        xy: metres, site frame.
        solid: (Q,) whose bodies hide others.
        height_m: of everybody.
        open_from: shares of a box that the others leave open: up to the first it is hidden, from the second on clear.

    Returns:
        (Q, C) 1 for a person in full view, 0 for one out of view or well hidden.
    """
    cameras = Rig(*rig)
    result = np.empty((len(xy), len(cameras.kind)))
    for camera in range(len(cameras.kind)):
        sight, width_m = sight_of(cameras, camera), cameras.body_width_m[camera]
        boxes, visible = expect(sight, xy, height_m, width_m, trust_of(cameras, camera).max_range_m)
        result[:, camera] = cover(boxes, visible, solid, open_from)
    return result
