"""The way that somebody walked."""

import numpy as np
import pytest

from app.domains.analytics.ways import evenly, walked_m


def test_noise_does_not_walk():
    at = np.arange(0.0, 60.0, 0.1)
    noisy = np.random.default_rng(0).normal(0.0, 0.05, (len(at), 2))
    straight = np.stack([at, np.zeros(len(at))], axis=1)
    assert walked_m(at, straight) == pytest.approx(59.9)
    assert walked_m(at, straight + noisy) == pytest.approx(59.9, rel=0.02)


def test_a_way_that_nobody_saw_is_not_counted():
    at = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    xy = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [50.0, 0.0], [51.0, 0.0]])
    assert walked_m(at, xy) == 3.0


@pytest.mark.parametrize(("n", "rows"), [(0, []), (1, [0]), (3, [0, 1, 2]), (9, [0, 2, 4, 6, 8])])
def test_rows_are_spread_evenly_from_the_first_to_the_last(n, rows):
    assert evenly(n, 5).tolist() == rows


def test_nobody_walks_nowhere():
    assert walked_m(np.empty(0), np.empty((0, 2))) == 0.0
