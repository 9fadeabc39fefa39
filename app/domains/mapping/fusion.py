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
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from app.domains.assignment import assign
from app.domains.mapping.view import CameraView
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
    initial_speed: float = 0.8  # m/s, standard deviation of a new target's velocity, per axis
    max_speed: float = 3.0  # m/s; a faster velocity is an error of assignment, not a person
    gate: float = 16.0  # squared Mahalanobis distance
    linked_gate: float = 100.0  # the same for a point whose camera track surely is this target's: feet get hidden
    trusted_link: float = 0.5  # from which certainty of that link on; 1 is surest
    outlier: float = 5.0  # squared distance from which on a point is trusted less, the farther the less
    accept: float = 12.0  # assignment cost from which on a point is better left alone
    same_track: float = 4.0  # cost that a point is cheaper by, if its camera track was this target's one step ago
    sure_log_odds: float = 5.0
    continuity_s: float = 0.5  # both weigh less by a factor of e for each such time since that step
    other_track: float = 2.0  # and dearer by, if it was another target's
    birth_gate: float = 12.0  # squared Mahalanobis distance between points of two cameras that may start one target
    birth_score: float = 0.4  # detector confidence that a point needs to start a target
    birth_log_odds: float = 0.0  # of existence, for a target started by one camera
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


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """All cameras' floor points of one step, stacked; row i belongs to row `row[i]` of its camera's Tracks."""

    camera: IntArray  # (N,) index into camera_ids
    row: IntArray
    xy: FloatArray
    covariance: FloatArray
    valid: BoolArray
    score: FloatArray
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
        self._now = -np.inf
        self._next_id = 1
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
        present[[self.camera_ids.index(t.camera_id) for t in tracks]] = True
        dt = self._predict(captured_at)
        expected = self._detection_probability() * present[None, :]
        link = self._continuity(points)
        target = self._assign(points, link, affinity)
        self._correct(points, target)
        support = self._support(points, target)
        self._weigh(dt, expected, support)
        self._seen[support.any(axis=1)] = captured_at
        target = self._start(points, target, link, present, support)
        self._remember_tracks(points, target)
        target_id = np.where(target >= 0, self._target_id[target] if len(self) else NO_ID, NO_ID)
        snapshot, ended = self._snapshot(points, target)
        target_id[np.isin(target_id, ended)] = NO_ID
        bounds = np.cumsum([len(t) for t in tracks])[:-1]
        return snapshot, [np.asarray(part) for part in np.split(target_id, bounds)]

    def shown(self, targets: FloorTargets) -> BoolArray:
        """Say which targets deserve a dot now, (M,): confirmed, rather existing than not, and supported of late."""
        return targets.confirmed & (targets.existence > 0.5) & (targets.unseen_s <= self.config.coast_s)

    def __len__(self) -> int:
        return len(self._target_id)

    def _stack(self, tracks: Sequence[Tracks], floor: Sequence[FloorPoints]) -> _Points:
        index = [self.camera_ids.index(t.camera_id) for t in tracks]
        return _Points(
            camera=np.repeat(index, [len(t) for t in tracks]).astype(np.int64),
            row=np.concatenate([np.arange(len(t)) for t in tracks]),
            xy=np.concatenate([f.xy for f in floor]),
            covariance=np.concatenate([f.covariance for f in floor]),
            valid=np.concatenate([f.valid for f in floor]),
            score=np.concatenate([t.confidence for t in tracks]).astype(np.float64),
            track_id=np.concatenate([t.track_id for t in tracks]),
            certainty=np.concatenate([t.certainty for t in tracks]),
        )

    def _predict(self, captured_at: float) -> float:
        dt = captured_at - self._now if np.isfinite(self._now) else 0.0
        if dt < 0.0:
            raise ValueError(f"time runs backwards by {-dt:.3f} s")
        self._now = captured_at
        transition = np.eye(4)
        transition[0, 2] = transition[1, 3] = dt
        q = self.config.acceleration**2
        noise = np.zeros((4, 4))
        for axis in (0, 1):
            noise[axis, axis], noise[axis + 2, axis + 2] = q * dt**3 / 3.0, q * dt
            noise[axis, axis + 2] = noise[axis + 2, axis] = q * dt**2 / 2.0
        self._mean = self._mean @ transition.T
        self._covariance = transition @ self._covariance @ transition.T + noise
        self._log_odds = self._log_odds - dt / self.config.survival_s
        return dt

    def _detection_probability(self) -> FloatArray:
        """Return the probability (M, C) that each camera detects each target where it is expected now."""
        probability = np.zeros((len(self), len(self.camera_ids)))
        for column, view in enumerate(self._views):
            probability[:, column] = self._visible_share(view, self._mean[:, :2])
        return probability * self.config.detection_probability

    def _visible_share(self, view: CameraView, xy: FloatArray) -> FloatArray:
        """Return (M,) in [0, 1]: 1 for a person in full view of the camera, 0 out of view or hidden by nearer ones."""
        boxes, visible = view.boxes(xy, self.config.person_height_m)
        if not visible.any():
            return np.zeros(len(xy))
        area = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-9)
        left_top = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
        right_bottom = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        share = np.clip(right_bottom - left_top, 0.0, None).prod(axis=2) / area[:, None]
        nearer = (boxes[None, :, 3] > boxes[:, None, 3]) & visible[None, :]
        nearer &= (self._log_odds > 0.0)[None, :]
        open_share = np.where(nearer, 1.0 - np.minimum(share, 1.0), 1.0).prod(axis=1)
        hidden, clear_from = self.config.hidden_open_share, self.config.clear_open_share
        clear = np.clip((open_share - hidden) / (clear_from - hidden), 0.0, 1.0)
        return np.asarray(np.where(visible, clear, 0.0))

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
        none = np.full(len(points), -1, dtype=np.int64)
        if not len(self) or not len(points):
            return none
        information = np.zeros((len(points), 2, 2))
        information[points.valid] = np.linalg.inv(points.covariance[points.valid])
        log_det_noise = np.zeros(len(points))
        log_det_noise[points.valid] = -np.log(np.linalg.det(information[points.valid]))
        existence = 1.0 / (1.0 + np.exp(-self._log_odds))
        bonus = np.where(link > 0.0, self.config.same_track, self.config.other_track) * link + affinity
        prior = bonus + 2.0 * np.log(existence)[None, :] + log_det_noise[:, None] + self.config.accept

        prior_xy, prior_covariance = self._mean[:, :2], self._covariance[:, :2, :2]
        centre = np.broadcast_to(prior_xy, (len(points), len(self), 2))
        spread = np.broadcast_to(prior_covariance, (len(points), len(self), 2, 2))
        linked = link >= self.config.trusted_link
        target = self._assign_once(points, centre, spread, prior, linked)
        for _ in range(2):
            centre, spread = self._without_own_camera(points, target, information)
            revised = self._assign_once(points, centre, spread, prior, linked)
            if np.array_equal(revised, target):
                break
            target = revised
        return target

    def _assign_once(
        self, points: _Points, centre: FloatArray, spread: FloatArray, prior: FloatArray, linked: BoolArray
    ) -> IntArray:
        """Assign camera by camera, given where each point's camera should look for each target: (N, M, 2[, 2])."""
        gap = points.xy[:, None, :] - centre
        total = spread + points.covariance[:, None]
        a, b, d = total[..., 0, 0], total[..., 0, 1], total[..., 1, 1]
        determinant = a * d - b * b
        distance = (d * gap[..., 0] ** 2 - 2.0 * b * gap[..., 0] * gap[..., 1] + a * gap[..., 1] ** 2) / determinant
        gate = np.where(linked, self.config.linked_gate, self.config.gate)
        cost = np.where(linked, np.minimum(distance, self.config.outlier), distance) + np.log(determinant) - prior
        cost[~((distance <= gate) & points.valid[:, None])] = 0.0
        target = np.full(len(points), -1, dtype=np.int64)
        for camera in np.unique(points.camera):
            rows = np.flatnonzero(points.camera == camera)
            row, column = assign(cost[rows])
            target[rows[row]] = column
        return target

    def _without_own_camera(
        self, points: _Points, target: IntArray, information: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return, for each point and target, the target's position (N, M, 2) and covariance as the others see it."""
        m, cameras = len(self), len(self.camera_ids)
        rows = np.flatnonzero(target >= 0)
        own = np.zeros((m, cameras, 2, 2))
        own_vector = np.zeros((m, cameras, 2))
        own[target[rows], points.camera[rows]] = information[rows]
        own_vector[target[rows], points.camera[rows]] = np.einsum("nij,nj->ni", information[rows], points.xy[rows])
        prior = np.linalg.inv(self._covariance[:, :2, :2])
        prior_vector = np.einsum("mij,mj->mi", prior, self._mean[:, :2])
        others = (prior + own.sum(axis=1))[:, None] - own
        others_vector = (prior_vector + own_vector.sum(axis=1))[:, None] - own_vector
        covariance = np.linalg.inv(others)
        centre = np.einsum("mcij,mcj->mci", covariance, others_vector)
        return centre[:, points.camera].transpose(1, 0, 2), covariance[:, points.camera].transpose(1, 0, 2, 3)

    def _correct(self, points: _Points, target: IntArray) -> None:
        """Correct every target by all its points at once, in information form."""
        rows = np.flatnonzero(target >= 0)
        if not len(rows):
            return
        touched, inverse = np.unique(target[rows], return_inverse=True)
        noise_information = np.linalg.inv(self._robust_noise(points, rows, target[rows]))
        gain = np.zeros((len(touched), 2, 2))
        vector = np.zeros((len(touched), 2))
        np.add.at(gain, inverse, noise_information)
        np.add.at(vector, inverse, np.einsum("nij,nj->ni", noise_information, points.xy[rows]))
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
        distance = np.einsum("ni,nij,nj->n", gap, np.linalg.inv(total), gap)
        return np.asarray(points.covariance[rows] * np.maximum(1.0, distance / self.config.outlier)[:, None, None])

    def _support(self, points: _Points, target: IntArray) -> BoolArray:
        support = np.zeros((len(self), len(self.camera_ids)), dtype=np.bool_)
        rows = np.flatnonzero(target >= 0)
        support[target[rows], points.camera[rows]] = True
        return support

    def _weigh(self, dt: float, expected: FloatArray, support: BoolArray) -> None:
        """Add the log-odds of this step's hits and misses; (M, C) each."""
        share = min(1.0, dt / self.config.correlation_s)
        gain = self.config.hit_log_odds * support.sum(axis=1)
        loss = np.where(support, 0.0, np.log1p(-expected)).sum(axis=1)
        self._log_odds = np.minimum(self._log_odds + share * (gain + loss), self.config.max_log_odds)

    def _start(
        self, points: _Points, target: IntArray, link: FloatArray, present: BoolArray, support: BoolArray
    ) -> IntArray:
        """Start targets from the points that nobody took; returns `target` with their rows filled in."""
        config = self.config
        known = (link >= config.trusted_link).any(axis=1)
        free = (target < 0) & points.valid & (points.score >= config.birth_score) & ~known
        groups = self._group(points, np.flatnonzero(free), present)
        if not groups:
            return target
        target = target.copy()
        for rows, xy, covariance, log_odds in groups:
            if self._too_near(xy, points.camera[rows], support):
                continue
            support = np.concatenate([support, np.isin(np.arange(len(self.camera_ids)), points.camera[rows])[None]])
            target[rows] = len(self)
            self._append(xy, covariance, log_odds)
        return target

    def _group(
        self, points: _Points, free: IntArray, present: BoolArray
    ) -> list[tuple[IntArray, FloatArray, FloatArray, float]]:
        """Group leftover points of different cameras that mean one spot; best supported groups first.

        Returns:
            Rows, position (2,), covariance (2, 2) and log-odds of existence of each group.
        """
        groups = []
        while len(free):
            candidates = [self._candidate(points, seed, free) for seed in free]
            scored = [
                (self._birth_log_odds(rows, points, xy, present), -np.trace(cov), i)
                for i, (rows, xy, cov) in enumerate(candidates)
            ]
            log_odds, _, best = max(scored)
            if log_odds < self.config.end_log_odds:
                break
            rows, xy, covariance = candidates[best]
            groups.append((rows, xy, covariance, log_odds))
            free = np.setdiff1d(free, rows)
        return groups

    def _candidate(self, points: _Points, seed: int, free: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Gather around one point the nearest fitting point of each other camera; returns rows and fused estimate."""
        rows = [seed]
        xy, covariance = points.xy[seed], points.covariance[seed]
        gap = points.xy[free] - xy
        total = points.covariance[free] + covariance
        distance = np.einsum("ni,nij,nj->n", gap, np.linalg.inv(total), gap)
        for index in np.argsort(distance, kind="stable"):
            row = free[index]
            if distance[index] > self.config.birth_gate:
                break
            if points.camera[row] in points.camera[rows]:
                continue
            step = points.xy[row] - xy
            innovation = np.linalg.inv(covariance + points.covariance[row])
            if step @ innovation @ step > self.config.birth_gate:
                continue
            gain = covariance @ innovation
            xy, covariance = xy + gain @ step, covariance - gain @ covariance
            rows.append(row)
        return np.array(rows, dtype=np.int64), xy, covariance

    def _birth_log_odds(self, rows: IntArray, points: _Points, xy: FloatArray, present: BoolArray) -> float:
        config = self.config
        seen = set(points.camera[rows].tolist())
        misses = 0.0
        for column, view in enumerate(self._views):
            if present[column] and column not in seen:
                _, visible = view.boxes(xy[None], config.person_height_m)
                misses += float(np.log1p(-0.5 * config.detection_probability)) * bool(visible[0])
        return config.birth_log_odds + config.hit_log_odds * (len(rows) - 1) + misses

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
        for column, track in zip(camera, track_id, strict=True):
            self._track_id[self._track_id[:, column] == track, column] = NO_ID
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
            covariance=self._covariance[alive, :2, :2].copy(),
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
