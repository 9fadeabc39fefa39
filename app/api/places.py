"""REST: zones and lines, as users draw them. Every change is a new version, in force from then on."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.asked import PRINTED
from app.api.errors import WrongField
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import METRES, timestamp
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.places import (
    FLOOR,
    MAX_CORNERS,
    Line,
    Place,
    PlaceId,
    PlaceVersion,
    Zone,
    check_place,
)
from app.orchestration.archive import Archive

PLACES = 200  # in use at once: membership is asked for each dot and each of them

Metres = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Metres, Metres]
PlaceName = Annotated[
    str,
    Path(max_length=64, pattern=PRINTED, description="A word of a-z, 0-9 and -.", examples=["till"], alias="place"),
]

router = APIRouter(prefix="/api/v1/sites", tags=["places"], route_class=Route)

EXAMPLE: dict[str, Any] = {
    "name": "Till",
    "kind": "zone",
    "polygon": [[0.0, 0.0], [2.0, 0.0], [2.0, 1.5], [0.0, 1.5]],
    "capacity": 5,
    "max_dwell_s": 600.0,
    "restricted": False,
    "queue": True,
}


class Drawing(BaseModel):
    """A zone or a line as somebody draws it.

    A zone has a polygon, and may have limits. A line has two ends: seen from the first towards the second, who crosses
    from left to right goes in.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["zone", "line"]
    polygon: Annotated[list[Point], Field(min_length=3, max_length=MAX_CORNERS)] | None = None
    ends: tuple[Point, Point] | None = None
    capacity: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_dwell_s: Annotated[float, Field(gt=0.0, le=31_536_000.0, allow_inf_nan=False)] | None = None
    restricted: bool = False
    queue: bool = False

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Drawing":
        if self.kind == "zone" and (self.polygon is None or self.ends is not None):
            raise ValueError("a zone has a polygon and no ends")
        if self.kind == "line" and (self.ends is None or self.polygon is not None):
            raise ValueError("a line has two ends and no polygon")
        limits = self.capacity, self.max_dwell_s, self.restricted or None, self.queue or None
        if self.kind == "line" and any(limit is not None for limit in limits):
            raise ValueError("a line has no limits; only zones do")
        return self


class PlaceItem(BaseModel):
    """A zone or a line as it was drawn from an instant on; of a line, polygon is null, of a zone, ends."""

    id: str
    name: str
    kind: Literal["zone", "line"]
    polygon: list[Point] | None
    ends: tuple[Point, Point] | None
    capacity: int | None
    max_dwell_s: float | None
    restricted: bool
    queue: bool
    version: int
    since: str


class PlacesAnswer(BaseModel):
    """The zones and lines in use."""

    places: list[PlaceItem]


class VersionItem(BaseModel):
    """One version of a place; `place` is null where the place was taken out of use."""

    version: int
    since: str
    place: PlaceItem | None


class VersionsAnswer(BaseModel):
    """Every version of one place, oldest first."""

    versions: list[VersionItem]


def in_use(versions: Sequence[PlaceVersion]) -> list[PlaceVersion]:
    """Return the newest version of each place that is in use; versions come by place and version."""
    newest = {version.place_id: version for version in versions}
    return [version for version in newest.values() if version.place is not None]


async def known_place(archive: Archive, place: str | None, field: str = "place") -> PlaceId:
    """Return the place that a request names: any that was ever drawn, or the whole floor for none.

    Raises:
        WrongField: no such place.
    """
    return (await known_places(archive, [place or FLOOR], field))[0]


async def known_places(archive: Archive, places: Sequence[str], field: str = "place") -> tuple[PlaceId, ...]:
    """Return the places that a request names, as `known_place` does each; the empty name is that of the whole floor.

    Raises:
        WrongField: one of them is none.
    """
    drawn = {version.place_id for version in await archive.places()} if any(places) else set()
    if not drawn.union({FLOOR}).issuperset(places):
        raise WrongField(field, "names no zone and no line of this site; GET zones lists them")
    return tuple(PlaceId(place) for place in places)


async def is_line(archive: Archive, place: PlaceId) -> bool:
    """Tell whether a place has only ever been a line, which people cross and at which nobody is."""
    drawn = [v.place for v in await archive.places() if v.place_id == place and v.place is not None]
    return bool(drawn) and all(isinstance(shape, Line) for shape in drawn)


async def check_without(archive: Archive, place: PlaceId, without: Collection[str]) -> None:
    """Raise WrongField where people are to be left out of the figures of a line."""
    if without and await is_line(archive, place):
        raise crossed_by_all()


def crossed_by_all() -> WrongField:
    """Return what is wrong with leaving people out where a line is crossed."""
    return WrongField("without", "does not go with a line: who crosses is not told apart by tags")


@router.get("/{site}/zones", summary="The zones and lines in use", dependencies=[permission("places:read")])
async def list_places(site: NamedSite) -> PlacesAnswer:
    """Return the zones and lines in use, each in its newest version."""
    return PlacesAnswer(places=[place_item(version) for version in in_use(await site.archive.places())])


@router.get(
    "/{site}/zones/{place}/versions",
    summary="How a zone or line was drawn over time",
    dependencies=[permission("places:read")],
)
async def list_versions(site: NamedSite, place: PlaceName) -> VersionsAnswer:
    """Return every version of a zone or line, the removals among them."""
    versions = [version for version in await site.archive.places() if version.place_id == place]
    if not versions:
        raise HTTPException(404, f"there never was a zone or line {place}")
    items = [
        VersionItem(
            version=version.version,
            since=timestamp(version.since),
            place=None if version.place is None else place_item(version),
        )
        for version in versions
    ]
    return VersionsAnswer(versions=items)


@router.put("/{site}/zones/{place}", summary="Draw a zone or line", dependencies=[permission("places:write")])
async def draw_place(site: NamedSite, place: PlaceName, drawing: Drawing, request: Request) -> PlaceItem:
    """Draw a zone or line, or draw it anew: a new version, in force from now on."""
    if site.bounds is None:
        raise HTTPException(409, "this site has no floor to draw on: none of its cameras is calibrated")
    drawn = place_of(PlaceId(place), drawing)
    async with request.app.state.drawing:
        used = {version.place_id for version in in_use(await site.archive.places())}
        if place not in used and len(used) >= PLACES:
            raise HTTPException(409, f"there are {PLACES} zones and lines already; remove one first")
        at = site.runtime.clock.now()
        version = await site.archive.draw(drawn, at)
        await _apply(site, at)
    return place_item(version)


@router.delete(
    "/{site}/zones/{place}",
    summary="Take a zone or line out of use",
    status_code=204,
    dependencies=[permission("places:write")],
)
async def erase_place(site: NamedSite, place: PlaceName, request: Request) -> Response:
    """Take a zone or line out of use from now on; its figures of the past stay."""
    async with request.app.state.drawing:
        at = site.runtime.clock.now()
        if not await site.archive.erase(PlaceId(place), at):
            raise HTTPException(404, f"there is no zone or line {place} in use")
        await _apply(site, at)
    return Response(status_code=204)


async def _apply(site: LiveSite, at: float) -> None:
    """Let whoever watches the floor go by what is drawn now."""
    site.watch.redraw(in_use(await site.archive.places()), at)


def place_of(place_id: PlaceId, drawing: Drawing) -> Place:
    """Return the place that was drawn.

    Raises:
        WrongField: it cannot be a place, such as a polygon whose edges cross.
    """
    place: Place
    if drawing.ends is not None:
        place = Line(place_id, drawing.name, np.array(drawing.ends, dtype=np.float64))
    else:
        polygon = np.array(drawing.polygon, dtype=np.float64)
        limits = drawing.capacity, drawing.max_dwell_s, drawing.restricted, drawing.queue
        place = Zone(place_id, drawing.name, polygon, *limits)
    try:
        check_place(place)
    except ValueError as error:
        field, _, wrong = str(error).partition(": ")
        raise WrongField("place" if field == "place_id" else field, wrong) from error
    return place


def place_item(version: PlaceVersion) -> PlaceItem:
    """Describe a place; the version must not be a removal."""
    place = version.place
    if place is None:
        raise ValueError(f"{version.place_id} was removed with version {version.version}")
    zone = place if isinstance(place, Zone) else None
    return PlaceItem(
        id=version.place_id,
        name=place.name,
        kind="line" if zone is None else "zone",
        polygon=None if zone is None else zone.polygon.round(METRES).tolist(),
        ends=None if isinstance(place, Zone) else place.ends.round(METRES).tolist(),
        capacity=None if zone is None else zone.capacity,
        max_dwell_s=None if zone is None else zone.max_dwell_s,
        restricted=zone is not None and zone.restricted,
        queue=zone is not None and zone.queue,
        version=version.version,
        since=timestamp(version.since),
    )
