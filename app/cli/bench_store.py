"""`spoton bench store`: how fast history is written, beside others' ways in the same run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.cli.console import out, say
from app.cli.options import JsonOption, check_writable
from app.cli.serve import DatabaseOption


def bench_store_command(
    database: DatabaseOption = None,
    quick: Annotated[bool, typer.Option(help="A small part of everything.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Time how history is written, in rows a second, beside bare drivers and SQLAlchemy's insert().

    SQLite in a temporary file, and PostgreSQL where --database names one.
    """
    check_writable(json_file)
    from app.bench.one_core import one_core
    from app.bench.speed_report import render
    from app.bench.store_speed import measure

    with one_core():
        section = measure(quick, database, say)
    out().print(render(section))
    if json_file is not None:
        json_file.write_text(json.dumps(section.facts, indent=2) + "\n", encoding="utf-8")
