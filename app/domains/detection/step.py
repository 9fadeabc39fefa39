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
    TrackTable,
    age,
    correct,
    first_rows,
    remove,
    start,
    starting,
)
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray, VectorArray

# the columns of a TrackTable, with room for one track more for each box
Columns = tuple[
    IntArray, IntArray, IntArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, VectorArray, FloatArray
]
# all of them change in place: (1,) tracks in the table; (C,) seconds of each camera's last frame; (C,) its next free id
Counters = tuple[IntArray, FloatArray, IntArray]
# (F,) camera of each frame; (F,) captured_at; (F + 1,) where its boxes begin; (N, 4) corners; (N,) confidence
Seen = tuple[IntArray, FloatArray, IntArray, BoxArray, BoxArray]
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


class Found(NamedTuple):
    """The K boxes that have a track, frame by frame and in the order of rows.

    Attributes:
        begin: (F + 1,) int64, where each frame's begin.
        row: (K,) int64, row in the frame.
        track_id: (K,) int64.
        state: (K,) int64 of TrackState.
        xyxy: (K, 4) float32.
        confidence: (K,) float32.
        appearance: (K, D) float32.
        certainty: (K,).
    """

    begin: IntArray
    row: IntArray
    track_id: IntArray
    state: IntArray
    xyxy: BoxArray
    confidence: BoxArray
    appearance: VectorArray
    certainty: FloatArray


FoundColumns = tuple[IntArray, IntArray, IntArray, IntArray, BoxArray, BoxArray, VectorArray, FloatArray]
LimitValues = tuple[Noise, float, float, float, float, float, float, float, float, float, float, float, float, float]


@njit(cache=True, error_model="numpy")
def look_ahead(columns: Columns, counters: Counters, seen: Seen, limits: LimitValues) -> Outlook:
    """Predict all tracks to the frames of a step, and list the pairs of a track and a box within reach."""
    table, boxes = first_rows(TrackTable(*columns), counters[0][0]), _stack(seen, len(counters[1]))
    frame = boxes.frame_of[table.camera]
    dt = np.zeros(len(frame))
    for track in range(len(frame)):
        if frame[track] >= 0:
            dt[track] = boxes.captured_at[frame[track]] - counters[1][table.camera[track]]
    mean, covariance = predict(table.mean, table.covariance, dt, limits[0])
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
    table, boxes = first_rows(TrackTable(*columns), counters[0][0]), _stack(seen, len(counters[1]))
    frame = boxes.frame_of[table.camera]
    old = boxes.captured_at[frame] - table.appearance_at > max_age_s
    wanted = worth_a_look(Pairs(*outlook[2:]), old, len(boxes.xyxy), close_call)
    wanted &= boxes.confidence >= high_score
    hidden = table.state == LOST
    return shows_one(wanted, boxes.frame, boxes.xyxy, frame[hidden], to_corners(outlook[0][hidden]), max_mixed)


@njit(cache=True, error_model="numpy")
def compare(columns: Columns, outlook: Outlook, looks: VectorArray) -> FloatArray:
    """Return (K,) how alike the track and the box of each pair look; NaN where either was never looked at."""
    table = TrackTable(*columns)
    return cosines(Pairs(*outlook[2:]), table.appearance, table.appearance_at, looks)


@njit(cache=True, error_model="numpy")
def settle(  # noqa: PLR0913 - compiled functions take plain arrays
    columns: Columns,
    counters: Counters,
    seen: Seen,
    looks: VectorArray,
    outlook: Outlook,
    alike: FloatArray,
    limits: LimitValues,
) -> FoundColumns:
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
        The columns of Found.
    """
    limit, pairs, boxes = Limits(*limits), Pairs(*outlook[2:]), _stack(seen, len(counters[1]))
    whole = TrackTable(*columns)
    table = first_rows(whole, counters[0][0])
    table.mean[:], table.covariance[:] = outlook[0], outlook[1]
    cost = pairs.cost - alike - limit.accept
    steady = (table.state != TENTATIVE) & (table.strength >= limit.steady_score)
    track_of = associate(pairs, cost, boxes.confidence >= limit.high_score, steady, (limit.gate, limit.low_score_gate))
    certainty = match_certainty(pairs, cost, limit.gate, track_of)
    correct(table, boxes, looks, track_of, limit.noise, limit.strength_s, limit.appearance_blend)
    fresh = starting(boxes, track_of, limit.start_score, limit.duplicate_iou)
    alive = age(table, boxes, limit.confirm_s, limit.tentative_lost_s, limit.max_lost_s)
    count = remove(table, alive, track_of)
    counters[0][0] = start(whole, count, boxes, looks, fresh, track_of, counters[2], limit.noise)
    for frame in range(len(seen[0])):
        counters[1][seen[0][frame]] = boxes.captured_at[frame]
    return _found(whole, boxes, looks, track_of, certainty)


@njit(cache=True, error_model="numpy")
def follow(columns: Columns, counters: Counters, seen: Seen, looks: VectorArray, limits: LimitValues) -> FoundColumns:
    """Look ahead and settle, where looks are not weighed."""
    outlook = look_ahead(columns, counters, seen, limits)
    return settle(columns, counters, seen, looks, outlook, np.zeros(len(outlook[3])), limits)


@njit(cache=True, error_model="numpy")
def _stack(seen: Seen, cameras: int) -> Boxes:
    camera, captured_at, begin, xyxy, confidence = seen
    frame_of, frame = np.full(cameras, -1), np.empty(len(xyxy), np.int64)
    for f in range(len(camera)):
        frame_of[camera[f]] = f
        frame[begin[f] : begin[f + 1]] = f
    return Boxes(frame_of, captured_at, begin, frame, xyxy, to_centre(xyxy), confidence)


@njit(cache=True, error_model="numpy")
def _found(
    table: TrackTable, boxes: Boxes, looks: VectorArray, track_of: IntArray, certainty: FloatArray
) -> FoundColumns:
    """Pick the boxes that have a track."""
    rows = np.flatnonzero(track_of >= 0)
    begin = np.searchsorted(rows, boxes.begin)
    row, track_id, state = np.empty_like(rows), np.empty_like(rows), np.empty_like(rows)
    xyxy, confidence = np.empty((len(rows), 4), np.float32), np.empty(len(rows), np.float32)
    appearance, sure = np.empty((len(rows), looks.shape[1]), np.float32), np.empty(len(rows))
    for k, box in enumerate(rows):
        row[k] = box - boxes.begin[boxes.frame[box]]
        track_id[k], state[k] = table.track_id[track_of[box]], table.state[track_of[box]]
        xyxy[k], confidence[k], appearance[k] = boxes.xyxy[box], boxes.confidence[box], looks[box]
        sure[k] = certainty[box]
    return begin, row, track_id, state, xyxy, confidence, appearance, sure
