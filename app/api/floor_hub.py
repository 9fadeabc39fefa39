"""Sends the floor to all who watch it: each message is written once and its text shared by every viewer.

Takes updates from the inference thread without ever making it wait. Knows no socket.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.api.schemas import floor_json, state_json, truth_json
from app.api.site import LiveSite
from app.domains.analytics.prediction import Predictor
from app.domains.vocabulary import FrameBatch, IntArray, TrackingUpdate
from app.errors import StoreError

BACKLOG = 64  # updates that wait for the event loop, at most
QUEUE = 32  # messages that wait for one viewer: over a second; what is older is left out
STATE_EVERY_S = 1.0
SCORE_EVERY_S = 2.0


class FloorViewer:
    """What is to be sent to one viewer; the oldest is left out when the viewer is slow."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=QUEUE)
        self._there = asyncio.Event()

    def offer(self, text: str) -> None:
        """Add a message."""
        self._texts.append(text)
        self._there.set()

    async def take(self) -> str:
        """Wait for the next message."""
        while not self._texts:
            self._there.clear()
            await self._there.wait()
        return self._texts.popleft()


class FloorHub:
    """The viewers of one site's floor.

    Args:
        site: what is watched.
    """

    def __init__(self, site: LiveSite) -> None:
        self._site = site
        self._viewers: set[FloorViewer] = set()
        self._updates: deque[tuple[TrackingUpdate, float]] = deque(maxlen=BACKLOG)  # with the time they were made at
        self._there = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seq = 0
        self._last: dict[str, str] = {}  # the last message of each kind, for who comes later
        self.here: IntArray = np.empty(0, np.int64)  # the people of the newest update
        self.predictor = Predictor()

    def publish(self, _batch: FrameBatch, update: TrackingUpdate) -> None:
        """Take an update; called by the inference thread."""
        self._updates.append((update, self._site.runtime.clock.now()))
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._there.set)

    def join(self) -> FloorViewer:
        """Add a viewer, who is told at once how things stand."""
        viewer = FloorViewer()
        for text in self._last.values():
            viewer.offer(text)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: FloorViewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send something to all who watch now; whoever comes later reads it in the history. Event loop only."""
        text = _text(message)
        for viewer in self._viewers:
            viewer.offer(text)

    async def run(self) -> None:
        """Send what comes until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_floor())
            tasks.create_task(self._send_state())
            if self._site.scorer is not None:
                tasks.create_task(self._send_scores())

    async def _send_floor(self) -> None:
        while True:
            await self._there.wait()
            self._there.clear()
            while self._updates:
                self._send_update(*self._updates.popleft())
                await asyncio.sleep(0)

    def _send_update(self, update: TrackingUpdate, made_at: float) -> None:
        runtime, truth = self._site.runtime, self._site.truth
        self._seq += 1
        self.here = update.floor.global_id
        now = runtime.clock.now()
        runtime.stages.add("deliver", now - made_at)
        runtime.latency.add("publish", now - update.captured_at)
        self._send(floor_json(update, self._seq, now))
        self.predictor.see(update.captured_at, update.floor)
        if truth is not None:
            self._send(truth_json(update.captured_at, *truth.people_at(update.captured_at)))
        if self._site.scorer is not None:
            self._site.scorer.add(update)

    async def _send_state(self) -> None:
        while True:
            now = self._site.runtime.clock.now()
            try:
                counts = await self._site.store.counts(now)
            except StoreError:
                counts = None
            status = self._site.runtime.status()
            latency = self._site.runtime.latency.quantiles("publish", (0.5, 0.95))
            self._send(state_json(status, latency, counts, len(self.here), self._site.store))
            await asyncio.sleep(STATE_EVERY_S)

    async def _send_scores(self) -> None:
        while self._site.scorer is not None:
            await asyncio.sleep(SCORE_EVERY_S)
            scores = await asyncio.to_thread(self._site.scorer.scores)
            self._send({"type": "score", "at": self._site.runtime.clock.now(), **scores})

    def _send(self, message: Mapping[str, Any]) -> None:
        text = self._last[message["type"]] = _text(message)
        for viewer in self._viewers:
            viewer.offer(text)


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
