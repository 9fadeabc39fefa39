"""A server of 127.0.0.1 that speaks the page's interface with a scene that follows from the time alone.

It serves app/web with the product's own guard and frame encoder, so that the page meets the real content policy and the
real bytes. What it knows can be changed while it runs: cameras fail, messages stop, ids merge, connections drop.
"""

import asyncio
import contextlib
import itertools
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import uvicorn
from fake_extras import FakeJobs, extra_routes
from fake_history import FakeHistory, history_routes, stamp
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from starlette.staticfiles import StaticFiles

from app.api.frame_message import FrameMessage, encode
from app.api.security import Guard
from app.domains.vocabulary import CameraId

WEB = Path(__file__).resolve().parents[2] / "app" / "web"
BOUNDS = (0.0, 0.0, 24.0, 15.0)
SIZE = (640, 360)
EYE_M, PERSON_M = 2.8, 1.75


@dataclass
class Eye:
    """A camera on the edge of the floor that looks at its middle."""

    camera_id: str
    position: tuple[float, float]
    focal: float = 420.0

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = BOUNDS
        target = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.6])
        self._origin = np.array([*self.position, EYE_M])
        forward = (target - self._origin) / np.linalg.norm(target - self._origin)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(forward, right), forward])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project (N, 3) metres to (N, 3): u, v in pixels and depth in metres."""
        local = (points - self._origin) @ self._axes.T
        depth = np.maximum(local[:, 2], 1e-6)
        u = SIZE[0] / 2 + self.focal * local[:, 0] / depth
        v = SIZE[1] / 2 + self.focal * local[:, 1] / depth
        return np.stack([u, v, local[:, 2]], axis=1)

    def boxes(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which people are in view, and the (N, 4) boxes of those."""
        feet = self.project(np.c_[xy, np.zeros(len(xy))])
        heads = self.project(np.c_[xy, np.full(len(xy), PERSON_M)])
        height = feet[:, 1] - heads[:, 1]
        box = np.stack([feet[:, 0] - height / 5, heads[:, 1], feet[:, 0] + height / 5, feet[:, 1]], axis=1)
        middle = box[:, [0, 2]].mean(axis=1)
        seen = (feet[:, 2] > 1) & (middle > 0) & (middle < SIZE[0]) & (box[:, 3] < SIZE[1]) & (box[:, 1] > 0)
        return np.flatnonzero(seen), box[seen]

    def footprint(self) -> list[tuple[float, float]]:
        """Return the floor that is in view, clipped to the bounds, as a polygon of metres."""
        x0, y0, x1, y1 = BOUNDS
        grid = np.stack(np.meshgrid(np.linspace(x0, x1, 60), np.linspace(y0, y1, 40)), axis=-1).reshape(-1, 2)
        seen, _ = self.boxes(grid)
        if len(seen) < 3:
            return []
        hull = cv2.convexHull(grid[seen].astype(np.float32))[:, 0]
        return [(round(float(x), 2), round(float(y), 2)) for x, y in hull]


def ring_of_eyes(count: int) -> list[Eye]:
    """Return cameras around the floor."""
    x0, y0, x1, y1 = BOUNDS
    names = ["north", "east", "south", "west", "till", "door"]
    eyes = []
    for i in range(count):
        angle = 2 * math.pi * (i + 0.5) / count
        place = (
            (x0 + x1) / 2 + 0.49 * (x1 - x0) * math.cos(angle),
            (y0 + y1) / 2 + 0.49 * (y1 - y0) * math.sin(angle),
        )
        eyes.append(Eye(names[i] if count <= len(names) else f"cam{i + 1:02}", place))
    return eyes


@dataclass
class FakeSite:
    """The scene and how it is told. Attributes may be changed while the server runs."""

    people: int = 12
    cameras: int = 6
    rate: float = 5.0
    frame_rate: float = 5.0
    demo: bool = True
    floor: bool = True
    name: str = "fake"
    paused: bool = False
    still_pictures: bool = False  # encode one picture a camera and send it again and again: for measuring viewers
    lost: dict[str, str] = field(default_factory=dict)
    merges: list[tuple[int, int]] = field(default_factory=list)
    splits: list[tuple[int, int]] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    history: FakeHistory = field(default_factory=FakeHistory)
    exports: FakeJobs = field(default_factory=FakeJobs)
    rebuilds: FakeJobs = field(default_factory=FakeJobs)

    def __post_init__(self) -> None:
        self.eyes = ring_of_eyes(self.cameras)
        self.kept: dict[int, int] = {}
        self.seq = 0
        self.sockets: set[WebSocket] = set()
        self._pictures: dict[tuple[str, int], bytes] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.started = time.time()

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ids, (N, 2) places and (N, 2) velocities at a time in seconds."""
        ids = np.array([i for i in range(1, self.people + 1) if i not in self.hidden], dtype=np.int64)
        x0, y0, x1, y1 = BOUNDS
        phase = ids * 2.399
        ax, ay = 0.1 + 0.33 * ((ids * 0.618) % 1), 0.1 + 0.3 * ((ids * 0.755) % 1)
        wx, wy = 0.10 + 0.05 * ((ids * 0.383) % 1), 0.08 + 0.06 * ((ids * 0.271) % 1)
        x = (x0 + x1) / 2 + ax * (x1 - x0) * np.sin(wx * t + phase)
        y = (y0 + y1) / 2 + ay * (y1 - y0) * np.cos(wy * t + 2 * phase)
        vx = ax * (x1 - x0) * wx * np.cos(wx * t + phase)
        vy = -ay * (y1 - y0) * wy * np.sin(wy * t + 2 * phase)
        return ids, np.stack([x, y], axis=1), np.stack([vx, vy], axis=1)

    def known_as(self, ids: np.ndarray) -> list[int]:
        return [self.kept.get(int(i), int(i)) for i in ids]

    def description(self) -> dict:
        cameras = [
            {
                "id": eye.camera_id,
                "width": SIZE[0],
                "height": SIZE[1],
                "fps": self.frame_rate,
                "position": eye.position if self.floor else None,
                "footprint": eye.footprint() if self.floor else [],
            }
            for eye in self.eyes
        ]
        return {
            "site": self.name,
            "demo": self.demo,
            "detector": "detector of a test",
            "notes": ["appearance: none"],
            "floor": {"bounds": BOUNDS, "image": None} if self.floor else None,
            "cameras": cameras,
        }

    def past_floor(self, t: float) -> dict:
        """Tell the floor as it was: some of the people, cameras unknown."""
        ids, xy, velocity = self.at(t)
        people = [
            {"id": int(i), "x": x, "y": y, "vx": vx, "vy": vy, "cov": [0.03, 0, 0.03], "certainty": 0.95, "cameras": []}
            for i, (x, y), (vx, vy) in zip(ids, xy.tolist(), velocity.tolist(), strict=True)
        ][:7]
        return {"type": "floor", "seq": 0, "captured_at": t, "published_at": t, "people": people, "corrections": []}

    def floor_message(self, t: float) -> dict:
        ids, xy, velocity = self.at(t)
        seen_by: dict[int, list[str]] = {int(i): [] for i in ids}
        for eye in self.eyes:
            if eye.camera_id not in self.lost and self.cameras <= 8:
                for row in eye.boxes(xy)[0]:
                    seen_by[int(ids[row])].append(eye.camera_id)
        corrections = [{"type": "merge", "gone": gone, "kept": kept, "certainty": 0.9} for gone, kept in self.merges]
        corrections += [
            {
                "type": "split",
                "mixed": mixed,
                "apart": apart,
                "since": t - 5,
                "until": t,
                "reported": [],
                "certainty": 0.9,
            }
            for mixed, apart in self.splits
        ]
        self.kept.update(dict([*self.merges, *self.splits]))
        self.merges, self.splits = [], []
        self.seq += 1
        people = [
            {
                "id": name,
                "x": round(float(x), 3),
                "y": round(float(y), 3),
                "vx": round(float(vx), 3),
                "vy": round(float(vy), 3),
                "cov": [0.04, 0.01, 0.02],
                "certainty": 0.6 if int(i) in self.unsure else 0.97,
                "cameras": seen_by[int(i)] if self.cameras <= 8 else [self.eyes[int(i) % self.cameras].camera_id],
            }
            for i, name, (x, y), (vx, vy) in zip(ids, self.known_as(ids), xy, velocity, strict=True)
        ]
        return {
            "type": "floor",
            "seq": self.seq,
            "captured_at": t,
            "published_at": t,
            "people": people if self.floor else [],
            "corrections": corrections,
        }

    def state_message(self, t: float) -> dict:
        cameras = [
            {
                "id": eye.camera_id,
                "state": "lost" if eye.camera_id in self.lost else "live",
                "fps": 0.0 if eye.camera_id in self.lost else self.frame_rate,
                "age_s": 0.1,
                "dropped": 3,
                "frames": 100,
                "reason": self.lost.get(eye.camera_id),
            }
            for eye in self.eyes
        ]
        since = datetime.fromtimestamp(self.started, UTC).isoformat().replace("+00:00", "Z")
        counts = {
            "now": self.people - len(self.hidden),
            "last_minute": self.people,
            "last_15_minutes": 31,
            "last_hour": 58,
            "observed_since": since,
        }
        return {
            "type": "state",
            "at": t,
            "cameras": cameras,
            "latency_ms": {"p50": 61.0, "p95": 94.0},
            "stages_ms": {"detect": 41.2, "track": 0.6, "associate": 1.1},
            "steps_per_s": self.rate,
            "fault": None,
            "counts": counts,
        }

    def truth_message(self, t: float) -> dict:
        ids, xy, _ = self.at(t)
        rows = zip(ids.tolist(), (xy + 0.12).tolist(), strict=True)
        return {"type": "truth", "captured_at": t, "people": [{"id": i, "x": x, "y": y} for i, (x, y) in rows]}

    def score_message(self, t: float) -> dict:
        score = {"idf1": 0.972, "moda": 0.951, "position_error_m": 0.113, "matched": 3400, "people": 3500}
        return {"type": "score", "at": t, "window_s": 60, **score}

    def frame(self, eye: Eye, t: float, width: int) -> bytes:
        ids, xy, _ = self.at(t)
        rows, boxes = eye.boxes(xy)
        return encode(
            FrameMessage(
                camera_id=CameraId(eye.camera_id),
                captured_at=t,
                index=int(t * self.frame_rate) % 2**31,
                size=SIZE,
                global_id=np.array(self.known_as(ids[rows]), dtype=np.int32),
                track_id=ids[rows].astype(np.int32),
                xyxy=boxes.astype(np.float32),
                confidence=np.full(len(rows), 0.9, dtype=np.float32),
                floor=xy[rows].astype(np.float32),
                state=np.ones(len(rows), dtype=np.uint8),
                jpeg=self._picture(eye, boxes, width),
            )
        )

    def _picture(self, eye: Eye, boxes: np.ndarray, width: int) -> bytes:
        key = (eye.camera_id, width)
        if self.still_pictures and key in self._pictures:
            return self._pictures[key]
        picture = np.full((SIZE[1], SIZE[0], 3), 70, dtype=np.uint8)
        cv2.rectangle(picture, (0, 150), SIZE, (96, 104, 110), -1)
        x0, y0, x1, y1 = BOUNDS
        for x in range(int(x0), int(x1) + 1, 2):
            _floor_line(picture, eye, (x, y0), (x, y1))
        for y in range(int(y0), int(y1) + 1, 2):
            _floor_line(picture, eye, (x0, y), (x1, y))
        for left, top, right, bottom in boxes.astype(int):
            middle, third = (left + right) // 2, (bottom - top) // 3
            cv2.ellipse(picture, (middle, top + 2 * third), (max(1, third // 3), third), 0, 0, 360, (60, 50, 40), -1)
            cv2.circle(picture, (middle, top + third // 2), max(1, third // 3), (140, 170, 210), -1)
        size = (width, round(width * SIZE[1] / SIZE[0]))
        data = cv2.imencode(".jpg", cv2.resize(picture, size), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        self._pictures[key] = data
        return data

    def journey(self, person: int, since: float, now: float) -> dict:
        times = (
            np.arange(max(self.started - 120, since), now, 1.0) if now > self.started else np.arange(since, now, 1.0)
        )
        row = person - 1
        points = [[float(t), *self.at(float(t))[1][row].tolist()] for t in times]
        starts = [float(times[0]) + 20 * i for i in range(5)]
        visits = [
            {"camera": self.eyes[i % self.cameras].camera_id, "from": start, "to": start + 26}
            for i, start in enumerate(starts)
        ]
        stamps = [datetime.fromtimestamp(t, UTC).isoformat().replace("+00:00", "Z") for t in (times[0], now)]
        return {
            "id": person,
            "first_seen": stamps[0],
            "last_seen": stamps[1],
            "distance_m": 84.2,
            "points": points,
            "visits": visits,
            "hops": [
                {"place": place, "since": stamp(now - ago), "until": stamp(now - ago + s), "dwell_s": s, "ending": end}
                for place, ago, s, end in (("shelves", 240.0, 95.0, "left"), ("till", 62.0, 62.0, "here"))
            ],
        }

    def drop_connections(self) -> None:
        """Close every WebSocket, as a restarting proxy would."""
        for websocket in list(self.sockets):
            asyncio.run_coroutine_threadsafe(websocket.close(), self.loop)


def _floor_line(picture: np.ndarray, eye: Eye, a: tuple[float, float], b: tuple[float, float]) -> None:
    along = np.linspace(a, b, 40)
    points = eye.project(np.c_[along, np.zeros(40)])
    for (u, v, depth), (u2, v2, depth2) in itertools.pairwise(points):
        if min(depth, depth2) > 0.5 and max(abs(u), abs(u2), abs(v), abs(v2)) < 5000:
            cv2.line(picture, (int(u), int(v)), (int(u2), int(v2)), (118, 126, 132), 1, cv2.LINE_AA)


def build_fake(site: FakeSite) -> FastAPI:
    """Return the application that tells the site."""
    app = FastAPI()
    app.add_middleware(Guard)

    @app.get("/api/v1/sites")
    def sites() -> dict:
        return {"sites": [{"site": site.name, "demo": site.demo}]}

    @app.get(f"/api/v1/sites/{site.name}")
    def description() -> dict:
        return site.description()

    @app.get(f"/api/v1/sites/{site.name}/identities/{{person}}/journey")
    def journey(person: int, seconds: float = 900, since: float | None = None, until: float | None = None) -> dict:
        if not 1 <= person <= site.people:
            raise HTTPException(404)
        now = until or time.time()
        return site.journey(person, now - seconds if since is None else since, now)

    app.include_router(history_routes(site.history, site.past_floor), prefix=f"/api/v1/sites/{site.name}")
    app.include_router(
        extra_routes(site.history, site.exports, site.rebuilds, site.past_floor), prefix=f"/api/v1/sites/{site.name}"
    )

    @app.websocket(f"/api/v1/sites/{site.name}/floor")
    async def floor(websocket: WebSocket) -> None:
        async with _seat(site, websocket):
            await asyncio.gather(_tell_floor(site, websocket), _answer_pings(websocket))

    @app.websocket(f"/api/v1/sites/{site.name}/frames")
    async def frames(websocket: WebSocket, cameras: str = "", width: int = 640) -> None:
        watched = {"cameras": cameras.split(","), "width": width}
        async with _seat(site, websocket):
            await asyncio.gather(_tell_frames(site, websocket, watched), _hear_watch(websocket, watched))

    app.mount("/", StaticFiles(directory=WEB, html=True))
    return app


@contextlib.asynccontextmanager
async def _seat(site: FakeSite, websocket: WebSocket):
    await websocket.accept()
    site.loop = asyncio.get_running_loop()
    site.sockets.add(websocket)
    try:
        yield
    except (WebSocketDisconnect, RuntimeError):
        pass  # the viewer left, or the test dropped the connection
    finally:
        site.sockets.discard(websocket)


async def _tell_floor(site: FakeSite, websocket: WebSocket) -> None:
    due, told_state, told_score = time.time(), 0.0, 0.0
    while True:
        due += 1 / site.rate
        await asyncio.sleep(max(0.0, due - time.time()))
        now = time.time()
        if not site.paused:
            await websocket.send_text(json.dumps(site.floor_message(now)))
            if site.demo:
                await websocket.send_text(json.dumps(site.truth_message(now)))
        if now - told_state >= 1:
            told_state = now
            await websocket.send_text(json.dumps(site.state_message(now)))
        if site.demo and now - told_score >= 2:
            told_score = now
            await websocket.send_text(json.dumps(site.score_message(now)))


async def _answer_pings(websocket: WebSocket) -> None:
    while True:
        ping = await websocket.receive_json()
        await websocket.send_text(json.dumps({"type": "pong", "t": ping["t"], "now": time.time()}))


async def _tell_frames(site: FakeSite, websocket: WebSocket, watched: dict) -> None:
    due = time.time()
    while True:
        due = max(due + 1 / site.frame_rate, time.time() - 1)
        await asyncio.sleep(max(0.0, due - time.time()))
        now = time.time()
        for eye in site.eyes:
            if not site.paused and eye.camera_id in watched["cameras"] and eye.camera_id not in site.lost:
                await websocket.send_bytes(site.frame(eye, now, watched["width"]))


async def _hear_watch(websocket: WebSocket, watched: dict) -> None:
    while True:
        watched.update(await websocket.receive_json())


class FakeServer:
    """Runs an application on a thread; may be stopped and started again on its port."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.port = 0
        self.server: uvicorn.Server | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            log_level="critical",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        assert self.server is not None
        self.server.should_exit = True
        self.thread.join(timeout=5)


@contextlib.contextmanager
def serve_fake(site: FakeSite) -> Iterator[FakeServer]:
    """Serve a site while the context lasts."""
    server = FakeServer(build_fake(site))
    server.start()
    try:
        yield server
    finally:
        server.stop()
