"""REST: the people of the history, their ways, their tags, and operators' corrections of who was whom."""

import asyncio
import math
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.analytics import known_identity
from app.api.asked import LARGEST_ID, PRINTED, AskedPeriod, When, asked_identity, asked_page, instant, next_cursor
from app.api.errors import WrongField
from app.api.floor_hub import FloorHub
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import CERTAINTY, timestamp
from app.api.site import LiveSite
from app.api.sites import NamedSite, SiteHub
from app.domains.vocabulary import NO_ID, Correction, GlobalId, Merge, Split
from app.orchestration.archive import IdentitySummary, Page, RecordedCorrection

router = APIRouter(prefix="/api/v1/sites", tags=["people"], route_class=Route)

STEP_S = 2.0  # for the frame path to take a correction up; it makes several steps a second, or none
FOLLOWED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The live floor follows; the history has it some seconds later."}
}
Tag = Annotated[str, Field(min_length=1, max_length=32, pattern=PRINTED)]


PERSON: dict[str, Any] = {
    "id": 7,
    "first_seen": "2026-11-21T09:58:12.000Z",
    "last_seen": "2026-11-21T10:21:40.400Z",
    "certainty": 0.98,
    "reported": [7, 9],
    "tags": ["staff"],
}


class Tags(BaseModel):
    """What operators say about a person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tags": ["staff"]}]})

    tags: Annotated[list[Tag], Field(max_length=20)]


class IdentityItem(BaseModel):
    """A person of the history; `reported` are all ids under which the person was reported."""

    model_config = ConfigDict(json_schema_extra={"examples": [PERSON]})

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


class MergeOrder(BaseModel):
    """Who it has been all along."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"into": 7}]})

    into: int


class SplitOrder(BaseModel):
    """What was somebody else: a time, what was reported under some ids, or both.

    `into` is who it was; a new person without it. Without `until` it goes on.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-21T10:00:00Z"}]})

    since: When | None = None
    until: When | None = None
    reported: Annotated[list[Annotated[int, Field(ge=1, le=LARGEST_ID)]], Field(max_length=100)] = []
    into: int | None = None


class CorrectionItem(BaseModel):
    """Who was whom, corrected: `source` was, or was for some time, `target`.

    `id` is null for a correction that the live floor follows and that the history has some seconds later.
    """

    id: int | None
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
    tag: Annotated[str | None, Query(max_length=32, pattern=PRINTED, description="Only people with this tag.")] = None,
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


@router.post(
    "/{site}/identities/{identity}/merge",
    summary="Two people were one",
    status_code=201,
    responses=FOLLOWED,
    dependencies=[permission("identities:write")],
)
async def merge(site: NamedSite, hub: SiteHub, identity: int, order: MergeOrder, response: Response) -> CorrectionItem:
    """Let everything that counts as one person count as another: who was `identity` has been `into` all along."""
    gone, kept = await known_identity(site, identity), await _other(site, order.into)
    if gone == kept:
        raise WrongField("into", f"is the same person as {identity} already")
    return await _correct(site, hub, Merge(gone, kept), response)


@router.post(
    "/{site}/identities/{identity}/split",
    summary="One person was two",
    status_code=201,
    responses=FOLLOWED,
    dependencies=[permission("identities:write")],
)
async def split(site: NamedSite, hub: SiteHub, identity: int, order: SplitOrder, response: Response) -> CorrectionItem:
    """Let what counted as one person for some time, or was reported under some ids, count as another.

    Without `until`, whoever is there now under that id goes on as the other one.
    """
    mixed = await known_identity(site, identity)
    since = -math.inf if order.since is None else instant("since", order.since)
    until = math.inf if order.until is None else instant("until", order.until)
    if since >= until:
        raise WrongField("since", "is not before until")
    if order.since is None and order.until is None and not order.reported:
        raise WrongField("since", "say since when, until when, or which reported ids have been somebody else")
    apart = GlobalId(NO_ID) if order.into is None else await _other(site, order.into)
    if apart == mixed:
        raise WrongField("into", f"is the same person as {identity} already")
    reported = tuple(GlobalId(one) for one in sorted(set(order.reported)))
    return await _correct(site, hub, Split(mixed, apart, since, until, reported), response)


@router.delete(
    "/{site}/corrections/{correction}", summary="Take a correction back", dependencies=[permission("identities:write")]
)
async def take_back(site: NamedSite, hub: SiteHub, correction: int) -> CorrectionItem:
    """Take a merge or split back: history and live floor go on as if it had never been made.

    What was reported by it since is corrected by a split or merge of its own, which the history has some seconds later.
    SpotOn makes no such correction again by itself. Where people have been corrected otherwise since, that stands.
    """
    known = asked_identity(correction)
    taken = None if known is None else await site.archive.take_back(int(known), site.runtime.clock.now())
    if taken is None:
        raise HTTPException(404, f"there is no correction {correction} that stands")
    item = correction_item(taken)
    hub.tell(correction_message(item))
    followed = asyncio.wrap_future(site.runtime.take_back(taken.correction))
    done, _ = await asyncio.wait({followed}, timeout=STEP_S)
    for answer in done:
        answer.result()  # which raises what went wrong
    return item


async def _other(site: LiveSite, identity: int) -> GlobalId:
    """Return who the other person is by now.

    Raises:
        WrongField: nobody by that id.
    """
    asked = asked_identity(identity)
    found = None if asked is None else await site.archive.identity(asked)
    if found is None:
        raise WrongField("into", f"nobody with the id {identity} is known to the history")
    return found.identity


async def _correct(site: LiveSite, hub: FloorHub, ordered: Correction, response: Response) -> CorrectionItem:
    """Have the frame path follow a correction, which then brings it to the history; else enter it there.

    Raises:
        HTTPException: 409, it cannot be, or would change nothing.
    """
    answer = site.runtime.correct(ordered)
    taken_up = asyncio.wrap_future(answer)
    await asyncio.wait({taken_up}, timeout=STEP_S)
    followed = None
    if not answer.cancel():  # a cancelled one never will be taken up
        try:
            followed = await taken_up
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
    at = site.runtime.clock.now()
    if followed is not None:
        response.status_code = 202
        return correction_item(RecordedCorrection(0, at, followed, None)).model_copy(update={"id": None})
    recorded = await site.archive.correct(ordered, at)
    if recorded is None:
        raise HTTPException(409, "that would change nothing")
    item = correction_item(recorded)
    hub.tell(correction_message(item))
    return item


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


def correction_message(item: CorrectionItem) -> dict[str, Any]:
    """Return what all who watch the floor are told when the history has been corrected, or a correction taken back."""
    return {"type": "correction", "correction": item.model_dump()}


def _bound(at: float) -> str | None:
    """Describe the begin or end of a split; None for one without."""
    return timestamp(at) if math.isfinite(at) else None
