import numpy as np
import pytest

from app.domains.reid.evidence import IdentityConfig, Returns, share
from app.domains.reid.person import OCTAVES, Person, Whereabouts, octave
from app.domains.reid.review import gap_s

ABSENT = np.eye(OCTAVES)


def person(*stays):
    return Person(Whereabouts(0.0), stays=list(stays))


@pytest.mark.parametrize(
    ("odds", "rivals", "expected"),
    [
        pytest.param(0.0, [], 1.0, id="a stranger where nobody is known"),
        pytest.param(0.0, [0.0], 0.5, id="a stranger or one who is as likely"),
        pytest.param(np.log(3.0), [np.log(3.0)], 0.75, id="one against a stranger"),
        pytest.param(2.0, [2.0, 2.0], np.exp(2) / (1 + 2 * np.exp(2)), id="two lookalikes"),
        pytest.param(0.0, [-np.inf, -np.inf], 1.0, id="nobody possible"),
        pytest.param(900.0, [900.0], 1.0, id="without overflow"),
    ],
)
def test_the_share_of_a_hypothesis(odds, rivals, expected):
    assert share(odds, np.array(rivals)) == pytest.approx(expected)


def test_before_anything_is_learnt_all_absent_share_the_prior():
    config = IdentityConfig(return_log_odds=1.0)
    odds = Returns(config).log_odds(np.array([3.0, 3000.0]), absent=4.0)
    np.testing.assert_allclose(odds, 1.0 - np.log(4.0))


def test_a_site_teaches_after_how_long_people_return():
    returns = Returns(IdentityConfig())
    short, long = octave(np.array([10.0, 1000.0]))
    for _ in range(200):
        returns.learn(ABSENT[short] + 10.0 * ABSENT[long], 0.95 * ABSENT[short])
    soon, late = returns.log_odds(np.array([10.0, 1000.0]), absent=11.0)
    assert soon > 2.0
    assert late < soon - 3.0


def test_a_site_of_passers_by_teaches_that_nobody_returns():
    returns = Returns(IdentityConfig())
    before = returns.log_odds(np.array([60.0]), absent=5.0)
    for _ in range(200):
        returns.learn(5.0 * ABSENT[octave(np.array([60.0]))[0]], np.zeros(OCTAVES))
    assert returns.log_odds(np.array([60.0]), absent=5.0) < before - 3.0


@pytest.mark.parametrize(
    ("one", "other", "together", "apart"),
    [
        ([(0.0, 5.0)], [(8.0, 9.0)], 0.0, 3.0),
        ([(0.0, 5.0), (20.0, 30.0)], [(4.0, 6.0), (25.0, 26.0)], 2.0, 0.0),
        ([], [(0.0, 1.0)], 0.0, 0.0),
    ],
    ids=["one after the other", "together twice", "one who was never seen"],
)
def test_how_long_two_were_there_together_and_apart(one, other, together, apart):
    assert person(*one).beside_s(person(*other)) == together
    assert gap_s(person(*one), person(*other)) == apart


def test_a_short_gap_does_not_end_a_stay_and_old_stays_are_forgotten():
    somebody = person()
    for now in (0.0, 0.5, 1.4, 9.0):
        somebody.is_seen(now, gap_s=1.0)
    assert somebody.stays == [(0.0, 1.4), (9.0, 9.0)]
    for now in range(20, 5000, 10):
        somebody.is_seen(float(now), gap_s=1.0)
    assert len(somebody.stays) == 100
