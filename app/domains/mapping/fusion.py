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

from app.domains.mapping.births import find_births
from app.domains.mapping.gaussian import determinant, inverse, squared_distance, times
from app.domains.mapping.habits import CameraHabits, HabitConfig
from app.domains.mapping.sweeps import others_say, sweep
from app.domains.mapping.view import CameraView
from app.domains.mapping.walking import Walk, predict
from app.domains.vocabulary import (
    NO_ID,
    BoolArray,
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
    detection_probability: float = 0.8  # of a person in full view, by one camera
    correlation_s: float = 0.5  # frames closer together than this are not independent evidence
    max_log_odds: float = 5.0
    confirm_log_odds: float = 1.0
    end_log_odds: float = -2.5
    survival_s: float = 20.0  # mean life of a target that no camera can see
    coast_s: float = 0.8  # a dot without support is shown no longer
    lost_s: float = 4.0  # a target without support is dropped
    person_height_m: float = 1.75
    hidden_open_share: float = 0.2  # a person of whom nearer ones leave less open is not expected to be detected
    clear_open_share: float = 0.5  # one of whom they leave more open, as well as anybody
    habits: HabitConfig = field(default_factory=HabitConfig)

    @property
    def walk(self) -> Walk:
        """How targets move."""
        return Walk(self.acceleration, self.velocity_fade_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """All cameras' floor points of one step, stacked in the order of their Tracks."""

    camera: IntArray  # (N,) index into camera_ids
    xy: FloatArray
    covariance: FloatArray
    valid: BoolArray
    track_id: IntArray
    certainty: FloatArray

    def __len__(self) -> int:
        return len(self.camera)


class FloorFusion:
    """The living targets of one site, as stacked arrays."""

    def __init__(self, views: Mapping[CameraId, CameraView], config: FusionConfig) -> None:
        self.camera_ids = tuple(sorted(views))
        self.config = config
        self._views = [views[camera] for camera in self.camera_ids]
        self.habits = CameraHabits(self._views, config.habits)
        self._now = -np.inf
        self._next_id = 1
        self._looked_at: FloatArray = np.full(len(views), -np.inf)  # when each camera had its last frame
        self._target_id: IntArray = np.empty(0, dtype=np.int64)
        self._mean: FloatArray = np.empty((0, 4))
        self._covariance: FloatArray = np.empty((0, 4, 4))
        self._log_odds: FloatArray = np.empty(0)
        self._seen: FloatArray = np.empty(0)
        self._confirmed: BoolArray = np.empty(0, dtype=np.bool_)
        self._track_id: IntArray = np.empty((0, len(views)), dtype=np.int64)
        self._track_at: FloatArray = np.empty((0, len(views)))

    @property
    def target_id(self) -> IntArray:
        """Ids of the living targets, (M,); the columns of `affinity`."""
        return self._target_id

    def project(self, tracks: Tracks) -> FloorPoints:
        """Find where the boxes of one of the cameras stand, by what the camera has been found to do."""
        camera = self.camera_ids.index(tracks.camera_id)
        return self._views[camera].project(tracks.xyxy, self.habits.of(camera))

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
            The targets, and for each element of `tracks` the target id of each row, NO_ID for none.
        """
        points = self._stack(tracks, floor)
        present = np.zeros(len(self.camera_ids), dtype=np.bool_)
        present[[self.camera_ids.index(t.camera_id) for t in tracks]] = True  # the others say nothing
        self._predict(captured_at)
        link = self._continuity(points)
        target = self._assign(points, link, affinity)
        self._learn(tracks, points, np.where((target < 0) & points.valid, self._linked(link), target))
        self._correct(points, target)
        support = self._support(points, target)
        fresh = self._fresh(points, target, link)
        # one look at each camera's view serves the living targets and the spots where new ones may start
        probability = self._detection_probability(np.concatenate([self._mean[:, :2], points.xy[fresh]]))
        expected = probability * present[None, :]
        self._weigh(captured_at, present, expected[: len(self)], support)
        self._seen[support.any(axis=1)] = captured_at
        target = self._start(points, fresh, expected[len(self) :], target, support)
        self._remember_tracks(points, target)
        target_id = np.where(target >= 0, self._target_id[target] if len(self) else NO_ID, NO_ID)
        snapshot, ended = self._snapshot(points, target)
        if len(ended):
            target_id[np.isin(target_id, ended)] = NO_ID
        ends = np.cumsum([len(t) for t in tracks]).tolist()
        return snapshot, [target_id[end - len(t) : end] for t, end in zip(tracks, ends, strict=True)]

    def shown(self, targets: FloorTargets) -> BoolArray:
        """Say which targets deserve a dot now, (M,): confirmed, rather existing than not, and supported of late."""
        return targets.confirmed & (targets.existence > 0.5) & (targets.unseen_s <= self.config.coast_s)

    def __len__(self) -> int:
        return len(self._target_id)

    def _stack(self, tracks: Sequence[Tracks], floor: Sequence[FloorPoints]) -> _Points:
        index = [self.camera_ids.index(t.camera_id) for t in tracks]
        return _Points(
            camera=np.repeat(index, [len(t) for t in tracks]).astype(np.int64),
            xy=np.concatenate([np.empty((0, 2)), *(f.xy for f in floor)]),
            covariance=np.concatenate([np.empty((0, 2, 2)), *(f.covariance for f in floor)]),
            valid=np.concatenate([np.empty(0, np.bool_), *(f.valid for f in floor)]),
            track_id=np.concatenate([np.empty(0, np.int64), *(t.track_id for t in tracks)]),
            certainty=np.concatenate([np.empty(0), *(t.certainty for t in tracks)]),
        )

    def _predict(self, captured_at: float) -> None:
        dt = captured_at - self._now if np.isfinite(self._now) else 0.0
        if dt < 0.0:
            raise ValueError(f"time runs backwards by {-dt:.3f} s")
        self._now = captured_at
        walk = self.config.walk
        self._mean, self._covariance = predict(self._mean, self._covariance, dt, walk.acceleration, walk.fade_s)
        self._log_odds = self._log_odds - dt / self.config.survival_s

    def _detection_probability(self, xy: FloatArray) -> FloatArray:
        """Return the probability (Q, C) that each camera detects a person at each of (Q, 2) spots now.

        It is lower for spots hidden by living targets that stand nearer to the camera, and 0 out of view.
        """
        config = self.config
        solid = np.ascontiguousarray(self._mean[self._log_odds > 0.0, :2])
        open_from = config.hidden_open_share, config.clear_open_share
        shares = [view.clear_share(xy, solid, config.person_height_m, open_from) for view in self._views]
        return config.detection_probability * np.array(shares).reshape(len(self._views), len(xy)).T

    def _continuity(self, points: _Points) -> FloatArray:
        """Return (N, M) how surely the camera's own tracker links each point to each target: 1 yes, -1 to another."""
        remembered = self._track_id[:, points.camera].T  # (N, M)
        same = remembered == points.track_id[:, None]
        other = same.any(axis=1, keepdims=True) & ~same
        age = self._now - self._track_at[:, points.camera].T
        fresh = np.exp(-age / self.config.continuity_s)
        odds = points.certainty / np.maximum(1.0 - points.certainty, 1e-3)
        weight = np.clip(np.log(np.maximum(odds, 1e-3)) / self.config.sure_log_odds, 0.0, 1.0)[:, None] * fresh
        return np.asarray(weight * (same.astype(np.float64) - other))

    def _assign(self, points: _Points, link: FloatArray, affinity: FloatArray) -> IntArray:
        """Return the target index of each point, -1 for none."""
        if not len(self) or not len(points):
            return np.full(len(points), -1, dtype=np.int64)
        config = self.config
        log_det_noise = np.zeros(len(points))
        log_det_noise[points.valid] = np.log(determinant(points.covariance[points.valid]))
        existence = 1.0 / (1.0 + np.exp(-self._log_odds))
        bonus = np.where(link > 0.0, config.same_track, config.other_track) * link + affinity
        prior = bonus + 2.0 * np.log(existence)[None, :] + log_det_noise[:, None] + config.accept
        rows, begin = self._by_sharpness(points)
        return sweep(
            rows,
            begin,
            points.xy,
            points.covariance,
            prior,
            link >= config.trusted_link,
            self._mean[:, :2],
            self._covariance[:, :2, :2],
            (config.gate, config.linked_gate, config.outlier),
            config.sweeps,
        )

    def _by_sharpness(self, points: _Points) -> tuple[IntArray, IntArray]:
        """Return the valid rows camera by camera, the camera that places people best first, and where each begins."""
        valid = np.flatnonzero(points.valid)
        spread = determinant(points.covariance[valid])
        order = np.lexsort((spread, points.camera[valid]))
        cameras, begin, count = np.unique(points.camera[valid[order]], return_index=True, return_counts=True)
        median = spread[order[begin + count // 2]]
        sharpest = np.lexsort((cameras, median))
        rank = np.empty(len(self.camera_ids), dtype=np.int64)
        rank[cameras[sharpest]] = np.arange(len(cameras))
        rows = valid[np.argsort(rank[points.camera[valid]], kind="stable")]
        return rows, np.concatenate([[0], np.cumsum(count[sharpest])])

    def _learn(self, tracks: Sequence[Tracks], points: _Points, target: IntArray) -> None:
        """Tell the habits of the cameras what the others say of the people whom each has seen."""
        if not (target >= 0).any():
            return
        xy, spread, witnesses = others_say(
            points.xy, points.covariance, target, self._mean[:, :2], self._covariance[:, :2, :2]
        )
        ends = np.cumsum([len(t) for t in tracks]).tolist()
        of_camera = {self.camera_ids.index(t.camera_id): (t, end) for t, end in zip(tracks, ends, strict=True)}
        for camera, (t, end) in sorted(of_camera.items()):
            rows = slice(end - len(t), end)
            if (witnesses[rows] > 0).any():
                self.habits.learn(self._now, camera, t.xyxy, xy[rows], spread[rows])
        self.habits.anchor(self._now)

    def _linked(self, link: FloatArray) -> IntArray:
        """Return the index of the target that each point's track surely belongs to, -1 for none."""
        if not len(self):
            return np.full(len(link), -1, dtype=np.int64)
        best = link.argmax(axis=1)
        return np.where(link[np.arange(len(link)), best] >= self.config.trusted_link, best, -1)

    def _correct(self, points: _Points, target: IntArray) -> None:
        """Correct every target by all its points at once, in information form."""
        rows = np.flatnonzero(target >= 0)
        if not len(rows):
            return
        touched, position = np.unique(target[rows], return_inverse=True)
        noise_information = inverse(self._robust_noise(points, rows, target[rows]))
        gain = np.zeros((len(touched), 2, 2))
        vector = np.zeros((len(touched), 2))
        np.add.at(gain, position, noise_information)
        np.add.at(vector, position, times(noise_information, points.xy[rows]))
        information = np.linalg.inv(self._covariance[touched])
        total = np.einsum("mij,mj->mi", information, self._mean[touched])
        information[:, :2, :2] += gain
        total[:, :2] += vector
        covariance = np.linalg.inv(information)
        mean = np.einsum("mij,mj->mi", covariance, total)
        speed = np.linalg.norm(mean[:, 2:], axis=1, keepdims=True)
        mean[:, 2:] *= np.minimum(1.0, self.config.max_speed / np.maximum(speed, 1e-9))
        self._mean[touched] = mean
        self._covariance[touched] = (covariance + covariance.transpose(0, 2, 1)) / 2.0

    def _robust_noise(self, points: _Points, rows: IntArray, target: IntArray) -> FloatArray:
        """Return (K, 2, 2) the covariance of points, widened where they lie too far from their target (Huber)."""
        gap = points.xy[rows] - self._mean[target, :2]
        total = points.covariance[rows] + self._covariance[target, :2, :2]
        distance = squared_distance(gap, total)
        return np.asarray(points.covariance[rows] * np.maximum(1.0, distance / self.config.outlier)[:, None, None])

    def _support(self, points: _Points, target: IntArray) -> BoolArray:
        support = np.zeros((len(self), len(self.camera_ids)), dtype=np.bool_)
        rows = np.flatnonzero(target >= 0)
        support[target[rows], points.camera[rows]] = True
        return support

    def _weigh(self, captured_at: float, present: BoolArray, expected: FloatArray, support: BoolArray) -> None:
        """Add the log-odds of this step's hits and misses; (M, C) each.

        A camera's word weighs by the time since its frame before: frames close together see the same chance twice.
        """
        share = np.minimum(1.0, (captured_at - self._looked_at) / self.config.correlation_s)
        self._looked_at[present] = captured_at
        gain = np.where(support, self.config.hit_log_odds, np.log1p(-expected)) @ share
        self._log_odds = np.minimum(self._log_odds + gain, self.config.max_log_odds)

    def _fresh(self, points: _Points, target: IntArray, link: FloatArray) -> IntArray:
        """Return the rows of points that may be somebody new: nobody took them, nor is their track anybody's."""
        known = (link >= self.config.trusted_link).any(axis=1)
        return np.flatnonzero((target < 0) & points.valid & ~known)

    def _start(
        self, points: _Points, rows: IntArray, expected: FloatArray, target: IntArray, support: BoolArray
    ) -> IntArray:
        """Start targets from the points `rows`, which cameras see with probability `expected` (len(rows), C).

        Returns:
            `target` with the rows of those that started a target filled in.
        """
        config = self.config
        if not len(rows):
            return target
        xy, covariance = points.xy[rows], points.covariance[rows]
        misses = np.log1p(-config.birth_expectation * expected)
        births = find_births(points.camera[rows], xy, covariance, misses, config.birth_gate, config.hit_log_odds)
        target = target.copy()
        for birth in births:
            log_odds = config.birth_log_odds + birth.log_odds
            cameras = points.camera[rows[birth.points]]
            if log_odds <= config.end_log_odds or self._too_near(birth.xy, cameras, support):
                continue
            support = np.concatenate([support, np.isin(np.arange(len(self.camera_ids)), cameras)[None]])
            target[rows[birth.points]] = len(self)
            self._append(birth.xy, birth.covariance, log_odds)
        return target

    def _too_near(self, xy: FloatArray, cameras: IntArray, support: BoolArray) -> bool:
        """Say whether a living target stands at this spot already, unless one camera has seen both apart."""
        if not len(self):
            return False
        near = np.linalg.norm(self._mean[:, :2] - xy, axis=1) < self.config.birth_separation_m
        return bool((near & ~support[:, cameras].any(axis=1)).any())

    def _append(self, xy: FloatArray, covariance: FloatArray, log_odds: float) -> None:
        full = np.zeros((4, 4))
        full[:2, :2] = covariance
        full[2:, 2:] = np.eye(2) * self.config.initial_speed**2
        self._target_id = np.append(self._target_id, self._next_id)
        self._mean = np.concatenate([self._mean, np.concatenate([xy, np.zeros(2)])[None]])
        self._covariance = np.concatenate([self._covariance, full[None]])
        self._log_odds = np.append(self._log_odds, min(log_odds, self.config.max_log_odds))
        self._seen = np.append(self._seen, self._now)
        self._confirmed = np.append(self._confirmed, False)
        self._track_id = np.concatenate([self._track_id, np.full((1, len(self.camera_ids)), NO_ID, dtype=np.int64)])
        self._track_at = np.concatenate([self._track_at, np.full((1, len(self.camera_ids)), -np.inf)])
        self._next_id += 1

    def _remember_tracks(self, points: _Points, target: IntArray) -> None:
        """Link each camera's track to the target that took its point; a track belongs to one target at a time."""
        rows = np.flatnonzero(target >= 0)
        camera, track_id = points.camera[rows], points.track_id[rows]
        holder, held = np.nonzero(self._track_id[:, camera] == track_id[None, :])
        self._track_id[holder, camera[held]] = NO_ID
        self._track_id[target[rows], camera] = track_id
        self._track_at[target[rows], camera] = self._now

    def _snapshot(self, points: _Points, target: IntArray) -> tuple[FloorTargets, IntArray]:
        """Confirm and end targets; return the living ones and the ids of those that ended."""
        config = self.config
        self._confirmed |= self._log_odds >= config.confirm_log_odds
        unseen = self._now - self._seen
        support = self._support(points, target)
        alive = (self._log_odds > config.end_log_odds) & (unseen <= config.lost_s)
        snapshot = FloorTargets(
            target_id=self._target_id[alive],
            xy=self._mean[alive, :2].copy(),
            velocity=self._mean[alive, 2:].copy(),
            covariance=self._covariance[alive],
            confirmed=self._confirmed[alive].copy(),
            unseen_s=unseen[alive],
            existence=1.0 / (1.0 + np.exp(-self._log_odds[alive])),
            support=support[alive],
        )
        ended = self._target_id[~alive]
        self._target_id, self._mean, self._covariance = (
            self._target_id[alive],
            self._mean[alive],
            self._covariance[alive],
        )
        self._log_odds, self._seen = self._log_odds[alive], self._seen[alive]
        self._confirmed, self._track_id = self._confirmed[alive], self._track_id[alive]
        self._track_at = self._track_at[alive]
        return snapshot, ended
