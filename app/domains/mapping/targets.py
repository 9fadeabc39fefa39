"""The living floor targets as one table, and how a step changes it: each function is one compiled call.

Knows how targets begin, move, gain and lose belief, and end; not whose a floor point is. Plain tuples go in and out,
and are named in here: numba types a named tuple in Python, 10 us a call.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.mapping.births import find_births
from app.domains.mapping.gaussian import squared_distance
from app.domains.mapping.walking import predict
from app.domains.vocabulary import NO_FLOOR, NO_ID, BoolArray, FloatArray, IntArray


class TargetTable(NamedTuple):
    """M living targets in the order of their birth.

    Attributes:
        target_id: (M,) int64.
        mean: (M, 4) x, y, vx, vy; metres and seconds.
        covariance: (M, 4, 4).
        log_odds: (M,) of existence.
        seen: (M,) seconds, when a camera last supported it.
        confirmed: (M,) bool.
        track_id: (M, C) int64, the track of each camera that last had a point of it; NO_ID for none.
        track_at: (M, C) seconds, when.
        stature: (M, 2) how tall the person is, metres, and the variance of that; NaN where it is not known.
    """

    target_id: IntArray
    mean: FloatArray
    covariance: FloatArray
    log_odds: FloatArray
    seen: FloatArray
    confirmed: BoolArray
    track_id: IntArray
    track_at: FloatArray
    stature: FloatArray


# the columns of a TargetTable, with room for one target more for each point
Columns = tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray, BoolArray, IntArray, FloatArray, FloatArray]
# the fields of FloorTargets
Living = tuple[IntArray, FloatArray, FloatArray, FloatArray, BoolArray, FloatArray, FloatArray, BoolArray]


class Points(NamedTuple):
    """All cameras' floor points of one step, N in all, frame by frame.

    Attributes:
        frames: (F, 3) int64, the camera of each frame, its first point, and the first one behind.
        camera: (N,) int64.
        xy: (N, 2) metres.
        covariance: (N, 2, 2) square metres.
        valid: (N,) bool.
        track_id: (N,) int64, in its camera.
        certainty: (N,) of the track's match.
    """

    frames: IntArray
    camera: IntArray
    xy: FloatArray
    covariance: FloatArray
    valid: BoolArray
    track_id: IntArray
    certainty: FloatArray


PointArrays = tuple[IntArray, IntArray, FloatArray, FloatArray, BoolArray, IntArray, FloatArray]


class Limits(NamedTuple):
    """The fields of FusionConfig that compiled code needs."""

    acceleration: float
    velocity_fade_s: float
    initial_speed: float
    max_speed: float
    sweeps: float
    gate: float
    linked_gate: float
    trusted_link: float
    outlier: float
    accept: float
    same_track: float
    other_track: float
    sure_log_odds: float
    continuity_s: float
    birth_gate: float
    birth_log_odds: float
    birth_expectation: float
    birth_separation_m: float
    hit_log_odds: float
    detection_probability: float
    least_recall: float
    recall_prior: float
    recall_looks: float
    correlation_s: float
    max_log_odds: float
    confirm_log_odds: float
    end_log_odds: float
    survival_s: float
    lost_s: float


LimitValues = tuple[float, ...]


def room_for(targets: int, cameras: int) -> Columns:
    """Return a table with room for so many targets."""
    return (
        np.zeros(targets, np.int64),
        np.zeros((targets, 4)),
        np.zeros((targets, 4, 4)),
        np.zeros(targets),
        np.zeros(targets),
        np.zeros(targets, np.bool_),
        np.full((targets, cameras), NO_ID, np.int64),
        np.full((targets, cameras), -np.inf),
        np.full((targets, 2), np.nan),
    )


@njit(cache=True, error_model="numpy")
def first_rows(columns: Columns, targets: int) -> TargetTable:
    """Return the first rows of a table, as views."""
    target_id, mean, covariance, log_odds, seen, confirmed, track_id, track_at, stature = columns
    return TargetTable(
        target_id[:targets],
        mean[:targets],
        covariance[:targets],
        log_odds[:targets],
        seen[:targets],
        confirmed[:targets],
        track_id[:targets],
        track_at[:targets],
        stature[:targets],
    )


@njit(cache=True, error_model="numpy")
def advance(columns: Columns, count: int, dt: float, limits: LimitValues) -> None:
    """Move all targets on by `dt` seconds, in place; nobody stays for ever."""
    limit, table = Limits(*limits), first_rows(columns, count)
    table.mean[:], table.covariance[:] = predict(
        table.mean, table.covariance, dt, limit.acceleration, limit.velocity_fade_s
    )
    table.log_odds[:] -= dt / limit.survival_s


@njit(cache=True, error_model="numpy")
def correct(columns: Columns, count: int, points: PointArrays, target: IntArray, limits: LimitValues) -> None:
    """Correct every target by all its points at once, in place.

    Their information is added up, then taken in like one point. Points that lie too far from the prediction count
    less (Huber).
    """
    limit, table, seen = Limits(*limits), first_rows(columns, count), Points(*points)
    told = np.zeros((count, 5))  # information xx, xy, yy, and the information-weighted place
    for n in range(len(target)):
        m = target[n]
        if m < 0:
            continue
        a, b, d = seen.covariance[n, 0, 0], seen.covariance[n, 0, 1], seen.covariance[n, 1, 1]
        place = table.covariance[m]
        gap_x, gap_y = seen.xy[n, 0] - table.mean[m, 0], seen.xy[n, 1] - table.mean[m, 1]
        distance = squared_distance(gap_x, gap_y, a + place[0, 0], b + place[0, 1], d + place[1, 1])
        scale = 1.0 / ((a * d - b * b) * max(1.0, distance / limit.outlier))
        told[m, 0], told[m, 1], told[m, 2] = told[m, 0] + d * scale, told[m, 1] - b * scale, told[m, 2] + a * scale
        told[m, 3] += (d * seen.xy[n, 0] - b * seen.xy[n, 1]) * scale
        told[m, 4] += (a * seen.xy[n, 1] - b * seen.xy[n, 0]) * scale
    for m in range(count):
        if told[m, 0] > 0.0:
            _correct_one(table.mean[m], table.covariance[m], told[m], limit.max_speed)


@njit(cache=True, error_model="numpy")
def _correct_one(mean: FloatArray, covariance: FloatArray, told: FloatArray, max_speed: float) -> None:
    """Take in a point given as information (Kalman), in place; mean (4,), covariance (4, 4), told (5,)."""
    scale = 1.0 / (told[0] * told[2] - told[1] * told[1])
    noise_a, noise_b, noise_d = told[2] * scale, -told[1] * scale, told[0] * scale
    gap_x = noise_a * told[3] + noise_b * told[4] - mean[0]
    gap_y = noise_b * told[3] + noise_d * told[4] - mean[1]
    a, b, d = covariance[0, 0] + noise_a, covariance[0, 1] + noise_b, covariance[1, 1] + noise_d
    scale = 1.0 / (a * d - b * b)
    across = covariance[:, :2].copy()
    for i in range(4):
        gain_x = (across[i, 0] * d - across[i, 1] * b) * scale
        gain_y = (across[i, 1] * a - across[i, 0] * b) * scale
        mean[i] += gain_x * gap_x + gain_y * gap_y
        for j in range(4):
            covariance[i, j] -= gain_x * across[j, 0] + gain_y * across[j, 1]
    speed = np.sqrt(mean[2] ** 2 + mean[3] ** 2)
    mean[2:] *= min(1.0, max_speed / max(speed, 1e-9))
    for i in range(4):
        for j in range(i):
            covariance[i, j] = covariance[j, i] = 0.5 * (covariance[i, j] + covariance[j, i])


@njit(cache=True, error_model="numpy")
def weigh(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    count: int,
    now: float,
    points: PointArrays,
    target: IntArray,
    watching: tuple[FloatArray, FloatArray],
    limits: LimitValues,
) -> BoolArray:
    """Add the log-odds of this step's hits and misses, in place.

    A camera's word weighs by the time since its frame before: frames close together see the same chance twice.

    Args:
        columns: of the table.
        count: of targets.
        now: seconds.
        points: N of them.
        target: (N,) whose each point is, -1 for nobody's.
        watching: (M, C) probability that each camera detects each target; (C,) seconds of each camera's frame before.
        limits: fields of Limits.

    Returns:
        (M + N, C) which cameras see which target, with room for those that points may start.
    """
    limit, table, camera = Limits(*limits), first_rows(columns, count), Points(*points).camera
    expected, looked_at = watching
    support = np.zeros((count + len(target), len(looked_at)), np.bool_)
    for n in range(len(target)):
        if target[n] >= 0:
            support[target[n], camera[n]] = True
            table.seen[target[n]] = now
    for m in range(count):
        for c in range(len(looked_at)):
            share = min(1.0, (now - looked_at[c]) / limit.correlation_s)
            gain = limit.hit_log_odds if support[m, c] else np.log1p(-expected[m, c])
            table.log_odds[m] += share * gain
        table.log_odds[m] = min(table.log_odds[m], limit.max_log_odds)
    return support


@njit(cache=True, error_model="numpy")
def count_looks(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    count: int,
    now: float,
    watching: tuple[FloatArray, FloatArray],
    support: BoolArray,
    recall: tuple[FloatArray, FloatArray, FloatArray],
    limits: LimitValues,
) -> None:
    """Learn how often each camera detects those who are rather there than not, and in full view, in place.

    Whoever nobody detects is forgotten, so that the share of a lone camera comes out too high; never below the truth.

    Args:
        columns: of the table.
        count: of targets.
        now: seconds.
        watching: see `weigh`.
        support: from `weigh`.
        recall: (C,) each camera's share so far, and of how many looks it found how many, older ones fading.
        limits: fields of Limits.
    """
    limit, table = Limits(*limits), first_rows(columns, count)
    expected, looked_at = watching
    share, looks, found = recall
    for c in range(len(looked_at)):
        weight = min(1.0, (now - looked_at[c]) / limit.correlation_s)
        clear = 0.99 * share[c]
        for m in range(count):
            if expected[m, c] >= clear and table.log_odds[m] >= 0.0:
                looks[c] += weight
                found[c] += weight * support[m, c]
        fade = min(1.0, limit.recall_looks / max(looks[c], 1.0))
        looks[c], found[c] = fade * looks[c], fade * found[c]
        learnt = (limit.recall_prior * limit.detection_probability + found[c]) / (limit.recall_prior + looks[c])
        share[c] = min(max(learnt, limit.least_recall), limit.detection_probability)


@njit(cache=True, error_model="numpy")
def fresh_rows(points: PointArrays, target: IntArray, link: FloatArray, trusted_link: float) -> IntArray:
    """Return the points that may be somebody new: nobody took them, nor is their track surely anybody's."""
    seen = Points(*points)
    fresh = (target < 0) & seen.valid
    for n in np.flatnonzero(fresh):
        fresh[n] = not (link[n] >= trusted_link).any()
    return np.flatnonzero(fresh)


@njit(cache=True, error_model="numpy")
def start(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    count: int,
    next_id: int,
    now: float,
    points: PointArrays,
    chances: tuple[IntArray, FloatArray],
    target: IntArray,
    support: BoolArray,
    limits: LimitValues,
) -> int:
    """Start targets where points that nobody took meet.

    Args:
        columns: of the table, with room for the new ones.
        count: of targets.
        next_id: of the first new one.
        now: seconds.
        points: N of them.
        chances: (K,) the points that may be somebody new; (K, C) probability that each camera detects a person there.
        target: (N,) whose each point is; those that start a target are filled in.
        support: see `weigh`; filled in, too.
        limits: fields of Limits.

    Returns:
        How many targets there are now.
    """
    limit, seen = Limits(*limits), Points(*points)
    fresh, expected = chances
    misses = np.log1p(-limit.birth_expectation * expected)
    places, around, camera = seen.xy[fresh], seen.covariance[fresh], seen.camera[fresh]
    members, xy, covariance, log_odds = find_births(
        camera, places, around, misses, limit.birth_gate, limit.hit_log_odds
    )
    for birth in range(len(xy)):
        belief = limit.birth_log_odds + log_odds[birth]
        sees = members[birth] >= 0
        if belief <= limit.end_log_odds or _too_near(columns[1][:count], support, xy[birth], sees, limit):
            continue
        for k in members[birth][sees]:
            target[fresh[k]] = count
        support[count] = sees
        table = first_rows(columns, count + 1)
        table.target_id[count], table.seen[count], table.confirmed[count] = next_id, now, False
        table.log_odds[count] = min(belief, limit.max_log_odds)
        table.mean[count], table.covariance[count] = 0.0, 0.0
        table.mean[count, :2], table.covariance[count, :2, :2] = xy[birth], covariance[birth]
        for axis in range(2, 4):
            table.covariance[count, axis, axis] = limit.initial_speed**2
        table.track_id[count], table.track_at[count], table.stature[count] = NO_ID, -np.inf, np.nan
        count, next_id = count + 1, next_id + 1
    return count


@njit(cache=True, error_model="numpy")
def _too_near(mean: FloatArray, support: BoolArray, xy: FloatArray, sees: BoolArray, limit: Limits) -> bool:
    """Say whether a living target stands at this spot already, unless one camera has seen both apart."""
    for m in range(len(mean)):
        gap = np.sqrt((mean[m, 0] - xy[0]) ** 2 + (mean[m, 1] - xy[1]) ** 2)
        if gap < limit.birth_separation_m and not (support[m] & sees).any():
            return True
    return False


@njit(cache=True, error_model="numpy")
def remember_tracks(columns: Columns, count: int, now: float, points: PointArrays, target: IntArray) -> None:
    """Link each camera's track to the target that took its point; a track belongs to one target at a time."""
    table, seen = first_rows(columns, count), Points(*points)
    for n in range(len(target)):
        if target[n] < 0:
            continue
        camera = seen.camera[n]
        for m in range(count):
            if table.track_id[m, camera] == seen.track_id[n]:
                table.track_id[m, camera] = NO_ID
        table.track_id[target[n], camera] = seen.track_id[n]
        table.track_at[target[n], camera] = now


@njit(cache=True, error_model="numpy")
def end(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    count: int,
    now: float,
    points: PointArrays,
    target: IntArray,
    support: BoolArray,
    limits: LimitValues,
) -> tuple[Living, IntArray]:
    """Confirm targets, end others, and close the gaps that they leave in the table.

    Returns:
        The living targets, copied; and (N,) whose each point is, by target id: NO_ID for nobody's, NO_FLOOR for those
        that are not valid.
    """
    limit, table = Limits(*limits), first_rows(columns, count)
    table.confirmed[:] |= table.log_odds >= limit.confirm_log_odds
    alive = np.flatnonzero((table.log_odds > limit.end_log_odds) & (now - table.seen <= limit.lost_s))
    stays = np.zeros(count, np.bool_)
    stays[alive] = True
    target_id = np.where(Points(*points).valid, NO_ID, NO_FLOOR)
    for n in range(len(target)):
        if target[n] >= 0 and stays[target[n]]:
            target_id[n] = table.target_id[target[n]]
    for to in range(len(alive)):
        if alive[to] != to:
            _move(table, alive[to], to)
    kept = first_rows(columns, len(alive))
    living = (
        kept.target_id.copy(),
        kept.mean[:, :2].copy(),
        kept.mean[:, 2:].copy(),
        kept.covariance.copy(),
        kept.confirmed.copy(),
        now - kept.seen,
        1.0 / (1.0 + np.exp(-kept.log_odds)),
        support[alive],
    )
    return living, target_id


@njit(cache=True, error_model="numpy")
def _move(table: TargetTable, target: int, to: int) -> None:
    """Copy a row of the table over another one."""
    table.target_id[to], table.log_odds[to] = table.target_id[target], table.log_odds[target]
    table.mean[to], table.covariance[to] = table.mean[target], table.covariance[target]
    table.seen[to], table.confirmed[to] = table.seen[target], table.confirmed[target]
    table.track_id[to], table.track_at[to] = table.track_id[target], table.track_at[target]
    table.stature[to] = table.stature[target]
