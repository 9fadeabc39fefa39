"""The live tracks of all cameras as one table, and how a step changes it. Compiled with numba.

Knows how tracks begin, go on and end; not which box is whose.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from app.domains.assignment import in_place
from app.domains.detection.association import iou
from app.domains.detection.motion import Noise, initiate, update
from app.domains.vocabulary import BoxArray, FloatArray, IntArray, TrackState, VectorArray

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


@in_place
def correct(table: TrackTable, boxes: Boxes, track_of: IntArray, noise: Noise, strength_s: float) -> None:
    """Give the tracks their boxes, in place.

    Args:
        table: predicted to the boxes' times.
        boxes: N of them.
        track_of: (N,) row of the table, -1 for none.
        noise: of motion.
        strength_s: seconds over which confidence is averaged.
    """
    update(table.mean, table.covariance, track_of, boxes.measured, noise)
    unseen, keep = 0.0, 1.0
    for row in range(len(track_of)):
        track = track_of[row]
        if track < 0:
            continue
        now = boxes.captured_at[boxes.frame[row]]
        if table.seen[track] - now != unseen:  # most were seen a frame ago, all of them
            unseen = table.seen[track] - now
            keep = np.exp(unseen / strength_s)
        table.strength[track] = keep * table.strength[track] + (1.0 - keep) * boxes.confidence[row]
        table.seen[track] = now


@njit(cache=True, error_model="numpy")
def remember(
    times: tuple[FloatArray, FloatArray, FloatArray],
    appearance: VectorArray,
    looks: VectorArray,
    track_of: IntArray,
    blend: float,
) -> None:
    """Keep what the tracks that have a box look like, in place.

    Args:
        times: the table's born, seen and appearance_at.
        appearance: (R, D) unit vectors of the tracks.
        looks: (N, D) of the boxes, zeros where none was taken.
        track_of: (N,) row of the table, -1 for none.
        blend: share of the old appearance that is kept.
    """
    born, seen, appearance_at = times
    for row in range(len(track_of)):
        track = track_of[row]
        if track < 0 or not looks[row].any():
            continue
        if appearance_at[track] == -np.inf:
            appearance[track] = looks[row]
        else:
            appearance[track] = blend * appearance[track] + (1.0 - blend) * looks[row]
        if born[track] < seen[track]:
            norm = np.sqrt((appearance[track] ** 2).sum())
            appearance[track] /= max(norm, 1e-12)
        appearance_at[track] = seen[track]


@in_place
def starting(boxes: Boxes, track_of: IntArray, least_score: float, duplicate_iou: float, fresh: IntArray) -> int:
    """Find the boxes that start a track: confident, taken by none, and no duplicate of one that is taken.

    Args:
        boxes: N of them.
        track_of: (N,) the track of each, -1 for none.
        least_score: of a confident box.
        duplicate_iou: from which on two boxes are one person's.
        fresh: (N,) int64, whether each starts a track, filled in.

    Returns:
        How many do.
    """
    count = 0
    for frame in range(len(boxes.captured_at)):
        first, last = boxes.begin[frame], boxes.begin[frame + 1]
        for row in range(first, last):
            fresh[row] = track_of[row] < 0 and boxes.confidence[row] >= least_score
            if not fresh[row]:
                continue
            for other in range(first, last):
                if track_of[other] >= 0 and iou(boxes.xyxy[row], boxes.xyxy[other]) >= duplicate_iou:
                    fresh[row] = 0
                    break
            count += fresh[row]
    return count


@in_place
def age(table: TrackTable, count: int, boxes: Boxes, lasting: tuple[float, float, float], gone: IntArray) -> int:
    """Set the state of the `count` tracks, where their camera has a frame, and let go of the old, in place.

    Args:
        table: of the tracks.
        count: how many it holds.
        boxes: of this step.
        lasting: `confirm_s`, `tentative_lost_s` and `max_lost_s` of TrackerConfig.
        gone: (R,) int64, room for the rows of those that end.

    Returns:
        How many go on; those that have a box do.
    """
    confirm_s, tentative_lost_s, max_lost_s = lasting
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
    for k in range(count - alive):
        table.order[alive + k] = gone[k]
    return alive


@in_place
def start(  # noqa: PLR0913 - compiled functions take plain arrays
    table: TrackTable,
    count: int,
    boxes: Boxes,
    fresh: IntArray,
    born: int,
    track_of: IntArray,
    next_id: IntArray,
    rows: IntArray,
    noise: Noise,
) -> None:
    """Start tracks, each behind those of its camera, in place.

    Args:
        table: with room for the new ones.
        count: how many tracks it holds.
        boxes: N of them.
        fresh: (N,) int64, which of them start a track.
        born: how many do.
        track_of: (N,) row of the table that each box belongs to, -1 for none; filled in, in place.
        next_id: (C,) the next free id of each camera; counted on in place.
        rows: (R,) int64, room for the rows of the new ones.
        noise: of motion.
    """
    if not born:
        return
    for k in range(born):
        rows[k] = table.order[count + k]
    to, old, used = count + born, count, born
    for camera in range(len(next_id) - 1, -1, -1):  # from behind, so that nothing is overwritten before it has moved
        if not used:
            break
        frame = boxes.frame_of[camera]
        first, last = (boxes.begin[frame], boxes.begin[frame + 1]) if frame >= 0 else (0, 0)
        for row in range(first, last):
            next_id[camera] += fresh[row]
        track_id = next_id[camera]
        for row in range(last - 1, first - 1, -1):
            if fresh[row]:
                used, to, track_id = used - 1, to - 1, track_id - 1
                track = rows[used]
                _start_one(table, track, boxes, row, noise)
                table.camera[track], table.track_id[track] = camera, track_id
                table.order[to], track_of[row] = track, track
        while old > 0 and table.camera[table.order[old - 1]] == camera:
            old, to = old - 1, to - 1
            table.order[to] = table.order[old]


@in_place
def _start_one(table: TrackTable, track: int, boxes: Boxes, row: int, noise: Noise) -> None:
    """Fill a row of the table, but for camera and id, with the track that a box starts."""
    now = boxes.captured_at[boxes.frame[row]]
    initiate(table.mean, table.covariance, track, boxes.measured[row], noise)
    table.state[track], table.strength[track] = TENTATIVE, boxes.confidence[row]
    table.born[track], table.seen[track] = now, now
    table.appearance_at[track] = -np.inf
