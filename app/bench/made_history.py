"""Fills a database with the history of a made-up shop, as the writer would have: a run a day, hour by hour.

People cross the floor at constant speed and turn where it ends, which no person does, but which fills as many rows,
places and cells as people do. Measures nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import Line, Place, PlaceId, Zone
from app.domains.analytics.watch import FloorWatch
from app.domains.vocabulary import CameraId, Correction, FloatArray, GlobalId, IntArray, Merge
from app.infrastructure.sql_batch import EMPTY, Batch, Columns, StateChange
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_join import dot_rows, rows_of
from app.infrastructure.sql_rollup import put_heat
from app.infrastructure.sql_ways import pack_ways
from app.infrastructure.sql_write import Run, Start, begin, write
from app.orchestration.floor_record import FloorRecord, Piece

T0 = 1_764_547_200.0  # 2025-12-01T00:00:00Z
DAY_S, HOUR_S = 86_400.0, 3600.0
OPENS, CLOSES = 10, 22  # o'clock
RATE = 2  # instants a second
WIDTH, HEIGHT = 32.0, 20.0  # metres, of the floor
SPEED = 0.05, 0.4  # metres a second, least and most
STAYS_S = 1800.0  # mean
OUT_S = 600.0  # that one camera is out every day
CERTAINTY, SIGMA = 0.95, 0.12


@dataclass(frozen=True, slots=True)
class Scale:
    """How much history.

    Attributes:
        days: of them.
        people: on the floor at once, while the shop is open.
        cameras: that see the floor.
        dots: rows of dots that are written at most: the newest ones, as if older ones had been removed by age.
    """

    days: int
    people: int = 20
    cameras: int = 8
    dots: int = 10**9

    @property
    def end(self) -> float:
        """Capture time at which the last day closes."""
        return T0 + (self.days - 1) * DAY_S + CLOSES * HOUR_S

    @property
    def whole(self) -> int:
        """Rows of dots without a limit."""
        return round(self.days * (CLOSES - OPENS) * HOUR_S * RATE) * self.people


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Everybody of a day: parallel arrays, by slot and then by time; in a slot one person comes after the other.

    Attributes:
        first: (S,) row of each slot's first person.
        person: (N,) ids.
        comes: (N,) capture times; each leaves when the slot's next one comes.
        place: (N, 2) metres, where each comes in.
        velocity: (N, 2) metres a second.
    """

    first: IntArray
    person: IntArray
    comes: FloatArray
    place: FloatArray
    velocity: FloatArray


def places() -> tuple[Place, ...]:
    """Return eight zones, about a third of the floor, and two lines."""
    zones = [
        Zone(PlaceId(f"zone-{i}"), f"Zone {i}", np.array([[x, y], [x + 5, y], [x + 5, y + 5], [x, y + 5]], float))
        for i, (x, y) in enumerate([(x, y) for y in (2, 12) for x in (1, 9, 17, 25)], 1)
    ]
    lines = [
        Line(PlaceId(f"line-{i}"), f"Line {i}", np.array([[x, 0.0], [x, HEIGHT]])) for i, x in ((1, 7.5), (2, 23.5))
    ]
    return (*zones, *lines)


def fill(database: Database, scale: Scale, tell: Callable[[str], None]) -> str:
    """Write the history; returns the site's name."""
    cameras = [CameraId(f"camera-{i}") for i in range(1, scale.cameras + 1)]
    footprints = dict(zip(cameras, _footprints(scale.cameras), strict=True))
    left = scale.whole
    for day in range(scale.days):
        opens = T0 + day * DAY_S + OPENS * HOUR_S
        bounds = (0.0, 0.0, WIDTH, HEIGHT)
        start = Start("made", opens, dict.fromkeys(cameras, "null"), places(), footprints, bounds)
        run = database.write(partial(begin, start=start))
        record = FloorRecord(FloorWatch(run.places, Coverage((), footprints, bounds)))
        visits = _visits(scale.people, opens, run.last_id, day)
        for batch in _hours(run, record, visits, opens):
            kept = batch if left <= scale.dots else replace(batch, dots=EMPTY["dots"])
            left -= len(batch.dots["at"])
            if batch.until < scale.end - HOUR_S:  # of the last hour's heat the writer still has minutes
                database.write(partial(_pack, site_id=run.site_id, batch=batch))
                kept = replace(kept, heat=EMPTY["heat"])
            database.write(partial(write, batch=kept))
            database.write(pack_ways)
        tell(f"day {day + 1} of {scale.days}")
    return "made"


def _hours(run: Run, record: FloorRecord, visits: Visits, opens: float) -> Iterator[Batch]:
    """Yield a batch for each hour of a day."""
    states = tuple(StateChange(camera, opens, "live", None) for camera in run.cameras.values())
    for number in range(1, CLOSES - OPENS + 1):
        since = opens + (number - 1) * HOUR_S
        instants = since + np.arange(int(HOUR_S * RATE)) / RATE
        dots = _dots(visits, instants, run.run_id)
        footage, running = _footage(run, instants, opens)
        corrections = _corrections(visits, since)
        found = record.advance(Piece(instants, dot_rows(dots), running, corrections))
        if number == CLOSES - OPENS:
            found.join(record.close(float(instants[-1])))
        seen = _seen(dots)
        yield Batch(
            run_id=run.run_id,
            number=number,
            until=float(instants[-1]),
            updates=len(instants),
            points=EMPTY["points"],
            dots=dots,
            seen=seen,
            appearances=_appearances(seen, sorted(run.cameras.values())),
            instants={"at": instants},
            footage=footage,
            load=_load(run, since, len(dots["at"])),
            **rows_of(found.watched),
            corrections=corrections,
            states=states if number == 1 else (),
            events=tuple(found.events),
        )


def _visits(people: int, opens: float, last_id: int, seed: int) -> Visits:
    """Return who comes on a day; every place in the shop is taken from the first minute to the last."""
    rng = np.random.default_rng(seed)
    day_s = (CLOSES - OPENS) * HOUR_S
    rows = int(3 * day_s / STAYS_S)  # enough for every slot
    lasts = rng.exponential(STAYS_S, (people, rows)).clip(60.0)
    comes = np.cumsum(lasts, axis=1) - lasts
    mine = comes < day_s
    n = int(mine.sum())
    speed, way = rng.uniform(*SPEED, n), rng.uniform(0.0, 2 * np.pi, n)
    by_time = np.argsort(comes[mine], kind="stable")
    person = np.empty(n, np.int64)
    person[by_time] = last_id + 1 + np.arange(n)
    return Visits(
        first=np.cumsum(mine.sum(axis=1)) - mine.sum(axis=1),
        person=person,
        comes=opens + comes[mine],
        place=rng.uniform(0.0, (WIDTH, HEIGHT), (n, 2)),
        velocity=speed[:, None] * np.stack([np.cos(way), np.sin(way)], axis=1),
    )


def _dots(visits: Visits, instants: FloatArray, run_id: int) -> Columns:
    """Return where everybody is at each instant."""
    ends = np.append(visits.first[1:], len(visits.person))
    slots = zip(visits.first, ends, strict=True)
    row = np.stack([a + np.searchsorted(visits.comes[a:b], instants, side="right") - 1 for a, b in slots], axis=1)
    gone_s = instants[:, None] - visits.comes[row]
    way = visits.place[row] + visits.velocity[row] * gone_s[:, :, None]
    size = np.array([WIDTH, HEIGHT])
    xy = (size - np.abs(way % (2 * size) - size)).reshape(-1, 2)  # there and back again
    n, people = row.size, row.shape[1]
    return {
        "at": np.repeat(instants, people),
        "run_id": np.full(n, run_id, np.int32),
        "person": visits.person[row].reshape(-1),
        "x": xy[:, 0],
        "y": xy[:, 1],
        "sigma": np.full(n, SIGMA, np.float32),
        "certainty": np.full(n, CERTAINTY, np.float32),
    }


def _seen(dots: Columns) -> Columns:
    """Return who was seen from when to when."""
    person, first = np.unique(dots["person"], return_index=True)
    last = len(dots["person"]) - 1 - np.unique(dots["person"][::-1], return_index=True)[1]
    return {"person": person, "first_seen": dots["at"][first], "last_seen": dots["at"][last]}


def _appearances(seen: Columns, cameras: Sequence[int]) -> Columns:
    """Return visits: two cameras see everybody, one after the other."""
    person, first, last = seen["person"], seen["first_seen"], seen["last_seen"]
    half = (first + last) / 2
    number = np.array(cameras)
    return {
        "person": np.concatenate([person, person]),
        "camera_id": np.concatenate([number[person % len(number)], number[(person + 1) % len(number)]]),
        "begun": np.concatenate([first, half]),
        "ended": np.concatenate([half, last]),
    }


def _corrections(visits: Visits, since: float) -> tuple[tuple[float, Correction], ...]:
    """Return the corrections of an hour: some who came during the last one had been there before under another id."""
    slots = np.append(visits.first, len(visits.person))
    rows = [row for a, b in pairwise(slots) for row in range(a + 1, b - 1)]
    left = [row for row in rows if since - HOUR_S <= visits.comes[row + 1] < since]
    merges = [
        Merge(GlobalId(int(visits.person[row])), GlobalId(int(visits.person[row - 1])), 0.9) for row in left[::10]
    ]
    return tuple((since, merge) for merge in merges)


def _footage(run: Run, instants: FloatArray, opens: float) -> tuple[Columns, list[frozenset[CameraId]]]:
    """Return when cameras gave frames, and which did at each instant; the first is out in the middle of the day."""
    names = list(run.cameras)
    out = opens + (CLOSES - OPENS) / 2 * HOUR_S
    down = (instants >= out) & (instants < out + OUT_S)
    everybody, others = frozenset(names), frozenset(names[1:])
    begun = dict.fromkeys(names, opens) | {names[0]: opens if instants[0] < out else out + OUT_S}
    columns = {
        "camera_id": np.array([run.cameras[name] for name in names]),
        "begun": np.array([begun[name] for name in names]),
        "ended": np.array([max(begun[name], float(instants[-1])) for name in names]),
    }
    return columns, [others if is_down else everybody for is_down in down.tolist()]


def _load(run: Run, since: float, boxes: int) -> Columns:
    """Return what cameras gave in each minute of an hour."""
    cameras, minutes = len(run.cameras), since + 60.0 * np.arange(60)
    n = cameras * len(minutes)
    return {
        "camera_id": np.repeat(np.array(list(run.cameras.values())), len(minutes)),
        "at": np.tile(minutes, cameras),
        "frames": np.full(n, 60 * RATE),
        "boxes": np.full(n, 2 * boxes // n),
        "confidence": np.full(n, 0.9 * (2 * boxes // n)),
    }


def _pack(connection: Connection, site_id: int, batch: Batch) -> None:
    """Enter the heat of an hour as the writer does once it is over; some of it may belong to the one before."""
    heat = batch.heat
    hours = heat["at"] - heat["at"] % HOUR_S
    for hour in np.unique(hours).tolist():
        at, cell, seconds = (heat[name][hours == hour] for name in ("at", "cell", "seconds"))
        put_heat(connection, site_id, hour, at, cell, seconds)


def _footprints(cameras: int) -> list[FloatArray]:
    """Return the part of the floor that each camera sees: stripes that overlap, and leave a margin."""
    width = 0.9 * WIDTH / cameras
    return [
        np.array([[i * width, 0.0], [(i + 1.5) * width, 0.0], [(i + 1.5) * width, HEIGHT], [i * width, HEIGHT]])
        for i in range(cameras)
    ]
