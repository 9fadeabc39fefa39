"""Tracks people inside one camera. Knows nothing of other cameras or the floor, and of appearance only cosines.

Two-stage association (ByteTrack, Zhang et al. 2022): confident boxes first, then doubtful boxes for the tracks that
are left. The cost is the Mahalanobis distance of box centre and size, so that one setting serves 30 frames a second
and 2; appearance is added where it was taken. All limits are seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.assignment import assign
from app.domains.detection.association import iou, shows_one, squared_distance
from app.domains.detection.motion import (
    MotionConfig,
    initiate,
    measurement_variance,
    predict,
    to_centre,
    to_corners,
    update,
)
from app.domains.vocabulary import (
    BoolArray,
    BoxArray,
    CameraId,
    Detections,
    FloatArray,
    IntArray,
    Tracks,
    TrackState,
    VectorArray,
)

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


@dataclass(frozen=True, slots=True, eq=False)
class _Outlook:
    """The T tracks predicted to a frame, against its N boxes.

    Attributes:
        mean: (T, 8).
        covariance: (T, 4, 3).
        measured: (N, 4) the boxes in centre form.
        distance: (T, N) squared Mahalanobis distance.
        cost: (T, N) the distance plus log(det S / det R): how much vaguer the prediction is than a box.
    """

    detections: Detections
    mean: FloatArray
    covariance: FloatArray
    measured: FloatArray
    distance: FloatArray
    cost: FloatArray


class SingleCameraTracker:
    """The live tracks of one camera, as stacked arrays in order of creation.

    Args:
        camera_id: whose boxes these are.
        config: thresholds.
        evidence: what cosines are worth: the log-likelihood ratio of "one person" to "two", same shape, 0 for NaN.
    """

    def __init__(self, camera_id: CameraId, config: TrackerConfig, evidence: Evidence = no_evidence) -> None:
        self.camera_id = camera_id
        self.config = config
        self._evidence = evidence
        self._high_score = 0.5 if config.high_score is None else config.high_score
        self._next_id = 1
        self._now: float | None = None
        self._outlook: _Outlook | None = None
        self._track_id: IntArray = np.empty(0, dtype=np.int64)
        self._state: IntArray = np.empty(0, dtype=np.int64)
        self._mean: FloatArray = np.empty((0, 8))
        self._covariance: FloatArray = np.empty((0, 4, 3))
        self._born: FloatArray = np.empty(0)
        self._seen: FloatArray = np.empty(0)
        self._strength: FloatArray = np.empty(0)
        self._appearance: VectorArray = np.empty((0, 0), dtype=np.float32)
        self._appearance_at: FloatArray = np.empty(0)

    def __len__(self) -> int:
        return len(self._track_id)

    def due_for_embedding(self, detections: Detections) -> BoolArray:
        """Say which detections need their appearance taken: (N,) bool.

        A confident box is due when it may be somebody new, when another track or another box would fit too, or
        when the appearance of its track is old or missing; but never when the crop would show somebody else
        too, because a mixed look poisons what is remembered of both.
        """
        outlook = self._look_ahead(detections)
        due = (detections.confidence >= self._high_score) & self._wants_look(outlook)
        rows = np.flatnonzero(due)
        if len(rows):
            lost = to_corners(outlook.mean[self._state == TrackState.LOST])
            due[rows] = shows_one(rows, detections.xyxy, lost, self.config.max_mixed)
        return due

    def _wants_look(self, outlook: "_Outlook") -> BoolArray:
        """Say for which boxes a look would tell something, (N,)."""
        if not outlook.cost.size:
            return np.ones(len(outlook.measured), dtype=np.bool_)
        fits = outlook.cost <= self.config.close_call
        takers = fits.sum(axis=0)
        torn = fits.sum(axis=1) > 1
        old = outlook.detections.captured_at - self._appearance_at > self.config.appearance_max_age_s
        return np.asarray((takers != 1) | ((torn | old) @ fits))

    def update(self, detections: Detections, appearance: VectorArray) -> Tracks:
        """Advance to the frame's time and associate its boxes.

        Args:
            detections: N boxes, captured no earlier than those of the call before.
            appearance: (N, D) unit vectors; rows of zeros where none was taken.

        Returns:
            The tracks that have a box in this frame, ordered by detection row.

        Raises:
            ValueError: time runs backwards, or the rows do not fit.
        """
        if len(appearance) != len(detections):
            raise ValueError(f"{len(appearance)} appearance rows for {len(detections)} detections")
        outlook = self._look_ahead(detections)
        self._outlook = None
        self._mean, self._covariance = outlook.mean, outlook.covariance
        self._now = detections.captured_at
        self._fit_dimension(appearance.shape[1])
        track_of, certainty = self._associate(detections, appearance, outlook)
        self._correct(detections, track_of, outlook.measured, appearance)
        track_of = self._start(detections, outlook.measured, appearance, track_of)
        self._age(detections.captured_at)
        return self._snapshot(detections, appearance, track_of, certainty)

    def _predicted(self, captured_at: float) -> tuple[FloatArray, FloatArray]:
        dt = 0.0 if self._now is None else captured_at - self._now
        if dt < 0.0:
            raise ValueError(f"camera {self.camera_id}: time runs backwards by {-dt:.3f} s")
        return predict(self._mean, self._covariance, dt, self.config.motion)

    def _look_ahead(self, detections: Detections) -> "_Outlook":
        """Predict all tracks to the frame and weigh them against its boxes; asked twice, computed once."""
        if self._outlook is not None and self._outlook.detections is detections:
            return self._outlook
        mean, covariance = self._predicted(detections.captured_at)
        measured = to_centre(detections.xyxy)
        noise = measurement_variance(np.maximum(mean[:, 3:4], 1.0), self.config.motion)
        distance = squared_distance(mean[:, :4], covariance[:, :, 0] + noise, measured)
        spread = np.log1p(covariance[:, :, 0] / noise).sum(axis=1)
        self._outlook = _Outlook(detections, mean, covariance, measured, distance, distance + spread[:, None])
        return self._outlook

    def _fit_dimension(self, dimension: int) -> None:
        """Give the tracks of a tracker that has seen no appearance yet vectors of the embedder's dimension."""
        if self._appearance.shape[1] != dimension:
            self._appearance = np.zeros((len(self), dimension), dtype=np.float32)
            self._appearance_at = np.full(len(self), -np.inf)

    def _associate(
        self, detections: Detections, appearance: VectorArray, outlook: "_Outlook"
    ) -> tuple[IntArray, FloatArray]:
        """Return each detection's track index, -1 for none, and how sure each match is."""
        config = self.config
        track_of = np.full(len(detections), -1, dtype=np.int64)
        if not len(self) or not len(detections):
            return track_of, np.zeros(len(detections))
        distance = outlook.distance
        cost = outlook.cost - self._alike(appearance) - config.accept

        confident = detections.confidence >= self._high_score
        first = np.where((distance <= config.gate) & confident[None, :], cost, 0.0)
        track, row = assign(first)
        track_of[row] = track

        if confident.all():
            return track_of, _certainty(cost, distance <= config.gate, track_of)
        free = np.ones(len(self), dtype=np.bool_)
        free[track] = False
        free &= (self._state != TrackState.TENTATIVE) & (self._strength >= config.weak_share * self._high_score)
        second = np.where((distance <= config.low_score_gate) & free[:, None] & ~confident[None, :], cost, 0.0)
        track, row = assign(second)
        track_of[row] = track
        return track_of, _certainty(cost, distance <= config.gate, track_of)

    def _alike(self, appearance: VectorArray) -> FloatArray:
        """Return (T, N) how much the looks of tracks and boxes speak for each pair, in squared distance."""
        alike = np.zeros((len(self), len(appearance)))
        tracks, rows = np.flatnonzero(np.isfinite(self._appearance_at)), np.flatnonzero(appearance.any(axis=1))
        if len(tracks) and len(rows):
            ratio = self._evidence((self._appearance[tracks] @ appearance[rows].T).astype(np.float64))
            limit = self.config.max_appearance
            worth = self.config.appearance_weight * ratio
            alike[tracks[:, None], rows] = np.minimum(np.maximum(worth, -limit), limit)
        return alike

    def _correct(
        self, detections: Detections, track_of: IntArray, measured: FloatArray, appearance: VectorArray
    ) -> None:
        rows = np.flatnonzero(track_of >= 0)
        tracks = track_of[rows]
        self._mean[tracks], self._covariance[tracks] = update(
            self._mean[tracks], self._covariance[tracks], measured[rows], self.config.motion
        )
        now = detections.captured_at
        keep = np.exp((self._seen[tracks] - now) / self.config.strength_s)
        self._strength[tracks] = keep * self._strength[tracks] + (1.0 - keep) * detections.confidence[rows]
        self._seen[tracks] = now
        taken = appearance[rows].any(axis=1)
        if not taken.any():
            return
        rows, tracks = rows[taken], tracks[taken]
        first = ~np.isfinite(self._appearance_at[tracks])[:, None]
        keep = np.where(first, 0.0, self.config.appearance_blend).astype(np.float32)
        blended = keep * self._appearance[tracks] + (1.0 - keep) * appearance[rows]
        norm = np.linalg.norm(blended, axis=1, keepdims=True)
        self._appearance[tracks] = blended / np.maximum(norm, 1e-12)
        self._appearance_at[tracks] = now

    def _start(
        self, detections: Detections, measured: FloatArray, appearance: VectorArray, track_of: IntArray
    ) -> IntArray:
        """Start tracks for confident boxes that nobody took; returns track_of with them filled in."""
        fresh = (track_of < 0) & (detections.confidence >= self._high_score + self.config.new_margin)
        taken = detections.xyxy[track_of >= 0]
        if fresh.any() and len(taken):
            fresh &= iou(detections.xyxy, taken).max(axis=1) < self.config.duplicate_iou
        rows = np.flatnonzero(fresh)
        n = len(rows)
        if not n:
            return track_of
        mean, covariance = initiate(measured[rows], self.config.motion)
        now = np.full(n, detections.captured_at)
        track_of = track_of.copy()
        track_of[rows] = np.arange(len(self), len(self) + n)
        self._track_id = np.concatenate([self._track_id, np.arange(self._next_id, self._next_id + n)])
        self._state = np.concatenate([self._state, np.full(n, TrackState.TENTATIVE, dtype=np.int64)])
        self._mean = np.concatenate([self._mean, mean])
        self._covariance = np.concatenate([self._covariance, covariance])
        self._born = np.concatenate([self._born, now])
        self._seen = np.concatenate([self._seen, now])
        self._strength = np.concatenate([self._strength, detections.confidence[rows]])
        self._appearance = np.concatenate([self._appearance, appearance[rows]])
        taken_at = np.where(appearance[rows].any(axis=1), detections.captured_at, -np.inf)
        self._appearance_at = np.concatenate([self._appearance_at, taken_at])
        self._next_id += n
        return track_of

    def _age(self, now: float) -> None:
        """Set each track's state from its age and from how long it has had no box."""
        config = self.config
        unseen = now - self._seen
        tentative = self._state == TrackState.TENTATIVE
        ripe = tentative & (unseen == 0.0) & (now - self._born >= config.confirm_s)
        ended = np.where(tentative & ~ripe, unseen > config.tentative_lost_s, unseen > config.max_lost_s)
        self._state = np.where(ripe | ~tentative, TrackState.CONFIRMED, TrackState.TENTATIVE).astype(np.int64)
        self._state[(self._state == TrackState.CONFIRMED) & (unseen > 0.0)] = TrackState.LOST
        self._state[ended] = TrackState.REMOVED

    def _snapshot(
        self, detections: Detections, appearance: VectorArray, track_of: IntArray, certainty: FloatArray
    ) -> Tracks:
        rows = np.flatnonzero(track_of >= 0)
        tracks = track_of[rows]
        snapshot = Tracks(
            camera_id=self.camera_id,
            captured_at=detections.captured_at,
            track_id=self._track_id[tracks],
            state=self._state[tracks],
            row=rows,
            xyxy=detections.xyxy[rows],
            confidence=detections.confidence[rows],
            appearance=appearance[rows],
            certainty=certainty[rows],
        )
        self._keep(self._state != TrackState.REMOVED)
        return snapshot

    def _keep(self, mask: BoolArray) -> None:
        if mask.all():
            return
        self._track_id, self._state = self._track_id[mask], self._state[mask]
        self._mean, self._covariance = self._mean[mask], self._covariance[mask]
        self._born, self._seen, self._strength = self._born[mask], self._seen[mask], self._strength[mask]
        self._appearance, self._appearance_at = self._appearance[mask], self._appearance_at[mask]

    def boxes(self) -> tuple[IntArray, BoxArray]:
        """Return ids (N,) and predicted boxes (N, 4) of all live tracks, lost ones included."""
        return self._track_id.copy(), to_corners(self._mean)


def _certainty(cost: FloatArray, possible: BoolArray, track_of: IntArray) -> FloatArray:
    """Return for each detection the probability of its match, against the other matches that either side might have.

    Args:
        cost: (T, N), twice the negative log-likelihood ratio of "same" to "new".
        possible: (T, N), within the gate.
        track_of: (N,), -1 for none.
    """
    likelihood = np.where(possible, np.exp(np.minimum(np.maximum(-0.5 * cost, -30.0), 30.0)), 0.0)
    total = 1.0 + likelihood.sum(axis=0)[None, :] + likelihood.sum(axis=1)[:, None] - likelihood
    rows = np.flatnonzero(track_of >= 0)
    certainty = np.zeros(len(track_of))
    certainty[rows] = likelihood[track_of[rows], rows] / total[track_of[rows], rows]
    return certainty
