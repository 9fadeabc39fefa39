"""Finite runs of the frame path over recorded input. Knows no file formats: outputs are called with each update."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from app.domains.vocabulary import NO_ID, FrameBatch, TrackingUpdate
from app.orchestration.batcher import Batcher
from app.orchestration.pipeline import Pipeline

Output = Callable[[FrameBatch, TrackingUpdate], None]


class StageClock:
    """Takes the time of named stages."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time that the context takes to the stage's list."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.setdefault(stage, []).append(time.perf_counter() - begin)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return for each stage its total in seconds, and mean, median and 95th percentile in milliseconds."""
        result = {}
        for stage, seconds in self._seconds.items():
            milliseconds = 1000.0 * np.array(seconds)
            result[stage] = {
                "total_s": round(float(milliseconds.sum()) / 1000.0, 3),
                "mean_ms": round(float(milliseconds.mean()), 3),
                "p50_ms": round(float(np.median(milliseconds)), 3),
                "p95_ms": round(float(np.percentile(milliseconds, 95)), 3),
            }
        return result


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    batches: int
    frames: int
    people_now: int
    faults: int


def run_recording(
    batcher: Batcher,
    pipeline: Pipeline,
    outputs: Sequence[tuple[str, Output]],
    clock: StageClock,
    report: Callable[[Progress], None],
) -> Progress:
    """Track every frame of the batcher and hand each update to the named outputs.

    Returns:
        The progress at the end.
    """
    count: Counter[str] = Counter()
    people = 0
    batches = iter(batcher)
    while True:
        with clock.time("read"):
            batch = next(batches, None)
        if batch is None:
            break
        update = pipeline.step(batch)
        for name, output in outputs:
            with clock.time(name):
                output(batch, update)
        count["batches"] += 1
        count["frames"] += len(batch.frames)
        people = people_in(update)
        report(Progress(count["batches"], count["frames"], people, len(batcher.faults)))
    return Progress(count["batches"], count["frames"], people, len(batcher.faults))


def people_in(update: TrackingUpdate) -> int:
    """Count the identities that are on the floor or in any image of the update."""
    seen = set(update.floor.global_id.tolist())
    for sightings in update.sightings:
        seen.update(sightings.global_id.tolist())
    return len(seen - {NO_ID})
