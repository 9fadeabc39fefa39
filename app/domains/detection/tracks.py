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


def no_tracks(dimension: int) -> TrackTable:
    """Return a table without rows."""
    whole, real = np.empty(0, np.int64), np.empty(0)
    appearance = np.empty((0, dimension), np.float32)
    return TrackTable(whole, whole, whole, np.empty((0, 8)), np.empty((0, 4, 3)), real, real, real, appearance, real)


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
    rows = np.flatnonzero(track_of >= 0)
    tracks = track_of[rows]
    mean, covariance = update(table.mean[tracks], table.covariance[tracks], boxes.measured[rows], noise)
    for i in range(len(rows)):
        row, track = rows[i], tracks[i]
        now = boxes.captured_at[boxes.frame[row]]
        table.mean[track], table.covariance[track] = mean[i], covariance[i]
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
def renew(  # noqa: PLR0913 - compiled functions take plain arrays
    table: TrackTable,
    alive: BoolArray,
    boxes: Boxes,
    looks: VectorArray,
    track_of: IntArray,
    fresh: BoolArray,
    next_id: IntArray,
    noise: Noise,
) -> tuple[TrackTable, IntArray]:
    """Leave out the dead and take in the new ones.

    Args:
        table: T tracks.
        alive: (T,) which go on.
        boxes: N of them.
        looks: (N, D) their appearance.
        track_of: (N,) the row of the table that each belongs to, -1 for none.
        fresh: (N,) which of them start a track.
        next_id: (C,) the next free id of each camera; counted on in place.
        noise: of motion.

    Returns:
        The new table, and the row of it that each box belongs to now, (N,), -1 for none.
    """
    moved_to, row_of = np.full(len(alive), -1, np.int64), np.full(len(fresh), -1, np.int64)
    size = alive.sum() + fresh.sum()
    camera, track_id, state = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    mean, covariance = np.empty((size, 8)), np.empty((size, 4, 3))
    born, seen, strength, appearance_at = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    appearance = np.empty((size, table.appearance.shape[1]), np.float32)
    count, old = 0, 0
    for number in range(len(next_id)):
        while old < len(alive) and table.camera[old] == number:
            if alive[old]:
                camera[count], track_id[count], state[count] = number, table.track_id[old], table.state[old]
                mean[count], covariance[count] = table.mean[old], table.covariance[old]
                born[count], seen[count], strength[count] = table.born[old], table.seen[old], table.strength[old]
                appearance[count], appearance_at[count] = table.appearance[old], table.appearance_at[old]
                moved_to[old] = count
                count += 1
            old += 1
        frame = boxes.frame_of[number]
        if frame < 0:
            continue
        now = boxes.captured_at[frame]
        for row in range(boxes.begin[frame], boxes.begin[frame + 1]):
            if not fresh[row]:
                continue
            camera[count], track_id[count], state[count] = number, next_id[number], TENTATIVE
            one_mean, one_covariance = initiate(boxes.measured[row : row + 1], noise)
            mean[count], covariance[count] = one_mean[0], one_covariance[0]
            born[count], seen[count], strength[count] = now, now, boxes.confidence[row]
            appearance[count], appearance_at[count] = looks[row], now if looks[row].any() else -np.inf
            row_of[row] = count
            next_id[number] += 1
            count += 1
    for held in np.flatnonzero(track_of >= 0):
        row_of[held] = moved_to[track_of[held]]
    table = TrackTable(camera, track_id, state, mean, covariance, born, seen, strength, appearance, appearance_at)
    return table, row_of
