"""The people of a site's history, corrections followed: who they are, when they were there, and their tags.

Runs on SQLite and on PostgreSQL. Knows no places and no events.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
)

from app.domains.analytics.figures import Period
from app.domains.corrections import CorrectedHistory, Span
from app.domains.vocabulary import CameraId, GlobalId, IntArray
from app.infrastructure.sql_batch import VISIT_GAP_S
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_corrections import of_site, runs_of
from app.infrastructure.sql_schema import APPEARANCES, CAMERAS, RUNS, SPANS, TAGS
from app.orchestration.archive import IdentitySummary, Page
from app.orchestration.ports import Visit


@dataclass(frozen=True, slots=True)
class Piece:
    """What was reported in one run under one id, between two instants, and has turned out to be one person.

    Attributes:
        ways_until: capture time up to which the run's dots are packed into ways; None where none are.
        certainty: of the correction that says so; None where the reported one stands.
    """

    run_id: int
    person: int
    since: float
    until: float
    last_seen: float
    ways_until: float | None
    certainty: float | None


def identity_of(connection: Connection, site_id: int, asked: GlobalId) -> GlobalId | None:
    """Return who is known by an id now, else who was last reported under it; None for nobody."""
    spans = SPANS.c
    known = select(spans.identity).where(spans.identity == asked, of_site(spans.run_id, site_id)).limit(1)
    reported = select(spans.identity).where(spans.person == asked, spans.run_id.in_(runs_of(site_id)))
    for query in (known, reported.order_by(spans.since.desc()).limit(1)):
        found = connection.execute(query).scalar()
        if found is not None:
            return GlobalId(found)
    return None


def pieces_of(connection: Connection, site_id: int, identity: GlobalId, period: Period) -> list[Piece]:
    """Return under which ids a person was reported within a period, cut to it, by begin."""
    spans = SPANS.c
    mine = spans.identity == identity, of_site(spans.run_id, site_id)
    seen = spans.first_seen < period.until, spans.last_seen >= period.since
    columns = spans.run_id, spans.person, spans.first_seen, spans.last_seen, spans.until, spans.certainty
    query = select(*columns, RUNS.c.ways_until).join(RUNS, RUNS.c.id == spans.run_id).where(*mine, *seen)
    rows = connection.execute(query.order_by(spans.first_seen, spans.person))
    pieces = [
        Piece(
            row.run_id,
            row.person,
            max(row.first_seen, period.since),
            min(row.until, period.until),
            row.last_seen,
            row.ways_until,
            row.certainty,
        )
        for row in rows
    ]
    return sorted(pieces, key=lambda piece: piece.since)


def corrections_within(connection: Connection, site_id: int, period: Period) -> CorrectedHistory:
    """Return whom the ids stand for that were reported within a period; only of those that were ever corrected."""
    spans, other = SPANS.c, SPANS.alias("other").c
    there = of_site(spans.run_id, site_id), spans.last_seen >= period.since, spans.first_seen < period.until
    altered = or_(spans.identity != spans.person, spans.certainty.is_not(None))
    people = select(spans.run_id, spans.person).where(*there, altered)
    columns = other.person, Seconds(other.since), Seconds(other.until), other.identity, other.certainty
    query = select(*columns).where(tuple_(other.run_id, other.person).in_(people)).order_by(other.person, other.since)
    person, since, until, identity, certainty = fetch(connection, query)
    rows = zip(person, since, until, identity, floats(certainty).tolist(), strict=True)
    return CorrectedHistory.of(Span(*row) for row in rows)


def read_identities(
    connection: Connection, site_id: int, period: Period, page: Page, tag: str | None
) -> tuple[IdentitySummary, ...]:
    """Return who was there within a period, who was seen last first.

    Of each person the span that was seen last stands for them, so that a page is read off an index.
    """
    spans, newer, other = SPANS.c, SPANS.alias("newer").c, SPANS.alias("other").c
    same = newer.last_seen == spans.last_seen
    tie = or_(newer.person > spans.person, and_(newer.person == spans.person, newer.since > spans.since))
    later = or_(newer.last_seen > spans.last_seen, and_(same, tie))
    outdone = exists().where(newer.identity == spans.identity, of_site(newer.run_id, site_id), later)
    seen = other.first_seen < period.until, other.last_seen >= period.since
    there = exists().where(other.identity == spans.identity, of_site(other.run_id, site_id), *seen)
    query = select(spans.identity).where(
        spans.last_seen >= period.since, of_site(spans.run_id, site_id), ~outdone, there
    )
    if page.after is not None:
        query = query.where(before(spans.last_seen, spans.identity, page.after))
    if tag is not None:
        query = query.where(spans.identity.in_(tagged(site_id, [tag])))
    query = query.order_by(spans.last_seen.desc(), spans.identity.desc()).limit(page.limit)
    return _summaries(connection, site_id, [GlobalId(row.identity) for row in connection.execute(query)])


def read_identity(connection: Connection, site_id: int, asked: GlobalId) -> IdentitySummary | None:
    """Return one person, asked by any id that was reported for them; None for nobody."""
    identity = identity_of(connection, site_id, asked)
    if identity is None:
        return None
    return next(iter(_summaries(connection, site_id, [identity])), None)


def before(at: ColumnElement[Any], key: ColumnElement[Any], after: tuple[float, int]) -> ColumnElement[bool]:
    """Return the condition for rows that come after one in an order by descending instant and key."""
    last, last_key = after
    # the first says no more than the second, and is what an index answers
    return and_(at <= last, or_(at < last, key < last_key))


def tagged(site_id: int, tags: Collection[str]) -> Select[tuple[int]]:
    """Return the query for the people that have one of some tags."""
    holders = _holders(site_id).subquery()
    return select(holders.c.identity).where(holders.c.tag.in_(tags))


def read_tagged(connection: Connection, site_id: int, tags: Collection[str]) -> IntArray:
    """Return the people (N,) that have one of some tags."""
    return integers(fetch(connection, tagged(site_id, tags))[0])


def present_with(connection: Connection, site_id: int, period: Period, tags: Collection[str]) -> list[GlobalId]:
    """Return who has one of some tags and was there within a period."""
    spans = SPANS.c
    seen = spans.first_seen < period.until, spans.last_seen >= period.since
    mine = of_site(spans.run_id, site_id), spans.identity.in_(tagged(site_id, tags))
    query = select(spans.identity).where(*mine, *seen).distinct().order_by(spans.identity)
    return [GlobalId(row.identity) for row in connection.execute(query)]


def set_tags(connection: Connection, site_id: int, asked: GlobalId, tags: Collection[str]) -> IdentitySummary | None:
    """Replace a person's tags; None for nobody."""
    identity = identity_of(connection, site_id, asked)
    if identity is None:
        return None
    spans, known = SPANS.c, SPANS.alias("known").c
    mine = spans.identity == identity, of_site(spans.run_id, site_id)
    turned = select(spans.person).where(*mine, ~exists().where(known.identity == spans.person))
    own = or_(TAGS.c.identity == identity, TAGS.c.identity.in_(turned))
    connection.execute(delete(TAGS).where(own, of_site(TAGS.c.run_id, site_id)))
    run_id = connection.execute(select(func.min(spans.run_id)).where(*mine)).scalar_one()
    if tags:
        rows = [{"run_id": run_id, "identity": identity, "tag": tag} for tag in sorted(set(tags))]
        connection.execute(insert(TAGS), rows)
    return read_identity(connection, site_id, identity)


def read_visits(connection: Connection, site_id: int, asked: GlobalId, period: Period) -> tuple[Visit, ...]:
    """Return which cameras saw a person; visits of several ids that they were reported under are joined."""
    identity = identity_of(connection, site_id, asked)
    if identity is None:
        return ()
    spans, visits = SPANS.c, APPEARANCES.c
    same = visits.run_id == spans.run_id, visits.person == spans.person
    overlap = visits.ended >= spans.since, visits.begun < spans.until
    wanted = visits.ended >= period.since, visits.begun < period.until
    mine = spans.identity == identity, of_site(spans.run_id, site_id)
    columns = CAMERAS.c.name, visits.begun, visits.ended, spans.since, spans.until
    query = select(*columns).where(*same, *overlap, *wanted, *mine, CAMERAS.c.id == visits.camera_id)
    seen = sorted(
        (camera, max(begun, first, period.since), min(ended, last, period.until))
        for camera, begun, ended, first, last in connection.execute(query)
    )
    joined = _joined(Visit(CameraId(camera), begin, end) for camera, begin, end in seen)
    return tuple(sorted(joined, key=lambda visit: (visit.begin, visit.camera_id)))


def _joined(visits: Iterable[Visit]) -> list[Visit]:
    """Join visits, ordered by camera and begin, between which the camera did not lose sight for long."""
    joined: list[Visit] = []
    for visit in visits:
        last = joined[-1] if joined else None
        if last is not None and last.camera_id == visit.camera_id and visit.begin - last.end <= VISIT_GAP_S:
            joined[-1] = Visit(last.camera_id, last.begin, max(last.end, visit.end))
        else:
            joined.append(visit)
    return joined


def _holders(site_id: int) -> CompoundSelect[tuple[int, str]]:
    """Return the query for people and their tags.

    A tag given to an id under which nobody is known any more is that of whoever it has turned out to be.
    """
    spans, known = SPANS.c, SPANS.alias("known").c
    mine = of_site(TAGS.c.run_id, site_id)
    # expressions in place of the columns, or SQLite would go through all spans to find the few that have tags
    same = (spans.run_id == TAGS.c.run_id + 0) & (spans.person == TAGS.c.identity + 0)
    gone = ~exists().where(known.identity == TAGS.c.identity)
    turned = select(spans.identity, TAGS.c.tag).join(TAGS, same).where(mine, gone)
    return select(TAGS.c.identity, TAGS.c.tag).where(mine).union(turned)


def _summaries(connection: Connection, site_id: int, people: Sequence[GlobalId]) -> tuple[IdentitySummary, ...]:
    """Return people in the order given."""
    spans, holders = SPANS.c, _holders(site_id).subquery().c
    mine = spans.identity.in_(people), of_site(spans.run_id, site_id), spans.last_seen.is_not(None)
    query = select(spans.identity, spans.person, spans.first_seen, spans.last_seen, spans.certainty)
    rows, tags = defaultdict(list), defaultdict(list)
    for row in connection.execute(query.where(*mine).order_by(spans.last_seen)):
        rows[row.identity].append(row)
    for identity, tag in connection.execute(select(holders.identity, holders.tag).where(holders.identity.in_(people))):
        tags[identity].append(tag)
    return tuple(_summary(one, rows[one], tags[one]) for one in people if rows[one])


def _summary(identity: GlobalId, spans: Sequence[Row[*tuple[Any, ...]]], tags: Iterable[str]) -> IdentitySummary:
    """Return a person of spans ordered by when each was seen last."""
    return IdentitySummary(
        identity,
        first_seen=min(span.first_seen for span in spans),
        last_seen=spans[-1].last_seen,
        certainty=next((span.certainty for span in reversed(spans) if span.certainty is not None), None),
        reported=tuple(sorted({GlobalId(span.person) for span in spans})),
        tags=tuple(sorted(tags)),
    )
