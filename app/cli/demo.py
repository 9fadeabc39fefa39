"""`spoton demo`: a simulated site in the browser, or scored against its own truth with `--check`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import progress, say
from app.cli.options import DetectorOption, EmbedderOption, JsonOption, ModelsOption, load
from app.cli.serve import DatabaseOption, DataOption, HostOption, PortOption, UnprotectedOption, leave, options_of

if TYPE_CHECKING:
    from app.floor_check import Thresholds
    from app.main import Worlds
    from app.serving import ServeOptions
    from app.settings import SiteFile
    from app.simulated import SimulatedTruth


CHECK = "With --check: "


def demo_command(
    people: Annotated[int, typer.Option(min=0, max=200, help="How many people walk about.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same seed, the same people.")] = 0,
    duration: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds after which the cameras end; else they go on.")
    ] = None,
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    without_accounts: UnprotectedOption = False,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    data: DataOption = Path("spoton-data/demo"),
    database: DatabaseOption = None,
    detector: DetectorOption = None,
    embedder: EmbedderOption = None,
    models: ModelsOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Track without a server, as fast as it goes, and print scores as JSON.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1.0, help=f"{CHECK}how long the cameras run.")] = 60.0,
    min_idf1: Annotated[float, typer.Option(help=f"{CHECK}exit code 1 below it.")] = 0.90,
    min_moda: Annotated[float, typer.Option(help=f"{CHECK}exit code 1 below it.")] = 0.85,
    max_error: Annotated[float, typer.Option(help=f"{CHECK}metres; exit code 1 above it.")] = 0.25,
    json_file: JsonOption = None,
) -> None:
    """Watch simulated people walk through a shop with six cameras: one dot a person, and the truth beside it.

    Needs no camera, no GPU and no weights. The simulator knows who is where, so the page shows how right the dots are.
    """
    with tempfile.TemporaryDirectory(prefix="spoton-demo-") as folder:
        path = _write_site(Path(folder), people, seed, seconds if check else duration)
        site_file = load(path, detector or _detector(models), embedder)
        if check:
            from app.floor_check import Thresholds

            _check(site_file, models, Thresholds(min_idf1, min_moda, max_error), json_file)
        else:
            options = options_of(host, port, data, models, without_accounts=without_accounts)
            _watch(site_file, replace(options, database=database), browser)
    if not check:
        leave()


def _write_site(folder: Path, people: int, seed: int, duration_s: float | None) -> Path:
    from app.simulated import SiteConfig, demo_site_file
    from app.simulation.world import WorldConfig

    return demo_site_file(SiteConfig(world=WorldConfig(people=people, seed=seed), duration_s=duration_s), folder)


def _detector(models: Path | None) -> str:
    """Return the name of the best detector for simulated people, and say so if it knows no others."""
    from app.infrastructure.model_files import SIMULATED_DETECTOR, simulated_detector

    model, reason = simulated_detector(models)
    if model.name == SIMULATED_DETECTOR:
        say(reason)
    return model.name


def _watch(site_file: SiteFile, options: ServeOptions, browser: bool) -> None:
    from app.serving import serve
    from app.simulated import truth_of

    def ready(address: str) -> None:
        opened = browser and _open(address)
        say("")
        say(f"  SpotOn is watching {len(site_file.site.cameras)} simulated cameras.")
        say(f"  {'Your browser shows' if opened else 'Open this address in a browser:'} {address}")
        say("  Every person is one dot on the floor; click a dot or a box to follow somebody. Ctrl-C stops.")
        say("")

    def truth(worlds: Worlds) -> SimulatedTruth:
        return truth_of(site_file, world=next(iter(worlds.values())))

    serve(site_file, options, say=say, ready=ready, truth_of=truth)


def _open(address: str) -> bool:
    """Open the page in a graphical browser; return whether there is one. One in the terminal would take it over."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def _check(site_file: SiteFile, models: Path | None, thresholds: Thresholds, json_file: Path | None) -> None:
    from app.floor_check import check_floor
    from app.simulated import truth_of

    with progress(site_file.site.site) as report:
        scores = check_floor(site_file, truth_of(site_file), models, say=say, report=report)
    text = json.dumps(scores, indent=2)
    sys.stdout.write(f"{text}\n")
    if json_file is not None:
        json_file.write_text(f"{text}\n", encoding="utf-8")
    missed = thresholds.missed(scores)
    for line in missed:
        say(f"spoton demo: {line}")
    if missed:
        raise typer.Exit(1)
