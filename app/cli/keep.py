"""Flags that say for how long the history keeps what it has. Knows no database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.infrastructure.sql_retention import Retention
    from app.settings import Keep

DAY_S = 86_400.0


def _days(flag: str, what: str, usual: str) -> typer.models.OptionInfo:
    flag_help = f"Keep {what} for so many days; else as the site file says, or {usual}."
    option: typer.models.OptionInfo = typer.Option(flag, min=0.0, metavar="DAYS", help=flag_help, show_default=False)
    return option


KeepBoxesOption = Annotated[
    float | None, _days("--keep-boxes", "boxes of cameras (PostgreSQL: by whole days, in UTC)", "2")
]
KeepDotsOption = Annotated[float | None, _days("--keep-dots", "dots on the floor", "90")]
KeepEventsOption = Annotated[float | None, _days("--keep-events", "visits, stays, people and events", "365")]
KeepMinutesOption = Annotated[float | None, _days("--keep-minutes", "sums over minutes", "90")]
KeepHoursOption = Annotated[float | None, _days("--keep-hours", "sums over hours, and heat maps,", "1095")]


def retention(keep: Keep, *given: float | None) -> Retention:
    """Return how long rows are kept: for the days given, in the order of the flags above, else as `keep` says."""
    from app.infrastructure.sql_retention import Retention

    described = keep.boxes, keep.dots, keep.events, keep.minutes, keep.hours
    days = (own if asked is None else asked for own, asked in zip(described, given, strict=True))
    return Retention(*(DAY_S * number for number in days))
