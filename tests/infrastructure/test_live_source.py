import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from app.domains.vocabulary import CameraId
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure import live_source
from app.infrastructure.live_source import ArrivalClock, LiveSource
from app.orchestration.clock import SteadyClock

NAME = CameraId("door")
SIZE = (64, 48)
SECRET = "pa55word"
PERIOD_S = 0.05


class CameraServer(BaseHTTPRequestHandler):
    """An MJPEG camera that behaves as the last part of the path says."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        mode = self.path.rsplit("/", 1)[-1]
        with suppress(ConnectionError):
            getattr(self, mode)()

    def _head(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def _frame(self, i, spoil=False):
        jpeg = cv2.imencode(".jpg", np.full((SIZE[1], SIZE[0], 3), 20 * (i % 10), np.uint8))[1].tobytes()
        jpeg = bytes(len(jpeg)) if spoil else jpeg
        part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        self.wfile.write(part + jpeg + b"\r\n")
        time.sleep(PERIOD_S)

    def _stream(self, frames, spoiled=()):
        self._head("multipart/x-mixed-replace; boundary=frame")
        for i in range(frames):
            self._frame(i, i % 4 in spoiled)

    def well(self):
        self._stream(1000)

    def torn(self):
        self._stream(1000, spoiled=(1,))

    def ends(self):
        self._stream(8)

    def stalls(self):
        self._stream(8)
        self.server.released.wait(20.0)

    def silent(self):
        self.server.released.wait(20.0)

    def garbage(self):
        self._head("video/mp4")
        self.wfile.write(np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes())

    def text(self):
        self._head("text/html")
        self.wfile.write(b"<html>log in, please</html>")

    def refused(self):
        self.send_error(401)


@pytest.fixture(scope="module")
def camera():
    server = ThreadingHTTPServer(("127.0.0.1", 0), CameraServer)
    server.daemon_threads, server.released = True, threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://admin:{SECRET}@127.0.0.1:{server.server_port}"
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def opened(camera, stop):
    sources = []

    def open_it(mode, fps=None):
        sources.append(LiveSource(NAME, f"{camera}/{mode}", fps, SteadyClock(), stop))
        return sources[-1]

    yield open_it
    for source in sources:
        source.close()


def drain(source):
    for _ in range(20):
        source.read()


def test_frames_come_with_the_time_at_which_they_came(opened):
    source = opened("well")
    frames = [source.read() for _ in range(10)]
    assert [frame.index for frame in frames] == list(range(10))
    assert {(frame.camera_id, frame.size, frame.pixels.shape) for frame in frames} == {(NAME, SIZE, (48, 64, 3))}
    intervals = np.diff([frame.captured_at for frame in frames])
    assert intervals.min() > 0.0
    assert np.median(intervals) == pytest.approx(PERIOD_S, rel=0.6), "and not at the 25 a second that FFmpeg assumes"
    assert abs(frames[-1].captured_at - time.time()) < 1.0


def test_frames_between_those_that_are_wanted_are_left_out(opened):
    source = opened("well", fps=5.0)
    assert source.fps == 5.0
    begun = time.monotonic()
    frames = [source.read() for _ in range(5)]
    assert time.monotonic() - begun > 0.6
    assert frames[-1].index - frames[0].index > 8


def test_a_frame_that_does_not_decode_is_one_fault_and_the_next_is_read(opened):
    source, frames, torn = opened("torn"), 0, 0
    for _ in range(12):
        try:
            source.read()
            frames += 1
        except FrameCorrupt:
            torn += 1
    assert (frames, torn) == (9, 3)


def test_the_end_of_a_stream_is_a_fault(opened):
    source = opened("ends")
    with pytest.raises(CameraUnavailable, match="camera door:"):
        drain(source)


def test_a_stream_that_stalls_is_given_up_in_time(opened, monkeypatch):
    monkeypatch.setattr(live_source, "READ_S", 0.5)
    source = opened("stalls")
    begun = time.monotonic()
    with pytest.raises(CameraUnavailable, match=r"nothing came for 0\.5 s"):
        drain(source)
    assert time.monotonic() - begun < 3.0


def test_stopping_ends_reading(opened, stop):
    source = opened("well")
    source.read()
    stop.set()
    assert source.read() is None


@pytest.mark.parametrize("mode", ["garbage", "text", "refused", "silent"])
def test_what_is_no_camera_is_refused_without_showing_its_address(opened, monkeypatch, mode):
    monkeypatch.setattr(live_source, "OPEN_S", 0.5)
    with pytest.raises(CameraUnavailable, match=r"camera door: cannot be opened: .+") as refused:
        opened(mode)
    told = str(refused.value) + repr(refused.value.__cause__) + repr(refused.value.__context__)
    assert SECRET not in told
    assert "127.0.0.1" not in told
    if mode == "refused":
        assert "401" in told


def nobody_listens() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize(
    "address", [f"rtsp://admin:{SECRET}@127.0.0.1:PORT/stream", f"http://{SECRET}@127.0.0.1:PORT", "usb:77"]
)
def test_a_camera_that_is_not_there_is_unavailable(address, stop):
    with pytest.raises(CameraUnavailable, match=r"cannot be opened: (Connection refused|No such file)") as refused:
        LiveSource(NAME, address.replace("PORT", str(nobody_listens())), None, SteadyClock(), stop)
    assert SECRET not in str(refused.value)


def stamped(clock, stamps, delays, begin=1000.0):
    return [clock.captured_at(stamp, begin + stamp + delay) for stamp, delay in zip(stamps, delays, strict=True)]


def test_jitter_of_the_network_does_not_move_capture_times():
    rng = np.random.default_rng(1)
    stamps = np.arange(200) / 10
    times = stamped(ArrivalClock(), stamps, 0.05 + rng.exponential(0.03, 200))
    assert np.abs(np.diff(times[20:]) - 0.1).max() < 0.01
    assert times[-1] == pytest.approx(1000.0 + stamps[-1] + 0.05, abs=0.01)


def test_no_frame_is_captured_after_it_came():
    delays = np.abs(np.random.default_rng(2).normal(0.1, 0.05, 300))
    stamps = np.arange(300) / 25
    assert all(
        time <= 1000.0 + s + d
        for time, s, d in zip(stamped(ArrivalClock(), stamps, delays), stamps, delays, strict=True)
    )


def test_a_camera_clock_that_runs_slow_is_followed():
    arrivals = 1000.0 + np.arange(3000) / 5
    clock = ArrivalClock()
    times = [clock.captured_at(0.999 * i / 5, arrival) for i, arrival in enumerate(arrivals)]
    assert arrivals[-1] - times[-1] < 0.05, "0.6 s behind without following"


def test_a_stream_clock_that_jumps_begins_anew():
    clock = ArrivalClock()
    clock.captured_at(5.0, 1000.0)
    assert clock.captured_at(90_000.0, 1000.2) == pytest.approx(1000.2)


def test_without_stamps_a_frame_was_captured_when_it_came():
    assert ArrivalClock().captured_at(None, 1000.5) == 1000.5
