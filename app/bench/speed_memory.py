"""Whether memory stays flat: 100,000 steps of a small site whose people all leave each minute, for strangers to come.

An identity is forgotten an hour after it was last seen (36,000 steps), so memory may grow for so long, and not after.
"""

import gc
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from app.bench.made_site import FPS, write_site
from app.bench.speed import Say, Section, Table, verdict
from app.domains.reid.ports import Embedder
from app.domains.vocabulary import Crops, Embeddings, FrameBatch
from app.orchestration.jobs import StageClock
from app.recorded import open_run
from app.settings import load_site

STEPS, QUICK_STEPS = 100_000, 6_000
LAP = 600  # steps after which everybody is somebody else: a minute
CAMERAS, PEOPLE = 4, 8
SAMPLES = 20
GOAL_BYTES = 20.0  # a step, in the second half: 2 MB in 100,000 steps


@dataclass(frozen=True, slots=True)
class Sample:
    """The state after so many steps.

    Attributes:
        resident_mb: memory of the process.
        highest_id: identities ever minted and shown.
    """

    steps: int
    resident_mb: float
    highest_id: int


class _Deaf(StageClock):
    """A clock that keeps nothing: the usual one keeps each step's times, for the summary of a recording."""

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:  # noqa: ARG002 - what a clock is asked
        """Take no time."""
        yield


class _Strangers:
    """An embedder whose people look like others in each lap: the coordinates of their looks move on.

    Args:
        recorded: what gives their looks in the first lap.
    """

    def __init__(self, recorded: Embedder) -> None:
        self._recorded = recorded
        self.lap = 0

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        return Embeddings(np.roll(self._recorded.embed(batch, crops).vectors, 7 * self.lap, axis=1))


def measure(quick: bool, say: Say) -> Section:
    """Make the steps."""
    steps = QUICK_STEPS if quick else STEPS
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        write_site(Path(folder), CAMERAS, PEOPLE, LAP, appearance=True)
        with open_run(load_site(Path(folder) / "site.yaml"), None, _Deaf(), lambda _line: None) as run:
            batches = list(run.batcher)
            if run.pipeline.embedder is None:
                raise ValueError("the made-up site has lost its appearance")
            strangers = _Strangers(run.pipeline.embedder)
            run.pipeline.embedder = strangers
            highest = 0
            for step in range(steps):
                strangers.lap = step // LAP
                update = run.pipeline.step(_later(batches[step % LAP], strangers.lap * LAP / FPS))
                highest = max(highest, *update.floor.global_id.tolist(), 0)
                if (step + 1) % (steps // SAMPLES) == 0:
                    samples.append(Sample(step + 1, _resident_mb(), highest))
                    say(f"memory: {step + 1:,} steps, {samples[-1].resident_mb:.1f} MB, {highest:,} identities so far")
    return _section(samples)


def _later(batch: FrameBatch, seconds: float) -> FrameBatch:
    frames = tuple(replace(frame, captured_at=frame.captured_at + seconds) for frame in batch.frames)
    return FrameBatch(batch.captured_at + seconds, frames)


def _resident_mb() -> float:
    """Return the memory that the process holds; where the system does not say, the most that it ever held."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


def slope(samples: Sequence[Sample]) -> float:
    """Return by how many bytes a step memory grows in the second half of the samples."""
    half = samples[len(samples) // 2 :]
    steps, held = [float(sample.steps) for sample in half], [1e6 * sample.resident_mb for sample in half]
    return float(np.polyfit(steps, held, 1)[0])


def _section(samples: Sequence[Sample]) -> Section:
    rows = [[f"{s.steps:,}", f"{s.resident_mb:.1f}", f"{s.highest_id:,}"] for s in samples]
    growth = slope(samples)
    enough = samples[-1].steps >= STEPS
    result = [["bytes a step, second half", f"{growth:.1f}", verdict(growth, GOAL_BYTES) if enough else "too short"]]
    tables = [
        Table("Memory of the frame path", ["steps", "resident, MB", "identities so far"], rows),
        Table("Growth", ["", "", "goal"], result),
    ]
    notes = [
        f"{CAMERAS} cameras, {PEOPLE} people with appearance, {FPS:g} frames a second; all are replaced each minute.",
        "Identities are remembered for an hour, 36,000 steps; until then memory may grow.",
    ]
    return Section(tables, notes, {"memory": [asdict(sample) for sample in samples], "bytes_a_step": growth})
