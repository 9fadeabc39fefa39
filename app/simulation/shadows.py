"""The shadow that a person casts on the floor. Knows no camera: it gets the places on the floor that pixels show."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray
from app.simulation.exposure import Paint

REACH_M = 1.26  # shadows end so far from the person
LAMP_REACH_M = 3.4  # lamps farther off than this cast none that is seen
SUN_M = 8.0  # what is higher is the sun
DARKEST = 0.75  # share of light that shadows take together


@njit(cache=True, nogil=True, fastmath=True)
def _patches(xy: FloatArray, feet: FloatArray, lamps: FloatArray) -> FloatArray:
    """Return (K, 6) soft patches: x, y of the start, x, y of how far each stretches, squared width, darkness."""
    patches, count = np.zeros((len(lamps) + 3, 6)), 0
    for foot in range(2):
        raised = 1.0 + 8.0 * max(feet[foot, 2], 0.0)
        patches[count, 0], patches[count, 1] = feet[foot, 0] - xy[0], feet[foot, 1] - xy[1]
        patches[count, 4], patches[count, 5] = 0.045 * raised, 0.55 / raised
        count += 1
    patches[count, 4], patches[count, 5] = 0.45, 0.26  # what the body keeps off from all sides
    count += 1
    for lamp in range(len(lamps)):
        dx, dy, dz = xy[0] - lamps[lamp, 0], xy[1] - lamps[lamp, 1], lamps[lamp, 2]
        far = math.sqrt(dx * dx + dy * dy) + 1e-6
        if far > LAMP_REACH_M and dz < SUN_M:
            continue
        length = 0.9 * far / max(dz - 0.9, 0.5)
        patches[count, 2], patches[count, 3] = dx / far * length, dy / far * length
        patches[count, 4], patches[count, 5] = 0.14, 0.5 if dz > SUN_M else 0.30 / (1.0 + 0.25 * far * far)
        count += 1
    return patches[:count]


@njit(cache=True, nogil=True, fastmath=True)
def shade(picture: Paint, ground: NDArray[np.float32], xy: FloatArray, feet: FloatArray, lamps: FloatArray) -> None:
    """Darken the floor below one person: under the feet, around the body, and away from each lamp near by.

    Args:
        picture: (h, w, 3) part of the picture.
        ground: (h, w, 2) metres, the floor that it shows; far away elsewhere.
        xy: (2,) metres.
        feet: (2, 3) metres, the soles' middles; a raised foot leaves less shadow.
        lamps: (L, 4).
    """
    patches = _patches(xy, feet, lamps)
    slopes = 1.0 / (patches[:, 2] ** 2 + patches[:, 3] ** 2 + 1e-9)
    for y in range(ground.shape[0]):
        for x in range(ground.shape[1]):
            gx, gy = ground[y, x, 0] - xy[0], ground[y, x, 1] - xy[1]
            if gx * gx + gy * gy > REACH_M * REACH_M:
                continue
            dark = 0.0
            for k in range(len(patches)):
                ox, oy = gx - patches[k, 0], gy - patches[k, 1]
                along = min(max((ox * patches[k, 2] + oy * patches[k, 3]) * slopes[k], 0.0), 1.0)
                ox, oy = ox - along * patches[k, 2], oy - along * patches[k, 3]
                depth = max(1.0 - (ox * ox + oy * oy) / patches[k, 4], 0.0)
                dark += patches[k, 5] * (1.0 - 0.6 * along) * depth * depth
            factor = 1.0 - min(dark, DARKEST)
            for c in range(3):
                picture[y, x, c] = np.uint8(picture[y, x, c] * factor)
