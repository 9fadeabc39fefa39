"""REST: how full a place usually is at an hour of the week, and where people on the floor will be in a few seconds."""

import math
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.api.analytics import READ, AskedPlace
from app.api.asked import DAY_S, AskedPeriod
from app.api.errors import WrongField
from app.api.figures import (
    PEOPLE,
    SHARE,
    Column,
    PeriodAnswer,
    QualityItem,
    column,
    period_fields,
    quality_item,
)
from app.api.floor_hub import FloorHub
from app.api.permissions import permission
from app.api.places import known_place
from app.api.route import Route
from app.api.schemas import METRES, SECONDS, timestamp
from app.api.sites import NamedSite, named_site
from app.domains.analytics.figures import Period
from app.domains.analytics.prediction import Paths, PredictionError, Predictor
from app.domains.analytics.rhythm import HOUR_S, anomalies, expect

LEARN_S = 56 * DAY_S  # eight weeks: eight times the same hour
LONGEST_S = 31 * DAY_S

router = APIRouter(prefix="/api/v1/sites", tags=["analytics"], route_class=Route)


class RhythmColumns(BaseModel):
    """One row an hour of UTC, from `at` on (seconds since epoch); null where nobody observed or too little is known."""

    at: list[float]
    mean: Column
    low: Column
    expected: Column
    high: Column
    observed: Column
    weeks: Annotated[list[int], Field(description="How many observed weeks the hour was learnt from.")]


class AnomalyItem(BaseModel):
    """An hour in which a place was unusually full (above) or empty (below)."""

    at: str
    mean: float
    low: float
    high: float
    side: str


class Lesson(PeriodAnswer):
    """The time that was learnt from."""

    weeks: int


class RhythmAnswer(PeriodAnswer):
    """How full a place was by hour, beside how full it usually is at that hour of the week."""

    place: str
    columns: RhythmColumns
    anomalies: list[AnomalyItem]
    learnt_from: Lesson
    quality: QualityItem


class PathItem(BaseModel):
    """Where somebody will be: rows of time (seconds since epoch), x, y and standard deviation (metres)."""

    id: int
    path: list[tuple[float, float, float, float]]


class ForecastError(BaseModel):
    """How far people were from where they had been predicted, in the last minutes, by horizon; null without any.

    `standing_m` is how far they were from where they had stood when the prediction was made.
    """

    horizon_s: list[float]
    error_m: Column
    p90_m: Column
    standing_m: Column
    n: list[int]


class ForecastAnswer(BaseModel):
    """Where everybody on the floor will be in a few seconds, and how wrong that has been."""

    at: str | None
    people: list[PathItem]
    error: ForecastError


@router.get("/{site}/rhythm", summary="How full it is beside how full it usually is", dependencies=READ)
async def rhythm(site: NamedSite, period: AskedPeriod, place: AskedPlace = None) -> RhythmAnswer:
    """Return a place's hours beside what is usual at those hours of the week, learnt from the eight weeks before.

    An hour that fewer than three weeks have shown has no band, and is never unusual.
    """
    if period.seconds > LONGEST_S:
        raise WrongField("since", "lies more than 31 days before until, which is the most of a rhythm")
    where = await known_place(site.archive, place)
    hours = Period(math.floor(period.since / HOUR_S) * HOUR_S, math.ceil(period.until / HOUR_S) * HOUR_S)
    lesson = Period(hours.since - LEARN_S, hours.since)
    series = await site.archive.occupancy(where, hours, HOUR_S)
    band = expect(await site.archive.occupancy(where, lesson, HOUR_S), series.at)
    columns = RhythmColumns(
        at=series.at.tolist(),
        mean=column(series.mean, PEOPLE),
        low=column(band.low, PEOPLE),
        expected=column(band.expected, PEOPLE),
        high=column(band.high, PEOPLE),
        observed=column(series.observed, SHARE),
        weeks=band.weeks.tolist(),
    )
    unusual = [
        AnomalyItem(
            at=timestamp(anomaly.at),
            mean=round(anomaly.mean, PEOPLE),
            low=round(anomaly.low, PEOPLE),
            high=round(anomaly.high, PEOPLE),
            side=anomaly.side.value,
        )
        for anomaly in anomalies(series, band)
    ]
    return RhythmAnswer(
        **period_fields(hours),
        place=where,
        columns=columns,
        anomalies=unusual,
        learnt_from=Lesson(**period_fields(lesson), weeks=int(band.weeks.max(initial=0))),
        quality=quality_item(series.quality),
    )


@router.get(
    "/{site}/forecast",
    summary="Where people will be in a few seconds",
    dependencies=[permission("floor:watch"), Depends(named_site)],
)
async def forecast(request: Request) -> ForecastAnswer:
    """Return where everybody on the floor will be, and how wrong such predictions were in the last minutes."""
    hub: FloorHub = request.app.state.floor_hub
    return forecast_answer(hub.predictor)


def forecast_answer(predictor: Predictor) -> ForecastAnswer:
    """Describe what is predicted."""
    paths = predictor.paths()
    return ForecastAnswer(
        at=None if np.isnan(paths.at) else timestamp(paths.at), people=_people(paths), error=_error(predictor.error())
    )


def _people(paths: Paths) -> list[PathItem]:
    at = (paths.at + paths.horizons_s).round(SECONDS).tolist() if len(paths) else []
    sigma = np.sqrt(np.linalg.eigvalsh(paths.covariance)[..., -1:]) if len(paths) else np.empty((0, 0, 1))
    rows = np.concatenate([paths.xy, sigma], axis=2).round(METRES).tolist() if len(paths) else []
    return [
        PathItem(id=person, path=[(time_s, *row) for time_s, row in zip(at, path, strict=True)])
        for person, path in zip(paths.person.tolist(), rows, strict=True)
    ]


def _error(error: PredictionError) -> ForecastError:
    return ForecastError(
        horizon_s=error.horizons_s.tolist(),
        error_m=column(error.median_m, METRES),
        p90_m=column(error.p90_m, METRES),
        standing_m=column(error.standing_m, METRES),
        n=error.n.tolist(),
    )
