"""WebSockets: the floor as JSON text, camera frames as binary messages. What viewers say is checked like any input."""

import json

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError

from app.api.conversation import NotUnderstood, Seats, converse
from app.api.floor_hub import FloorHub
from app.api.frame_hub import FrameHub, FrameViewer
from app.api.permissions import permission
from app.api.schemas import Ping, Watch
from app.api.site import LiveSite
from app.domains.vocabulary import CameraId

router = APIRouter(prefix="/api/v1/sites")


@router.websocket("/{site}/floor", dependencies=[permission("floor:watch")])
async def floor(websocket: WebSocket, site: str) -> None:
    """Send the floor; answer pings."""
    hub: FloorHub = websocket.app.state.floor_hub
    live: LiveSite = websocket.app.state.site
    seats: Seats = websocket.app.state.seats
    async with seats.seat(websocket, site) as seated:
        if not seated:
            return
        viewer = hub.join()

        async def send() -> None:
            await websocket.send_text(await viewer.take())

        async def answer(text: str) -> None:
            try:
                ping = Ping.model_validate_json(text)
            except ValidationError as error:
                raise NotUnderstood('expected {"type":"ping","t":number}') from error
            viewer.offer(json.dumps({"type": "pong", "t": ping.t, "now": live.runtime.clock.now()}))

        try:
            await converse(websocket, answer, send)
        finally:
            hub.leave(viewer)


@router.websocket("/{site}/frames", dependencies=[permission("frames:watch")])
async def frames(websocket: WebSocket, site: str, cameras: str = "", width: str = "640") -> None:
    """Send the newest frames of the cameras that are watched."""
    hub: FrameHub = websocket.app.state.frame_hub
    seats: Seats = websocket.app.state.seats
    async with seats.seat(websocket, site) as seated:
        if not seated:
            return
        viewer = FrameViewer()

        async def send() -> None:
            await websocket.send_bytes(await viewer.take())

        async def answer(text: str) -> None:
            try:
                watch = Watch.model_validate_json(text)
            except ValidationError as error:
                raise NotUnderstood('expected {"type":"watch","cameras":["..."],"width":640}') from error
            _watch(hub, viewer, watch)

        try:
            first = {"type": "watch", "cameras": [name for name in cameras.split(",") if name], "width": width}
            await converse(websocket, answer, send, first=json.dumps(first))
        finally:
            hub.leave(viewer)


def _watch(hub: FrameHub, viewer: FrameViewer, watch: Watch) -> None:
    unknown = sorted(set(watch.cameras) - hub.cameras)
    if unknown:
        raise NotUnderstood(f"no camera {unknown[0][:64]!r} at this site")
    hub.watch(viewer, [CameraId(name) for name in watch.cameras], watch.width)
