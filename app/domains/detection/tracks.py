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


class TrackTable(NamedTuple):
    """T live tracks, those of the first camera first, and each camera's in the order of their birth.

    Attributes:
        camera: (T,) int64.
        track_id: (T,) int64.
        state: (T,) int64 of TrackState.
        mean: (T, 8), see motion.
        covariance: (T, 4, 3).
        born: (T,) seconds.
        seen: (T,) seconds, when it last had a box.
        strength: (T,) average of its boxes' confidence.
        appearance: (T, D) float32 unit vectors.
        appearance_at: (T,) seconds; -inf where none was ever taken.
    """

    camera: IntArray
    track_id: IntArray
    state: IntArray
    mean: FloatArray
    covariance: FloatArray
    born: FloatArray
    seen: FloatArray
    strength: FloatArray
    appearance: VectorArray
    appearance_at: FloatArray


def room_for(tracks: int, dimension: int) -> TrackTable:
    """Return a table with room for so many tracks."""
    camera, track_id, state = np.zeros((3, tracks), np.int64)
    born, seen, strength, appearance_at = np.zeros((4, tracks))
    mean, covariance = np.zeros((tracks, 8)), np.zeros((tracks, 4, 3))
    appearance = np.zeros((tracks, dimension), np.float32)
    return TrackTable(camera, track_id, state, mean, covariance, born, seen, strength, appearance, appearance_at)


@njit(cache=True, error_model="numpy")
def first_rows(table: TrackTable, tracks: int) -> TrackTable:
    """Return the first rows of a table, as views."""
    return TrackTable(
        table.camera[:tracks],
        table.track_id[:tracks],
        table.state[:tracks],
        table.mean[:tracks],
        table.covariance[:tracks],
        table.born[:tracks],
        table.seen[:tracks],
        table.strength[:tracks],
        table.appearance[:tracks],
        table.appearance_at[:tracks],
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
def age(table: TrackTable, boxes: Boxes, confirm_s: float, tentative_lost_s: float, max_lost_s: float) -> BoolArray:
    """Set the state of the tracks of cameras that have a frame, in place; returns which tracks live on, (T,)."""
    alive = np.ones(len(table.state), np.bool_)
    for track in range(len(alive)):
        frame = boxes.frame_of[table.camera[track]]
        if frame < 0:
            continue
        now = boxes.captured_at[frame]
        unseen = now - table.seen[track]
        if table.state[track] == TENTATIVE and (unseen > 0.0 or now - table.born[track] < confirm_s):
            alive[track] = unseen <= tentative_lost_s
            continue
        alive[track] = unseen <= max_lost_s
        table.state[track] = CONFIRMED if unseen == 0.0 else LOST
    return alive


@njit(cache=True, error_model="numpy")
def remove(table: TrackTable, alive: BoolArray, track_of: IntArray) -> int:
    """Close the gaps that the dead leave, in place.

    Args:
        table: T tracks.
        alive: (T,) which go on; those that have a box do.
        track_of: (N,) row of the table that each box belongs to, -1 for none; follows, in place.

    Returns:
        How many go on.
    """
    if alive.all():
        return len(alive)
    moved_to = np.empty(len(alive), np.int64)
    count = 0
    for track in range(len(alive)):
        moved_to[track] = count
        if alive[track]:
            _move(table, track, count)
            count += 1
    for row in range(len(track_of)):
        if track_of[row] >= 0:
            track_of[row] = moved_to[track_of[row]]
    return count


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
        table: with room for the new ones behind its tracks.
        count: how many tracks it holds.
        boxes: N of them.
        looks: (N, D) their appearance.
        fresh: (N,) which of them start a track.
        track_of: (N,) row of the table that each box belongs to, -1 for none; follows, in place.
        next_id: (C,) the next free id of each camera; counted on in place.
        noise: of motion.

    Returns:
        How many tracks there are now.
    """
    if not fresh.any():
        return count
    total = count + int(fresh.sum())
    moved_to = np.arange(count)
    to, old = total, count
    for camera in range(len(next_id) - 1, -1, -1):  # from behind, so that every track moves before its row is taken
        if to == old:
            break
        frame = boxes.frame_of[camera]
        first, last = (boxes.begin[frame], boxes.begin[frame + 1]) if frame >= 0 else (0, 0)
        next_id[camera] += fresh[first:last].sum()
        born = 0
        for row in range(last - 1, first - 1, -1):
            if fresh[row]:
                born += 1
                to -= 1
                _start_one(table, to, boxes, row, looks[row], noise)
                table.camera[to], table.track_id[to] = camera, next_id[camera] - born
                track_of[row] = to
        while old > 0 and table.camera[old - 1] == camera:
            old -= 1
            to -= 1
            moved_to[old] = to
            _move(table, old, to)
    for row in range(len(track_of)):
        if track_of[row] >= 0 and not fresh[row]:
            track_of[row] = moved_to[track_of[row]]
    return total


@njit(cache=True, error_model="numpy")
def _start_one(table: TrackTable, track: int, boxes: Boxes, row: int, look: VectorArray, noise: Noise) -> None:
    """Fill a row of the table, but for camera and id, with the track that a box starts."""
    now = boxes.captured_at[boxes.frame[row]]
    mean, covariance = initiate(boxes.measured[row : row + 1], noise)
    table.mean[track], table.covariance[track] = mean[0], covariance[0]
    table.state[track], table.strength[track] = TENTATIVE, boxes.confidence[row]
    table.born[track], table.seen[track] = now, now
    table.appearance[track], table.appearance_at[track] = look, now if look.any() else -np.inf


@njit(cache=True, error_model="numpy")
def _move(table: TrackTable, track: int, to: int) -> None:
    """Copy a row of the table over another one."""
    table.camera[to], table.track_id[to], table.state[to] = (
        table.camera[track],
        table.track_id[track],
        table.state[track],
    )
    table.mean[to], table.covariance[to] = table.mean[track], table.covariance[track]
    table.born[to], table.seen[to], table.strength[to] = table.born[track], table.seen[track], table.strength[track]
    table.appearance[to], table.appearance_at[to] = table.appearance[track], table.appearance_at[track]
