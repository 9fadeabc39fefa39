"""Dwell times against a textbook's example, and against exact figures where every end is known."""

import numpy as np
import pytest
from walkers import stays

from app.domains.analytics.dwell import EDGES_S, distribution, survival
from app.domains.analytics.figures import Period
from app.domains.analytics.queueing import queue

DAY = Period(0.0, 86_400.0)
# Weeks of remission under 6-MP, Freireich et al. (1963), as Kaplan-Meier is taught with
ENDED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_survival_is_the_textbooks() -> None:
    seconds = np.array(ENDED + CENSORED, np.float64)
    times, left = survival(seconds, np.arange(len(seconds)) < len(ENDED))
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert dict(zip(times, left.round(3), strict=True)).items() >= expected.items()


def test_with_every_end_known_it_is_the_plain_distribution() -> None:
    lengths = np.random.default_rng(0).exponential(100.0, 501)
    found = distribution(stays(*[("z", 1, i, i + s, "left") for i, s in enumerate(lengths)]), DAY, (0.1, 0.5, 0.9))
    assert found.mean_s == pytest.approx(lengths.mean())
    assert found.quantiles_s == pytest.approx(np.quantile(lengths, [0.1, 0.5, 0.9], method="inverted_cdf"))
    assert (found.n, found.open, found.lost, found.cut_off) == (501, 0, 0, False)
    assert found.histogram.sum() == 501
    assert found.histogram.tolist() == np.histogram(lengths, [*found.edges_s, np.inf])[0].tolist()
    assert found.edges_s.tolist() == EDGES_S[: len(found.edges_s)].tolist()


@pytest.mark.parametrize("ending", ["here", "lost"])
def test_ends_that_nobody_saw_make_no_stay_seem_short(ending: str) -> None:
    rng = np.random.default_rng(1)
    truth, watched = rng.exponential(100.0, 4000), rng.exponential(150.0, 4000)
    rows = [("z", 1, 0.0, min(t, w), "left" if t <= w else ending) for t, w in zip(truth, watched, strict=True)]
    found = distribution(stays(*rows), DAY, (0.5,))
    naive = np.median(np.minimum(truth, watched))
    assert found.quantiles_s[0] == pytest.approx(100.0 * np.log(2.0), rel=0.06)
    assert naive < 0.7 * 100.0 * np.log(2.0)
    assert (found.open, found.lost)[ending == "lost"] == sum(row[4] == ending for row in rows)


def test_from_the_whole_floor_people_go_out_of_sight() -> None:
    rows = [("", 1, 0.0, 10.0, "lost"), ("", 2, 0.0, 20.0, "lost"), ("", 3, 0.0, 5.0, "here")]
    found = distribution(stays(*rows), DAY, (0.5,))
    assert found.quantiles_s.tolist() == [10.0]
    assert (found.n, found.lost, found.open, found.histogram.sum()) == (3, 2, 1, 2)


def test_quantiles_that_too_few_ends_tell_are_unknown() -> None:
    found = distribution(stays(("z", 1, 0.0, 10.0, "left"), ("z", 2, 0.0, 30.0, "here")), DAY, (0.5, 0.9))
    assert found.quantiles_s == pytest.approx([10.0, np.nan], nan_ok=True)
    assert (found.mean_s, found.cut_off) == (20.0, True)


def test_nobody_dwells_for_no_time() -> None:
    found = distribution(stays(), DAY, (0.5,))
    assert (found.n, found.mean_s, found.cut_off, len(found.histogram)) == (0, None, False, 0)
    assert np.isnan(found.quantiles_s).all()


def test_only_stays_that_began_in_the_period_count() -> None:
    rows = [("z", 1, 5.0, 500.0, "left"), ("z", 2, 10.0, 30.0, "left"), ("z", 3, 20.0, 21.0, "left")]
    found = distribution(stays(*rows), Period(10.0, 20.0), (0.5,))
    assert (found.n, found.mean_s) == (1, 20.0)


def test_a_queue_is_of_those_who_do_not_just_pass() -> None:
    rows = [
        ("q", 1, 0.0, 60.0, "left"),
        ("q", 2, 30.0, 90.0, "left"),
        ("q", 3, 60.0, 61.0, "left"),
        ("q", 4, 90.0, 92.0, "here"),
    ]
    found = queue(stays(*rows), Period(30.0, 130.0), 100.0)
    assert (found.peak, found.mean) == (2, pytest.approx((30 + 60 + 2) / 100))
    assert (found.wait.n, found.wait.quantiles_s[0]) == (2, 60.0)  # those of 2 and 4
    assert queue(stays(*rows), Period(30.0, 130.0), 0.0).mean is None
    empty = queue(stays(), DAY, 10.0)
    assert (empty.mean, empty.peak, empty.wait.n) == (0.0, 0, 0)
