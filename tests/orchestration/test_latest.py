import itertools
import threading
import time

import pytest

from app.domains.vocabulary import CameraId, Frame
from app.orchestration.latest import Drop, LatestBatcher, LatestConfig

A, B, C = CameraId("a"), CameraId("b"), CameraId("c")
NOW = 1000.0
WAIT_S = 0.08


@pytest.fixture
def batcher():
    batcher = LatestBatcher([C, A, B], LatestConfig(wait_s=WAIT_S))
    for camera in (A, B, C):
        batcher.expect(camera, fps=5.0)
    yield batcher
    batcher.close()


def put(batcher, camera, captured_at, now=NOW):
    return batcher.put(Frame(camera, captured_at, int(captured_at * 10), (64, 48), None), now)


def taken(batch):
    return None if batch is None else [(frame.camera_id, frame.captured_at) for frame in batch.frames]


def in_step(batcher, *times):
    """Let all three cameras give frames in step."""
    for captured_at in times:
        for camera in (A, B, C):
            put(batcher, camera, captured_at)
        batcher.next(1.0)


def test_the_frames_of_one_instant_travel_together_by_camera_id(batcher):
    for camera in (C, A, B):
        put(batcher, camera, 10.0)
    batch = batcher.next(1.0)
    assert taken(batch) == [(A, 10.0), (B, 10.0), (C, 10.0)]
    assert batch.captured_at == 10.0


def test_the_newest_frame_wins_and_the_drop_is_counted(batcher):
    for captured_at in (10.0, 10.2, 10.4):
        put(batcher, A, captured_at)
    assert taken(batcher.next(1.0)) == [(A, 10.4)]
    assert batcher.dropped() == {A: {Drop.REPLACED: 2}, B: {}, C: {}}


def test_a_camera_that_is_due_is_waited_for_and_no_longer_than_it_takes(batcher):
    in_step(batcher, 10.0, 10.2)
    put(batcher, A, 10.4)
    put(batcher, B, 10.4)
    threading.Timer(0.02, put, (batcher, C, 10.4)).start()
    begun = time.monotonic()
    assert taken(batcher.next(1.0)) == [(A, 10.4), (B, 10.4), (C, 10.4)]
    assert time.monotonic() - begun < WAIT_S


def test_the_wait_for_a_camera_that_is_due_is_bounded(batcher):
    in_step(batcher, 10.0, 10.2)
    put(batcher, A, 10.4)
    begun = time.monotonic()
    assert taken(batcher.next(1.0)) == [(A, 10.4)]
    assert WAIT_S * 0.9 <= time.monotonic() - begun < 3 * WAIT_S


@pytest.mark.parametrize(
    "why", ["it is absent", "it has been silent for long", "it gave none yet", "its next is not due"]
)
def test_nobody_waits_for_a_camera_when(batcher, why):
    if why == "it gave none yet":
        put(batcher, A, 10.0)
        put(batcher, B, 10.0)
        batcher.next(1.0)
        put(batcher, A, 10.4)
        put(batcher, B, 10.4)
    else:
        in_step(batcher, 10.0, 10.2)
        later = {"it has been silent for long": 14.0, "its next is not due": 10.25}.get(why, 10.4)
        put(batcher, A, later)
        put(batcher, B, later)
        if why == "it is absent":
            batcher.absent(C)
    begun = time.monotonic()
    assert [camera for camera, _ in taken(batcher.next(1.0))] == [A, B]
    assert time.monotonic() - begun < 0.5 * WAIT_S


def test_a_frame_of_an_earlier_instant_joins_the_next_batch(batcher):
    put(batcher, A, 10.1)
    batcher.next(1.0)
    put(batcher, B, 10.0)
    assert batcher.next(0.02) is None, "a batch must not be older than the one before"
    put(batcher, A, 10.2)
    batch = batcher.next(1.0)
    assert taken(batch) == [(A, 10.2), (B, 10.0)]
    assert batch.captured_at == 10.2


def test_a_frame_far_behind_its_batch_is_dropped_as_late(batcher):
    put(batcher, B, 10.0)
    put(batcher, A, 10.5)
    assert taken(batcher.next(1.0)) == [(A, 10.5)]
    assert batcher.dropped()[B] == {Drop.LATE: 1}


@pytest.mark.parametrize(
    ("captured_at", "drop"),
    [(10.0, Drop.BACKWARDS), (9.0, Drop.BACKWARDS), (NOW + 5.0, Drop.FUTURE)],
    ids=["the same time again", "an earlier time", "a time that has not come"],
)
def test_a_frame_with_a_time_that_cannot_be_is_dropped(batcher, captured_at, drop):
    assert put(batcher, A, 10.0)
    assert not put(batcher, A, captured_at)
    assert taken(batcher.next(1.0)) == [(A, 10.0)]
    assert batcher.dropped()[A] == {drop: 1}


def test_a_wrong_clock_in_one_camera_does_not_make_the_others_late(batcher):
    put(batcher, C, NOW + 60.0)
    for captured_at in (NOW - 0.4, NOW - 0.2):
        put(batcher, A, captured_at)
        assert taken(batcher.next(1.0)) == [(A, captured_at)]


def test_the_capture_times_of_batches_increase_whatever_comes(batcher):
    times = []
    for i in range(60):
        put(batcher, (A, B, C)[i % 3], 10.0 + 0.05 * i - 0.03 * (i % 2))
        batch = batcher.next(0.0)
        times += [batch.captured_at] if batch else []
    assert len(times) > 10
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_the_true_period_is_learnt_where_the_claimed_one_is_wrong():
    batcher = LatestBatcher([A, B], LatestConfig(wait_s=WAIT_S))
    for camera in (A, B):
        batcher.expect(camera, fps=25.0)  # and gives 5
    for i in range(30):
        for camera in (A, B):
            put(batcher, camera, 10.0 + 0.2 * i)
        batcher.next(1.0)
    put(batcher, A, 16.0)
    threading.Timer(0.02, put, (batcher, B, 16.0)).start()
    assert taken(batcher.next(1.0)) == [(A, 16.0), (B, 16.0)]


def test_nothing_comes_in_time(batcher):
    begun = time.monotonic()
    assert batcher.next(0.03) is None
    assert 0.02 < time.monotonic() - begun < 0.5


def test_closing_ends_a_wait_at_once(batcher):
    threading.Timer(0.02, batcher.close).start()
    begun = time.monotonic()
    assert batcher.next(10.0) is None
    assert time.monotonic() - begun < 1.0
    assert batcher.next(10.0) is None
