"""Whether the program answers, and whether it tracks."""

from fastapi import APIRouter, Request, Response

from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import Health
from app.api.site import LiveSite

router = APIRouter(tags=["health"], route_class=Route)
READ = [permission("health:read")]


@router.get("/healthz", summary="Does the program answer?", dependencies=READ)
async def healthz() -> Health:
    """Answer."""
    return Health(status="ok")


@router.get("/readyz", summary="Does it track?", dependencies=READ)
async def readyz(request: Request, response: Response) -> Health:
    """Say whether the frame path runs; 503 when it does not."""
    live: LiveSite = request.app.state.site
    if live.runtime.tracking():
        return Health(status="ok")
    response.status_code = 503
    return Health(status="not ready", reason=live.runtime.status().fault or "the frame path does not run")
