import numpy as np
import pytest

from app.domains.corrections import CorrectedHistory
from app.domains.vocabulary import NO_ID, GlobalId, Merge, Split

ONE, TWO, THREE, NEW = (GlobalId(i) for i in (1, 2, 3, 9))
TIMES = [0.0, 1.0, 2.0, 3.0, 4.0]


def after(*corrections, at=5.0):
    history = CorrectedHistory()
    for correction in corrections:
        history.follow(at, [correction])
    return history


def reading(history, reported, times=None):
    """Whom an id stands for, at 0, 1, 2, 3 and 4 s unless told."""
    times = TIMES if times is None else times
    return history.read(np.full(len(times), reported), np.array(times), np.full(len(times), 0.5))[0].tolist()


@pytest.mark.parametrize(
    ("corrections", "reported", "expected"),
    [
        pytest.param([], ONE, [1, 1, 1, 1, 1], id="nothing was corrected"),
        pytest.param([Merge(TWO, ONE)], TWO, [1, 1, 1, 1, 1], id="a merge reaches back to the start"),
        pytest.param([Merge(TWO, ONE)], ONE, [1, 1, 1, 1, 1], id="and leaves alone who is kept"),
        pytest.param([Merge(THREE, TWO), Merge(TWO, ONE)], THREE, [1, 1, 1, 1, 1], id="a merge of a merge"),
        pytest.param([Split(ONE, NEW, 1.0, 3.0)], ONE, [1, 9, 9, 1, 1], id="a split, begin inclusive, end exclusive"),
        pytest.param([Split(ONE, NEW, 1.0, 3.0), Split(ONE, TWO, 2.0, 4.0)], ONE, [1, 9, 9, 2, 1], id="two splits"),
        pytest.param([Merge(TWO, ONE), Split(ONE, NEW, 2.0, 9.0)], TWO, [1, 1, 9, 9, 9], id="a split of a merge"),
        pytest.param([Split(ONE, NEW, 1.0, 3.0), Merge(NEW, ONE)], ONE, [1, 1, 1, 1, 1], id="a split undone"),
        pytest.param(
            [Merge(TWO, ONE), Split(ONE, TWO, -np.inf, np.inf, (TWO,))], TWO, [2, 2, 2, 2, 2], id="a merge undone"
        ),
        pytest.param(
            [Merge(TWO, ONE), Split(ONE, TWO, -np.inf, np.inf, (TWO,))], ONE, [1, 1, 1, 1, 1], id="who was kept stays"
        ),
        pytest.param(
            [Split(ONE, NEW, 2.0, 9.0), Split(TWO, ONE, 2.0, 9.0), Merge(NEW, TWO)], ONE, [1, 1, 2, 2, 2], id="a swap"
        ),
        pytest.param([Split(ONE, NEW, 7.0, 6.0)], ONE, [1, 1, 1, 1, 1], id="a split of no time"),
    ],
)
def test_what_an_id_means(corrections, reported, expected):
    assert reading(after(*corrections), reported) == expected


def test_rows_keep_their_order_and_those_without_identity_stay_without():
    history = after(Merge(TWO, ONE), Split(ONE, NEW, 3.0, 4.0))
    reported = np.array([2, NO_ID, 1, 7, 1, 2])
    identity, _ = history.read(reported, np.array([3.5, 0.0, 0.0, 3.5, 3.5, 0.0]), np.ones(6))
    assert identity.tolist() == [9, NO_ID, 1, 7, 9, 1]
    assert reported.tolist() == [2, NO_ID, 1, 7, 1, 2], "what was reported is not written over"


def test_certainty_is_the_corrections_where_something_was_corrected():
    history = after(Split(ONE, NEW, 1.0, 2.0, certainty=0.8))
    _, certainty = history.read(np.array([1, 1]), np.array([0.0, 1.0]), np.array([0.6, 0.6]))
    assert certainty.tolist() == [0.6, 0.8]


def test_nobody():
    identity, certainty = after(Merge(TWO, ONE)).read(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert (len(identity), len(certainty)) == (0, 0)


def test_what_reaches_no_row_any_more_is_forgotten():
    history = CorrectedHistory()
    for i in range(1000):
        history.follow(float(i), [Merge(GlobalId(i + 2), ONE), Split(ONE, GlobalId(i + 5000), i - 1.0, float(i))])
        history.forget(i - 10.0)
        assert len(history._spans) < 20
        assert len(history._reported_of) < 20
        assert max(map(len, history._spans.values())) < 40
    assert reading(history, 1001, [0.0]) == [1]
    assert reading(history, 2, [0.0]) == [2]
