"""The plainest tracker on the floor, as lower line: foot points, clustered greedily, linked to the nearest.

Deliberately simple: no motion, no appearance, no covariance, no existence. Knows boxes of one instant at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId, Detections, FloatArray, IntArray

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class NearestConfig:
    """Usual round numbers, tuned on nothing."""

    least_score: float = 0.5
    cluster_m: float = 0.75  # points of different cameras this near are one person
    link_m: float = 1.0  # a dot moves at most this far from one instant to the next
    lost_s: float = 1.0  # and is forgotten after this time


class NearestFloor:
    """Dots of one site.

    Args:
        views: the cameras.
        bounds: points outside are left out.
        config: the thresholds.
    """

    def __init__(
        self, views: Mapping[CameraId, CameraView], bounds: Bounds | None, config: NearestConfig = NearestConfig()
    ) -> None:
        self._views, self._bounds, self._config = views, bounds, config
        self._ids: IntArray = np.zeros(0, np.int64)
        self._xy: FloatArray = np.zeros((0, 2))
        self._seen_s: FloatArray = np.zeros(0)
        self._next = 1

    def step(self, captured_at: float, detections: Sequence[Detections]) -> tuple[IntArray, FloatArray]:
        """Take the boxes of one instant; return the (N,) ids and (N, 2) metres of its dots."""
        points = _clusters([self._foot_points(one) for one in detections], self._config.cluster_m)
        alive = captured_at - self._seen_s <= self._config.lost_s
        self._ids, self._xy, self._seen_s = self._ids[alive], self._xy[alive], self._seen_s[alive]
        distance = np.linalg.norm(self._xy[:, None] - points[None], axis=2)
        ids = np.zeros(len(points), np.int64)
        while distance.size and distance.min() <= self._config.link_m:
            old, new = np.unravel_index(int(distance.argmin()), distance.shape)
            ids[new], self._xy[old], self._seen_s[old] = self._ids[old], points[new], captured_at
            distance[old], distance[:, new] = np.inf, np.inf
        fresh = np.flatnonzero(ids == 0)
        ids[fresh] = np.arange(self._next, self._next + len(fresh))
        self._next += len(fresh)
        self._ids = np.concatenate([self._ids, ids[fresh]])
        self._xy = np.concatenate([self._xy, points[fresh]])
        self._seen_s = np.concatenate([self._seen_s, np.full(len(fresh), captured_at)])
        return ids, points

    def _foot_points(self, boxes: Detections) -> FloatArray:
        """Return where the middles of the bottom edges of sure boxes lie on the watched floor: (N, 2)."""
        model = self._views[boxes.camera_id].model
        if model is None:
            return np.zeros((0, 2))
        xyxy = boxes.xyxy[boxes.confidence >= self._config.least_score].astype(np.float64)
        xy = model.to_floor(np.stack([0.5 * (xyxy[:, 0] + xyxy[:, 2]), xyxy[:, 3]], axis=1))
        inside = np.isfinite(xy).all(axis=1)
        if self._bounds is not None:
            x_min, y_min, x_max, y_max = self._bounds
            inside &= (xy[:, 0] >= x_min) & (xy[:, 0] <= x_max) & (xy[:, 1] >= y_min) & (xy[:, 1] <= y_max)
        return xy[inside]


def _clusters(cameras: Sequence[FloatArray], reach_m: float) -> FloatArray:
    """Join each camera's points to the nearest means so far, one to one; return the (N, 2) means."""
    means: FloatArray = np.zeros((0, 2))
    counts = np.zeros(0)
    for points in cameras:
        distance = np.linalg.norm(means[:, None] - points[None], axis=2)
        left = np.ones(len(points), bool)
        while distance.size and distance.min() <= reach_m:
            old, new = np.unravel_index(int(distance.argmin()), distance.shape)
            means[old] += (points[new] - means[old]) / (counts[old] + 1.0)
            counts[old] += 1.0
            left[new] = False
            distance[old], distance[:, new] = np.inf, np.inf
        means, counts = np.concatenate([means, points[left]]), np.concatenate([counts, np.ones(int(left.sum()))])
    return means
