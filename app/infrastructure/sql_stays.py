"""Who was at which place from when to when, corrections followed. Runs on SQLite and on PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Table, and_, distinct, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.domains.analytics.figures import Ending, Period, Stays
from app.domains.analytics.places import FLOOR, PlaceId
from app.domains.vocabulary import FloatArray, GlobalId, IntArray
from app.infrastructure.sql_batch import VISIT_GAP_S
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_corrections import of_site
from app.infrastructure.sql_people import tagged
from app.infrastructure.sql_schema import APPEARANCES, OCCUPANCY, SPANS, STAYS

LONG_S = 86_400.0  # as in the index `stays_long`


class Long(FunctionElement[Any]):
    """Whether a stay is longer than LONG_S; of (begun, ended). No Boolean, which SQLite would be asked to be 1."""

    inherit_cache = True


@compiles(Long, "postgresql")
def _long_interval(element: Long, compiler: SQLCompiler, **options: object) -> str:
    begun, ended = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{ended} - {begun} > INTERVAL '1 day'"


@compiles(Long, "sqlite")
def _long_number(element: Long, compiler: SQLCompiler, **options: object) -> str:
    begun, ended = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{ended} - {begun} > {LONG_S}"


def read_stays(
    connection: Connection,
    site_id: int,
    places: Collection[PlaceId],
    period: Period,
    identity: GlobalId | None = None,
    without: Collection[str] = (),
) -> Stays:
    """Return the stays that overlap a period; at no places means at all that are drawn."""
    which = _counted(site_id, without)
    if identity is not None:
        which.append(SPANS.c.identity == identity)
    pieces = read_pieces(connection, site_id, places, period, which)
    _, number = np.unique(np.array(pieces.place, dtype=np.str_), return_inverse=True)
    first, last = _joined(number, pieces.identity, pieces.begun, pieces.ended)
    order = np.lexsort((number[first], pieces.identity[first], pieces.begun[first]))
    first, last = first[order], last[order]
    return Stays(
        place=tuple(pieces.place[row] for row in first.tolist()),
        identity=pieces.identity[first],
        begun=pieces.begun[first],
        ended=pieces.ended[last],
        ending=tuple(pieces.ending[row] for row in last.tolist()),
    )


def read_pieces(
    connection: Connection,
    site_id: int,
    places: Collection[PlaceId],
    period: Period,
    which: Sequence[ColumnElement[bool]] = (),
) -> Stays:
    """Return the stays that overlap a period as they were added up: not joined, and in no order."""
    stays, spans = STAYS.c, SPANS.c
    times = Seconds(stays.begun), Seconds(stays.ended), Seconds(spans.since), Seconds(spans.until)
    query = select(stays.place, spans.identity, *times, stays.ending).join(SPANS, _same(STAYS))
    query = query.where(*_overlapping(site_id, period), *which)
    query = query.where(stays.place.in_(places) if places else stays.place != FLOOR)
    place, who, begun, ended, since, until, ending = fetch(connection, query)
    cut = floats(ended) > floats(until)  # the rest was somebody else
    return Stays(
        place=tuple(map(PlaceId, place)),
        identity=integers(who),
        begun=np.maximum(floats(begun), floats(since)),
        ended=np.minimum(floats(ended), floats(until)),
        ending=tuple(Ending.LOST if lost else Ending(one) for lost, one in zip(cut.tolist(), ending, strict=True)),
    )


def read_visitors(
    connection: Connection, site_id: int, place: PlaceId, period: Period, without: Collection[str] = ()
) -> int:
    """Count the people at a place; on a site without floor those whom any camera saw."""
    people = func.count(distinct(SPANS.c.identity))
    rollup = select(OCCUPANCY.c.at).where(OCCUPANCY.c.site_id == site_id, OCCUPANCY.c.place == FLOOR).limit(1)
    if place == FLOOR and connection.execute(rollup).first() is None:
        query = select(people).select_from(APPEARANCES).join(SPANS, _same(APPEARANCES))
        wanted = APPEARANCES.c.ended >= period.since, APPEARANCES.c.begun < period.until
        mine = of_site(APPEARANCES.c.run_id, site_id)
        query = query.where(mine, *wanted)
    else:
        query = select(people).select_from(STAYS).join(SPANS, _same(STAYS))
        query = query.where(STAYS.c.place == place, *_overlapping(site_id, period))
    return int(connection.execute(query.where(*_counted(site_id, without))).scalar_one())


def _same(table: Table) -> ColumnElement[bool]:
    """Return the condition for the spans of a row's person that overlap it."""
    same = and_(SPANS.c.run_id == table.c.run_id, SPANS.c.person == table.c.person)
    return and_(same, SPANS.c.since <= table.c.ended, SPANS.c.until > table.c.begun)


def _overlapping(site_id: int, period: Period) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for stays of a site, as far as they are one person's, that overlap a period."""
    mine = of_site(STAYS.c.run_id, site_id)
    # what ends within a day of the period, and the few that last longer: else all that came later would be looked at
    late = period.until + LONG_S
    near = and_(STAYS.c.ended >= period.since, STAYS.c.ended < late)
    lasting = and_(STAYS.c.ended >= late, Long(STAYS.c.begun, STAYS.c.ended))
    still = or_(near, lasting), SPANS.c.until > period.since
    return mine, *still, STAYS.c.begun < period.until, SPANS.c.since < period.until


def _counted(site_id: int, without: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions for those who count: people with none of some tags."""
    return [SPANS.c.identity.not_in(tagged(site_id, without))] if without else []


def _joined(place: IntArray, who: IntArray, begin: FloatArray, end: FloatArray) -> tuple[IntArray, IntArray]:
    """Join what one person stayed at one place without a gap worth the name.

    Returns:
        For each stay the row that begins it, and the row that ends it.
    """
    n = len(begin)
    if not n:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((begin, who, place))
    own = np.concatenate([[True], (np.diff(place[order]) != 0) | (np.diff(who[order]) != 0)])
    by_end = np.argsort(end[order], kind="stable")
    rank = np.empty(n, np.int64)
    rank[by_end] = np.arange(n)
    group = np.cumsum(own) - 1
    longest = by_end[np.maximum.accumulate(group * n + rank) - group * n]  # of the group so far, the one that ends last
    gap = begin[order][1:] - end[order][longest[:-1]]
    fresh = own | np.concatenate([[False], gap > VISIT_GAP_S])
    starts = np.flatnonzero(fresh)
    return order[starts], order[longest[np.append(starts[1:], n) - 1]]
