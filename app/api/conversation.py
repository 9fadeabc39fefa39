"""What all WebSockets have in common: a seat for each viewer, and sending and listening side by side.

Knows nothing of what is said.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import WebSocket, WebSocketDisconnect

from app.errors import StoreError

LARGEST_INPUT = 16_384  # bytes of one message
LONGEST_REASON = 120  # a close frame holds 123 bytes
NOT_UNDERSTOOD, NO_HISTORY, TRY_LATER, UNKNOWN = 1007, 1011, 1013, 4404  # RFC 6455, its registry, and our own

Step = Callable[[], Awaitable[None]]


class NotUnderstood(Exception):
    """A viewer said something that the server does not take; the message says what it takes."""


class Seats:
    """How many viewers there may be at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    @asynccontextmanager
    async def seat(self, websocket: WebSocket, site: str) -> AsyncIterator[bool]:
        """Accept a viewer and give whether there is a seat, which is theirs while the context lasts.

        Closes at once, with the reason, where the site is unknown or all seats are taken.
        """
        await websocket.accept()
        if site != websocket.app.state.site.name:
            await websocket.close(UNKNOWN, "no such site")
            yield False
            return
        if self.taken >= self.limit:
            await websocket.close(TRY_LATER, f"all {self.limit} viewers' places are taken; try again later")
            yield False
            return
        self.taken += 1
        try:
            yield True
        finally:
            self.taken -= 1


async def converse(
    websocket: WebSocket, answer: Callable[[str], Awaitable[None]], *sending: Step, first: str | None = None
) -> None:
    """Send and listen side by side until the viewer leaves or says what cannot be understood.

    Args:
        websocket: that was accepted.
        answer: called with what the viewer says; raises NotUnderstood.
        sending: each is called again and again.
        first: taken as if the viewer had said it at once.
    """
    try:
        if first is not None:
            await answer(first)
        async with asyncio.TaskGroup() as tasks:
            for step in sending:
                tasks.create_task(_forever(step))
            tasks.create_task(_listen(websocket, answer))
    except* WebSocketDisconnect:
        pass
    except* NotUnderstood as group:
        await websocket.close(NOT_UNDERSTOOD, str(group.exceptions[0])[:LONGEST_REASON])
    except* StoreError:
        await websocket.close(NO_HISTORY, "the history cannot be read now; try again")


async def _forever(step: Step) -> None:
    while True:
        await step()


async def _listen(websocket: WebSocket, answer: Callable[[str], Awaitable[None]]) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise NotUnderstood("expected text, got a binary message")
        await answer(text)
