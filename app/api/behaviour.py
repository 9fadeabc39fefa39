"""REST: how long people stay and wait, where they go from there, and who is together."""

import asyncio
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.analytics import READ, AskedPlace, Without
from app.api.asked import DAY_S, AskedPeriod
from app.api.errors import WrongField
from app.api.figures import (
    PEOPLE,
    SECONDS_OF_STAY,
    Column,
    PeriodAnswer,
    QualityItem,
    column,
    figure,
    period_fields,
    quality_item,
)
from app.api.permissions import permission
from app.api.places import in_use, is_line, known_place
from app.api.route import Route
from app.api.schemas import timestamp
from app.api.sites import NamedSite
from app.domains.analytics.dwell import Dwell, distribution
from app.domains.analytics.flows import flows
from app.domains.analytics.groups import Company
from app.domains.analytics.places import FLOOR, Zone
from app.domains.analytics.queueing import queue

QUANTILES = (0.1, 0.5, 0.9, 0.95)
WAITS = (0.5, 0.9)
LONGEST_GROUPS_S = DAY_S

router = APIRouter(prefix="/api/v1/sites", tags=["analytics"], route_class=Route)


class Histogram(BaseModel):
    """Stays by length: bucket i is from edges_s[i] on; the last one is open to the right."""

    edges_s: list[float]
    n: list[int]


class DwellAnswer(PeriodAnswer):
    """How long the stays that began in the period took.

    Stays that go on, and those of people who were lost from sight, count for as long as they were seen (Kaplan and
    Meier); a quantile is null where too few have ended to tell. `cut_off` says that the mean is too short therefore.
    """

    place: str
    n: int
    mean_s: float | None
    cut_off: bool
    median_s: float | None
    p10_s: float | None
    p90_s: float | None
    p95_s: float | None
    open: Annotated[int, Field(description="Stays that go on.")]
    lost: Annotated[int, Field(description="Stays of people who were lost from sight.")]
    histogram: Histogram
    quality: QualityItem


class Length(BaseModel):
    """How many people wait at once; null where nobody watched."""

    mean: float | None
    peak: int | None


class Wait(BaseModel):
    """How long people waited who came in the period; null where too few have ended to wait."""

    median_s: float | None
    p90_s: float | None
    n: int


class QueueAnswer(PeriodAnswer):
    """A queue: its length, and how long people waited."""

    place: str
    length: Length
    wait: Wait
    quality: QualityItem


class FlowsAnswer(PeriodAnswer):
    """How often people went from one zone (row) to the next (column), and how long that took (median, seconds)."""

    places: list[str]
    n: list[list[int]]
    median_s: list[Column]
    quality: QualityItem


class GroupItem(BaseModel):
    """People who were together."""

    identities: list[int]
    together_s: float
    since: str
    until: str


class GroupsAnswer(PeriodAnswer):
    """Who was together, by begin."""

    groups: list[GroupItem]
    quality: QualityItem


@router.get("/{site}/dwell", summary="How long people stayed", dependencies=READ)
async def dwell(site: NamedSite, period: AskedPeriod, place: AskedPlace = None, without: Without = None) -> DwellAnswer:
    """Return how long people stayed at a zone, or on the floor."""
    where = await known_place(site.archive, place)
    stays = await site.archive.stays((where,), period, without=without or ())
    found = await asyncio.to_thread(distribution, stays, period, QUANTILES)
    p10, median, p90, p95 = _quantiles(found)
    return DwellAnswer(
        **period_fields(period),
        place=where,
        n=found.n,
        mean_s=figure(found.mean_s, SECONDS_OF_STAY),
        cut_off=found.cut_off,
        median_s=median,
        p10_s=p10,
        p90_s=p90,
        p95_s=p95,
        open=found.open,
        lost=found.lost,
        histogram=Histogram(edges_s=found.edges_s.tolist(), n=found.histogram.tolist()),
        quality=quality_item(await site.archive.quality(where, period)),
    )


@router.get("/{site}/queue", summary="How long a queue was, and the wait", dependencies=READ)
async def queue_of_zone(
    site: NamedSite,
    period: AskedPeriod,
    place: Annotated[str, Query(max_length=64, description="A zone.")],
    without: Without = None,
) -> QueueAnswer:
    """Return how many people waited at a zone, and for how long; who stays for less than five seconds only passes."""
    where = await known_place(site.archive, place)
    if where == FLOOR or await is_line(site.archive, where):
        raise WrongField("place", "expected a zone")
    stays = await site.archive.stays((where,), period, without=without or ())
    quality = await site.archive.quality(where, period)
    found = await asyncio.to_thread(queue, stays, period, quality.watched_s, WAITS)
    median, p90 = _quantiles(found.wait)
    return QueueAnswer(
        **period_fields(period),
        place=where,
        length=Length(mean=figure(found.mean, PEOPLE), peak=found.peak),
        wait=Wait(median_s=median, p90_s=p90, n=found.wait.n),
        quality=quality_item(quality),
    )


@router.get("/{site}/flows", summary="Where people went from where", dependencies=READ)
async def flows_between_zones(site: NamedSite, period: AskedPeriod, without: Without = None) -> FlowsAnswer:
    """Return how often people went from one zone to the next, and how long they were on the way."""
    zones = [v.place_id for v in in_use(await site.archive.places()) if isinstance(v.place, Zone)]
    stays = await site.archive.stays(zones, period, without=without or ())
    found = await asyncio.to_thread(flows, stays, zones)
    return FlowsAnswer(
        **period_fields(period),
        places=list(found.places),
        n=found.n.tolist(),
        median_s=[column(row, SECONDS_OF_STAY) for row in found.median_s],
        quality=quality_item(await site.archive.quality(FLOOR, period)),
    )


@router.get("/{site}/groups", summary="Who was together", dependencies=[permission("identities:read")])
async def groups(site: NamedSite, period: AskedPeriod, without: Without = None) -> GroupsAnswer:
    """Return people who were near each other for a minute at least, and half of their time; of a day at most."""
    if period.seconds > LONGEST_GROUPS_S:
        raise WrongField("since", "lies more than a day before until, which is the most for groups")
    company, left_out = Company(), await site.archive.tagged(without or ())
    async for dots in site.archive.dots(period):
        counts = ~np.isin(dots.identity, left_out)
        await asyncio.to_thread(company.add, dots.at[counts], dots.identity[counts], dots.xy[counts])
    items = [
        GroupItem(
            identities=list(group.identities),
            together_s=group.together_s,
            since=timestamp(group.since),
            until=timestamp(group.until),
        )
        for group in company.groups()
    ]
    quality = quality_item(await site.archive.quality(FLOOR, period))
    return GroupsAnswer(**period_fields(period), groups=items, quality=quality)


def _quantiles(found: Dwell) -> list[float | None]:
    return column(found.quantiles_s, SECONDS_OF_STAY)
