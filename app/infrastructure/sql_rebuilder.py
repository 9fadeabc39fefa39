"""A Rebuilder of one site's history in a database that is written meanwhile."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.domains.analytics.figures import Period
from app.domains.analytics.places import PlaceId
from app.errors import StoreError
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_rebuild import TAIL_S, Plan, complete, plan, rebuild
from app.infrastructure.sql_rollup import HOUR_S
from app.orchestration.job_queue import JobState
from app.orchestration.rebuilds import RebuildJob

T = TypeVar("T")
SETTLED_S = 15.0  # so long after an instant the record of it is written; it is 3 s behind


class SQLRebuilder:
    """Makes figures anew in the database that the site's own store writes.

    Args:
        database: of the history.
        site: its name there.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database, self._site = database, site

    def plan(self, place: PlaceId | None, period: Period, now: float) -> "SQLRebuilding":
        """Find out what can be made anew."""
        since = period.since - period.since % HOUR_S
        until = min(period.until, now)
        find = partial(plan, site=self._site, since=since, until=until, place=place, over=now - SETTLED_S)
        return SQLRebuilding(self._database, asyncio.run(self._database.read(find)), since)


class SQLRebuilding:
    """What is made anew."""

    def __init__(self, database: Database, planned: Plan, since: float) -> None:
        self._database, self._planned, self._since = _Until(database), planned, since
        self.ready_at = -float("inf") if planned.drawn_at is None else planned.drawn_at + TAIL_S + SETTLED_S

    def __len__(self) -> int:
        return len(self._planned)

    def stop(self) -> None:
        """Give up what is under way at its next question to the database; what is not written is made anew later."""
        self._database.over = True

    def slices(self) -> Iterator[float]:
        """Add what the hour that goes on lacks, and make one hour after the other anew."""
        if self._planned.drawn_at is not None:
            complete(self._database, self._planned)
            yield self._since
        for hour in rebuild(self._database, self._planned):
            yield hour + HOUR_S


class _Until:
    """A database until somebody says that it is over."""

    def __init__(self, database: Database) -> None:
        self._database, self.over = database, False

    def write(self, work: Callable[[Connection], T]) -> T:
        self._check()
        return self._database.write(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        self._check()
        return await self._database.read(work)

    def _check(self) -> None:
        if self.over:
            raise StoreError(self._database.name, "is asked no more: the program ends")


def rebuild_of(plain: Mapping[str, Any]) -> RebuildJob:
    """Return the job that a manifest describes."""
    period = Period(float(plain["period"]["since"]), float(plain["period"]["until"]))
    place = None if plain["place"] is None else PlaceId(plain["place"])
    return RebuildJob(**{**plain, "place": place, "period": period, "state": JobState(plain["state"])})
