"""Where people were, from hours and minutes that are packed or not yet, and from dots where a period cuts a minute.

Runs on SQLite and on PostgreSQL.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
from sqlalchemy import Connection, func, select

from app.domains.analytics.figures import Period
from app.domains.analytics.heat import cell_of
from app.domains.analytics.watch import WatchConfig
from app.domains.vocabulary import FloatArray, GlobalId, IntArray
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_corrections import runs_of
from app.infrastructure.sql_dots import read_dots, read_dots_of
from app.infrastructure.sql_people import present_with
from app.infrastructure.sql_rollup import HOUR_S, MINUTE_S, unpack_cells, unpack_minutes
from app.infrastructure.sql_schema import HEAT, HEAT_CELLS, HEAT_MINUTES, INSTANTS
from app.orchestration.archive import Dots

RULES = WatchConfig()  # by which the watch counts time
Cells = tuple[IntArray, FloatArray]
Read = Callable[[Period], tuple[Dots, float | None]]


def read_cells(connection: Connection, site_id: int, period: Period, without: Collection[str] = ()) -> Cells:
    """Return cells, each as often as it comes, and the person-seconds that people were there within a period.

    The time of those with one of the tags `without` is taken off again: their seconds are below 0.
    """
    left_out = present_with(connection, site_id, period, without) if without else []
    theirs = [read_cells_of(connection, site_id, period, identity) for identity in left_out]
    return _joined([_of_everybody(connection, site_id, period), *((cell, -seconds) for cell, seconds in theirs)])


def _of_everybody(connection: Connection, site_id: int, period: Period) -> Cells:
    begin, end = np.ceil(period.since / HOUR_S) * HOUR_S, np.floor(period.until / HOUR_S) * HOUR_S
    if begin > end:
        return _ragged(connection, site_id, period)
    parts = [
        _packed(connection, site_id, Period(begin, end)),
        _fresh(connection, site_id, Period(begin, end)),
        _ragged(connection, site_id, Period(period.since, begin)),
        _ragged(connection, site_id, Period(end, period.until)),
    ]
    return _joined(parts)


def read_cells_of(connection: Connection, site_id: int, period: Period, asked: GlobalId) -> Cells:
    """Return cells, each as often as it comes, and the seconds that one person was there within a period."""

    def read(part: Period) -> tuple[Dots, float | None]:
        return read_dots_of(connection, site_id, part, asked)

    return _of_dots(read, partial(_instants, connection, site_id), period)


def _packed(connection: Connection, site_id: int, hours: Period) -> Cells:
    mine = HEAT.c.site_id == site_id, HEAT.c.at >= hours.since, HEAT.c.at < hours.until
    return _joined([unpack_cells(packed) for packed in connection.execute(select(HEAT.c.cells).where(*mine)).scalars()])


def _fresh(connection: Connection, site_id: int, period: Period) -> Cells:
    """Return what is not packed yet, of the minutes that begin within a period."""
    cells = HEAT_CELLS.c
    mine = cells.site_id == site_id, cells.at >= period.since, cells.at < period.until
    query = select(cells.cell, func.sum(cells.seconds)).where(*mine).group_by(cells.cell)
    cell, seconds = fetch(connection, query)
    return integers(cell), floats(seconds)


def _ragged(connection: Connection, site_id: int, period: Period) -> Cells:
    """Return a part of an hour: whole minutes from what is packed or not packed yet, cut ones from dots."""
    if period.since >= period.until:
        return _joined([])
    hour = np.floor(period.since / HOUR_S) * HOUR_S
    begin, end = np.ceil(period.since / MINUTE_S) * MINUTE_S, np.floor(period.until / MINUTE_S) * MINUTE_S
    cut = [Period(period.since, begin), Period(end, period.until)] if begin <= end else [period]
    minutes = _joined([])
    if begin < end:
        at_hour = HEAT_MINUTES.c.site_id == site_id, HEAT_MINUTES.c.at == hour
        packed = connection.execute(select(HEAT_MINUTES.c.cells).where(*at_hour)).scalar()
        if packed is not None:
            minute, cell, seconds = unpack_minutes(packed)
            wanted = (hour + MINUTE_S * minute >= begin) & (hour + MINUTE_S * minute < end)
            minutes = cell[wanted], seconds[wanted]
        elif _is_packed(connection, site_id, hour):  # its minutes are too old to be kept
            cut = [period]
        else:
            minutes = _fresh(connection, site_id, Period(begin, end))
    read, instants = partial(read_dots, connection, site_id), partial(_instants, connection, site_id)
    return _joined([minutes, *(_of_dots(read, instants, part) for part in cut if part.seconds > 0)])


def _is_packed(connection: Connection, site_id: int, hour: float) -> bool:
    packed = select(HEAT.c.at).where(HEAT.c.site_id == site_id, HEAT.c.at == hour)
    return connection.execute(packed).first() is not None


def _of_dots(read: Read, instants: Callable[[Period], FloatArray], period: Period) -> Cells:
    """Return the cells of dots and the time watched since the last dot of the same person, as FloorWatch counts it.

    Args:
        read: returns the first dots of a period, and where the next part begins.
        instants: returns the capture times within a period at which anybody watched.
        period: that is wanted.
    """
    cells: list[Cells] = []
    before: list[Dots] = []  # the last ones of the part before
    since: float | None = period.since - RULES.lost_s
    while since is not None:
        part, after = read(Period(since, period.until))
        parts = [*before, part]
        at, who = np.concatenate([dots.at for dots in parts]), np.concatenate([dots.identity for dots in parts])
        xy = np.concatenate([dots.xy for dots in parts])
        if len(part):
            watched = np.union1d(instants(Period(float(at[0]), float(at[-1]) + RULES.lost_s)), at)
            clock = np.cumsum(np.minimum(np.diff(watched, prepend=watched[:1]), RULES.gap_s))
            seconds = _since_last(at, who, clock[np.searchsorted(watched, at)])
            wanted = at >= max(since, period.since)
            cells.append((cell_of(xy[wanted]).astype(np.int64), seconds[wanted]))
        late = part.at >= (period.until if after is None else after) - RULES.lost_s
        before = [Dots(part.at[late], part.identity[late], part.xy[late], part.sigma[late], part.certainty[late])]
        since = after
    return _joined(cells)


def _since_last(at: FloatArray, who: IntArray, clock: FloatArray) -> FloatArray:
    """Return the seconds on a clock since the last dot of the same person; 0 for whoever was lost, or is new."""
    order = np.lexsort((at, who))
    same = (np.diff(who[order]) == 0) & (np.diff(at[order]) <= RULES.lost_s)
    seconds = np.zeros(len(at))
    seconds[order[1:]] = np.where(same, np.diff(clock[order]), 0.0)
    return seconds


def _instants(connection: Connection, site_id: int, period: Period) -> FloatArray:
    """Return the capture times of updates within a period."""
    instants = INSTANTS.c
    mine = instants.run_id.in_(runs_of(site_id)), instants.at >= period.since, instants.at < period.until
    return floats(fetch(connection, select(Seconds(instants.at)).where(*mine))[0])


def _joined(parts: Sequence[Cells]) -> Cells:
    cells = [part[0] for part in parts] or [np.empty(0, np.int64)]
    return np.concatenate(cells), np.concatenate([part[1] for part in parts] or [np.empty(0)])
