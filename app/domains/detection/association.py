"""Which box might continue which track, and which does. Compiled with numba. Knows no time, and nothing of identities.

Only pairs within the gate are ever looked at: lists of pairs instead of matrices, found along the x axis.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.assignment import assign_sparse
from app.domains.detection.motion import Noise, measurement_variance
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray, VectorArray


class Pairs(NamedTuple):
    """The K pairs of a track and a box of the same camera that lie within reach, track by track.

    Attributes:
        begin: (T + 1,) int64, where each track's pairs begin.
        track: (K,) int64.
        row: (K,) int64, the box.
        distance: (K,) squared Mahalanobis distance of centre and size, chi-square with 4 degrees of freedom for true
            pairs.
        cost: (K,) the distance plus log(det S / det R): how much vaguer the prediction is than a box.
    """

    begin: IntArray
    track: IntArray
    row: IntArray
    distance: FloatArray
    cost: FloatArray


@njit(cache=True, error_model="numpy")
def find_pairs(  # noqa: PLR0913 - compiled functions take plain arrays
    frame: IntArray,
    mean: FloatArray,
    covariance: FloatArray,
    begin: IntArray,
    measured: FloatArray,
    noise: Noise,
    reach: float,
) -> Pairs:
    """List the pairs within a squared distance of `reach`.

    Args:
        frame: (T,) int64, the frame of each track's camera, -1 for none.
        mean: (T, 8) of the tracks, predicted to the frames.
        covariance: (T, 4, 3).
        begin: (F + 1,) int64, where each frame's boxes begin.
        measured: (N, 4) boxes in centre form.
        noise: of motion.
        reach: squared distance.
    """
    order = _along_x(begin, measured)
    x, y = measured[order, 0], measured[order, 1]
    most = 0
    for f in frame:
        most += begin[f + 1] - begin[f] if f >= 0 else 0
    track_of, row_of = np.empty(most, np.int64), np.empty(most, np.int64)
    distances, costs = np.empty(most), np.empty(most)
    first = np.zeros(len(mean) + 1, np.int64)
    variance = np.empty(4)
    count = 0
    for track, f in enumerate(frame):
        first[track + 1] = count
        if f < 0:
            continue
        own = measurement_variance(max(mean[track, 3], 1.0), noise)
        variance[:] = covariance[track, :, 0] + own
        width, far = np.sqrt(reach * variance[0]), (1.0 + 1e-9) * reach * variance[1]
        k = _first_from(x, begin[f], begin[f + 1], mean[track, 0] - width)
        while k < begin[f + 1] and x[k] <= mean[track, 0] + width:
            if (mean[track, 1] - y[k]) ** 2 <= far:  # most are not, and a division costs more than a product
                distance = 0.0
                for axis in range(4):
                    distance += (mean[track, axis] - measured[order[k], axis]) ** 2 / variance[axis]
                if distance <= reach:
                    track_of[count], row_of[count], distances[count] = track, order[k], distance
                    count += 1
            k += 1
        spread = _log_spread(covariance[track], own) if count > first[track + 1] else 0.0
        for pair in range(first[track + 1], count):
            costs[pair] = distances[pair] + spread
        first[track + 1] = count
    return Pairs(first, track_of[:count], row_of[:count], distances[:count], costs[:count])


@njit(cache=True, error_model="numpy")
def _log_spread(covariance: FloatArray, own: float) -> float:
    """Return log(det S / det R) of one filter (4, 3), for the variance `own` of a box's coordinates."""
    spread, last, logarithm = 0.0, np.nan, 0.0
    for axis in range(4):
        if covariance[axis, 0] != last:  # axes of equal noise stay equal
            last = covariance[axis, 0]
            logarithm = np.log1p(last / own)
        spread += logarithm
    return spread


@njit(cache=True, error_model="numpy")
def _first_from(x: FloatArray, low: int, high: int, least: float) -> int:
    """Return the first index in [low, high) of rising `x` with a value of `least` or more; `high` if none has."""
    while low < high:
        middle = (low + high) // 2
        if x[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, error_model="numpy")
def _along_x(begin: IntArray, measured: FloatArray) -> IntArray:
    """Return the boxes (N,) ordered by their centre's x within each frame."""
    order = np.empty(len(measured), np.int64)
    for f in range(len(begin) - 1):
        order[begin[f] : begin[f + 1]] = begin[f] + np.argsort(measured[begin[f] : begin[f + 1], 0], kind="mergesort")
    return order


@njit(cache=True, error_model="numpy")
def cosines(pairs: Pairs, appearance: VectorArray, appearance_at: FloatArray, looks: VectorArray) -> FloatArray:
    """Return (K,) how alike the track and the box of each pair look; NaN where either was never looked at.

    Args:
        pairs: K of them.
        appearance: (T, D) of the tracks.
        appearance_at: (T,) when it was taken, -inf for never.
        looks: (N, D) of the boxes, zeros where none was taken.
    """
    result = np.full(len(pairs.row), np.nan)
    taken = np.empty(len(looks), np.bool_)
    for row in range(len(looks)):
        taken[row] = looks[row].any()
    for k in range(len(result)):
        track, row = pairs.track[k], pairs.row[k]
        if taken[row] and appearance_at[track] > -np.inf:
            result[k] = (appearance[track] * looks[row]).sum()
    return result


@njit(cache=True, error_model="numpy")
def associate(
    pairs: Pairs,
    cost: FloatArray,
    confident: BoolArray,
    steady: BoolArray,
    gates: tuple[float, float],
) -> IntArray:
    """Give boxes to tracks: confident boxes first, then doubtful ones to the tracks that are left (ByteTrack).

    Args:
        pairs: K of them.
        cost: (K,) what each costs, 0 or more if a new track explains the box better.
        confident: (N,) boxes.
        steady: (T,) tracks that doubtful boxes are good enough for.
        gates: squared distance beyond which a confident, and a doubtful, box is not the track's.

    Returns:
        (N,) the track of each box, -1 for none.
    """
    track_of = np.full(len(confident), -1, np.int64)
    free = np.ones(len(steady), np.bool_)
    for stage in range(2):
        begin = np.zeros(len(steady) + 1, np.int64)
        row, price = np.empty(len(cost), np.int64), np.empty(len(cost))
        count = 0
        for track in range(len(steady)):
            asks = free[track] and (stage == 0 or steady[track])
            for k in range(pairs.begin[track], pairs.begin[track + 1]):
                offered = confident[pairs.row[k]] == (stage == 0) and pairs.distance[k] <= gates[stage]
                if asks and offered and cost[k] < 0.0:
                    row[count], price[count] = pairs.row[k], cost[k]
                    count += 1
            begin[track + 1] = count
        if count == 0:
            continue
        found = assign_sparse(begin, row, price, len(confident))
        for served in np.flatnonzero(found >= 0):
            track_of[found[served]] = served
            free[served] = False
    return track_of


@njit(cache=True, error_model="numpy")
def match_certainty(pairs: Pairs, cost: FloatArray, gate: float, track_of: IntArray) -> FloatArray:
    """Return for each box the probability of its match, against the other matches that either side might have.

    Args:
        pairs: K of them.
        cost: (K,), twice the negative log-likelihood ratio of "same" to "new".
        gate: squared distance beyond which a pair is impossible.
        track_of: (N,), -1 for none.
    """
    likelihood = np.zeros(len(cost))
    of_row, of_track = np.zeros(len(track_of)), np.zeros(len(pairs.begin))
    for k in range(len(cost)):
        if pairs.distance[k] <= gate:
            likelihood[k] = np.exp(min(max(-0.5 * cost[k], -30.0), 30.0))
            of_row[pairs.row[k]] += likelihood[k]
            of_track[pairs.track[k]] += likelihood[k]
    certainty = np.zeros(len(track_of))
    for k in range(len(cost)):
        row, track = pairs.row[k], pairs.track[k]
        if track_of[row] == track:
            certainty[row] = likelihood[k] / (1.0 + of_row[row] + of_track[track] - likelihood[k])
    return certainty


@njit(cache=True, error_model="numpy")
def worth_a_look(pairs: Pairs, old: BoolArray, boxes: int, close_call: float) -> BoolArray:
    """Say for which boxes a look would tell something, (N,).

    It does for a box that no track fits, or more than one; for one whose track fits other boxes, too; and for one whose
    track's appearance is old.

    Args:
        pairs: of T tracks and N boxes.
        old: (T,) whether the track's appearance is.
        boxes: N.
        close_call: cost up to which a pair fits.
    """
    takers, wanted = np.zeros(boxes, np.int64), np.zeros(boxes, np.bool_)
    for track in range(len(old)):
        pair = slice(pairs.begin[track], pairs.begin[track + 1])
        fitting = pairs.row[pair][pairs.cost[pair] <= close_call]
        for row in fitting:
            takers[row] += 1
            wanted[row] |= old[track] or len(fitting) > 1
    wanted |= takers != 1
    return wanted


@njit(cache=True, error_model="numpy")
def shows_one(
    asked: BoolArray, frame: IntArray, boxes: BoxArray, hidden_frame: IntArray, hidden: BoxArray, max_share: float
) -> BoolArray:
    """Say which boxes show a single person, as far as boxes can tell.

    Args:
        asked: (N,) the boxes that are asked about.
        frame: (N,) int64, of each box, in rising order.
        boxes: (N, 4) pixels; the one with the lower bottom edge is nearer and hides the other.
        hidden_frame: (M,) int64.
        hidden: (M, 4) where people without box are expected; they may be anywhere in depth.
        max_share: a box of which others cover a larger share shows more than one person.

    Returns:
        (N,) bool; False where not asked.
    """
    clear: BoolArray = asked.copy()
    for row in np.flatnonzero(asked):
        first, last = np.searchsorted(frame, frame[row]), np.searchsorted(frame, frame[row], side="right")
        for other in range(first, last):
            if boxes[other, 3] > boxes[row, 3] and covered_share(boxes[row], boxes[other]) > max_share:
                clear[row] = False
        for other in range(len(hidden)):
            if hidden_frame[other] == frame[row] and covered_share(boxes[row], hidden[other]) > max_share:
                clear[row] = False
    return clear


@njit(cache=True, error_model="numpy")
def iou(a: BoxArray, b: BoxArray) -> float:
    """Return the intersection over union of two corner boxes (4,)."""
    overlap = _overlap(a, b)
    return float(overlap / max(_area(a) + _area(b) - overlap, 1e-9))


@njit(cache=True, error_model="numpy")
def covered_share(a: BoxArray, b: BoxArray) -> float:
    """Return how much of the area of box `a` (4,) lies in `b`."""
    return float(_overlap(a, b) / max(_area(a), 1e-9))


@njit(cache=True, error_model="numpy")
def _area(box: BoxArray) -> float:
    return float((np.float64(box[2]) - box[0]) * (np.float64(box[3]) - box[1]))


@njit(cache=True, error_model="numpy")
def _overlap(a: BoxArray, b: BoxArray) -> float:
    """Return the area that two boxes have in common, square pixels."""
    width = np.float64(min(a[2], b[2])) - max(a[0], b[0])
    height = np.float64(min(a[3], b[3])) - max(a[1], b[1])
    return float(max(width, 0.0) * max(height, 0.0))
