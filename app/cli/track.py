"""`spoton track`: recorded footage in, one identity and one floor track a person out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import people, progress, say
from app.cli.options import DetectorOption, DeviceOption, EmbedderOption, ModelsOption, SiteArgument, load

if TYPE_CHECKING:
    from app.settings import SiteFile


def track_command(
    site: SiteArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results; replaces an earlier run there.")],
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    device: DeviceOption = None,
    video: Annotated[
        bool, typer.Option("--video", help="Also draw all cameras and the floor to DIR/video.mp4.")
    ] = False,
) -> None:
    """Follow everybody through recorded footage.

    Takes every frame of every camera, as fast as it can. Writes per camera MOTChallenge text, floor.csv, run.json and a
    picture of all trajectories.
    """
    site_file = load(site, detector, embedder, device)
    run_and_tell(site_file, out, models, video=video)


def run_and_tell(
    site_file: SiteFile, out: Path, models: Path | None, *, video: bool = False, keep: bool = True
) -> None:
    """Track with a progress bar, then say what came out, and where it is if it is kept."""
    from app.recorded import describe, track

    begun = time.monotonic()
    with progress(site_file.site.site) as report:
        summary = track(site_file, out, models_dir=models, video=video, say=say, report=report)
    for fault in summary.faults[:20]:
        say(f"skipped: camera {fault.camera_id}: {describe(fault)}")
    if len(summary.faults) > 20:
        say(f"... and {len(summary.faults) - 20} more; all are in run.json")
    counts, seconds = summary.counts, time.monotonic() - begun
    stages = ", ".join(f"{stage} {times['mean_ms']:.1f}" for stage, times in summary.timings.items())
    say(f"milliseconds a step: {stages}")
    say(f"{people(counts['identities'])}, {counts['boxes']} boxes in {counts['frames']} frames; {seconds:.1f} s")
    if keep:
        say(f"{out}: {', '.join(summary.files)}")
