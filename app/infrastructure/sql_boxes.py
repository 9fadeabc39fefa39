"""The boxes of a batch of updates, all cameras' one below the other, and what rows they make. Knows no database.

A site has hundreds of frames a second with a few boxes each: what is computed for all of them at once costs a fraction
of what it costs frame by frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import (
    NO_ID,
    BoolArray,
    BoxArray,
    CameraId,
    FloatArray,
    IntArray,
    TrackingUpdate,
    TrackState,
)
from app.infrastructure.result_files import largest_sigma
from app.infrastructure.sql_batch import APPEARANCES, LOAD, POINTS, SEEN, VISIT_GAP_S, Columns

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class BatchBoxes:
    """N boxes of F frames of some updates, in order of the updates.

    Attributes:
        frame_at: (F,) capture time of each frame, as the database keeps it.
        frame_camera: (F,) the database's id of its camera.
        frame: (N,) of each box.
        updated_at: (N,) capture time of the update that has the box.
        person: (N,) NO_ID for nobody.
        track: (N,) the camera's own id.
        state: (N,) of the track, a TrackState.
        detected: (N,) whether the detector gave the box, rather than the history.
        xyxy: (N, 4) pixels.
        confidence: (N,) of the detector.
        certainty: (N,) of the person.
        xy: (N, 2) metres; NaN where the box has no floor point.
        covariance: (N, 2, 2) square metres.
    """

    frame_at: FloatArray
    frame_camera: IntArray
    frame: IntArray
    updated_at: FloatArray
    person: IntArray
    track: IntArray
    state: IntArray
    detected: BoolArray
    xyxy: BoxArray
    confidence: BoxArray
    certainty: FloatArray
    xy: FloatArray
    covariance: FloatArray

    def points(self, run_id: int) -> Columns:
        """Return a row for each box that somebody has been seen in, or whose track is no mere attempt."""
        kept = np.flatnonzero((self.person != NO_ID) | (self.state != TrackState.TENTATIVE))
        frame, xy = self.frame[kept], self.xy[kept]
        sigma = np.full(len(kept), np.nan)
        placed = ~np.isnan(xy[:, 0])
        sigma[placed] = largest_sigma(self.covariance[kept][placed])
        whose = self.frame_at[frame], np.full(len(kept), run_id), self.frame_camera[frame], self.track[kept]
        per_box = self.person[kept], *self.xyxy[kept].T, self.confidence[kept], self.certainty[kept], *xy.T, sigma
        columns = zip(POINTS.items(), (*whose, *per_box), strict=True)
        return {name: column.astype(empty.dtype) for (name, empty), column in columns}

    def seen(self, updates: Sequence[TrackingUpdate]) -> Columns:
        """Return for each person of the updates, dots included, the capture times of the first and the last."""
        dots = [update.floor.global_id for update in updates]
        person = np.concatenate([self.person, *dots])
        at = np.concatenate([self.updated_at, np.repeat([u.captured_at for u in updates], list(map(len, dots)))])
        order, first, people = _grouped(person)
        known, times = people != NO_ID, at[order]
        if not len(people):
            return SEEN
        rows = people, np.minimum.reduceat(times, first), np.maximum.reduceat(times, first)
        return {name: column[known] for name, column in zip(SEEN, rows, strict=True)}

    def load(self) -> Columns:
        """Return the frames, detected boxes and their confidence by camera and minute."""
        frames = len(self.frame_at)
        boxes = np.bincount(self.frame[self.detected], minlength=frames)
        confidence = np.bincount(self.frame[self.detected], self.confidence[self.detected], minlength=frames)
        minute = self.frame_at - self.frame_at % MINUTE_S
        keys, of = np.unique(np.stack([self.frame_camera, minute], axis=1), axis=0, return_inverse=True)
        sums = (np.bincount(of.ravel(), each, len(keys)) for each in (np.ones(frames), boxes, confidence))
        columns = zip(LOAD.items(), (*keys.T, *sums), strict=True)
        return {name: column.astype(empty.dtype) for (name, empty), column in columns}


def stack(updates: Sequence[TrackingUpdate], cameras: Mapping[CameraId, int]) -> BatchBoxes:
    """Put the boxes of updates one below the other.

    Args:
        updates: in order of time.
        cameras: the database's ids of the site's cameras.
    """
    frames = [(update.captured_at, sightings) for update in updates for sightings in update.sightings]
    counts = [len(sightings) for _, sightings in frames]
    floor = [sightings.floor for _, sightings in frames]
    xy = _joined([f.xy for f in floor], (0, 2), np.float64)
    xy[~_joined([f.valid for f in floor], (0,), np.bool_)] = np.nan
    tracks = [sightings.tracks for _, sightings in frames]
    return BatchBoxes(
        frame_at=np.array([moment(t.captured_at) for t in tracks], np.float64),
        frame_camera=np.array([cameras[t.camera_id] for t in tracks], np.int64),
        frame=np.repeat(np.arange(len(frames)), counts),
        updated_at=np.repeat(np.array([at for at, _ in frames], np.float64), counts),
        person=_joined([sightings.global_id for _, sightings in frames], (0,), np.int64),
        track=_joined([t.track_id for t in tracks], (0,), np.int64),
        state=_joined([t.state for t in tracks], (0,), np.int64),
        detected=_joined([t.row for t in tracks], (0,), np.int64) != NO_ID,
        xyxy=_joined([t.xyxy for t in tracks], (0, 4), np.float32),
        confidence=_joined([t.confidence for t in tracks], (0,), np.float32),
        certainty=_joined([sightings.certainty for _, sightings in frames], (0,), np.float64),
        xy=xy,
        covariance=_joined([f.covariance for f in floor], (0, 2, 2), np.float64),
    )


class Visits:
    """When each camera saw each person, from one instant to another without a longer gap; remembers which go on.

    A camera's frames come in order of time.
    """

    def __init__(self) -> None:
        self._camera, self._person = np.empty(0, np.int64), np.empty(0, np.int64)
        self._begun, self._ended = np.empty(0), np.empty(0)

    def lengthen(self, boxes: BatchBoxes, until: float) -> Columns:
        """Take in boxes, and return the visits that began or went on.

        Args:
            boxes: what was seen.
            until: capture time; visits that ended long before it do not go on.
        """
        named = np.flatnonzero(boxes.person != NO_ID)
        frame = boxes.frame[named]
        camera = np.concatenate([self._camera, boxes.frame_camera[frame]])
        person = np.concatenate([self._person, boxes.person[named]])
        begun = np.concatenate([self._begun, boxes.frame_at[frame]])
        ended = np.concatenate([self._ended, boxes.frame_at[frame]])
        order = np.lexsort((person, camera))  # which keeps the order of time
        camera, person, begun, ended = camera[order], person[order], begun[order], ended[order]
        other = (np.diff(camera, prepend=-1) != 0) | (np.diff(person, prepend=NO_ID) != 0)
        gap = begun - np.concatenate([begun[:1], ended[:-1]]) > VISIT_GAP_S
        first = np.flatnonzero(other | gap)
        last = np.append(first, len(order))[1:] - 1
        camera, person, begun, ended = camera[last], person[last], begun[first], ended[last]
        touched = np.logical_or.reduceat(order >= len(self._camera), first) if len(first) else first > 0
        on = until - ended <= VISIT_GAP_S
        self._camera, self._person, self._begun, self._ended = camera[on], person[on], begun[on], ended[on]
        columns = person, camera, begun, ended
        return {name: column[touched] for name, column in zip(APPEARANCES, columns, strict=True)}


def moment(captured_at: float) -> float:
    """Return a capture time as the database keeps it: to the microsecond, so that it compares alike everywhere."""
    return round(captured_at, 6)


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """Return the parts one behind the other in a type of their own, of the shape of `empty` without any."""
    return np.concatenate([np.empty(empty, dtype), *parts]).astype(dtype, copy=False)


def _grouped(keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return an order (N,) in which equal keys stand together, where each group begins in it, and the groups' keys."""
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.diff(keys[order], prepend=keys[order][:1] - 1))
    return order, first, keys[order][first]
