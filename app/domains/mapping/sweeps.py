"""Gives the floor points of all cameras to targets, camera by camera, until nobody changes hands.

Each camera's points are compared with what the target itself and the other cameras' points of this instant say.
Compiled with numba, because the matrices are small and many. Knows no time, no appearance, and nothing of how
targets live.
"""

import numpy as np
from numba import njit

from app.domains.assignment import assign_sparse
from app.domains.vocabulary import BoolArray, FloatArray, IntArray


@njit(cache=True, error_model="numpy")
def sweep(  # noqa: PLR0913 - compiled functions take plain arrays
    rows: IntArray,
    begin: IntArray,
    xy: FloatArray,
    covariance: FloatArray,
    prior: FloatArray,
    linked: BoolArray,
    mean: FloatArray,
    spread: FloatArray,
    gates: tuple[float, float, float],
    sweeps: int,
) -> IntArray:
    """Return the target index of each point, -1 for none.

    Args:
        rows: (K,) int64, the points that take part, grouped by camera, the camera that comes first first.
        begin: (C + 1,) int64, where each camera's points begin in `rows`.
        xy: (N, 2) metres, of all points.
        covariance: (N, 2, 2) square metres.
        prior: (N, M) how much cheaper each pair is than its geometry; cost is d2 + log det S - prior.
        linked: (N, M) whether the point's camera track surely is this target's.
        mean: (M, 2) metres, of all targets.
        spread: (M, 2, 2) square metres.
        gates: squared Mahalanobis distance beyond which a pair is impossible, the same for linked pairs, and what a
            linked pair's distance costs at most.
        sweeps: passes over the cameras.
    """
    cameras, targets = len(begin) - 1, len(mean)
    target = np.full(len(xy), -1, np.int64)
    noise, total = _inverses(_triples(covariance)), _inverses(_triples(spread))
    total_vector = _times(total, mean)
    own, own_vector = np.zeros((cameras, targets, 3)), np.zeros((cameras, targets, 2))
    contested = np.ones(cameras, np.bool_)
    for _ in range(sweeps):
        changed = False
        for c in np.flatnonzero(contested):  # where each point had one taker at most, another look changes nothing
            mine = rows[begin[c] : begin[c + 1]]
            others, others_vector = total - own[c], total_vector - own_vector[c]
            around = _inverses(others)
            centre = _times(around, others_vector)
            first, column, cost, contested[c] = _pairs(mine, xy, covariance, prior, linked, centre, around, gates)
            found = assign_sparse(first, column, cost, targets)
            own[c], own_vector[c] = 0.0, 0.0
            for k in range(len(mine)):
                row, m = mine[k], found[k]
                changed |= target[row] != m
                target[row] = m
                if m >= 0:
                    own[c, m] = noise[row]
                    own_vector[c, m] = _times(noise[row : row + 1], xy[row : row + 1])[0]
            total, total_vector = others + own[c], others_vector + own_vector[c]
        if not changed:
            break
    return target


@njit(cache=True, error_model="numpy")
def others_say(
    xy: FloatArray, covariance: FloatArray, target: IntArray, mean: FloatArray, spread: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return where the prediction and the other cameras' points of this instant place each point's target.

    Args:
        xy: (N, 2) metres, of all points.
        covariance: (N, 2, 2) square metres.
        target: (N,) index of the target that has the point, -1 for none.
        mean: (M, 2) metres, predicted.
        spread: (M, 2, 2) square metres.

    Returns:
        (N, 2) metres and (N, 2, 2) square metres, NaN where no other camera sees the target; and (N,) how many do.
    """
    noise, total = _inverses(_triples(covariance)), _inverses(_triples(spread))
    vector, count = _times(total, mean), np.zeros(len(mean), np.int64)
    own_vector = _times(noise, xy)
    for i in range(len(xy)):
        if target[i] >= 0:
            total[target[i]] += noise[i]
            vector[target[i]] += own_vector[i]
            count[target[i]] += 1
    place, around = np.full((len(xy), 2), np.nan), np.full((len(xy), 2, 2), np.nan)
    witnesses = np.zeros(len(xy), np.int64)
    for i in range(len(xy)):
        m = target[i]
        if m < 0 or count[m] < 2:
            continue
        witnesses[i] = count[m] - 1
        rest = _inverses((total[m] - noise[i]).reshape(1, 3))
        place[i] = _times(rest, (vector[m] - own_vector[i]).reshape(1, 2))[0]
        around[i, 0, 0], around[i, 0, 1] = rest[0, 0], rest[0, 1]
        around[i, 1, 0], around[i, 1, 1] = rest[0, 1], rest[0, 2]
    return place, around, witnesses


@njit(cache=True, error_model="numpy")
def _pairs(  # noqa: PLR0913 - compiled functions take plain arrays
    rows: IntArray,
    xy: FloatArray,
    covariance: FloatArray,
    prior: FloatArray,
    linked: BoolArray,
    centre: FloatArray,
    around: FloatArray,
    gates: tuple[float, float, float],
) -> tuple[IntArray, IntArray, FloatArray, bool]:
    """List the pairs of one camera's points and the targets that are better joined than left apart.

    Returns:
        Where each point's pairs begin, (K + 1,); target and cost of each pair; and whether some point has a choice of
        targets, or some target a choice of points.
    """
    gate, linked_gate, outlier = gates
    begin, takers = np.zeros(len(rows) + 1, np.int64), np.zeros(len(centre), np.int64)
    column, price = np.empty(len(rows) * len(centre), np.int64), np.empty(len(rows) * len(centre))
    count, choice = 0, False
    for k, row in enumerate(rows):
        for m in range(len(centre)):
            a, b, d = covariance[row, 0, 0], covariance[row, 0, 1], covariance[row, 1, 1]
            a, b, d = a + around[m, 0], b + around[m, 1], d + around[m, 2]
            x, y = xy[row, 0] - centre[m, 0], xy[row, 1] - centre[m, 1]
            determinant = a * d - b * b
            distance = (x * (d * x - 2.0 * b * y) + a * y * y) / determinant
            held = distance <= (linked_gate if linked[row, m] else gate)
            if linked[row, m]:
                distance = min(distance, outlier)
            cost = distance + np.log(determinant) - prior[row, m] if held else 0.0
            if cost < 0.0:
                column[count], price[count] = m, cost
                count += 1
                takers[m] += 1
                choice |= takers[m] > 1
        begin[k + 1] = count
        choice |= count - begin[k] > 1
    return begin, column[:count], price[:count], choice


@njit(cache=True, error_model="numpy")
def _triples(matrix: FloatArray) -> FloatArray:
    """Return symmetric matrices (N, 2, 2) as their three numbers, (N, 3): xx, xy, yy."""
    result = np.empty((len(matrix), 3))
    result[:, 0], result[:, 1], result[:, 2] = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    return result


@njit(cache=True, error_model="numpy")
def _inverses(matrix: FloatArray) -> FloatArray:
    """Return the inverses of symmetric matrices; all as three numbers, (N, 3). Those of NaN are NaN."""
    result = np.empty_like(matrix)
    for i in range(len(matrix)):
        a, b, d = matrix[i]
        scale = 1.0 / (a * d - b * b)
        result[i, 0], result[i, 1], result[i, 2] = d * scale, -b * scale, a * scale
    return result


@njit(cache=True, error_model="numpy")
def _times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """Return the products (N, 2) of symmetric matrices, given as three numbers, and (N, 2)."""
    result = np.empty_like(vector)
    for i in range(len(matrix)):
        a, b, d = matrix[i]
        result[i, 0], result[i, 1] = a * vector[i, 0] + b * vector[i, 1], b * vector[i, 0] + d * vector[i, 1]
    return result
