"""The shadow that a person casts on the floor. Knows no camera: it gets the places on the floor that pixels show."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray
from app.simulation.exposure import Paint

REACH_M = 1.26  # shadows end so far from the person
LAMP_REACH_M = 4.5  # lamps farther off than this cast none that is seen
SUN_M = 8.0  # what is higher is the sun


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
    height, width = ground.shape[:2]
    away = np.zeros((len(lamps), 3))
    count = 0
    for lamp in range(len(lamps)):
        dx, dy, dz = xy[0] - lamps[lamp, 0], xy[1] - lamps[lamp, 1], lamps[lamp, 2]
        far = math.sqrt(dx * dx + dy * dy)
        if far < LAMP_REACH_M or dz > SUN_M:
            strength = 0.5 if dz > SUN_M else 0.30 / (1.0 + 0.25 * far * far)
            length = 0.9 * far / max(dz - 0.9, 0.5)
            away[count, 0], away[count, 1], away[count, 2] = (
                dx / (far + 1e-6) * length,
                dy / (far + 1e-6) * length,
                strength,
            )
            count += 1
    for y in range(height):
        for x in range(width):
            gx, gy = ground[y, x, 0] - xy[0], ground[y, x, 1] - xy[1]
            square = gx * gx + gy * gy
            if square > REACH_M * REACH_M:
                continue
            dark = 0.26 * math.exp(-square / 0.16)
            for foot in range(2):
                fx, fy = ground[y, x, 0] - feet[foot, 0], ground[y, x, 1] - feet[foot, 1]
                raised = 1.0 + 8.0 * max(feet[foot, 2], 0.0)
                dark += 0.55 / raised * math.exp(-(fx * fx + fy * fy) / (0.016 * raised))
            for k in range(count):
                ax, ay = away[k, 0], away[k, 1]
                along = (gx * ax + gy * ay) / (ax * ax + ay * ay + 1e-9)
                along = min(max(along, 0.0), 1.0)
                ox, oy = gx - along * ax, gy - along * ay
                dark += away[k, 2] * (1.0 - 0.6 * along) * math.exp(-(ox * ox + oy * oy) / 0.05)
            factor = 1.0 - min(dark, 0.75)
            for c in range(3):
                picture[y, x, c] = np.uint8(picture[y, x, c] * factor)
