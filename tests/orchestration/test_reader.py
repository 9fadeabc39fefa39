import threading
import time

import pytest

from app.domains.vocabulary import CameraId, Frame
from app.errors import CameraUnavailable, ConfigError, FrameCorrupt
from app.orchestration.clock import SteadyClock
from app.orchestration.latest import Drop, LatestBatcher, LatestConfig
from app.orchestration.reader import CameraFeed, CameraReader, CameraState, ReaderConfig

NAME = CameraId("door")
QUICK = ReaderConfig(
    late_s=0.08, late_periods=3.0, lost_s=0.3, first_retry_s=0.02, last_retry_s=0.05, corrupt_in_a_row=5
)


class ScriptedSource:
    """A FrameSource that does what its script says: a size gives a frame, an exception is raised, a number is slept."""

    def __init__(self, clock, script, stop):
        self.camera_id, self.fps, self.frame_count = NAME, 50.0, None
        self._clock, self._script, self._stop = clock, list(script), stop
        self.closed = False

    def read(self):
        while self._script:
            action = self._script.pop(0)
            if isinstance(action, Exception):
                raise action
            if isinstance(action, float):
                self._stop.wait(action)
                continue
            return Frame(NAME, self._clock.now(), 0, action, None)
        return None

    def close(self):
        self.closed = True


class Camera:
    """A reader of one camera whose source follows one script per opening."""

    def __init__(self, *scripts):
        self.clock = SteadyClock()
        self.batcher = LatestBatcher([NAME], LatestConfig())
        self.scripts = list(scripts)
        self.sources: list[ScriptedSource] = []
        self.reported: list[Exception] = []
        self.reader = CameraReader(
            CameraFeed(NAME, self._open), self.batcher, self.clock, lambda _, error: self.reported.append(error), QUICK
        )

    def _open(self, stop):
        script = self.scripts.pop(0) if self.scripts else [30.0]
        if isinstance(script, Exception):
            raise script
        self.sources.append(ScriptedSource(self.clock, script, stop))
        return self.sources[-1]

    def status(self):
        return self.reader.status(self.batcher.dropped()[NAME])

    def until(self, condition, timeout_s=3.0):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if condition(self.status()):
                return self.status()
            time.sleep(0.005)
        pytest.fail(f"still {self.status()}")


@pytest.fixture
def camera():
    cameras: list[Camera] = []

    def start(*scripts):
        cameras.append(Camera(*scripts))
        cameras[-1].reader.start()
        return cameras[-1]

    yield start
    for started in cameras:
        started.reader.stop()
        assert started.reader.join(2.0)


FRAME = (64, 48)


def test_before_the_first_frame_a_camera_is_starting(camera):
    status = camera([30.0]).status()
    assert (status.state, status.frames, status.age_s, status.fps, status.reason) == (
        CameraState.STARTING,
        0,
        None,
        0.0,
        None,
    )


def test_frames_make_it_live_with_their_rate_and_age(camera):
    status = camera([FRAME, *[0.02, FRAME] * 40]).until(lambda status: status.frames > 20)
    assert status.state is CameraState.LIVE
    assert 15.0 < status.fps < 60.0
    assert status.age_s < 0.5


def test_silence_makes_it_late_and_then_lost_and_a_frame_live_again(camera):
    silent = camera([FRAME, 0.02, FRAME, 0.6, FRAME, 30.0])
    silent.until(lambda status: status.state is CameraState.LATE)
    lost = silent.until(lambda status: status.state is CameraState.LOST)
    assert lost.reason == "no frame for 0 s"
    assert lost.fps == 0.0
    assert silent.until(lambda status: status.state is CameraState.LIVE).reason is None


def test_the_end_of_a_recording_is_no_fault(camera):
    status = camera([FRAME]).until(lambda status: status.state is CameraState.ENDED)
    assert (status.frames, status.reason) == (1, "the recording has ended")


def test_a_camera_that_fails_is_opened_again_and_closed_each_time(camera):
    broken = camera([FRAME, CameraUnavailable(NAME, "no power")], CameraUnavailable(NAME, "refused"), [FRAME, 30.0])
    assert broken.until(lambda status: status.frames == 2).state is CameraState.LIVE
    assert [source.closed for source in broken.sources] == [True, False]
    assert broken.reported == []


def test_a_camera_that_fails_says_why(camera):
    dead = camera(*[CameraUnavailable(NAME, "refused")] * 1000)
    status = dead.until(lambda status: status.state is CameraState.LOST)
    assert status.reason == "refused"
    assert dead.reader.tried()


def test_failures_in_a_row_are_tried_ever_more_patiently(camera):
    dead = camera(*[CameraUnavailable(NAME, "refused")] * 1000)
    time.sleep(0.5)
    assert 4 <= 1000 - len(dead.scripts) <= 14  # 0.02, 0.04, then every 0.05 s


def test_a_fault_that_nobody_foresaw_is_reported_and_the_camera_opened_again(camera):
    odd = camera([FRAME, ZeroDivisionError("secret")], [FRAME, 30.0])
    odd.until(lambda status: status.frames == 2)
    assert [type(error) for error in odd.reported] == [ZeroDivisionError]


def test_an_unforeseen_fault_does_not_show_its_text(camera):
    odd = camera(*[[ZeroDivisionError("secret")]] * 1000)
    status = odd.until(lambda status: status.state is CameraState.LOST)
    assert status.reason == "reading failed (ZeroDivisionError); the log says more"


def test_a_wrong_setting_is_not_tried_again(camera):
    wrong = camera(ConfigError("site.yaml", "cameras[0].source", "is no address"), [FRAME, 30.0])
    status = wrong.until(lambda status: status.state is CameraState.LOST)
    assert status.reason == "is no address"
    assert wrong.reader.join(1.0)
    assert (wrong.reader.wrong.key, len(wrong.scripts)) == ("cameras[0].source", 1)


def test_frames_that_do_not_decode_are_counted_and_reading_goes_on(camera):
    status = camera([FRAME, FrameCorrupt(NAME, "torn"), FRAME, 30.0]).until(lambda status: status.frames == 2)
    assert status.dropped[Drop.CORRUPT] == 1


def test_nothing_but_garbage_makes_the_camera_be_opened_anew(camera):
    garbage = camera([FrameCorrupt(NAME, "torn")] * 1000, [30.0])
    status = garbage.until(lambda status: status.state is CameraState.LOST)
    assert status.reason == "5 frames in a row do not decode; the last: torn"
    assert status.dropped[Drop.CORRUPT] == 5


def test_frames_of_another_size_are_a_fault(camera):
    grown = camera([FRAME, 0.01, (128, 96), 30.0], [(128, 96), 30.0])
    status = grown.until(lambda status: status.state is CameraState.LOST)
    assert status.reason.startswith("frames are 128x96 now and were 64x48")
    assert status.frames == 1


def test_a_source_that_skips_what_is_late_has_it_counted(camera):
    slow = camera([0.05, FRAME, 30.0])
    slow.until(lambda _: slow.sources != [])
    slow.sources[0].left_out = 3
    assert slow.until(lambda status: status.frames == 1 and status.dropped).dropped == {Drop.BEHIND: 3}


def test_a_reader_that_is_stuck_does_not_hold_up_its_stop():
    stuck = Camera()
    release = threading.Event()

    def never_answers(_stop):
        release.wait(10.0)
        raise CameraUnavailable(NAME, "no answer")

    feed = CameraFeed(NAME, never_answers)
    stuck.reader = CameraReader(feed, stuck.batcher, stuck.clock, lambda *_: None, QUICK)
    stuck.reader.start()
    begun = time.monotonic()
    stuck.reader.stop()
    assert not stuck.reader.join(0.05)
    assert time.monotonic() - begun < 1.0
    release.set()
