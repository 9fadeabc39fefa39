"""The JSON of the history's figures: models of the answers, and how they are made. Knows no route and no database.

Figures over time that nobody observed are null, and never 0. Columns are seconds since epoch, metres and people; single
instants are RFC 3339 timestamps in UTC.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypedDict

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas import CERTAINTY, METRES, timestamp
from app.domains.analytics.figures import Event, HeatMap, OccupancySeries, Period, Quality
from app.domains.vocabulary import FloatArray
from app.orchestration.archive import CameraUptime

Column = list[float | None]
SHARE, PEOPLE, SECONDS_OF_STAY, DENSITY, AREA = 4, 3, 1, 4, 2  # decimals on the wire


OCCUPANCY: dict[str, Any] = {
    "since": "2026-11-21T10:00:00.000Z",
    "until": "2026-11-21T12:00:00.000Z",
    "place": "till",
    "bucket_s": 3600,
    "columns": {
        "at": [1795255200.0, 1795258800.0],
        "mean": [1.75, None],
        "peak": [4.0, None],
        "entered": [31.0, None],
        "left": [30.0, None],
        "speed": [0.31, None],
        "density": [0.583, None],
        "peak_density": [1.333, None],
        "observed": [0.98, 0.0],
    },
    "area_m2": 3.0,
    "corrected": {"entered": 30, "left": 29},
    "quality": {
        "observed": 0.49,
        "cameras_out": [{"camera": "north", "seconds": 3600.0}],
        "sigma_m": 0.08,
        "certainty": 0.97,
    },
}
EVENT: dict[str, Any] = {
    "id": 812,
    "at": "2026-11-21T10:04:31.200Z",
    "place": "till",
    "version": 2,
    "kind": "exit",
    "identity": 7,
    "inwards": None,
    "dwell_s": 83.5,
    "people": None,
    "camera": None,
}


class CameraOut(BaseModel):
    """A camera gave nothing for so many seconds of the period."""

    camera: str
    seconds: float


class QualityItem(BaseModel):
    """How far a figure can be trusted; null where nothing was seen that could tell."""

    observed: Annotated[float | None, Field(description="Share of time and area that running cameras saw, 0 to 1.")]
    cameras_out: list[CameraOut]
    sigma_m: Annotated[float | None, Field(description="Mean standard deviation of the places, metres.")]
    certainty: Annotated[float | None, Field(description="Mean probability that the ids were right.")]


class PeriodAnswer(BaseModel):
    """The period that an answer is about: its begin included, its end not."""

    since: str
    until: str


class PeriodFields(TypedDict):
    """What answers about a period say of it."""

    since: str
    until: str


class OccupancyColumns(BaseModel):
    """One row a bucket; `at` is its begin, seconds since epoch. Null where nothing was observed.

    Speed is metres per second, the mean of everybody there. Density is people per square metre of the place as it was
    drawn then: the mean, and the most at once.
    """

    at: list[float]
    mean: Column
    peak: Column
    entered: Column
    left: Column
    speed: Column
    density: Column
    peak_density: Column
    observed: Column


class Passages(BaseModel):
    """How often somebody came and went."""

    entered: int | None
    left: int | None


class OccupancyAnswer(PeriodAnswer):
    """How many people were at a place over time; the period is widened to whole buckets.

    The columns add up what was seen minute by minute, at once. `corrected` counts stays with the corrections of today,
    as the dashboard and /counts do, and also those that began with who was inside when a zone was drawn: by so much the
    sums of `entered` and `left` differ. It is null for more than a day, of which not every stay is looked at.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [OCCUPANCY]})

    place: str
    bucket_s: int
    area_m2: Annotated[float | None, Field(description="Of the place at the end; null for a line.")]
    columns: OccupancyColumns
    corrected: Passages | None
    quality: QualityItem


class VisitorsAnswer(PeriodAnswer):
    """How many different people were at a place, and how often somebody came and went."""

    place: str
    visitors: int | None
    entered: int | None
    left: int | None
    quality: QualityItem


class HeatMapAnswer(PeriodAnswer):
    """Where people were: person-seconds by cell, row by row from `origin` upwards, each row along x."""

    origin: tuple[float, float]
    cell_m: float
    rows: int
    columns: int
    seconds: list[float]
    quality: QualityItem


class EventItem(BaseModel):
    """Something that happened at a place."""

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT]})

    id: int
    at: str
    place: str
    version: int
    kind: str
    identity: int | None
    inwards: bool | None
    dwell_s: float | None
    people: int | None
    camera: str | None


class EventsAnswer(BaseModel):
    """Events, newest first."""

    events: list[EventItem]
    next: Annotated[str | None, Field(description="The cursor of the next page; null where this is the last.")]


class StateItem(BaseModel):
    """A camera was in a state from an instant on."""

    at: str
    state: str
    reason: str | None


class UptimeItem(BaseModel):
    """How a camera did; `uptime` is the share of the watched time in which it gave frames."""

    camera: str
    uptime: float | None
    running_s: float
    out_s: float
    frames: int | None
    boxes: int | None
    confidence: float | None
    states: list[StateItem]


class UptimeAnswer(PeriodAnswer):
    """How each camera did."""

    cameras: list[UptimeItem]


def column(values: FloatArray, decimals: int) -> Column:
    """Return a column for the wire, NaN as null."""
    rounded = np.round(values, decimals)
    known = np.isfinite(values)
    plain: Column = rounded.tolist()
    if not known.all():
        for row in np.flatnonzero(~known).tolist():
            plain[row] = None
    return plain


def figure(value: float | None, decimals: int) -> float | None:
    """Return one figure for the wire; None for what is not known."""
    return None if value is None or not np.isfinite(value) else round(float(value), decimals)


def period_fields(period: Period) -> PeriodFields:
    """Return the fields of a PeriodAnswer."""
    return PeriodFields(since=timestamp(period.since), until=timestamp(period.until))


def quality_item(quality: Quality) -> QualityItem:
    """Describe how far figures can be trusted."""
    return QualityItem(
        observed=figure(quality.observed, SHARE),
        cameras_out=[CameraOut(camera=camera, seconds=round(out_s, 1)) for camera, out_s in quality.cameras_out],
        sigma_m=figure(quality.sigma_m, METRES),
        certainty=figure(quality.certainty, CERTAINTY),
    )


def occupancy_answer(
    place: str,
    period: Period,
    series: OccupancySeries,
    area_m2: FloatArray,
    corrected: tuple[int | None, int | None] | None,
) -> OccupancyAnswer:
    """Describe how many people were at a place over time; `area_m2` is the place's in each bucket (B,)."""
    columns = OccupancyColumns(
        at=series.at.tolist(),
        mean=column(series.mean, PEOPLE),
        peak=column(series.peak, 0),
        entered=column(series.entered, 0),
        left=column(series.left, 0),
        speed=column(series.speed, PEOPLE),
        density=column(series.mean / area_m2, DENSITY),
        peak_density=column(series.peak / area_m2, DENSITY),
        observed=column(series.observed, SHARE),
    )
    return OccupancyAnswer(
        **period_fields(period),
        place=place,
        bucket_s=int(series.bucket_s),
        area_m2=figure(area_m2[-1], AREA),
        columns=columns,
        corrected=None if corrected is None else Passages(entered=corrected[0], left=corrected[1]),
        quality=quality_item(series.quality),
    )


def heat_answer(period: Period, heat: HeatMap) -> HeatMapAnswer:
    """Describe where people were."""
    rows, columns = heat.seconds.shape
    return HeatMapAnswer(
        **period_fields(period),
        origin=heat.origin,
        cell_m=heat.cell_m,
        rows=rows,
        columns=columns,
        seconds=heat.seconds.round(2).ravel().tolist(),
        quality=quality_item(heat.quality),
    )


def event_item(event: Event) -> EventItem:
    """Describe an event."""
    return EventItem(
        id=event.event_id,
        at=timestamp(event.at),
        place=event.place_id,
        version=event.place_version,
        kind=event.kind.value,
        identity=event.identity,
        inwards=event.inwards,
        dwell_s=figure(event.dwell_s, SECONDS_OF_STAY),
        people=event.people,
        camera=event.camera_id,
    )


def uptime_answer(period: Period, cameras: Iterable[CameraUptime]) -> UptimeAnswer:
    """Describe how each camera did."""
    return UptimeAnswer(**period_fields(period), cameras=[uptime_item(camera) for camera in cameras])


def uptime_item(camera: CameraUptime) -> UptimeItem:
    """Describe how a camera did."""
    return UptimeItem(
        camera=camera.camera_id,
        uptime=share_running(camera),
        running_s=round(camera.running_s, 1),
        out_s=round(camera.out_s, 1),
        frames=camera.frames,
        boxes=camera.boxes,
        confidence=figure(camera.confidence, CERTAINTY),
        states=[StateItem(at=timestamp(at), state=state, reason=reason) for at, state, reason in camera.states],
    )


def share_running(camera: CameraUptime) -> float | None:
    """Return the share of the watched time in which a camera gave frames; None where nobody watched it."""
    watched_s = camera.running_s + camera.out_s
    return round(camera.running_s / watched_s, SHARE) if watched_s > 0.0 else None


def total(values: Sequence[float] | FloatArray) -> int | None:
    """Add up what was counted in buckets, those that nobody observed left out; None where nobody observed any."""
    known = np.asarray(values)[np.isfinite(values)]
    return int(known.sum()) if len(known) else None
