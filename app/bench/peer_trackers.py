"""Single-camera trackers of others behind one interface, for comparison: boxes of a frame in, boxes with ids out.

Each keeps its own defaults, but for what its makers leave to the user. What a peer asks for as input is made before its
`update` is called, and what it gives is read afterwards, so that timing `update` times the peer alone.
Knows neither truth nor clock.
"""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from app.domains.vocabulary import BoxArray, FloatArray, IntArray
from app.evaluation.metrics import iou

IOU_DISTANCE = 0.7  # norfair's makers name no default; the best of 0.5, 0.7 and 0.9 on the synthetic boxes
Tracked = tuple[IntArray, FloatArray | BoxArray]  # (K,) ids and (K, 4) boxes of those that a tracker reports in a frame


@dataclass(frozen=True, slots=True)
class PeerTracker:
    """A tracker of one camera.

    Attributes:
        prepare: turns (N, 4) boxes and (N,) confidences into what `update` takes.
        update: the peer's own call.
        read: turns what `update` gives into ids and boxes.
    """

    prepare: Callable[[BoxArray, BoxArray], Any]
    update: Callable[[Any], Any]
    read: Callable[[Any], Tracked]


@dataclass(frozen=True, slots=True)
class Peer:
    """A kind of tracker.

    Attributes:
        name: for readers.
        package: what it needs.
        build: makes the tracker of one camera.
    """

    name: str
    package: str
    build: Callable[[], PeerTracker]

    def missing(self) -> str | None:
        """Return how to install what it needs; None if it is there."""
        if importlib.util.find_spec(self.package) is not None:
            return None
        return f"not installed; uv sync --extra bench brings {self.package}"


def ultralytics_tracker(kind: str) -> Any:  # noqa: ANN401 - the peer's type
    """Open one of Ultralytics' trackers with its own defaults; `kind` is bytetrack or botsort.

    Raises:
        ImportError: it is not installed.
    """
    for name, value in (("YOLO_AUTOINSTALL", "false"), ("YOLO_OFFLINE", "true")):  # else it installs and asks around
        os.environ.setdefault(name, value)
    from ultralytics.trackers.track import TRACKER_MAP
    from ultralytics.utils import YAML, IterableSimpleNamespace
    from ultralytics.utils.checks import check_yaml

    return TRACKER_MAP[kind](args=IterableSimpleNamespace(**YAML.load(check_yaml(f"{kind}.yaml"))))


def _byte_track() -> PeerTracker:
    tracker = ultralytics_tracker("bytetrack")
    from ultralytics.engine.results import Boxes

    def prepare(xyxy: BoxArray, confidence: BoxArray) -> Any:  # noqa: ANN401 - the peer's type
        return Boxes(np.column_stack([xyxy, confidence, np.zeros_like(confidence)]), (1080, 1920))

    def read(found: NDArray[Any]) -> Tracked:
        found = np.asarray(found, np.float64).reshape(-1, 8)
        return found[:, 4].astype(np.int64), found[:, :4]

    return PeerTracker(prepare, tracker.update, read)


def _sort() -> PeerTracker:
    from supervision import Detections
    from trackers import SORTTracker

    def prepare(xyxy: BoxArray, confidence: BoxArray) -> Any:  # noqa: ANN401 - the peer's type
        return Detections(xyxy=xyxy, confidence=confidence, class_id=np.zeros(len(xyxy), np.int64))

    def read(found: Any) -> Tracked:  # noqa: ANN401 - the peer's type
        known = found.tracker_id >= 0
        return found.tracker_id[known].astype(np.int64), found.xyxy[known].astype(np.float64)

    return PeerTracker(prepare, SORTTracker().update, read)


def _norfair() -> PeerTracker:
    import norfair

    tracker = norfair.Tracker("iou", distance_threshold=IOU_DISTANCE)
    frame = 0

    def prepare(xyxy: BoxArray, confidence: BoxArray) -> Any:  # noqa: ANN401 - the peer's type
        nonlocal frame
        frame += 1
        return [
            norfair.Detection(box.reshape(2, 2).astype(np.float64), np.full(2, score), data=frame)
            for box, score in zip(xyxy, confidence, strict=True)
        ]

    def read(found: Any) -> Tracked:  # noqa: ANN401 - the peer's type
        seen = [one for one in found if one.last_detection.data == frame]
        boxes = np.array([one.last_detection.points.ravel() for one in seen]).reshape(-1, 4)
        return np.array([one.id for one in seen], np.int64), boxes

    return PeerTracker(prepare, tracker.update, read)


class FilterpySort:
    """SORT (Bewley et al. 2016) as it is usually written: a filterpy filter for each track, in a loop.

    State (cx, cy, area, aspect, and the first three's velocities); intersection over union, Hungarian assignment.
    """

    MAX_AGE = 30  # frames without box; 1 in the paper, which ends tracks at every miss
    MIN_HITS = 3
    LEAST_IOU = 0.3
    LEAST_SCORE = 0.25

    def __init__(self) -> None:
        self._filters: list[Any] = []
        self._ids: list[int] = []
        self._unseen: list[int] = []
        self._hits: list[int] = []
        self._next_id = 1

    def update(self, boxes: FloatArray) -> Tracked:
        """Advance by one frame.

        Args:
            boxes: (N, 5) corners and score.

        Returns:
            Ids and boxes of the tracks that have a box.
        """
        boxes = boxes[boxes[:, 4] >= self.LEAST_SCORE, :4]
        for one in self._filters:
            if one.x[6, 0] + one.x[2, 0] <= 0:
                one.x[6, 0] = 0.0
            one.predict()
        predicted = np.array([_corners(one.x[:4, 0]) for one in self._filters]).reshape(-1, 4)
        overlap = iou(predicted, boxes)
        track_of = np.full(len(boxes), -1, np.int64)
        tracks, rows = linear_sum_assignment(-overlap)
        near = overlap[tracks, rows] >= self.LEAST_IOU
        track_of[rows[near]] = tracks[near]
        self._unseen = [unseen + 1 for unseen in self._unseen]
        for row, track in enumerate(track_of.tolist()):
            if track < 0:
                self._start(boxes[row])
                track_of[row] = len(self._filters) - 1
            else:
                self._filters[track].update(_measured(boxes[row]))
                self._hits[track] += 1
                self._unseen[track] = 0
        shown = [row for row, track in enumerate(track_of) if self._hits[track] >= self.MIN_HITS]
        found = np.array([self._ids[track_of[row]] for row in shown], np.int64), boxes[shown]
        self._keep([unseen <= self.MAX_AGE for unseen in self._unseen])
        return found

    def _start(self, box: FloatArray) -> None:
        from filterpy.kalman import KalmanFilter

        one = KalmanFilter(dim_x=7, dim_z=4)
        one.F = np.eye(7) + np.eye(7, k=4)
        one.H = np.eye(4, 7)
        one.R[2:, 2:] *= 10.0
        one.P[4:, 4:] *= 1000.0
        one.P *= 10.0
        one.Q[-1, -1] *= 0.01
        one.Q[4:, 4:] *= 0.01
        one.x[:4] = _measured(box)
        self._filters.append(one)
        self._ids.append(self._next_id)
        self._unseen.append(0)
        self._hits.append(1)
        self._next_id += 1

    def _keep(self, alive: list[bool]) -> None:
        for column in (self._filters, self._ids, self._unseen, self._hits):
            column[:] = [value for value, lives in zip(column, alive, strict=True) if lives]


def _measured(box: FloatArray) -> FloatArray:
    """Return the (4, 1) centre, area and aspect of a corner box."""
    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([[box[0] + width / 2], [box[1] + height / 2], [width * height], [width / height]])


def _corners(state: FloatArray) -> FloatArray:
    width = np.sqrt(max(state[2] * state[3], 1e-9))
    height = state[2] / width
    x, y = state[0], state[1]
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def _filterpy_sort() -> PeerTracker:
    def prepare(xyxy: BoxArray, confidence: BoxArray) -> FloatArray:
        return np.column_stack([xyxy, confidence]).astype(np.float64)

    return PeerTracker(prepare, FilterpySort().update, lambda found: found)


PEERS = (
    Peer("ultralytics ByteTrack", "ultralytics", _byte_track),
    Peer("roboflow SORT", "trackers", _sort),
    Peer("norfair", "norfair", _norfair),
    Peer("filterpy SORT loop", "filterpy", _filterpy_sort),
)
