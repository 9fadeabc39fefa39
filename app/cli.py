"""The command line `spoton`: one function a command, thin.

Faults that a user can mend end in one line and exit code 2.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.text import Text

from app.errors import SpotOnError
from app.settings import SiteFile, load_site

if TYPE_CHECKING:
    from app.evaluation.scoring import Scores

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Follows people through a building with many cameras.",
)
evaluate = typer.Typer(no_args_is_help=True, help="Score results against truth.")
config = typer.Typer(no_args_is_help=True, help="Validate settings.")
calibrate = typer.Typer(no_args_is_help=True, help="Check calibrations.")
app.add_typer(evaluate, name="eval")
app.add_typer(config, name="config")
app.add_typer(calibrate, name="calibrate")

out_console = Console()
err_console = Console(stderr=True)

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE.yaml", help="The site file.", show_default=False)]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", metavar="DIR", help="Folder of named weights; else $SPOTON_MODELS_DIR, else ./models."),
]
DetectorOption = Annotated[
    str | None, typer.Option(metavar="NAME|PATH", help="Weights that find people, instead of the site file's.")
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH|hsv|none", help="Weights that tell people apart, instead of the site file's."),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the scores here as JSON too.")]


@app.command("track")
def track_command(
    site: SiteArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; an earlier run there is replaced.")],
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    video: Annotated[bool, typer.Option("--video", help="Draw all cameras and the floor to video.mp4.")] = False,
) -> None:
    """Track recorded footage: every frame of every camera, as fast as it can."""
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
    """Score the results of a run against truth."""
    _show([_score(run, truth, _slice(frames))], json_file)


@evaluate.command("set")
def eval_set_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with site.yaml and <camera>/gt/gt.txt.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the results here.")] = None,
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    json_file: JsonOption = None,
) -> None:
    """Track a multi-camera test set and score it."""
    site_file = _load(folder / "site.yaml", detector, embedder)
    with _folder(out) as results:
        _track(site_file, results, models)
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
    """Track noisy detections made from WILDTRACK's or MultiviewX's annotated boxes, and score the floor."""
    from app.evaluation.detection_noise import DetectionNoise
    from app.evaluation.wildtrack import write_set

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
            _track(load_site(site), results, None)
            scores.append(_score(results, folder, chosen))
    _show(scores, json_file)


@config.command("check")
def config_check_command(site: SiteArgument) -> None:
    """Validate a site file and open everything that it names, down to each camera's first frame."""
    from app.recorded import check_files

    site_file = load_site(site)
    check_files(site_file)
    cameras = site_file.site.cameras
    mapped = sum(camera.calibration is not None for camera in cameras)
    out_console.print(f"{site}: valid; {len(cameras)} cameras, {mapped} of them calibrated", highlight=False)


@calibrate.command("check")
def calibrate_check_command(
    site: SiteArgument,
    models: ModelsOption = None,
    batches: Annotated[
        int, typer.Option(min=0, help="Frames of each camera to track for the comparison; 0 for none.")
    ] = 200,
) -> None:
    """Print how well each camera's calibration fits itself, its points, and the other cameras."""
    from app.calibration_check import check_site, render

    out_console.print(render(check_site(load_site(site), models, batches, _say)))


def _load(site: Path, detector: str | None, embedder: str | None) -> SiteFile:
    """Read the site file and put the command line's networks in place of its own."""
    site_file = load_site(site)
    found = site_file.site
    if detector is not None:
        found = found.model_copy(update={"detector": found.detector.model_copy(update={"model": detector})})
    if embedder is not None:
        found = found.model_copy(update={"embedder": found.embedder.model_copy(update={"model": embedder})})
    return SiteFile(site_file.path, found)


def _say(line: str) -> None:
    err_console.print(line, highlight=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Frames a second and people in sight."""

    def render(self, task: object) -> Text:
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None) or 0.0
        people = getattr(task, "fields", {}).get("people", 0)
        return Text(f"{speed:6.1f} frames/s  {people:3d} people")


def _track(site_file: SiteFile, out: Path, models: Path | None, *, video: bool = False) -> None:
    """Track with a progress bar, then say what came out."""
    from app.orchestration.jobs import Progress as Done
    from app.recorded import describe, track

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
    with Progress(*columns, console=err_console) as bar:
        task = bar.add_task(site_file.site.site, total=None, people=0)

        def report(done: Done, total: int | None) -> None:
            bar.update(task, completed=done.frames, total=total, people=done.people_now)

        summary = track(site_file, out, models_dir=models, video=video, say=_say, report=report)
        bar.update(task, total=summary.counts["frames"])
    for fault in summary.faults[:20]:
        _say(f"[yellow]skipped[/yellow] camera {fault.camera_id}: {describe(fault)}")
    if len(summary.faults) > 20:
        _say(f"... and {len(summary.faults) - 20} more; all are in run.json")
    counts = summary.counts
    spent = ", ".join(f"{stage} {times['mean_ms']:.1f}" for stage, times in summary.timings.items())
    _say(f"{counts['identities']} people in {counts['frames']} frames, {counts['boxes']} boxes; ms a step: {spent}")
    _say(f"{out}: {', '.join(summary.files)}")


def _score(run: Path, truth: Path, frames: slice | None = None) -> Scores:
    from app.evaluation.run_folder import camera_ids
    from app.evaluation.scoring import score_run
    from app.evaluation.truth import read_truth

    return score_run(run, read_truth(truth, camera_ids(run), frames=frames))


def _show(scores: list[Scores], json_file: Path | None) -> None:
    from app.evaluation.report import print_scores, to_json

    print_scores(scores, out_console)
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(scores), indent=2) + "\n", encoding="utf-8")


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


def main() -> None:
    """Run the command line; faults that the user can mend are one line on standard error."""
    try:
        app()
    except SpotOnError as error:
        err_console.print(Text(f"spoton: {error}", style="red"), soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        err_console.print(Text(f"spoton: {error.filename or 'system'}: {error.strerror}", style="red"), soft_wrap=True)
        sys.exit(2)
