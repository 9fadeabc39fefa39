"""What the history is asked: counts and journeys, corrections followed. Runs on SQLite and on PostgreSQL."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, case, distinct, func, or_, select

from app.domains.vocabulary import CameraId, FloatArray, GlobalId
from app.infrastructure.sql_batch import VISIT_GAP_S
from app.infrastructure.sql_schema import APPEARANCES, CAMERAS, DOTS, SPANS
from app.orchestration.ports import Journey, Visit

STRIDE_S = 1.0  # distance is taken between places this far apart in time, so that noise does not walk
WINDOWS_S = (60.0, 900.0, 3600.0)


def read_counts(connection: Connection, run_id: int, now: float) -> tuple[int, ...]:
    """Return how many people were seen within each of WINDOWS_S before `now`."""
    spans = SPANS.c
    columns = [func.count(distinct(case((spans.last_seen >= now - window, spans.identity)))) for window in WINDOWS_S]
    query = select(*columns).where(spans.run_id == run_id, spans.last_seen >= now - max(WINDOWS_S))
    return tuple(connection.execute(query).one())


def read_journey(connection: Connection, run_id: int, person: GlobalId, since: float) -> Journey | None:
    """Return where a person of a run was from a capture time on; None for somebody unknown."""
    spans = SPANS.c
    either = or_(spans.person == person, spans.identity == person)
    # whoever is known by the asked id now; else who was last reported under it
    asked = select(spans.identity).where(spans.run_id == run_id, either)
    order = case((spans.identity == person, 0), else_=1), spans.since.desc()
    identity = connection.execute(asked.order_by(*order).limit(1)).scalar()
    if identity is None:
        return None
    mine = spans.run_id == run_id, spans.identity == identity
    presence = connection.execute(select(func.min(spans.first_seen), func.max(spans.last_seen)).where(*mine)).one()
    time_s, xy = _dots(connection, run_id, identity, since)
    visits = _visits(connection, run_id, identity, since)
    return Journey(GlobalId(identity), *presence, _distance(time_s, xy), time_s, xy, visits)


def _dots(connection: Connection, run_id: int, identity: int, since: float) -> tuple[FloatArray, FloatArray]:
    """Return (N,) capture times, increasing, and (N, 2) metres."""
    spans, dots = SPANS.c, DOTS.c
    same = dots.run_id == spans.run_id, dots.person == spans.person, dots.at >= spans.since, dots.at < spans.until
    asked = spans.run_id == run_id, spans.identity == identity, dots.at >= since
    query = select(dots.at, dots.x, dots.y).where(*same, *asked).order_by(dots.at)
    table = np.array([tuple(row) for row in connection.execute(query)], dtype=np.float64).reshape(-1, 3)
    table = table[np.diff(table[:, 0], prepend=-np.inf) > 0]  # two ids of one person may both have been reported
    return table[:, 0], table[:, 1:]


def _visits(connection: Connection, run_id: int, identity: int, since: float) -> tuple[Visit, ...]:
    """Return which cameras saw an identity; visits of several ids that it was reported under are joined."""
    spans, visits = SPANS.c, APPEARANCES.c
    same = visits.run_id == spans.run_id, visits.person == spans.person
    overlap = visits.ended >= spans.since, visits.begun < spans.until, visits.ended >= since
    asked = spans.run_id == run_id, spans.identity == identity
    columns = CAMERAS.c.name, visits.begun, visits.ended, spans.since, spans.until
    query = select(*columns).where(*same, *overlap, *asked, CAMERAS.c.id == visits.camera_id)
    seen = sorted(
        (camera, max(begun, first, since), min(ended, last))
        for camera, begun, ended, first, last in connection.execute(query)
    )
    joined = _joined([Visit(CameraId(camera), begin, end) for camera, begin, end in seen])
    return tuple(sorted(joined, key=lambda visit: (visit.begin, visit.camera_id)))


def _joined(visits: Sequence[Visit]) -> list[Visit]:
    """Join visits, ordered by camera and begin, between which the camera did not lose sight for long."""
    joined: list[Visit] = []
    for visit in visits:
        last = joined[-1] if joined else None
        if last is not None and last.camera_id == visit.camera_id and visit.begin - last.end <= VISIT_GAP_S:
            joined[-1] = Visit(last.camera_id, last.begin, max(last.end, visit.end))
        else:
            joined.append(visit)
    return joined


def _distance(time_s: FloatArray, xy: FloatArray) -> float:
    """Add up the way between places STRIDE_S apart, as far as somebody saw it."""
    if not len(time_s):
        return 0.0
    steps = np.flatnonzero(np.diff(np.floor((time_s - time_s[0]) / STRIDE_S), prepend=-1.0))
    rows = np.union1d(steps, [len(time_s) - 1])
    seen = np.diff(time_s[rows]) <= VISIT_GAP_S
    return float(np.linalg.norm(np.diff(xy[rows], axis=0), axis=1)[seen].sum())
