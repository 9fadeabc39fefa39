import time

import numpy as np
import pytest
from fakes import FakeDetector
from world import SIZE, World, corner_cameras, person

from app.domains.detection.tracker import CameraTrackers, TrackerConfig
from app.domains.mapping.fusion import FloorFusion, FusionConfig
from app.domains.reid.evidence import IdentityConfig
from app.domains.reid.gallery import Gallery
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.likelihood import CosineLikelihood, CosinePrior
from app.domains.vocabulary import NO_ID, Detections, Frame, GlobalId, Merge, Split
from app.errors import CameraUnavailable, DeviceError
from app.infrastructure.faiss_index import FaissIndex
from app.orchestration.clock import SteadyClock
from app.orchestration.pipeline import STAGES, Pipeline
from app.orchestration.reader import CameraFeed, CameraState, ReaderConfig
from app.orchestration.runtime import RecentTimes, Runtime, RuntimeConfig

FPS = 20.0


class WorldDetector(FakeDetector):
    """Asks the world, which begins when the first frame is captured, and may fail on demand."""

    def __init__(self, world):
        super().__init__(world)
        self.failures = 0
        self.fault = RuntimeError("the network fell over")
        self.begun = None
        self.busy_s = 0.0

    def detect(self, batch):
        self.begun = self.begun or batch.captured_at
        time.sleep(self.busy_s)
        if self.failures:
            self.failures -= 1
            raise self.fault
        return [
            Detections(f.camera_id, f.captured_at, seen.xyxy, seen.confidence)
            for f in batch.frames
            for seen in [self._world.look(f.camera_id, min(f.captured_at - self.begun, 9.0)).detections]
        ]


class TickingSource:
    """A camera that gives a frame at every tick of the wall clock, and dies when told to, or finds its decoder lost."""

    def __init__(self, camera_id, clock, stop, dead, undecoded):
        self.camera_id, self.fps, self.frame_count = camera_id, FPS, None
        self._clock, self._stop, self._dead, self._undecoded = clock, stop, dead, undecoded
        self._tick = int(clock.now() * FPS)

    def read(self):
        if self.camera_id in self._dead:
            raise CameraUnavailable(self.camera_id, "unplugged")
        for fault in self._undecoded:
            raise fault
        self._tick = max(self._tick + 1, int(self._clock.now() * FPS))
        if self._stop.wait(max(0.0, self._tick / FPS - self._clock.now())):
            return None
        return Frame(self.camera_id, self._tick / FPS, self._tick, SIZE, None)

    def close(self):
        pass


class Site:
    def __init__(self):
        self.world = World([person(1, [(0, 4, 4), (9, 8, 4)]), person(2, [(0, 8, 2), (9, 4, 3)])], corner_cameras())
        self.clock, self.dead, self.undecoded, self.seen = SteadyClock(), set(), [], []
        self.detector = WorldDetector(self.world)
        feeds = [
            CameraFeed(
                c.name, lambda stop, name=c.name: TickingSource(name, self.clock, stop, self.dead, self.undecoded)
            )
            for c in self.world.cameras
        ]
        config = RuntimeConfig(reader=ReaderConfig(late_s=0.2, lost_s=1.0, first_retry_s=0.05), retry_s=0.02)
        self.runtime = Runtime(feeds, self.clock, config)
        self.runtime.listen(lambda batch, update: self.seen.append((batch, update)))

    def track(self):
        identity = IdentityConfig()
        likelihood = CosineLikelihood(CosinePrior(), identity.likelihood)
        self.runtime.start()
        self.runtime.track(
            Pipeline(
                detector=self.detector,
                embedder=None,
                trackers=CameraTrackers([c.name for c in self.world.cameras], TrackerConfig()),
                views=self.world.views(),
                fusion=FloorFusion(self.world.views(), FusionConfig()),
                identities=IdentityResolver(Gallery(FaissIndex(1), identity.gallery), likelihood, identity, {}),
                timed=self.runtime.stages.time,
            ),
            lambda: {"cuda:0 out of memory": 2},
        )

    def until(self, condition, timeout_s=10.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, self.runtime.status()
            time.sleep(0.01)

    def state(self, camera):
        return next(status for status in self.runtime.status().cameras if status.camera_id == camera)


@pytest.fixture
def site():
    site = Site()
    yield site
    assert site.runtime.stop(3.0) == []


def test_frames_of_all_cameras_become_dots(site):
    site.track()
    site.until(lambda: len(site.seen) > 20)
    batches = [batch for batch, _ in site.seen[5:]]
    assert sum(len(batch.frames) == 4 for batch in batches) > 0.5 * len(batches), (
        "frames of one instant travel together"
    )
    assert all(batch.captured_at == update.captured_at for batch, update in site.seen)
    times = [batch.captured_at for batch, _ in site.seen]
    assert times == sorted(set(times))
    assert site.seen[-1][1].floor.global_id.tolist() == [1, 2]
    status = site.runtime.status()
    assert [camera.state for camera in status.cameras] == [CameraState.LIVE] * 4
    assert set(status.stages_ms) == {"wait", *STAGES}
    assert status.steps_per_s > 1.0
    assert site.runtime.tracking()


def test_sizes_and_rates_are_known_with_the_first_frames(site):
    site.runtime.start()
    names = {camera.name for camera in site.world.cameras}
    assert site.runtime.sizes(5.0) == dict.fromkeys(names, SIZE)
    assert site.runtime.rates() == dict.fromkeys(names, FPS)


def test_a_dead_camera_is_not_waited_for_at_the_start(site):
    site.dead.add("b")
    site.runtime.start()
    begun = time.monotonic()
    assert set(site.runtime.sizes(20.0)) == {"a", "c", "d"}
    assert time.monotonic() - begun < 5.0


def test_a_camera_that_dies_leaves_the_others_alone_and_may_come_back(site):
    site.track()
    site.until(lambda: len(site.seen) > 5)
    site.dead.add("b")
    site.until(lambda: site.state("b").state is CameraState.LOST)
    assert site.state("b").reason == "unplugged"
    before = len(site.seen)
    site.until(lambda: len(site.seen) > before + 10)
    assert {frame.camera_id for batch, _ in site.seen[before + 5 :] for frame in batch.frames} == {"a", "c", "d"}
    assert site.state("a").state is CameraState.LIVE
    site.dead.clear()
    site.until(lambda: site.state("b").state is CameraState.LIVE)


def test_a_step_that_fails_is_counted_and_shown_and_tracking_goes_on(site):
    site.detector.failures = 2
    site.track()
    site.until(lambda: site.runtime.status().failures == 2)
    site.until(lambda: len(site.seen) > 5)
    status = site.runtime.status()
    assert (status.failures, status.fault) == (2, None)
    assert site.runtime.tracking()


def test_while_every_step_fails_the_site_is_not_tracking(site):
    site.detector.failures = 10**6
    site.track()
    site.until(lambda: site.runtime.status().failures > 0)
    assert not site.runtime.tracking()
    assert site.runtime.status().fault == "RuntimeError: the log says more"


def test_a_lost_device_ends_the_frame_path_at_once_and_says_why(site):
    ended = []
    site.runtime.on_loss = lambda: ended.append(site.runtime.lost)
    site.detector.fault, site.detector.failures = DeviceError("cuda:0", "lost (CUDA error: launch failure)"), 10**6
    site.track()
    site.until(lambda: ended)
    site.until(lambda: not site.runtime.tracking())
    assert ended == [site.detector.fault]
    assert site.runtime.status().fault == "device cuda:0: lost (CUDA error: launch failure)"
    assert site.runtime.status().failures == 1, "another try could not succeed"
    assert site.runtime.status().device_faults == {"cuda:0 out of memory": 2, "cuda:0 lost": 1}


def test_a_device_that_is_lost_while_it_decodes_ends_the_frame_path_too(site):
    ended = []
    site.runtime.on_loss = lambda: ended.append(site.runtime.lost)
    site.track()
    await_dots(site, 2)
    site.undecoded.append(DeviceError("cuda:0", "lost (CUDA error: launch failure)"))
    site.until(lambda: ended)
    time.sleep(0.2)
    assert ended == site.undecoded, "once, whichever camera finds out"
    assert not site.runtime.tracking()
    assert site.runtime.status().device_faults["cuda:0 lost"] == 1


def test_when_steps_are_slow_frames_are_dropped_and_stay_fresh(site):
    site.detector.busy_s = 0.2
    site.track()
    site.until(lambda: len(site.seen) > 6)
    drops = sum(sum(camera.dropped.values()) for camera in site.runtime.status().cameras)
    assert drops > 6
    assert site.runtime.stages.quantiles("wait", [0.5])[0] < 200.0


def test_stopping_takes_no_longer_than_a_step(site):
    site.track()
    site.until(lambda: len(site.seen) > 2)
    begun = time.monotonic()
    assert site.runtime.stop(3.0) == []
    assert time.monotonic() - begun < 1.0
    assert not site.runtime.tracking()


def test_recent_times_have_a_median_and_quantiles():
    times = RecentTimes()
    assert times.milliseconds() == {}
    assert times.quantiles("step", (0.5, 0.95)) == [None, None]
    for milliseconds in range(1, 101):
        times.add("step", milliseconds / 1000.0)
    assert times.milliseconds() == {"step": 50.5}
    assert times.quantiles("step", (0.5, 0.95)) == [50.5, 95.0]
    with times.time("sleep"):
        time.sleep(0.01)
    assert 10.0 <= times.milliseconds()["sleep"] < 200.0


def test_an_operators_correction_leaves_once_with_the_next_update(site):
    site.track()
    await_dots(site, 2)
    split = Split(GlobalId(1), GlobalId(NO_ID), 0.0, np.inf)
    found = site.runtime.correct(split).result(5.0)
    site.until(lambda: any(update.corrections for _, update in site.seen))
    time.sleep(0.3)
    left = [correction for _, update in site.seen for correction in update.corrections]
    assert left.count(found) == 1
    assert found.apart in site.seen[-1][1].floor.global_id


def test_without_looks_nobody_looks_like_anybody(site):
    site.track()
    await_dots(site, 2)
    assert site.runtime.resembling(np.ones(4, np.float32), 5).result(5.0) == []


def test_a_correction_that_is_taken_back_is_followed_by_the_next_update(site):
    site.track()
    await_dots(site, 2)
    split = site.runtime.correct(Split(GlobalId(1), GlobalId(NO_ID), 0.0, np.inf)).result(5.0)
    site.until(lambda: split.apart in site.seen[-1][1].floor.global_id)
    assert site.runtime.take_back(split).result(5.0) == Merge(split.apart, GlobalId(1))
    site.until(lambda: site.seen[-1][1].floor.global_id.tolist() == [1, 2])


def test_a_correction_without_a_further_step_leaves_at_the_end(site):
    site.track()
    await_dots(site, 2)
    site.dead |= {camera.name for camera in site.world.cameras}
    site.until(lambda: all(site.state(camera.name).state is CameraState.LOST for camera in site.world.cameras))
    steps = -1
    while steps != (steps := len(site.seen)):  # what was read before is stepped still
        time.sleep(0.5)
    found = site.runtime.correct(Split(GlobalId(1), GlobalId(NO_ID), 0.0, np.inf)).result(5.0)
    assert not [correction for _, update in site.seen for correction in update.corrections]
    site.runtime.stop(3.0)
    batch, last = site.seen[-1]
    assert (batch.frames, len(last.floor), last.corrections) == ((), 0, (found,))
    assert last.captured_at > site.seen[-2][1].captured_at


def test_a_correction_that_cannot_be_is_refused_and_one_that_was_given_up_is_never_followed(site):
    given_up = site.runtime.correct(Merge(GlobalId(1), GlobalId(2)))
    assert given_up.cancel()
    site.track()
    await_dots(site, 2)
    assert not any(update.corrections for _, update in site.seen)
    with pytest.raises(ValueError, match="both in sight"):
        site.runtime.correct(Merge(GlobalId(1), GlobalId(2))).result(5.0)


def test_whoever_asks_for_a_correction_that_breaks_is_told(site):
    site.track()
    answer = site.runtime.correct("no correction")
    with pytest.raises(AttributeError):
        answer.result(5.0)


def await_dots(site, people):
    site.until(lambda: bool(site.seen) and len(site.seen[-1][1].floor) == people)
