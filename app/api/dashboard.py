"""REST: what the page asks all the time, in one answer, from a cache that is a second old at most and says its age.

However many ask, the history is read once: the answer is kept as text and packed, and only its age is put in anew.
"""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from weakref import WeakValueDictionary

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.analytics import READ, AskedPlace, Without, areas
from app.api.asked import Instant, period_of
from app.api.errors import WrongField
from app.api.figures import (
    DENSITY,
    PEOPLE,
    SECONDS_OF_STAY,
    SHARE,
    Column,
    EventItem,
    PeriodAnswer,
    QualityItem,
    column,
    event_item,
    figure,
    period_fields,
    quality_item,
    share_running,
)
from app.api.floor_hub import FloorHub
from app.api.places import check_without, in_use, known_place
from app.api.route import PRIVATE, Route, tag
from app.api.schemas import timestamp
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.places import FLOOR, Zone, area_m2
from app.domains.vocabulary import IntArray
from app.orchestration.archive import CameraUptime, Dashboard

FRESH_S = 0.9  # so that with the time it takes to read, nothing is older than a second
LONGEST_S = 366 * 86_400.0
KEPT = 64  # answers at once, each of a place and period
LEVEL = 6  # of packing; the answer is packed once
GZIP = 31  # zlib's window bits for gzip

router = APIRouter(prefix="/api/v1/sites", tags=["analytics"], route_class=Route)
Key = tuple[str | None, str | None, str | None, tuple[str, ...]]  # place, since, until and without, as asked


class PlaceNow(BaseModel):
    """How many people are at a place, and on each square metre of it."""

    id: str
    people: int
    density: float | None


class FloorNow(BaseModel):
    """How many people are there, live, and on each square metre of the floor."""

    people: int
    density: float | None
    places: list[PlaceNow]


class Peak(BaseModel):
    """The most people at once, and when the hour began in which they were."""

    people: int
    at: str


class Hours(BaseModel):
    """One row an hour of UTC; `at` is its begin, seconds since epoch. Null where nothing was observed."""

    at: list[float]
    mean: Column
    peak: Column
    observed: Column


class CameraNow(BaseModel):
    """How a camera does now, and did in the period; `load` is how many boxes its frames have."""

    id: str
    state: str
    uptime: float | None
    load: float | None


class DashboardAnswer(PeriodAnswer):
    """What there is to see at a glance; the day so far, in UTC, where no period is asked for."""

    recorded_since: Annotated[
        str | None, Field(description="The first instant of which the history keeps anything; null for an empty one.")
    ]
    place: str
    without: Annotated[
        list[str], Field(description="Tags of those who do not count below; among cameras and events everybody does.")
    ]
    now: FloorNow
    visitors: int | None
    entered: Annotated[int | None, Field(description="Corrections followed, as in /counts; so is `left`.")]
    left: int | None
    peak: Peak | None
    mean_dwell_s: float | None
    hours: Hours
    cameras: list[CameraNow]
    events: Annotated[list[EventItem], Field(description="The newest; whom they are about, /events tells.")]
    quality: QualityItem
    age_s: Annotated[float, Field(description="How old this answer is.")] = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was made, ready to be sent with its age behind it.

    Attributes:
        made_at: of the event loop's clock.
        head: its JSON up to the age.
        packed: of the head.
        packer: as it was behind the head.
        etag: of everything but the age.
    """

    made_at: float
    head: bytes
    packed: bytes
    packer: "zlib._Compress"
    etag: str

    def response(self, request: Request, now: float) -> Response:
        """Return the answer, as old as it is."""
        headers = {"etag": self.etag, "cache-control": PRIVATE, "vary": "Accept-Encoding"}
        tail = b',"age_s":%.2f}' % (now - self.made_at)
        body = self.head + tail
        if "gzip" in request.headers.get("accept-encoding", ""):
            packer = self.packer.copy()
            body = self.packed + packer.compress(tail) + packer.flush()
            headers["content-encoding"] = "gzip"
        return Response(body, media_type="application/json", headers=headers)


def kept(answer: DashboardAnswer, made_at: float) -> Kept:
    """Return an answer, ready to be sent."""
    head = answer.model_dump_json(exclude={"age_s"}).encode()[:-1]
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    packed = packer.compress(head) + packer.flush(zlib.Z_SYNC_FLUSH)
    return Kept(made_at, head, packed, packer, tag(head))


class DashboardCache:
    """The newest answer to each question. Used by one event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._reading = WeakValueDictionary[Key, asyncio.Lock]()  # by question, so that a slow one holds up no other

    async def get(self, key: Key, make: Callable[[], Awaitable[DashboardAnswer]]) -> Kept:
        """Return the answer to a question, which is made anew, by one of those who wait for it, when it is old."""
        found = self._fresh(key)
        if found is not None:
            return found
        reading = self._reading.setdefault(key, asyncio.Lock())
        async with reading:
            found = self._fresh(key)
            if found is None:
                begun = asyncio.get_running_loop().time()
                found = self._kept[key] = kept(await make(), begun)
                self._kept.move_to_end(key)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return found

    def _fresh(self, key: Key) -> Kept | None:
        found = self._kept.get(key)
        old = found is None or asyncio.get_running_loop().time() - found.made_at > FRESH_S
        return None if old else found


@router.get(
    "/{site}/dashboard",
    summary="What there is to see at a glance",
    response_model=DashboardAnswer,
    dependencies=READ,
)
async def dashboard(
    site: NamedSite,
    request: Request,
    place: AskedPlace = None,
    since: Instant = None,
    until: Instant = None,
    without: Without = None,
) -> Response:
    """Return what the page shows first: who is there, who was, when it was full, how cameras do, what happened."""
    cache: DashboardCache = request.app.state.dashboards
    hub: FloorHub = request.app.state.floor_hub

    async def make() -> DashboardAnswer:
        period = period_of(since, until, site.runtime.clock.now())
        if period.seconds > LONGEST_S:
            raise WrongField("since", "lies more than a year before until, which is the most of a dashboard")
        where = await known_place(site.archive, place)
        await check_without(site.archive, where, tags)
        found, now, begin = await asyncio.gather(
            site.archive.dashboard(where, period, tags), _now(site, hub.here, tags), site.archive.begin()
        )
        return dashboard_answer(found, site, now, begin, tags)

    tags = tuple(sorted(set(without or ())))
    answer = await cache.get((place, since, until, tags), make)
    return answer.response(request, asyncio.get_running_loop().time())


async def _now(site: LiveSite, here: IntArray, without: Sequence[str]) -> FloorNow:
    """Describe how many are there now, of the people (N,) that have a dot, but for those with one of some tags."""
    left_out = await site.archive.tagged(without) if without else ()
    people = int((~np.isin(here, left_out)).sum())
    watched = site.watch.people_now().items()
    at_places = {place: int((~np.isin(there, left_out)).sum()) for place, there in watched if place != FLOOR}
    drawn = {version.place_id: version.place for version in in_use(await site.archive.places())}
    places = []
    for place, there in sorted(at_places.items()):
        zone = drawn.get(place)
        density = there / area_m2(zone.polygon) if isinstance(zone, Zone) else None
        places.append(PlaceNow(id=place, people=there, density=figure(density, DENSITY)))
    (floor_m2,) = (await areas(site, FLOOR, np.zeros(1))).tolist()
    return FloorNow(people=people, density=figure(people / floor_m2, DENSITY), places=places)


def dashboard_answer(
    found: Dashboard, site: LiveSite, now: FloorNow, begin: float | None, without: Sequence[str]
) -> DashboardAnswer:
    """Describe what there is to see at a glance.

    Args:
        found: of the history.
        site: that it is about.
        now: who is there.
        begin: capture time of the first that is kept.
        without: tags of those who were left out.
    """
    seen = found.entered is not None or (site.bounds is None and any(camera.running_s for camera in found.cameras))
    hours = found.hours
    return DashboardAnswer(
        **period_fields(found.period),
        recorded_since=None if begin is None else timestamp(begin),
        place=found.place_id,
        without=list(without),
        now=now,
        visitors=found.visitors if seen else None,
        entered=found.entered,
        left=found.left,
        peak=None if found.peak is None else Peak(people=found.peak[0], at=timestamp(found.peak[1])),
        mean_dwell_s=figure(found.mean_dwell_s, SECONDS_OF_STAY),
        hours=Hours(
            at=hours.at.tolist(),
            mean=column(hours.mean, PEOPLE),
            peak=column(hours.peak, 0),
            observed=column(hours.observed, SHARE),
        ),
        cameras=_cameras(found.cameras, site),
        events=[event_item(replace(event, identity=None)) for event in found.events],
        quality=quality_item(found.quality),
    )


def _cameras(cameras: Iterable[CameraUptime], site: LiveSite) -> list[CameraNow]:
    """Describe the cameras that the site has now."""
    did = {camera.camera_id: camera for camera in cameras}
    return [
        CameraNow(
            id=status.camera_id,
            state=status.state.value,
            uptime=None if status.camera_id not in did else share_running(did[status.camera_id]),
            load=None if status.camera_id not in did else _load(did[status.camera_id]),
        )
        for status in site.runtime.status().cameras
    ]


def _load(camera: CameraUptime) -> float | None:
    return round(camera.boxes / camera.frames, 2) if camera.frames and camera.boxes is not None else None
