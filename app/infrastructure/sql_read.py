"""What the live counts are: people seen lately, corrections followed. Runs on SQLite and on PostgreSQL."""

from sqlalchemy import Connection, case, distinct, func, select

from app.infrastructure.sql_schema import SPANS

WINDOWS_S = (60.0, 900.0, 3600.0)


def read_counts(connection: Connection, run_id: int, now: float) -> tuple[int, ...]:
    """Return how many people were seen within each of WINDOWS_S before `now`."""
    spans = SPANS.c
    columns = [func.count(distinct(case((spans.last_seen >= now - window, spans.identity)))) for window in WINDOWS_S]
    query = select(*columns).where(spans.run_id == run_id, spans.last_seen >= now - max(WINDOWS_S))
    return tuple(connection.execute(query).one())
