"""How cameras did: their states, what they gave, and when the program ran at all. Runs on SQLite and on PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection, and_, func, or_, select

from app.domains.analytics.figures import Period
from app.domains.vocabulary import CameraId
from app.infrastructure.sql_occupancy import parts_of, within
from app.infrastructure.sql_schema import CAMERA_LOAD, CAMERA_STATES, CAMERAS, FOOTAGE, RUNS
from app.orchestration.archive import CameraUptime

Change = tuple[float, str, str | None]  # capture time, state, reason
Stretch = tuple[float, float]


def read_uptime(connection: Connection, site_id: int, period: Period) -> tuple[CameraUptime, ...]:
    """Return how each camera did within a period, by camera."""
    cameras = select(CAMERAS.c.id, CAMERAS.c.name).where(CAMERAS.c.site_id == site_id).order_by(CAMERAS.c.name)
    names = {row.id: CameraId(row.name) for row in connection.execute(cameras)}
    changes = _changes(connection, list(names), period)
    ran = _ran(connection, site_id, period)
    footage = _footage(connection, list(names), period)
    loads = _loads(connection, list(names), period)
    uptimes = []
    for camera, name in names.items():
        heard = [change[0] for change in changes[camera][:1]] + [begun for begun, _ in footage[camera][:1]]
        running = _seconds(footage[camera], ran)
        out = _seconds([(min(heard, default=np.inf), np.inf)], ran) - running
        frames, boxes, confidence = loads[camera]
        uptimes.append(CameraUptime(name, tuple(changes[camera]), running, out, frames, boxes, confidence))
    return tuple(uptimes)


def _changes(connection: Connection, cameras: Sequence[int], period: Period) -> dict[int, list[Change]]:
    """Return the changes of each camera within a period, the state in force at its begin first."""
    states, older = CAMERA_STATES.c, CAMERA_STATES.alias("older").c
    in_force = select(func.max(older.at)).where(older.camera_id == CAMERAS.c.id, older.at < period.since)
    first = states.at == in_force.scalar_subquery()
    inside = and_(states.at >= period.since, states.at < period.until)
    columns = states.camera_id, states.at, states.state, states.reason
    query = select(*columns).join(CAMERAS, CAMERAS.c.id == states.camera_id)
    query = query.where(states.camera_id.in_(cameras), or_(first, inside)).order_by(states.camera_id, states.at)
    changes: dict[int, list[Change]] = defaultdict(list)
    for camera, *change in connection.execute(query):
        changes[camera].append((change[0], change[1], change[2]))
    return changes


def _ran(connection: Connection, site_id: int, period: Period) -> list[Stretch]:
    """Return when the program ran within a period, in order and without overlap."""
    runs = RUNS.c
    mine = runs.site_id == site_id, runs.begun < period.until, runs.ended > period.since
    stretches: list[Stretch] = []
    for begun, ended in connection.execute(select(runs.begun, runs.ended).where(*mine).order_by(runs.begun)):
        begin, end = max(begun, period.since), min(ended, period.until)
        if stretches and begin <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(end, stretches[-1][1]))
        else:
            stretches.append((begin, end))
    return stretches


def _footage(connection: Connection, cameras: Sequence[int], period: Period) -> dict[int, list[Stretch]]:
    """Return when each camera gave frames, as far as it overlaps a period, in order."""
    footage = FOOTAGE.c
    mine = footage.camera_id.in_(cameras), footage.begun < period.until, footage.ended > period.since
    query = select(footage.camera_id, footage.begun, footage.ended).where(*mine).order_by(footage.begun)
    stretches: dict[int, list[Stretch]] = defaultdict(list)
    for camera, begun, ended in connection.execute(query):
        stretches[camera].append((begun, ended))
    return stretches


def _seconds(some: Iterable[Stretch], others: Sequence[Stretch]) -> float:
    """Return for how many seconds stretches of two kinds overlap; those of one kind do not."""
    return sum(max(0.0, min(end, last) - max(begin, first)) for begin, end in some for first, last in others)


def _loads(
    connection: Connection, cameras: Sequence[int], period: Period
) -> dict[int, tuple[int | None, int | None, float | None]]:
    """Return how many frames and boxes each camera gave within a period, and the boxes' mean confidence."""
    load = CAMERA_LOAD.c
    sums = func.sum(load.frames), func.sum(load.boxes), func.sum(load.confidence)
    query = select(load.camera_id, *sums).where(load.camera_id.in_(cameras)).group_by(load.camera_id)
    found: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
    for part in parts_of(period):
        for camera, *row in connection.execute(query.where(*within(CAMERA_LOAD, *part))):
            found[camera].append((int(row[0]), int(row[1]), float(row[2])))
    loads: dict[int, tuple[int | None, int | None, float | None]] = dict.fromkeys(cameras, (None, None, None))
    for camera, rows in found.items():
        frames, boxes, confidence = (sum(column) for column in zip(*rows, strict=True))
        loads[camera] = (int(frames), int(boxes), confidence / boxes if boxes else None)
    return loads
