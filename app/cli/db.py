"""`spoton db`: the history's database, looked after."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from app.cli.console import counted, out, say
from app.cli.keep import (
    KeepBoxesOption,
    KeepDotsOption,
    KeepEventsOption,
    KeepHoursOption,
    KeepMinutesOption,
    retention,
)
from app.cli.serve import DatabaseOption, DataOption
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.infrastructure.sql_database import Database
    from app.infrastructure.sql_status import Status

db = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the history's database.")
DATA = Path("spoton-data")
Instant = Annotated[
    datetime | None,
    typer.Option(metavar="TIME", formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"], show_default=False, help="In UTC."),
]


@db.command("upgrade")
def upgrade_command(data: DataOption = DATA, database: DatabaseOption = None) -> None:
    """Bring the tables to the newest revision; makes them where there are none."""
    from app.infrastructure.sql_revision import mend
    from app.infrastructure.sql_status import missing

    with _opened(data, database, new=True) as opened:
        say(f"{opened.name}: {mend(opened)}")
        for line in opened.write(missing):
            say(line)


@db.command("status")
def status_command(data: DataOption = DATA, database: DatabaseOption = None) -> None:
    """Tell the tables' revision, what they hold, and what the database lacks."""
    from app.infrastructure.sql_status import status

    with _opened(data, database) as opened:
        _show(opened.name, opened.write(status))


@db.command("prune")
def prune_command(
    boxes: KeepBoxesOption = None,
    dots: KeepDotsOption = None,
    events: KeepEventsOption = None,
    minutes: KeepMinutesOption = None,
    hours: KeepHoursOption = None,
    data: DataOption = DATA,
    database: DatabaseOption = None,
) -> None:
    """Remove old rows now; a running site does so by itself, once a minute."""
    from app.infrastructure.sql_retention import DAYS, prune
    from app.infrastructure.sql_revision import check
    from app.settings import Keep

    before = retention(Keep(), boxes, dots, events, minutes, hours).before(time.time())
    with _opened(data, database) as opened:
        check(opened, _mend(data, database), make=False)
        removed = opened.write(partial(prune, before=before))
        days = removed.pop(DAYS, 0)
        gone = ", ".join([f"{days:,} {DAYS}"] * bool(days) + [f"{n:,} of {table}" for table, n in removed.items() if n])
        say(f"{opened.name}: removed {gone or 'nothing'}")


@db.command("rebuild")
def rebuild_command(
    since: Instant = None,
    until: Instant = None,
    place: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this zone or line; all dots count as drawn for it.")
    ] = None,
    of: Annotated[str | None, typer.Option(metavar="SITE", help="Which site, where several are kept here.")] = None,
    data: DataOption = DATA,
    database: DatabaseOption = None,
) -> None:
    """Make events, stays and sums anew from the dots that are kept, hour by hour; the hour that goes on is left out.

    So a zone gets figures of before it was drawn, and a history that was written by other rules reads like the rest.
    """
    from app.domains.analytics.places import PlaceId
    from app.infrastructure.sql_rebuild import plan, rebuild
    from app.infrastructure.sql_revision import check
    from app.infrastructure.sql_rollup import HOUR_S

    first = -float("inf") if since is None else _seconds(since)
    last = min(time.time() // HOUR_S * HOUR_S, float("inf") if until is None else _seconds(until))
    only = None if place is None else PlaceId(place)
    with _opened(data, database) as opened:
        check(opened, _mend(data, database), make=False)
        planned = opened.write(partial(plan, site=of, since=first, until=last, place=only))
        if not planned.hours:
            say(f"{opened.name}: no dots are kept of any full hour within that time; nothing is made anew")
            return
        going_on = planned.hours[0]
        try:
            for hour in counted(rebuild(opened, planned), "hours", len(planned.hours)):
                going_on = hour + HOUR_S
        finally:
            if going_on <= planned.hours[-1]:
                say(f"stopped; what is done is written. To go on, run the same with --since {_utc(going_on)}")
        span = f"{_utc(planned.hours[0])} to {_utc(going_on)}"
        say(f"{opened.name}: made anew {len(planned.hours):,} hours, {span}")


@db.command("export")
def export_command(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Such as points, dots, spans or corrections.")],
    since: Instant = None,
    until: Instant = None,
    text: Annotated[str, typer.Option("--format", metavar="csv|jsonl", help="Of the rows.")] = "csv",
    data: DataOption = DATA,
    database: DatabaseOption = None,
) -> None:
    """Print the rows of one table in order of time, as CSV or JSON Lines."""
    from app.infrastructure.sql_export import FORMATS, export
    from app.infrastructure.sql_revision import check
    from app.infrastructure.sql_schema import METADATA

    if table not in METADATA.tables:
        raise ConfigError("TABLE", "", f"there is no {table}; expected one of {', '.join(sorted(METADATA.tables))}")
    if text not in FORMATS:
        raise ConfigError("--format", "", f"there is no {text}; expected one of {', '.join(FORMATS)}")
    first = -float("inf") if since is None else _seconds(since)
    last = float("inf") if until is None else _seconds(until)
    with _opened(data, database) as opened:
        check(opened, _mend(data, database), make=False)
        of = METADATA.tables[table]
        opened.write(partial(export, table=of, since=first, until=last, output=_Output(), text=text))


class _Output:
    """Standard output, which may be closed by who reads it: `| head` ends the export, and is no fault."""

    def write(self, text: str) -> int:
        """Write; ends the command where nobody reads any more."""
        try:
            return sys.stdout.write(text)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still buffered
            raise typer.Exit from None


@contextmanager
def _opened(data: Path, address: str | None, *, new: bool = False) -> Iterator[Database]:
    """Open the database; an embedded one that is not there yet only where it is to be made."""
    from app.infrastructure.sql_database import open_database

    path = data / "history.sqlite"
    if address is None and not (path.exists() or new):
        raise ConfigError(path, "", "there is no history yet; give --data or --database where one is")
    if address is None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(address or f"sqlite:///{path}")
    try:
        yield database
    finally:
        database.close()


def _mend(data: Path, address: str | None) -> str:
    return f"spoton db upgrade --data {data}" if address is None else "spoton db upgrade --database URL"


def _seconds(instant: datetime) -> float:
    return instant.replace(tzinfo=UTC).timestamp()


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(name: str, status: Status) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    state = "up to date" if status.revision == status.needed else f"this SpotOn needs {status.needed}"
    out().print(Text(f"{name}: revision {status.revision}, {state}; {status.size / 1e6:,.1f} MB"), soft_wrap=True)
    for line in status.missing:
        out().print(Text(line), soft_wrap=True)
    if not status.tables:
        return
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in ("table", "rows", "from (UTC)", "to (UTC)"):
        shown.add_column(heading, justify="right" if heading == "rows" else "left", no_wrap=True)
    for table in status.tables:
        shown.add_row(table.name, f"{table.rows:,}", _minute(table.first), _minute(table.last))
    out().print(shown)


def _minute(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
