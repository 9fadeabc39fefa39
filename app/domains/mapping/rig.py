"""All cameras of a site as one array, so that one compiled call serves them all.

Knows no time, and nobody. What is asked of each camera is in `sight.py` and `visibility.py`.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.mapping.lens import perfect_lens
from app.domains.mapping.record import record_type
from app.domains.mapping.sight import SIGHT, TRUST, Sight, stand
from app.domains.mapping.view import CameraView
from app.domains.mapping.visibility import cover, expect
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray

RIG = record_type([("sight", SIGHT, ()), ("trust", TRUST, ())])
Rig = NDArray[np.void]  # (C,) of type RIG: all cameras of a site


def stack_views(views: Sequence[CameraView]) -> Rig:
    """Put cameras into one array; of one without calibration all is NaN but its image, so that it sees nobody."""
    rig = np.recarray((len(views),), RIG)
    for camera, view in enumerate(views):
        rig.sight[camera] = _blind(view.size) if view.sight is None else view.sight
        rig.trust[camera] = view.trust
    return rig.view(np.ndarray)


def _blind(size: tuple[int, int]) -> Sight:
    """Return a camera of which nothing is known but the size of its image."""
    sight = np.recarray((1,), SIGHT)
    for name in SIGHT.names or ():
        sight[name] = perfect_lens() if name == "lens" else np.nan
    sight.image[0] = size
    found: Sight = sight[0]
    return found


@njit(cache=True, error_model="numpy")
def stand_in_all(
    rig: Rig, general: FloatArray, ends: FloatArray, frames: IntArray, xyxy: BoxArray, stature: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Find where the boxes of all frames of a step stand; see `sight.stand`.

    Args:
        rig: of C cameras.
        general: (C, 3), habits of the cameras.
        ends: (C, GY, GX), habits of the cameras.
        frames: (F, 3) camera of each frame, its first box, and the first one behind.
        xyxy: (N, 4) pixels.
        stature: (N, 2) how tall the people are, metres, and the variance of that; NaN where it is not known.

    Returns:
        (N, 2) metres, (N, 2, 2) square metres, and (N,) whether they are known.
    """
    xy, covariance = np.empty((len(xyxy), 2)), np.empty((len(xyxy), 2, 2))
    valid = np.empty(len(xyxy), np.bool_)
    for f in range(len(frames)):
        camera, first, last = frames[f]
        sight, trust, tall = rig[camera].sight, rig[camera].trust, stature[first:last]
        found = stand(sight, trust, general[camera], ends[camera], xyxy[first:last], tall)
        xy[first:last], covariance[first:last], valid[first:last] = found
    return xy, covariance, valid


@njit(cache=True, error_model="numpy")
def clear_shares(
    rig: Rig, xy: FloatArray, solid: BoolArray, height_m: float, open_from: tuple[float, float]
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
    result = np.empty((len(xy), len(rig)))
    for camera in range(len(rig)):
        trust = rig[camera].trust
        boxes, visible = expect(rig[camera].sight, xy, height_m, trust.body_width_m, trust.max_range_m)
        result[:, camera] = cover(boxes, visible, solid, open_from)
    return result
