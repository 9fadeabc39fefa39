"""What a step does to the tracks of all cameras: each function is one compiled call on plain arrays.

A step looks ahead (where is every track by now, and which box might be whose) and settles (whose it is, who comes and
who goes); in between, the caller may weigh looks. `follow` does both where there are none. Knows no camera by name,
and not what a look is worth.

Plain tuples go in and out, and are named in here: numba types a named tuple in Python, 10 us a call.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.detection.association import (
    Pairs,
    associate,
    cosines,
    find_pairs,
    match_certainty,
    shows_one,
    worth_a_look,
)
from app.domains.detection.motion import Noise, predict, to_centre, to_corners
from app.domains.detection.tracks import (
    LOST,
    TENTATIVE,
    Boxes,
    Columns,
    TrackTable,
    age,
    correct,
    start,
    starting,
    table_of,
)
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray, VectorArray

# all of them change in place: (1,) tracks in the table; (C,) seconds of each camera's last frame; (C,) its next free id
Counters = tuple[IntArray, FloatArray, IntArray]
# how many frames F; camera of each, captured_at and where its boxes begin, each with room for a frame of every camera;
# (N, 4) corners; (N,) confidence
Seen = tuple[int, IntArray, FloatArray, IntArray, BoxArray, BoxArray]
# the K boxes that have a track, frame by frame: (F + 1,) where each frame's begin; (3, K) row in the frame, track id,
# state; (K, 4) corners; (K,) confidence; (K,) certainty of the match
Found = tuple[IntArray, IntArray, BoxArray, BoxArray, FloatArray]
# (T, 8) mean and (T, 4, 3) covariance of the tracks at the frames' times; the fields of Pairs
Outlook = tuple[FloatArray, FloatArray, IntArray, IntArray, IntArray, FloatArray, FloatArray]


class Limits(NamedTuple):
    """Thresholds of a step, see TrackerConfig.

    Attributes:
        noise: of motion.
        high_score: from which on a box is confident.
        start_score: from which on a box may start a track.
        steady_score: of a track that doubtful boxes are good enough for.
        gate: squared distance beyond which a confident box is not the track's.
        low_score_gate: the same for doubtful ones.
        reach: squared distance within which pairs are looked at.
        accept: cost of a new track.
    """

    noise: Noise
    high_score: float
    start_score: float
    steady_score: float
    gate: float
    low_score_gate: float
    reach: float
    accept: float
    strength_s: float
    duplicate_iou: float
    confirm_s: float
    tentative_lost_s: float
    max_lost_s: float
    appearance_blend: float


LimitValues = tuple[Noise, float, float, float, float, float, float, float, float, float, float, float, float, float]


@njit(cache=True, error_model="numpy")
def look_ahead(columns: Columns, counters: Counters, seen: Seen, limits: LimitValues) -> Outlook:
    """Predict all tracks to the frames of a step, and list the pairs of a track and a box within reach."""
    table, boxes = table_of(columns), _stack(seen, len(counters[1]))
    live = table.order[: counters[0][0]]
    frame, dt = np.empty(len(live), np.int64), np.zeros(len(live))
    for track, row in enumerate(live):
        frame[track] = boxes.frame_of[table.camera[row]]
        if frame[track] >= 0:
            dt[track] = boxes.captured_at[frame[track]] - counters[1][table.camera[row]]
    mean, covariance = predict(table.mean, table.covariance, live, dt, limits[0])
    pairs = find_pairs(frame, mean, covariance, boxes.begin, boxes.measured, limits[0], Limits(*limits).reach)
    return mean, covariance, pairs.begin, pairs.track, pairs.row, pairs.distance, pairs.cost


@njit(cache=True, error_model="numpy")
def due(
    columns: Columns, counters: Counters, seen: Seen, outlook: Outlook, thresholds: tuple[float, float, float, float]
) -> BoolArray:
    """Say which boxes' looks would tell something, and show one person alone, (N,).

    Args:
        columns: of the table.
        counters: of the cameras.
        seen: what they see.
        outlook: from `look_ahead`.
        thresholds: `high_score`, `close_call`, `appearance_max_age_s` and `max_mixed` of TrackerConfig.
    """
    high_score, close_call, max_age_s, max_mixed = thresholds
    table, boxes = table_of(columns), _stack(seen, len(counters[1]))
    live = table.order[: counters[0][0]]
    frame = boxes.frame_of[table.camera[live]]
    old = boxes.captured_at[frame] - table.appearance_at[live] > max_age_s
    wanted = worth_a_look(Pairs(*outlook[2:]), old, len(boxes.xyxy), close_call)
    wanted &= boxes.confidence >= high_score
    hidden = table.state[live] == LOST
    return shows_one(wanted, boxes.frame, boxes.xyxy, frame[hidden], to_corners(outlook[0][hidden]), max_mixed)


@njit(cache=True, error_model="numpy")
def compare(columns: Columns, counters: Counters, outlook: Outlook, looks: VectorArray) -> FloatArray:
    """Return (K,) how alike the track and the box of each pair look; NaN where either was never looked at."""
    table = table_of(columns)
    return cosines(Pairs(*outlook[2:]), table.order[: counters[0][0]], table.appearance, table.appearance_at, looks)


@njit(cache=True, error_model="numpy")
def settle(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    counters: Counters,
    seen: Seen,
    looks: VectorArray,
    outlook: Outlook,
    alike: FloatArray,
    limits: LimitValues,
) -> Found:
    """Give boxes to tracks, end tracks and start new ones, in place.

    Args:
        columns: of the table.
        counters: of the cameras.
        seen: what they see.
        looks: (N, D) appearance of the boxes; zeros where none was taken.
        outlook: from `look_ahead`.
        alike: (K,) squared distance that the looks of each pair speak for it.
        limits: fields of Limits.

    Returns:
        The boxes that have a track.
    """
    limit, pairs, boxes, table = Limits(*limits), Pairs(*outlook[2:]), _stack(seen, len(counters[1])), table_of(columns)
    count = counters[0][0]
    live = table.order[:count]
    steady = np.empty(count, np.bool_)
    for track, row in enumerate(live):
        table.mean[row], table.covariance[row] = outlook[0][track], outlook[1][track]
        steady[track] = table.state[row] != TENTATIVE and table.strength[row] >= limit.steady_score
    cost = pairs.cost - alike - limit.accept
    track_of = associate(pairs, cost, boxes.confidence >= limit.high_score, steady, (limit.gate, limit.low_score_gate))
    certainty = match_certainty(pairs, cost, limit.gate, track_of)
    for box, track in enumerate(track_of):
        track_of[box] = live[track] if track >= 0 else -1  # its row in the table, from here on
    correct(table, boxes, looks, track_of, limit.noise, limit.strength_s, limit.appearance_blend)
    fresh = starting(boxes, track_of, limit.start_score, limit.duplicate_iou)
    count = age(table, count, boxes, limit.confirm_s, limit.tentative_lost_s, limit.max_lost_s)
    counters[0][0] = start(table, count, boxes, looks, fresh, track_of, counters[2], limit.noise)
    for frame in range(seen[0]):
        counters[1][seen[1][frame]] = boxes.captured_at[frame]
    return _found(table, boxes, track_of, certainty)


@njit(cache=True, error_model="numpy")
def follow(columns: Columns, counters: Counters, seen: Seen, looks: VectorArray, limits: LimitValues) -> Found:
    """Look ahead and settle, where looks are not weighed."""
    outlook = look_ahead(columns, counters, seen, limits)
    return settle(columns, counters, seen, looks, outlook, np.zeros(len(outlook[3])), limits)


@njit(cache=True, error_model="numpy")
def _stack(seen: Seen, cameras: int) -> Boxes:
    frames, camera, captured_at, begin, xyxy, confidence = seen
    frame_of, frame = np.full(cameras, -1), np.empty(len(xyxy), np.int64)
    for f in range(frames):
        frame_of[camera[f]] = f
        for row in range(begin[f], begin[f + 1]):
            frame[row] = f
    return Boxes(frame_of, captured_at[:frames], begin[: frames + 1], frame, xyxy, to_centre(xyxy), confidence)


@njit(cache=True, error_model="numpy")
def _found(table: TrackTable, boxes: Boxes, track_of: IntArray, certainty: FloatArray) -> Found:
    """Pick the boxes that have a track."""
    count = 0
    for track in track_of:
        count += track >= 0
    begin, whole = np.zeros(len(boxes.begin), np.int64), np.empty((3, count), np.int64)
    xyxy, confidence, sure = np.empty((count, 4), np.float32), np.empty(count, np.float32), np.empty(count)
    k = 0
    for row, track in enumerate(track_of):
        if track < 0:
            continue
        frame = boxes.frame[row]
        whole[0, k], whole[1, k], whole[2, k] = row - boxes.begin[frame], table.track_id[track], table.state[track]
        confidence[k], sure[k] = boxes.confidence[row], certainty[row]
        for side in range(4):
            xyxy[k, side] = boxes.xyxy[row, side]
        k += 1
        begin[frame + 1] = k
    for frame in range(1, len(begin)):
        begin[frame] = max(begin[frame], begin[frame - 1])
    return begin, whole, xyxy, confidence, sure
