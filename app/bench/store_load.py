"""What the history costs while many people walk before many cameras: batches joined, places watched, rows written."""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import Place, PlaceId, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.vocabulary import (
    CameraId,
    FloatArray,
    FloorPoints,
    FloorTracks,
    Sightings,
    TrackingUpdate,
    Tracks,
    TrackState,
)
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_join import Batches
from app.infrastructure.sql_revision import upgrade
from app.infrastructure.sql_write import Start, begin, write
from app.orchestration.floor_record import FloorRecord

PEOPLE, CAMERAS, FPS = 50, 32, 10
BATCH_S = 0.25  # as the store writes it
ZONES = 10
FLOOR_M = 40.0  # side of the floor
SPEED_M_S = 1.2
WARM_S = 2.0  # not counted: what is compiled, and the tables' first pages
T0 = 1_767_261_600.0


def share_of_core(database: Database, seconds: float) -> dict[str, float]:
    """Return the share of a core that the load takes without a floor and with zones, by name; the two take turns."""
    database.write(upgrade)
    names = [CameraId(f"c{i}") for i in range(CAMERAS)]
    square = FLOOR_M * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    bare = Start("bench", T0, dict.fromkeys(names, "null"))
    bounds = 0.0, 0.0, FLOOR_M, FLOOR_M
    floor = Start("bench zones", T0, bare.calibrations, _zones(), dict.fromkeys(names, square), bounds)
    makers = {name: _batches(database, start) for name, start in (("core", bare), (f"core, {ZONES} zones", floor))}
    spent = dict.fromkeys(makers, 0.0)
    step = max(1, round(BATCH_S * FPS))
    for i in range(0, int((WARM_S + seconds) * FPS), step):
        updates = [_update(T0 + (i + k) / FPS, names) for k in range(step)]
        for name, batches in makers.items():
            begun = time.thread_time()
            database.write(partial(write, batch=batches.join(updates)))
            spent[name] += time.thread_time() - begun if i >= WARM_S * FPS else 0.0
    return {name: cpu_s / seconds for name, cpu_s in spent.items()}


def _batches(database: Database, start: Start) -> Batches:
    run = database.write(partial(begin, start=start))
    floor = None
    if start.bounds is not None:
        floor = FloorRecord(FloorWatch(run.places, Coverage((), start.footprints, start.bounds)))
    return Batches(run.run_id, run.cameras, floor)


def _zones() -> tuple[Place, ...]:
    """Return stripes of the floor with gaps between."""
    width = FLOOR_M / ZONES
    corners, aside = width * np.array([[0.1, 0.5], [0.9, 0.5], [0.9, 9.5], [0.1, 9.5]]), np.array([width, 0.0])
    return tuple(Zone(PlaceId(f"z{i}"), f"Zone {i}", corners + i * aside, capacity=4) for i in range(ZONES))


def _places(at: float) -> FloatArray:
    """Return where everybody is at an instant, (PEOPLE, 2) metres: each walks to and fro across the stripes."""
    lane = np.arange(PEOPLE)
    way = SPEED_M_S * (at - T0) + lane * FLOOR_M / 7.0
    x = FLOOR_M - np.abs(way % (2.0 * FLOOR_M) - FLOOR_M)
    return np.stack([x, (lane + 0.5) * FLOOR_M / PEOPLE], axis=1)


def _update(at: float, cameras: Sequence[CameraId]) -> TrackingUpdate:
    """Return an update in which every camera sees everybody."""
    n = PEOPLE
    people, ones = np.arange(1, n + 1), np.ones(n)
    boxes, looks = np.tile(np.array([10, 20, 50, 120], np.float32), (n, 1)), np.zeros((n, 0), np.float32)
    states, covariance = np.full(n, int(TrackState.CONFIRMED)), np.tile(0.01 * np.eye(2), (n, 1, 1))
    xy = _places(at)
    sightings = []
    for camera in cameras:
        tracks = Tracks(camera, at, people, states, people - 1, boxes, ones.astype(np.float32), looks, ones)
        floor = FloorPoints(camera, xy, covariance, np.ones(n, np.bool_))
        sightings.append(Sightings(tracks, people, floor, ones))
    dots = FloorTracks(people, xy, np.zeros((n, 2)), covariance, (tuple(cameras),) * n, ones)
    return TrackingUpdate(at, tuple(sightings), dots, ())
