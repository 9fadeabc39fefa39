"""Tracks people inside each camera. Knows nothing of what other cameras see or of the floor, and of looks only cosines.

Two-stage association (ByteTrack, Zhang et al. 2022): confident boxes first, then doubtful boxes for the tracks that
are left. The cost is the Mahalanobis distance of box centre and size, so that one setting serves 30 frames a second
and 2; appearance is added where it was taken. All limits are seconds.

The cameras never influence each other; their tracks stand in one table because one compiled call for all of them costs
hardly more than one for each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from app.domains.detection.motion import MotionConfig
from app.domains.detection.step import (
    Counters,
    Found,
    Limits,
    LimitValues,
    Outlook,
    Seen,
    compare,
    due,
    follow,
    look_ahead,
    settle,
)
from app.domains.detection.tracks import Columns, moved, room_for
from app.domains.vocabulary import BoolArray, BoxArray, CameraId, Detections, FloatArray, Tracks, VectorArray

Evidence = Callable[[FloatArray], FloatArray]


def no_evidence(cosine: FloatArray) -> FloatArray:
    """Give no cosine any weight."""
    return np.zeros_like(cosine)


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Thresholds of the single-camera tracker."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    high_score: float | None = None  # boxes at or above it are associated first;
    # None: the detector's own, measured where its weights were; 0.5, ByteTrack's, for recorded boxes
    new_margin: float = 0.1  # a box needs so much more to start a track; ByteTrack: 0.1
    gate: float = 25.0  # squared Mahalanobis distance; all but 5e-5 of a chi-square with 4 degrees of freedom
    accept: float = 14.0  # distance plus log-spread from which on a new track explains a box better than an old one
    low_score_gate: float = 12.0  # the gate for doubtful boxes; 98 %
    strength_s: float = 1.0  # time over which a track's score is averaged
    weak_share: float = 0.9  # of high_score; a track whose average is below it gets no doubtful boxes any more
    duplicate_iou: float = 0.7  # a leftover box that covers a tracked one so much starts no track
    confirm_s: float = 0.1  # a track needs this age, and two boxes, to be confirmed
    tentative_lost_s: float = 0.6  # an unconfirmed track without box for longer is dropped; one frame at 2 fps
    max_lost_s: float = 2.0  # a confirmed track without box for longer is dropped
    appearance_weight: float = 2.0  # squared distance that a log-likelihood ratio of 1 is worth; 2 by definition
    max_appearance: float = 12.0  # at most, either way: a look may be deceptive, and a place may not
    close_call: float = 9.0  # cost up to which a track may have a box; a match with a rival below it is worth a look
    max_mixed: float = 0.4  # a crop of which others hide a larger share shows them too; no look is taken
    appearance_max_age_s: float = 2.0  # a track's appearance is renewed when it is older
    appearance_blend: float = 0.8  # share of the old appearance kept at a renewal; DeepSORT keeps 0.9
    motion: MotionConfig = field(default_factory=MotionConfig)

    def limits(self) -> Limits:
        """Return what compiled code asks for."""
        high_score = 0.5 if self.high_score is None else self.high_score
        return Limits(
            noise=self.motion.noise(),
            high_score=high_score,
            start_score=high_score + self.new_margin,
            steady_score=self.weak_share * high_score,
            gate=self.gate,
            low_score_gate=self.low_score_gate,
            reach=max(self.gate, self.low_score_gate, self.close_call),
            accept=self.accept,
            strength_s=self.strength_s,
            duplicate_iou=self.duplicate_iou,
            confirm_s=self.confirm_s,
            tentative_lost_s=self.tentative_lost_s,
            max_lost_s=self.max_lost_s,
            appearance_blend=self.appearance_blend,
        )


class _Asked(NamedTuple):
    """What `due_for_embedding` was asked about, and what it found out, for the update that follows."""

    detections: tuple[Detections, ...]
    seen: Seen
    outlook: Outlook

    def about(self, detections: Sequence[Detections]) -> bool:
        """Say whether these are the very frames."""
        return list(map(id, self.detections)) == list(map(id, detections))


class CameraTrackers:
    """One tracker for each camera of a site.

    Args:
        camera_ids: whose boxes come.
        config: thresholds.
        evidence: what cosines are worth: the log-likelihood ratio of "one person" to "two", same shape, 0 for NaN.
    """

    def __init__(self, camera_ids: Sequence[CameraId], config: TrackerConfig, evidence: Evidence = no_evidence) -> None:
        self.camera_ids = tuple(camera_ids)
        self.config = config
        self._evidence = evidence
        self._index = {camera_id: index for index, camera_id in enumerate(camera_ids)}
        limits = config.limits()
        self._limits: LimitValues = limits[:]
        self._due_thresholds = limits.high_score, config.close_call, config.appearance_max_age_s, config.max_mixed
        cameras = len(camera_ids)
        self._counters: Counters = np.zeros(1, np.int64), np.full(cameras, -np.inf), np.ones(cameras, np.int64)
        self._columns: Columns = room_for(64, 0)
        self._frames = np.empty(cameras, np.int64), np.empty(cameras), np.zeros(cameras + 1, np.int64)
        self._asked: _Asked | None = None

    def __len__(self) -> int:
        return int(self._counters[0][0])

    def due_for_embedding(self, detections: Sequence[Detections]) -> list[BoolArray]:
        """Say which detections of each frame need their appearance taken, (N,) bool each.

        A confident box is due when it may be somebody new, when another track or another box would fit too, or
        when the appearance of its track is old or missing; but never when the crop would show somebody else
        too, because a mixed look poisons what is remembered of both.
        """
        if not detections:
            return []
        seen = self._see(detections)
        outlook = look_ahead(self._columns, self._counters, seen, self._limits)
        self._asked = _Asked(tuple(detections), seen, outlook)
        found = due(self._columns, self._counters, seen, outlook, self._due_thresholds)
        return np.split(found, seen[3][1 : len(detections)])

    def update(self, detections: Sequence[Detections], appearance: Sequence[VectorArray]) -> list[Tracks]:
        """Advance each camera to its frame's time and associate the boxes.

        Args:
            detections: at most one frame a camera, captured no earlier than the camera's frame before.
            appearance: for each frame (N, D) unit vectors; rows of zeros where none was taken.

        Returns:
            For each frame the tracks that have a box in it, ordered by detection row.

        Raises:
            ValueError: time runs backwards, a camera is unknown or comes twice, or the rows do not fit.
        """
        if not detections:
            return []
        asked, self._asked = self._asked, None
        if asked is not None and not asked.about(detections):
            asked = None
        seen = self._see(detections) if asked is None else asked.seen
        looks = _looks(detections, appearance)
        (room, dimension), most = self._columns[4].shape, len(self) + len(looks)
        if room < most or dimension != looks.shape[1]:
            self._columns = moved(self._columns, max(room, 2 * most), looks.shape[1])
        if not looks.shape[1]:
            return _snapshots(detections, appearance, follow(self._columns, self._counters, seen, looks, self._limits))
        outlook = look_ahead(self._columns, self._counters, seen, self._limits) if asked is None else asked.outlook
        ratio = self._evidence(compare(self._columns, self._counters, outlook, looks))
        limit = self.config.max_appearance
        alike = np.minimum(np.maximum(self.config.appearance_weight * ratio, -limit), limit)
        return _snapshots(
            detections, appearance, settle(self._columns, self._counters, seen, looks, outlook, alike, self._limits)
        )

    def _see(self, detections: Sequence[Detections]) -> Seen:
        """Put the frames' boxes one behind the other.

        Raises:
            ValueError: time runs backwards, or a camera is unknown or comes twice.
        """
        cameras, captured_at, begin = self._frames
        last, index = self._counters[1].tolist(), self._index
        refused, boxes = {-1}, 0
        for frame, d in enumerate(detections):
            camera, at = index.get(d.camera_id, -1), d.captured_at
            if camera in refused:
                raise ValueError(f"camera {d.camera_id} is {'unknown' if camera < 0 else 'in the step twice'}")
            if at < last[camera]:
                raise ValueError(f"camera {d.camera_id}: time runs backwards by {last[camera] - at:.3f} s")
            refused.add(camera)
            boxes += len(d.xyxy)
            cameras[frame], captured_at[frame], begin[frame + 1] = camera, at, boxes
        xyxy, confidence = _stack([d.xyxy for d in detections]), _stack([d.confidence for d in detections])
        return len(detections), cameras, captured_at, begin, xyxy, confidence


def _looks(detections: Sequence[Detections], appearance: Sequence[VectorArray]) -> VectorArray:
    """Put the frames' looks one behind the other.

    Raises:
        ValueError: not one row for each box.
    """
    for d, looks in zip(detections, appearance, strict=True):
        if len(looks) != len(d.xyxy):
            raise ValueError(f"{len(looks)} appearance rows for {len(d)} detections of camera {d.camera_id}")
    return _stack(appearance)


def _stack(arrays: Sequence[BoxArray]) -> BoxArray:
    """Put arrays one behind the other, in the memory layout that the compiled code knows."""
    return arrays[0] if len(arrays) == 1 and arrays[0].flags.carray else np.concatenate(arrays)


def _snapshots(detections: Sequence[Detections], appearance: Sequence[VectorArray], found: Found) -> list[Tracks]:
    """Return each frame's tracks."""
    begin, (rows, track_id, state), xyxy, confidence, certainty = found
    snapshots = []
    first = 0
    for d, looks, last in zip(detections, appearance, begin[1:].tolist(), strict=True):
        mine = slice(first, last)
        row = rows[mine]
        snapshots.append(
            Tracks(
                d.camera_id,
                d.captured_at,
                track_id[mine],
                state[mine],
                row,
                xyxy[mine],
                confidence[mine],
                looks[row] if looks.shape[1] else looks[: last - first],
                certainty[mine],
            )
        )
        first = last
    return snapshots
