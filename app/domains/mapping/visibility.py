"""Whom a camera can see, and how much of each others cover. Compiled with numba.

Knows no time, and nobody: people here are upright bodies of usual size.
"""

import numpy as np
from numba import njit

from app.domains.mapping.sight import Sight, row_times, to_pixel, within_range
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray


@njit(cache=True, error_model="numpy")
def expect(
    sight: Sight, xy: FloatArray, height_m: float, body_width_m: float, max_range_m: float
) -> tuple[BoxArray, BoolArray]:
    """Return the boxes (N, 4) of upright people at (N, 2) metres, NaN behind the camera, and who can be seen, (N,)."""
    box, visible = np.full((len(xy), 4), np.nan, np.float32), np.zeros(len(xy), np.bool_)
    for i in range(len(xy)):
        depth = row_times(sight.to_plane, 2, xy[i, 0], xy[i, 1])
        if not depth > 0.0:
            continue
        foot_u, foot_v = to_pixel(sight, xy[i, 0], xy[i, 1], 0.0)
        head_u, head_v = to_pixel(sight, xy[i, 0], xy[i, 1], height_m)
        half = 0.5 * (abs(head_u - foot_u) + body_width_m * sight.focal[0] / depth)
        middle = 0.5 * (foot_u + head_u)
        box[i, 0], box[i, 1], box[i, 2], box[i, 3] = middle - half, head_v, middle + half, foot_v
        visible[i] = within_range(sight, max_range_m, xy[i, 0], xy[i, 1]) and _upper_half_inside(
            sight, middle - half, head_v, middle + half, foot_v
        )
    return box, visible


@njit(cache=True, error_model="numpy")
def cover(xyxy: BoxArray, visible: BoolArray, solid: BoolArray, open_from: tuple[float, float]) -> FloatArray:
    """Say how clearly people can be seen past those who stand nearer to the camera.

    Args:
        xyxy: (N, 4) pixels, where they would be seen if nothing stood before them.
        visible: (N,) whether they are in view.
        solid: (N,) whose bodies hide others; nobody hides himself.
        open_from: shares of a box that the others leave open: up to the first it is hidden, from the second on clear.

    Returns:
        (N,) 1 for a person in full view, 0 for one out of view or well hidden.
    """
    result, before = np.zeros(len(xyxy)), np.flatnonzero(visible & solid)
    for i in np.flatnonzero(visible):
        left, top, right, bottom = xyxy[i]
        area = max((right - left) * (bottom - top), 1e-9)
        left_open = 1.0
        for j in before:
            if xyxy[j, 3] <= bottom + 1e-3:  # itself, and those behind
                continue
            width = min(right, xyxy[j, 2]) - max(left, xyxy[j, 0])
            height = min(bottom, xyxy[j, 3]) - max(top, xyxy[j, 1])
            left_open *= 1.0 - min(max(width, 0.0) * max(height, 0.0) / area, 1.0)
        result[i] = min(max((left_open - open_from[0]) / (open_from[1] - open_from[0]), 0.0), 1.0)
    return result


@njit(cache=True, error_model="numpy")
def _upper_half_inside(sight: Sight, left: float, top: float, right: float, bottom: float) -> bool:
    """Tell whether at least half of a box's upper half is inside the image."""
    middle = 0.5 * (top + bottom)
    inside_u = min(right, sight.image[0]) - max(left, 0.0)
    inside_v = min(middle, sight.image[1]) - max(top, 0.0)
    area = max(inside_u, 0.0) * max(inside_v, 0.0)
    # False for NaN; a person under the camera may come out upside down, with no area inside
    return bool(area > 0.0 and area >= 0.5 * (right - left) * (middle - top))
