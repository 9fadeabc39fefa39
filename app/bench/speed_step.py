"""How long one step of the frame path takes without networks and decoding, stage by stage.

The product's own composition root builds the path, from a made-up site. Nobody else publishes such a step, so there is
no peer beside it.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.bench.made_site import FALSE_BOXES, write_site
from app.bench.speed import Say, Section, Table, spread, verdict
from app.domains.vocabulary import FrameBatch
from app.orchestration.jobs import StageClock, people_in
from app.orchestration.pipeline import STAGES, Pipeline
from app.recorded import open_run
from app.settings import load_site

SITES = ((6, 40), (8, 15), (32, 50))  # cameras, people
GOAL_MS = {(6, 40): 5.0, (8, 15): 1.0, (32, 50): 10.0}  # median of a step on one core, without networks
NETWORKS = ("detect", "embed")  # stages in which the product would run a network, here a look-up
WARM_UP = 30  # steps in which the first identities begin; not measured


@dataclass(frozen=True, slots=True)
class StepTimes:
    """What one site came to; milliseconds a step.

    Attributes:
        boxes: of all cameras, a step.
        people: that the path reports, on average.
        stages: median and 95th percentile of each.
        whole: of the step.
        path: median of the step without the look-ups that stand for networks.
        cpu: mean of CPU time, which other work on the machine does not change.
    """

    cameras: int
    people_walking: int
    appearance: bool
    steps: int
    boxes: float
    people: float
    stages: dict[str, dict[str, float]]
    whole: dict[str, float]
    path: float
    cpu: float


def measure(quick: bool, say: Say) -> Section:
    """Measure all sites, by geometry alone and with appearance."""
    results = []
    for cameras, people in SITES:
        for appearance in (False, True):
            say(f"step: {cameras} cameras x {people} people, {'with' if appearance else 'without'} appearance")
            results.append(_measure(cameras, people, 60 if quick else 300, appearance))
    return _section(results)


class _MeasuredClock(StageClock):
    """A clock of the stages that can be told to look away."""

    measuring = False

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Take the time of a stage while measuring."""
        if not self.measuring:
            yield
            return
        with super().time(stage):
            yield


def _measure(cameras: int, people: int, steps: int, appearance: bool) -> StepTimes:
    """Track a made site step by step."""
    clock = _MeasuredClock()
    with tempfile.TemporaryDirectory() as folder:
        views = write_site(Path(folder), cameras, people, steps + WARM_UP, appearance)
        with open_run(load_site(Path(folder) / "site.yaml"), None, clock, lambda _line: None) as run:
            batches = list(run.batcher)
            for batch in batches[:WARM_UP]:
                run.pipeline.step(batch)
            clock.measuring = True
            wall, cpu, shown = _step_through(run.pipeline, batches[WARM_UP:])
    stages = {name: clock.summary()[name] for name in STAGES}
    whole = spread(wall)
    return StepTimes(
        cameras,
        people,
        appearance,
        len(wall),
        boxes=views * people + FALSE_BOXES * cameras,
        people=shown,
        stages=stages,
        whole=whole,
        path=whole["p50_ms"] - sum(stages[name]["p50_ms"] for name in NETWORKS),
        cpu=cpu,
    )


def _step_through(pipeline: Pipeline, batches: Sequence[FrameBatch]) -> tuple[list[float], float, float]:
    """Return the milliseconds of each step, the mean of its CPU time, and how many people it reports on average."""
    wall, shown = [], 0
    cpu = time.process_time()
    for batch in batches:
        begin = time.perf_counter()
        update = pipeline.step(batch)
        wall.append(1000.0 * (time.perf_counter() - begin))
        shown += people_in(update)
    return wall, 1000.0 * (time.process_time() - cpu) / len(batches), shown / len(batches)


def _section(results: Sequence[StepTimes]) -> Section:
    shown = [name for name in STAGES if name not in NETWORKS]
    rows = []
    for r in results:
        stages = [f"{r.stages[name]['p50_ms']:.2f}" for name in shown]
        goal = verdict(r.path, GOAL_MS[r.cameras, r.people_walking])
        looks = "yes" if r.appearance else "no"
        path = f"{r.path:.2f}"
        rows.append([f"{r.cameras} x {r.people_walking}", looks, *stages, path, f"{r.whole['p95_ms']:.2f}", goal])
    headings = ["cameras x people", "looks", *shown, "whole", "95th", "goal"]
    notes = [
        "Medians; looks: with appearance, a vector recorded for each box. whole: without the look-ups that stand for",
        "detector and embedder; 95th: 95th percentile of the step, look-ups included.",
    ]
    title = "One step of the frame path without networks, ms"
    return Section([Table(title, headings, rows)], notes, {"step": [asdict(result) for result in results]})
