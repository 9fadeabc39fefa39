"""The command line `spoton`: one module a command, thin.

Faults that a user can mend end in one line on standard error and exit code 2; Ctrl-C in one line and exit code 130.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

from app.cli.bench_accuracy import bench_accuracy_command
from app.cli.bench_gpu import bench_gpu_command
from app.cli.bench_speed import bench_speed_command
from app.cli.bench_store import bench_store_command
from app.cli.check import calibrate, config
from app.cli.console import Leave, err, say
from app.cli.db import db
from app.cli.demo import demo_command
from app.cli.evaluate import evaluate
from app.cli.models import models
from app.cli.serve import serve_command
from app.cli.simulate import simulate_command
from app.cli.track import track_command
from app.errors import SpotOnError
from app.infrastructure.compiled_code import forget_outdated

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Follows people through a building with many cameras and shows each as one dot on the floor.",
)
app.command("demo")(demo_command)
app.command("serve")(serve_command)
app.command("track")(track_command)
app.command("simulate")(simulate_command)
bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure SpotOn beside its peers.")
bench.command("accuracy")(bench_accuracy_command)
bench.command("speed")(bench_speed_command)
bench.command("store")(bench_store_command)
bench.command("gpu")(bench_gpu_command)
app.add_typer(bench, name="bench")
app.add_typer(evaluate, name="eval")
app.add_typer(models, name="models")
app.add_typer(db, name="db")
app.add_typer(config, name="config")
app.add_typer(calibrate, name="calibrate")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; faults that the user can mend are one line on standard error.

    Args:
        arguments: what follows the program's name; None takes the process's own.
    """
    forget_outdated(Path(__file__).resolve().parent.parent)
    leave = Leave()
    signal.signal(signal.SIGTERM, leave)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not deaf to it, as background jobs are
        signal.signal(signal.SIGINT, leave)
    try:
        _run(arguments, leave)
    except SpotOnError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
    except SystemExit as leaving:
        if leaving.code == 130:
            say("spoton: stopped; unfinished results were thrown away")
        raise


def _run(arguments: Sequence[str] | None, leave: Leave) -> None:
    try:
        app(arguments, prog_name="spoton")
    except Exception as error:
        if leave.number is None:
            raise
        # Compiled code makes a SystemError of what a signal raises.
        raise SystemExit(128 + leave.number) from error


def _fail(problem: str) -> None:
    err().print(Text(f"spoton: {' '.join(problem.split())}", style="red"))
    sys.exit(2)
