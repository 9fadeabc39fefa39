"""Finds the people whom nobody follows yet: leftover floor points of different cameras that mean one spot.

Compiled with numba. Knows no time and no targets; says nothing of who they are.
"""

import numpy as np
from numba import njit

from app.domains.mapping.gaussian import squared_distance
from app.domains.vocabulary import BoolArray, FloatArray, IntArray


@njit(cache=True, error_model="numpy")
def find_births(
    camera: IntArray, xy: FloatArray, covariance: FloatArray, misses: FloatArray, gate: float, hit: float
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Group points greedily, the best supported spot first; every point is in exactly one group.

    Args:
        camera: (N,) which camera each point is from.
        xy: (N, 2) metres.
        covariance: (N, 2, 2) square metres.
        misses: (N, C) log-odds that each camera takes away if it sees nobody at the point; 0 or less.
        gate: squared Mahalanobis distance within which a further point may join.
        hit: log-odds that each further camera adds.

    Returns:
        Of B spots where somebody may stand: (B, C) the points that mean each, by camera, -1 for none; (B, 2) metres,
        their information-weighted mean; (B, 2, 2) square metres; and (B,) log-odds, the hits of further cameras minus
        the misses of cameras that should see the spot.
    """
    members, centre = np.empty(misses.shape, np.int64), np.empty(xy.shape)
    spread, log_odds = np.empty(covariance.shape), np.empty(len(xy))
    free, candidate = np.ones(len(xy), np.bool_), np.ones(len(xy), np.bool_)
    for seed in range(len(xy)):
        log_odds[seed] = _gather(seed, free, (camera, xy, covariance), misses, (gate, hit), (members, centre, spread))
    order, births = np.empty(len(xy), np.int64), 0
    while candidate.any():
        seed = _best(candidate, log_odds, spread)
        candidate[seed] = False
        points = members[seed][members[seed] >= 0]
        if not free[points].all():  # a better spot has taken one of its points
            if free[seed]:
                candidate[seed] = True
                log_odds[seed] = _gather(
                    seed, free, (camera, xy, covariance), misses, (gate, hit), (members, centre, spread)
                )
            continue
        free[points] = False
        order[births] = seed
        births += 1
    order = order[:births]
    return members[order], centre[order], spread[order], log_odds[order]


@njit(cache=True, error_model="numpy")
def _best(candidate: BoolArray, log_odds: FloatArray, spread: FloatArray) -> int:
    """Return the candidate with the highest log-odds, of equal ones the best placed, of equal ones the first."""
    best = np.int64(-1)
    for seed in np.flatnonzero(candidate):
        if best < 0 or log_odds[seed] > log_odds[best]:
            best = seed
        elif log_odds[seed] == log_odds[best]:
            trace, least = spread[seed, 0, 0] + spread[seed, 1, 1], spread[best, 0, 0] + spread[best, 1, 1]
            best = seed if trace < least else best
    return int(best)


@njit(cache=True, error_model="numpy")
def _gather(
    seed: int,
    free: BoolArray,
    points: tuple[IntArray, FloatArray, FloatArray],
    misses: FloatArray,
    gate_and_hit: tuple[float, float],
    spots: tuple[IntArray, FloatArray, FloatArray],
) -> float:
    """Fuse with one point the nearest fitting point of each other camera.

    Args:
        seed: the point.
        free: (N,) which others may be taken.
        points: camera, place and covariance of all.
        misses: (N, C) log-odds.
        gate_and_hit: see `find_births`.
        spots: members (N, C), place and covariance of the spot around each point; the seed's is filled in.

    Returns:
        The spot's log-odds.
    """
    camera, xy, covariance = points
    gate, hit = gate_and_hit
    members, centre, spread = spots
    x, y = xy[seed]
    a, b, d = covariance[seed, 0, 0], covariance[seed, 0, 1], covariance[seed, 1, 1]
    members[seed] = -1
    members[seed, camera[seed]] = seed
    for row in _nearest_first(seed, free, camera, xy, covariance, gate):
        if members[seed, camera[row]] >= 0:
            continue
        gap_x, gap_y = xy[row, 0] - x, xy[row, 1] - y
        sum_a, sum_b, sum_d = a + covariance[row, 0, 0], b + covariance[row, 0, 1], d + covariance[row, 1, 1]
        if squared_distance(gap_x, gap_y, sum_a, sum_b, sum_d) > gate:
            continue
        scale = 1.0 / (sum_a * sum_d - sum_b * sum_b)
        gain_xx, gain_xy = (a * sum_d - b * sum_b) * scale, (b * sum_a - a * sum_b) * scale
        gain_yx, gain_yy = (b * sum_d - d * sum_b) * scale, (d * sum_a - b * sum_b) * scale
        x, y = x + gain_xx * gap_x + gain_xy * gap_y, y + gain_yx * gap_x + gain_yy * gap_y
        a, b, d = a - gain_xx * a - gain_xy * b, b - gain_xx * b - gain_xy * d, d - gain_yx * b - gain_yy * d
        members[seed, camera[row]] = row
    centre[seed, 0], centre[seed, 1] = x, y
    spread[seed, 0, 0], spread[seed, 0, 1], spread[seed, 1, 0], spread[seed, 1, 1] = a, b, b, d
    seen = members[seed] >= 0
    return float(hit * (seen.sum() - 1) + misses[seed][~seen].sum())


@njit(cache=True, error_model="numpy")
def _nearest_first(
    seed: int, free: BoolArray, camera: IntArray, xy: FloatArray, covariance: FloatArray, gate: float
) -> IntArray:
    """Return the free points of other cameras within the gate of one point, the nearest first."""
    near, distances, count = np.empty(len(xy), np.int64), np.empty(len(xy)), 0
    for row in np.flatnonzero(free):
        if camera[row] == camera[seed]:
            continue
        a, b, d = covariance[seed, 0, 0], covariance[seed, 0, 1], covariance[seed, 1, 1]
        a, b, d = a + covariance[row, 0, 0], b + covariance[row, 0, 1], d + covariance[row, 1, 1]
        distance = squared_distance(xy[row, 0] - xy[seed, 0], xy[row, 1] - xy[seed, 1], a, b, d)
        if distance <= gate:
            near[count], distances[count] = row, distance
            count += 1
    return near[np.argsort(distances[:count], kind="mergesort")]
