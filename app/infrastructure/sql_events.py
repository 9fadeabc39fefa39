"""Events and corrections of a site's history, newest first, a page at a time. Runs on SQLite and on PostgreSQL."""

from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from app.domains.analytics.figures import Event, EventKind
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import CameraId, GlobalId
from app.infrastructure.sql_corrections import correction_of, runs_of
from app.infrastructure.sql_people import before
from app.infrastructure.sql_schema import CAMERAS, CORRECTIONS, EVENTS, SPANS
from app.orchestration.archive import EventFilter, Page, RecordedCorrection


def read_events(connection: Connection, site_id: int, which: EventFilter, page: Page) -> tuple[Event, ...]:
    """Return events, newest first, corrections followed."""
    events, spans = EVENTS.c, SPANS.c
    same = and_(spans.run_id == events.run_id, spans.person == events.person)
    meant = and_(same, spans.since <= events.at, spans.until > events.at)
    identity = func.coalesce(spans.identity, events.person).label("identity")
    tables = EVENTS.join(SPANS, meant, isouter=which.identity is None)
    query = select(*events, identity, CAMERAS.c.name.label("camera"))
    query = query.select_from(tables.join(CAMERAS, CAMERAS.c.id == events.camera_id, isouter=True))
    query = query.where(events.site_id == site_id, events.at >= which.period.since, events.at < which.period.until)
    if which.places:
        query = query.where(events.place.in_(which.places))
    if which.kinds:
        query = query.where(events.kind.in_([str(kind) for kind in which.kinds]))
    if which.identity is not None:
        query = query.where(spans.identity == which.identity)
    if which.camera is not None:
        query = query.where(CAMERAS.c.name == which.camera)
    if page.after is not None:
        query = query.where(before(events.at, events.id, page.after))
    rows = connection.execute(query.order_by(events.at.desc(), events.id.desc()).limit(page.limit))
    return tuple(_event(row) for row in rows)


def read_corrections(
    connection: Connection, site_id: int, page: Page, *, standing: bool = False
) -> tuple[RecordedCorrection, ...]:
    """Return corrections, newest first; only those that stand where that is wanted."""
    query = select(CORRECTIONS).where(CORRECTIONS.c.run_id.in_(runs_of(site_id)))
    if standing:
        query = query.where(CORRECTIONS.c.taken_back_at.is_(None))
    if page.after is not None:
        query = query.where(before(CORRECTIONS.c.at, CORRECTIONS.c.id, page.after))
    query = query.order_by(CORRECTIONS.c.at.desc(), CORRECTIONS.c.id.desc()).limit(page.limit)
    return tuple(
        RecordedCorrection(row["id"], row["at"], correction_of(row), row["taken_back_at"])
        for row in connection.execute(query).mappings()
    )


def read_correction(connection: Connection, site_id: int, correction_id: int) -> tuple[int, RecordedCorrection] | None:
    """Return one correction and its run; None where there is none."""
    mine = CORRECTIONS.c.id == correction_id, CORRECTIONS.c.run_id.in_(runs_of(site_id))
    row = connection.execute(select(CORRECTIONS).where(*mine)).mappings().first()
    if row is None:
        return None
    return row["run_id"], RecordedCorrection(row["id"], row["at"], correction_of(row), row["taken_back_at"])


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(
        event_id=row.id,
        at=row.at,
        place_id=PlaceId(row.place),
        place_version=row.place_version,
        kind=EventKind(row.kind),
        identity=None if row.identity is None else GlobalId(row.identity),
        inwards=row.inwards,
        dwell_s=row.dwell_s,
        people=row.people,
        camera_id=None if row.camera is None else CameraId(row.camera),
    )
