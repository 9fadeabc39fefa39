"""WebSockets: the floor as JSON text, camera frames as binary messages. What viewers say is checked like any input."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from app.api.floor_hub import FloorHub
from app.api.frame_hub import FrameHub, FrameViewer
from app.api.permissions import permission
from app.api.schemas import Ping, Watch
from app.api.site import LiveSite
from app.domains.vocabulary import CameraId

LARGEST_INPUT = 16_384  # bytes of one message
LONGEST_REASON = 120  # a close frame holds 123 bytes
NOT_UNDERSTOOD, TRY_LATER, UNKNOWN = 1007, 1013, 4404  # close codes: RFC 6455, its registry, and our own

router = APIRouter(prefix="/api/v1/sites")


class Seats:
    """How many viewers there may be at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0


class NotUnderstood(Exception):
    """A viewer said something that the server does not take; the message says what it takes."""


@router.websocket("/{site}/floor", dependencies=[permission("floor:watch")])
async def floor(websocket: WebSocket, site: str) -> None:
    """Send the floor; answer pings."""
    hub: FloorHub = websocket.app.state.floor_hub
    live: LiveSite = websocket.app.state.site
    if not await _admit(websocket, site):
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
        await _converse(websocket, send, answer)
    finally:
        hub.leave(viewer)
        websocket.app.state.seats.taken -= 1


@router.websocket("/{site}/frames", dependencies=[permission("frames:watch")])
async def frames(websocket: WebSocket, site: str, cameras: str = "", width: str = "640") -> None:
    """Send the newest frames of the cameras that are watched."""
    hub: FrameHub = websocket.app.state.frame_hub
    if not await _admit(websocket, site):
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
        await _converse(websocket, send, answer, first=json.dumps(first))
    finally:
        hub.leave(viewer)
        websocket.app.state.seats.taken -= 1


def _watch(hub: FrameHub, viewer: FrameViewer, watch: Watch) -> None:
    unknown = sorted(set(watch.cameras) - hub.cameras)
    if unknown:
        raise NotUnderstood(f"no camera {unknown[0][:64]!r} at this site")
    hub.watch(viewer, [CameraId(name) for name in watch.cameras], watch.width)


async def _admit(websocket: WebSocket, site: str) -> bool:
    """Accept a viewer; close at once, with the reason, where the site is unknown or all seats are taken."""
    seats: Seats = websocket.app.state.seats
    await websocket.accept()
    if site != websocket.app.state.site.name:
        await websocket.close(UNKNOWN, "no such site")
        return False
    if seats.taken >= seats.limit:
        await websocket.close(TRY_LATER, f"all {seats.limit} viewers' places are taken; try again later")
        return False
    seats.taken += 1
    return True


async def _converse(
    websocket: WebSocket,
    send: Callable[[], Awaitable[None]],
    answer: Callable[[str], Awaitable[None]],
    first: str | None = None,
) -> None:
    """Send and listen side by side until the viewer leaves or says what cannot be understood."""
    try:
        if first is not None:
            await answer(first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_forever(send))
            tasks.create_task(_listen(websocket, answer))
    except* WebSocketDisconnect:
        pass
    except* NotUnderstood as group:
        reason = str(group.exceptions[0])
        await websocket.close(NOT_UNDERSTOOD, reason[:LONGEST_REASON])


async def _forever(send: Callable[[], Awaitable[None]]) -> None:
    while True:
        await send()


async def _listen(websocket: WebSocket, answer: Callable[[str], Awaitable[None]]) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise NotUnderstood("expected text, got a binary message")
        await answer(text)
