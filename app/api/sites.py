"""REST: what a site looks like, where a person was, how many there were."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse

from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import (
    JourneyAnswer,
    SiteDescription,
    SiteName,
    SiteNames,
    journey_answer,
    site_description,
)
from app.api.site import LiveSite
from app.domains.vocabulary import GlobalId

DAY_S = 86400.0
LARGEST_ID = 2**31 - 1

router = APIRouter(prefix="/api/v1/sites", tags=["sites"], route_class=Route)
READ = [permission("site:read")]


def named_site(site: str, request: Request) -> LiveSite:
    """Return the site of the address.

    Raises:
        HTTPException: 404, no such site.
    """
    live: LiveSite = request.app.state.site
    if site != live.name:
        raise HTTPException(404, "no such site; GET /api/v1/sites names them")
    return live


NamedSite = Annotated[LiveSite, Depends(named_site)]


@router.get("", summary="All sites", dependencies=READ)
async def list_sites(request: Request) -> SiteNames:
    """Name the sites that are served."""
    live: LiveSite = request.app.state.site
    return SiteNames(sites=[SiteName(site=live.name, demo=live.demo)])


@router.get("/{site}", summary="What stands still about a site", dependencies=READ)
async def describe_site(site: NamedSite) -> SiteDescription:
    """Describe floor and cameras."""
    return site_description(site)


@router.get("/{site}/plan", summary="The drawing of the floor", response_class=FileResponse, dependencies=READ)
async def plan(site: NamedSite) -> FileResponse:
    """Send the drawing of the floor."""
    if site.plan is None:
        raise HTTPException(404, "this site has no drawing of its floor")
    return FileResponse(site.plan.path, media_type=site.plan.media_type)


@router.get(
    "/{site}/identities/{identity}/journey",
    summary="Where a person was",
    dependencies=[permission("identities:read")],
)
async def journey(
    site: NamedSite,
    identity: int,
    seconds: Annotated[float, Query(gt=0.0, le=DAY_S, description="how far to look back")] = 900.0,
) -> JourneyAnswer:
    """Tell where a person was and which cameras saw them, corrections followed."""
    found = None
    if 0 < identity <= LARGEST_ID:
        found = await site.store.journey(GlobalId(identity), site.runtime.clock.now() - seconds)
    if found is None:
        raise HTTPException(404, f"nobody with the id {identity} has been on the floor since the server started")
    return journey_answer(found)
