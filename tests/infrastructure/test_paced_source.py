import threading
import time

import pytest
from fakes import FakeSource

from app.errors import CameraUnavailable
from app.infrastructure.paced_source import PacedSource
from app.orchestration.clock import Pace, SteadyClock

FPS = 20.0
SIZE = (64, 48)


@pytest.fixture
def pace():
    return Pace(SteadyClock())


@pytest.fixture
def stop():
    return threading.Event()


def recording(camera="a", frames=4, start_s=100.0, kind=FakeSource):
    return lambda: kind(camera, [start_s + i / FPS for i in range(frames)], SIZE, FPS)


class SlowSource(FakeSource):
    def read(self):
        time.sleep(0.08)
        return super().read()


class SkippingSlowSource(SlowSource):
    def skip(self, frames):
        self._index += frames


def test_frames_come_at_their_time_and_have_it_as_capture_time(pace, stop):
    source = PacedSource(recording(), pace, loop=False, stop=stop)
    frames, at = [], []
    for frame in iter(source.read, None):
        frames.append(frame)
        at.append(pace.clock.now())
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    times = [frame.captured_at for frame in frames]
    assert [later - times[0] for later in times] == pytest.approx([0.0, 0.05, 0.10, 0.15], abs=1e-6)
    assert all(0.0 <= came - frame.captured_at < 0.04 for came, frame in zip(at, frames, strict=True))
    assert source.read() is None


def test_cameras_of_one_pace_show_one_instant_with_one_capture_time(pace, stop):
    sources = [PacedSource(recording(name), pace, loop=False, stop=stop) for name in "ab"]
    first, second = (source.read() for source in sources)
    assert first.captured_at == second.captured_at


def test_a_loop_begins_again_one_period_behind_the_last_frame(pace, stop):
    source = PacedSource(recording(frames=3), pace, loop=True, stop=stop)
    frames = [source.read() for _ in range(7)]
    assert [frame.index for frame in frames] == [0, 1, 2, 0, 1, 2, 0]
    times = [frame.captured_at - frames[0].captured_at for frame in frames]
    assert times == pytest.approx([i / FPS for i in range(7)], abs=1e-6)
    assert source.frame_count is None
    source.close()


def test_loops_of_unequal_length_begin_each_round_together(pace, stop):
    seen = {"a": [], "b": []}

    def play(camera, frames):
        source = PacedSource(recording(camera, frames), pace, loop=True, stop=stop)
        started.wait()
        while len(seen[camera]) < 2 * frames + 1:
            seen[camera].append(source.read())
        source.close()

    started = threading.Barrier(2)
    players = [threading.Thread(target=play, args=args) for args in (("a", 2), ("b", 4))]
    for player in players:
        player.start()
    for player in players:
        player.join(5.0)
    begins = {camera: [f.captured_at for f in frames if f.index == 0] for camera, frames in seen.items()}
    assert begins["a"] == begins["b"]
    assert begins["a"][1] - begins["a"][0] == pytest.approx(4 / FPS)


def test_a_loop_does_not_wait_for_one_that_was_closed(pace, stop):
    gone = PacedSource(recording("b", 50), pace, loop=True, stop=stop)
    source = PacedSource(recording("a", 1), pace, loop=True, stop=stop)
    source.read()
    gone.close()
    gone.close()
    assert source.read().index == 0
    source.close()


@pytest.mark.parametrize("kind", [SlowSource, SkippingSlowSource], ids=["that cannot skip", "that can skip"])
def test_a_source_that_is_too_slow_leaves_frames_out_and_gives_none_that_is_old(pace, stop, kind):
    source = PacedSource(recording(frames=40, kind=kind), pace, loop=False, stop=stop)
    ages = [pace.clock.now() - frame.captured_at for frame in iter(source.read, None)]
    assert 40 <= source.left_out + len(ages) <= 42  # the last skip may reach beyond the end
    assert source.left_out > 10
    assert max(ages) < 0.5 / FPS + 0.02
    if kind is SkippingSlowSource:
        assert len(ages) > 5, "what is skipped leaves time for what is shown"


def test_stopping_ends_a_wait(pace, stop):
    source = PacedSource(lambda: FakeSource("a", [0.0, 60.0], SIZE, 1 / 60), pace, loop=False, stop=stop)
    source.read()
    threading.Timer(0.05, stop.set).start()
    begun = time.monotonic()
    source.read()
    assert source.read() is None
    assert time.monotonic() - begun < 2.0


def test_a_loop_without_a_frame_is_a_fault_and_not_an_endless_search(pace, stop):
    source = PacedSource(recording(frames=0), pace, loop=True, stop=stop)
    with pytest.raises(CameraUnavailable, match="camera a: the recording holds no frame to repeat"):
        source.read()
