"""How right the dots are, while they come: IDF1, MODA and position error over a sliding window, against known truth.

Knows who really was where at any instant. Knows no camera, and no clock but capture times.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.corrections import CorrectedHistory
from app.domains.vocabulary import FloatArray, IntArray, TrackingUpdate
from app.evaluation.metrics import (
    DetectionScores,
    FloorFrames,
    PositionError,
    TrackingScores,
    detection_scores,
    identity_scores,
    match_floor,
    position_error,
    tracking_scores,
)
from app.orchestration.ports import FloorTruth

GATE_M = 0.5  # MVDet's: a dot farther away from everybody is wrong


@dataclass(frozen=True, slots=True, eq=False)
class _Instant:
    captured_at: float
    true_id: IntArray
    true_xy: FloatArray
    result_id: IntArray
    result_xy: FloatArray


@dataclass(frozen=True, slots=True)
class FloorRunScores:
    """Everything about the dots of a whole run."""

    tracking: TrackingScores
    detection: DetectionScores
    error: PositionError
    instants: int


class LiveScore:
    """Remembers dots and truth of the last `window_s` seconds of capture time and scores them.

    Corrections are followed back to the window's begin, as the history does.

    Args:
        truth: who really was where.
        window_s: how far back; infinity for a whole run.
    """

    def __init__(self, truth: FloorTruth, window_s: float = 60.0) -> None:
        self._truth, self.window_s = truth, window_s
        self._lock = threading.Lock()
        self._instants: deque[_Instant] = deque()
        self._history = CorrectedHistory()

    def add(self, update: TrackingUpdate) -> None:
        """Remember an update and the truth of its instant."""
        true_id, true_xy = self._truth.people_at(update.captured_at)
        instant = _Instant(update.captured_at, true_id, true_xy, update.floor.global_id, update.floor.xy)
        with self._lock:
            self._history.follow(update.captured_at, update.corrections)
            self._instants.append(instant)
            while self._instants[0].captured_at < update.captured_at - self.window_s:
                self._instants.popleft()
            self._history.forget(self._instants[0].captured_at)

    def scores(self) -> dict[str, float | int | None]:
        """Score the window; None where there is no data. `people` are there now, and `matched` of them have a dot."""
        frames = self._frames()
        if not any(len(ids) for ids in frames.true_ids):
            empty = dict.fromkeys(("idf1", "moda", "position_error_m"))
            return {"window_s": self._seconds(), **empty, "matched": 0, "people": 0}
        matches = match_floor(frames, GATE_M)
        error = position_error(frames, matches)
        return {
            "window_s": self._seconds(),
            "idf1": round(identity_scores(frames.pair(GATE_M)).idf1, 4),
            "moda": round(detection_scores(frames, GATE_M).moda, 4),
            "position_error_m": round(error.median_m, 3) if error.matches else None,
            "matched": int((matches.frame == len(frames.true_ids) - 1).sum()),
            "people": len(frames.true_ids[-1]),
        }

    def run_scores(self) -> FloorRunScores:
        """Score everything that is remembered, with every metric."""
        frames = self._frames()
        return FloorRunScores(
            tracking=tracking_scores({"floor": frames.pair(GATE_M)})[1],
            detection=detection_scores(frames, GATE_M),
            error=position_error(frames, match_floor(frames, GATE_M)),
            instants=len(frames.true_ids),
        )

    def _seconds(self) -> float:
        with self._lock:
            if not self._instants:
                return 0.0
            return round(self._instants[-1].captured_at - self._instants[0].captured_at, 1)

    def _frames(self) -> FloorFrames:
        with self._lock:
            instants = _read(list(self._instants), self._history)
        return FloorFrames(
            [i.true_id for i in instants],
            [i.true_xy for i in instants],
            [i.result_id for i in instants],
            [i.result_xy for i in instants],
            _period([i.captured_at for i in instants]),
        )


def _read(instants: Sequence[_Instant], history: CorrectedHistory) -> list[_Instant]:
    """Return the instants under corrected ids; where one identity then stands twice at an instant, once."""
    if not instants:
        return []
    counts = [len(i.result_id) for i in instants]
    reported, times = (
        np.concatenate([i.result_id for i in instants]),
        np.repeat([i.captured_at for i in instants], counts),
    )
    corrected, _ = history.read(reported, times, np.ones(len(reported)))
    read = []
    for instant, ids in zip(instants, np.split(corrected, np.cumsum(counts)[:-1]), strict=True):
        distinct, rows = np.unique(ids, return_index=True)
        read.append(_Instant(instant.captured_at, instant.true_id, instant.true_xy, distinct, instant.result_xy[rows]))
    return read


def _period(times: Sequence[float]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0
