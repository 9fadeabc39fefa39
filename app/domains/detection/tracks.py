"""The live tracks of all cameras as one table, and how a step changes it. Compiled with numba.

Knows how tracks begin, go on and end; not which box is whose.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.detection.association import iou
from app.domains.detection.motion import Noise, initiate, update
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray, TrackState, VectorArray

TENTATIVE, CONFIRMED, LOST = int(TrackState.TENTATIVE), int(TrackState.CONFIRMED), int(TrackState.LOST)


class Boxes(NamedTuple):
    """The boxes of one step's F frames, N in all, frame by frame.

    Attributes:
        frame_of: (C,) int64, each camera's frame, -1 where it has none.
        captured_at: (F,) seconds.
        begin: (F + 1,) int64, where each frame's boxes begin.
        frame: (N,) int64.
        xyxy: (N, 4) float32, pixels.
        measured: (N, 4) centre x, centre y, width, height.
        confidence: (N,) float32.
    """

    frame_of: IntArray
    captured_at: FloatArray
    begin: IntArray
    frame: IntArray
    xyxy: BoxArray
    measured: FloatArray
    confidence: BoxArray


# what numba is given of a TrackTable: (4, R) int64 order, camera, track id, state; (4, R) born, seen, strength,
# appearance_at; (R, 8) mean; (R, 4, 3) covariance; (R, D) appearance
Columns = tuple[IntArray, FloatArray, FloatArray, FloatArray, VectorArray]


class TrackTable(NamedTuple):
    """Room for R tracks, each of which keeps its row for life.

    Attributes:
        order: (R,) int64, the rows of the live tracks, those of the first camera first, and each camera's in the order
            of their birth; behind them the rows that are free.
        camera: (R,) int64.
        track_id: (R,) int64.
        state: (R,) int64 of TrackState.
        born: (R,) seconds.
        seen: (R,) seconds, when it last had a box.
        strength: (R,) average of its boxes' confidence.
        appearance_at: (R,) seconds; -inf where none was ever taken.
        mean: (R, 8), see motion.
        covariance: (R, 4, 3).
        appearance: (R, D) float32 unit vectors.
    """

    order: IntArray
    camera: IntArray
    track_id: IntArray
    state: IntArray
    born: FloatArray
    seen: FloatArray
    strength: FloatArray
    appearance_at: FloatArray
    mean: FloatArray
    covariance: FloatArray
    appearance: VectorArray


def room_for(tracks: int, dimension: int) -> Columns:
    """Return an empty table with room for so many tracks."""
    whole = np.zeros((4, tracks), np.int64)
    whole[0] = np.arange(tracks)
    mean, covariance = np.zeros((tracks, 8)), np.zeros((tracks, 4, 3))
    return whole, np.zeros((4, tracks)), mean, covariance, np.zeros((tracks, dimension), np.float32)


def moved(columns: Columns, tracks: int, dimension: int) -> Columns:
    """Return a larger table with the same tracks; what they looked like is forgotten if its length changes."""
    new, rows = room_for(tracks, dimension), columns[0].shape[1]
    new[0][:, :rows], new[1][:, :rows] = columns[0], columns[1]
    new[2][:rows], new[3][:rows] = columns[2], columns[3]
    if columns[4].shape[1] == dimension:
        new[4][:rows] = columns[4]
    else:
        new[1][3] = -np.inf
    return new


@njit(cache=True, error_model="numpy")
def table_of(columns: Columns) -> TrackTable:
    """Return the table of these columns."""
    whole, real, mean, covariance, appearance = columns
    return TrackTable(
        whole[0], whole[1], whole[2], whole[3], real[0], real[1], real[2], real[3], mean, covariance, appearance
    )


@njit(cache=True, error_model="numpy")
def correct(  # noqa: PLR0913 - compiled functions take plain arrays
    table: TrackTable,
    boxes: Boxes,
    looks: VectorArray,
    track_of: IntArray,
    noise: Noise,
    strength_s: float,
    blend: float,
) -> None:
    """Give the tracks their boxes, in place.

    Args:
        table: predicted to the boxes' times.
        boxes: N of them.
        looks: (N, D) appearance, zeros where none was taken.
        track_of: (N,) row of the table, -1 for none.
        noise: of motion.
        strength_s: seconds over which confidence is averaged.
        blend: share of the old appearance that is kept.
    """
    update(table.mean, table.covariance, track_of, boxes.measured, noise)
    for row in range(len(track_of)):
        track = track_of[row]
        if track < 0:
            continue
        now = boxes.captured_at[boxes.frame[row]]
        keep = np.exp((table.seen[track] - now) / strength_s)
        table.strength[track] = keep * table.strength[track] + (1.0 - keep) * boxes.confidence[row]
        table.seen[track] = now
        if not looks[row].any():
            continue
        if table.appearance_at[track] == -np.inf:
            table.appearance[track] = looks[row]
        else:
            table.appearance[track] = blend * table.appearance[track] + (1.0 - blend) * looks[row]
        norm = np.sqrt((table.appearance[track] ** 2).sum())
        table.appearance[track] /= max(norm, 1e-12)
        table.appearance_at[track] = now


@njit(cache=True, error_model="numpy")
def starting(boxes: Boxes, track_of: IntArray, least_score: float, duplicate_iou: float) -> BoolArray:
    """Say which boxes start a track, (N,): confident, taken by none, and no duplicate of one that is taken."""
    fresh = np.zeros(len(track_of), np.bool_)
    for frame in range(len(boxes.captured_at)):
        first, last = boxes.begin[frame], boxes.begin[frame + 1]
        for row in range(first, last):
            if track_of[row] >= 0 or boxes.confidence[row] < least_score:
                continue
            fresh[row] = True
            for other in range(first, last):
                if track_of[other] >= 0 and iou(boxes.xyxy[row], boxes.xyxy[other]) >= duplicate_iou:
                    fresh[row] = False
                    break
    return fresh


@njit(cache=True, error_model="numpy")
def age(
    table: TrackTable, count: int, boxes: Boxes, confirm_s: float, tentative_lost_s: float, max_lost_s: float
) -> int:
    """Set the state of the `count` tracks, where their camera has a frame, and let go of the old, in place.

    Returns:
        How many go on; those that have a box do.
    """
    gone = np.empty(count, np.int64)
    alive = 0
    for position in range(count):
        track = table.order[position]
        frame, lives = boxes.frame_of[table.camera[track]], True
        if frame >= 0:
            now = boxes.captured_at[frame]
            unseen = now - table.seen[track]
            if table.state[track] == TENTATIVE and (unseen > 0.0 or now - table.born[track] < confirm_s):
                lives = unseen <= tentative_lost_s
            else:
                lives = unseen <= max_lost_s
                table.state[track] = CONFIRMED if unseen == 0.0 else LOST
        if lives:
            table.order[alive] = track
            alive += 1
        else:
            gone[position - alive] = track
    table.order[alive:count] = gone[: count - alive]
    return alive


@njit(cache=True, error_model="numpy")
def start(  # noqa: PLR0913 - compiled functions take plain arrays
    table: TrackTable,
    count: int,
    boxes: Boxes,
    looks: VectorArray,
    fresh: BoolArray,
    track_of: IntArray,
    next_id: IntArray,
    noise: Noise,
) -> int:
    """Start tracks, each behind those of its camera, in place.

    Args:
        table: with room for the new ones.
        count: how many tracks it holds.
        boxes: N of them.
        looks: (N, D) their appearance.
        fresh: (N,) which of them start a track.
        track_of: (N,) row of the table that each box belongs to, -1 for none; filled in, in place.
        next_id: (C,) the next free id of each camera; counted on in place.
        noise: of motion.

    Returns:
        How many tracks there are now.
    """
    born = int(fresh.sum())
    if not born:
        return count
    rows = table.order[count : count + born].copy()
    to, old, used = count + born, count, born
    for camera in range(len(next_id) - 1, -1, -1):  # from behind, so that nothing is overwritten before it has moved
        if not used:
            break
        frame = boxes.frame_of[camera]
        first, last = (boxes.begin[frame], boxes.begin[frame + 1]) if frame >= 0 else (0, 0)
        next_id[camera] += fresh[first:last].sum()
        track_id = next_id[camera]
        for row in range(last - 1, first - 1, -1):
            if fresh[row]:
                used, to, track_id = used - 1, to - 1, track_id - 1
                track = rows[used]
                _start_one(table, track, boxes, row, looks[row], noise)
                table.camera[track], table.track_id[track] = camera, track_id
                table.order[to], track_of[row] = track, track
        while old > 0 and table.camera[table.order[old - 1]] == camera:
            old, to = old - 1, to - 1
            table.order[to] = table.order[old]
    return count + born


@njit(cache=True, error_model="numpy")
def _start_one(table: TrackTable, track: int, boxes: Boxes, row: int, look: VectorArray, noise: Noise) -> None:
    """Fill a row of the table, but for camera and id, with the track that a box starts."""
    now = boxes.captured_at[boxes.frame[row]]
    mean, covariance = initiate(boxes.measured[row : row + 1], noise)
    table.mean[track], table.covariance[track] = mean[0], covariance[0]
    table.state[track], table.strength[track] = TENTATIVE, boxes.confidence[row]
    table.born[track], table.seen[track] = now, now
    table.appearance[track], table.appearance_at[track] = look, now if look.any() else -np.inf
