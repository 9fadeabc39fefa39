"""One moving point on the floor per person, from all cameras at once. Knows no pixels, no appearance network, no names.

Each target is a constant-velocity Kalman filter on the floor with a probability of existence. Per step:
predict; assign every camera's floor points to targets; assign again, each camera against what the other cameras
say of this very instant; correct all filters; weigh hits and misses (a camera that should see a target and does not
speaks against it); start targets where the leftover points of several cameras meet.

The assignment cost of a point and a target is `d2 + log det S - log det R - 2 log r`: squared Mahalanobis distance,
how much vaguer the target is than the point, and the target's probability of existence r (Reid 1979 for the
likelihoods; Musicki and Evans 2004 for existence). Evidence that is not geometric comes in as `affinity`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.mapping.habits import CameraHabits, HabitConfig
from app.domains.mapping.rig import clear_shares, stand_in_all
from app.domains.mapping.statures import learn_statures, statures
from app.domains.mapping.sweeps import assign, continuity, others_say
from app.domains.mapping.targets import (
    Columns,
    Limits,
    PointArrays,
    advance,
    correct,
    count_looks,
    end,
    fresh_rows,
    remember_tracks,
    room_for,
    start,
    weigh,
)
from app.domains.mapping.view import CameraView
from app.domains.mapping.walking import Walk
from app.domains.vocabulary import (
    BoolArray,
    BoxArray,
    CameraId,
    FloatArray,
    FloorPoints,
    FloorTargets,
    IntArray,
    Tracks,
)


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """Thresholds of the floor filter; seconds and metres."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    acceleration: float = 0.3  # m/s^1.5, white-noise intensity of a walker's velocity
    velocity_fade_s: float = 12.0  # a walker's velocity that nothing renews falls to 37 % in this time
    initial_speed: float = 0.8  # m/s, standard deviation of a new target's velocity, per axis
    max_speed: float = 3.0  # m/s; a faster velocity is an error of assignment, not a person
    sweeps: int = 3  # passes over the cameras until nobody changes hands
    gate: float = 16.0  # squared Mahalanobis distance
    linked_gate: float = 100.0  # the same for a point whose camera track surely is this target's: feet get hidden
    trusted_link: float = 0.5  # from which certainty of that link on; 1 is surest
    outlier: float = 4.0  # squared distance from which on a point is trusted less, the farther the less
    accept: float = 12.0  # assignment cost from which on a point is better left alone
    same_track: float = 4.0  # cost that a point is cheaper by, if its camera track was this target's one step ago
    other_track: float = 2.0  # and dearer by, if it was another target's
    sure_log_odds: float = 5.0  # of the camera tracker's match, from which on both weigh fully; at 0 nothing
    continuity_s: float = 0.5  # both weigh less by a factor of e for each such time since that step
    birth_gate: float = 12.0  # squared Mahalanobis distance between points of two cameras that may start one target
    birth_log_odds: float = 0.0  # of existence, for a target started by one camera
    birth_expectation: float = 0.7  # share of the detection probability that a new spot is held to
    birth_separation_m: float = 0.5  # no target starts so near to a living one that a camera of it sees at this instant
    hit_log_odds: float = 3.0  # gain by each camera that sees the target
    detection_probability: float = 0.8  # of a person in full view, by one camera, at most: weaker ones are found out
    least_recall: float = 0.3  # and at least
    recall_prior: float = 10.0  # looks that it takes to believe half of what they say
    recall_looks: float = 300.0  # looks after which older ones fade
    correlation_s: float = 0.5  # frames closer together than this are not independent evidence
    max_log_odds: float = 5.0
    confirm_log_odds: float = 1.0
    end_log_odds: float = -2.5
    survival_s: float = 20.0  # mean life of a target that no camera can see
    coast_s: float = 0.8  # a dot without support is shown no longer
    lost_s: float = 4.0  # a target without support is dropped
    person_height_m: float = 1.75
    stature_s: float = 0.5  # each camera's boxes tell so often how tall people are
    stature_doubt: float = 0.01  # metres per root second, by which a height is doubted more in time
    hidden_open_share: float = 0.2  # a person of whom nearer ones leave less open is not expected to be detected
    clear_open_share: float = 0.5  # one of whom they leave more open, as well as anybody
    habits: HabitConfig = field(default_factory=HabitConfig)

    @property
    def walk(self) -> Walk:
        """How targets move."""
        return Walk(self.acceleration, self.velocity_fade_s)


class FloorFusion:
    """The living targets of one site, as one table."""

    def __init__(self, views: Mapping[CameraId, CameraView], config: FusionConfig) -> None:
        self.camera_ids = tuple(sorted(views))
        self.config = config
        ordered = [views[camera] for camera in self.camera_ids]
        self.habits = CameraHabits(ordered, config.habits)
        self._number = {camera: number for number, camera in enumerate(self.camera_ids)}
        self._rig = self.habits.rig
        self._limits = tuple(float(getattr(config, name)) for name in Limits._fields)
        self._now = -np.inf
        self._next_id = 1
        self._looked_at: FloatArray = np.full(len(views), -np.inf)  # when each camera had its last frame
        self._measured_at: FloatArray = np.full(len(views), -np.inf)  # and when its boxes told last how tall people are
        self._recall = np.full(len(views), config.detection_probability), np.zeros(len(views)), np.zeros(len(views))
        self._columns = room_for(0, len(views))
        self._count = 0

    @property
    def target_id(self) -> IntArray:
        """Ids of the living targets, (M,); the columns of `affinity`."""
        return self._columns[0][: self._count].copy()

    @property
    def recall(self) -> FloatArray:
        """Share of people in full view that each camera is expected to detect, (C,) in order of `camera_ids`."""
        return self._recall[0].copy()

    def project(self, tracks: Sequence[Tracks]) -> list[FloorPoints]:
        """Find where the boxes of cameras stand, row for row, by what each camera has been found to do."""
        frames, habits = self._frames(tracks), self.habits
        xyxy = np.concatenate([_NO_BOXES, *(t.xyxy for t in tracks)])
        track_id = np.concatenate([np.empty(0, np.int64), *(t.track_id for t in tracks)])
        tall = statures(self._columns, self._count, frames, track_id)
        xy, covariance, valid = stand_in_all(self._rig, habits.general, habits.ends, frames, xyxy, tall)
        rows = [slice(first, last) for _, first, last in frames.tolist()]
        return [
            FloorPoints(t.camera_id, xy[its], covariance[its], valid[its]) for t, its in zip(tracks, rows, strict=True)
        ]

    def update(
        self, captured_at: float, tracks: Sequence[Tracks], floor: Sequence[FloorPoints], affinity: FloatArray
    ) -> tuple[FloorTargets, list[IntArray]]:
        """Advance to `captured_at` and take in one floor point per track of each camera.

        Args:
            captured_at: seconds, no earlier than in the call before.
            tracks: of each camera that has a frame in this step.
            floor: where they stand, row for row.
            affinity: (rows of all tracks, M) how much cheaper the assignment to each living target gets by evidence
                other than geometry, in units of squared distance; zeros where there is none.

        Returns:
            The targets, and for each element of `tracks` the target id of each row: NO_ID for none, NO_FLOOR for a box
            without floor point.
        """
        points, limits = self._stack(tracks, floor), self._limits
        dt = self._tick(captured_at)
        table = self._make_room(len(points[1]))
        advance(table, self._count, dt, limits)
        link = continuity(table, self._count, captured_at, points, limits)
        target = assign(table, self._count, points, link, affinity, limits)
        self._learn(tracks, points, target, link)
        self._measure(tracks, points, target)
        correct(table, self._count, points, target, limits)
        fresh = fresh_rows(points, target, link, self.config.trusted_link)
        living, new = self._expect(points, fresh)
        watching = living, self._looked_at
        support = weigh(table, self._count, captured_at, points, target, watching, limits)
        count_looks(table, self._count, captured_at, watching, support, self._recall, limits)
        self._looked_at[points[0][:, 0]] = captured_at
        count = start(table, self._count, self._next_id, captured_at, points, (fresh, new), target, support, limits)
        self._next_id += count - self._count
        remember_tracks(table, count, captured_at, points, target)
        fields, target_id = end(table, count, captured_at, points, target, support, limits)
        targets = FloorTargets(*fields)
        self._count = len(targets)
        return targets, [target_id[first:last] for _, first, last in points[0].tolist()]

    def shown(self, targets: FloorTargets) -> BoolArray:
        """Say which targets deserve a dot now, (M,): confirmed, rather existing than not, and supported of late."""
        return targets.confirmed & (targets.existence > 0.5) & (targets.unseen_s <= self.config.coast_s)

    def __len__(self) -> int:
        return self._count

    def _frames(self, tracks: Sequence[Tracks]) -> IntArray:
        """Return (F, 3) the camera of each, its first row when all are stacked, and the first one behind."""
        frames, first = np.empty((len(tracks), 3), np.int64), 0
        for f, t in enumerate(tracks):
            frames[f] = self._number[t.camera_id], first, first + len(t)
            first += len(t)
        return frames

    def _stack(self, tracks: Sequence[Tracks], floor: Sequence[FloorPoints]) -> PointArrays:
        """Put all cameras' floor points into the fields of Points."""
        frames = self._frames(tracks)
        return (
            frames,
            np.repeat(frames[:, 0], frames[:, 2] - frames[:, 1]),
            np.concatenate([np.empty((0, 2)), *(f.xy for f in floor)]),
            np.concatenate([np.empty((0, 2, 2)), *(f.covariance for f in floor)]),
            np.concatenate([np.empty(0, np.bool_), *(f.valid for f in floor)]),
            np.concatenate([np.empty(0, np.int64), *(t.track_id for t in tracks)]),
            np.concatenate([np.empty(0), *(t.certainty for t in tracks)]),
        )

    def _tick(self, captured_at: float) -> float:
        """Set the time; returns how many seconds have gone by."""
        dt = captured_at - self._now if np.isfinite(self._now) else 0.0
        if dt < 0.0:
            raise ValueError(f"time runs backwards by {-dt:.3f} s")
        self._now = captured_at
        return dt

    def _make_room(self, points: int) -> Columns:
        """Return the table with room for a new target at every point."""
        needed, room = self._count + points, len(self._columns[0])
        if needed > room:
            wider = room_for(2 * needed, len(self.camera_ids))
            for old, new in zip(self._columns, wider, strict=True):
                new[: self._count] = old[: self._count]
            self._columns = wider
        return self._columns

    def _learn(self, tracks: Sequence[Tracks], points: PointArrays, target: IntArray, link: FloatArray) -> None:
        """Tell the habits of the cameras what the others say of the people whom each has seen."""
        heard, xy, spread = others_say(self._columns, self._count, points, target, link, self.config.trusted_link)
        if len(heard):
            xyxy = np.concatenate([t.xyxy for t in tracks])
            self.habits.learn(self._now, heard, xyxy, xy, spread)
        if (target >= 0).any():
            self.habits.anchor(self._now)

    def _measure(self, tracks: Sequence[Tracks], points: PointArrays, target: IntArray) -> None:
        """Learn how tall targets are from the boxes of cameras whose turn it is."""
        every_s = self.config.stature_s
        if (self._now - self._measured_at[points[0][:, 0]] >= every_s).any():
            xyxy, habits = np.concatenate([t.xyxy for t in tracks]), (self.habits.general, self.habits.ends)
            rates = every_s, self.config.stature_doubt * every_s**0.5
            learn_statures(
                self._rig, habits, self._columns, self._count, self._now, points, target, xyxy, self._measured_at, rates
            )

    def _expect(self, points: PointArrays, fresh: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the probability (Q, C) that each camera detects a person: where targets are, and at fresh points.

        It is lower for spots hidden by living targets that stand nearer to the camera, and 0 out of view and for
        cameras without a frame. One look at each camera's view serves both.
        """
        config, (frames, _, xy, *_) = self.config, points
        spots = np.concatenate([self._columns[1][: self._count, :2], xy[fresh]])
        solid = np.zeros(len(spots), np.bool_)
        solid[: self._count] = self._columns[3][: self._count] > 0.0
        open_from = config.hidden_open_share, config.clear_open_share
        present = np.zeros(len(self.camera_ids))
        present[frames[:, 0]] = self._recall[0][frames[:, 0]]
        expected = clear_shares(self._rig, spots, solid, config.person_height_m, open_from) * present
        return expected[: self._count], expected[self._count :]


_NO_BOXES: BoxArray = np.empty((0, 4), np.float32)
