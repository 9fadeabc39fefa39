"""REST: the figures of the history. Each comes with how far it can be trusted; what nobody observed is null."""

import asyncio
import math
from collections.abc import Collection
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query, Request

from app.api.asked import (
    PRINTED,
    AskedCamera,
    AskedPeriod,
    Instant,
    asked_identity,
    asked_page,
    asked_period,
    next_cursor,
)
from app.api.errors import WrongField
from app.api.figures import (
    EventsAnswer,
    HeatMapAnswer,
    OccupancyAnswer,
    UptimeAnswer,
    VisitorsAnswer,
    event_item,
    heat_answer,
    occupancy_answer,
    period_fields,
    quality_item,
    total,
    uptime_answer,
)
from app.api.floor_hub import FloorHub
from app.api.permissions import permission
from app.api.places import check_without, crossed_by_all, is_line, known_place, known_places
from app.api.route import Route
from app.api.schemas import CountsAnswer, counts_answer
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.figures import EventKind, Period
from app.domains.analytics.heat import CELL_M
from app.domains.analytics.places import FLOOR, Line, PlaceId, areas_at
from app.domains.vocabulary import FloatArray, GlobalId
from app.orchestration.archive import EventFilter, Page

BUCKETS_S = (60, 300, 900, 3600, 86_400)
LONGEST_CORRECTED_S = 86_400.0  # of which every stay is looked at beside the sums
MOST_BUCKETS, USUAL_BUCKETS = 5_000, 500
LONGEST_HEAT_S = 366 * 86_400.0
LONGEST_HEAT_WITHOUT_S = 31 * 86_400.0  # every step of those who do not count is looked at
COARSEST_CELLS = 40  # the coarsest cell of a heat map has a side of so many finest ones: 10 m

router = APIRouter(prefix="/api/v1/sites", tags=["analytics"], route_class=Route)

AskedPlace = Annotated[
    str | None, Query(alias="place", max_length=64, description="A zone or line; the whole floor without it.")
]
Without = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=32, pattern=PRINTED)]] | None,
    Query(max_length=10, description="Tags of people who do not count, such as staff; may be given several times."),
]
READ = [permission("analytics:read")]


@router.get("/{site}/occupancy", summary="How many people were there, over time", dependencies=READ)
async def occupancy(
    site: NamedSite,
    period: AskedPeriod,
    place: AskedPlace = None,
    bucket_s: Annotated[
        int | None, Query(description=f"One of {', '.join(map(str, BUCKETS_S))}; chosen to suit the period without it.")
    ] = None,
    without: Without = None,
) -> OccupancyAnswer:
    """Return how many people were at a place in buckets of equal length, and how much of each was observed.

    With `without` who came and went follows corrections, and speed is null.
    """
    step_s = _bucket(period, bucket_s)
    whole = Period(math.floor(period.since / step_s) * step_s, math.ceil(period.until / step_s) * step_s)
    if whole.seconds > MOST_BUCKETS * step_s:
        raise WrongField("bucket_s", f"makes more than {MOST_BUCKETS} buckets; take a longer one or a shorter period")
    where = await known_place(site.archive, place)
    await check_without(site.archive, where, without or ())
    series = await site.archive.occupancy(where, whole, float(step_s), without or ())
    corrected = None
    if whole.seconds <= LONGEST_CORRECTED_S and series.quality.watched_s > 0.0:
        corrected = await _passages(site, where, whole, without or [])
    return occupancy_answer(where, whole, series, await areas(site, where, series.at + series.bucket_s), corrected)


async def areas(site: LiveSite, place: PlaceId, at: FloatArray) -> FloatArray:
    """Return the area of a zone or of the floor at some instants (N,): (N,) square metres, NaN where it has none."""
    if place == FLOOR:
        x_min, y_min, x_max, y_max = site.bounds or (np.nan,) * 4
        return np.full(len(at), (x_max - x_min) * (y_max - y_min))
    return areas_at([version for version in await site.archive.places() if version.place_id == place], at)


def _bucket(period: Period, bucket_s: int | None) -> int:
    if bucket_s is None:
        return next((step for step in BUCKETS_S if period.seconds <= USUAL_BUCKETS * step), BUCKETS_S[-1])
    if bucket_s not in BUCKETS_S:
        raise WrongField("bucket_s", f"expected one of {', '.join(map(str, BUCKETS_S))}")
    return bucket_s


@router.get("/{site}/counts", summary="How many people", dependencies=READ)
async def counts(
    site: NamedSite,
    request: Request,
    place: AskedPlace = None,
    since: Instant = None,
    until: Instant = None,
    without: Without = None,
) -> VisitorsAnswer | CountsAnswer:
    """Count different people, corrections followed.

    With a period or a place: visitors, and how often somebody came and went. Without: who is here now, and who was
    lately.
    """
    if place is None and since is None and until is None and without is None:
        hub: FloorHub = request.app.state.floor_hub
        return counts_answer(await site.store.counts(site.runtime.clock.now()), len(hub.here))
    period = await asked_period(site, since, until)
    where = await known_place(site.archive, place)
    visitors, quality, (entered, left) = await asyncio.gather(
        _visitors(site, where, period, without or []),
        site.archive.quality(where, period),
        _passages(site, where, period, without or []),
    )
    unknown = quality.watched_s == 0.0
    return VisitorsAnswer(
        **period_fields(period),
        place=where,
        visitors=None if unknown and site.bounds is not None else visitors,
        entered=None if unknown else entered,
        left=None if unknown else left,
        quality=quality_item(quality),
    )


async def _visitors(site: LiveSite, place: PlaceId, period: Period, without: list[str]) -> int | None:
    """Return how many people were at a zone or on the floor; without a floor, in view of a camera that ran.

    None for a line, at which nobody is.
    """
    if await is_line(site.archive, place):
        return None
    if site.bounds is None and not any(camera.running_s for camera in await site.archive.uptime(period)):
        return None
    return await site.archive.visitors(place, period, without)


async def _passages(
    site: LiveSite, place: PlaceId, period: Period, without: list[str]
) -> tuple[int | None, int | None]:
    """Return how often somebody entered and left a zone or the floor, or crossed a line inwards and outwards."""
    versions = [version for version in await site.archive.places() if version.place_id == place]
    if not any(isinstance(version.place, Line) for version in versions):
        return (await site.archive.stays((place,), period, without=without)).passages(period)
    if without:
        raise crossed_by_all()
    series = [await site.archive.occupancy(place, part, step) for part, step in _parts(period)]
    entered, left = ([total(getattr(part, name)) for part in series] for name in ("entered", "left"))
    return _sum(entered), _sum(left)


def _parts(period: Period) -> list[tuple[Period, float]]:
    """Cut a period into minutes up to the first full hour, hours, and minutes from the last one; ends are widened."""
    since, until = math.floor(period.since / 60.0) * 60.0, math.ceil(period.until / 60.0) * 60.0
    first, last = math.ceil(since / 3600.0) * 3600.0, math.floor(until / 3600.0) * 3600.0
    if first >= last:
        return [(Period(since, until), 60.0)]
    parts = (Period(since, first), 60.0), (Period(first, last), 3600.0), (Period(last, until), 60.0)
    return [(part, step) for part, step in parts if part.seconds > 0.0]


def _sum(counted: list[int | None]) -> int | None:
    known = [count for count in counted if count is not None]
    return sum(known) if known else None


CellSide = Annotated[
    float, Query(gt=0.0, le=COARSEST_CELLS * CELL_M, description=f"Side of a cell, a multiple of {CELL_M} m.")
]


@router.get("/{site}/heatmap", summary="Where people were", dependencies=READ)
async def heatmap(
    site: NamedSite, period: AskedPeriod, cell_m: CellSide = 0.5, without: Without = None
) -> HeatMapAnswer:
    """Return for how long people were in each cell of the floor, in person-seconds."""
    if without and period.seconds > LONGEST_HEAT_WITHOUT_S:
        raise WrongField("since", "lies more than 31 days before until, which is the most of a heat map without some")
    return await _heat(site, period, cell_m, None, without or ())


@router.get(
    "/{site}/identities/{identity}/heatmap",
    summary="Where a person was most",
    dependencies=[permission("identities:read")],
)
async def heatmap_of_one(site: NamedSite, identity: int, period: AskedPeriod, cell_m: CellSide = 0.5) -> HeatMapAnswer:
    """Return for how long a person was in each cell of the floor, in seconds."""
    return await _heat(site, period, cell_m, await known_identity(site, identity))


async def _heat(
    site: LiveSite, period: Period, cell_m: float, identity: GlobalId | None, without: Collection[str] = ()
) -> HeatMapAnswer:
    cells = round(cell_m / CELL_M)
    if cells < 1 or not math.isclose(cells * CELL_M, cell_m):
        raise WrongField("cell_m", f"is no multiple of {CELL_M}")
    if period.seconds > LONGEST_HEAT_S:
        raise WrongField("since", "lies more than a year before until, which is the most of a heat map")
    return heat_answer(period, await site.archive.heat(period, cells * CELL_M, identity, without))


async def asked_events(
    site: NamedSite,
    period: AskedPeriod,
    place: Annotated[list[str] | None, Query(max_length=50, description="May be given several times.")] = None,
    kind: Annotated[list[EventKind] | None, Query(max_length=20, description="May be given several times.")] = None,
    identity: Annotated[int | None, Query(description="Of one person alone.")] = None,
    camera: AskedCamera = None,
) -> EventFilter:
    """Return which events a request is about.

    Raises:
        WrongField: no such place or camera.
        HTTPException: 404, nobody by that id.
    """
    places = await known_places(site.archive, place or ())
    who = None if identity is None else await known_identity(site, identity)
    return EventFilter(period, places, kind or (), who, camera)


@router.get("/{site}/events", summary="What happened at zones and lines", dependencies=[permission("identities:read")])
async def events(
    site: NamedSite,
    which: Annotated[EventFilter, Depends(asked_events)],
    page: Annotated[Page, asked_page("events")],
) -> EventsAnswer:
    """Return who came, left, crossed or stayed too long, what was too full, which cameras fell silent: newest first."""
    found = await site.archive.events(which, page)
    after = next_cursor("events", page, [(event.at, event.event_id) for event in found])
    return EventsAnswer(events=[event_item(event) for event in found], next=after)


@router.get("/{site}/cameras/uptime", summary="How each camera did", dependencies=[permission("site:read")])
async def uptime(site: NamedSite, period: AskedPeriod, camera: AskedCamera = None) -> UptimeAnswer:
    """Return each camera's states, the share of time in which it gave frames, and how much there was to see."""
    found = await site.archive.uptime(period)
    return uptime_answer(period, [one for one in found if camera in {None, one.camera_id}])


async def known_identity(site: LiveSite, identity: int) -> GlobalId:
    """Return who a person is by now.

    Raises:
        HTTPException: 404, nobody by that id.
    """
    asked = asked_identity(identity)
    found = None if asked is None else await site.archive.identity(asked)
    if found is None:
        raise HTTPException(404, f"nobody with the id {identity} is known to the history")
    return found.identity
