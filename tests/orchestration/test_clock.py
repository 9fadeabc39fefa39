import threading
import time

import pytest

from app.orchestration.clock import Pace, SteadyClock


def test_a_steady_clock_tells_the_time_of_day_and_goes_forward():
    clock = SteadyClock()
    first = clock.now()
    time.sleep(0.01)
    assert first == pytest.approx(time.time(), abs=1.0)
    assert 0.009 < clock.now() - first < 1.0


def test_a_pace_begins_with_the_first_question_and_is_the_same_for_all():
    pace = Pace(SteadyClock())
    assert pace.source_time(pace.clock.now()) is None
    time.sleep(0.02)
    begun = pace.capture_time(100.0)
    assert begun == pytest.approx(pace.clock.now(), abs=0.01)
    assert pace.capture_time(107.5) - begun == pytest.approx(7.5)
    assert pace.source_time(begun + 2.0) == pytest.approx(102.0)


def test_threads_that_ask_at_once_agree_on_the_begin():
    pace, begins = Pace(SteadyClock()), []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        begins.append(pace.capture_time(5.0))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(begins)) == 1
