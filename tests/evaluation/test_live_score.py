import numpy as np
import pytest

from app.domains.vocabulary import FloorTracks, GlobalId, Merge, Split, TrackingUpdate
from app.evaluation.live_score import LiveScore


class Truth:
    """Two people: 1 walks along x, 2 stands; nobody before the start."""

    def people_at(self, captured_at):
        if captured_at < 0.0:
            return np.empty(0, np.int64), np.empty((0, 2))
        return np.array([1, 2]), np.array([[captured_at, 0.0], [5.0, 5.0]])


def update(captured_at, dots, corrections=()):
    n = len(dots)
    floor = FloorTracks(
        np.array(list(dots), np.int64).reshape(n),
        np.array(list(dots.values()), float).reshape(n, 2),
        np.zeros((n, 2)),
        np.zeros((n, 2, 2)),
        ((),) * n,
        np.ones(n),
    )
    return TrackingUpdate(captured_at, (), floor, corrections)


@pytest.fixture
def score():
    return LiveScore(Truth(), window_s=60.0)


def test_before_anybody_is_there_nothing_can_be_said(score):
    nothing = {"window_s": 0.0, "idf1": None, "moda": None, "position_error_m": None, "matched": 0, "people": 0}
    assert score.scores() == nothing
    score.add(update(-1.0, {}))
    assert score.scores() == nothing


def test_dots_on_people_are_right(score):
    for i in range(50):
        score.add(update(i / 5, {11: (i / 5 + 0.1, 0.0), 12: (5.0, 5.0)}))
    assert score.scores() == {
        "window_s": 9.8,
        "idf1": 1.0,
        "moda": 1.0,
        "position_error_m": pytest.approx(0.05),
        "matched": 2,
        "people": 2,
    }


def test_a_dot_more_than_half_a_metre_away_is_wrong(score):
    for i in range(10):
        score.add(update(i / 5, {11: (i / 5 + 0.6, 0.0), 12: (5.0, 5.0)}))
    scores = score.scores()
    assert (scores["idf1"], scores["moda"], scores["position_error_m"]) == (0.5, 0.0, 0.0)
    assert (scores["matched"], scores["people"]) == (1, 2)


def test_without_any_dot_there_is_a_score_and_no_error(score):
    score.add(update(1.0, {}))
    scores = score.scores()
    assert (scores["idf1"], scores["moda"], scores["position_error_m"], scores["matched"]) == (0.0, 0.0, None, 0)


def test_what_is_older_than_the_window_does_not_count(score):
    for i in range(100):
        score.add(update(float(i), {}))
    for i in range(100, 161):
        score.add(update(float(i), {11: (float(i), 0.0), 12: (5.0, 5.0)}))
    assert score.scores()["window_s"] == 60.0
    assert score.scores()["idf1"] == 1.0


def test_a_merge_mends_the_window(score):
    for i in range(10):
        score.add(update(float(i), {11: (float(i), 0.0), 12: (5.0, 5.0)}))
    for i in range(10, 20):
        score.add(update(float(i), {13: (float(i), 0.0), 12: (5.0, 5.0)}))
    assert score.scores()["idf1"] == pytest.approx(0.75)
    score.add(update(20.0, {11: (20.0, 0.0), 12: (5.0, 5.0)}, (Merge(GlobalId(13), GlobalId(11)),)))
    assert score.scores()["idf1"] == 1.0


def test_a_split_mends_the_window(score):
    """11 is taken for 12 from 10 s on, and 12 for 11."""
    for i in range(20):
        one, other = (11, 12) if i < 10 else (12, 11)
        score.add(update(float(i), {one: (float(i), 0.0), other: (5.0, 5.0)}))
    assert score.scores()["idf1"] == pytest.approx(0.5)
    swap = Split(GlobalId(11), GlobalId(13), 10.0, 20.0), Split(GlobalId(12), GlobalId(11), 10.0, 20.0)
    score.add(update(20.0, {11: (20.0, 0.0), 12: (5.0, 5.0)}, (*swap, Merge(GlobalId(13), GlobalId(12)))))
    assert score.scores()["idf1"] == 1.0


def test_a_merge_of_two_who_stood_at_one_instant_leaves_one_dot(score):
    score.add(update(0.0, {11: (0.0, 0.0), 13: (0.3, 0.0), 12: (5.0, 5.0)}))
    score.add(update(1.0, {11: (1.0, 0.0), 12: (5.0, 5.0)}, (Merge(GlobalId(13), GlobalId(11)),)))
    assert score.scores()["moda"] == 1.0


def test_a_whole_run_has_every_score():
    score = LiveScore(Truth(), window_s=float("inf"))
    for i in range(100):
        score.add(update(float(i), {11 + (i >= 50): (float(i), 0.0)}))
    scores = score.run_scores()
    assert scores.instants == 100
    assert scores.tracking.id_switches == 1
    assert scores.detection.recall == 0.5
    assert scores.error.median_m == 0.0
