"""Other trackers of one camera, on boxes that somebody else found, each with the settings that its makers recommend.

They come with the extra `bench` and are imported when they are asked for, never by the product. Ultralytics is under
AGPL-3.0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bench.peer_trackers import ultralytics_tracker
from app.domains.vocabulary import FloatArray, IntArray

INSTALL = "not installed: `uv sync --extra bench`"
ULTRALYTICS_LEAST = 0.1  # conf of `model.track` unless the user says otherwise
ROBOFLOW_LEAST = 0.1  # what its ByteTrack takes as the low stage's scores
NORFAIR_LEAST = 0.25  # conf of norfair's own YOLO demos
NORFAIR_DISTANCE = 0.7  # their DISTANCE_THRESHOLD_BBOX, for "iou"

Picture = NDArray[np.uint8]
# (N, 4) pixels, (N,) scores, the picture -> (M,) ids and (M, 4) pixels
Update = Callable[[FloatArray, FloatArray, Picture], tuple[IntArray, FloatArray]]


def peers(fps: float) -> Mapping[str, Callable[[], Update]]:
    """Return the peers by name; opening one raises ImportError where it is not installed.

    Args:
        fps: of the recording, for those that ask for it.
    """
    return {
        "ultralytics ByteTrack": lambda: _ultralytics("bytetrack"),
        "ultralytics BoT-SORT": lambda: _ultralytics("botsort"),
        "roboflow ByteTrack": lambda: _roboflow("ByteTrackTracker", fps),
        "roboflow OC-SORT": lambda: _roboflow("OCSORTTracker", fps),
        "norfair": _norfair,
    }


def _ultralytics(kind: str) -> Update:
    tracker = ultralytics_tracker(kind)
    from ultralytics.engine.results import Boxes

    def update(xyxy: FloatArray, score: FloatArray, picture: Picture) -> tuple[IntArray, FloatArray]:
        kept = score >= ULTRALYTICS_LEAST
        rows = np.column_stack([xyxy[kept], score[kept], np.zeros(int(kept.sum()))]).astype(np.float32)
        tracks = np.asarray(tracker.update(Boxes(rows, picture.shape[:2]), picture)).reshape(-1, 8)
        return tracks[:, 4].astype(np.int64), rows[tracks[:, 7].astype(np.int64), :4].astype(np.float64)

    return update


def _roboflow(kind: str, fps: float) -> Update:
    import supervision
    import trackers

    tracker = getattr(trackers, kind)(frame_rate=fps)

    def update(xyxy: FloatArray, score: FloatArray, _picture: Picture) -> tuple[IntArray, FloatArray]:
        kept = score >= ROBOFLOW_LEAST
        found = supervision.Detections(xyxy=xyxy[kept], confidence=score[kept], class_id=np.zeros(int(kept.sum()), int))
        tracked = tracker.update(found)
        ids: IntArray = np.asarray(tracked.tracker_id, dtype=np.int64).reshape(-1)
        return ids[ids >= 0], np.asarray(tracked.xyxy, dtype=np.float64).reshape(-1, 4)[ids >= 0]

    return update


def _norfair() -> Update:
    import norfair

    tracker = norfair.Tracker(distance_function="iou", distance_threshold=NORFAIR_DISTANCE)

    def update(xyxy: FloatArray, score: FloatArray, _picture: Picture) -> tuple[IntArray, FloatArray]:
        found = [norfair.Detection(box.reshape(2, 2)) for box in xyxy[score >= NORFAIR_LEAST]]
        tracked: Sequence[Any] = tracker.update(detections=found)
        boxes = [one.estimate.reshape(4) for one in tracked]
        return np.array([one.id for one in tracked], np.int64), np.array(boxes, np.float64).reshape(-1, 4)

    return update
