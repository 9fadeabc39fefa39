"""Makes the events, stays and sums of a time anew from the dots that are kept, hour by hour.

An hour is replaced in one transaction, so that whoever stops in between goes on with the hour that follows. Hours of
which nothing but sums is kept stay as they are. The hour that goes on is left to who writes it; only what a place that
was drawn within it has missed can be added, once. Runs on SQLite and on PostgreSQL.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from app.domains.analytics.figures import Ending, EventKind
from app.domains.analytics.places import PlaceId, PlaceVersion
from app.domains.analytics.watch import FloorWatch
from app.domains.vocabulary import BoolArray, FloatArray
from app.errors import ConfigError
from app.infrastructure.sql_batch import Columns
from app.infrastructure.sql_corrections import runs_of
from app.infrastructure.sql_join import rows_of
from app.infrastructure.sql_places import read_places
from app.infrastructure.sql_replay import (
    PIECE_S,
    StoredRun,
    in_force_at,
    read_camera_turns,
    read_coverage,
    read_piece,
    read_runs,
    redraws,
)
from app.infrastructure.sql_rollup import HOUR_S, MINUTE_S, add_events, add_heat, add_occupancy, pack_heat, put_stays
from app.infrastructure.sql_schema import EVENTS, HEAT, HEAT_CELLS, HEAT_MINUTES, OCCUPANCY, PLACES, SITES, STAYS
from app.orchestration.floor_record import FloorRecord, Found

T = TypeVar("T")
Key = tuple[str, int, float]  # of a stay of a run: place, person, begin
End = tuple[float, str]  # of a stay: when and how
TAIL_S = 10.0  # some of an hour's findings come later: who was lost is known to be after `WatchConfig.lost_s`
REACH_S = 86_400.0  # a stay that began longer before the first hour is taken up in the middle


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made anew.

    Attributes:
        versions: of the places that are watched.
        runs: of the site, by time.
        hours: capture times at which they begin, increasing.
        place: the only one that counts; None for all.
        drawn_at: when it was drawn first, within the hour behind the last that may be replaced, of which what was
            before is added; None where there is nothing to add. The record must reach TAIL_S beyond.
    """

    site_id: int
    versions: tuple[PlaceVersion, ...]
    runs: tuple[StoredRun, ...]
    hours: tuple[float, ...]
    place: PlaceId | None
    drawn_at: float | None = None

    @property
    def first(self) -> float | None:
        """Capture time at which what is made anew begins; None where nothing is."""
        return next(iter(self.hours), None if self.drawn_at is None else _hour(self.drawn_at))

    def __len__(self) -> int:
        return len(self.hours) + (self.drawn_at is not None)

    def counts(self, place: str) -> bool:
        """Say whether what happens at a place is written."""
        return self.place is None or self.place == place

    def counted(self, places: NDArray[np.str_]) -> BoolArray:
        """Say of which of places (N,) it is, (N,)."""
        return np.array([self.counts(place) for place in places.tolist()], np.bool_)


def plan(
    connection: Connection,
    site: str | None,
    since: float,
    until: float,
    place: PlaceId | None = None,
    over: float = np.inf,
) -> Plan:
    """Find out what can be made anew of the full hours between two capture times.

    Args:
        connection: to the database.
        site: its name; None for the only one.
        since: capture time from which on, inclusive; may be -infinity.
        until: capture time up to which, exclusive.
        place: the only one that counts; it is watched from its first hour on as it was drawn first.
        over: capture time up to which the record is whole, where it goes on.

    Raises:
        ConfigError: no such site or place.
    """
    site_id = _site(connection, site)
    versions = read_places(connection, site_id)
    known = sorted({version.place_id for version in versions})
    if place is not None and place not in known:
        raise ConfigError("--place", place, f"there is no such place; expected {_one_of(known)}")
    runs = read_runs(connection, site_id)
    if runs and runs[0].begun < runs[0].first - HOUR_S:  # what came before is kept no more
        since = max(since, runs[0].first)
    hours = {hour for run in runs for hour in np.arange(_hour(run.first), run.last, HOUR_S).tolist()}
    wanted = tuple(sorted(hour for hour in hours if since <= hour and hour + HOUR_S <= min(until, over)))
    mine = tuple(version for version in versions if place in {None, version.place_id})
    planned = Plan(site_id, mine, tuple(runs), wanted, place)
    if place is None:
        return planned
    drawn_at = next(version.since for version in mine if version.version == 1)
    going_on = since <= _hour(drawn_at) < drawn_at < until and min(until, over) < _hour(drawn_at) + HOUR_S
    if going_on and any(run.first < drawn_at and _hour(drawn_at) <= run.last for run in runs):
        planned = replace(planned, drawn_at=drawn_at)
    return replace(planned, versions=tuple(_widened(version, planned.first) for version in mine))


class Kept(Protocol):
    """What of a Database is needed to make figures anew."""

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction."""
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do work that changes nothing."""
        ...


def rebuild(database: Kept, planned: Plan) -> Iterator[float]:
    """Make everything anew that was planned; yields each hour that is done.

    Raises:
        StoreError: the database failed; all hours that were yielded are done.
    """
    if planned.place is not None and planned.hours:
        database.write(partial(_widen, planned=planned, since=planned.hours[0]))
    with asyncio.Runner() as runner:
        watchers = [_Watcher(run, planned, _Reader(database, runner)) for run in planned.runs]
        for hour in planned.hours:
            for watcher in watchers:
                watcher.advance(hour, hour + HOUR_S, last=hour == planned.hours[-1])
            database.write(partial(_replace, planned=planned, hour=hour, watchers=watchers))
            yield hour


def complete(database: Kept, planned: Plan) -> None:
    """Add what a place has missed of the hour in which it was drawn; before `rebuild`, and only once.

    Raises:
        StoreError: the database failed, and nothing was added.
    """
    if planned.drawn_at is None:
        return
    with asyncio.Runner() as runner:
        watchers = [_Watcher(run, planned, _Reader(database, runner)) for run in planned.runs]
        for watcher in watchers:
            watcher.advance(_hour(planned.drawn_at), planned.drawn_at, last=True)
        database.write(partial(_add, planned=planned, drawn_at=planned.drawn_at, watchers=watchers))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads from a database and waits for it."""

    database: Kept
    runner: asyncio.Runner

    def read(self, work: Callable[[Connection], T]) -> T:
        return self.runner.run(self.database.read(work))


class _Watcher:
    """Watches the record of one run once more.

    Attributes:
        found: since the hour before; some of it belongs to that one.
        later: what the TAIL_S behind the hour, or part of one, told, some of it about the hour.
        open: stays of which the end is not known yet.
    """

    def __init__(self, run: StoredRun, planned: Plan, reader: _Reader) -> None:
        self.run = run
        self.found, self.later = Found(), Found()
        self.open: set[Key] = set()
        self._planned, self._reader = planned, reader
        self._record: FloorRecord | None = None
        self._reached = np.inf
        self._over = False

    def advance(self, hour: float, end: float, *, last: bool) -> None:
        """Watch an hour until `end` and what is told of it later; in the last one, everybody there is let go."""
        self.found, self.later = self.later, Found()
        if self._over or self.run.last < hour - TAIL_S or self.run.first >= end:
            return
        record = self._record = self._record or self._started(hour)
        for drawn in redraws(self._planned.versions, self._reached, end + TAIL_S):
            record.tell(drawn)
        self._tell_cameras(record, self._reached, end + TAIL_S)
        self._watch(record, end, self.found)
        self._watch(record, end + TAIL_S, self.later)
        self.open = {key for key, (_, ending) in _stays(self.rows()["stays"]).items() if ending == Ending.HERE}
        self._over = last or self.run.last < self._reached
        if self._over:
            self.later.join(record.close(self.run.last))

    def rows(self) -> dict[str, Columns]:
        """Return all that was found as rows."""
        return rows_of([*self.found.watched, *self.later.watched])

    def _started(self, hour: float) -> FloorRecord:
        """Begin where those who were there at the hour's begin had come."""
        begun = self._reader.read(partial(_first_begin, run_id=self.run.run_id, at=hour))
        self._reached = max(self.run.first, min(hour, max(begun, hour - REACH_S)) - TAIL_S)
        coverage = self._reader.read(partial(read_coverage, run=self.run))
        record = FloorRecord(FloorWatch(in_force_at(self._planned.versions, self._reached), coverage))
        self._tell_cameras(record, self.run.begun, self._reached)
        return record

    def _tell_cameras(self, record: FloorRecord, since: float, until: float) -> None:
        for turn in self._reader.read(partial(read_camera_turns, run=self.run, since=since, until=until)):
            record.tell(turn)

    def _watch(self, record: FloorRecord, until: float, found: Found) -> None:
        while self._reached < until:
            end = min(self._reached + PIECE_S, until)
            piece = self._reader.read(partial(read_piece, run=self.run, since=self._reached, until=end))
            found.join(record.advance(piece))
            self._reached = end


def _site(connection: Connection, name: str | None) -> int:
    """Return the id of a site."""
    known = dict(connection.execute(select(SITES.c.name, SITES.c.id)).all())
    if name is None and len(known) == 1:
        return int(next(iter(known.values())))
    if name not in known:
        problem = "several sites are kept here; say which" if name is None else "there is no such site"
        raise ConfigError("--of", name or "", f"{problem}: {_one_of(sorted(known))}")
    return int(known[name])


def _widened(version: PlaceVersion, since: float | None) -> PlaceVersion:
    """Return the first version of a place as in force from a capture time on, if there is one; others as they are."""
    return version if version.version > 1 or since is None else replace(version, since=min(version.since, since))


def _one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if names else "none is there yet"


def _hour(at: float) -> float:
    return at - at % HOUR_S


def _widen(connection: Connection, planned: Plan, since: float) -> None:
    """Have the first version of the only place in force from a capture time on."""
    first = PLACES.c.site_id == planned.site_id, PLACES.c.place == planned.place, PLACES.c.version == 1
    connection.execute(update(PLACES).where(*first, PLACES.c.since > since).values(since=since))


def _first_begin(connection: Connection, run_id: int, at: float) -> float:
    """Return when the first of those came who were there at an instant; that instant, where nobody was."""
    there = STAYS.c.run_id == run_id, STAYS.c.begun < at, STAYS.c.ended >= at - TAIL_S
    first = connection.execute(select(func.min(STAYS.c.begun)).where(*there)).scalar()
    return at if first is None else float(first)


def _replace(connection: Connection, planned: Plan, hour: float, watchers: Sequence[_Watcher]) -> None:
    """Put what was found about an hour in place of what was written."""
    end = hour + HOUR_S
    runs = STAYS.c.run_id.in_(runs_of(planned.site_id))
    before = _stays_before(connection, planned, runs & (STAYS.c.begun < end) & (STAYS.c.ended >= hour))
    connection.execute(delete(STAYS).where(runs, *_within(planned, STAYS, STAYS.c.begun, hour)))
    for table in (EVENTS, OCCUPANCY):
        mine = table.c.site_id == planned.site_id
        connection.execute(delete(table).where(mine, *_within(planned, table, table.c.at, hour)))
    if planned.place is None:
        for table in (HEAT, HEAT_MINUTES, HEAT_CELLS):
            within = table.c.site_id == planned.site_id, table.c.at >= hour, table.c.at < end
            connection.execute(delete(table).where(*within))
    for watcher in watchers:
        _write(connection, planned, hour, watcher, before.get(watcher.run.run_id, {}))
    if planned.place is None:
        pack_heat(connection, planned.site_id, end)


def _add(connection: Connection, planned: Plan, drawn_at: float, watchers: Sequence[_Watcher]) -> None:
    """Add what was found at a place within an hour before it was drawn, unless that has been done meanwhile."""
    first = PLACES.c.site_id == planned.site_id, PLACES.c.place == planned.place, PLACES.c.version == 1
    if connection.execute(select(PLACES.c.since).where(*first)).scalar_one() < drawn_at:
        return
    hour = _hour(drawn_at)
    _widen(connection, planned, hour)
    for watcher in watchers:
        rows, late = rows_of(watcher.found.watched), watcher.later
        stays = _let_go(rows["stays"], _stays(rows_of(late.watched)["stays"]), drawn_at)
        put_stays(connection, watcher.run.run_id, _chosen(stays, planned.counted(stays["place"])))
        told = [event for event in (*watcher.found.events, *late.events) if hour <= event.at < drawn_at]
        add_events(connection, planned.site_id, watcher.run.run_id, filter(lambda e: planned.counts(e.place_id), told))
        occupancy = rows["occupancy"]
        for event in late.events:
            if event.kind is EventKind.EXIT and event.at < drawn_at:
                same = (occupancy["place"] == event.place_id) & (occupancy["at"] == event.at - event.at % MINUTE_S)
                occupancy["gone"][same] += 1
        chosen = (occupancy["at"] >= hour) & planned.counted(occupancy["place"])
        add_occupancy(connection, planned.site_id, _chosen(occupancy, chosen))


def _let_go(stays: Columns, later: Mapping[Key, End], until: float) -> Columns:
    """Return stays with their ends, as far as those are before an instant; others are of people lost from sight."""
    for i, (key, (_, ending)) in enumerate(_stays(stays).items()):
        if ending == Ending.HERE:
            end = later.get(key, (until, ""))
            known = end if end[0] < until and end[1] != Ending.HERE else (stays["ended"][i], str(Ending.LOST))
            stays["ended"][i], stays["ending"][i] = known
    return stays


def _within(planned: Plan, table: Table, at: ColumnElement[float], hour: float) -> list[ColumnElement[bool]]:
    only = [] if planned.place is None else [table.c.place == planned.place]
    return [at >= hour, at < hour + HOUR_S, *only]


def _write(connection: Connection, planned: Plan, hour: float, watcher: _Watcher, before: Mapping[Key, End]) -> None:
    """Write what a run's watcher found about an hour."""
    rows, run = watcher.rows(), watcher.run.run_id
    stays = rows["stays"]
    for i, (key, (ended, _)) in enumerate(_stays(stays).items()):
        if key in watcher.open and key in before and before[key][0] > ended:  # its end is known from before
            stays["ended"][i], stays["ending"][i] = before[key]
    concerned = (stays["begun"] < hour + HOUR_S) & (stays["ended"] >= hour)
    put_stays(connection, run, _chosen(stays, concerned & planned.counted(stays["place"])))
    events = [*watcher.found.events, *watcher.later.events]
    mine = (event for event in events if hour <= event.at < hour + HOUR_S and planned.counts(event.place_id))
    add_events(connection, planned.site_id, run, mine)
    occupancy = rows["occupancy"]
    chosen = _of_hour(occupancy["at"], hour) & planned.counted(occupancy["place"])
    add_occupancy(connection, planned.site_id, _chosen(occupancy, chosen))
    if planned.place is None:
        add_heat(connection, planned.site_id, _chosen(rows["heat"], _of_hour(rows["heat"]["at"], hour)))


def _stays(columns: Columns) -> dict[Key, End]:
    """Return stays with their ends, in order."""
    keys = zip(columns["place"].tolist(), columns["person"].tolist(), columns["begun"].tolist(), strict=True)
    return dict(zip(keys, zip(columns["ended"].tolist(), columns["ending"].tolist(), strict=True), strict=True))


def _stays_before(connection: Connection, planned: Plan, which: ColumnElement[bool]) -> dict[int, dict[Key, End]]:
    """Return stays that are written, with their ends, by run."""
    found: dict[int, dict[Key, End]] = {}
    for row in connection.execute(select(STAYS).where(which)):
        if planned.counts(row.place):
            found.setdefault(row.run_id, {})[row.place, row.person, row.begun] = row.ended, row.ending
    return found


def _of_hour(at: FloatArray, hour: float) -> BoolArray:
    return (at >= hour) & (at < hour + HOUR_S)


def _chosen(columns: Columns, rows: BoolArray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}
