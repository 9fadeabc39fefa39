"""`spoton serve` as its users run it: a process of its own, whose cameras replay recorded boxes."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from recorded_site import FPS, recorded_site
from websockets.sync.client import connect
from world import SIZE

from app.api.frame_message import decode
from app.cli import serve as cli
from app.errors import ConfigError, SpotOnError
from app.infrastructure.data_folder import DataFolder
from app.serving import listen, serve
from app.settings import load_site
from app.simulated import SiteConfig, demo_site_file
from app.simulation.world import WorldConfig

SPOTON = [sys.executable, "-c", "from app.cli.main import main; main()"]
SECRET = "pa55word"
ENVIRONMENT = {**os.environ, "DOOR_PASSWORD": SECRET}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return folder, recorded_site(folder)


def write(folder, site):
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    return path


def hear_ctrl_c():
    """A shell that puts the tests into the background makes them, and all that they start, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Served:
    """A running `spoton serve`.

    Attributes:
        said: the lines on standard error up to the address.
    """

    def __init__(self, path, data, *arguments, program=SPOTON):
        command = [*program, "serve", "--site", str(path), "--port", "0", "--data", str(data), *arguments]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, preexec_fn=hear_ctrl_c
        )
        self.said, self.address = "", ""

    def wait(self):
        for line in self.process.stderr:
            self.said += line
            if found := re.match(r"(http://127\.0\.0\.1:\d+) shows (?:a )?shop; Ctrl-C stops", line):
                self.address = found[1]
                return self
        pytest.fail(f"ended before it served:\n{self.said}")

    def get(self, path):
        return httpx.get(f"{self.address}{path}", timeout=5.0)

    def watch(self, path, site="a-shop"):
        return connect(f"{self.address.replace('http', 'ws')}/api/v1/sites/{site}/{path}", open_timeout=5)

    def stop(self, number=signal.SIGINT):
        """Send a signal; return the exit code, how long it took, and the rest of what was said."""
        begun = time.monotonic()
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=20)
        return self.process.returncode, time.monotonic() - begun, rest


@contextmanager
def serving(path, data, *arguments, **options):
    served = Served(path, data, *arguments, **options)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.stderr.close()
        served.process.wait()


@pytest.fixture(scope="module")
def running(site, tmp_path_factory):
    folder, description = site
    with serving(write(folder, description), tmp_path_factory.mktemp("data") / "kept") as served:
        yield served.wait()


def receive(viewer, kind, until=lambda _: True):
    for text in viewer:
        message = json.loads(text)
        if message["type"] == kind and until(message):
            return message
    return None


def test_the_site_is_described_with_what_its_cameras_see(running):
    assert running.get("/readyz").status_code == 200
    site = running.get("/api/v1/sites/a-shop").json()
    assert (site["detector"], site["demo"], site["floor"]["bounds"]) == ("recorded boxes", False, [0, 0, 12, 8])
    assert [camera["id"] for camera in site["cameras"]] == list("abcd")
    for camera in site["cameras"]:
        assert (camera["width"], camera["height"], camera["fps"]) == (*SIZE, FPS)
        assert len(camera["position"]) == 2
        assert len(camera["footprint"]) >= 3


def test_dots_boxes_history_and_counts_agree(running):
    with running.watch("floor") as floor, running.watch("frames?cameras=a,c") as frames:
        message = receive(floor, "floor", lambda message: len(message["people"]) == 2)
        people = {person["id"]: person for person in message["people"]}
        assert 0.0 <= message["published_at"] - message["captured_at"] < 2.0
        assert abs(message["captured_at"] - time.time()) < 5.0
        for _ in range(40):
            seen = decode(frames.recv(timeout=5))
            if seen.captured_at >= message["captured_at"] and set(seen.global_id.tolist()) == set(people):
                break
        assert set(seen.global_id.tolist()) == set(people), "boxes bear the ids of the dots"
        assert seen.jpeg == b""
        state = receive(floor, "state", lambda state: state["counts"]["last_minute"] >= 2)
        assert {camera["state"] for camera in state["cameras"]} == {"live"}
        assert state["latency_ms"]["p95"] is not None
        known = min(people)
    journey = running.get(f"/api/v1/sites/a-shop/identities/{known}/journey").json()
    assert journey["points"]
    assert {visit["camera"] for visit in journey["visits"]} <= set("abcd")
    # where the recording begins again, dots of its end are shown for a moment beside those of its beginning
    counted = []
    while 2 not in counted and len(counted) < 20:
        counted.append(running.get("/api/v1/sites/a-shop/counts").json()["now"])
        time.sleep(0.2)
    assert counted[-1] == 2


def test_the_history_is_asked_played_and_exported(running):
    site, since = "/api/v1/sites/a-shop", f"since={time.time() - 3600}"
    until = time.monotonic() + 20.0
    while (running.get(f"{site}/dashboard?{since}").json()["visitors"] or 0) < 2:
        assert time.monotonic() < until
        time.sleep(0.3)
    zone = {"name": "Hall", "kind": "zone", "polygon": [[0, 0], [12, 0], [12, 8], [0, 8]]}
    assert httpx.put(f"{running.address}{site}/zones/hall", json=zone).json()["version"] == 1
    heat = running.get(f"{site}/heatmap?{since}").json()
    assert sum(heat["seconds"]) > 1.0
    assert heat["quality"]["observed"] > 0.0
    people = running.get(f"{site}/identities?{since}").json()["identities"]
    journey = running.get(f"{site}/identities/{people[0]['id']}/journey?{since}").json()
    assert journey["points"]
    at = journey["points"][-1][0]
    then = running.get(f"{site}/replay?at={at}").json()
    assert people[0]["id"] in {person["id"] for person in then["people"]}
    with running.watch(f"replay?since={at - 1.0}&until={at}") as viewer:
        assert receive(viewer, "floor", lambda message: message["people"])["replay"] is True
    rows = running.get(f"{site}/export?what=dots&format=csv&{since}&until={time.time()}").text.splitlines()
    assert len(rows) > 2
    while not any(event["place"] == "hall" for event in running.get(f"{site}/events?{since}").json()["events"]):
        assert time.monotonic() < until + 10.0
        time.sleep(0.3)


def test_a_split_of_who_is_there_moves_the_dot_and_reaches_the_history_once(running):
    site = f"{running.address}/api/v1/sites/a-shop"
    since = {"since": time.time() - 5.0}
    with running.watch("floor") as floor:
        person = receive(floor, "floor", lambda message: len(message["people"]) == 2)["people"][0]["id"]
        until = time.monotonic() + 20.0
        while (made := httpx.post(f"{site}/identities/{person}/split", json=since)).status_code == 404:
            assert time.monotonic() < until, "somebody who is on the floor is in the history some seconds later"
            time.sleep(0.3)
        apart = made.json()["target"]
        assert (made.status_code, made.json()["source"], made.json()["id"]) == (202, person, None)
        assert receive(floor, "floor", lambda message: apart in {dot["id"] for dot in message["people"]})
    corrections = []
    while apart not in {c["target"] for c in corrections}:
        assert time.monotonic() < until
        corrections = httpx.get(f"{site}/corrections").json()["corrections"]
        time.sleep(0.3)
    assert [c["target"] for c in corrections].count(apart) == 1


def refusal(path, monkeypatch, **options):
    """Serve a site in this process, which must end in a fault; return its line."""
    monkeypatch.setattr("app.serving.configure_logs", lambda: None)
    with pytest.raises(SpotOnError) as refused:
        serve(load_site(path), options_of(**options), say=lambda _: None, ready=pytest.fail)
    return str(refused.value)


def test_a_second_one_on_the_same_history_is_refused(running, site, tmp_path, monkeypatch):
    data = Path(running.process.args[running.process.args.index("--data") + 1])
    line = refusal(write(tmp_path, site[1]), monkeypatch, port=0, data=data)
    assert line == f"{data}: another spoton keeps its history there; stop that one, or give this one another --data"


def test_a_port_that_is_taken_is_refused(running, site, tmp_path, monkeypatch):
    port = int(running.address.rsplit(":", 1)[1])
    line = refusal(write(tmp_path, site[1]), monkeypatch, port=port, data=tmp_path)
    assert line == f"127.0.0.1:{port}: the port is taken; stop what listens there, or give another --port"


def test_a_name_that_is_no_address_is_refused(site, tmp_path, monkeypatch):
    options = {"host": "no.such.host.invalid", "port": 0, "data": tmp_path, "without_accounts": True}
    assert refusal(write(tmp_path, site[1]), monkeypatch, **options).startswith("no.such.host.invalid:0: ")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "till.example"])
def test_others_are_let_in_only_with_a_flag_that_says_what_that_means(tmp_path, host):
    with pytest.raises(ConfigError, match="there are no accounts yet: add --without-accounts"):
        options_of(host=host, port=0, data=tmp_path)
    access = options_of(host=host, port=0, data=tmp_path, without_accounts=True).access
    assert access.any_address
    assert host in access.hosts
    assert not options_of(host="127.0.0.1", port=0, data=tmp_path).access.any_address


def options_of(host="127.0.0.1", *, port, data, without_accounts=False):
    return cli.options_of(host, port, data, None, without_accounts=without_accounts)


def test_small_answers_are_sent_at_once():
    """Nagle's algorithm would hold back the second half of each answer until the viewer has acknowledged the first."""
    undelayed = []

    async def answer(_reader, writer):
        undelayed.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def ask(listening):
        async with await asyncio.start_server(answer, sock=listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await reader.read()
            writer.close()

    with listen("127.0.0.1", 0) as listening:
        asyncio.run(ask(listening))
    assert undelayed == [1]


def test_it_stops_in_time_with_viewers_there_and_keeps_what_it_saw(site, tmp_path):
    folder, description = site
    with serving(write(folder, description), tmp_path / "data") as served:
        served.wait()
        with served.watch("floor") as floor, served.watch("frames?cameras=a,b,c,d"):
            receive(floor, "floor", lambda message: len(message["people"]) == 2)
            time.sleep(1.5)  # dots that were there for a moment only are taken back
            code, took_s, said = served.stop()
    assert (code, said) == (0, "spoton: stopped\n")
    assert took_s < 2.0
    with sqlite3.connect(tmp_path / "data" / "history.sqlite") as history:
        assert history.execute("SELECT count(DISTINCT person) FROM dots").fetchone() == (2,)
        assert history.execute("SELECT count(DISTINCT camera_id) FROM points").fetchone() == (4,)


@contextmanager
def silent_camera():
    """A camera that takes calls and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://admin:{SECRET}@127.0.0.1:{listening.getsockname()[1]}/stream"


def with_camera(site, **changes):
    folder, description = site
    cameras = [dict(camera) for camera in description["cameras"]]
    for camera in cameras:
        camera["detections"] = str(folder / camera["detections"])
    del cameras[1]["detections"], cameras[1]["fps"]
    cameras[1] |= {"source": changes.pop("source"), **changes}
    networks = {"detector": {"model": "simulated-people"}, "embedder": {"model": "none"}}  # the quickest to load
    return {**description, **networks, "cameras": cameras}


def test_a_dead_camera_is_shown_as_lost_and_the_others_go_on(site, tmp_path):
    dead = with_camera(site, source="http://admin:{DOOR_PASSWORD}@127.0.0.1:9/stream")
    with serving(write(tmp_path, dead), tmp_path / "data") as served:
        served.wait()
        assert (
            "camera b: gave no frame (cannot be opened: Connection refused); tried again while the others run"
            in served.said
        )
        with served.watch("floor") as floor:
            state = receive(floor, "state", lambda state: state["steps_per_s"] > 0)
            assert receive(floor, "floor", lambda message: len(message["people"]) == 2)
        states = {camera["id"]: (camera["state"], camera["reason"]) for camera in state["cameras"]}
        assert states.pop("b") == ("lost", "cannot be opened: Connection refused")
        assert set(states.values()) == {("live", None)}
        code, took_s, said = served.stop(signal.SIGTERM)
    assert (code, said, SECRET in served.said) == (0, "spoton: stopped\n", False)
    assert took_s < 2.0


def test_a_dead_camera_of_unknown_size_stops_the_first_start_with_the_way_out(site, tmp_path, monkeypatch):
    dead = with_camera(site, source=f"http://admin:{SECRET}@127.0.0.1:9/stream")
    del dead["cameras"][1]["size"]
    assert refusal(write(tmp_path, dead), monkeypatch, port=0, data=tmp_path / "data") == (
        "camera b: gave no frame (cannot be opened: Connection refused); "
        "give its size: [width, height] to start without it"
    )


def test_simulated_cameras_that_are_slow_to_draw_stop_no_start(tmp_path):
    config = SiteConfig(world=WorldConfig(people=3, seed=1), cameras=2, fps=4.0, size=(320, 180))
    impatient = f"import app.serving; app.serving.FIRST_FRAMES_S = 0.0; {SPOTON[-1]}"
    path = demo_site_file(config, tmp_path)
    with serving(path, tmp_path / "data", "--embedder", "none", program=[*SPOTON[:-1], impatient]) as served:
        served.wait()
        with served.watch("floor", "shop") as floor:
            state = receive(floor, "state", lambda state: state["steps_per_s"] > 0)
        assert {camera["state"] for camera in state["cameras"]} == {"live"}


def test_a_wrong_source_stops_the_start_and_names_its_key(site, tmp_path, monkeypatch):
    wrong = with_camera(site, source="ftp://127.0.0.1/x")
    line = refusal(write(tmp_path, wrong), monkeypatch, port=0, data=tmp_path / "data")
    assert "site.yaml: cameras[1].source: is no address that is read" in line


def test_the_size_that_a_camera_had_last_time_serves_as_well(site, tmp_path, monkeypatch):
    dead = with_camera(site, source=f"http://admin:{SECRET}@127.0.0.1:9/stream")
    del dead["cameras"][1]["size"]
    with DataFolder(tmp_path / "data") as folder:
        folder.remember_sizes({"b": (1, 1)})
    line = refusal(write(tmp_path, dead), monkeypatch, port=0, data=tmp_path / "data")
    assert "cameras[1].calibration" in line, "and is checked like any other: nothing of one pixel fits this calibration"


def test_a_camera_that_hangs_does_not_hold_up_the_end(site, tmp_path):
    with silent_camera() as source:
        path = write(tmp_path, with_camera(site, source=source))
        with serving(path, tmp_path / "data") as served:
            for line in served.process.stderr:
                if line.startswith("waiting for 4 cameras"):
                    break
            time.sleep(0.3)
            code, took_s, said = served.stop()
    assert code == 130
    assert took_s < 2.0
    assert "Traceback" not in said
