"""REST: who looks as words say, of the people that the live floor remembers. Knows no network."""

import asyncio
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict

from app.api.asked import PRINTED
from app.api.people import PERSON, STEP_S, IdentityItem, identity_item
from app.api.permissions import permission
from app.api.route import Route
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.vocabulary import GlobalId, VectorArray
from app.errors import ModelError
from app.orchestration.ports import TextEncoder

router = APIRouter(prefix="/api/v1/sites", tags=["people"], route_class=Route)

PEOPLE, MOST_PEOPLE = 10, 100
LIKENESS = 4  # digits
WORDLESS = "the embedder in use knows no words; one of CLIP does: embedder: {model: clip-vit-b-32} in the site file"


class LookalikeItem(IdentityItem):
    """A person, and the cosine of their mean look and the words."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**PERSON, "likeness": 0.2871}]})

    likeness: float


class LooksAnswer(BaseModel):
    """People, who looks most like the words first.

    Only the order means something: cosines of pictures and words are small, and someone always comes first.
    """

    looks: str
    people: list[LookalikeItem]


@router.get("/{site}/looks", summary="Who looks like this?", dependencies=[permission("identities:read")])
async def looks(
    site: NamedSite,
    looks: Annotated[
        str, Query(min_length=1, max_length=200, pattern=PRINTED, description="In words.", examples=["a red jacket"])
    ],
    limit: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="People at most.")] = PEOPLE,
) -> LooksAnswer:
    """Return who of the people seen in the last hour looks most like the words."""
    if site.text_encoder is None:
        raise HTTPException(409, WORDLESS)
    vector = await asyncio.to_thread(_vector, site.text_encoder, looks)
    found: dict[GlobalId, LookalikeItem] = {}
    for reported, likeness in await _resembling(site, vector, limit):
        person = await site.archive.identity(reported)
        if person is not None and person.identity not in found:  # the history may know two of them for one
            item = identity_item(person).model_dump()
            found[person.identity] = LookalikeItem(**item, likeness=round(likeness, LIKENESS))
    return LooksAnswer(looks=looks, people=list(found.values()))


def _vector(encoder: TextEncoder, words: str) -> VectorArray:
    try:
        (vector,) = encoder.describe([words]).vectors
    except ModelError as error:
        raise HTTPException(409, f"the embedder in use cannot read words: {error.problem}") from error
    return np.asarray(vector, np.float32)


async def _resembling(site: LiveSite, vector: VectorArray, most: int) -> list[tuple[GlobalId, float]]:
    answer = site.runtime.resembling(vector, most)
    asked = asyncio.wrap_future(answer)
    await asyncio.wait({asked}, timeout=STEP_S)
    if answer.cancel():
        raise HTTPException(503, "the frame path does not answer now; try again")
    return await asked
