"""Finds the people whom nobody follows yet: leftover floor points of different cameras that mean one spot.

Knows no time and no targets; says nothing of who they are.
"""

from dataclasses import dataclass

import numpy as np

from app.domains.mapping.gaussian import between, inverse, squared_distance
from app.domains.vocabulary import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Birth:
    """A spot where somebody may stand.

    Attributes:
        points: (K,) int64, the points that mean it, of K different cameras.
        xy: (2,) metres, their information-weighted mean.
        covariance: (2, 2) square metres.
        log_odds: (hits of further cameras) minus (misses of cameras that should see it).
    """

    points: IntArray
    xy: FloatArray
    covariance: FloatArray
    log_odds: float


def find_births(
    camera: IntArray, xy: FloatArray, covariance: FloatArray, misses: FloatArray, gate: float, hit: float
) -> list[Birth]:
    """Group points greedily, the best supported spot first; every point is in exactly one group.

    Args:
        camera: (N,) which camera each point is from.
        xy: (N, 2) metres.
        covariance: (N, 2, 2) square metres.
        misses: (N, C) log-odds that each camera takes away if it sees nobody at the point; 0 or less.
        gate: squared Mahalanobis distance within which a further point may join.
        hit: log-odds that each further camera adds.
    """
    near = between(xy, covariance, xy, covariance)[0] <= gate
    near &= camera[:, None] != camera[None]
    free = np.ones(len(camera), dtype=np.bool_)

    def gather(seed: int) -> Birth:
        return _gather(seed, np.flatnonzero(near[seed] & free), (camera, xy, covariance), misses, gate, hit)

    candidates = {seed: gather(seed) for seed in range(len(camera))}
    births: list[Birth] = []
    while candidates:
        seed = max(candidates, key=lambda s: (candidates[s].log_odds, -float(np.trace(candidates[s].covariance)), -s))
        best = candidates.pop(seed)
        if not free[best.points].all():  # a better spot has taken one of its points
            if free[seed]:
                candidates[seed] = gather(seed)
            continue
        births.append(best)
        free[best.points] = False
    return births


def _gather(
    seed: int,
    near: IntArray,
    points: tuple[IntArray, FloatArray, FloatArray],
    misses: FloatArray,
    gate: float,
    hit: float,
) -> Birth:
    """Fuse with one point the nearest fitting point of each other camera."""
    camera, xys, covariances = points
    xy, covariance = xys[seed], covariances[seed]
    members, cameras = [seed], [camera[seed]]
    distance = squared_distance(xys[near] - xy, covariances[near] + covariance)
    for row in near[np.argsort(distance, kind="stable")].tolist():
        if camera[row] in cameras:
            continue
        step, total = xys[row] - xy, covariance + covariances[row]
        if squared_distance(step, total) > gate:
            continue
        gain = covariance @ inverse(total)
        xy, covariance = xy + gain @ step, covariance - gain @ covariance
        members.append(row)
        cameras.append(camera[row])
    missed = misses[seed].sum() - misses[seed, cameras].sum()
    return Birth(np.array(members, dtype=np.int64), xy, covariance, float(hit * (len(members) - 1) + missed))
