"""The history as tables that leave the program: what each has for columns, and its rows in slices of time.

Knows no file format and no route.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domains.analytics.figures import Event, Period
from app.domains.analytics.places import FLOOR, PlaceId
from app.domains.vocabulary import NO_ID, CameraId, FloatArray, GlobalId
from app.orchestration.archive import Archive, Boxes, Dots, EventFilter, Page

HOUR_S, DAY_S = 3600.0, 86_400.0
EVENTS_A_PAGE = 1_000

# Columns by name, all of one length. Times are datetime64[us] in UTC; NaN and None stand for what is not known.
Table = Mapping[str, NDArray[Any] | Sequence[Any]]


class What(StrEnum):
    """Which rows."""

    DOTS = "dots"
    BOXES = "boxes"
    EVENTS = "events"
    STAYS = "stays"
    OCCUPANCY = "occupancy"


class Format(StrEnum):
    """How they are written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    MOT = "mot"  # MOTChallenge text: boxes of one camera
    AICITY = "aicity"  # AI City Challenge text: boxes of all cameras


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported.

    Attributes:
        place: of stays, events and occupancy: one place alone; the whole floor is the empty one, None means all.
        camera: of boxes: one camera alone.
        identity: of dots and stays: one person alone.
        bucket_s: of occupancy.
    """

    what: What
    format: Format
    period: Period
    place: PlaceId | None = None
    camera: CameraId | None = None
    identity: GlobalId | None = None
    bucket_s: float = 60.0

    def slices(self) -> list[Period]:
        """Cut the period into slices that can be written one by one: full hours or days, and what is beside them."""
        step = HOUR_S if self.what in {What.DOTS, What.BOXES} else DAY_S
        first, last = math.floor(self.period.since / step) + 1, math.ceil(self.period.until / step) - 1
        edges = [self.period.since, *(number * step for number in range(first, last + 1)), self.period.until]
        return [Period(since, until) for since, until in pairwise(edges)]


async def rows_of(archive: Archive, order: Order, part: Period) -> AsyncIterator[Table]:
    """Yield the rows of a slice of an order's period in order of time, as tables of bounded size.

    Raises:
        StoreError: the history cannot be read.
    """
    match order.what:
        case What.DOTS:
            async for dots in archive.dots(part, order.identity):
                yield _of_dots(dots)
        case What.BOXES:
            async for boxes in archive.boxes(part, order.camera):
                yield _of_boxes(boxes)
        case What.EVENTS:
            yield _of_events(await _events(archive, order, part))
        case What.STAYS:
            yield await _stays(archive, order, part)
        case What.OCCUPANCY:
            yield await _occupancy(archive, order, part)


def _of_dots(dots: Dots) -> Table:
    return {
        "at": _times(dots.at),
        "identity": dots.identity,
        "x_m": dots.xy[:, 0],
        "y_m": dots.xy[:, 1],
        "sigma_m": dots.sigma,
        "certainty": dots.certainty,
    }


def _of_boxes(boxes: Boxes) -> Table:
    return {
        "at": _times(boxes.at),
        "camera": boxes.camera,
        "track": boxes.track,
        "identity": [None if i == NO_ID else i for i in boxes.identity.tolist()],
        "left": boxes.xyxy[:, 0],
        "top": boxes.xyxy[:, 1],
        "right": boxes.xyxy[:, 2],
        "bottom": boxes.xyxy[:, 3],
        "confidence": boxes.confidence,
        "x_m": boxes.xy[:, 0],
        "y_m": boxes.xy[:, 1],
    }


async def _events(archive: Archive, order: Order, part: Period) -> list[Event]:
    """Return the events of a slice, oldest first."""
    which = EventFilter(part, () if order.place is None else (order.place,), (), order.identity)
    found: list[Event] = []
    while True:
        after = (found[-1].at, found[-1].event_id) if found else None
        page = await archive.events(which, Page(EVENTS_A_PAGE, after))
        found += page
        if len(page) < EVENTS_A_PAGE:
            return found[::-1]


def _of_events(events: Sequence[Event]) -> Table:
    return {
        "id": np.array([event.event_id for event in events], np.int64),
        "at": _times(np.array([event.at for event in events], np.float64)),
        "place": [event.place_id for event in events],
        "place_version": np.array([event.place_version for event in events], np.int64),
        "kind": [event.kind.value for event in events],
        "identity": [event.identity for event in events],
        "inwards": [event.inwards for event in events],
        "dwell_s": np.array([event.dwell_s for event in events], np.float64),
        "people": [event.people for event in events],
        "camera": [event.camera_id for event in events],
    }


async def _stays(archive: Archive, order: Order, part: Period) -> Table:
    """Return the stays that began in a slice; with the first slice those that were going on before it, too."""
    stays = await archive.stays(() if order.place is None else (order.place,), part, order.identity)
    first = part.since == order.period.since
    rows = np.flatnonzero((stays.begun >= part.since) | first)
    begun, ended = stays.begun[rows], stays.ended[rows]
    return {
        "place": [stays.place[row] for row in rows.tolist()],
        "identity": stays.identity[rows],
        "begun": _times(begun),
        "ended": _times(ended),
        "dwell_s": ended - begun,
        "ending": [stays.ending[row].value for row in rows.tolist()],
    }


async def _occupancy(archive: Archive, order: Order, part: Period) -> Table:
    """Return the buckets that begin in a slice, whose ends are those of buckets."""
    place, step = order.place or FLOOR, order.bucket_s
    whole = Period(math.ceil(part.since / step) * step, math.ceil(part.until / step) * step)
    if whole.since >= whole.until:
        whole = Period(whole.since, whole.since + step)
    series = await archive.occupancy(place, whole, step)
    rows = np.flatnonzero(series.at < part.until)
    return {
        "at": _times(series.at[rows]),
        "place": [str(place)] * len(rows),
        "bucket_s": np.full(len(rows), step),
        "mean": series.mean[rows],
        "peak": series.peak[rows],
        "entered": series.entered[rows],
        "left": series.left[rows],
        "speed_m_s": series.speed[rows],
        "observed": series.observed[rows],
    }


def _times(at: FloatArray) -> NDArray[np.datetime64]:
    return (at * 1e6).round().astype("datetime64[us]")
