import numpy as np
import pytest

from app.domains.analytics.figures import Ending, Period, Stays
from app.domains.analytics.places import PlaceId
from app.domains.analytics.presence import presence

T0 = 1_767_261_600.0
PERIOD = Period(T0, T0 + 60.0)


def stays(*rows):
    begun, ended, ending = zip(*rows, strict=True) if rows else ((),) * 3
    n = len(rows)
    times = (T0 + np.array(times, np.float64) for times in (begun, ended))
    return Stays((PlaceId("till"),) * n, np.arange(n) + 1, *times, tuple(ending))


def amounts(which, bucket_s=20.0, counted=None):
    return presence(which, PERIOD, bucket_s, np.ones(len(which), np.bool_) if counted is None else np.array(counted))


def test_stays_are_shared_out_over_the_buckets_that_they_touch():
    found = amounts(stays((-5.0, 30.0, Ending.LEFT), (25.0, 90.0, Ending.HERE), (50.0, 55.0, Ending.LOST)))
    assert found.person_s.tolist() == [20.0, 10.0 + 15.0, 20.0 + 5.0]
    assert found.peak.tolist() == [1.0, 2.0, 2.0]
    assert found.entered.tolist() == [0.0, 1.0, 1.0]
    assert found.gone.tolist() == [0.0, 1.0, 1.0]


def test_only_those_count_who_are_counted():
    found = amounts(stays((0.0, 60.0, Ending.LEFT), (10.0, 15.0, Ending.LEFT)), counted=[False, True])
    assert found.person_s.tolist() == [5.0, 0.0, 0.0]
    assert (found.peak.tolist(), found.entered.tolist()) == ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0])


def test_who_comes_as_another_goes_is_alone_and_who_came_for_an_instant_was_there():
    found = amounts(stays((5.0, 20.0, Ending.LEFT), (20.0, 30.0, Ending.LEFT), (45.0, 45.0, Ending.LOST)))
    assert found.peak.tolist() == [1.0, 1.0, 1.0]


def test_nobody_is_nobody():
    found = amounts(stays())
    assert [column.tolist() for column in (found.person_s, found.peak, found.entered, found.gone)] == [[0.0] * 3] * 4


@pytest.mark.parametrize("seed", range(4))
def test_counting_second_by_second_says_the_same(seed):
    random = np.random.default_rng(seed)
    begun = random.integers(-30, 60, 40)
    ended = np.maximum(begun + random.integers(1, 40, 40), 1)
    which = stays(*((b, e, Ending.LEFT) for b, e in zip(begun, ended, strict=True)))
    found = amounts(which, 10.0)
    there = [(begun <= second) & (ended > second) for second in range(60)]
    people = np.array([np.count_nonzero(now) for now in there]).reshape(6, 10)
    assert found.person_s.tolist() == pytest.approx(people.sum(axis=1).tolist())
    assert found.peak.tolist() == people.max(axis=1).tolist()
