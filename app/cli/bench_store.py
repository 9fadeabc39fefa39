"""`spoton bench store`: how fast history is written and how fast it answers, beside others' ways in the same run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.cli.console import out, say
from app.cli.options import JsonOption, check_writable
from app.cli.serve import DatabaseOption

QUICK_DAYS, QUICK_POINTS = 2, 400_000


def bench_store_command(
    database: DatabaseOption = None,
    quick: Annotated[bool, typer.Option(help="A small part of everything.")] = False,
    writes: Annotated[bool, typer.Option(help="Time how history is written.")] = True,
    reads: Annotated[bool, typer.Option(help="Make a history, time how it answers, and remove it.")] = True,
    days: Annotated[int, typer.Option(min=1, max=366, help="Of the history that is read; 12 hours each.")] = 30,
    points: Annotated[
        int, typer.Option(min=100_000, help="Dots in SQLite at most, the newest ones; PostgreSQL gets all.")
    ] = 10_400_000,
    json_file: JsonOption = None,
) -> None:
    """Time how history is written, in rows a second, and how fast it answers what a dashboard asks of a month.

    SQLite in a temporary file, and PostgreSQL where --database names an empty one: 30 days are 52 million dots there,
    8 GB and a quarter of an hour. Everything is removed in the end.
    """
    check_writable(json_file)
    from app.bench.made_history import Scale
    from app.bench.one_core import one_core
    from app.bench.speed_report import render
    from app.bench.store_reads import measure as measure_reads
    from app.bench.store_speed import measure as measure_writes

    sections = {}
    if writes:
        with one_core():
            sections["writes"] = measure_writes(quick, database, say)
        out().print(render(sections["writes"]))
    if reads:
        length = min(days, QUICK_DAYS) if quick else days
        scales = {"SQLite": Scale(length, dots=min(points, QUICK_POINTS) if quick else points)}
        scales["PostgreSQL"] = Scale(length)
        sections["reads"] = measure_reads(scales, database, 10 if quick else 100, say)
        out().print(render(sections["reads"]))
    if json_file is not None:
        facts = {name: section.facts for name, section in sections.items()}
        json_file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
