"""Which box might continue which track, and which does. Compiled with numba. Knows no time, and nothing of identities.

Only pairs within the gate are ever looked at: lists of pairs instead of matrices, found along the x axis.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.assignment import Workspace, in_place, solve
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
        offered: (K,) int64, room for boxes.
        price: (K,) room for what they cost.
    """

    begin: IntArray
    track: IntArray
    row: IntArray
    distance: FloatArray
    cost: FloatArray
    offered: IntArray
    price: FloatArray


@in_place
def pairs_of(begin: IntArray, count: int, whole: IntArray, real: FloatArray) -> Pairs:
    """Name the pairs in these arrays.

    Args:
        begin: (T + 1,) int64, where each track's begin.
        count: K.
        whole: (3, P) int64, of which the first K columns are track, row and offered.
        real: (3, P), of which they are distance, cost and price.
    """
    return Pairs(
        begin, whole[0, :count], whole[1, :count], real[0, :count], real[1, :count], whole[2, :count], real[2, :count]
    )


class Expected(NamedTuple):
    """T tracks, predicted to the times of their cameras' frames.

    Attributes:
        frame: (T,) int64, of each track's camera, -1 for none.
        mean: (T, 8), see motion.
        covariance: (T, 4, 3).
        begin: (T + 1,) int64, room for that of Pairs.
    """

    frame: IntArray
    mean: FloatArray
    covariance: FloatArray
    begin: IntArray


class Search(NamedTuple):
    """Room to search N boxes of F frames in: each frame is cut into as many upright stripes as it has boxes.

    Attributes:
        stripe: (N,) int64 of each box, counted over all frames.
        order: (N,) int64, the boxes of each frame along x.
        boxes: (N, 4) in that order.
        begin: (N + 1,) int64, for each stripe where in `order` its boxes begin; then N.
        left: (F,) where a frame's first stripe begins, pixels.
        density: (F,) stripes a pixel.
        first: (T,) int64, where in `order` the boxes of the stripes within reach of each track begin.
        last: (T,) int64, where they end.
        near: (N,) int64, those that one track may have.
        whole: (3, P) int64, for the pairs that are found, see pairs_of.
        real: (3, P).
    """

    stripe: IntArray
    order: IntArray
    boxes: FloatArray
    begin: IntArray
    left: FloatArray
    density: FloatArray
    first: IntArray
    last: IntArray
    near: IntArray
    whole: IntArray
    real: FloatArray


@in_place
def find_pairs(
    expected: Expected, begin: IntArray, measured: FloatArray, search: Search, noise: Noise, reach: float
) -> int:
    """List the pairs within a squared distance of `reach`.

    Args:
        expected: T tracks; where each one's pairs begin is filled in.
        begin: (F + 1,) int64, where each frame's boxes begin.
        measured: (N, 4) boxes in centre form.
        search: room for it, and for the pairs.
        noise: of motion.
        reach: squared distance.

    Returns:
        How many there are; where there may be too many for the room, minus how many that are, and none is listed.
    """
    mean, boxes = expected.mean, search.boxes
    _along_x(begin, measured, search)
    most = _spans(expected, begin, search, noise, reach)
    if most > search.whole.shape[1]:
        return -most
    count = 0
    expected.begin[0] = 0
    for track in range(len(expected.frame)):
        if search.first[track] < search.last[track]:
            x, y, width, height = mean[track, 0], mean[track, 1], mean[track, 2], mean[track, 3]
            by_x, by_y, by_width, by_height, spread, far = _innovation(expected, track, noise, reach)
            candidates = 0
            for k in range(search.first[track], search.last[track]):  # what may go on or not is written, and counted
                search.near[candidates] = k  # where it does: a branch that nobody can foresee costs more than all its
                candidates += (y - boxes[k, 1]) ** 2 <= far  # work
            for candidate in range(candidates):
                k = search.near[candidate]
                distance = (x - boxes[k, 0]) ** 2 * by_x + (y - boxes[k, 1]) ** 2 * by_y
                distance += (width - boxes[k, 2]) ** 2 * by_width + (height - boxes[k, 3]) ** 2 * by_height
                search.whole[0, count], search.whole[1, count] = track, search.order[k]
                search.real[0, count], search.real[1, count] = distance, distance + spread
                count += distance <= reach
        expected.begin[track + 1] = count
    return count


@in_place
def _innovation(
    expected: Expected, track: int, noise: Noise, reach: float
) -> tuple[float, float, float, float, float, float]:
    """Say how vaguely a box of a track is expected.

    Returns:
        One by the variance of each coordinate; log(det S / det R) of such a box and a box alone; and the squared
        distance in y, pixels, beyond which no box is within reach.
    """
    own, vaguer = measurement_variance(max(expected.mean[track, 3], 1.0), noise), 1.0
    x = expected.covariance[track, 0, 0] + own
    vaguer *= x / own
    y = expected.covariance[track, 1, 0] + own
    vaguer *= y / own
    width = expected.covariance[track, 2, 0] + own
    vaguer *= width / own
    height = expected.covariance[track, 3, 0] + own
    vaguer *= height / own
    return 1.0 / x, 1.0 / y, 1.0 / width, 1.0 / height, np.log(vaguer), (1.0 + 1e-9) * reach * y


@in_place
def _spans(expected: Expected, begin: IntArray, search: Search, noise: Noise, reach: float) -> int:
    """Find the boxes of the stripes within reach of each track, in place; returns how many there are in all."""
    total = 0
    for track, f in enumerate(expected.frame):
        search.first[track] = search.last[track] = 0
        if f < 0 or begin[f] == begin[f + 1]:
            continue
        own = measurement_variance(max(expected.mean[track, 3], 1.0), noise)
        x, width = expected.mean[track, 0], np.sqrt(reach * (expected.covariance[track, 0, 0] + own))
        left, density, count = search.left[f], search.density[f], begin[f + 1] - begin[f]
        search.first[track] = search.begin[begin[f] + _stripe_of(x - width, left, density, count)]
        search.last[track] = search.begin[begin[f] + _stripe_of(x + width, left, density, count) + 1]
        total += search.last[track] - search.first[track]
    return total


@in_place
def _stripe_of(x: float, left: float, density: float, stripes: int) -> int:
    """Return the number of the stripe that x lies in; the outermost ones have what lies outside, too."""
    stripe = (x - left) * density
    if stripe < 1.0:
        return 0
    return int(stripe) if stripe < stripes else stripes - 1


@in_place
def _along_x(begin: IntArray, measured: FloatArray, search: Search) -> None:
    """Put each frame's boxes (N, 4) in stripes, and in the order of their centres' x within a stripe."""
    boxes, stripe, order = len(measured), search.stripe, search.order
    for k in range(boxes):
        search.begin[k] = 0
    search.begin[boxes] = boxes
    for f in range(len(begin) - 1):
        left, density = _cut(measured, begin[f], begin[f + 1])
        search.left[f], search.density[f] = left, density
        for row in range(begin[f], begin[f + 1]):
            stripe[row] = begin[f] + _stripe_of(measured[row, 0], left, density, begin[f + 1] - begin[f])
            search.begin[stripe[row]] += 1
    behind = boxes
    for s in range(boxes - 1, -1, -1):  # counts become ends, and ends beginnings when the boxes are put there
        search.begin[s], behind = behind, behind - search.begin[s]
    for row in range(boxes - 1, -1, -1):
        search.begin[stripe[row]] -= 1
        order[search.begin[stripe[row]]] = row
    for k in range(boxes):
        row, to = order[k], k
        while to > search.begin[stripe[row]] and measured[order[to - 1], 0] > measured[row, 0]:
            order[to] = order[to - 1]
            to -= 1
        order[to] = row
    for k in range(boxes):
        for axis in range(4):
            search.boxes[k, axis] = measured[order[k], axis]


@in_place
def _cut(measured: FloatArray, first: int, last: int) -> tuple[float, float]:
    """Return where stripes that hold one of these boxes on average begin, and how many there are a pixel."""
    left, right = np.inf, -np.inf
    for row in range(first, last):
        left, right = min(left, measured[row, 0]), max(right, measured[row, 0])
    return left, (last - first) / max(right - left, 1e-9)


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


class Choice(NamedTuple):
    """Room to decide in which of N boxes is whose of T tracks.

    Attributes:
        track_of: (N,) int64, the track of each box, -1 for none.
        certainty: (N,) probability that it is, against the other matches that either side might have.
        begin: (T + 1,) int64, where the pairs begin that are on offer to each track.
        free: (T,) int64, whether it is still to be had.
        of_row: (N,) sums over the pairs of a box.
        of_track: (T,) sums over those of a track.
        workspace: to assign T tracks to N boxes in.
    """

    track_of: IntArray
    certainty: FloatArray
    begin: IntArray
    free: IntArray
    of_row: FloatArray
    of_track: FloatArray
    workspace: Workspace


@in_place
def associate(
    pairs: Pairs, confidence: BoxArray, high_score: float, steady: IntArray, gates: tuple[float, float], choice: Choice
) -> None:
    """Give boxes to tracks: confident boxes first, then doubtful ones to the tracks that are left (ByteTrack).

    Args:
        pairs: K of them; the cost is 0 or more where a new track explains the box better.
        confidence: (N,) of the boxes.
        high_score: from which on a box is confident.
        steady: (T,) int64, whether doubtful boxes are good enough for the track.
        gates: squared distance beyond which a confident, and a doubtful, box is not the track's.
        choice: whose each box is, filled in.
    """
    for row in range(len(choice.track_of)):
        choice.track_of[row] = -1
    for track in range(len(steady)):
        choice.free[track] = 1
    choice.begin[0] = 0
    for stage in range(2):
        count = 0
        for track in range(len(steady)):
            if choice.free[track] and (stage == 0 or steady[track]):
                for k in range(pairs.begin[track], pairs.begin[track + 1]):
                    pairs.offered[count], pairs.price[count] = pairs.row[k], pairs.cost[k]
                    near = (pairs.distance[k] <= gates[stage]) & (pairs.cost[k] < 0.0)
                    count += near & ((confidence[pairs.row[k]] >= high_score) == (stage == 0))
            choice.begin[track + 1] = count
        if count == 0:
            continue
        solve(choice.begin, pairs.offered, pairs.price, choice.workspace)
        for track, own in enumerate(choice.workspace.taken):
            if own >= 0:
                choice.track_of[own] = track
                choice.free[track] = 0


@in_place
def weigh(pairs: Pairs, gate: float, choice: Choice) -> None:
    """Find the certainty of each match, against the other matches that either side might have.

    Args:
        pairs: K of them; the cost is twice the negative log-likelihood ratio of "same" to "new".
        gate: squared distance beyond which a pair is impossible.
        choice: whose each box is; the certainty is filled in.
    """
    likelihood = pairs.price
    for row in range(len(choice.track_of)):
        choice.of_row[row], choice.certainty[row] = 0.0, 0.0
    for track in range(len(choice.of_track)):
        choice.of_track[track] = 0.0
    for k in range(len(likelihood)):
        likelihood[k] = 0.0
        if pairs.distance[k] <= gate:
            likelihood[k] = np.exp(min(max(-0.5 * pairs.cost[k], -30.0), 30.0))
            choice.of_row[pairs.row[k]] += likelihood[k]
            choice.of_track[pairs.track[k]] += likelihood[k]
    for k in range(len(likelihood)):
        row, track = pairs.row[k], pairs.track[k]
        if choice.track_of[row] == track:
            either = 1.0 + choice.of_row[row] + choice.of_track[track]
            choice.certainty[row] = likelihood[k] / (either - likelihood[k])


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


@in_place
def iou(a: BoxArray, b: BoxArray) -> float:
    """Return the intersection over union of two corner boxes (4,)."""
    overlap = _overlap(a, b)
    return float(overlap / max(_area(a) + _area(b) - overlap, 1e-9))


@njit(cache=True, error_model="numpy")
def covered_share(a: BoxArray, b: BoxArray) -> float:
    """Return how much of the area of box `a` (4,) lies in `b`."""
    return float(_overlap(a, b) / max(_area(a), 1e-9))


@in_place
def _area(box: BoxArray) -> float:
    return float((np.float64(box[2]) - box[0]) * (np.float64(box[3]) - box[1]))


@in_place
def _overlap(a: BoxArray, b: BoxArray) -> float:
    """Return the area that two boxes have in common, square pixels."""
    width = np.float64(min(a[2], b[2])) - max(a[0], b[0])
    height = np.float64(min(a[3], b[3])) - max(a[1], b[1])
    return float(max(width, 0.0) * max(height, 0.0))
