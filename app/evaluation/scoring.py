"""Scores a run against truth. Knows which metrics are taken over what; knows no file format and prints nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError
from app.evaluation.alignment import AlignedFloor, Bounds, LeftOut, align_boxes, align_floor
from app.evaluation.metrics import (
    Churn,
    DetectionScores,
    IdentityScores,
    Jitter,
    PositionError,
    TrackingScores,
    churn,
    concatenate,
    detection_scores,
    identity_scores,
    jitter,
    match,
    match_floor,
    position_error,
    tracking_scores,
)
from app.evaluation.run_folder import RunFolder, read_run
from app.evaluation.truth import Truth

GATES_M = (0.5, 1.0)  # 0.5: MVDet's; 1.0: TrackEval's and the multi-camera trackers' on WILDTRACK
MATCH_GATE_M = 1.0  # for position error, jitter and churn on the floor


@dataclass(frozen=True, slots=True)
class ImageScores:
    """In the image, by IoU of at least 0.5."""

    cameras: Mapping[str, TrackingScores]
    all: TrackingScores  # combined over cameras, each on its own
    across_cameras: IdentityScores  # an id must be the same in all cameras
    churn: Churn  # over all cameras together
    left_out: LeftOut
    without_truth: tuple[str, ...]  # cameras of the run that nobody annotated


@dataclass(frozen=True, slots=True)
class GateScores:
    """On the floor, with a result up to `gate_m` metres from a person taken as right."""

    gate_m: float
    tracking: TrackingScores
    detection: DetectionScores


@dataclass(frozen=True, slots=True)
class FloorScores:
    """On the floor; error, jitter and churn are over matches within 1 m."""

    gates: tuple[GateScores, ...]
    error: PositionError
    jitter: Jitter
    churn: Churn
    instants: int
    left_out: LeftOut


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything about one run."""

    site: str
    run: str
    truth: str
    layout: str
    image: ImageScores
    floor: FloorScores | None  # None when the run or the truth knows no floor


def score_run(run_dir: Path, truth: Truth, *, region: bool = True) -> Scores:
    """Score what `spoton track` wrote.

    Args:
        run_dir: the run folder.
        truth: read for this run's cameras.
        region: leave out what lies outside the area where people are annotated: the truth's own area, or else the
            site's floor bounds. In the image it applies only where the truth has such an area.

    Raises:
        ConfigError: the run folder is incomplete or broken, or has none of the truth's cameras; names file and key.
    """
    run = read_run(run_dir)
    if not set(run.clocks) & set(truth.cameras):
        problem = f"has none of the truth's cameras {', '.join(truth.cameras)}; it has {', '.join(run.clocks)}"
        raise ConfigError(run_dir / "run.json", "cameras", problem)
    image = score_image(run, truth, truth.area if region else None)
    floor = align_floor(run, truth, (truth.area or run.bounds) if region else None)
    floor_scores = None if floor is None else score_floor(floor)
    return Scores(run.site, str(run_dir), str(truth.path), truth.layout, image, floor_scores)


def score_image(run: RunFolder, truth: Truth, area: Bounds | None) -> ImageScores:
    """Score the boxes of a run; results outside `area` are left out, None keeps all."""
    frames, left_out = {}, LeftOut()
    for camera in run.clocks:
        if camera in truth.cameras:
            frames[camera], one_left_out = align_boxes(run.boxes[camera], truth.cameras[camera], area)
            left_out += one_left_out
    cameras, combined = tracking_scores(frames)
    together = concatenate(list(frames.values()))
    return ImageScores(
        cameras=cameras,
        all=combined,
        across_cameras=identity_scores(together),
        churn=churn(together.true_ids, together.result_ids, match(together)),
        left_out=left_out,
        without_truth=tuple(camera for camera in run.clocks if camera not in truth.cameras),
    )


def score_floor(aligned: AlignedFloor) -> FloorScores:
    """Score the dots of a run."""
    gates = []
    for gate_m in GATES_M:
        frames, _ = aligned.frames(gate_m)
        tracking = tracking_scores({"floor": frames.pair(gate_m)})[1]
        gates.append(GateScores(gate_m, tracking, detection_scores(frames, gate_m)))
    frames, left_out = aligned.frames(MATCH_GATE_M)
    matches = match_floor(frames, MATCH_GATE_M)
    return FloorScores(
        gates=tuple(gates),
        error=position_error(frames, matches),
        jitter=jitter(frames, matches),
        churn=churn(frames.true_ids, frames.result_ids, matches),
        instants=len(frames.true_ids),
        left_out=left_out,
    )
