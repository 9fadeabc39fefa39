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

from app.domains.detection.association import (
    Pairs,
    associate,
    cosines,
    find_pairs,
    match_certainty,
    shows_one,
    worth_a_look,
)
from app.domains.detection.motion import MotionConfig, predict, to_centre, to_corners
from app.domains.detection.tracks import LOST, TENTATIVE, Boxes, age, correct, no_tracks, renew, starting
from app.domains.vocabulary import BoolArray, CameraId, Detections, FloatArray, IntArray, Tracks, VectorArray

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


class _Outlook(NamedTuple):
    """All tracks predicted to the frames of a step, against their boxes."""

    detections: tuple[Detections, ...]
    boxes: Boxes
    mean: FloatArray
    covariance: FloatArray
    pairs: Pairs


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
        self._noise = config.motion.noise()
        self._high_score = 0.5 if config.high_score is None else config.high_score
        self._reach = max(config.gate, config.low_score_gate, config.close_call)
        self._next_id = np.ones(len(camera_ids), dtype=np.int64)
        self._now = np.full(len(camera_ids), -np.inf)  # when each camera had its last frame
        self._tracks = no_tracks(0)
        self._outlook: _Outlook | None = None

    def __len__(self) -> int:
        return len(self._tracks.track_id)

    def due_for_embedding(self, detections: Sequence[Detections]) -> list[BoolArray]:
        """Say which detections of each frame need their appearance taken, (N,) bool each.

        A confident box is due when it may be somebody new, when another track or another box would fit too, or
        when the appearance of its track is old or missing; but never when the crop would show somebody else
        too, because a mixed look poisons what is remembered of both.
        """
        if not detections:
            return []
        _, boxes, mean, _, pairs = self._look_ahead(detections)
        frame = boxes.frame_of[self._tracks.camera]
        old = boxes.captured_at[frame] - self._tracks.appearance_at > self.config.appearance_max_age_s
        due = worth_a_look(pairs, old, len(boxes.xyxy), self.config.close_call)
        due &= boxes.confidence >= self._high_score
        hidden = self._tracks.state == LOST
        due = shows_one(due, boxes.frame, boxes.xyxy, frame[hidden], to_corners(mean[hidden]), self.config.max_mixed)
        return np.split(due, boxes.begin[1:-1])

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
        for d, looks in zip(detections, appearance, strict=True):
            if len(looks) != len(d):
                raise ValueError(f"{len(looks)} appearance rows for {len(d)} detections of camera {d.camera_id}")
        if not detections:
            return []
        config = self.config
        looks = np.concatenate(appearance)
        self._fit_dimension(looks.shape[1])
        _, boxes, mean, covariance, pairs = self._look_ahead(detections)
        self._outlook = None
        tracks = self._tracks._replace(mean=mean, covariance=covariance)
        cost = pairs.cost - self._alike(pairs, looks) - config.accept
        steady = (tracks.state != TENTATIVE) & (tracks.strength >= config.weak_share * self._high_score)
        confident = boxes.confidence >= self._high_score
        track_of = associate(pairs, cost, confident, steady, (config.gate, config.low_score_gate))
        certainty = match_certainty(pairs, cost, config.gate, track_of)
        correct(tracks, boxes, looks, track_of, self._noise, config.strength_s, config.appearance_blend)
        fresh = starting(boxes, track_of, self._high_score + config.new_margin, config.duplicate_iou)
        alive = age(tracks, boxes, config.confirm_s, config.tentative_lost_s, config.max_lost_s)
        self._tracks, row_of = renew(tracks, alive, boxes, looks, track_of, fresh, self._next_id, self._noise)
        self._now[boxes.frame_of >= 0] = boxes.captured_at[boxes.frame_of[boxes.frame_of >= 0]]
        return self._snapshot(detections, appearance, row_of, certainty)

    def _look_ahead(self, detections: Sequence[Detections]) -> _Outlook:
        """Predict all tracks to the frames and weigh them against their boxes; asked twice, computed once."""
        frames = tuple(detections)
        outlook = self._outlook
        if outlook is not None and list(map(id, outlook.detections)) == list(map(id, frames)):
            return outlook
        boxes = self._stack(frames)
        frame = boxes.frame_of[self._tracks.camera]
        dt = np.where(frame >= 0, boxes.captured_at[frame] - self._now[self._tracks.camera], 0.0)
        mean, covariance = predict(self._tracks.mean, self._tracks.covariance, dt, self._noise)
        pairs = find_pairs(frame, mean, covariance, boxes.begin, boxes.measured, self._noise, self._reach)
        self._outlook = _Outlook(frames, boxes, mean, covariance, pairs)
        return self._outlook

    def _stack(self, detections: tuple[Detections, ...]) -> Boxes:
        """Put the frames' boxes one behind the other.

        Raises:
            ValueError: time runs backwards, or a camera is unknown or comes twice.
        """
        frame_of = np.full(len(self.camera_ids), -1, dtype=np.int64)
        for frame, d in enumerate(detections):
            camera = self._index.get(d.camera_id, -1)
            if camera < 0 or frame_of[camera] >= 0:
                raise ValueError(f"camera {d.camera_id} is {'unknown' if camera < 0 else 'in the step twice'}")
            if d.captured_at < self._now[camera]:
                back = self._now[camera] - d.captured_at
                raise ValueError(f"camera {d.camera_id}: time runs backwards by {back:.3f} s")
            frame_of[camera] = frame
        counts = [len(d) for d in detections]
        xyxy = np.concatenate([d.xyxy for d in detections])
        return Boxes(
            frame_of=frame_of,
            captured_at=np.array([d.captured_at for d in detections]),
            begin=np.concatenate([[0], np.cumsum(counts)]),
            frame=np.repeat(np.arange(len(detections)), counts),
            xyxy=xyxy,
            measured=to_centre(xyxy),
            confidence=np.concatenate([d.confidence for d in detections]),
        )

    def _fit_dimension(self, dimension: int) -> None:
        """Give the tracks of trackers that have seen no appearance yet vectors of the embedder's dimension."""
        if self._tracks.appearance.shape[1] != dimension:
            nothing = np.zeros((len(self), dimension), dtype=np.float32)
            self._tracks = self._tracks._replace(appearance=nothing, appearance_at=np.full(len(self), -np.inf))

    def _alike(self, pairs: Pairs, looks: VectorArray) -> FloatArray:
        """Return (K,) how much the looks of track and box speak for each pair, in squared distance."""
        if not looks.shape[1] or not len(pairs.row):
            return np.zeros(len(pairs.row))
        tracks, limit = self._tracks, self.config.max_appearance
        ratio = self._evidence(cosines(pairs, tracks.appearance, tracks.appearance_at, looks))
        return np.minimum(np.maximum(self.config.appearance_weight * ratio, -limit), limit)

    def _snapshot(
        self,
        detections: Sequence[Detections],
        appearance: Sequence[VectorArray],
        row_of: IntArray,
        certainty: FloatArray,
    ) -> list[Tracks]:
        """Return each frame's tracks, given the row of the table that each box belongs to, -1 for none."""
        snapshots, begin = [], 0
        for d, looks in zip(detections, appearance, strict=True):
            rows = np.flatnonzero(row_of[begin : begin + len(d)] >= 0)
            boxes = begin + rows
            tracks = row_of[boxes]
            snapshots.append(
                Tracks(
                    camera_id=d.camera_id,
                    captured_at=d.captured_at,
                    track_id=self._tracks.track_id[tracks],
                    state=self._tracks.state[tracks],
                    row=rows,
                    xyxy=d.xyxy[rows],
                    confidence=d.confidence[rows],
                    appearance=looks[rows],
                    certainty=certainty[boxes],
                )
            )
            begin += len(d)
        return snapshots
