"""Tracks a site with SpotOn and with the nearest-neighbour baseline, and scores both on the floor with one code."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.bench.nearest_floor import NearestFloor
from app.domains.vocabulary import IntArray
from app.errors import ConfigError
from app.evaluation.alignment import AlignedFloor, align_floor
from app.evaluation.metrics import Churn, FloorFrames, TrackingScores, identity_scores
from app.evaluation.run_folder import FloorResults, RunFolder, read_run
from app.evaluation.scoring import score_floor
from app.evaluation.truth import Truth
from app.main import open_recordings
from app.networks import build_networks
from app.orchestration.jobs import Progress, StageClock
from app.recorded import open_run, track
from app.settings import SiteFile

Report = Callable[[Progress, int | None], None]
THIRDS = 3
LEAST_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Tracked:
    """A site as SpotOn tracked it."""

    site_file: SiteFile
    run: RunFolder


def track_site(site_file: SiteFile, out: Path, models_dir: Path | None, report: Report) -> Tracked:
    """Track a recorded site as `spoton track` does.

    Raises:
        SpotOnError: anything that the user can mend.
    """
    track(site_file, out, models_dir=models_dir, say=silent, report=report)
    return Tracked(site_file, read_run(out))


def track_nearest(tracked: Tracked, models_dir: Path | None) -> RunFolder:
    """Return the run with the dots of the baseline in place of SpotOn's, from the same detections."""
    site_file = tracked.site_file
    floor = site_file.site.floor
    detector = build_networks(site_file, open_recordings(site_file), models_dir).detector
    times, ids, places = [], [], []
    with open_run(site_file, models_dir, StageClock(), silent) as run:
        baseline = NearestFloor(run.views, floor.bounds if floor else None)
        for batch in run.batcher:
            person, xy = baseline.step(batch.captured_at, detector.detect(batch))
            times.append(np.full(len(person), batch.captured_at))
            ids.append(person)
            places.append(xy)
    time_s = np.concatenate(times)
    unsure = np.full(len(time_s), np.nan)
    dots = FloorResults(time_s, np.concatenate(ids), np.concatenate(places), unsure)
    return replace(tracked.run, floor=dots)


def floor_values(run: RunFolder, truth: Truth, gate_m: float) -> dict[str, float]:
    """Score the dots of a run; shares in per cent.

    Raises:
        ConfigError: the run or the truth knows no floor.
    """
    aligned = align_floor(run, truth, truth.area or run.bounds)
    if aligned is None:
        raise ConfigError(run.path, "floor.csv", "is missing; scores on the floor need calibrated cameras")
    scores = score_floor(aligned)
    gate = next(gate for gate in scores.gates if gate.gate_m == gate_m)
    return {
        **tracking_values(gate.tracking, scores.churn),
        "moda": 100.0 * gate.detection.moda,
        "jerk_ratio": scores.jitter.jerk_rms_ratio,
        "error_m": scores.error.median_m,
        **_thirds(aligned, gate_m),
    }


def tracking_values(tracking: TrackingScores, churn: Churn) -> dict[str, float]:
    """Return what is told of a run in its images and on the floor alike; shares in per cent."""
    return {
        "idf1": 100.0 * tracking.idf1,
        "hota": 100.0 * tracking.hota,
        "mota": 100.0 * tracking.mota,
        "ids_per_person": churn.ids_per_person,
        "people_per_id": churn.people_per_id,
        "missed": 100.0 * tracking.false_negatives / max(tracking.true_boxes, 1),
        "false": 100.0 * tracking.false_positives / max(tracking.true_boxes, 1),
        "id_switches": float(tracking.id_switches),
        "people": float(tracking.true_ids),
        "ids": float(tracking.result_ids),
    }


def _thirds(aligned: AlignedFloor, gate_m: float) -> dict[str, float]:
    """Return IDF1 of the first and of the last third of the time, each on its own, in per cent, and how it fell."""
    frames, _ = aligned.frames(gate_m)
    count = len(frames.true_ids)
    edge = max(count // THIRDS, 1)
    first, last = (
        100.0 * identity_scores(_cut(frames, part).pair(gate_m)).idf1
        for part in (slice(0, edge), slice(count - edge, count))
    )
    return {"idf1_first_third": first, "idf1_last_third": last, "drift": first - last}


def _cut(frames: FloorFrames, part: slice) -> FloorFrames:
    return FloorFrames(
        frames.true_ids[part],
        frames.true_xy[part],
        frames.result_ids[part],
        frames.result_xy[part],
        frames.period_s,
    )


def gaps_of(truth: Truth) -> dict[str, float]:
    """Measure how long people are out of every camera's sight before they come back, in a simulated set's truth.

    Returns:
        `gaps` of more than a second, their `gap_median_s` (NaN when there is none), the share of them from 3 to 20 s,
        `gaps_3_to_20_s`, and `in_sight`, the share of people on the floor whom some camera sees; shares in per cent.

    Raises:
        ConfigError: the truth knows no floor.
    """
    floor = truth.floor
    if floor is None or floor.clock is None:
        raise ConfigError(truth.path, "floor_truth.csv", "is missing")
    lengths = [np.zeros(0)]
    for person in np.unique(floor.person):
        frames: IntArray = np.sort(floor.frame[(floor.person == person) & ~floor.ignored])
        lengths.append(np.diff(frames) / floor.clock.fps)
    gaps = np.concatenate(lengths)
    gaps = gaps[gaps > LEAST_GAP_S]
    return {
        "gaps": float(len(gaps)),
        "gap_median_s": float(np.median(gaps)) if len(gaps) else float("nan"),
        "gaps_3_to_20_s": 100.0 * float(((gaps >= 3.0) & (gaps <= 20.0)).mean()) if len(gaps) else float("nan"),
        "in_sight": 100.0 * float((~floor.ignored).mean()),
    }


def silent(_line: str) -> None:
    """Say nothing: the benchmark has a line of its own."""
