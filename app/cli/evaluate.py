"""`spoton eval`: runs scored against truth."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import out, say
from app.cli.options import (
    DetectorOption,
    EmbedderOption,
    JsonOption,
    ModelsOption,
    check_writable,
    kept_or_temporary,
    load,
)
from app.cli.track import run_and_tell
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.evaluation.scoring import Scores

evaluate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score results against truth.")


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
    check_writable(json_file)
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

    check_writable(json_file)
    site_file = load(folder / "site.yaml", detector, embedder)
    read_truth(folder, [camera.id for camera in site_file.site.cameras])
    with kept_or_temporary(out) as results:
        run_and_tell(site_file, results, models, keep=out is not None)
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

    check_writable(json_file)
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
    with kept_or_temporary(out) as base:
        for number in seed or [0]:
            site = write_set(folder, base / f"seed-{number}" / "set", chosen, noise, number)
            results = base / f"seed-{number}" / "run"
            say(f"seed {number}")
            run_and_tell(load_site(site), results, None, keep=out is not None)
            scores.append(_score(results, folder, chosen))
    _show(scores, json_file)


def _score(run: Path, truth: Path, frames: slice | None = None) -> Scores:
    from app.evaluation.run_folder import camera_ids
    from app.evaluation.scoring import score_run
    from app.evaluation.truth import read_truth

    return score_run(run, read_truth(truth, camera_ids(run), frames=frames))


def _show(scores: list[Scores], json_file: Path | None) -> None:
    from app.evaluation.report import print_scores, to_json

    print_scores(scores, out())
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(scores), indent=2) + "\n", encoding="utf-8")


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
