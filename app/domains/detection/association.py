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


class Stripes(NamedTuple):
    """The N boxes of F frames, each frame cut into upright stripes of one width, as many as it has boxes.

    Attributes:
        order: (N,) int64, the boxes of each frame along x.
        boxes: (N, 4) in that order.
        left: (F,) where a frame's first stripe begins, pixels.
        density: (F,) stripes a pixel.
        begin: (N + 1,) int64, for each stripe where in `order` its boxes begin; then N.
    """

    order: IntArray
    boxes: FloatArray
    left: FloatArray
    density: FloatArray
    begin: IntArray


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
    order, boxes, _, _, _ = stripes = _along_x(begin, measured)
    variance, spread = _innovation(mean, covariance, noise)
    span, most = _spans(frame, mean, variance, begin, stripes, reach)
    track_of, row_of = np.empty(most, np.int64), np.empty(most, np.int64)
    distances, costs = np.empty(most), np.empty(most)
    near, first = np.empty(len(boxes), np.int64), np.zeros(len(mean) + 1, np.int64)
    count = 0
    for track in range(len(mean)):
        x, y, width, height = mean[track, 0], mean[track, 1], mean[track, 2], mean[track, 3]
        by_x, by_y = 1.0 / variance[track, 0], 1.0 / variance[track, 1]
        by_width, by_height = 1.0 / variance[track, 2], 1.0 / variance[track, 3]
        candidates, far = 0, (1.0 + 1e-9) * reach * variance[track, 1]
        for k in range(span[track, 0], span[track, 1]):  # what may go on or not is written, and counted where it does:
            near[candidates] = k  # a branch that nobody can foresee costs more than all its work
            candidates += (y - boxes[k, 1]) ** 2 <= far
        for k in near[:candidates]:
            distance = (x - boxes[k, 0]) ** 2 * by_x + (y - boxes[k, 1]) ** 2 * by_y
            distance += (width - boxes[k, 2]) ** 2 * by_width + (height - boxes[k, 3]) ** 2 * by_height
            track_of[count], row_of[count] = track, order[k]
            distances[count], costs[count] = distance, distance + spread[track]
            count += distance <= reach
        first[track + 1] = count
    return Pairs(first, track_of[:count], row_of[:count], distances[:count], costs[:count])


@njit(cache=True, error_model="numpy")
def _innovation(mean: FloatArray, covariance: FloatArray, noise: Noise) -> tuple[FloatArray, FloatArray]:
    """Return (T, 4) the variance with which a box is expected, and (T,) log(det S / det R) of it and a box alone."""
    variance, spread = np.empty((len(mean), 4)), np.empty(len(mean))
    for track in range(len(mean)):
        own, vaguer = measurement_variance(max(mean[track, 3], 1.0), noise), 1.0
        for axis in range(4):
            variance[track, axis] = covariance[track, axis, 0] + own
            vaguer *= variance[track, axis] / own
        spread[track] = np.log(vaguer)
    return variance, spread


@njit(cache=True, error_model="numpy")
def _spans(
    frame: IntArray, mean: FloatArray, variance: FloatArray, begin: IntArray, stripes: Stripes, reach: float
) -> tuple[IntArray, int]:
    """Return (T, 2) where the boxes of the stripes within reach of each track begin and end, and how many there are."""
    span, total = np.zeros((len(frame), 2), np.int64), 0
    for track, f in enumerate(frame):
        if f < 0 or begin[f] == begin[f + 1]:
            continue
        count, x, width = begin[f + 1] - begin[f], mean[track, 0], np.sqrt(reach * variance[track, 0])
        first = _stripe_of(x - width, stripes.left[f], stripes.density[f], count)
        last = _stripe_of(x + width, stripes.left[f], stripes.density[f], count)
        span[track, 0], span[track, 1] = stripes.begin[begin[f] + first], stripes.begin[begin[f] + last + 1]
        total += span[track, 1] - span[track, 0]
    return span, total


@njit(cache=True, error_model="numpy")
def _stripe_of(x: float, left: float, density: float, stripes: int) -> int:
    """Return the number of the stripe that x lies in; the outermost ones have what lies outside, too."""
    stripe = (x - left) * density
    if stripe < 1.0:
        return 0
    return int(stripe) if stripe < stripes else stripes - 1


@njit(cache=True, error_model="numpy")
def _along_x(begin: IntArray, measured: FloatArray) -> Stripes:
    """Put each frame's boxes (N, 4) in stripes, and in the order of their centres' x within a stripe."""
    frames, boxes = len(begin) - 1, len(measured)
    stripe, order, placed = np.empty(boxes, np.int64), np.empty(boxes, np.int64), np.empty((boxes, 4))
    left, density, stripe_begin = np.empty(frames), np.empty(frames), np.zeros(boxes + 1, np.int64)
    stripe_begin[boxes] = boxes
    for f in range(frames):
        left[f], density[f] = _cut(measured[begin[f] : begin[f + 1], 0])
        for row in range(begin[f], begin[f + 1]):
            stripe[row] = begin[f] + _stripe_of(measured[row, 0], left[f], density[f], begin[f + 1] - begin[f])
            stripe_begin[stripe[row]] += 1
    behind = boxes
    for s in range(boxes - 1, -1, -1):  # counts become ends, and ends beginnings when the boxes are put there
        stripe_begin[s], behind = behind, behind - stripe_begin[s]
    for row in range(boxes - 1, -1, -1):
        stripe_begin[stripe[row]] -= 1
        order[stripe_begin[stripe[row]]] = row
    for k in range(boxes):
        row, to = order[k], k
        while to > stripe_begin[stripe[row]] and measured[order[to - 1], 0] > measured[row, 0]:
            order[to] = order[to - 1]
            to -= 1
        order[to] = row
    for k in range(boxes):
        for axis in range(4):
            placed[k, axis] = measured[order[k], axis]
    return Stripes(order, placed, left, density, stripe_begin)


@njit(cache=True, error_model="numpy")
def _cut(x: FloatArray) -> tuple[float, float]:
    """Return where stripes that hold one of these (N,) on average begin, and how many there are a pixel."""
    left, right = np.inf, -np.inf
    for one in x:
        left, right = min(left, one), max(right, one)
    return left, len(x) / max(right - left, 1e-9)


@njit(cache=True, error_model="numpy")
def cosines(
    pairs: Pairs, table_row: IntArray, appearance: VectorArray, appearance_at: FloatArray, looks: VectorArray
) -> FloatArray:
    """Return (K,) how alike the track and the box of each pair look; NaN where either was never looked at.

    Args:
        pairs: K of them.
        table_row: (T,) int64, where to find each track in the following.
        appearance: (R, D) of the tracks.
        appearance_at: (R,) when it was taken, -inf for never.
        looks: (N, D) of the boxes, zeros where none was taken.
    """
    result = np.full(len(pairs.row), np.nan)
    taken = np.empty(len(looks), np.bool_)
    for row in range(len(looks)):
        taken[row] = looks[row].any()
    for k in range(len(result)):
        track, row = table_row[pairs.track[k]], pairs.row[k]
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
    begin = np.zeros(len(steady) + 1, np.int64)
    row, price = np.empty(len(cost), np.int64), np.empty(len(cost))
    for stage in range(2):
        count = 0
        for track in range(len(steady)):
            if free[track] and (stage == 0 or steady[track]):
                for k in range(pairs.begin[track], pairs.begin[track + 1]):
                    row[count], price[count] = pairs.row[k], cost[k]
                    near = pairs.distance[k] <= gates[stage]
                    count += near & (cost[k] < 0.0) & (confident[pairs.row[k]] == (stage == 0))
            begin[track + 1] = count
        if count == 0:
            continue
        found = assign_sparse(begin, row[:count], price[:count], len(confident))
        for track, own in enumerate(found):
            if own >= 0:
                track_of[own] = track
                free[track] = False
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
