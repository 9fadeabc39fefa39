"""REST: the people of the history, their ways, their tags, and operators' corrections of who was whom."""

import math
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.analytics import known_identity
from app.api.asked import AskedPeriod, asked_identity, asked_page, next_cursor
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import CERTAINTY, timestamp
from app.api.sites import NamedSite
from app.domains.vocabulary import Merge
from app.orchestration.archive import IdentitySummary, Page, RecordedCorrection

router = APIRouter(prefix="/api/v1/sites", tags=["people"], route_class=Route)

Tag = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Tags(BaseModel):
    """What operators say about a person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tags": ["staff"]}]})

    tags: Annotated[list[Tag], Field(max_length=20)]


class IdentityItem(BaseModel):
    """A person of the history; `reported` are all ids under which the person was reported."""

    id: int
    first_seen: str
    last_seen: str
    certainty: float | None
    reported: list[int]
    tags: list[str]


class IdentitiesAnswer(BaseModel):
    """People, who was seen last first."""

    identities: list[IdentityItem]
    next: Annotated[str | None, Field(description="The cursor of the next page; null where this is the last.")]


class CorrectionItem(BaseModel):
    """Who was whom, corrected: `source` was, or was for some time, `target`."""

    id: int
    at: str
    type: str
    source: int
    target: int
    since: str | None
    until: str | None
    reported: list[int]
    certainty: float
    taken_back_at: str | None


class CorrectionsAnswer(BaseModel):
    """Corrections, newest first."""

    corrections: list[CorrectionItem]
    next: Annotated[str | None, Field(description="The cursor of the next page; null where this is the last.")]


@router.get("/{site}/identities", summary="Who was there", dependencies=[permission("identities:read")])
async def identities(
    site: NamedSite,
    period: AskedPeriod,
    page: Annotated[Page, asked_page("identities")],
    tag: Annotated[str | None, Query(max_length=32, description="Only people with this tag.")] = None,
) -> IdentitiesAnswer:
    """Return the people of a period, who was seen last first."""
    found = await site.archive.identities(period, page, tag)
    after = next_cursor("identities", page, [(person.last_seen, person.identity) for person in found])
    return IdentitiesAnswer(identities=[identity_item(person) for person in found], next=after)


@router.get("/{site}/identities/{identity}", summary="One person", dependencies=[permission("identities:read")])
async def identity_by_id(site: NamedSite, identity: int) -> IdentityItem:
    """Return a person, asked by any id that was reported for them."""
    asked = asked_identity(identity)
    found = None if asked is None else await site.archive.identity(asked)
    if found is None:
        raise HTTPException(404, f"nobody with the id {identity} is known to the history")
    return identity_item(found)


@router.put("/{site}/identities/{identity}/tags", summary="Tag a person", dependencies=[permission("identities:write")])
async def tag_identity(site: NamedSite, identity: int, tags: Tags) -> IdentityItem:
    """Replace a person's tags. People tagged staff can be left out of figures with `without=staff`."""
    who = await known_identity(site, identity)
    tagged = await site.archive.tag(who, sorted(set(tags.tags)))
    if tagged is None:
        raise HTTPException(404, f"nobody with the id {identity} is known to the history")
    return identity_item(tagged)


@router.get("/{site}/corrections", summary="Who was corrected", dependencies=[permission("identities:read")])
async def corrections(
    site: NamedSite,
    page: Annotated[Page, asked_page("corrections")],
    standing: Annotated[bool, Query(description="Only those that were not taken back.")] = False,
) -> CorrectionsAnswer:
    """Return merges and splits, found by SpotOn or made by operators, newest first."""
    found = await site.archive.corrections(page, standing=standing)
    after = next_cursor("corrections", page, [(c.at, c.correction_id) for c in found])
    return CorrectionsAnswer(corrections=[correction_item(correction) for correction in found], next=after)


@router.delete(
    "/{site}/corrections/{correction}", summary="Take a correction back", dependencies=[permission("identities:write")]
)
async def take_back(site: NamedSite, correction: int) -> CorrectionItem:
    """Take a merge or split back: the history reads as if it had never been made."""
    known = asked_identity(correction)
    taken = None if known is None else await site.archive.take_back(int(known), site.runtime.clock.now())
    if taken is None:
        raise HTTPException(404, f"there is no correction {correction} that stands")
    return correction_item(taken)


def identity_item(person: IdentitySummary) -> IdentityItem:
    """Describe a person."""
    return IdentityItem(
        id=person.identity,
        first_seen=timestamp(person.first_seen),
        last_seen=timestamp(person.last_seen),
        certainty=None if person.certainty is None else round(person.certainty, CERTAINTY),
        reported=list(person.reported),
        tags=list(person.tags),
    )


def correction_item(recorded: RecordedCorrection) -> CorrectionItem:
    """Describe a correction."""
    correction = recorded.correction
    merge = isinstance(correction, Merge)
    return CorrectionItem(
        id=recorded.correction_id,
        at=timestamp(recorded.at),
        type="merge" if merge else "split",
        source=correction.gone if isinstance(correction, Merge) else correction.mixed,
        target=correction.kept if isinstance(correction, Merge) else correction.apart,
        since=None if isinstance(correction, Merge) else _bound(correction.since),
        until=None if isinstance(correction, Merge) else _bound(correction.until),
        reported=[] if isinstance(correction, Merge) else list(correction.reported),
        certainty=round(correction.certainty, CERTAINTY),
        taken_back_at=None if recorded.taken_back_at is None else timestamp(recorded.taken_back_at),
    )


def _bound(at: float) -> str | None:
    """Describe the begin or end of a split; None for one without."""
    return timestamp(at) if math.isfinite(at) else None
