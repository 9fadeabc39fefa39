"""`spoton bench speed`: how fast SpotOn's parts are, beside others' on the same work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import out, say
from app.errors import ConfigError

TOPICS = ("association", "step", "gallery", "analytics", "memory")
LONG = ("memory",)  # only when asked for


def bench_speed_command(
    only: Annotated[
        list[str] | None, typer.Option(metavar="TOPIC", help=f"One of {', '.join(TOPICS)}; may be given again.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="A small part of everything, in about a minute.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here, too.")
    ] = None,
) -> None:
    """Time the parts of the frame path on one core, beside peers in the same run.

    Without --only everything but memory, which makes 100,000 steps. Peers come with `uv sync --extra bench`.
    """
    for topic in only or ():
        if topic not in TOPICS:
            raise typer.BadParameter(f"{topic!r}: expected one of {', '.join(TOPICS)}", param_hint="--only")
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise ConfigError(json_file, "", "no file can be written there; give --json a file in a folder that exists")
    from app.bench.one_core import one_core

    with one_core():
        facts = _measure([topic for topic in TOPICS if topic in only] if only else TOPICS[: -len(LONG)], quick)
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _measure(topics: tuple[str, ...] | list[str], quick: bool) -> dict[str, Any]:
    """Measure and show one topic after the other; returns the figures of all."""
    from app.bench import gallery_speed, speed_association, speed_memory, speed_step, speed_watch
    from app.bench.speed_report import render

    measures = {
        "association": speed_association.measure,
        "step": speed_step.measure,
        "gallery": gallery_speed.measure,
        "analytics": speed_watch.measure,
        "memory": speed_memory.measure,
    }
    facts: dict[str, Any] = {}
    for topic in topics:
        section = measures[topic](quick, say)
        out().print(render(section))
        facts[topic] = section.facts
    return facts
