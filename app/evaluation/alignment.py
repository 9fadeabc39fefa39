"""Lays results and truth side by side: frame by frame in the image, instant by instant on the floor.

Knows clocks, spans, ignored rows and the annotated area, and counts every result that it leaves out. Knows no metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from app.domains.vocabulary import BoolArray, FloatArray, IntArray
from app.evaluation.metrics import SIMILARITY_THRESHOLD, FloorFrames, PairedFrames, distance_similarity, iou, match
from app.evaluation.mot_text import BoxTable
from app.evaluation.run_folder import FloorResults, RunFolder
from app.evaluation.truth import CameraTruth, Truth, inside

Bounds = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in metres
Scalar = TypeVar("Scalar", bound=np.generic)
HALF = 0.5 + 1e-6  # of a frame period; the margin is for the rounding of written times


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Results that are not scored."""

    outside_span: int = 0  # before the first or after the last annotated frame
    on_ignored: int = 0  # on a person or box that the truth says to ignore
    outside_area: int = 0  # where nobody is annotated
    between_instants: int = 0  # on the floor, when the run has more instants than the truth

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(
            self.outside_span + other.outside_span,
            self.on_ignored + other.on_ignored,
            self.outside_area + other.outside_area,
            self.between_instants + other.between_instants,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FloorTimeline:
    """People, or results, at regular instants, as parallel arrays of length N, ordered by instant.

    Attributes:
        start_s: time of instant 0.
        period_s: seconds between instants.
        instants: how many there are.
        instant: (N,) int64, from 0.
        person: (N,) int64.
        xy: (N, 2) metres.
        ignored: (N,) bool; always False for results.
    """

    start_s: float
    period_s: float
    instants: int
    instant: IntArray
    person: IntArray
    xy: FloatArray
    ignored: BoolArray

    def __getitem__(self, rows: BoolArray | IntArray) -> "FloorTimeline":
        columns = (self.instant[rows], self.person[rows], self.xy[rows], self.ignored[rows])
        return FloorTimeline(self.start_s, self.period_s, self.instants, *columns)

    def split(self, column: NDArray[Scalar]) -> list[NDArray[Scalar]]:
        """Cut a column of N rows into one piece per instant."""
        return np.split(column, np.searchsorted(self.instant, np.arange(1, self.instants)))


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFloor:
    """People and results at the same instants."""

    people: FloorTimeline
    results: FloorTimeline
    left_out: LeftOut

    def frames(self, gate_m: float) -> tuple[FloorFrames, LeftOut]:
        """Return who counts: without the ignored people, and without the results that take them within the gate."""
        people, results = self.people, self.results
        taken = [
            taken_by_ignored(distance_similarity(cdist(true, result), gate_m), ignored)
            for true, result, ignored in zip(
                people.split(people.xy), results.split(results.xy), people.split(people.ignored), strict=True
            )
        ]
        absorbed = np.concatenate(taken)
        people, results = people[~people.ignored], results[~absorbed]
        frames = FloorFrames(
            people.split(people.person),
            people.split(people.xy),
            results.split(results.person),
            results.split(results.xy),
            people.period_s,
        )
        return frames, self.left_out + LeftOut(on_ignored=int(absorbed.sum()))


def align_boxes(results: BoxTable, truth: CameraTruth, area: Bounds | None) -> tuple[PairedFrames, LeftOut]:
    """Pair the boxes of one camera, frame by frame over the annotated span.

    Args:
        results: the camera's results.
        truth: the camera's truth.
        area: where people are annotated. A result whose feet are known to stand outside is left out, unless it is on a
            true box. None when people are annotated everywhere.
    """
    in_span = (results.frame >= truth.first) & (results.frame <= truth.last)
    left_out = LeftOut(outside_span=int((~in_span).sum()))
    results, boxes = results[in_span], truth.boxes
    outside = np.zeros(len(results), bool)
    if area is not None:
        outside = ~inside(results.floor, area) & np.isfinite(results.floor).all(axis=1)
    edges = np.arange(truth.first, truth.last + 2)
    starts, result_starts = np.searchsorted(boxes.frame, edges), np.searchsorted(results.frame, edges)
    true_ids, result_ids, similarity = [], [], []
    for frame in range(len(edges) - 1):
        true, found = slice(starts[frame], starts[frame + 1]), slice(result_starts[frame], result_starts[frame + 1])
        overlap, counts = iou(boxes.xyxy[true], results.xyxy[found]), ~boxes.ignored[true]
        absorbed = taken_by_ignored(overlap, ~counts)
        astray = outside[found] & ~absorbed & ~(overlap[counts] >= SIMILARITY_THRESHOLD).any(axis=0)
        left_out += LeftOut(on_ignored=int(absorbed.sum()), outside_area=int(astray.sum()))
        true_ids.append(boxes.person[true][counts])
        result_ids.append(results.person[found][~absorbed & ~astray])
        similarity.append(overlap[counts][:, ~absorbed & ~astray])
    return PairedFrames(true_ids, result_ids, similarity), left_out


def align_floor(run: RunFolder, truth: Truth, area: Bounds | None) -> AlignedFloor | None:
    """Pair people and dots at the truth's instants; None when the run or the truth knows no floor.

    The run's instant nearest to a true one, at most half a frame period away, stands for it.

    Args:
        run: the results.
        truth: who was where.
        area: people and results outside are left out; None keeps all.
    """
    people = _whole_floor(run, truth) if truth.floor is not None else _floor_seen_by_cameras(run, truth)
    if run.floor is None or people is None:
        return None
    results, left_out = _at_instants(run.floor, people)
    if area is not None:
        people, stay = people[inside(people.xy, area)], inside(results.xy, area)
        results, left_out = results[stay], left_out + LeftOut(outside_area=int((~stay).sum()))
    return AlignedFloor(people, results, left_out)


def taken_by_ignored(similarity: FloatArray, ignored: BoolArray) -> BoolArray:
    """Tell which results take an ignored row when all rows compete for them, as MOTChallenge does with distractors.

    Args:
        similarity: (T, R).
        ignored: (T,) bool.

    Returns:
        (R,) bool.
    """
    taken = np.zeros(similarity.shape[1], bool)
    if ignored.any() and len(taken):
        matches = match(PairedFrames([np.arange(len(ignored))], [np.arange(len(taken))], [similarity]))
        taken[matches.result_row[ignored[matches.true_row]]] = True
    return taken


def _whole_floor(run: RunFolder, truth: Truth) -> FloorTimeline | None:
    """Put truth that names everybody on its clock, or else on that of the first scored camera; all run in step."""
    floor = truth.floor
    if floor is None:
        return None
    clock = floor.clock or next(clock for camera, clock in run.clocks.items() if camera in truth.cameras)
    start_s = clock.start_s + (floor.first - 1) / clock.fps
    instants = floor.last - floor.first + 1
    instant = floor.frame - floor.first
    return FloorTimeline(start_s, 1 / clock.fps, instants, instant, floor.person, floor.xy, floor.ignored)


def _floor_seen_by_cameras(run: RunFolder, truth: Truth) -> FloorTimeline | None:
    """Gather the floor positions in the cameras' own truth at the frames of the slowest camera.

    At those instants every camera has a frame, at most half of its own period away. Where several cameras say where a
    person is, the nearest frame counts.
    """
    known = {
        camera: one
        for camera, one in truth.cameras.items()
        if camera in run.clocks and np.isfinite(one.boxes.floor).all(axis=1).any()
    }
    if not known:
        return None
    clocks = [run.clocks[camera] for camera in known]
    slowest = min(clocks, key=lambda clock: clock.fps)
    first_s = min(
        clock.start_s + (one.first - 1) / clock.fps for clock, one in zip(clocks, known.values(), strict=True)
    )
    last_s = max(clock.start_s + (one.last - 1) / clock.fps for clock, one in zip(clocks, known.values(), strict=True))
    first = max(0, round((first_s - slowest.start_s) * slowest.fps))
    instants = max(1, round((last_s - slowest.start_s) * slowest.fps) - first + 1)
    start_s = slowest.start_s + first / slowest.fps
    boxes = [one.boxes for one in known.values()]
    time_s = np.concatenate([clock.time(one.frame) for clock, one in zip(clocks, boxes, strict=True)])
    own_period = np.concatenate([np.full(len(one), 1 / clock.fps) for clock, one in zip(clocks, boxes, strict=True)])
    rows = _concatenate(boxes)
    instant = np.round((time_s - start_s) * slowest.fps).astype(np.int64)
    late_s = np.abs(time_s - (start_s + instant / slowest.fps))
    usable = (late_s <= HALF * own_period) & (instant >= 0) & (instant < instants) & np.isfinite(rows.floor).all(axis=1)
    # stable: of equally near frames the first camera's counts
    order = np.lexsort((np.round(late_s, 6), rows.ignored, rows.person, instant))
    order = order[usable[order]]
    unique = np.unique(np.stack([instant, rows.person], axis=1)[order], axis=0, return_index=True)[1]
    chosen = order[unique]
    columns = (instant[chosen], rows.person[chosen], rows.floor[chosen], rows.ignored[chosen])
    return FloorTimeline(start_s, 1 / slowest.fps, instants, *columns)


def _at_instants(floor: FloorResults, people: FloorTimeline) -> tuple[FloorTimeline, LeftOut]:
    """Choose for each true instant the run's nearest instant, at most half a period away."""
    position = (floor.time_s - people.start_s) / people.period_s
    in_span = (position >= -HALF) & (position <= people.instants - 1 + HALF)
    instant = np.clip(np.round(position), 0, people.instants - 1).astype(np.int64)
    off = np.round(np.abs(position - instant), 6)
    order = np.lexsort((floor.time_s, off, instant))
    order = order[in_span[order]]
    chosen_s = np.full(people.instants, np.nan)
    taken, first = np.unique(instant[order], return_index=True)
    chosen_s[taken] = floor.time_s[order[first]]
    rows = np.flatnonzero(in_span & (floor.time_s == chosen_s[instant]))
    columns = (instant[rows], floor.person[rows], floor.xy[rows], np.zeros(len(rows), bool))
    results = FloorTimeline(people.start_s, people.period_s, people.instants, *columns)
    return results, LeftOut(outside_span=int((~in_span).sum()), between_instants=int(in_span.sum()) - len(rows))


def _concatenate(tables: Sequence[BoxTable]) -> BoxTable:
    return BoxTable(
        np.concatenate([table.frame for table in tables]),
        np.concatenate([table.person for table in tables]),
        np.concatenate([table.xyxy for table in tables]),
        np.concatenate([table.floor for table in tables]),
        np.concatenate([table.ignored for table in tables]),
    )
