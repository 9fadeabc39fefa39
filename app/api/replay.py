"""The floor as it was: one instant over REST, a period played again over a WebSocket, in the live floor's own messages.

Messages of the past carry "replay": true. Which cameras saw somebody, the history of the dots does not keep.
"""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, WebSocket
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.api.asked import When, instant, period_of
from app.api.conversation import LONGEST_REASON, NOT_UNDERSTOOD, NotUnderstood, Seats, converse
from app.api.errors import WrongField
from app.api.floor_hub import FloorViewer
from app.api.permissions import permission
from app.api.route import Route
from app.api.schemas import SECONDS, Ping, floor_json
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.figures import Period
from app.domains.vocabulary import TrackingUpdate
from app.orchestration.replay import FASTEST, SLOWEST, Playback, Replay, floor_at

EXPECTED = 'expected {"type":"seek","at":time}, {"type":"speed","x":2}, or of type pause, resume or ping'

router = APIRouter(prefix="/api/v1/sites", tags=["replay"], route_class=Route)


class Said(BaseModel):
    """What all that a viewer of a replay says has in common."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Seek(Said):
    """Go there: a timestamp, or seconds since epoch."""

    type: Literal["seek"]
    at: When


class Speed(Said):
    """So many seconds of the record a second."""

    type: Literal["speed"]
    x: Annotated[float, Field(ge=SLOWEST, le=FASTEST)]


class Pause(Said):
    """Stand still, or go on."""

    type: Literal["pause", "resume"]


COMMANDS: TypeAdapter[Seek | Speed | Pause | Ping] = TypeAdapter(
    Annotated[Seek | Speed | Pause | Ping, Field(discriminator="type")]
)


class FloorAnswer(BaseModel):
    """The floor at an instant, as the live floor's messages have it; empty where nobody was there or nobody watched."""

    type: Literal["floor"]
    replay: Literal[True]
    seq: int
    captured_at: float
    published_at: float
    people: list[dict[str, Any]]
    corrections: list[dict[str, Any]]


@router.get("/{site}/replay", summary="The floor at an instant", dependencies=[permission("replay:watch")])
async def floor_then(
    site: NamedSite, at: Annotated[str, Query(max_length=40, examples=["2026-11-21T10:00:00Z"])]
) -> FloorAnswer:
    """Return everybody on the floor at an instant of the past, corrections followed; `published_at` is that instant."""
    then = instant("at", at)
    return FloorAnswer.model_validate(_message(await floor_at(site.archive, then), 0, then))


@router.websocket("/{site}/replay", dependencies=[permission("replay:watch")])
async def replay(websocket: WebSocket, site: str, since: str = "", until: str | None = None, speed: str = "1") -> None:
    """Play a period again: the live floor's messages, and a message of type replay whenever the pace changes."""
    seats: Seats = websocket.app.state.replays
    live: LiveSite = websocket.app.state.site
    async with seats.seat(websocket, site) as seated:
        if not seated:
            return
        viewer, seq = FloorViewer(), 0

        def give(update: TrackingUpdate) -> None:
            nonlocal seq
            seq += 1
            viewer.offer(json.dumps(_message(update, seq, live.runtime.clock.now()), separators=(",", ":")))

        def changed(playback: Playback) -> None:
            viewer.offer(json.dumps(_state(playback, period)))

        async def send() -> None:
            await websocket.send_text(await viewer.take())

        async def answer(text: str) -> None:
            _obey(text, player, viewer, live.runtime.clock.now())

        try:
            period = period_of(since, until, live.runtime.clock.now())
            pace = Speed.model_validate({"type": "speed", "x": speed}).x
        except (WrongField, ValidationError) as error:
            wrong = str(error) if isinstance(error, WrongField) else f"speed: expected {SLOWEST:g} to {FASTEST:g}"
            await websocket.close(NOT_UNDERSTOOD, wrong[:LONGEST_REASON])
            return
        player = Replay(live.archive, period, pace, give, changed)
        await converse(websocket, answer, send, player.run)


def _obey(text: str, player: Replay, viewer: FloorViewer, now: float) -> None:
    """Do what a viewer says.

    Raises:
        NotUnderstood: it is none of the things that one may say.
    """
    try:
        said = COMMANDS.validate_json(text)
        if isinstance(said, Seek):
            player.seek(instant("at", said.at))
    except (ValidationError, WrongField) as error:
        raise NotUnderstood(EXPECTED) from error
    if isinstance(said, Speed):
        player.pace(said.x)
    elif isinstance(said, Pause):
        player.pause(paused=said.type == "pause")
    elif isinstance(said, Ping):
        viewer.offer(json.dumps({"type": "pong", "t": said.t, "now": now}))


def _message(update: TrackingUpdate, seq: int, now: float) -> dict[str, Any]:
    return {**floor_json(update, seq, now), "replay": True}


def _state(playback: Playback, period: Period) -> dict[str, Any]:
    return {
        "type": "replay",
        "at": round(playback.at, SECONDS),
        "since": round(period.since, SECONDS),
        "until": round(period.until, SECONDS),
        "speed": playback.speed,
        "paused": playback.paused,
        "ended": playback.ended,
    }
