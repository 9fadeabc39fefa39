"""What is usual, and what is not."""

import numpy as np
import pytest

from app.domains.analytics.figures import OccupancySeries, Quality
from app.domains.analytics.rhythm import HOUR_S, Side, anomalies, expect

WEEK_S = 168 * HOUR_S
MONDAY = 1_699_833_600.0  # 2023-11-13T00:00:00Z


def series(
    at: np.ndarray, mean: np.ndarray, observed: np.ndarray | float = 1.0, bucket_s: float = HOUR_S
) -> OccupancySeries:
    rest = [np.zeros(len(at))] * 4
    quality = Quality(1.0, (), None, None, 0.0)
    return OccupancySeries(at, bucket_s, mean, *rest, np.broadcast_to(observed, at.shape), quality)


def weeks(count: int, scatter: float = 0.5, seed: int = 0) -> OccupancySeries:
    """Return hours of a place that is full at noon and empty at night."""
    at = MONDAY + HOUR_S * np.arange(168 * count)
    hour = (at - MONDAY) / HOUR_S % 24
    usual = 10.0 * np.exp(-((hour - 12.0) ** 2) / 8.0)
    return series(at, np.maximum(usual + np.random.default_rng(seed).normal(0, scatter, len(at)), 0.0))


def test_what_is_usual_is_learnt_by_hour_of_the_week() -> None:
    at = MONDAY + 6 * WEEK_S + HOUR_S * np.arange(168)
    band = expect(weeks(6), at)
    noon, night = band.expected[12::24], band.expected[0::24]
    assert noon == pytest.approx(10.0, abs=1.0)
    assert night == pytest.approx(0.0, abs=1.0)
    assert (band.weeks == 6).all()
    assert (band.low <= band.expected).all()
    assert (band.low >= 0.0).all()
    usual = weeks(7, seed=3)
    again = series(usual.at[-168:], usual.mean[-168:])
    assert len(anomalies(again, band)) < 10  # of 168: six values say little about how far they scatter


def test_an_odd_hour_is_told_with_its_band() -> None:
    at = MONDAY + 6 * WEEK_S + HOUR_S * np.arange(24)
    band = expect(weeks(6), at)
    mean = band.expected.copy()
    mean[3], mean[12] = 6.0, 1.0
    night, noon = anomalies(series(at, mean), band)
    assert (night.at, night.mean, night.side) == (at[3], 6.0, Side.ABOVE)
    assert (noon.at, noon.mean, noon.side) == (at[12], 1.0, Side.BELOW)
    assert noon.low == band.low[12] > 1.0


def test_one_odd_week_changes_little() -> None:
    past = weeks(6)
    past.mean[168:336] = 100.0
    at = MONDAY + 6 * WEEK_S + HOUR_S * np.arange(24)
    assert expect(past, at).expected == pytest.approx(expect(weeks(6), at).expected, abs=1.0)


def test_two_weeks_tell_nothing_and_nothing_is_odd_then() -> None:
    at = MONDAY + 2 * WEEK_S + HOUR_S * np.arange(24)
    band = expect(weeks(2), at)
    assert np.isnan([band.low, band.expected, band.high]).all()
    assert (band.weeks == 2).all()
    assert anomalies(series(at, np.full(24, 1000.0)), band) == ()


def test_what_nobody_observed_is_neither_learnt_nor_judged() -> None:
    past = weeks(3)
    hidden = series(past.at, np.full(len(past.at), np.nan), 0.0)
    at = MONDAY + 3 * WEEK_S + HOUR_S * np.arange(24)
    assert np.isnan(expect(hidden, at).expected).all()
    poorly = series(at, np.full(24, 1000.0), 0.4)
    assert anomalies(poorly, expect(past, at)) == ()
    assert anomalies(series(at, np.full(24, np.nan), 0.0), expect(past, at)) == ()


def test_a_place_of_which_a_third_is_ever_seen_has_its_rhythm() -> None:
    past, at = weeks(6), MONDAY + 6 * WEEK_S + HOUR_S * np.arange(24)
    band = expect(series(past.at, past.mean, 0.33), at)
    assert band.expected == pytest.approx(expect(past, at).expected)
    assert len(anomalies(series(at, np.full(24, 1000.0), 0.33), band)) == 24
    assert anomalies(series(at, np.full(24, 1000.0), 0.1), band) == ()


def test_nothing_is_learnt_from_the_hours_that_are_asked_for_or_later() -> None:
    at = MONDAY + 2 * WEEK_S + HOUR_S * np.arange(24)
    assert (expect(weeks(6), at).weeks == 2).all()


def test_an_empty_place_may_have_a_visitor() -> None:
    past = weeks(6)
    empty = series(past.at, np.zeros(len(past.at)))
    at = MONDAY + 6 * WEEK_S + HOUR_S * np.arange(24)
    band = expect(empty, at)
    assert anomalies(series(at, np.full(24, 0.5)), band) == ()
    assert len(anomalies(series(at, np.full(24, 2.0)), band)) == 24


def test_hours_are_the_sites() -> None:
    at = MONDAY + 6 * WEEK_S + HOUR_S * np.arange(24)
    assert expect(weeks(6), at, offset_s=2 * HOUR_S).expected == pytest.approx(expect(weeks(6), at).expected)


def test_other_buckets_and_no_hours() -> None:
    with pytest.raises(ValueError, match="hours"):
        expect(series(np.zeros(1), np.zeros(1), bucket_s=60.0), np.zeros(1))
    none = np.zeros(0)
    assert len(expect(series(none, none), none).at) == 0
