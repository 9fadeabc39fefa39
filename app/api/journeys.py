"""REST: where one person was, over all starts of the program, corrections followed."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.asked import DAY_S, Instant, asked_identity, period_of
from app.api.errors import WrongField
from app.api.figures import SECONDS_OF_STAY, PeriodAnswer, period_fields
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import METRES, SECONDS, timestamp
from app.api.sites import NamedSite
from app.domains.analytics.figures import Period, Stays
from app.domains.analytics.places import FLOOR
from app.domains.analytics.ways import evenly
from app.orchestration.journeys import Journey, journey_of
from app.orchestration.ports import Visit

POINTS = 500
LONGEST_S = 31 * DAY_S
USUAL_S = 900.0  # how far is looked back where nothing is said

router = APIRouter(prefix="/api/v1/sites", tags=["people"], route_class=Route)


class VisitItem(BaseModel):
    """One camera saw the person from one instant to another, seconds since epoch."""

    model_config = ConfigDict(populate_by_name=True)

    camera: str
    begin: Annotated[float, Field(alias="from")]
    end: Annotated[float, Field(alias="to")]


class Hop(BaseModel):
    """The person was in a zone from one instant to another; `ending` is left, lost (from sight) or here (still)."""

    place: str
    since: str
    until: str
    dwell_s: float
    ending: str


class JourneyAnswer(PeriodAnswer):
    """Where a person was: at most 500 points of time (seconds since epoch), x and y (metres)."""

    id: int
    first_seen: str
    last_seen: str
    distance_m: float
    points: list[tuple[float, float, float]]
    visits: list[VisitItem]
    hops: list[Hop]


@router.get(
    "/{site}/identities/{identity}/journey",
    summary="Where a person was",
    dependencies=[permission("identities:read")],
)
async def journey(
    site: NamedSite,
    identity: int,
    since: Instant = None,
    until: Instant = None,
    seconds: Annotated[
        float | None, Query(gt=0.0, le=DAY_S, description="How far to look back, in place of since and until.")
    ] = None,
) -> JourneyAnswer:
    """Tell where a person was, which cameras saw them, and how long they were in which zone."""
    now = site.runtime.clock.now()
    if seconds is not None and (since is not None or until is not None):
        raise WrongField("seconds", "does not go with since and until")
    period = (
        Period(now - (seconds or USUAL_S), now) if since is None and until is None else period_of(since, until, now)
    )
    if period.seconds > LONGEST_S:
        raise WrongField("since", "lies more than 31 days before until, which is the most of a journey")
    asked = asked_identity(identity)
    found = None if asked is None else await journey_of(site.archive, asked, period)
    if found is None:
        raise HTTPException(404, f"nobody with the id {identity} is known to the history")
    return journey_answer(found, period)


def journey_answer(found: Journey, period: Period) -> JourneyAnswer:
    """Describe a journey with at most POINTS points, the first and the last among them."""
    rows = evenly(len(found.time_s), POINTS)
    points = zip(found.time_s[rows].round(SECONDS).tolist(), found.xy[rows].round(METRES).tolist(), strict=True)
    return JourneyAnswer(
        **period_fields(period),
        id=found.person,
        first_seen=timestamp(found.first_seen),
        last_seen=timestamp(found.last_seen),
        distance_m=round(found.distance_m, 2),
        points=[(time_s, x, y) for time_s, (x, y) in points],
        visits=[_visit(visit) for visit in found.visits],
        hops=_hops(found.stays),
    )


def _visit(visit: Visit) -> VisitItem:
    return VisitItem(camera=visit.camera_id, begin=round(visit.begin, 3), end=round(visit.end, 3))


def _hops(stays: Stays) -> list[Hop]:
    """Describe the stays in zones, in order."""
    columns = zip(stays.place, stays.begun.tolist(), stays.ended.tolist(), stays.ending, strict=True)
    return [
        Hop(
            place=place,
            since=timestamp(begun),
            until=timestamp(ended),
            dwell_s=round(ended - begun, SECONDS_OF_STAY),
            ending=ending.value,
        )
        for place, begun, ended, ending in columns
        if place != FLOOR
    ]
