"""REST: what stands still about a site."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse

from app.api.floor_hub import FloorHub
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import (
    SiteDescription,
    SiteName,
    SiteNames,
    site_description,
)
from app.api.site import LiveSite
from app.errors import StoreError

router = APIRouter(prefix="/api/v1/sites", tags=["sites"], route_class=Route)
READ = [permission("site:read")]
BEGIN_S = 1.0  # that the page waits for the history, at most, before it shows what is live


async def named_site(site: str, request: Request) -> LiveSite:
    """Return the site of the address.

    Raises:
        HTTPException: 404, no such site.
    """
    live: LiveSite = request.app.state.site
    if site != live.name:
        raise HTTPException(404, "no such site; GET /api/v1/sites names them")
    return live


async def site_hub(request: Request) -> FloorHub:
    """Return what sends the floor to its viewers."""
    hub: FloorHub = request.app.state.floor_hub
    return hub


NamedSite = Annotated[LiveSite, Depends(named_site)]
SiteHub = Annotated[FloorHub, Depends(site_hub)]


@router.get("", summary="All sites", dependencies=READ)
async def list_sites(request: Request) -> SiteNames:
    """Name the sites that are served."""
    live: LiveSite = request.app.state.site
    return SiteNames(sites=[SiteName(site=live.name, demo=live.demo)])


@router.get("/{site}", summary="What stands still about a site", dependencies=READ)
async def describe_site(site: NamedSite) -> SiteDescription:
    """Describe floor and cameras, and since when there is a history."""
    try:
        async with asyncio.timeout(BEGIN_S):
            begin = await site.archive.begin()
    except (StoreError, TimeoutError):  # what is live is there without a history, too
        begin = None
    return site_description(site, begin)


@router.get("/{site}/plan", summary="The drawing of the floor", response_class=FileResponse, dependencies=READ)
async def plan(site: NamedSite) -> FileResponse:
    """Send the drawing of the floor."""
    if site.plan is None:
        raise HTTPException(404, "this site has no drawing of its floor")
    return FileResponse(site.plan.path, media_type=site.plan.media_type)
