"""What all commands print with: lines, faults and progress. Knows no command."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import Task

    from app.orchestration.jobs import Progress as Done

T = TypeVar("T")
LINE_EVERY_S = 5.0  # progress where no terminal shows a bar


class Leave:
    """Ends the command on SIGINT or SIGTERM; as an exception, so that a half-written folder is cleared away.

    Compiled code may swallow the exception that a signal raises in it, so it is raised again between steps.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Take the signal."""
        self.number = number
        self.again()

    def again(self) -> None:
        """Raise what the signal has raised, if one has come."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            sys.exit(128 + self.number)


def _leave_again() -> None:
    leave = signal.getsignal(signal.SIGTERM)
    if isinstance(leave, Leave):
        leave.again()


def err() -> Console:
    """Return the console of everything that is no result."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def out() -> Console:
    """Return the console of results: as wide as the terminal, and wide enough for all tables where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def say(line: str) -> None:
    """Print a line that the user should read, beside the results."""
    err().print(Text(line))


class _Rate(ProgressColumn):
    """Frames a second and people in sight."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed or 0.0
        return Text(f"{speed:6.1f} frames/s  {people(task.fields['people'])}")


def people(count: int) -> str:
    """Return the count with its noun."""
    return "1 person" if count == 1 else f"{count} people"


@contextmanager
def progress(site: str) -> Iterator[Callable[[Done, int | None], None]]:
    """Give a function that shows how far a run is: as a bar in a terminal, else as a line every few seconds."""
    console = err()
    if not console.is_terminal:
        yield _progress_lines(site)
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(SpinnerColumn(), name, BarColumn(), MofNCompleteColumn(), _Rate(), console=console) as bar:
        task = bar.add_task(site, total=None, people=0)
        frames = 0

        def report(done: Done, total: int | None) -> None:
            nonlocal frames
            _leave_again()
            frames = done.frames
            bar.update(task, completed=frames, total=total, people=done.people_now)

        yield report
        bar.update(task, total=frames)


def _progress_lines(site: str) -> Callable[[Done, int | None], None]:
    shown_at, shown = time.monotonic(), 0

    def report(done: Done, total: int | None) -> None:
        nonlocal shown_at, shown
        _leave_again()
        now = time.monotonic()
        if now - shown_at < LINE_EVERY_S:
            return
        rate = (done.frames - shown) / (now - shown_at)
        shown_at, shown = now, done.frames
        of_all = "" if total is None else f" of {total}"
        say(f"{site}: {done.frames}{of_all} frames, {rate:.1f} frames/s, {people(done.people_now)}")

    return report


def counted(items: Iterable[T], unit: str, total: int) -> Iterator[T]:
    """Yield the items and show how many there have been: as a bar in a terminal, else as a line every few seconds."""
    console = err()
    if console.is_terminal:
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            for item in bar.track(items, total=total):
                _leave_again()
                yield item
        return
    shown_at = time.monotonic()
    for done, item in enumerate(items, 1):
        _leave_again()
        if time.monotonic() - shown_at >= LINE_EVERY_S:
            shown_at = time.monotonic()
            say(f"{done:,} of {total:,} {unit}")
        yield item
