"""Scores the dots of a site whose truth is known: the check behind `spoton demo --check`. Knows no simulator."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluation.live_score import GATE_M, LiveScore
from app.orchestration.jobs import Progress, StageClock, run_recording
from app.orchestration.ports import FloorTruth
from app.recorded import open_run
from app.settings import SiteFile


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a site has to reach."""

    min_idf1: float = 0.90
    min_moda: float = 0.85
    max_error_m: float = 0.25

    def missed(self, scores: dict[str, Any]) -> list[str]:
        """Return a line for each threshold that the scores of `check_floor` miss; one without a value is missed."""
        bounds = (
            ("idf1", self.min_idf1, 1.0, "at least"),
            ("moda", self.min_moda, 1.0, "at least"),
            ("position_error_m", self.max_error_m, -1.0, "at most"),
        )
        missed = []
        for name, bound, sign, words in bounds:
            value = scores[name]
            if value is None or sign * value < sign * bound:
                missed.append(f"{name} is {value}, and should be {words} {bound:g}")
        return missed


def check_floor(
    site_file: SiteFile,
    truth: FloorTruth,
    models_dir: Path | None,
    *,
    say: Callable[[str], None],
    report: Callable[[Progress, int | None], None],
) -> dict[str, Any]:
    """Track every frame of a recorded or simulated site as fast as it goes, and score its dots.

    Args:
        site_file: the site.
        truth: who really is where, by the capture times of the site's frames.
        models_dir: where named weights lie.
        say: called with lines that the user should read.
        report: called after each batch with the progress, and the number of all frames where it is known.

    Returns:
        Scores on the floor with a gate of 0.5 m, rates and timings, fit for JSON; None where there is no data.

    Raises:
        SpotOnError: anything that the user can mend.
    """
    clock, score = StageClock(), LiveScore(truth, float("inf"))
    with open_run(site_file, models_dir, clock, say) as run:
        begun = time.perf_counter()
        progress = run_recording(
            run.batcher,
            run.pipeline,
            [("score", lambda _batch, update: score.add(update))],
            clock,
            lambda done: report(done, run.batcher.frame_count),
        )
        took_s = time.perf_counter() - begun
    scores = score.run_scores()
    matched = scores.error.matches > 0
    return {
        "idf1": round(scores.tracking.idf1, 4),
        "hota": round(scores.tracking.hota, 4),
        "mota": round(scores.tracking.mota, 4),
        "moda": round(scores.detection.moda, 4),
        "position_error_m": round(scores.error.median_m, 4) if matched else None,
        "id_switches": scores.tracking.id_switches,
        "gate_m": GATE_M,
        "people": scores.tracking.true_ids,
        "identities": scores.tracking.result_ids,
        "cameras": len(site_file.site.cameras),
        "instants": scores.instants,
        "frames": progress.frames,
        "fps": round(progress.frames / took_s, 1),
        "stages_ms": {stage: times["mean_ms"] for stage, times in clock.summary().items()},
        "detector": site_file.site.detector.model,
    }
