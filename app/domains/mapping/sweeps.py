"""Gives the floor points of all cameras to targets, camera by camera, until nobody changes hands.

Each camera's points are compared with what the target itself and the other cameras' points of this instant say.
Compiled with numba, because the matrices are small and many. Knows no time, no appearance, and nothing of how
targets live.
"""

import numpy as np
from numba import njit

from app.domains.assignment import assign_sparse
from app.domains.mapping.gaussian import inverses, squared_distance, times, triples
from app.domains.mapping.targets import Columns, Limits, LimitValues, PointArrays, Points, first_rows
from app.domains.vocabulary import BoolArray, FloatArray, IntArray


@njit(cache=True, error_model="numpy")
def continuity(columns: Columns, count: int, now: float, points: PointArrays, limits: LimitValues) -> FloatArray:
    """Return (N, M) how surely the camera's own tracker links each point to each target: 1 yes, -1 to another."""
    limit, table, seen = Limits(*limits), first_rows(columns, count), Points(*points)
    link = np.zeros((len(seen.camera), count))
    for n in range(len(link)):
        camera, track_id, certainty = seen.camera[n], seen.track_id[n], seen.certainty[n]
        if not (table.track_id[:, camera] == track_id).any():
            continue
        odds = max(certainty / max(1.0 - certainty, 1e-3), 1e-3)
        sure = min(max(np.log(odds) / limit.sure_log_odds, 0.0), 1.0)
        for m in range(count if sure > 0.0 else 0):
            weight = sure * np.exp((table.track_at[m, camera] - now) / limit.continuity_s)
            link[n, m] = weight if table.track_id[m, camera] == track_id else -weight
    return link


@njit(cache=True, error_model="numpy")
def assign(
    columns: Columns, count: int, points: PointArrays, link: FloatArray, affinity: FloatArray, limits: LimitValues
) -> IntArray:
    """Return the target index of each point, -1 for none.

    Args:
        columns: of the targets' table, predicted to this instant.
        count: of targets M.
        points: N of them.
        link: (N, M), see `continuity`.
        affinity: (N, M) how much cheaper each pair is by evidence other than geometry.
        limits: fields of Limits.
    """
    limit, table, seen = Limits(*limits), first_rows(columns, count), Points(*points)
    prior, linked = np.zeros((len(link), count)), np.zeros((len(link), count), np.bool_)
    likely = -2.0 * np.log1p(np.exp(-table.log_odds))
    for n in np.flatnonzero(seen.valid):
        a, b, d = seen.covariance[n, 0, 0], seen.covariance[n, 0, 1], seen.covariance[n, 1, 1]
        fixed = np.log(a * d - b * b) + limit.accept
        for m in range(count):
            bonus = (limit.same_track if link[n, m] > 0.0 else limit.other_track) * link[n, m]
            prior[n, m] = bonus + affinity[n, m] + likely[m] + fixed
            linked[n, m] = link[n, m] >= limit.trusted_link
    rows, begin = _by_sharpness(seen)
    mean, spread = table.mean[:, :2], table.covariance[:, :2, :2]
    gates = limit.gate, limit.linked_gate, limit.outlier
    return sweep(rows, begin, seen.xy, seen.covariance, prior, linked, mean, spread, gates, int(limit.sweeps))


@njit(cache=True, error_model="numpy")
def _by_sharpness(points: Points) -> tuple[IntArray, IntArray]:
    """Return the valid rows frame by frame, the camera that places people best first, and where each begins."""
    frames = points.frames
    spread = np.full(len(points.camera), np.nan)
    sharpness, size = np.full(len(frames), np.inf), np.zeros(len(frames), np.int64)
    for n in np.flatnonzero(points.valid):
        a, b, d = points.covariance[n, 0, 0], points.covariance[n, 0, 1], points.covariance[n, 1, 1]
        spread[n] = a * d - b * b
    for f in range(len(frames)):
        first, last = frames[f, 1], frames[f, 2]
        spreads = np.sort(spread[first:last][points.valid[first:last]])
        size[f] = len(spreads)
        if size[f]:
            sharpness[f] = spreads[size[f] // 2]
    rows, begin = np.empty(size.sum(), np.int64), np.zeros(len(frames) + 1, np.int64)
    order = np.argsort(sharpness, kind="mergesort")
    for rank in range(len(order)):
        f = order[rank]
        begin[rank + 1] = begin[rank] + size[f]
        rows[begin[rank] : begin[rank + 1]] = frames[f, 1] + np.flatnonzero(points.valid[frames[f, 1] : frames[f, 2]])
    return rows, begin


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
    noise, total = inverses(triples(covariance)), inverses(triples(spread))
    total_vector = times(total, mean)
    own, own_vector = np.zeros((cameras, targets, 3)), np.zeros((cameras, targets, 2))
    contested = np.ones(cameras, np.bool_)
    for _ in range(sweeps):
        changed = False
        for c in np.flatnonzero(contested):  # where each point had one taker at most, another look changes nothing
            mine = rows[begin[c] : begin[c + 1]]
            others, others_vector = total - own[c], total_vector - own_vector[c]
            around = inverses(others)
            centre = times(around, others_vector)
            first, column, cost, contested[c] = _pairs(mine, xy, covariance, prior, linked, centre, around, gates)
            found = assign_sparse(first, column, cost, targets)
            own[c], own_vector[c] = 0.0, 0.0
            for k in range(len(mine)):
                row, m = mine[k], found[k]
                changed |= target[row] != m
                target[row] = m
                if m >= 0:
                    own[c, m] = noise[row]
                    own_vector[c, m] = times(noise[row : row + 1], xy[row : row + 1])[0]
            total, total_vector = others + own[c], others_vector + own_vector[c]
        if not changed:
            break
    return target


@njit(cache=True, error_model="numpy")
def others_say(
    columns: Columns, count: int, points: PointArrays, target: IntArray, link: FloatArray, trusted_link: float
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return where the prediction and the other cameras' points of this instant place each point's target.

    A point that no target took counts for the one that its track surely belongs to.

    Args:
        columns: of the targets' table, predicted to this instant.
        count: of targets.
        points: N of them.
        target: (N,) index of the target that has the point, -1 for none.
        link: (N, M), see `continuity`.
        trusted_link: from which on a link is sure.

    Returns:
        (F', 3) the frames in which somebody is seen by other cameras, too, in the order of their cameras; (N, 2)
        metres and (N, 2, 2) square metres, NaN where no other camera sees the target.
    """
    table, seen = first_rows(columns, count), Points(*points)
    noise, total = inverses(triples(seen.covariance)), inverses(triples(table.covariance))
    vector, witnesses = times(total, table.mean[:, :2]), np.zeros(count, np.int64)
    own_vector, target = times(noise, seen.xy), target.copy()
    for n in range(len(target)):
        if target[n] < 0 and seen.valid[n] and count:
            likeliest = link[n].argmax()
            target[n] = likeliest if link[n, likeliest] >= trusted_link else -1
        if target[n] >= 0:
            total[target[n]] += noise[n]
            vector[target[n]] += own_vector[n]
            witnesses[target[n]] += 1
    place, around = np.full((len(target), 2), np.nan), np.full((len(target), 2, 2), np.nan)
    heard = np.zeros(len(seen.frames), np.bool_)
    for f in range(len(heard)):
        for n in range(seen.frames[f, 1], seen.frames[f, 2]):
            m = target[n]
            if m < 0 or witnesses[m] < 2:
                continue
            heard[f] = True
            rest = inverses((total[m] - noise[n]).reshape(1, 3))
            place[n] = times(rest, (vector[m] - own_vector[n]).reshape(1, 2))[0]
            around[n, 0, 0], around[n, 0, 1] = rest[0, 0], rest[0, 1]
            around[n, 1, 0], around[n, 1, 1] = rest[0, 1], rest[0, 2]
    frames = seen.frames[heard]
    return frames[np.argsort(frames[:, 0])], place, around


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
            distance = squared_distance(xy[row, 0] - centre[m, 0], xy[row, 1] - centre[m, 1], a, b, d)
            held = distance <= (linked_gate if linked[row, m] else gate)
            if linked[row, m]:
                distance = min(distance, outlier)
            cost = distance + np.log(a * d - b * b) - prior[row, m] if held else 0.0
            if cost < 0.0:
                column[count], price[count] = m, cost
                count += 1
                takers[m] += 1
                choice |= takers[m] > 1
        begin[k + 1] = count
        choice |= count - begin[k] > 1
    return begin, column[:count], price[:count], choice
