"""The FastAPI application of one live site: routes, page, guards, and the tasks that send. Opens no socket itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api import (
    analytics,
    behaviour,
    dashboard,
    exports,
    health,
    journeys,
    live,
    looks,
    people,
    places,
    rebuilds,
    replay,
    rhythm,
    sites,
    tracks,
)
from app.api.conversation import Seats
from app.api.dashboard import DashboardCache
from app.api.errors import add_problem_answers
from app.api.floor_hub import FloorHub
from app.api.frame_hub import FrameHub
from app.api.security import THIS_MACHINE, Guard
from app.api.site import LiveSite
from app.orchestration.tables import Format

RETRY_S = 1.0
LARGEST_BODY = 65_536  # bytes of a request; a polygon with all the corners that it may have takes 10,000
REPLAYS = 16  # at once: each asks the history up to ten times a second, and pages ask it, too
PACKED_FROM, PACKING = 1_000, 5  # bytes of an answer from which on it is packed, and how hard
PARTS = (
    health,
    sites,
    places,
    dashboard,
    analytics,
    behaviour,
    rhythm,
    people,
    looks,
    journeys,
    tracks,
    replay,
    exports,
    rebuilds,
    live,
)
PAGE = Path(__file__).resolve().parent.parent / "web"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may speak to the server.

    Attributes:
        hosts: names under which it may be asked, lower case.
        any_address: whether under any IP address, too.
        viewers: WebSockets at once.
    """

    hosts: Iterable[str] = THIS_MACHINE
    any_address: bool = False
    viewers: int = 128


async def _keep_running(run: Callable[[], Awaitable[None]], what: str) -> None:
    """Run a task; a fault in one message must not end the map for everybody, nor one export all others."""
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001 - supervised: logged with its traceback, and begun again
            structlog.get_logger("api").exception("a task failed, and is begun again", task=what)
            await asyncio.sleep(RETRY_S)


class PageFiles(StaticFiles):
    """The page's files, always asked for anew so that a new version is never mixed with an old one."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def build_api(site: LiveSite, access: Access | None = None) -> FastAPI:
    """Build the application; the runtime must not track yet, for its updates to reach every viewer.

    Args:
        site: what is served.
        access: who may speak to it; None for this machine alone.
    """
    access = access or Access()
    floor_hub = FloorHub(site)
    frame_hub = FrameHub([camera.camera_id for camera in site.cameras], site.encoder)
    site.runtime.listen(floor_hub.publish)
    site.runtime.listen(frame_hub.publish)
    supervised = (
        (floor_hub.run, "sending the floor"),
        (site.exports.run, "writing exports"),
        (site.rebuilds.run, "making figures anew"),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        frame_hub.open()
        await site.exports.load()
        await site.rebuilds.load()
        tasks = [asyncio.create_task(_keep_running(task, name)) for task, name in supervised]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            frame_hub.close()

    app = FastAPI(
        title="SpotOn",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        max_body_size=LARGEST_BODY,
    )
    app.state.site, app.state.seats = site, Seats(access.viewers)
    app.state.replays = Seats(min(REPLAYS, access.viewers))
    app.state.drawing = asyncio.Lock()  # versions of places follow one another
    app.state.dashboards = DashboardCache()
    app.state.floor_hub, app.state.frame_hub = floor_hub, frame_hub
    as_they_are = (*DEFAULT_EXCLUDED_CONTENT_TYPES, exports.MEDIA_TYPES[Format.PARQUET])  # they are packed already
    app.add_middleware(
        GZipMiddleware, minimum_size=PACKED_FROM, compresslevel=PACKING, exclude_content_types=as_they_are
    )
    app.add_middleware(Guard, hosts=access.hosts, any_address=access.any_address)
    add_problem_answers(app)
    for part in PARTS:
        app.include_router(part.router)
    app.mount("/", PageFiles(directory=PAGE, html=True, check_dir=False), name="page")
    return app
