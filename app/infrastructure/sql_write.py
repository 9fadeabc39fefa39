"""What is done to the tables in one transaction: a start, a batch, old rows removed.

Runs on SQLite and on PostgreSQL. Knows no threads, and no connection but the one that it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.schema import Table

from app.domains.vocabulary import CameraId
from app.infrastructure.sql_batch import Batch, Columns, StateChange
from app.infrastructure.sql_copy import insert_columns, upsert_columns
from app.infrastructure.sql_corrections import correct
from app.infrastructure.sql_schema import (
    APPEARANCES,
    CALIBRATIONS,
    CAMERA_STATES,
    CAMERAS,
    DOTS,
    EVENTS,
    IDENTITIES,
    POINTS,
    RUNS,
    SITES,
    SPANS,
)
from app.infrastructure.sql_timescale import hypertables


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the program.

    Attributes:
        site: name of the site.
        begun: capture time.
        calibrations: of each camera, as JSON.
    """

    site: str
    begun: float
    calibrations: Mapping[CameraId, str]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept after their capture time, seconds, by class."""

    points_s: float = 2 * 86_400.0  # boxes: most of the bytes
    dots_s: float = 90 * 86_400.0
    events_s: float = 365 * 86_400.0  # visits, identities, corrections, events, states


class UnknownRun(ValueError):
    """The database has no such run: it is another one, or the run has been removed."""


def begin(connection: Connection, start: Start) -> tuple[int, dict[CameraId, int]]:
    """Enter a start of the program; returns the run's id, and the cameras'."""
    site = _id_of(connection, SITES, {"name": start.site})
    cameras = {name: _id_of(connection, CAMERAS, {"site_id": site, "name": name}) for name in start.calibrations}
    for name, model in start.calibrations.items():
        _calibrate(connection, cameras[name], start.begun, model)
    row = {"site_id": site, "begun": start.begun, "batch": 0}
    return int(connection.execute(insert(RUNS).returning(RUNS.c.id), row).scalar_one()), cameras


def write(connection: Connection, batch: Batch) -> bool:
    """Write a batch unless that has been done before; returns whether it was new.

    Raises:
        UnknownRun: the batch belongs to another database.
    """
    mine = RUNS.c.id == batch.run_id
    written = {"batch": batch.number, "ended": batch.until}
    fresh = connection.execute(update(RUNS).where(mine, RUNS.c.batch < batch.number).values(written))
    if not fresh.rowcount:
        if connection.execute(select(RUNS.c.id).where(mine)).scalar() is None:
            raise UnknownRun(f"no run {batch.run_id}")
        return False
    _see(connection, batch.run_id, batch.seen)
    _visit(connection, batch.run_id, batch.appearances)
    insert_columns(connection, POINTS, batch.points)
    insert_columns(connection, DOTS, batch.dots)
    for at, correction in batch.corrections:
        correct(connection, batch.run_id, at, correction)
    for change in batch.states:
        _change(connection, change)
    return True


def prune(connection: Connection, before: Retention) -> dict[str, int]:
    """Remove what was captured before the instants of each class (capture times); returns how many rows, by table.

    What TimescaleDB keeps in chunks is left to its own policies, which drop whole chunks.
    """
    newer = CAMERA_STATES.alias("newer")
    outdated = exists().where(newer.c.camera_id == CAMERA_STATES.c.camera_id, newer.c.at > CAMERA_STATES.c.at)
    known = exists().where(SPANS.c.run_id == IDENTITIES.c.run_id, SPANS.c.person == IDENTITIES.c.person)
    latest = (
        select(SPANS.c.run_id, SPANS.c.person)
        .group_by(SPANS.c.run_id, SPANS.c.person)
        .having(func.max(SPANS.c.last_seen) < bindparam("before", before.events_s, SPANS.c.since.type))
    )
    rows: tuple[tuple[Table, ColumnElement[bool]], ...] = (
        (POINTS, POINTS.c.at < before.points_s),
        (DOTS, DOTS.c.at < before.dots_s),
        (EVENTS, EVENTS.c.at < before.events_s),
        (APPEARANCES, APPEARANCES.c.ended < before.events_s),
        (CAMERA_STATES, (CAMERA_STATES.c.at < before.events_s) & outdated),
        (SPANS, tuple_(SPANS.c.run_id, SPANS.c.person).in_(latest)),
        (IDENTITIES, (IDENTITIES.c.first_seen < before.events_s) & ~known),
    )
    chunked = hypertables(connection)
    return {
        table.name: connection.execute(delete(table).where(old)).rowcount
        for table, old in rows
        if table.name not in chunked
    }


def _id_of(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Return the id of the row with these values, which is made where there is none."""
    found = connection.execute(select(table.c.id).filter_by(**row)).scalar()
    return int(connection.execute(insert(table).returning(table.c.id), row).scalar_one() if found is None else found)


def _calibrate(connection: Connection, camera: int, since: float, model: str) -> None:
    """Enter a calibration if it is another than the last."""
    columns = CALIBRATIONS.c.version, CALIBRATIONS.c.model
    query = select(*columns).where(CALIBRATIONS.c.camera_id == camera).order_by(CALIBRATIONS.c.version.desc())
    last = connection.execute(query.limit(1)).first()
    if last is None or last.model != model:
        version = 1 if last is None else last.version + 1
        row = {"camera_id": camera, "version": version, "since": since, "model": model}
        connection.execute(insert(CALIBRATIONS), row)


def _see(connection: Connection, run_id: int, seen: Columns) -> None:
    """Enter who was seen when: new ids, and the spans of those that are known."""
    people: list[int] = seen["person"].tolist()
    times = dict(zip(people, zip(seen["first_seen"].tolist(), seen["last_seen"].tolist(), strict=True), strict=True))
    rows: list[dict[str, Any]] = []
    known = set()
    if people:
        mine = SPANS.c.run_id == run_id, SPANS.c.person.in_(people)
        for span in connection.execute(select(SPANS).where(*mine)):
            known.add(span.person)
            first, last = times[span.person]
            if span.since <= last < span.until:
                first = min(max(first, span.since), first if span.first_seen is None else span.first_seen)
                last = last if span.last_seen is None else max(last, span.last_seen)
                rows.append({"of": span.person, "from": span.since, "first": first, "last": last})
    fresh = [
        {"run_id": run_id, "person": person, "first_seen": first, "last_seen": last}
        for person, (first, last) in times.items()
        if person not in known
    ]
    if rows:
        same = SPANS.c.run_id == run_id, SPANS.c.person == bindparam("of"), SPANS.c.since == bindparam("from")
        values: dict[str, Any] = {"first_seen": bindparam("first"), "last_seen": bindparam("last")}
        connection.execute(update(SPANS).where(*same).values(values), rows)
    if fresh:
        connection.execute(insert(IDENTITIES), [{k: v for k, v in row.items() if k != "last_seen"} for row in fresh])
        whole = {"since": -np.inf, "until": np.inf}
        connection.execute(insert(SPANS), [{**row, **whole, "identity": row["person"]} for row in fresh])


def _visit(connection: Connection, run_id: int, appearances: Columns) -> None:
    """Enter visits that begin, and how long those have lasted that go on."""
    if len(appearances["person"]):
        columns = {"run_id": np.full(len(appearances["person"]), run_id), **appearances}
        upsert_columns(connection, APPEARANCES, columns, "ended")


def _change(connection: Connection, change: StateChange) -> None:
    row = {"camera_id": change.camera_id, "at": change.at, "state": change.state, "reason": change.reason}
    connection.execute(insert(CAMERA_STATES), row)
