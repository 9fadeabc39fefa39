"""What is done to the tables in one transaction: a start, a batch.

Runs on SQLite and on PostgreSQL. Knows no threads, and no connection but the one that it is given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.schema import Table

from app.domains.analytics.coverage import Bounds
from app.domains.analytics.figures import Ending
from app.domains.analytics.places import Place, PlaceVersion
from app.domains.vocabulary import CameraId, FloatArray
from app.infrastructure.sql_batch import Batch, Columns, StateChange
from app.infrastructure.sql_copy import insert_columns, upsert_columns
from app.infrastructure.sql_corrections import correct
from app.infrastructure.sql_days import make_days
from app.infrastructure.sql_places import draw_described, in_force, read_places
from app.infrastructure.sql_rollup import add_events, add_heat, add_load, add_occupancy, put_stays
from app.infrastructure.sql_schema import (
    APPEARANCES,
    CALIBRATIONS,
    CAMERA_STATES,
    CAMERAS,
    DOTS,
    FOOTAGE,
    IDENTITIES,
    INSTANTS,
    POINTS,
    RUNS,
    SITES,
    SPANS,
    STAYS,
)
from app.infrastructure.sql_ways import unpack_ways


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the program.

    Attributes:
        site: name of the site.
        begun: capture time.
        calibrations: of each camera, as JSON.
        places: that the site's description has.
        footprints: (P, 2) metres of the cameras that see the floor.
        bounds: x_min, y_min, x_max, y_max of the floor, in metres; None for a site without floor.
    """

    site: str
    begun: float
    calibrations: Mapping[CameraId, str]
    places: tuple[Place, ...] = ()
    footprints: Mapping[CameraId, FloatArray] = field(default_factory=dict)
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What the database knows of a start.

    Attributes:
        run_id: of the start.
        site_id: of the site.
        cameras: ids of the site's cameras.
        places: in force.
        last_id: the largest id of a person in earlier runs; 0 without any.
    """

    run_id: int
    site_id: int
    cameras: Mapping[CameraId, int]
    places: tuple[PlaceVersion, ...]
    last_id: int


class UnknownRun(ValueError):
    """The database has no such run: it is another one, or the run has been removed."""


def begin(connection: Connection, start: Start) -> Run:
    """Enter a start of the program."""
    site = _id_of(connection, SITES, {"name": start.site})
    cameras = {name: _id_of(connection, CAMERAS, {"site_id": site, "name": name}) for name in start.calibrations}
    for name, model in start.calibrations.items():
        footprint = start.footprints.get(name)
        told = {"model": model, "footprint": None if footprint is None else json.dumps(footprint.tolist())}
        _calibrate(connection, cameras[name], start.begun, told)
    draw_described(connection, site, start.places, start.begun)
    last = connection.execute(select(func.max(RUNS.c.last_id)).where(RUNS.c.site_id == site)).scalar() or 0
    bounds = None if start.bounds is None else json.dumps(start.bounds)
    row = {"site_id": site, "begun": start.begun, "batch": 0, "last_id": last, "bounds": bounds}
    run = int(connection.execute(insert(RUNS).returning(RUNS.c.id), row).scalar_one())
    return Run(run, site, cameras, in_force(read_places(connection, site)), int(last))


def write(connection: Connection, batch: Batch) -> bool:
    """Write a batch unless that has been done before; returns whether it was new.

    Raises:
        UnknownRun: the batch belongs to another database.
    """
    found = connection.execute(select(RUNS).where(RUNS.c.id == batch.run_id).with_for_update()).first()
    if found is None:
        raise UnknownRun(f"no run {batch.run_id}")
    if found.batch >= batch.number:
        return False
    told = {
        "batch": batch.number,
        "ended": batch.until,
        "last_id": max(found.last_id, batch.last_id),
    }
    connection.execute(update(RUNS).where(RUNS.c.id == batch.run_id).values(told))
    if batch.number == 1:
        _end_stays(connection, found.site_id, batch.run_id)
    _see(connection, batch.run_id, batch.seen)
    _visit(connection, batch.run_id, batch.appearances)
    make_days(connection, POINTS, batch.points["at"])
    insert_columns(connection, POINTS, batch.points)
    insert_columns(connection, DOTS, batch.dots)
    if found.ways_until is not None and len(batch.dots["at"]) and batch.dots["at"][0] < found.ways_until:
        unpack_ways(connection, batch.run_id, float(batch.dots["at"][0]))
    for at, correction in batch.corrections:
        correct(connection, batch.run_id, at, correction)
    for change in batch.states:
        _change(connection, change)
    instants = {"run_id": np.full(len(batch.instants["at"]), batch.run_id), **batch.instants}
    upsert_columns(connection, INSTANTS, instants, {})
    upsert_columns(connection, FOOTAGE, batch.footage, {"ended": "put"})
    add_load(connection, batch.load)
    put_stays(connection, batch.run_id, batch.stays)
    add_events(connection, found.site_id, batch.run_id, batch.events)
    add_occupancy(connection, found.site_id, batch.occupancy)
    add_heat(connection, found.site_id, batch.heat)
    return True


def _id_of(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Return the id of the row with these values, which is made where there is none."""
    found = connection.execute(select(table.c.id).filter_by(**row)).scalar()
    return int(connection.execute(insert(table).returning(table.c.id), row).scalar_one() if found is None else found)


def _calibrate(connection: Connection, camera: int, since: float, told: Mapping[str, str | None]) -> None:
    """Enter a calibration if it is another than the last."""
    query = select(CALIBRATIONS).where(CALIBRATIONS.c.camera_id == camera).order_by(CALIBRATIONS.c.version.desc())
    last = connection.execute(query.limit(1)).mappings().first()
    if last is None or any(last[name] != value for name, value in told.items()):
        version = 1 if last is None else last["version"] + 1
        connection.execute(insert(CALIBRATIONS), {"camera_id": camera, "version": version, "since": since, **told})


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
    columns = {"run_id": np.full(len(appearances["person"]), run_id), **appearances}
    upsert_columns(connection, APPEARANCES, columns, {"ended": "put"})


def _end_stays(connection: Connection, site_id: int, run_id: int) -> None:
    """End what earlier runs left open, having ended without a word; all of theirs is written by now."""
    earlier = select(RUNS.c.id).where(RUNS.c.site_id == site_id, RUNS.c.id < run_id)
    left = STAYS.c.ending == str(Ending.HERE), STAYS.c.run_id.in_(earlier)
    connection.execute(update(STAYS).where(*left).values(ending=str(Ending.LOST)))


def _change(connection: Connection, change: StateChange) -> None:
    row = {"camera_id": change.camera_id, "at": change.at, "state": change.state, "reason": change.reason}
    connection.execute(insert(CAMERA_STATES), row)
