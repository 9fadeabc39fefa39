"""The page in Chromium against the real server: simulated cameras, a real detector, the whole frame path."""

import json
import math
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from waiting import wait_until
from websockets.sync.client import connect

from app.simulated import SiteConfig, demo_site_file
from app.simulation.world import WorldConfig

LIVE = "document.body.dataset.connection === 'live' && spoton.map().dots > 0"


class Wire:
    """A TCP line to a server that can be cut, as Wi-Fi cuts it."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections; new ones are taken at once."""
        ended, self._open = self._open, []
        for connection in ended:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
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
def floor_log(port: int, site: str) -> Iterator[dict[float, dict[int, tuple[float, float]]]]:
    """Give what the server says over the floor WebSocket while the context lasts: capture time -> id -> place."""
    told: dict[float, dict[int, tuple[float, float]]] = {}

    def read() -> None:
        for text in websocket:
            message = json.loads(text)
            if message["type"] == "floor":
                people = {person["id"]: (person["x"], person["y"]) for person in message["people"]}
                told[round(message["captured_at"], 3)] = people

    with connect(f"ws://127.0.0.1:{port}/api/v1/sites/{site}/floor") as websocket:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield told
    reader.join(timeout=3)


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
    live_page.evaluate("window.start = new Map(spoton.people().map((p) => [p.id, [p.x, p.y]]))")
    wait_until(
        live_page,
        """spoton.people().some((p) => {
            const [x, y] = start.get(p.id) ?? [p.x, p.y];
            return Math.hypot(p.x - x, p.y - y) > 0.2;
        })""",
    )
    wait_until(live_page, f"spoton.tiles().every((t) => t.capturedAt > ({json.dumps(frames)})[t.camera])")


def test_ids_agree_between_tile_map_and_server(live_page, live_port):
    dots, boxes = 0, 0
    with floor_log(live_port, "shop") as by_time:
        live_page.wait_for_timeout(1200)
        for _ in range(12):
            live_page.wait_for_timeout(150)
            people, tiles = live_page.evaluate("[spoton.people(), spoton.tiles()]")
            for person in people:
                told = by_time.get(round(person["capturedAt"], 3), {})
                if person["id"] in told:
                    assert (person["x"], person["y"]) == told[person["id"]]
                    dots += 1
            for tile in tiles:
                told = by_time.get(round(tile["capturedAt"], 3), {})
                boxes += count_agreeing(tile["boxes"], told)
    assert dots >= 5
    assert boxes >= 3


def count_agreeing(boxes, told):
    """Count the boxes with a place whose id the server had at that instant; each must stand where its dot is."""
    count = 0
    for box in boxes:
        if box["id"] in told and all(map(math.isfinite, box["floor"])):
            nearest = min(told, key=lambda person: math.dist(told[person], box["floor"]))
            assert box["id"] == nearest or math.dist(told[box["id"]], box["floor"]) < 1.0
            count += 1
    return count


def test_a_cut_line_comes_back_by_itself(live_page, wire):
    live_page.evaluate("""() => {
        window.seen = [];
        const note = () => seen.push(document.body.dataset.connection);
        new MutationObserver(note).observe(document.body, { attributes: true });
    }""")
    wire.cut()
    wait_until(live_page, "seen.includes('lost')")
    wait_until(live_page, LIVE)
    at = live_page.evaluate("Math.max(...spoton.tiles().map((t) => t.capturedAt))")
    wait_until(live_page, f"spoton.tiles().every((t) => t.capturedAt > {at})")


def test_a_person_has_a_journey(live_page):
    live_page.keyboard.press("j")
    wait_until(live_page, "spoton.selected !== null")
    wait_until(live_page, "document.querySelectorAll('#person .visits li').length > 0")
    live_page.keyboard.press("Escape")
