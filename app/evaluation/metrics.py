"""How good a result is: TrackEval's tracking metrics, MVDet's detection metrics, position error, jitter, id churn.

Knows people paired with results frame by frame, as arrays; knows no file, camera or clock. Every share is in [0, 1],
not in per cent. HOTA, CLEAR and Identity are TrackEval's own classes, fed directly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from trackeval.metrics import CLEAR, HOTA, Identity

from app.domains.vocabulary import BoolArray, FloatArray, IntArray

SIMILARITY_THRESHOLD = 0.5  # of CLEAR and Identity; MOTChallenge's IoU, and the gate on the floor
MIN_JITTER_SAMPLES = 4  # a third difference needs four


@dataclass(frozen=True, slots=True, eq=False)
class PairedFrames:
    """True people and results, frame by frame; a frame without either is a value.

    Attributes:
        true_ids: per frame (T,) int64, no id twice in a frame.
        result_ids: per frame (R,) int64, no id twice in a frame.
        similarity: per frame (T, R) in [0, 1], 1 for the same place.
    """

    true_ids: Sequence[IntArray]
    result_ids: Sequence[IntArray]
    similarity: Sequence[FloatArray]

    def __post_init__(self) -> None:
        shapes = [(len(true), len(result)) for true, result in zip(self.true_ids, self.result_ids, strict=True)]
        if shapes != [similarity.shape for similarity in self.similarity]:
            raise ValueError("similarity must have a row per true id and a column per result id, in every frame")


@dataclass(frozen=True, slots=True, eq=False)
class FloorFrames:
    """True people and results on the floor, instant by instant.

    Attributes:
        true_ids: per instant (T,) int64.
        true_xy: per instant (T, 2) metres.
        result_ids: per instant (R,) int64.
        result_xy: per instant (R, 2) metres.
        period_s: seconds between instants.
    """

    true_ids: Sequence[IntArray]
    true_xy: Sequence[FloatArray]
    result_ids: Sequence[IntArray]
    result_xy: Sequence[FloatArray]
    period_s: float

    def pair(self, gate_m: float) -> PairedFrames:
        """Pair by distance: similarity 1 - d / (2 gate), so that it is 0.5 at the gate and 0 from twice the gate.

        With a gate of 1 m this is TrackEval's `_calculate_euclidean_similarity` with its usual zero distance of 2 m.
        """
        places = zip(self.true_xy, self.result_xy, strict=True)
        similarity = [distance_similarity(cdist(true, result), gate_m) for true, result in places]
        return PairedFrames(self.true_ids, self.result_ids, similarity)


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """TrackEval's numbers for one sequence, or combined over several as TrackEval combines them.

    HOTA, DetA, AssA and LocA are means over the 19 thresholds of localisation.
    """

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    mota: float
    motp: float  # mean similarity of matches
    idf1: float
    idp: float
    idr: float
    id_switches: int
    fragmentations: int
    false_positives: int
    false_negatives: int
    true_boxes: int
    result_boxes: int
    true_ids: int
    result_ids: int


@dataclass(frozen=True, slots=True)
class IdentityScores:
    """How well global ids hold across cameras."""

    idf1: float
    idp: float
    idr: float


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Detection on the floor as MVDet defines it: Hungarian assignment in each instant, without regard to ids."""

    moda: float  # 1 - (FP + FN) / true people
    modp: float  # mean of 1 - d / gate over matches; NaN without a match
    precision: float  # NaN without a result
    recall: float
    false_positives: int
    false_negatives: int


@dataclass(frozen=True, slots=True)
class PositionError:
    """Distance of matched results from the truth in metres; NaN without a match."""

    mean_m: float
    median_m: float
    p90_m: float
    matches: int


@dataclass(frozen=True, slots=True)
class Jitter:
    """How much rougher than the truth the matched tracks are; see `jitter`. NaN without a run, or when nobody moves."""

    acceleration_rms: float  # m/s2, of the output
    true_acceleration_rms: float
    acceleration_rms_ratio: float  # output / truth; 1 is as smooth as the truth, less is smoother
    acceleration_median_ratio: float
    jerk_rms: float  # m/s3, of the output
    true_jerk_rms: float
    jerk_rms_ratio: float
    jerk_median_ratio: float
    samples: int  # accelerations compared


@dataclass(frozen=True, slots=True)
class Churn:
    """How many ids share a person and how many people share an id, among matched pairs; 1 and 1 is perfect."""

    ids_per_person: float  # mean over people matched at least once; NaN when there are none
    most_ids_of_a_person: int
    people_per_id: float  # mean over ids matched at least once
    most_people_of_an_id: int
    people_never_matched: int
    ids_never_matched: int


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs of a true person and a result, as parallel arrays of length M, ordered by frame.

    Attributes:
        frame: (M,) int64, position of the frame in the sequence.
        true_row: (M,) int64, row within the frame.
        result_row: (M,) int64, row within the frame.
    """

    frame: IntArray
    true_row: IntArray
    result_row: IntArray

    def __len__(self) -> int:
        return len(self.frame)


def tracking_scores(sequences: Mapping[str, PairedFrames]) -> tuple[dict[str, TrackingScores], TrackingScores]:
    """Score each sequence, and all of them combined as TrackEval combines sequences (ids are not shared)."""
    metrics = (HOTA(), CLEAR(_quiet()), Identity(_quiet()))
    data = {name: _trackeval_data(frames) for name, frames in sequences.items()}
    single: dict[str, dict[str, Any]] = {name: {} for name in data}
    combined: dict[str, Any] = {}
    for metric in metrics:
        results = {name: metric.eval_sequence(one) for name, one in data.items()}
        for name, result in results.items():
            single[name] |= result
        combined |= metric.combine_sequences(results)
    everything = concatenate(list(sequences.values()))
    scores = {name: _tracking_scores(single[name], frames) for name, frames in sequences.items()}
    return scores, _tracking_scores(combined, everything)


def identity_scores(frames: PairedFrames) -> IdentityScores:
    """Score identities alone: IDF1, IDP and IDR of TrackEval."""
    result = Identity(_quiet()).eval_sequence(_trackeval_data(frames))
    return IdentityScores(float(result["IDF1"]), float(result["IDP"]), float(result["IDR"]))


def concatenate(sequences: Sequence[PairedFrames]) -> PairedFrames:
    """Lay sequences one after the other; an id is the same person in all of them.

    With one sequence per camera, `identity_scores` of the result is the multi-camera IDF1 of NVIDIA's MTMC and of the
    AI City Challenge: a person who changes the id from one camera to the next costs as much as within a camera.
    """
    return PairedFrames(
        [ids for frames in sequences for ids in frames.true_ids],
        [ids for frames in sequences for ids in frames.result_ids],
        [similarity for frames in sequences for similarity in frames.similarity],
    )


def detection_scores(floor: FloorFrames, gate_m: float) -> DetectionScores:
    """Score detection on the floor as MVDet's CLEAR_MOD_HUN does (Hou et al., ECCV 2020; Kasturi et al., PAMI 2009)."""
    matches = match_floor(floor, gate_m)
    true, results = _count(floor.true_ids), _count(floor.result_ids)
    hits = len(matches)
    return DetectionScores(
        moda=1.0 - (true + results - 2 * hits) / max(1, true),
        modp=_mean(1.0 - _distances(floor, matches) / gate_m),
        precision=hits / results if results else float("nan"),
        recall=hits / max(1, true),
        false_positives=results - hits,
        false_negatives=true - hits,
    )


def position_error(floor: FloorFrames, matches: Matches) -> PositionError:
    """Measure the distance between matched people and results."""
    distance = _distances(floor, matches)
    if len(distance) == 0:
        return PositionError(float("nan"), float("nan"), float("nan"), 0)
    median, p90 = np.percentile(distance, [50, 90])
    return PositionError(float(distance.mean()), float(median), float(p90), len(distance))


def jitter(floor: FloorFrames, matches: Matches) -> Jitter:
    """Compare the roughness of the output with that of the truth, over the same people at the same instants.

    A run is a longest stretch of consecutive instants in which one true person is matched to one and the same output
    id; runs of fewer than four instants are left out. Within a run of positions p[k], h = `period_s` apart,
    acceleration is the length of (p[k+1] - 2 p[k] + p[k-1]) / h**2 and jerk the length of
    (p[k+2] - 3 p[k+1] + 3 p[k] - p[k-1]) / h**3. RMS and median are taken over all samples of all runs, of output and
    truth apart; a ratio is output over truth. Changes of identity and gaps count elsewhere (ID switches, churn,
    recall), not here.
    """
    true, result = _runs(floor, matches)
    acceleration, true_acceleration = (_rates(runs, 2, floor.period_s) for runs in (result, true))
    jerk, true_jerk = (_rates(runs, 3, floor.period_s) for runs in (result, true))
    return Jitter(
        acceleration_rms=_rms(acceleration),
        true_acceleration_rms=_rms(true_acceleration),
        acceleration_rms_ratio=_ratio(_rms(acceleration), _rms(true_acceleration)),
        acceleration_median_ratio=_ratio(_median(acceleration), _median(true_acceleration)),
        jerk_rms=_rms(jerk),
        true_jerk_rms=_rms(true_jerk),
        jerk_rms_ratio=_ratio(_rms(jerk), _rms(true_jerk)),
        jerk_median_ratio=_ratio(_median(jerk), _median(true_jerk)),
        samples=len(acceleration),
    )


def churn(true_ids: Sequence[IntArray], result_ids: Sequence[IntArray], matches: Matches) -> Churn:
    """Count the distinct output ids of each true person and the distinct true people of each output id."""
    true, result = (
        _pick(true_ids, matches.frame, matches.true_row),
        _pick(result_ids, matches.frame, matches.result_row),
    )
    pairs = np.unique(np.stack([true, result], axis=1), axis=0)
    ids_of = np.unique(pairs[:, 0], return_counts=True)[1]
    people_of = np.unique(pairs[:, 1], return_counts=True)[1]
    return Churn(
        ids_per_person=_mean(ids_of),
        most_ids_of_a_person=int(ids_of.max(initial=0)),
        people_per_id=_mean(people_of),
        most_people_of_an_id=int(people_of.max(initial=0)),
        people_never_matched=len(_distinct(true_ids)) - len(ids_of),
        ids_never_matched=len(_distinct(result_ids)) - len(people_of),
    )


def match(frames: PairedFrames, threshold: float = SIMILARITY_THRESHOLD) -> Matches:
    """Assign results to people in each frame by greatest total similarity of pairs that reach `threshold`."""
    allowed = [similarity >= threshold for similarity in frames.similarity]
    costs = [np.where(ok, -similarity, 0.0) for ok, similarity in zip(allowed, frames.similarity, strict=True)]
    return _assign(costs, allowed)


def match_floor(floor: FloorFrames, gate_m: float) -> Matches:
    """Assign results to people at each instant: as many as possible below the gate, at the least total distance."""
    distances = [cdist(true, result) for true, result in zip(floor.true_xy, floor.result_xy, strict=True)]
    allowed = [distance < gate_m for distance in distances]
    # 1e6: what a pair beyond the gate costs in MVDet's CLEAR_MOD_HUN
    costs = [np.where(ok, distance, 1e6) for ok, distance in zip(allowed, distances, strict=True)]
    return _assign(costs, allowed)


def distance_similarity(distance: FloatArray, gate_m: float) -> FloatArray:
    """Turn distances in metres into similarities: 1 at 0, 0.5 at the gate, 0 from twice the gate."""
    similarity: FloatArray = np.maximum(0.0, 1.0 - distance / (2.0 * gate_m))
    return similarity


def iou(true: FloatArray, result: FloatArray) -> FloatArray:
    """Return the intersection over union of (T, 4) and (R, 4) boxes as (T, R)."""
    top_left = np.maximum(true[:, None, :2], result[None, :, :2])
    bottom_right = np.minimum(true[:, None, 2:], result[None, :, 2:])
    intersection = np.prod(np.maximum(0.0, bottom_right - top_left), axis=2)
    area_true, area_result = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (true, result))
    union = area_true[:, None] + area_result[None, :] - intersection
    overlap: FloatArray = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0.0)
    return overlap


def _assign(costs: Sequence[FloatArray], allowed: Sequence[BoolArray]) -> Matches:
    """Solve one assignment per frame and keep the allowed pairs."""
    frame, true_row, result_row = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, (cost, ok) in enumerate(zip(costs, allowed, strict=True)):
        rows, columns = linear_sum_assignment(cost)
        kept = ok[rows, columns]
        frame.append(np.full(int(kept.sum()), number))
        true_row.append(rows[kept])
        result_row.append(columns[kept])
    return Matches(np.concatenate(frame), np.concatenate(true_row), np.concatenate(result_row))


def _quiet() -> dict[str, Any]:
    return {"THRESHOLD": SIMILARITY_THRESHOLD, "PRINT_CONFIG": False}


def _trackeval_data(frames: PairedFrames) -> dict[str, Any]:
    """Build what TrackEval's metrics take: ids counted from 0 without gaps, and counts."""
    true_names, result_names = _distinct(frames.true_ids), _distinct(frames.result_ids)
    return {
        "num_timesteps": len(frames.similarity),
        "num_gt_ids": len(true_names),
        "num_tracker_ids": len(result_names),
        "num_gt_dets": _count(frames.true_ids),
        "num_tracker_dets": _count(frames.result_ids),
        "gt_ids": [np.searchsorted(true_names, ids) for ids in frames.true_ids],
        "tracker_ids": [np.searchsorted(result_names, ids) for ids in frames.result_ids],
        "similarity_scores": list(frames.similarity),
    }


def _tracking_scores(result: Mapping[str, Any], frames: PairedFrames) -> TrackingScores:
    return TrackingScores(
        hota=float(np.mean(result["HOTA"])),
        det_a=float(np.mean(result["DetA"])),
        ass_a=float(np.mean(result["AssA"])),
        loc_a=float(np.mean(result["LocA"])),
        mota=float(result["MOTA"]),
        motp=float(result["MOTP"]),
        idf1=float(result["IDF1"]),
        idp=float(result["IDP"]),
        idr=float(result["IDR"]),
        id_switches=int(result["IDSW"]),
        fragmentations=int(result["Frag"]),
        false_positives=int(result["CLR_FP"]),
        false_negatives=int(result["CLR_FN"]),
        true_boxes=_count(frames.true_ids),
        result_boxes=_count(frames.result_ids),
        true_ids=len(_distinct(frames.true_ids)),
        result_ids=len(_distinct(frames.result_ids)),
    )


def _runs(floor: FloorFrames, matches: Matches) -> tuple[list[FloatArray], list[FloatArray]]:
    """Cut the matches into runs of one person with one id; return true and output positions, run by run."""
    true = _pick(floor.true_ids, matches.frame, matches.true_row)
    result = _pick(floor.result_ids, matches.frame, matches.result_row)
    order = np.lexsort([matches.frame, result, true])
    true_xy = _pick(floor.true_xy, matches.frame, matches.true_row).reshape(-1, 2)[order]
    result_xy = _pick(floor.result_xy, matches.frame, matches.result_row).reshape(-1, 2)[order]
    # within a run the ids stay and the frame counts up by one
    steps = np.diff(np.stack([true, result, matches.frame], axis=1)[order], axis=0)
    ends = np.flatnonzero((steps != [0, 0, 1]).any(axis=1)) + 1
    pieces = zip(np.split(true_xy, ends), np.split(result_xy, ends), strict=True)
    long = [piece for piece in pieces if len(piece[0]) >= MIN_JITTER_SAMPLES]
    return [piece[0] for piece in long], [piece[1] for piece in long]


def _rates(runs: Sequence[FloatArray], order: int, period_s: float) -> FloatArray:
    """Return the lengths of the `order`-th derivative by differences, of all runs together."""
    differences = [np.diff(run, n=order, axis=0) for run in runs]
    rates: FloatArray = np.linalg.norm(np.concatenate([np.zeros((0, 2)), *differences]), axis=1) / period_s**order
    return rates


def _distances(floor: FloorFrames, matches: Matches) -> FloatArray:
    true = _pick(floor.true_xy, matches.frame, matches.true_row).reshape(-1, 2)
    result = _pick(floor.result_xy, matches.frame, matches.result_row).reshape(-1, 2)
    distances: FloatArray = np.linalg.norm(true - result, axis=1)
    return distances


def _pick(columns: Sequence[NDArray[Any]], frame: IntArray, row: IntArray) -> NDArray[Any]:
    """Return columns[frame][row] for each pair of frame and row."""
    if len(frame) == 0:
        return np.zeros(0, np.int64)
    starts = np.cumsum([0, *(len(column) for column in columns)])
    picked: NDArray[Any] = np.concatenate(columns)[starts[frame] + row]
    return picked


def _distinct(columns: Sequence[IntArray]) -> IntArray:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *columns]))


def _count(columns: Sequence[IntArray]) -> int:
    return sum(len(column) for column in columns)


def _mean(values: FloatArray | IntArray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _median(values: FloatArray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def _ratio(output: float, truth: float) -> float:
    return output / truth if truth > 0.0 else float("nan")
