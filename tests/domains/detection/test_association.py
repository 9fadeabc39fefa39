import numpy as np
import pytest

from app.domains.assignment import Workspace
from app.domains.detection.association import (
    Choice,
    Expected,
    Pairs,
    Search,
    associate,
    cosines,
    covered_share,
    find_pairs,
    iou,
    shows_one,
    weigh,
    worth_a_look,
)
from app.domains.detection.motion import MotionConfig, initiate, predict

NOISE = MotionConfig().noise()


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def pairs(tracks: int, *rows: tuple[int, int, float]) -> Pairs:
    """Pairs of (track, box, cost), given track by track; the distance is the cost + 10."""
    track, row, cost = (np.array([r[i] for r in rows], dtype) for i, dtype in enumerate((np.int64, np.int64, float)))
    begin = np.searchsorted(track, np.arange(tracks + 1)).astype(np.int64)
    return Pairs(begin, track, row, cost + 10.0, cost, np.empty_like(row), np.empty_like(cost))


def choice(boxes: int, tracks: int) -> Choice:
    """Room to decide in, full of what somebody else left there."""

    def whole(n: int) -> np.ndarray:
        return np.full(n, 7)

    def real(n: int) -> np.ndarray:
        return np.full(n, np.nan)

    of_boxes = real(boxes), whole(boxes), whole(boxes), whole(boxes + 1)
    workspace = Workspace(whole(tracks), whole(boxes), real(tracks), real(boxes), *of_boxes)
    return Choice(whole(boxes), real(boxes), whole(tracks + 1), whole(tracks), real(boxes), real(tracks), workspace)


def associated(offered: Pairs, confidence: list[float], steady: list[int], low_score_gate: float = 12.0) -> list[int]:
    """The track of each box, where 0.5 is confident."""
    chosen = choice(len(confidence), len(steady))
    associate(offered, np.array(confidence, np.float32), 0.5, np.array(steady), (25.0, low_score_gate), chosen)
    return chosen.track_of.tolist()


def search(boxes: int, tracks: int, pairs: int) -> Search:
    """Room to search in, full of what somebody else left there."""
    whole, real = np.full((6, max(boxes, tracks) + 1), 7), np.full((2, boxes), np.nan)
    stripe, order, begin, first, last, near = whole
    found = np.full((3, pairs), 7), np.full((3, pairs), np.nan)
    return Search(stripe, order, np.full((boxes, 4), np.nan), begin, *real, first, last, near, *found)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 10, 20), (0, 0, 10, 20), 1.0, id="the same box"),
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, id="half over"),
        pytest.param((0, 0, 10, 10), (2, 2, 7, 7), 0.25, id="one inside the other"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0.0, id="side by side"),
        pytest.param((0, 0, 10, 10), (50, 60, 70, 80), 0.0, id="far apart on both axes"),
        pytest.param((5, 5, 5, 5), (5, 5, 5, 5), 0.0, id="boxes without area"),
    ],
)
def test_iou(a, b, expected):
    assert iou(boxes(a)[0], boxes(b)[0]) == pytest.approx(expected)
    assert iou(boxes(b)[0], boxes(a)[0]) == pytest.approx(expected)


def test_covered_share_is_of_the_first_box():
    small, large = boxes((2, 2, 7, 7), (0, 0, 10, 10))
    assert covered_share(small, large) == pytest.approx(1.0)
    assert covered_share(large, small) == pytest.approx(0.25)


def alone(rows: list[int], shown: np.ndarray, hidden: np.ndarray, frames: list[int] | None = None) -> list[bool]:
    asked = np.isin(np.arange(len(shown)), rows)
    frame = np.array(frames or [0] * len(shown), np.int64)
    return shows_one(asked, frame, shown, np.zeros(len(hidden), np.int64), hidden, 0.4).tolist()


def test_a_crop_of_a_person_behind_another_shows_two_and_the_nearer_ones_shows_one():
    near, far, apart = (0, 0, 40, 120), (10, 0, 40, 100), (300, 0, 340, 100)
    assert alone([0, 1, 2], boxes(near, far, apart), boxes()) == [True, False, True]
    assert alone([0, 2], boxes(near, far, apart), boxes()) == [True, False, True], "what is not asked is not said"


def test_a_box_of_another_frame_hides_nobody():
    near, far = (0, 0, 40, 120), (10, 0, 40, 100)
    assert alone([0, 1], boxes(near, far), boxes(), [0, 1]) == [True, True]


def test_a_crop_where_somebody_out_of_sight_is_expected_shows_perhaps_two():
    a, b = (0, 0, 40, 120), (300, 0, 340, 100)
    assert alone([0, 1], boxes(a, b), boxes((5, 10, 45, 120))) == [False, True]
    assert alone([0, 1], boxes(a, b), boxes((5, 10, 45, 120)), [1, 1]) == [True, True], "another frame's"
    assert alone([], boxes(), boxes(a)) == []


@pytest.mark.parametrize(
    "squeeze",
    [
        pytest.param(lambda x: x, id="people all over the picture"),
        pytest.param(lambda x: np.full_like(x, 300.0), id="everybody at one x"),
        pytest.param(lambda x: np.where(x > 500.0, 1e12, x), id="some beyond all pictures"),
        pytest.param(lambda x: np.round(x, -2), id="people in columns"),
    ],
)
def test_pairs_are_those_within_reach_and_no_others(squeeze):
    rng = np.random.default_rng(4)
    counts, frames = (30, 0, 45), np.array([0, 0, 1, 2, 2, 2, -1] * 5)
    begin = np.concatenate([[0], np.cumsum(counts)])
    measured = np.column_stack([rng.uniform(0, 600, (75, 2)), rng.uniform(30, 60, 75), rng.uniform(80, 200, 75)])
    start = np.column_stack([rng.uniform(0, 600, (35, 2)), rng.uniform(30, 60, 35), rng.uniform(80, 200, 35)])
    measured[:, 0], start[:, 0] = squeeze(measured[:, 0]), squeeze(start[:, 0])
    mean, covariance = np.empty((35, 8)), np.empty((35, 4, 3))
    for k, box in enumerate(start):
        initiate(mean, covariance, k, box, NOISE)
    expected_at = Expected(frames, np.empty((35, 8)), np.empty((35, 4, 3)), np.full(36, 7))
    predict(mean, covariance, np.arange(35), np.full(35, 0.4), NOISE, (expected_at.mean, expected_at.covariance))
    mean, covariance = expected_at.mean, expected_at.covariance
    room = search(75, 35, 3000)
    k = find_pairs(expected_at, begin, measured, room, NOISE, 25.0)
    track, row, distance_found, cost = room.whole[0, :k], room.whole[1, :k], room.real[0, :k], room.real[1, :k]
    own = (NOISE[0] * mean[:, 3:4]) ** 2
    gap = mean[:, None, :4] - measured[None]
    distance = (gap**2 / (covariance[:, :, 0] + own)[:, None]).sum(axis=2)
    frame_of_box = np.repeat(np.arange(3), counts)
    expected = (distance <= 25.0) & (frames[:, None] == frame_of_box[None])
    assert 20 < expected.sum() < 400
    assert sorted(zip(track.tolist(), row.tolist(), strict=True)) == list(
        zip(*(index.tolist() for index in np.nonzero(expected)), strict=True)
    )
    np.testing.assert_allclose(distance_found, distance[track, row], rtol=1e-9, atol=1e-9)
    spread = np.log((covariance[:, :, 0] + own) / own).sum(axis=1)
    np.testing.assert_allclose(cost, distance_found + spread[track], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(np.diff(expected_at.begin), expected.sum(axis=1))
    assert find_pairs(expected_at, begin, measured, search(75, 35, 19), NOISE, 25.0) <= -expected.sum()


def test_doubtful_boxes_go_to_steady_tracks_that_are_left():
    offered = pairs(3, (0, 0, -9.0), (0, 1, -9.5), (1, 1, -8.0), (2, 1, -9.9))
    confidence, steady = [0.9, 0.2], [1, 1, 0]
    assert associated(offered, confidence, steady) == [0, 1]
    assert associated(offered, confidence, [0, 0, 1]) == [0, 2]
    assert associated(offered, confidence, steady, 1.0) == [0, -1], "beyond the gate"
    worthless = offered._replace(cost=np.zeros(4))
    assert associated(worthless, confidence, steady) == [-1, -1], "not worth it"


def certainty(offered: Pairs, track_of: list[int]) -> list[float]:
    """The certainty of each box's match."""
    chosen = choice(len(track_of), len(offered.begin) - 1)
    chosen.track_of[:] = track_of
    weigh(offered, 25.0, chosen)
    return chosen.certainty.tolist()


def test_a_match_without_rival_is_surer():
    lone, torn = pairs(2, (0, 0, -8.0)), pairs(2, (0, 0, -8.0), (1, 0, -7.0))
    assert certainty(lone, [0]) == pytest.approx([np.exp(4.0) / (1.0 + np.exp(4.0))])
    assert certainty(torn, [0]) == pytest.approx([np.exp(4.0) / (1.0 + np.exp(4.0) + np.exp(3.5))])
    assert certainty(lone, [-1]) == [0.0]


@pytest.mark.parametrize(
    ("offered", "old", "wanted"),
    [
        pytest.param([], [False], [True, True], id="boxes that no track fits"),
        pytest.param([(0, 0, 2.0), (1, 1, 2.0)], [False, False], [False, False], id="one track for each box"),
        pytest.param([(0, 0, 2.0), (1, 1, 2.0)], [True, False], [True, False], id="a track with an old look"),
        pytest.param([(0, 0, 2.0), (0, 1, 2.0), (1, 1, 2.0)], [False, False], [True, True], id="a track that is torn"),
        pytest.param([(0, 0, 2.0), (1, 1, 9.5)], [False, False], [False, True], id="a track that hardly fits"),
    ],
)
def test_a_look_is_worth_it_where_boxes_and_tracks_do_not_tell(offered, old, wanted):
    assert worth_a_look(pairs(len(old), *offered), np.array(old), 2, 9.0).tolist() == wanted


def test_cosines_are_of_pairs_that_were_both_looked_at():
    offered = pairs(2, (0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0))
    appearance, looks = np.eye(3, dtype=np.float32)[:2], np.array([[0.6, 0.8, 0], [0, 0, 0]], np.float32)
    found = cosines(offered, np.array([1, 0]), appearance[::-1].copy(), np.array([-np.inf, 0.0]), looks)
    np.testing.assert_allclose(found, [0.6, np.nan, np.nan], rtol=1e-6)
