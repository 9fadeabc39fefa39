"""Measures one step of the frame path without networks and decoding, on one core.

    uv run python scripts/bench_step.py                      # 6 cameras x 40 people, and two more sites
    uv run python scripts/bench_step.py 6x40 --profile 15    # and where the time goes
    uv run python scripts/bench_step.py --json bench.json

People walk over a floor; cameras see them with noise, drop-outs, occlusion and false boxes. The boxes, and a vector of
appearance for each, become recorded detections of a site file, and the product's own composition root builds the path.
"""

import argparse
import cProfile
import json
import math
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from app.domains.vocabulary import NO_ID, BoolArray, FloatArray, FrameBatch, IntArray
from app.orchestration.jobs import StageClock, people_in
from app.orchestration.pipeline import STAGES, Pipeline
from app.recorded import open_run
from app.settings import load_site

GOAL_MS = {"6x40": 5.0}  # median of a step on one core, without networks
NETWORKS = ("detect", "embed")  # stages in which the product would run a network, here a look-up
FPS = 10.0
WARM_UP = 30  # steps in which the first identities begin; not measured
SIZE = (1920, 1080)
FOCAL = 1150.0  # pixels: 80 degrees wide
NEAR_M, FAR_M = 2.5, 22.0  # what stands further away is too small for the detector
HUNG_M = 3.2  # height of the cameras
AREA_M2 = 67.0  # of floor for each camera: MultiviewX's density
HEIGHT_M, WIDTH_M = 1.75, 0.55  # of a person
NOISE = 0.02  # of a box's edges, in box heights
DROPPED, FALSE_BOXES = 0.08, 0.3  # probability a box; average a frame
COVERED = 0.6  # share of a box behind another one from which nobody finds it
DIMENSION = 256  # of appearance vectors
COMMON, OWN = 0.35, 0.4  # cosine of two people, and how much more of the same person twice


@dataclass(frozen=True, slots=True)
class View:
    """A camera: 3x3 rotation from the site frame, and where it stands in metres."""

    rotation: FloatArray
    position: FloatArray


@dataclass(frozen=True, slots=True)
class Result:
    """What one site came to; milliseconds a step unless said otherwise."""

    site: str
    appearance: bool
    steps: int
    boxes: float  # a step
    views: float  # cameras that see a person, on average
    people: float  # that the path reports, on average
    stages: dict[str, dict[str, float]]
    p50: float
    p95: float
    cpu: float  # mean of CPU time: what other work on the machine does not change


def walks(people: int, steps: int, floor: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Return (steps, people, 2) metres of people who walk from one random place to the next."""
    place, goal = (rng.uniform((0, 0), floor, (people, 2)) for _ in range(2))
    stride = rng.uniform(0.8, 1.5, people) / FPS
    path = np.empty((steps, people, 2))
    for step in range(steps):
        path[step] = place
        way = goal - place
        distance = np.linalg.norm(way, axis=1)
        there = distance < 2 * stride
        goal[there] = rng.uniform((0, 0), floor, (int(there.sum()), 2))
        place = place + way * (stride / np.maximum(distance, stride))[:, None]
    return path


def hang_cameras(count: int) -> tuple[tuple[float, float], list[View]]:
    """Return a floor of 3:2 in metres and cameras over it, each looking across its own part in another direction."""
    columns = math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    depth = math.sqrt(count * AREA_M2 / 1.5)
    floor = 1.5 * depth, depth
    views = []
    for number in range(count):
        row, column = divmod(number, columns)
        middle = np.array([(column + 0.5) * floor[0] / columns, (row + 0.5) * floor[1] / rows])
        angle = 2.399963 * number  # the golden angle: no two neighbours look the same way
        ahead = np.array([math.cos(angle), math.sin(angle)])
        position = np.array([*(middle - 9.0 * ahead), HUNG_M])
        forward = np.array([*(9.0 * ahead), 1.0 - HUNG_M])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        views.append(View(np.stack([right, np.cross(forward, right), forward]), position))
    return floor, views


def see(view: View, xy: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the boxes (K, 4) of whom the camera sees of (N, 2) metres, and who they are."""
    foot = (np.column_stack([xy, np.zeros(len(xy))]) - view.position) @ view.rotation.T
    head = (np.column_stack([xy, np.full(len(xy), HEIGHT_M)]) - view.position) @ view.rotation.T
    who = np.flatnonzero((foot[:, 2] > NEAR_M) & (foot[:, 2] < FAR_M) & (head[:, 2] > 1.0))
    foot, head = foot[who], head[who]
    low, high = (FOCAL * p[:, :2] / p[:, 2:] + np.array(SIZE) / 2 for p in (foot, head))
    half = 0.5 * WIDTH_M * FOCAL / foot[:, 2]
    boxes = np.stack([low[:, 0] - half, high[:, 1], low[:, 0] + half, low[:, 1]], axis=1)
    inside = boxes.clip(0, [*SIZE, *SIZE])
    kept = _area(inside) > 0.4 * _area(boxes)
    order = np.flatnonzero(kept)[np.argsort(foot[kept, 2], kind="stable")]
    visible = _uncovered(inside[order])
    return inside[order][visible], who[order][visible]


def _area(boxes: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0).prod(axis=1))


def _uncovered(boxes: FloatArray) -> BoolArray:
    """Return (N,) which of the boxes, nearest first, no nearer one hides."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2) / np.maximum(_area(boxes), 1e-9)[:, None]
    return np.asarray(np.tril(shared, -1).max(axis=1, initial=0.0) < COVERED)


def detect(view: View, xy: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Return the boxes (K, 4) that a detector finds, and who they are; NO_ID for boxes of nobody."""
    boxes, who = see(view, xy)
    found = rng.random(len(who)) >= DROPPED
    boxes, who = boxes[found], who[found]
    height = (boxes[:, 3] - boxes[:, 1])[:, None]
    boxes = boxes + rng.normal(0.0, NOISE, boxes.shape) * height * (0.5, 1.0, 0.5, 1.0)
    wrong = rng.poisson(FALSE_BOXES)
    tall = rng.uniform(80, 300, wrong)
    corner = rng.uniform((0, 300), (SIZE[0] - 120, SIZE[1] - 300), (wrong, 2))
    ghosts = np.column_stack([corner, corner + np.column_stack([0.35 * tall, tall])])
    return np.concatenate([boxes, ghosts]), np.concatenate([who, np.full(wrong, NO_ID)])


def looks(who: IntArray, faces: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return (K, DIMENSION) vectors of appearance: what all have in common, what is one's own, and noise."""
    shared = np.full(DIMENSION, math.sqrt(COMMON / DIMENSION))
    noise = rng.normal(0.0, math.sqrt((1.0 - COMMON - OWN) / DIMENSION), (len(who), DIMENSION))
    own = np.where((who != NO_ID)[:, None], faces[who], rng.normal(0.0, 1.0 / math.sqrt(DIMENSION), noise.shape))
    vectors = shared + math.sqrt(OWN) * own + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def write_site(folder: Path, cameras: int, people: int, steps: int, appearance: bool) -> float:
    """Write the site file and the recorded detections; returns how many cameras see a person on average."""
    rng = np.random.default_rng(1)
    floor, views = hang_cameras(cameras)
    path = walks(people, steps, floor, rng)
    faces = rng.normal(0.0, 1.0 / math.sqrt(DIMENSION), (people, DIMENSION))
    entries: list[dict[str, Any]] = []
    seen = 0
    for number, view in enumerate(views):
        lines, vectors = [], []
        for step in range(steps):
            boxes, who = detect(view, path[step], rng)
            seen += int((who != NO_ID).sum())
            sides = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], rng.uniform(0.55, 0.98, len(boxes))])
            lines += [f"{step + 1},-1,{','.join(f'{value:.2f}' for value in row)}" for row in sides.tolist()]
            vectors.append(looks(who, faces, rng))
        name = f"camera-{number + 1:02d}"
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entry: dict[str, Any] = {"id": name, "detections": f"{name}.txt", "size": list(SIZE), "fps": FPS}
        if appearance:
            np.savez(folder / f"{name}.npz", embeddings=np.concatenate(vectors))
            entry["embeddings"] = f"{name}.npz"
        inner = [[FOCAL, 0.0, SIZE[0] / 2], [0.0, FOCAL, SIZE[1] / 2], [0.0, 0.0, 1.0]]
        rvec, tvec = cv2.Rodrigues(view.rotation)[0].ravel().tolist(), (-view.rotation @ view.position).tolist()
        entries.append({**entry, "calibration": {"opencv": {"K": inner, "rvec": rvec, "tvec": tvec}}})
    site = {"site": "bench", "floor": {"bounds": [0.0, 0.0, *floor]}, "cameras": entries}
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    return seen / (steps * people)


class MeasuredClock(StageClock):
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


def measure(site: str, steps: int, appearance: bool, profile: cProfile.Profile | None) -> Result:
    """Track a made site step by step."""
    cameras, people = map(int, site.split("x"))
    clock = MeasuredClock()
    with tempfile.TemporaryDirectory() as folder:
        views = write_site(Path(folder), cameras, people, steps + WARM_UP, appearance)
        site_file = load_site(Path(folder) / "site.yaml")
        with open_run(site_file, None, clock, lambda _line: None) as run:
            batches = list(run.batcher)
            for batch in batches[:WARM_UP]:
                run.pipeline.step(batch)
            clock.measuring = True
            if profile is not None:
                profile.enable()
            wall, cpu, shown = _step_through(run.pipeline, batches[WARM_UP:])
            if profile is not None:
                profile.disable()
    stages = {name: clock.summary()[name] for name in STAGES}
    boxes = views * people + FALSE_BOXES * cameras
    p50, p95 = np.percentile(wall, (50, 95)).tolist()
    return Result(site, appearance, len(wall), boxes, views, shown, stages, p50, p95, cpu)


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


def show(results: Sequence[Result], console: Console) -> None:
    """Print one table: a row a site, a column a stage, median / 95th percentile."""
    table = Table(title="One step of the frame path, one core: median / 95th percentile, ms", title_justify="left")
    table.add_column("cameras x people", no_wrap=True)
    table.add_column("appearance", no_wrap=True)
    for name in (*STAGES, "whole", "path"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("goal", "boxes"):
        table.add_column(name, justify="right")
    for r in results:
        stages = [f"{r.stages[name]['p50_ms']:.2f} / {r.stages[name]['p95_ms']:.2f}" for name in STAGES]
        goal = f"{GOAL_MS[r.site]:g}" if r.site in GOAL_MS else ""
        facts = [goal, f"{r.boxes:.0f}"]
        whole = f"[bold]{r.p50:.2f} / {r.p95:.2f}[/bold]"
        path = f"[bold]{r.p50 - sum(r.stages[name]['p50_ms'] for name in NETWORKS):.2f}[/bold]"
        table.add_row(r.site, "recorded" if r.appearance else "none", *stages, whole, path, *facts)
    console.print(table)
    console.print(
        "detect, embed: the look-up of recorded boxes and vectors; path: the whole without it. boxes: of all cameras."
    )


def on_one_core() -> None:
    """Start this program again with one thread a library, and keep it on one core."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **single})
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


def main() -> None:
    """Read the arguments, measure each site, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sites", nargs="*", default=["6x40", "8x15", "32x50"], help="CAMERASxPEOPLE")
    parser.add_argument("--steps", type=int, default=300, help="measured steps of each site")
    parser.add_argument("--appearance", choices=("both", "recorded", "none"), default="both")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="also print the N dearest functions")
    parser.add_argument("--json", type=Path, help="write the results here as well")
    arguments = parser.parse_args()
    on_one_core()
    console = Console(width=max(Console().width, 176))
    results = []
    for site in arguments.sites:
        for appearance in {"both": (False, True), "recorded": (True,), "none": (False,)}[arguments.appearance]:
            profile = cProfile.Profile() if arguments.profile else None
            results.append(measure(site, arguments.steps, appearance, profile))
            if profile is not None:
                console.print(f"{site}, appearance {'recorded' if appearance else 'none'}, under the profiler")
                pstats.Stats(profile).sort_stats("tottime").print_stats(arguments.profile)
    show(results, console)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
