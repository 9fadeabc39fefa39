"""What a request asks for, checked once: instants, periods, pages and cursors. Knows no route and no history."""

import base64
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, params
from pydantic import Field

from app.api.errors import WrongField
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.figures import Period
from app.domains.vocabulary import CameraId, GlobalId
from app.orchestration.archive import Page

DAY_S = 86_400.0
LONGEST_S = 5 * 366 * DAY_S
EARLIEST_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
LATEST_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
PAGE_ITEMS, LARGEST_PAGE = 100, 1_000
PRINTED = r"^[^\x00-\x1f\x7f]+$"  # text without control characters; PostgreSQL takes no NUL
LARGEST_ID = 2**53 - 1  # that JavaScript's numbers hold
INSTANT = "expected a time such as 2026-11-21T10:00:00Z, or seconds since epoch"

Instant = Annotated[
    str | None,
    Query(
        max_length=40,
        description="RFC 3339 with its time zone, or seconds since epoch.",
        examples=["2026-11-21T10:00:00Z"],
    ),
]
When = Annotated[
    float | Annotated[str, Field(max_length=40)],
    Field(description="RFC 3339 with its time zone, or seconds since epoch."),
]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Items at most.")]


def instant(field: str, said: str | float) -> float:
    """Return the seconds since epoch that a text or number means.

    Raises:
        WrongField: no time, one without its zone, or one outside of 2000 to 2100.
    """
    try:
        seconds = float(said)
    except ValueError:
        seconds = _timestamp(field, str(said))
    if not math.isfinite(seconds):
        raise WrongField(field, INSTANT)
    if not EARLIEST_S <= seconds <= LATEST_S:
        raise WrongField(field, "lies outside of the years 2000 to 2100")
    return seconds


def _timestamp(field: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongField(field, INSTANT) from error
    if moment.tzinfo is None:
        raise WrongField(field, "lacks its time zone; write Z behind it for UTC")
    try:
        return moment.timestamp()
    except (OverflowError, ValueError) as error:
        raise WrongField(field, INSTANT) from error


def period_of(since: str | float | None, until: str | float | None, now: float) -> Period:
    """Return the period that is asked for; the day so far, in UTC, where nothing is said.

    Raises:
        WrongField: the begin is not before the end, or the period is longer than five years.
    """
    last = now if until is None else instant("until", until)
    first = math.floor((last - 1e-3) / DAY_S) * DAY_S if since is None else instant("since", since)
    if first >= last:
        raise WrongField("since", "is not before until" if until is not None else "is not before now")
    if last - first > LONGEST_S:
        raise WrongField("since", "lies more than five years before until")
    return Period(first, last)


async def asked_period(site: NamedSite, since: Instant = None, until: Instant = None) -> Period:
    """Return the period of a request."""
    return period_of(since, until, site.runtime.clock.now())


def asked_page(kind: str) -> params.Depends:
    """Return what a route depends on that gives answers in pages; a cursor of another `kind` of things is none.

    Its call raises WrongField for a cursor that was not given out here.
    """

    async def page(cursor: Cursor = None, limit: Limit = PAGE_ITEMS) -> Page:
        return Page(limit, None if cursor is None else _after(kind, cursor))

    return params.Depends(page)


def next_cursor(kind: str, page: Page, keys: Sequence[tuple[float, int]]) -> str | None:
    """Return what brings the page behind this one, opaque to who asks; None where this one is not full.

    Args:
        kind: of things.
        page: that was asked for.
        keys: of the things that were found, in order.
    """
    if len(keys) < page.limit:
        return None
    at, number = keys[-1]
    return base64.urlsafe_b64encode(json.dumps([kind, at, number]).encode()).decode().rstrip("=")


def _after(kind: str, cursor: str) -> tuple[float, int]:
    try:
        packed = cursor.encode("ascii")
        its_kind, at, number = json.loads(base64.b64decode(packed + b"=" * (-len(packed) % 4), b"-_", validate=True))
        fits = its_kind == kind and type(at) in {int, float} and math.isfinite(at) and type(number) is int
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits or not EARLIEST_S <= at <= LATEST_S or not 0 <= number <= LARGEST_ID:
        raise WrongField("cursor", "is none that was given out here; begin without one")
    return float(at), number


def asked_identity(identity: int) -> GlobalId | None:
    """Return an id; None for a number that none can have."""
    return GlobalId(identity) if 0 < identity <= LARGEST_ID else None


async def asked_camera(
    site: NamedSite, camera: Annotated[str | None, Query(max_length=64, description="Of one camera alone.")] = None
) -> CameraId | None:
    """Return the camera of a request; None for all.

    Raises:
        WrongField: no such camera.
    """
    return None if camera is None else known_camera(site, camera)


def known_camera(site: LiveSite, camera: str) -> CameraId:
    """Return the camera that a request names.

    Raises:
        WrongField: no such camera.
    """
    if all(place.camera_id != camera for place in site.cameras):
        raise WrongField("camera", "names no camera of this site")
    return CameraId(camera)


AskedCamera = Annotated[CameraId | None, Depends(asked_camera)]
AskedPeriod = Annotated[Period, Depends(asked_period)]
