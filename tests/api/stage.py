"""A live site whose runtime, history and encoder do what a test tells them."""

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from fake_archive import FakeArchive
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.api.application import build_api
from app.api.site import CameraPlace, LiveSite
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import (
    CameraId,
    FloorPoints,
    FloorTracks,
    Frame,
    FrameBatch,
    Sightings,
    TrackingUpdate,
    Tracks,
)
from app.errors import StoreError
from app.infrastructure.export_folder import ExportFolder
from app.infrastructure.job_folder import JobFolder
from app.infrastructure.sql_rebuilder import rebuild_of
from app.orchestration.clock import SteadyClock
from app.orchestration.exports import ExportLimits, Exports
from app.orchestration.ports import Counts
from app.orchestration.reader import CameraState, CameraStatus
from app.orchestration.rebuilds import Rebuilds
from app.orchestration.runtime import RecentTimes, RuntimeStatus

CAMERAS = (CameraId("east"), CameraId("west"))
SIZE = (64, 48)


class StagedRuntime:
    """Calls the listeners when the test publishes."""

    def __init__(self):
        self.clock, self.stages, self.latency = SteadyClock(), RecentTimes(), RecentTimes()
        self.listeners, self.fault, self.device_faults = [], None, {}
        self.ordered, self.taken_back, self.followed, self.steps = [], [], None, True

    def listen(self, listener):
        self.listeners.append(listener)

    def publish(self, batch, update):
        for listener in self.listeners:
            listener(batch, update)

    def correct(self, ordered):
        """Answer as the test says: with a correction, a ValueError, or not at all."""
        self.ordered.append(ordered)
        answer = Future()
        if isinstance(self.followed, ValueError):
            answer.set_exception(self.followed)
        elif self.steps:
            answer.set_result(self.followed)
        return answer

    def take_back(self, undone):
        """Answer with what was reported since, as the test says, or not at all."""
        self.taken_back.append(undone)
        answer = Future()
        if self.steps:
            answer.set_result(self.followed)
        return answer

    def tracking(self):
        return self.fault is None

    def status(self):
        cameras = tuple(CameraStatus(name, CameraState.LIVE, 5.0, 0.1, 7, {}, None) for name in CAMERAS)
        return RuntimeStatus(self.clock.now(), cameras, {"detect": 12.0}, 5.0, 0, self.fault, self.device_faults)


class StagedStore:
    """A TrackStore that says how many people there were."""

    def __init__(self):
        self.broken = False

    def append(self, update):
        pass

    def waiting(self):
        return 3

    def lag_s(self):
        return 0.75

    async def counts(self, _now):
        self._check()
        return Counts(1, 2, 3, 1_767_261_600.25)

    def _check(self):
        if self.broken:
            raise StoreError("/secret/history.sqlite", "disk I/O error")


class StagedWatch:
    """Remembers what was drawn."""

    def __init__(self):
        self.drawn = []

    def redraw(self, places, at):
        self.drawn.append((tuple(version.place_id for version in places), at))

    def people_now(self):
        return {PlaceId(""): np.array([1, 2, 3, 4]), PlaceId("till"): np.array([3])}


class StagedEncoder:
    """Counts what it encodes, and takes as long as it is told to."""

    def __init__(self):
        self.encoded, self.gate = [], None

    def encode(self, pixels, width):
        if self.gate is not None:
            self.gate.wait(5.0)
        self.encoded.append((int(pixels[0, 0, 0]), width))
        return b"jpeg"


class StagedTruth:
    def people_at(self, _captured_at):
        return np.array([1, 2]), np.array([[1.0, 2.0], [3.0004, 4.0]])


class StagedScorer:
    def __init__(self):
        self.added = []

    def add(self, update):
        self.added.append(update)

    def scores(self):
        return {"window_s": 1.0, "idf1": None, "moda": 0.5, "position_error_m": 0.1, "matched": 1, "people": 2}


class StagedRebuilder:
    """A Rebuilder and what it makes anew: `hours` slices, each when the test lets it."""

    def __init__(self, hours=3):
        self.hours, self.planned, self.gate, self.fault, self.stopped = hours, [], threading.Semaphore(0), None, False
        self.ready_at, self._begin = -np.inf, 0.0
        self.waits = threading.Event()

    def plan(self, place, period, _now):
        self.planned.append((place, period.since, period.until))
        self._begin = period.since
        return self

    def __len__(self):
        return self.hours

    def slices(self):
        while self.hours:
            self.waits.set()
            assert self.gate.acquire(timeout=5.0)
            if self.fault is not None:
                raise self.fault
            self.hours -= 1
            self._begin += 3600.0
            yield self._begin

    def stop(self):
        self.stopped = True


@dataclass
class Stage:
    runtime: StagedRuntime = field(default_factory=StagedRuntime)
    store: StagedStore = field(default_factory=StagedStore)
    encoder: StagedEncoder = field(default_factory=StagedEncoder)
    archive: FakeArchive = field(default_factory=FakeArchive)
    watch: StagedWatch = field(default_factory=StagedWatch)
    rebuilder: StagedRebuilder = field(default_factory=StagedRebuilder)
    folder: Path = Path("/nowhere")
    limits: ExportLimits = field(default_factory=ExportLimits)

    def site(self, **changes) -> LiveSite:
        cameras = (
            CameraPlace(CAMERAS[0], SIZE, 5.0, (1.0, 2.0), np.array([[0.0, 0.0], [1.00049, 0.0], [1.0, 1.0]])),
            CameraPlace(CAMERAS[1], SIZE, 5.0, None, np.empty((0, 2))),
        )
        site = LiveSite(
            name="shop",
            detector="retail",
            notes=("a note",),
            bounds=(0.0, 0.0, 10.0, 5.0),
            plan=None,
            cameras=cameras,
            runtime=self.runtime,
            store=self.store,
            archive=self.archive,
            watch=self.watch,
            exports=Exports(
                self.archive, ExportFolder(self.folder, "shop", {CAMERAS[0]: 5.0, CAMERAS[1]: 5.0}), self.limits
            ),
            rebuilds=Rebuilds(
                self.rebuilder,
                JobFolder(self.folder / "rebuilds", rebuild_of),
                self.runtime.clock.now,
                self.limits.queue,
            ),
            encoder=self.encoder,
        )
        return replace(site, **changes)


def batch(captured_at, shade=0, cameras=CAMERAS):
    pixels = np.full((SIZE[1], SIZE[0], 3), shade, np.uint8)
    return FrameBatch(captured_at, tuple(Frame(name, captured_at, shade, SIZE, pixels) for name in cameras))


def update(captured_at, places, corrections=(), cameras=CAMERAS):
    """Make an update with dots at `places`, by id, of whom nobody is in any image."""
    n = len(places)
    floor = FloorTracks(
        np.array(list(places), dtype=np.int64).reshape(n),
        np.array(list(places.values()), dtype=np.float64).reshape(n, 2),
        np.full((n, 2), 0.5),
        np.tile(np.array([[0.01, 0.002], [0.002, 0.02]]), (n, 1, 1)),
        (cameras,) * n,
        np.full(n, 0.87654),
    )
    return TrackingUpdate(captured_at, tuple(map(nobody, cameras)), floor, corrections)


def nobody(camera):
    none, numbers = np.empty(0), np.empty(0, np.int64)
    tracks = Tracks(
        camera,
        0.0,
        numbers,
        numbers,
        numbers,
        np.empty((0, 4), np.float32),
        np.empty(0, np.float32),
        np.empty((0, 0), np.float32),
        none,
    )
    return Sightings(
        tracks,
        numbers,
        FloorPoints(camera, np.empty((0, 2)), np.empty((0, 2, 2)), none.astype(bool)),
        np.zeros(len(numbers)),
    )


async def soon(condition, timeout_s=3.0):
    """Wait until a condition holds."""
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


class Client:
    """A browser's view of a server on this machine."""

    def __init__(self, port):
        self.port, self.host = port, f"127.0.0.1:{port}"
        self._http = httpx.Client(base_url=f"http://{self.host}", timeout=5.0)

    def get(self, path, **headers):
        return self._http.get(path, headers=headers)

    def send(self, method, path, body=None, **headers):
        return self._http.request(method, path, json=body, headers=headers)

    def send_text(self, path, text, **headers):
        return self._http.post(path, content=text, headers=headers)

    def watch(self, path, host=None, **options):
        """Open a WebSocket; `host` is what the Host header says."""
        sock = socket.create_connection(("127.0.0.1", self.port))
        return connect(f"ws://{host or self.host}{path}", sock=sock, open_timeout=5, max_size=2**22, **options)

    def close(self):
        self._http.close()


@contextmanager
def served(site, access=None):
    """Serve a site with uvicorn in a thread; gives a client."""
    config = uvicorn.Config(
        build_api(site, access),
        port=0,
        log_config=None,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    client = Client(server.servers[0].sockets[0].getsockname()[1])
    try:
        yield client
    finally:
        client.close()
        server.should_exit = True
        thread.join()


def receive(viewer, kind):
    """Return the next message of a kind; those of others are passed over."""
    while True:
        message = json.loads(viewer.recv(timeout=5))
        if message["type"] == kind:
            return message


def closed(viewer):
    """Read until the server closes; return its code and reason."""
    try:
        while True:
            viewer.recv(timeout=5)
    except ConnectionClosed as end:
        return end.rcvd.code, end.rcvd.reason
