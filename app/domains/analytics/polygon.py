"""Where points are to polygons and to lines: how far inside, and on which side. Compiled with numba.

Knows neither places nor people. Points are metres in the site frame; polygons may turn either way.
"""

from math import floor, inf, sqrt

import numpy as np
from numba import njit

from app.domains.vocabulary import BoolArray, FloatArray

DEPTH_STEPS = 24  # cells along each side of a polygon's box in which its deepest point is looked for


@njit(cache=True, error_model="numpy")
def signed_distance(polygon: FloatArray, x: float, y: float) -> float:
    """Return how far a point is from the border of a polygon, (K, 2): metres, positive inside.

    A point is inside where a ray from it crosses the border an odd number of times (Shimrat 1962).
    """
    nearest, inside = inf, False
    from_x, from_y = polygon[-1, 0], polygon[-1, 1]
    for i in range(len(polygon)):
        to_x, to_y = polygon[i, 0], polygon[i, 1]
        along_x, along_y = to_x - from_x, to_y - from_y
        off_x, off_y = x - from_x, y - from_y
        share = (off_x * along_x + off_y * along_y) / (along_x * along_x + along_y * along_y)
        share = min(max(share, 0.0), 1.0)
        away_x, away_y = off_x - share * along_x, off_y - share * along_y
        nearest = min(nearest, away_x * away_x + away_y * away_y)
        if (from_y > y) != (to_y > y) and off_x < (y - from_y) / along_y * along_x:
            inside = not inside
        from_x, from_y = to_x, to_y
    return sqrt(nearest) if inside else -sqrt(nearest)


@njit(cache=True, error_model="numpy")
def depths(polygon: FloatArray, xy: FloatArray) -> FloatArray:
    """Return the signed distances of points (N, 2) to a polygon (K, 2): (N,) metres, positive inside."""
    found = np.empty(len(xy))
    for i in range(len(xy)):
        found[i] = signed_distance(polygon, xy[i, 0], xy[i, 1])
    return found


@njit(cache=True, error_model="numpy")
def height_over(ends: FloatArray, x: float, y: float) -> float:
    """Return how far a point is from the straight line through two ends, (2, 2): metres, positive on its right.

    Right as seen from the first end towards the second.
    """
    along_x, along_y = ends[1, 0] - ends[0, 0], ends[1, 1] - ends[0, 1]
    area = (x - ends[0, 0]) * along_y - (y - ends[0, 1]) * along_x
    return float(area / sqrt(along_x * along_x + along_y * along_y))


@njit(cache=True, error_model="numpy")
def passes_between(ends: FloatArray, before: tuple[float, float], after: tuple[float, float]) -> bool:
    """Tell whether a straight way that crosses the line through two ends, (2, 2), does so between them."""
    first, last = height_over(ends, before[0], before[1]), height_over(ends, after[0], after[1])
    part = first / (first - last) if first != last else 0.0
    x, y = before[0] + part * (after[0] - before[0]), before[1] + part * (after[1] - before[1])
    along_x, along_y = ends[1, 0] - ends[0, 0], ends[1, 1] - ends[0, 1]
    share = ((x - ends[0, 0]) * along_x + (y - ends[0, 1]) * along_y) / (along_x * along_x + along_y * along_y)
    return bool(0.0 <= share <= 1.0)


@njit(cache=True, error_model="numpy")
def depth_of(polygon: FloatArray) -> float:
    """Return about how far from the border a point inside a polygon, (K, 2), can be: metres, never too much.

    Of cells over the polygon's box, the middle that lies deepest; a sliver between all of them has a depth of 0.
    """
    low_x, low_y = polygon[:, 0].min(), polygon[:, 1].min()
    step_x, step_y = (polygon[:, 0].max() - low_x) / DEPTH_STEPS, (polygon[:, 1].max() - low_y) / DEPTH_STEPS
    deepest = 0.0
    for row in range(DEPTH_STEPS):
        for column in range(DEPTH_STEPS):
            x, y = low_x + (column + 0.5) * step_x, low_y + (row + 0.5) * step_y
            deepest = max(deepest, signed_distance(polygon, x, y))
    return deepest


def grid_within(polygon: FloatArray, most: int) -> FloatArray:
    """Return points spread evenly over a polygon, (K, 2): about `most` at most, (G, 2) metres; at least one corner."""
    polygon = np.array(polygon, np.float64)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    width, height = high - low
    step = max(sqrt(width * height / most), 1e-3)
    across, up = max(floor(width / step), 1), max(floor(height / step), 1)
    x = low[0] + (np.arange(across) + 0.5) * width / across
    y = low[1] + (np.arange(up) + 0.5) * height / up
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside: BoolArray = depths(polygon, grid) >= 0.0
    points: FloatArray = grid[inside] if inside.any() else polygon[:1]
    return points
