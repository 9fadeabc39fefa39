"""Operators' corrections of a site's history. Runs on SQLite and on PostgreSQL, in the transaction that it is given."""

from dataclasses import replace

from sqlalchemy import Connection, func, select

from app.domains.corrections import source
from app.domains.vocabulary import NO_ID, Correction, GlobalId, Merge
from app.infrastructure import sql_corrections
from app.infrastructure.sql_corrections import of_site, runs_of
from app.infrastructure.sql_events import read_correction
from app.infrastructure.sql_people import identity_of
from app.infrastructure.sql_schema import CORRECTIONS, SPANS
from app.orchestration.archive import RecordedCorrection

FIRST_MADE = 1_000_000_000  # ids of people whom operators split off; the live run counts its own from 1 up


def correct(connection: Connection, site_id: int, correction: Correction, at: float) -> RecordedCorrection | None:
    """Enter a correction; None where it names somebody unknown, or changes nothing."""
    meant = _meant(connection, site_id, correction)
    if meant is None:
        return None
    mine = SPANS.c.identity == source(meant), of_site(SPANS.c.run_id, site_id)
    run_id = connection.execute(select(func.max(SPANS.c.run_id)).where(*mine)).scalar_one()
    if not sql_corrections.would_change(connection, run_id, meant):
        return None
    entered = read_correction(connection, site_id, sql_corrections.correct(connection, run_id, at, meant))
    return None if entered is None else entered[1]


def take_back(connection: Connection, site_id: int, correction_id: int, at: float) -> RecordedCorrection | None:
    """Take a correction back; None if it did not stand."""
    found = read_correction(connection, site_id, correction_id)
    if found is None or not sql_corrections.take_back(connection, found[0], correction_id, at):
        return None
    return replace(found[1], taken_back_at=at)


def _meant(connection: Connection, site_id: int, correction: Correction) -> Correction | None:
    """Return a correction with the ids by which the people in it are known now."""
    one = identity_of(connection, site_id, source(correction))
    if one is None:
        return None
    if isinstance(correction, Merge):
        kept = identity_of(connection, site_id, correction.kept)
        return None if kept is None or kept == one else replace(correction, gone=one, kept=kept)
    if correction.apart == NO_ID:
        return replace(correction, mixed=one, apart=_new(connection, site_id))
    return None if correction.apart == one else replace(correction, mixed=one)


def _new(connection: Connection, site_id: int) -> GlobalId:
    """Return an id that no one has ever had."""
    mine = CORRECTIONS.c.run_id.in_(runs_of(site_id)), CORRECTIONS.c.target >= FIRST_MADE
    last = connection.execute(select(func.max(CORRECTIONS.c.target)).where(*mine)).scalar()
    return GlobalId(FIRST_MADE if last is None else last + 1)
