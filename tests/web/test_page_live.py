"""The page in Chromium against the real server: simulated cameras, a real detector, the whole frame path."""

import json
import math
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from waiting import wait_until
from websockets.sync.client import connect

from app.api.frame_message import FrameMessage, decode
from app.simulated import SiteConfig, demo_site_file
from app.simulation.world import WorldConfig

LIVE = "document.body.dataset.connection === 'live' && spoton.map().dots > 0"


class Wire:
    """A TCP line to a server that can be cut, as Wi-Fi cuts it."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._open: list[socket.socket] = []
        self._whole = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take no new ones until mended."""
        self._whole = False
        ended, self._open = self._open, []
        for connection in ended:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def mend(self) -> None:
        """Take connections again."""
        self._whole = True

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def listening(address: str, note: Callable[[str | bytes], None]) -> Iterator[None]:
    """Give everything that a WebSocket says to `note` while the context lasts."""

    def read() -> None:
        for message in websocket:
            note(message)

    with connect(address) as websocket:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield
    reader.join(timeout=3)


class Told:
    """What the server says: dots by capture time, and the frames of cameras by camera and capture time."""

    def __init__(self) -> None:
        self.dots: dict[float, dict[int, tuple[float, float]]] = {}
        self.frames: dict[tuple[str, float], FrameMessage] = {}

    def note_floor(self, message: str | bytes) -> None:
        floor = json.loads(message)
        if floor["type"] == "floor":
            people = {person["id"]: (person["x"], person["y"]) for person in floor["people"]}
            self.dots[round(floor["captured_at"], 3)] = people

    def note_frame(self, message: str | bytes) -> None:
        assert isinstance(message, bytes)
        frame = decode(message)
        self.frames[frame.camera_id, round(frame.captured_at, 3)] = frame


@pytest.fixture(scope="module")
def live_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve two simulated cameras and eight people by the product's own command; gives the port."""
    folder = tmp_path_factory.mktemp("live")
    config = SiteConfig(world=WorldConfig(people=8, seed=3), cameras=2, fps=4.0, size=(480, 270))
    site = demo_site_file(config, folder)
    spoton = Path(sys.executable).with_name("spoton")
    command = [spoton, "serve", "--site", site, "--port", "0", "--data", folder / "data", "--embedder", "none"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    port = None
    for line in process.stdout or ():
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            port = int(found[1])
            break
    assert port is not None, "".join(said)
    threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()
    yield port
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    if process.stdout:
        process.stdout.close()


@pytest.fixture(scope="module")
def wire(live_port: int) -> Iterator[Wire]:
    line = Wire(live_port)
    yield line
    line.close()


@pytest.fixture(scope="module")
def live_page(wire, open_shared_page):
    page = open_shared_page(wire.address)
    wait_until(page, LIVE, timeout_s=20.0)
    return page


def test_dots_move_and_pictures_come(live_page):
    frames = {t["camera"]: t["capturedAt"] or 0.0 for t in live_page.evaluate("spoton.tiles()")}
    wait_until(live_page, "spoton.people().length > 0", 20.0)
    live_page.evaluate("window.start = new Map(spoton.people().map((p) => [p.id, [p.x, p.y]]))")
    wait_until(
        live_page,
        """spoton.people().some((p) => {
            const [x, y] = start.get(p.id) ?? [p.x, p.y];
            return Math.hypot(p.x - x, p.y - y) > 0.2;
        })""",
        20.0,
    )
    wait_until(live_page, f"spoton.tiles().every((t) => t.capturedAt > ({json.dumps(frames)})[t.camera])")


def compared(seen, told) -> tuple[int, list[float]]:
    """Hold what the page showed to what the server said; returns how many dots agree, and metres from boxes to dots."""
    dots, away = 0, []
    for people, tiles in seen:
        for person in people:
            there = told.dots.get(round(person["capturedAt"], 3), {})
            if person["id"] in there:
                assert (person["x"], person["y"]) == there[person["id"]]
                dots += 1
        for tile in tiles:
            frame = told.frames.get((tile["camera"], round(tile["capturedAt"], 3)))
            if frame is not None:
                assert [box["id"] or -1 for box in tile["boxes"]] == frame.global_id.tolist()
                assert [box["box"] for box in tile["boxes"]] == frame.xyxy.tolist()
                there = told.dots.get(round(tile["capturedAt"], 3), {})
                away += [math.dist(there[b["id"]], b["floor"]) for b in tile["boxes"] if b["id"] in there]
    return dots, [metres for metres in away if math.isfinite(metres)]


def test_ids_agree_between_tile_map_and_server(live_page, live_port):
    told, seen = Told(), []
    cameras = ",".join(t["camera"] for t in live_page.evaluate("spoton.tiles()"))
    site = f"ws://127.0.0.1:{live_port}/api/v1/sites/shop"
    with (
        listening(f"{site}/floor", told.note_floor),
        listening(f"{site}/frames?cameras={cameras}&width=320", told.note_frame),
    ):
        live_page.wait_for_timeout(1000)
        dots, away = 0, []
        until = time.monotonic() + 60.0
        while (dots < 5 or len(away) < 3) and time.monotonic() < until:  # few instants are those of both messages
            for _ in range(12):
                live_page.wait_for_timeout(150)
                seen.append(live_page.evaluate("[spoton.people(), spoton.tiles()]"))
            live_page.wait_for_timeout(400)
            dots, away = compared(seen, told)
    assert dots >= 5
    assert len(away) >= 3
    assert statistics.median(away) < 0.5  # a box of an id stands where the dot of that id is


def test_a_cut_line_comes_back_by_itself(live_page, wire):
    wire.cut()
    wait_until(live_page, "document.body.dataset.connection === 'lost'")
    wire.mend()
    wait_until(live_page, LIVE)
    at = live_page.evaluate("Math.max(...spoton.tiles().map((t) => t.capturedAt))")
    wait_until(live_page, f"spoton.tiles().every((t) => t.capturedAt > {at})")


def test_a_person_has_a_journey(live_page):
    live_page.keyboard.press("j")
    wait_until(live_page, "spoton.selected !== null")
    wait_until(live_page, "document.querySelectorAll('#person .visits li').length > 0")
    live_page.keyboard.press("Escape")
