"""The sets of `spoton bench accuracy`, and how each is measured. Knows no table and no command line.

Simulated sites are scored on the floor with a gate of 0.5 m, as `spoton demo --check` does; WILDTRACK and MultiviewX
with 1 m, as others publish them; PETS09 in the image. Everything is scored over corrected history, as `spoton track`
writes it: what a merge has joined counts as one identity from the start.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from app.bench.floor_runs import Report, floor_values, gaps_of, track_nearest, track_site
from app.bench.image_runs import image_values, track_peers
from app.bench.results import OURS, Goal, SetResult
from app.bench.scenarios import SCENARIOS, Scenario
from app.errors import ConfigError
from app.evaluation.detection_noise import DetectionNoise
from app.evaluation.live_score import GATE_M
from app.evaluation.seen_noise import SeenNoise
from app.evaluation.truth import read_truth
from app.evaluation.wildtrack import write_set
from app.infrastructure.model_files import present_models
from app.settings import SiteFile, load_site
from app.simulated_boxes import write_boxes

NEAREST = "nearest neighbour"
PUBLISHED_GATE_M = 1.0
APPEARANCE_SIZE = 128
DETECTOR = "person-detection-retail-0013"
CONFIGS = Path(__file__).parents[2] / "configs"


@dataclass(frozen=True, slots=True)
class Bench:
    """How a benchmark runs.

    Attributes:
        data_dir: where recorded footage lies; None where nobody said.
        models_dir: where weights lie; None for the default place.
        seeds: of everything random.
        quick: a small part of everything: one seed, short runs.
        progress: called with what is going on, gives a context with a function that reports how far it is.
    """

    data_dir: Path | None
    models_dir: Path | None
    seeds: Sequence[int]
    quick: bool
    progress: Callable[[str], AbstractContextManager[Report]]


class Absent(Exception):
    """Something that is not here and that a set needs; the message says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one set: values by contender, SpotOn's first; facts about the set; why contenders are missing."""

    values: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BenchSet:
    """A set.

    Attributes:
        name: as `--only` knows it.
        title: what it is.
        goals: what SpotOn has to reach.
        measure: runs it with a seed in an empty folder.
        most_seeds: how many make sense: 1 where nothing is random, few where a run is long.
    """

    name: str
    title: str
    goals: tuple[Goal, ...]
    measure: Callable[[Bench, int, Path], Measured]
    most_seeds: int | None = None


def all_sets() -> tuple[BenchSet, ...]:
    """Return the sets in the order of the table."""
    return (
        _wildtrack("wildtrack", None, (Goal("idf1", 91.0), Goal("moda", 92.0))),
        *(_wildtrack(f"wildtrack-look-{noise:g}", noise, (Goal("idf1", 95.0),)) for noise in (0.5, 1.0, 2.0)),
        _multiviewx(),
        _pets(),
        *(_simulated(scenario) for scenario in SCENARIOS),
    )


def run_set(bench_set: BenchSet, bench: Bench) -> SetResult:
    """Measure one set over the seeds."""
    result = SetResult(bench_set.name, bench_set.title, bench_set.goals)
    for seed in bench.seeds[: bench_set.most_seeds]:
        try:
            with tempfile.TemporaryDirectory(prefix="spoton-bench-") as folder:
                measured = bench_set.measure(bench, seed, Path(folder))
        except Absent as absent:
            result.missing[bench_set.name] = str(absent)
            break
        result.seeds.append(seed)
        for contender, values in measured.values.items():
            result.runs.setdefault(contender, []).append(values)
        result.facts.append(measured.facts)
        result.missing |= measured.missing
    return result


def _simulated(scenario: Scenario) -> BenchSet:
    def measure(bench: Bench, seed: int, folder: Path) -> Measured:
        config = scenario.at(seed, 20.0 if bench.quick else None)
        with bench.progress(f"{scenario.name}, seed {seed}: simulating") as report:
            site = write_boxes(folder / "set", config, SeenNoise(), report)
        with bench.progress(f"{scenario.name}, seed {seed}: tracking") as report:
            tracked = track_site(load_site(site), folder / "run", None, report)
        truth = read_truth(folder / "set", list(tracked.run.clocks))
        values = {
            OURS: floor_values(tracked.run, truth, GATE_M),
            NEAREST: floor_values(track_nearest(tracked, None), truth, GATE_M),
        }
        return Measured(values, facts=gaps_of(truth))

    return BenchSet(scenario.name, scenario.title, scenario.goals, measure, scenario.most_seeds)


def _wildtrack(name: str, look_noise: float | None, goals: tuple[Goal, ...]) -> BenchSet:
    title = "WILDTRACK, 360 frames of 7 cameras, noisy boxes, geometry alone"
    noise = DetectionNoise()
    if look_noise is not None:
        title = f"wildtrack with simulated looks of {APPEARANCE_SIZE} dimensions, noise {look_noise:g}"
        noise = DetectionNoise(embedding_size=APPEARANCE_SIZE, embedding_sigma=look_noise)

    def measure(bench: Bench, seed: int, folder: Path) -> Measured:
        source = footage(bench, "wildtrack")
        frames = slice(0, 40) if bench.quick else None
        site = write_set(source, folder / "set", frames, noise, seed)
        with bench.progress(f"{name}, seed {seed}") as report:
            tracked = track_site(load_site(site), folder / "run", None, report)
        truth = read_truth(source, list(tracked.run.clocks), frames=frames)
        values = {OURS: floor_values(tracked.run, truth, PUBLISHED_GATE_M)}
        if look_noise is None:
            values[NEAREST] = floor_values(track_nearest(tracked, None), truth, PUBLISHED_GATE_M)
        return Measured(values)

    return BenchSet(name, title, goals, measure)


def _multiviewx() -> BenchSet:
    name = "multiviewx"

    def measure(bench: Bench, _seed: int, folder: Path) -> Measured:
        source = footage(bench, "multiviewx_mini")
        site_file = _recorded_site("multiviewx.yaml", bench)
        with bench.progress(name) as report:
            tracked = track_site(site_file, folder / "run", bench.models_dir, report)
        truth = read_truth(source, list(tracked.run.clocks))
        values = {
            OURS: floor_values(tracked.run, truth, PUBLISHED_GATE_M),
            NEAREST: floor_values(track_nearest(tracked, bench.models_dir), truth, PUBLISHED_GATE_M),
        }
        return Measured(values)

    title = f"MultiviewX, 10 pictures of 6 cameras, {DETECTOR}"
    return BenchSet(name, title, (Goal("moda", 88.0), Goal("idf1", 92.0)), measure, most_seeds=1)


def _pets() -> BenchSet:
    name = "pets09"

    def measure(bench: Bench, _seed: int, folder: Path) -> Measured:
        source = footage(bench, "pets09_s2l1")
        site_file = _recorded_site("pets09.yaml", bench)
        with bench.progress(name) as report:
            tracked = track_site(site_file, folder / "run", bench.models_dir, report)
        truth = read_truth(source / "PETS2009-S2L1_first400.xml", list(tracked.run.clocks))
        others, missing = track_peers(tracked, bench.models_dir)
        values = {OURS: image_values(tracked.run, truth)}
        values |= {peer: image_values(run, truth) for peer, run in others.items()}
        return Measured(values, missing=missing)

    title = f"PETS09 S2.L1, 400 frames of one camera, {DETECTOR}, scored in the image"
    return BenchSet(name, title, (Goal("mota", 90.0), Goal("idf1", 92.0)), measure, most_seeds=1)


def _recorded_site(file: str, bench: Bench) -> SiteFile:
    """Read one of the site files of the repository, with the detector of the goals.

    Raises:
        Absent: the site file or the weights are not there.
    """
    path = CONFIGS / file
    if not path.is_file():
        raise Absent(f"no site file: {path} comes with the repository, not with the package")
    if DETECTOR not in present_models(bench.models_dir):
        raise Absent(f"no weights: put {DETECTOR} into a folder and name it by --models or SPOTON_MODELS_DIR")
    return load_site(path, detector=DETECTOR)


def footage(bench: Bench, name: str) -> Path:
    """Return a folder of recorded footage.

    Raises:
        Absent: it is not there.
    """
    if bench.data_dir is None:
        raise Absent(f"no footage: set SPOTON_DATA_DIR to the folder that holds {name}/")
    folder = bench.data_dir / name
    if not folder.is_dir():
        raise Absent(f"no footage: {folder} does not exist")
    return folder


def data_directory() -> Path | None:
    """Return the folder of recorded footage that the environment names."""
    named = os.environ.get("SPOTON_DATA_DIR")
    return Path(named) if named else None


def choose(names: Sequence[str] | None) -> list[BenchSet]:
    """Return the sets of these names, and those that they are held against; None returns all.

    Raises:
        ConfigError: no set has that name.
    """
    sets = {one.name: one for one in all_sets()}
    if not names:
        return list(sets.values())
    wanted = set()
    for name in names:
        if name not in sets:
            raise ConfigError("--only", name, f"is no set; choose {', '.join(sets)}")
        wanted |= {name} | {goal.beside for goal in sets[name].goals if goal.beside is not None}
    return [one for name, one in sets.items() if name in wanted]
