import random
import threading
import time
from collections import Counter
from itertools import pairwise

import pytest

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import CameraUnavailable, FrameCorrupt
from app.infrastructure.image_source import ImageSource
from app.infrastructure.pyav_source import PyAVSource
from app.orchestration.batcher import Batcher, Fault, FaultKind


class ScriptedSource:
    """Gives frames at the times of the script; an exception in it is raised instead."""

    def __init__(self, camera_id, script, fps=10.0, delay_s=0.0):
        self.camera_id = CameraId(camera_id)
        self.fps = fps
        self.frame_count = len(script)
        self.closed = 0
        self.reads = 0
        self._script = list(script)
        self._delay_s = delay_s

    def read(self):
        time.sleep(random.uniform(0, self._delay_s))
        if self.reads > len(self._script):
            raise AssertionError("read after the end")
        index, self.reads = self.reads, self.reads + 1
        if index == len(self._script):
            return None
        step = self._script[index]
        if isinstance(step, BaseException):
            raise step
        return Frame(self.camera_id, step, index, (4, 3), None)

    def close(self):
        self.closed += 1


def steady(camera_id, fps, count, start_s=0.0, **options):
    return ScriptedSource(camera_id, [start_s + i / fps for i in range(count)], fps, **options)


def content(batch: FrameBatch):
    return [f"{frame.camera_id}{frame.index}" for frame in batch.frames]


def batches(*sources):
    with Batcher(sources) as batcher:
        return [content(batch) for batch in batcher]


def corrupt(camera_id="a"):
    return FrameCorrupt(camera_id, "does not decode")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param([steady("a", 2, 2)], [["a0"], ["a1"]], id="one camera"),
        pytest.param([steady("b", 2, 2), steady("a", 2, 2)], [["a0", "b0"], ["a1", "b1"]], id="ordered by camera id"),
        pytest.param([steady("a", 2, 3), steady("b", 1, 2)], [["a0", "b0"], ["a1"], ["a2", "b1"]], id="half the rate"),
        pytest.param(
            [steady("a", 10, 4), steady("b", 7, 3)],
            [["a0", "b0"], ["a1", "b1"], ["a2"], ["a3", "b2"]],
            id="rates that do not divide",
        ),
        pytest.param([steady("a", 2, 3), steady("b", 2, 1)], [["a0", "b0"], ["a1"], ["a2"]], id="one ends early"),
        pytest.param(
            [steady("a", 2, 4), steady("b", 2, 2, start_s=1.0)],
            [["a0"], ["a1"], ["a2", "b0"], ["a3", "b1"]],
            id="one starts later",
        ),
        pytest.param(
            [steady("a", 10, 3, start_s=1.7e9), steady("b", 10, 3, start_s=1.7e9 + 0.05)],
            [["a0", "b0"], ["a1", "b1"], ["a2", "b2"]],
            id="half a period apart is a tie and counts as together",
        ),
        pytest.param(
            [steady("a", 10, 2), steady("b", 10, 2, start_s=0.06)],
            [["a0"], ["a1", "b0"], ["b1"]],
            id="more than half a period apart",
        ),
        pytest.param(
            [ScriptedSource("a", [0.0, 0.01, 0.1]), ScriptedSource("b", [0.04, 0.1])],
            [["a0"], ["a1", "b0"], ["a2", "b1"]],
            id="a burst of one camera is not overtaken",
        ),
    ],
)
def test_frames_meet_in_step_by_capture_time(sources, expected):
    assert batches(*sources) == expected


def random_sources(seed, delay_s=0.0):
    rng = random.Random(seed)
    sources = []
    for name in "abcd":
        t, script = rng.uniform(0, 1), []
        for _ in range(rng.randrange(5, 40)):
            t += rng.choice([0.01, 0.1, 0.1, 0.1, 0.5])
            script.append(corrupt(name) if rng.random() < 0.1 else t)
        sources.append(ScriptedSource(name, script, fps=rng.choice([5.0, 10.0]), delay_s=delay_s))
    return sources


@pytest.mark.parametrize("seed", range(8))
def test_every_sound_frame_is_in_one_batch_and_time_increases(seed):
    sources = random_sources(seed)
    with Batcher(sources) as batcher:
        given = list(batcher)
    frames = Counter((frame.camera_id, frame.index) for batch in given for frame in batch.frames)
    expected = {
        (source.camera_id, i) for source in sources for i, t in enumerate(source._script) if isinstance(t, float)
    }
    assert set(frames) == expected
    assert set(frames.values()) == {1}
    assert all(before.captured_at < after.captured_at for before, after in pairwise(given))
    assert all(
        max(f.captured_at for f in before.frames) < min(f.captured_at for f in after.frames)
        for before, after in pairwise(given)
    )
    assert all(batch.captured_at == max(frame.captured_at for frame in batch.frames) for batch in given)
    assert all(content(batch) == sorted(content(batch)) for batch in given)
    assert sum(fault.kind is FaultKind.CORRUPT for fault in batcher.faults) == sum(
        s.frame_count for s in sources
    ) - len(expected)


def test_thread_timing_and_order_of_sources_change_nothing():
    runs = []
    for attempt in range(4):
        sources = random_sources(3, delay_s=0.002 * attempt)
        random.Random(attempt).shuffle(sources)
        with Batcher(sources) as batcher:
            runs.append(([content(batch) for batch in batcher], batcher.faults))
    assert all(run == runs[0] for run in runs[1:])


def test_a_corrupt_frame_is_counted_with_its_index_and_skipped():
    with Batcher([ScriptedSource("a", [0.0, corrupt(), corrupt(), 0.3]), steady("b", 10, 4)]) as batcher:
        assert [content(batch) for batch in batcher] == [["a0", "b0"], ["b1"], ["b2"], ["a3", "b3"]]
    assert batcher.faults == [
        Fault(CameraId("a"), FaultKind.CORRUPT, 1, "does not decode"),
        Fault(CameraId("a"), FaultKind.CORRUPT, 2, "does not decode"),
    ]


@pytest.mark.parametrize("late", [0.05, 0.1, -3.0, float("nan")], ids=["earlier", "equal", "far back", "not a number"])
def test_a_frame_that_is_not_later_than_the_one_before_is_counted_and_skipped(late):
    with Batcher([ScriptedSource("a", [0.0, 0.1, late, 0.2])]) as batcher:
        assert [content(batch) for batch in batcher] == [["a0"], ["a1"], ["a3"]]
    (fault,) = batcher.faults
    assert (fault.kind, fault.index) == (FaultKind.BACKWARDS, 2)
    assert fault.reason.startswith("frame 2 was captured at ")


def test_a_camera_that_is_lost_leaves_the_others_going():
    gone = CameraUnavailable("a", "the file cannot be read on")
    with Batcher([ScriptedSource("a", [0.0, gone, 0.2]), steady("b", 10, 3)]) as batcher:
        assert [content(batch) for batch in batcher] == [["a0", "b0"], ["b1"], ["b2"]]
    assert batcher.faults == [Fault(CameraId("a"), FaultKind.LOST, None, "the file cannot be read on")]


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([], [FaultKind.EMPTY]),
        ([corrupt(), corrupt()], [FaultKind.CORRUPT, FaultKind.CORRUPT, FaultKind.EMPTY]),
        ([CameraUnavailable("a", "gone")], [FaultKind.LOST, FaultKind.EMPTY]),
    ],
    ids=["ends at once", "nothing decodes", "cannot be read"],
)
def test_a_camera_without_frames_is_known_before_the_first_batch(script, kinds):
    with Batcher([ScriptedSource("a", script), steady("b", 10, 50)]) as batcher:
        assert content(next(batcher)) == ["b0"]
        assert [fault.kind for fault in batcher.faults] == kinds


def test_no_frame_at_all_ends_at_once():
    with Batcher([ScriptedSource("a", []), ScriptedSource("b", [corrupt("b")])]) as batcher:
        assert list(batcher) == []
    assert [(f.camera_id, f.kind) for f in batcher.faults if f.kind is FaultKind.EMPTY] == [
        ("a", FaultKind.EMPTY),
        ("b", FaultKind.EMPTY),
    ]


def test_an_unforeseen_exception_of_a_source_reaches_the_caller():
    sources = [ScriptedSource("a", [0.0, 0.1, 0.2, ZeroDivisionError("in the source")]), steady("b", 10, 9)]
    batcher = Batcher(sources)
    with pytest.raises(ZeroDivisionError, match="in the source"), batcher:
        list(batcher)
    assert [source.closed for source in sources] == [1, 1]


def test_stopping_early_joins_the_threads_and_closes_the_sources():
    sources = [steady("a", 10, 1000), steady("b", 10, 1000)]
    threads = threading.active_count()
    with Batcher(sources) as batcher:
        next(batcher)
        assert threading.active_count() == threads + 2
    assert threading.active_count() == threads
    assert [source.closed for source in sources] == [1, 1]
    assert all(source.reads < 20 for source in sources)
    assert list(batcher) == []


def test_closing_twice_and_before_the_first_batch_does_no_harm():
    batcher = Batcher([steady("a", 10, 3)])
    batcher.close()
    batcher.close()
    assert list(batcher) == []


def test_reading_goes_on_while_a_batch_is_worked_on():
    source = steady("a", 10, 100)
    with Batcher([source]) as batcher:
        next(batcher)
        read = source.reads
        deadline = time.monotonic() + 2.0
        while source.reads < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert 5 <= source.reads <= 8, read


@pytest.mark.parametrize("names", ["", "aa"], ids=["no source", "two sources of one camera"])
def test_cameras_must_be_there_and_distinct(names):
    with pytest.raises(ValueError, match="one source per camera"):
        Batcher([steady(name, 10, 1) for name in names])


def test_the_number_of_frames_is_known_when_every_source_knows_it():
    known, unknown = steady("a", 10, 3), steady("b", 10, 4)
    assert Batcher([known, unknown]).frame_count == 7
    unknown.frame_count = None
    assert Batcher([known, unknown]).frame_count is None


@pytest.mark.data
def test_six_image_folders_come_in_ten_full_batches(data_dir):
    folders = data_dir / "multiviewx_mini" / "Image_subsets"
    sources = [ImageSource(CameraId(f"C{c}"), folders / f"C{c}", fps=2.0) for c in range(6, 0, -1)]
    with Batcher(sources) as batcher:
        given = [(batch.captured_at, content(batch)) for batch in batcher]
    assert given == [(i / 2, [f"C{c}{i}" for c in range(1, 7)]) for i in range(10)]
    assert batcher.faults == []


@pytest.mark.data
def test_a_cut_video_beside_a_whole_one_ends_alone(data_dir, tmp_path):
    content_bytes = (data_dir / "pets09_s2l1" / "vtest.avi").read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content_bytes[: len(content_bytes) // 8])
    sources = [
        PyAVSource(CameraId("cut"), cut, fps=7.0),
        ImageSource(CameraId("C1"), data_dir / "multiviewx_mini" / "Image_subsets" / "C1", fps=2.0),
    ]
    with Batcher(sources) as batcher:
        counts = Counter(frame.camera_id for batch in batcher for frame in batch.frames)
    assert counts["C1"] == 10
    assert 60 < counts["cut"] < 120
    assert [fault.kind for fault in batcher.faults] == [FaultKind.CORRUPT, FaultKind.LOST]
    assert batcher.faults[0].index == counts["cut"]
    assert "of the 795 frames" in batcher.faults[1].reason
