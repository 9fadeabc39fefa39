"""The record of a floor as the database has it, to be watched once more: what the live watch saw, instant by instant.

Runs on SQLite and on PostgreSQL. Knows nothing of what comes of it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import PlaceVersion
from app.domains.analytics.watched import DotRows
from app.domains.vocabulary import CameraId, Correction, FloatArray
from app.infrastructure.sql_corrections import correction_of
from app.infrastructure.sql_join import FOOTAGE_GAP_S
from app.infrastructure.sql_places import in_force
from app.infrastructure.sql_schema import (
    CALIBRATIONS,
    CAMERA_STATES,
    CAMERAS,
    CORRECTIONS,
    DOTS,
    FOOTAGE,
    INSTANTS,
    RUNS,
)
from app.orchestration.floor_record import CameraTurn, Piece, Redraw

PIECE_S = 120.0  # of the record: 60,000 dots of 50 people at 10 a second


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that was on the floor.

    Attributes:
        first: capture time of its first update that is kept, last: of its last.
    """

    run_id: int
    site_id: int
    begun: float
    first: float
    last: float
    bounds: tuple[float, float, float, float]


def read_runs(connection: Connection, site_id: int) -> list[StoredRun]:
    """Return the runs of a site with a floor whose updates are kept, by time."""
    span = func.min(INSTANTS.c.at).label("first"), func.max(INSTANTS.c.at).label("last")
    query = (
        select(RUNS.c.id, RUNS.c.begun, RUNS.c.bounds, *span)
        .join(INSTANTS, INSTANTS.c.run_id == RUNS.c.id)
        .where(RUNS.c.site_id == site_id, RUNS.c.bounds.is_not(None))
        .group_by(RUNS.c.id, RUNS.c.begun, RUNS.c.bounds)
        .order_by("first")
    )
    return [
        StoredRun(row.id, site_id, row.begun, row.first, row.last, tuple(json.loads(row.bounds)))
        for row in connection.execute(query)
    ]


def read_coverage(connection: Connection, run: StoredRun) -> Coverage:
    """Return what the cameras of a run saw of the floor."""
    query = (
        select(CAMERAS.c.name, CALIBRATIONS.c.footprint)
        .join(CALIBRATIONS, CALIBRATIONS.c.camera_id == CAMERAS.c.id)
        .where(CAMERAS.c.site_id == run.site_id, CALIBRATIONS.c.since <= run.begun)
        .order_by(CALIBRATIONS.c.version)
    )
    newest = {CameraId(row.name): row.footprint for row in connection.execute(query)}
    footprints = {name: np.array(json.loads(told)).reshape(-1, 2) for name, told in newest.items() if told is not None}
    return Coverage((), footprints, run.bounds)


def in_force_at(versions: Iterable[PlaceVersion], at: float) -> tuple[PlaceVersion, ...]:
    """Return the places as they were drawn at a capture time."""
    return in_force(version for version in versions if version.since <= at)


def redraws(versions: Sequence[PlaceVersion], since: float, until: float) -> list[Redraw]:
    """Return how places changed from one capture time to another, exclusive."""
    redrawn = sorted({version.since for version in versions if since <= version.since < until})
    return [Redraw(at, in_force_at(versions, at)) for at in redrawn]


def read_camera_turns(connection: Connection, run: StoredRun, since: float, until: float) -> list[CameraTurn]:
    """Return how cameras changed from one capture time to another, exclusive."""
    states = CAMERA_STATES.c
    query = (
        select(CAMERAS.c.name, states.at, states.state)
        .join(CAMERA_STATES, states.camera_id == CAMERAS.c.id)
        .where(CAMERAS.c.site_id == run.site_id, states.at >= since, states.at < until)
        .order_by(states.at)
    )
    return [CameraTurn(row.at, CameraId(row.name), row.state) for row in connection.execute(query)]


def read_piece(connection: Connection, run: StoredRun, since: float, until: float) -> Piece:
    """Return the record of a run from one capture time to another, exclusive; PIECE_S at once is enough."""
    instants, dots = INSTANTS.c, DOTS.c
    when = instants.run_id == run.run_id, instants.at >= since, instants.at < until
    at = _table(connection, select(instants.at).where(*when).order_by(instants.at))[:, 0]
    columns = dots.at, dots.person, dots.x, dots.y, dots.sigma, dots.certainty
    # an expression, or SQLite would look through all dots of the run
    where = dots.run_id + 0 == run.run_id, dots.at >= since, dots.at < until
    rows = _table(connection, select(*columns).where(*where).order_by(dots.at, dots.person))
    seen = DotRows(rows[:, 0], rows[:, 1].astype(np.int64), *rows[:, 2:].T)
    return Piece(at, seen, _running(connection, run, at), _corrections(connection, run, since, until))


def _running(connection: Connection, run: StoredRun, instants: FloatArray) -> list[frozenset[CameraId]]:
    """Return which cameras ran at each instant."""
    if not len(instants):
        return []
    footage = FOOTAGE.c
    where = footage.begun >= run.first, footage.begun <= instants[-1], footage.ended >= instants[0] - FOOTAGE_GAP_S
    query = (
        select(CAMERAS.c.name, footage.begun, footage.ended)
        .join(FOOTAGE, footage.camera_id == CAMERAS.c.id)
        .where(CAMERAS.c.site_id == run.site_id, *where)
    )
    runs = np.zeros((0, len(instants)), np.bool_)
    names: list[CameraId] = []
    for name, begun, ended in connection.execute(query):
        names.append(CameraId(name))
        runs = np.vstack([runs, (instants >= begun) & (instants - ended <= FOOTAGE_GAP_S)])
    patterns, which = np.unique(runs, axis=1, return_inverse=True)
    sets = [frozenset(names[i] for i in np.flatnonzero(pattern)) for pattern in patterns.T]
    return [sets[i] for i in which.tolist()]


def _corrections(
    connection: Connection, run: StoredRun, since: float, until: float
) -> tuple[tuple[float, Correction], ...]:
    """Return the corrections that came with a run's updates, also those that were taken back later."""
    table = CORRECTIONS.c
    where = table.run_id == run.run_id, table.at >= since, table.at < until
    rows = connection.execute(select(CORRECTIONS).where(*where).order_by(table.id)).mappings()
    return tuple((row["at"], correction_of(row)) for row in rows)


def _table(connection: Connection, query: Select[Any]) -> FloatArray:
    """Return rows of numbers as an array."""
    rows = connection.execute(query).all()
    return np.array([tuple(row) for row in rows], np.float64).reshape(len(rows), len(query.selected_columns))
