"""An Archive in a database, SQLite or PostgreSQL: the history of one site, asked and corrected.

Knows no writer of that history; what it enters itself goes in between the writer's batches.
"""

from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, select

from app.domains.analytics import heat
from app.domains.analytics.figures import Event, HeatMap, OccupancySeries, Period, Quality, Stays
from app.domains.analytics.places import FLOOR, Place, PlaceId, PlaceVersion
from app.domains.vocabulary import CameraId, Correction, GlobalId, IntArray
from app.errors import StoreError
from app.infrastructure import sql_operators, sql_places
from app.infrastructure.sql_dashboard import read_begin, read_dashboard, read_quality, read_series
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_dots import read_boxes, read_dots, read_dots_of
from app.infrastructure.sql_events import read_corrections, read_events
from app.infrastructure.sql_heat import read_cells, read_cells_of
from app.infrastructure.sql_people import read_identities, read_identity, read_tagged, read_visits, set_tags
from app.infrastructure.sql_schema import SITES
from app.infrastructure.sql_stays import read_stays, read_visitors
from app.infrastructure.sql_uptime import read_uptime
from app.orchestration.archive import (
    Boxes,
    CameraUptime,
    Dashboard,
    Dots,
    EventFilter,
    IdentitySummary,
    Page,
    RecordedCorrection,
)
from app.orchestration.ports import Visit

T = TypeVar("T")


class SQLArchive:
    """An Archive of one site.

    Args:
        database: with tables of the newest revision, in which the site has been entered when it is asked.
        site: name of the site.
    """

    def __init__(self, database: Database, site: str) -> None:
        self._database, self._site = database, site
        self._site_id: int | None = None

    async def begin(self) -> float | None:
        """Return the capture time of the oldest dot or state that is kept."""
        return await self._read(read_begin)

    async def places(self) -> tuple[PlaceVersion, ...]:
        """Return every version of every place, by place and version."""
        return await self._read(sql_places.read_places)

    async def draw(self, place: Place, at: float) -> PlaceVersion:
        """Enter a place, or a new version of it, in force from `at` on."""
        return await self._change(partial(sql_places.draw, place=place, at=at))

    async def erase(self, place: PlaceId, at: float) -> bool:
        """Take a place out of use; returns whether it was in use."""
        return await self._change(partial(sql_places.erase, place_id=place, at=at)) is not None

    async def occupancy(
        self, place: PlaceId, period: Period, bucket_s: float, without: Collection[str] = ()
    ) -> OccupancySeries:
        """Return how many people were at a place."""
        wanted = partial(read_series, place=place, period=period, bucket_s=bucket_s, without=without)
        return await self._read(wanted)

    async def dashboard(
        self, place: PlaceId, period: Period, without: Collection[str] = (), events: int = 10
    ) -> Dashboard:
        """Return what is asked most; events are those of the whole site."""
        return await self._read(partial(read_dashboard, place=place, period=period, without=without, events=events))

    async def quality(self, place: PlaceId, period: Period) -> Quality:
        """Return how far figures of a place can be trusted."""
        return await self._read(partial(read_quality, place=place, period=period))

    async def visitors(self, place: PlaceId, period: Period, without: Collection[str] = ()) -> int:
        """Count the different people at a place."""
        return await self._read(partial(read_visitors, place=place, period=period, without=without))

    async def stays(
        self,
        places: Collection[PlaceId],
        period: Period,
        identity: GlobalId | None = None,
        without: Collection[str] = (),
    ) -> Stays:
        """Return the stays that overlap a period."""
        wanted = partial(read_stays, places=places, period=period, identity=identity, without=without)
        return await self._read(wanted)

    async def heat(
        self, period: Period, cell_m: float, identity: GlobalId | None = None, without: Collection[str] = ()
    ) -> HeatMap:
        """Return where people were."""

        def read(connection: Connection, site_id: int) -> HeatMap:
            if identity is None:
                cells = read_cells(connection, site_id, period, without)
            else:
                cells = read_cells_of(connection, site_id, period, identity)
            origin, seconds = heat.draw(cells[0].astype(np.int32), cells[1], cell_m)
            seconds = np.maximum(seconds, 0.0)  # what some were there for is counted anew, not to the microsecond
            return HeatMap(origin, cell_m, seconds, read_quality(connection, site_id, FLOOR, period))

        return await self._read(read)

    async def events(self, which: EventFilter, page: Page) -> tuple[Event, ...]:
        """Return events, newest first."""
        return await self._read(partial(read_events, which=which, page=page))

    async def identities(self, period: Period, page: Page, tag: str | None = None) -> tuple[IdentitySummary, ...]:
        """Return who was there, who was seen last first."""
        return await self._read(partial(read_identities, period=period, page=page, tag=tag))

    async def tagged(self, tags: Collection[str]) -> IntArray:
        """Return the people (N,) that have one of some tags."""
        return await self._read(partial(read_tagged, tags=tags))

    async def identity(self, identity: GlobalId) -> IdentitySummary | None:
        """Return one person, asked by any id that was reported for them."""
        return await self._read(partial(read_identity, asked=identity))

    async def visits(self, identity: GlobalId, period: Period) -> tuple[Visit, ...]:
        """Return which cameras saw a person, by begin."""
        return await self._read(partial(read_visits, asked=identity, period=period))

    async def dots(self, period: Period, identity: GlobalId | None = None) -> AsyncIterator[Dots]:
        """Yield the places of a period in order, in parts of bounded size."""
        since: float | None = period.since
        while since is not None:
            rest = Period(since, period.until)
            if identity is None:
                part, since = await self._read(partial(read_dots, period=rest))
            else:
                part, since = await self._read(partial(read_dots_of, period=rest, asked=identity))
            if len(part):
                yield part

    async def boxes(self, period: Period, camera: CameraId | None = None) -> AsyncIterator[Boxes]:
        """Yield the boxes of a period in order, in parts of bounded size."""
        since: float | None = period.since
        while since is not None:
            part, since = await self._read(partial(read_boxes, period=Period(since, period.until), camera=camera))
            if len(part):
                yield part

    async def uptime(self, period: Period) -> tuple[CameraUptime, ...]:
        """Return how each camera did, by camera."""
        return await self._read(partial(read_uptime, period=period))

    async def corrections(self, page: Page, *, standing: bool = False) -> tuple[RecordedCorrection, ...]:
        """Return corrections, newest first."""
        return await self._read(partial(read_corrections, page=page, standing=standing))

    async def correct(self, correction: Correction, at: float) -> RecordedCorrection | None:
        """Enter an operator's correction; None where it names somebody unknown, or changes nothing."""
        return await self._change(partial(sql_operators.correct, correction=correction, at=at))

    async def take_back(self, correction_id: int, at: float) -> RecordedCorrection | None:
        """Take a correction back; None if it did not stand."""
        return await self._change(partial(sql_operators.take_back, correction_id=correction_id, at=at))

    async def tag(self, identity: GlobalId, tags: Collection[str]) -> IdentitySummary | None:
        """Replace a person's tags; None for nobody."""
        return await self._change(partial(set_tags, asked=identity, tags=tags))

    async def _read(self, work: Callable[[Connection, int], T]) -> T:
        return await self._database.read(partial(self._of_site, work))

    async def _change(self, work: Callable[[Connection, int], T]) -> T:
        return await self._database.change(partial(self._of_site, work))

    def _of_site(self, work: Callable[[Connection, int], T], connection: Connection) -> T:
        """Do work with the site's id."""
        if self._site_id is None:
            self._site_id = connection.execute(select(SITES.c.id).where(SITES.c.name == self._site)).scalar()
        if self._site_id is None:
            raise StoreError(self._database.name, f"has no site {self._site} yet")
        return work(connection, self._site_id)
