"""`spoton bench accuracy`: how right SpotOn and its peers are, on all sets that are present."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from app.cli.console import out, progress, say
from app.cli.options import JsonOption, ModelsOption, check_writable


def bench_accuracy_command(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this set; several may be given.", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many seeds, from 0.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help="One seed and at most 20 s or 40 frames of each set: a look, no result.")
    ] = False,
    models: ModelsOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure accuracy on recorded and simulated sets, against goals and beside peers.

    Footage is looked for in $SPOTON_DATA_DIR. What is not there is named in the table and left out.
    """
    from app.bench.accuracy import Bench, choose, data_directory, run_set
    from app.bench.report import render
    from app.bench.results import to_json

    check_writable(json_file)
    chosen, begun = choose(only), time.monotonic()
    bench = Bench(data_directory(), models, range(1 if quick else seeds), quick, progress)
    results = {}
    for number, one in enumerate(chosen, start=1):
        say(f"{number} of {len(chosen)}: {one.name}: {one.title}")
        results[one.name] = run_set(one, bench)
        if json_file is not None:  # after each set, so that a run that is stopped keeps what it has
            json_file.write_text(json.dumps(to_json(results), indent=2) + "\n", encoding="utf-8")
    out().print(render(results))
    if quick:
        say("--quick: parts of the sets; goals are meant for whole ones")
    say(f"took {time.monotonic() - begun:.0f} s")
