"""The command line `spoton`: one function a command, thin.

Faults that a user can mend end in one line on standard error and exit code 2; Ctrl-C in one line and exit code 130.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.text import Text

from app.errors import ConfigError, SpotOnError

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import Task

    from app.evaluation.scoring import Scores
    from app.orchestration.jobs import Progress as Done
    from app.settings import SiteFile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Follows people through a building with many cameras and shows each as one dot on the floor.",
)
evaluate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score results against truth.")
config = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check settings.")
calibrate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check calibrations.")
app.add_typer(evaluate, name="eval")
app.add_typer(config, name="config")
app.add_typer(calibrate, name="calibrate")

LINE_EVERY_S = 5.0  # progress where no terminal shows a bar

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE.yaml", help="The site file.", show_default=False)]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", metavar="DIR", help="Folder of named weights; else $SPOTON_MODELS_DIR, else ./models."),
]
DetectorOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH", help="Weights that find people, in place of the site file's choice."),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH|hsv|none",
        help="Weights that tell people apart, in place of the site file's choice; hsv needs none.",
    ),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores here, too.")]


@app.command("track")
def track_command(
    site: SiteArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; replaces an earlier run there.")],
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    video: Annotated[
        bool, typer.Option("--video", help="Also draw all cameras and the floor to DIR/video.mp4.")
    ] = False,
) -> None:
    """Follow everybody through recorded footage.

    Takes every frame of every camera, as fast as it can. Writes per camera MOTChallenge text, floor.csv, run.json and a
    picture of all trajectories.
    """
    site_file = _load(site, detector, embedder)
    _track(site_file, out, models, video=video)


@evaluate.command("run")
def eval_run_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Results of `spoton track`.", show_default=False)],
    truth: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="A set folder (<camera>/gt/gt.txt), WILDTRACK or MultiviewX folder, gt.txt, or PETS CVML XML.",
        ),
    ],
    frames: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only these annotation files of WILDTRACK or MultiviewX.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Score what `spoton track` wrote against truth."""
    _check_writable(json_file)
    chosen = _slice(frames)
    if chosen is not None:
        _check_annotations(truth)
    _show([_score(run, truth, chosen)], json_file)


@evaluate.command("set")
def eval_set_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with site.yaml and <camera>/gt/gt.txt.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the results here.")] = None,
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    json_file: JsonOption = None,
) -> None:
    """Track a test set of many cameras, and score it."""
    from app.evaluation.truth import read_truth

    _check_writable(json_file)
    site_file = _load(folder / "site.yaml", detector, embedder)
    read_truth(folder, [camera.id for camera in site_file.site.cameras])
    with _folder(out) as results:
        _track(site_file, results, models, keep=out is not None)
        _show([_score(results, folder)], json_file)


@evaluate.command("wildtrack")
def eval_wildtrack_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="WILDTRACK or MultiviewX: annotations, calibrations.")],
    frames: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only these annotation files, counted from 0.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Seed of the noise; several give mean and deviation.")
    ] = None,
    max_covered: Annotated[
        float, typer.Option(help="Drop a box of which nearer ones cover more than this share.")
    ] = 0.6,
    keep: Annotated[float, typer.Option(help="Keep each other box with this probability.")] = 0.9,
    edge_sigma: Annotated[
        float, typer.Option(help="Jitter of top and bottom edge, as a share of the box height.")
    ] = 0.04,
    side_share: Annotated[float, typer.Option(help="Jitter of left and right edge, as a share of that.")] = 0.5,
    false_boxes: Annotated[float, typer.Option(help="False boxes a view and frame, on average.")] = 0.5,
    embedding_size: Annotated[int, typer.Option(help="Size of simulated appearance vectors; 0 for none.")] = 0,
    embedding_noise: Annotated[float, typer.Option(help="Their noise, as a share of the vector's length.")] = 0.5,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep sets and results here.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Track noisy boxes made from the truth of WILDTRACK or MultiviewX, and score.

    Boxes that nearer ones cover are dropped, others at random; edges are jittered, false boxes added. The same seed
    makes the same boxes.
    """
    from app.evaluation.detection_noise import DetectionNoise
    from app.evaluation.wildtrack import write_set
    from app.settings import load_site

    _check_writable(json_file)
    noise = DetectionNoise(
        max_covered=max_covered,
        keep_probability=keep,
        edge_sigma=edge_sigma,
        side_share=side_share,
        false_boxes=false_boxes,
        embedding_size=embedding_size,
        embedding_sigma=embedding_noise,
    )
    chosen, scores = _slice(frames), []
    with _folder(out) as base:
        for number in seed or [0]:
            site = write_set(folder, base / f"seed-{number}" / "set", chosen, noise, number)
            results = base / f"seed-{number}" / "run"
            _say(f"seed {number}")
            _track(load_site(site), results, None, keep=out is not None)
            scores.append(_score(results, folder, chosen))
    _show(scores, json_file)


@config.command("check")
def config_check_command(site: SiteArgument) -> None:
    """Check a site file and all that it names.

    Opens footage, detections and calibrations, down to each camera's first frame; loads no weights.
    """
    from app.recorded import check_files
    from app.settings import load_site

    site_file = load_site(site)
    check_files(site_file)
    cameras = site_file.site.cameras
    mapped = sum(camera.calibration is not None for camera in cameras)
    number = "1 camera" if len(cameras) == 1 else f"{len(cameras)} cameras"
    calibrated = {0: "none calibrated, so no floor", len(cameras): "calibrated"}.get(mapped, f"{mapped} calibrated")
    _out().print(Text(f"{site}: valid; {number}, {calibrated}"), soft_wrap=True)


@calibrate.command("check")
def calibrate_check_command(
    site: SiteArgument,
    models: ModelsOption = None,
    batches: Annotated[
        int, typer.Option(min=0, help="Frames of each camera to track for the comparison; 0 for none.")
    ] = 200,
) -> None:
    """Tell how well each camera's calibration fits.

    Against itself, the points that it was fitted to, and the other cameras by the people that both see.
    """
    from app.calibration_check import check_site, render
    from app.settings import load_site

    _out().print(render(check_site(load_site(site), models, batches, _say)))


def _load(site: Path, detector: str | None, embedder: str | None) -> SiteFile:
    """Read the site file, with the command line's networks in place of its own."""
    from app.settings import load_site

    return load_site(site, detector=_from_here(detector), embedder=_from_here(embedder))


def _from_here(weights: str | None) -> str | None:
    """Make a path on the command line absolute: it starts from here, not from the site file's folder."""
    if weights is None or (Path(weights).name == weights and not Path(weights).suffix):
        return weights
    return str(Path(weights).expanduser().absolute())


def _err() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def _out() -> Console:
    """Return the console of results: as wide as the terminal, and wide enough for all tables where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def _say(line: str) -> None:
    _err().print(Text(line))


class _Rate(ProgressColumn):
    """Frames a second and people in sight."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed or 0.0
        return Text(f"{speed:6.1f} frames/s  {_people(task.fields['people'])}")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


@contextmanager
def _progress(site: str) -> Iterator[Callable[[Done, int | None], None]]:
    """Give a function that shows how far a run is: as a bar in a terminal, else as a line every few seconds."""
    console = _err()
    if not console.is_terminal:
        yield _progress_lines(site)
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(SpinnerColumn(), name, BarColumn(), MofNCompleteColumn(), _Rate(), console=console) as bar:
        task = bar.add_task(site, total=None, people=0)
        frames = 0

        def report(done: Done, total: int | None) -> None:
            nonlocal frames
            frames = done.frames
            bar.update(task, completed=frames, total=total, people=done.people_now)

        yield report
        bar.update(task, total=frames)


def _progress_lines(site: str) -> Callable[[Done, int | None], None]:
    shown_at, shown = time.monotonic(), 0

    def report(done: Done, total: int | None) -> None:
        nonlocal shown_at, shown
        now = time.monotonic()
        if now - shown_at < LINE_EVERY_S:
            return
        rate = (done.frames - shown) / (now - shown_at)
        shown_at, shown = now, done.frames
        of_all = "" if total is None else f" of {total}"
        _say(f"{site}: {done.frames}{of_all} frames, {rate:.1f} frames/s, {_people(done.people_now)}")

    return report


def _track(site_file: SiteFile, out: Path, models: Path | None, *, video: bool = False, keep: bool = True) -> None:
    """Track with a progress bar, then say what came out, and where it is if it is kept."""
    from app.recorded import describe, track

    begun = time.monotonic()
    with _progress(site_file.site.site) as report:
        summary = track(site_file, out, models_dir=models, video=video, say=_say, report=report)
    for fault in summary.faults[:20]:
        _say(f"skipped: camera {fault.camera_id}: {describe(fault)}")
    if len(summary.faults) > 20:
        _say(f"... and {len(summary.faults) - 20} more; all are in run.json")
    counts, seconds = summary.counts, time.monotonic() - begun
    stages = ", ".join(f"{stage} {times['mean_ms']:.1f}" for stage, times in summary.timings.items())
    _say(f"milliseconds a step: {stages}")
    _say(f"{_people(counts['identities'])}, {counts['boxes']} boxes in {counts['frames']} frames; {seconds:.1f} s")
    if keep:
        _say(f"{out}: {', '.join(summary.files)}")


def _score(run: Path, truth: Path, frames: slice | None = None) -> Scores:
    from app.evaluation.run_folder import camera_ids
    from app.evaluation.scoring import score_run
    from app.evaluation.truth import read_truth

    return score_run(run, read_truth(truth, camera_ids(run), frames=frames))


def _show(scores: list[Scores], json_file: Path | None) -> None:
    from app.evaluation.report import print_scores, to_json

    print_scores(scores, _out())
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(scores), indent=2) + "\n", encoding="utf-8")


def _check_writable(json_file: Path | None) -> None:
    """Refuse a --json that cannot be written before the work is done, not after it."""
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise ConfigError(json_file, "", "no file can be written there; give --json a file in a folder that exists")


def _check_annotations(truth: Path) -> None:
    """Refuse --frames for truth that is not in annotation files."""
    from app.evaluation.wildtrack import is_wildtrack

    if truth.exists() and not is_wildtrack(truth):
        raise ConfigError(
            truth, "--frames", "counts the annotation files of WILDTRACK or MultiviewX, and this has none"
        )


def _slice(text: str | None) -> slice | None:
    """Turn A:B into a slice; either side may be left out."""
    if text is None:
        return None
    bounds = re.fullmatch(r"(\d*):(\d*)", text)
    if bounds is None:
        raise typer.BadParameter(f"{text!r}: give A:B, such as 0:360, :40 or 360:")
    first, last = (int(bound) if bound else None for bound in bounds.groups())
    return slice(first, last)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Give the folder that the user wants kept, or one that is removed at the end."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="spoton-") as temporary:
        yield Path(temporary) / "run"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; faults that the user can mend are one line on standard error.

    Args:
        arguments: what follows the program's name; None takes the process's own.
    """
    signal.signal(signal.SIGTERM, _leave)
    try:
        app(arguments, prog_name="spoton")
    except SpotOnError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
    except SystemExit as leaving:
        if leaving.code == 130:
            _say("spoton: stopped; unfinished results were thrown away")
        raise


def _leave(number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that a half-written folder is cleared away."""
    sys.exit(128 + number)


def _fail(problem: str) -> None:
    _err().print(Text(f"spoton: {' '.join(problem.split())}", style="red"))
    sys.exit(2)
