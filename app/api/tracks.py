"""REST: the dots of a period, a page at a time, for programs that want places and no figures."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.analytics import known_identity
from app.api.asked import AskedPeriod, asked_page, next_cursor
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import CERTAINTY, METRES
from app.api.sites import NamedSite
from app.domains.analytics.figures import Period
from app.domains.vocabulary import FloatArray, GlobalId
from app.orchestration.archive import Archive, Page

FIRST_LOOK_S = 10.0  # of the period that is read at first; each further look is twice as long
MICROSECONDS = 6  # decimals of instants, which are kept to the microsecond

router = APIRouter(prefix="/api/v1/sites", tags=["people"], route_class=Route)


class TrackColumns(BaseModel):
    """One row a dot: capture time (seconds since epoch), identity, metres, standard deviation and certainty."""

    at: list[float]
    id: list[int]
    x: list[float]
    y: list[float]
    sigma: list[float]
    certainty: list[float]


class TracksAnswer(BaseModel):
    """Dots, oldest first."""

    columns: TrackColumns
    next: Annotated[str | None, Field(description="The cursor of the next page; null where this is the last.")]


@router.get("/{site}/tracks", summary="Dots, a page at a time", dependencies=[permission("identities:read")])
async def tracks(
    site: NamedSite,
    period: AskedPeriod,
    page: Annotated[Page, asked_page("tracks")],
    identity: Annotated[int | None, Query(description="Of one person alone.")] = None,
) -> TracksAnswer:
    """Return where everybody was, or one person, corrections followed. Much comes faster by export."""
    who = None if identity is None else await known_identity(site, identity)
    rows = await _rows(site.archive, period, page, who)
    at, ids = rows[:, 0].tolist(), rows[:, 1].astype(np.int64).tolist()
    columns = TrackColumns(
        at=rows[:, 0].round(MICROSECONDS).tolist(),
        id=ids,
        x=rows[:, 2].round(METRES).tolist(),
        y=rows[:, 3].round(METRES).tolist(),
        sigma=rows[:, 4].round(METRES).tolist(),
        certainty=rows[:, 5].round(CERTAINTY).tolist(),
    )
    return TracksAnswer(columns=columns, next=next_cursor("tracks", page, list(zip(at, ids, strict=True))))


async def _rows(archive: Archive, period: Period, page: Page, identity: GlobalId | None) -> FloatArray:
    """Return (N, 6) time, identity, x, y, sigma and certainty of the dots behind the cursor, a page of them."""
    begin, look_s = period.since, FIRST_LOOK_S
    after_at, after_id = page.after or (-np.inf, 0)
    begin = max(begin, after_at)
    found = np.empty((0, 6))
    while len(found) < page.limit and begin < period.until:
        part = Period(begin, min(begin + look_s, period.until))
        async for dots in archive.dots(part, identity):
            rows = np.column_stack([dots.at, dots.identity, dots.xy, dots.sigma, dots.certainty])
            fresh = (dots.at > after_at) | ((dots.at == after_at) & (dots.identity > after_id))
            found = np.concatenate([found, rows[fresh]])
            if len(found) >= page.limit:
                break
        begin, look_s = part.until, 2.0 * look_s
    return found[: page.limit]
