"""Whether the program answers, and whether it tracks."""

from fastapi import APIRouter, Request, Response

from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import SECONDS, Health, Readiness
from app.api.site import LiveSite

router = APIRouter(tags=["health"], route_class=Route)
READ = [permission("health:read")]


@router.get("/healthz", summary="Does the program answer?", dependencies=READ)
async def healthz() -> Health:
    """Answer."""
    return Health(status="ok")


@router.get("/readyz", summary="Does it track?", dependencies=READ)
async def readyz(request: Request, response: Response) -> Readiness:
    """Say whether the frame path runs; 503 when it does not."""
    live: LiveSite = request.app.state.site
    status = live.runtime.status()
    faults, lag_s = dict(status.device_faults), round(live.store.lag_s(), SECONDS)
    if live.runtime.tracking():
        return Readiness(status="ok", device_faults=faults, history_lag_s=lag_s)
    response.status_code = 503
    reason = status.fault or "the frame path does not run"
    return Readiness(status="not ready", reason=reason, device_faults=faults, history_lag_s=lag_s)
