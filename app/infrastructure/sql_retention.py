"""How long rows are kept, and how those go that are older. Runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, select, tuple_
from sqlalchemy.sql.schema import Table

from app.infrastructure.sql_days import DAY_S, prune_days
from app.infrastructure.sql_rollup import HOUR_S, MINUTE_S, pack_heat
from app.infrastructure.sql_schema import (
    APPEARANCES,
    CAMERA_LOAD,
    CAMERA_STATES,
    DOTS,
    EVENTS,
    FOOTAGE,
    HEAT,
    HEAT_CELLS,
    HEAT_MINUTES,
    IDENTITIES,
    INSTANTS,
    OCCUPANCY,
    POINTS,
    SITES,
    SPANS,
    STAYS,
    WAYS,
)
from app.infrastructure.sql_timescale import hypertables
from app.infrastructure.sql_ways import WAY_S, pack_ways

DAYS = "whole days of points"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept after their capture time, seconds, by class."""

    points_s: float = 2 * DAY_S  # boxes: most of the bytes
    dots_s: float = 90 * DAY_S
    events_s: float = 365 * DAY_S  # visits, stays, identities, events, states
    minutes_s: float = 90 * DAY_S  # sums over minutes, and heat maps that may cut hours
    hours_s: float = 3 * 365 * DAY_S  # sums over quarters and hours, and heat maps of whole hours

    def before(self, now: float) -> "Retention":
        """Return the capture times before which rows of each class are too old at an instant."""
        return Retention(*(now - getattr(self, name) for name in self.__dataclass_fields__))


def tidy(connection: Connection, now: float, keep: Retention) -> None:
    """Pack the heat of hours and the ways of times that are over, and remove what is too old, at a capture time."""
    pack_ways(connection)
    # a site that another program tidies now is left to it
    sites = select(SITES.c.id).order_by(SITES.c.id).with_for_update(skip_locked=True, key_share=True)
    for site_id in connection.execute(sites).scalars().all():
        pack_heat(connection, site_id, now - now % HOUR_S)
    prune(connection, keep.before(now))


def prune(connection: Connection, before: Retention) -> dict[str, int]:
    """Remove what was captured before the instants of each class (capture times); returns how many rows, by table.

    What PostgreSQL keeps by days goes by days, of which it returns how many (DAYS).
    What TimescaleDB keeps in chunks is left to its own policies, which drop whole chunks.
    """
    chunked = hypertables(connection)
    removed: dict[str, int] = {}
    for table, old in (*_old_rows(before), *_old_sums(before)):
        if table.name not in chunked:
            rows = connection.execute(delete(table).where(old)).rowcount
            removed[table.name] = removed.get(table.name, 0) + rows
    by_days = prune_days(connection, POINTS, before.points_s)  # last: it keeps others from the table until the end
    if by_days is not None:
        removed[DAYS], removed[POINTS.name] = by_days
    elif POINTS.name not in chunked:
        removed[POINTS.name] = connection.execute(delete(POINTS).where(POINTS.c.at < before.points_s)).rowcount
    return removed


def _old_rows(before: Retention) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield tables of what happened, with which rows are too old; the order is that in which they may go."""
    newer = CAMERA_STATES.alias("newer")
    outdated = exists().where(newer.c.camera_id == CAMERA_STATES.c.camera_id, newer.c.at > CAMERA_STATES.c.at)
    known = exists().where(SPANS.c.run_id == IDENTITIES.c.run_id, SPANS.c.person == IDENTITIES.c.person)
    latest = (
        select(SPANS.c.run_id, SPANS.c.person)
        .group_by(SPANS.c.run_id, SPANS.c.person)
        .having(func.max(SPANS.c.last_seen) < bindparam("before", before.events_s, SPANS.c.since.type))
    )
    yield DOTS, DOTS.c.at < before.dots_s
    yield WAYS, WAYS.c.at < before.dots_s - WAY_S
    yield INSTANTS, INSTANTS.c.at < before.dots_s
    yield EVENTS, EVENTS.c.at < before.events_s
    yield STAYS, STAYS.c.ended < before.events_s
    yield APPEARANCES, APPEARANCES.c.ended < before.events_s
    yield FOOTAGE, FOOTAGE.c.ended < before.events_s
    yield CAMERA_STATES, (CAMERA_STATES.c.at < before.events_s) & outdated
    yield SPANS, tuple_(SPANS.c.run_id, SPANS.c.person).in_(latest)
    yield IDENTITIES, (IDENTITIES.c.first_seen < before.events_s) & ~known


def _old_sums(before: Retention) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield tables of sums, with which rows are too old."""
    for table in (OCCUPANCY, CAMERA_LOAD):
        yield table, (table.c.step == MINUTE_S) & (table.c.at < before.minutes_s)
        yield table, (table.c.step > MINUTE_S) & (table.c.at < before.hours_s)
    yield HEAT_MINUTES, HEAT_MINUTES.c.at < before.minutes_s
    yield HEAT, HEAT.c.at < before.hours_s
    yield HEAT_CELLS, HEAT_CELLS.c.at < before.hours_s
