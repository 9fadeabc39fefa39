"""How fast the history answers, for `spoton bench store`: what a dashboard asks of a month, beside plain full scans.

Questions go through SQLArchive, one after the other, each about another instant, person or place than the one before.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select, text

from app.bench.made_history import CLOSES, DAY_S, HOUR_S, OPENS, T0, Scale, fill, places
from app.bench.speed import Say, Section, Table, spread
from app.domains.analytics.figures import Period
from app.domains.analytics.places import FLOOR, PlaceId
from app.domains.vocabulary import GlobalId
from app.errors import ConfigError, StoreError
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_columns import Seconds
from app.infrastructure.sql_database import ANSWER_S, Database, open_database
from app.infrastructure.sql_revision import NOTHING, revision, upgrade
from app.infrastructure.sql_schema import DOTS, METADATA
from app.orchestration.archive import EventFilter, Page

BYTES_A_DOT = 160  # with both indices, in SQLite as in PostgreSQL; measured on the histories made here
SPARE = 2 * 10**9  # bytes that stay free
PAGE = Page(100)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a question is about this time.

    Attributes:
        day: a day of those whose dots are kept, from midnight to midnight.
        now: an instant of that day at which the shop is open.
        month: all days.
        person: somebody of that day.
        place: one that is drawn.
    """

    day: Period
    now: float
    month: Period
    person: GlobalId
    place: PlaceId


Question = Callable[[SQLArchive, Drawn], Awaitable[object]]


async def _journey(archive: SQLArchive, person: GlobalId, period: Period) -> None:
    """Ask for somebody's way, the places on it and the cameras that saw them."""
    async for _ in archive.dots(period, person):
        pass
    await archive.stays((), period, person)
    await archive.visits(person, period)


async def _replay(archive: SQLArchive, drawn: Drawn) -> None:
    """Ask for the floor during ten seconds."""
    async for _ in archive.dots(Period(drawn.now, drawn.now + 10.0)):
        pass


QUESTIONS: Mapping[str, tuple[float | None, Question]] = {  # with the goal for the 95th percentile, ms
    "dashboard, today so far": (50.0, lambda a, d: a.dashboard(FLOOR, Period(d.day.since, d.now))),
    "dashboard of one zone": (50.0, lambda a, d: a.dashboard(d.place, Period(d.day.since, d.now))),
    "heat map of a day": (100.0, lambda a, d: a.heat(d.day, 0.5)),
    "heat map of 24 h to the second": (None, lambda a, d: a.heat(Period(d.now - DAY_S, d.now), 0.5)),
    "journey, last 15 min": (30.0, lambda a, d: _journey(a, d.person, Period(d.now - 900.0, d.now))),
    "journey, whole day": (30.0, lambda a, d: _journey(a, d.person, d.day)),
    "occupancy of a month, hours": (50.0, lambda a, d: a.occupancy(d.place, d.month, HOUR_S)),
    "occupancy of a month, 15 min": (50.0, lambda a, d: a.occupancy(d.place, d.month, 900.0)),
    "visitors of a day": (None, lambda a, d: a.visitors(FLOOR, d.day)),
    "stays of a day at a zone": (None, lambda a, d: a.stays([d.place], d.day)),
    "a page of events": (None, lambda a, d: a.events(EventFilter(d.day), PAGE)),
    "a page of people": (None, lambda a, d: a.identities(d.day, PAGE)),
    "floor for 10 s": (None, _replay),
}


def measure(scales: Mapping[str, Scale], address: str | None, rounds: int, say: Say) -> Section:
    """Measure SQLite, and PostgreSQL where an address is given.

    Args:
        scales: how much history, by kind of database.
        address: of an empty database of PostgreSQL; what is made there is removed.
        rounds: times that each question is asked.
        say: takes a line now and then.

    Raises:
        ConfigError: the database is not empty, or the disk is too small.
    """
    tables, facts = [], {}
    with TemporaryDirectory(prefix="spoton-bench-") as folder:
        addresses = {"SQLite": f"sqlite:///{Path(folder) / 'history.sqlite'}"}
        if address is not None:
            addresses["PostgreSQL"] = address
            _check_empty(address)
        _check_disk(Path(folder), scales["SQLite"])
        for kind, where in addresses.items():
            database = open_database(where)
            try:
                facts[kind] = _made_and_asked(database, kind, scales[kind], rounds, say)
            finally:
                database.close()
            tables.append(_table(kind, facts[kind]))
    scale = scales["SQLite"]
    notes = [
        f"{scale.days} days of {CLOSES - OPENS} h, {scale.people} people at once, {scale.cameras} cameras, 2 dots a "
        "second and person; made up, and written as the product does. A limit of dots leaves those of the newest days.",
        f"Medians and 95th percentiles of {rounds} questions in a row, the first one left out; milliseconds.",
        "full scan: the same asked of all dots, without index or roll-up, once, for 30 s at most; ratio to the median.",
    ]
    if address is None:
        notes.append("PostgreSQL is asked with --database URL, of an empty database.")
    return Section(tables, notes, facts)


def ask(database: Database, site: str, scale: Scale, rounds: int) -> dict[str, dict[str, float]]:
    """Ask every question of a history; returns medians and 95th percentiles in milliseconds."""
    return asyncio.run(_ask(SQLArchive(database, site), database, scale, rounds))


def scan(database: Database, drawn: Drawn) -> dict[str, float]:
    """Ask some questions of all dots; returns milliseconds, ANSWER_S of them where it takes longer."""
    dots = DOTS.c
    at = Seconds(dots.at) + 0.0  # no index is on that
    that_day = at >= drawn.day.since, at < drawn.day.until
    hours = func.floor(at / HOUR_S)
    cells = func.floor(dots.x / 0.5), func.floor(dots.y / 0.5)
    queries = {
        "heat map of a day": select(*cells, func.count()).where(*that_day).group_by(*cells),
        "journey, whole day": select(at, dots.x, dots.y).where(dots.person + 0 == drawn.person, *that_day),
        "occupancy of a month, hours": select(hours, func.count()).group_by(hours),
        "visitors of a day": select(func.count(dots.person.distinct())).where(*that_day),
    }
    took = {}
    for name, query in queries.items():
        begun = time.perf_counter()
        with suppress(StoreError):  # given up; what it has taken by then tells enough
            asyncio.run(database.read(partial(_all, query=query)))
        took[name] = 1000.0 * (time.perf_counter() - begun)
    return took


def draw(rng: np.random.Generator, database: Database, scale: Scale) -> Drawn:
    """Return what the next question is about."""
    kept = min(scale.days, max(1, scale.dots * scale.days // scale.whole))
    day = T0 + DAY_S * (scale.days - 1 - int(rng.integers(kept)))
    now = day + rng.uniform(OPENS + 1, CLOSES) * HOUR_S
    somebody = select(DOTS.c.person).where(DOTS.c.at >= now).order_by(DOTS.c.at).limit(1)
    person = database.write(lambda connection: connection.execute(somebody).scalar_one())
    place = places()[int(rng.integers(8))].place_id
    return Drawn(Period(day, day + DAY_S), now, Period(T0, T0 + scale.days * DAY_S), GlobalId(person), place)


def _made_and_asked(database: Database, kind: str, scale: Scale, rounds: int, say: Say) -> dict[str, Any]:
    """Make a history, ask it, and remove it."""
    database.write(upgrade)
    try:
        begun = time.perf_counter()
        site = fill(database, scale, lambda line: say(f"{kind}: {line} made"))
        made_s = time.perf_counter() - begun
        database.write(_analyse)
        say(f"{kind}: {rounds} rounds")
        asked = ask(database, site, scale, rounds)
        say(f"{kind}: full scans")
        scanned = scan(database, draw(np.random.default_rng(1), database, scale))
        count = database.write(lambda connection: connection.execute(select(func.count(DOTS.c.at))).scalar_one())
    finally:
        database.write(_remove)
    return {"dots": count, "made_s": made_s, "questions": asked, "full_scan_ms": scanned}


async def _ask(archive: SQLArchive, database: Database, scale: Scale, rounds: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(0)
    took: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    for _ in range(rounds + 1):
        drawn = await asyncio.to_thread(draw, rng, database, scale)
        for name, (_goal, question) in QUESTIONS.items():
            begun = time.perf_counter()
            await question(archive, drawn)
            took[name].append(1000.0 * (time.perf_counter() - begun))
    return {name: spread(times[1:]) for name, times in took.items()}


def _check_empty(address: str) -> None:
    database = open_database(address)
    try:
        found = database.write(revision)
    finally:
        database.close()
    if found != NOTHING:
        raise ConfigError("--database", "", "is not empty; a history to read is made in an empty one, and removed")


def _check_disk(folder: Path, scale: Scale) -> None:
    needed, free = min(scale.dots, scale.whole) * BYTES_A_DOT + SPARE, shutil.disk_usage(folder).free
    if free < needed:
        problem = f"{free / 1e9:.0f} GB are free, {needed / 1e9:.0f} GB are needed; give fewer --days or --points"
        raise ConfigError(folder, "", problem)


def _all(connection: Connection, query: Select[Any]) -> None:
    connection.execute(query).all()


def _analyse(connection: Connection) -> None:
    """Have PostgreSQL count what it holds, as it does by itself after a while; SQLite never does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))


def _remove(connection: Connection) -> None:
    METADATA.drop_all(connection)
    connection.execute(text("DROP TABLE alembic_version"))


def _table(kind: str, facts: dict[str, Any]) -> Table:
    rows = []
    for name, (goal, _) in QUESTIONS.items():
        took, scanned = facts["questions"][name], facts["full_scan_ms"].get(name)
        met = "" if goal is None else f"{goal:g}: {'met' if took['p95_ms'] <= goal else 'missed'}"
        over = "> " if scanned is not None and scanned >= 1000.0 * ANSWER_S else ""
        slower = ("", "") if scanned is None else (f"{over}{scanned:,.0f}", f"{over}{scanned / took['p50_ms']:,.0f}")
        rows.append((name, f"{took['p50_ms']:.1f}", f"{took['p95_ms']:.1f}", met, *slower))
    title = f"{kind}, {facts['dots'] / 1e6:,.1f} M dots"
    return Table(title, ("question", "p50", "p95", "goal", "full scan", "ratio"), rows)
