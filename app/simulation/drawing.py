"""The drawing of a scene's floor from above, as an architect would hand it out. Knows no people and no site file."""

import cv2
import numpy as np

from app.simulation.exposure import Paint
from app.simulation.floor_plan import Material, Scene

PIXELS_PER_METRE = 40.0
MARGIN_M = 0.5
OVERSAMPLE = 3
PAPER, INK, FURNITURE, EDGE = (252, 250, 248), (70, 62, 56), (226, 220, 214), (172, 162, 152)
GREEN, PAGE = (190, 216, 186), (246, 243, 240)


def draw_plan(scene: Scene) -> tuple[Paint, tuple[float, float]]:
    """Draw the plan.

    Returns:
        (H, W, 3) uint8 BGR, and the pixel at which the site's (0, 0) lies; y goes up.
    """
    x0, y0, x1, y1 = scene.bounds
    scale = PIXELS_PER_METRE * OVERSAMPLE
    left, top = x0 - MARGIN_M, y1 + MARGIN_M
    width, height = round((x1 - x0 + 2 * MARGIN_M) * scale), round((y1 - y0 + 2 * MARGIN_M) * scale)
    picture = np.full((height, width, 3), PAGE, np.uint8)

    def corners(low: tuple[float, ...], high: tuple[float, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Turn a box in metres into its pixels' top left and bottom right."""
        return (
            (round((low[0] - left) * scale), round((top - high[1]) * scale)),
            (round((high[0] - left) * scale) - 1, round((top - low[1]) * scale) - 1),
        )

    cv2.rectangle(picture, *corners((x0, y0), (x1, y1)), PAPER, cv2.FILLED)
    ordered = sorted((solid for solid in scene.solids if solid.high[2] > 0.3), key=lambda solid: solid.low[2])
    for solid in ordered:
        if solid.material is Material.WALL:
            continue
        if not solid.blocks and solid.material is not Material.LEAVES:
            continue
        a, b = corners(solid.low, solid.high)
        cv2.rectangle(picture, a, b, GREEN if solid.material is Material.LEAVES else FURNITURE, cv2.FILLED)
        cv2.rectangle(picture, a, b, EDGE, OVERSAMPLE)
    for solid in ordered:
        if solid.material is Material.WALL and solid.low[2] == 0.0:
            cv2.rectangle(picture, *corners(solid.low, solid.high), INK, cv2.FILLED)
    small = cv2.resize(picture, (width // OVERSAMPLE, height // OVERSAMPLE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), (-left * PIXELS_PER_METRE, top * PIXELS_PER_METRE)
