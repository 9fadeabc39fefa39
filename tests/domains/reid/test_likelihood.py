import numpy as np
import pytest

from app.domains.reid.likelihood import CosineLikelihood, CosinePrior, LikelihoodConfig

CONFIG = LikelihoodConfig()
PRIOR = CosinePrior(0.7, 0.1, 0.3, 0.1)
NONE = np.empty(0)


def new(prior: CosinePrior = PRIOR) -> CosineLikelihood:
    return CosineLikelihood(prior, CONFIG)


def ratio(likelihood: CosineLikelihood, *cosine: float) -> list[float]:
    return likelihood.ratio(np.array(cosine)).tolist()


def test_alike_speaks_for_one_person_and_unlike_for_two():
    alike, between, unlike = ratio(new(), 0.7, 0.5, 0.3)
    assert alike > 3.0
    assert between == pytest.approx(0.0, abs=1e-9)
    assert unlike < -3.0


@pytest.mark.parametrize(
    "prior",
    [
        pytest.param(PRIOR, id="equal widths"),
        pytest.param(CosinePrior(0.7, 0.05, 0.3, 0.2), id="strangers vary more"),
        pytest.param(CosinePrior(0.7, 0.2, 0.3, 0.05), id="one person varies more"),
        pytest.param(CosinePrior(), id="unknown embedder"),
    ],
)
def test_more_alike_never_speaks_less_for_one_person(prior):
    cosine = np.linspace(-1.0, 1.0, 401)
    result = new(prior).ratio(cosine)
    assert (np.diff(result) >= -1e-9).all()
    assert result[0] < 0.0 < result[-1]
    assert np.abs(result).max() <= CONFIG.limit


def test_an_unknown_cosine_says_nothing():
    result = new().ratio(np.array([[np.nan, 0.7], [0.3, np.nan]]))
    assert result.shape == (2, 2)
    assert result[0, 0] == result[1, 1] == 0.0
    assert result[0, 1] > 0.0 > result[1, 0]


def test_an_appearance_that_tells_nobody_apart_says_nothing():
    for useless in (CosinePrior(0.5, 0.1, 0.5, 0.1), CosinePrior(0.3, 0.1, 0.6, 0.1)):
        assert ratio(new(useless), -1.0, 0.0, 0.5, 1.0) == [0.0] * 4


def test_the_limit_is_never_passed():
    likelihood = new(CosinePrior(0.9, 0.01, 0.1, 0.01))
    assert ratio(likelihood, 1.0, -1.0) == [CONFIG.limit, -CONFIG.limit]


def test_a_site_whose_people_look_alike_teaches_that():
    """Here strangers reach 0.6 and one person 0.9: what the embedder's figures call one person is two."""
    likelihood, random = new(), np.random.default_rng(0)
    before = ratio(likelihood, 0.6)[0]
    for _ in range(50):
        likelihood.learn(random.normal(0.9, 0.04, 20), random.normal(0.6, 0.08, 20))
    after, one = ratio(likelihood, 0.6, 0.9)
    assert before > 1.0
    assert after < -1.0
    assert one > 1.0


def test_a_few_pairs_change_little():
    likelihood = new()
    likelihood.learn(np.array([0.2]), np.array([0.9]))
    assert ratio(likelihood, 0.7)[0] > 2.0


def test_old_pairs_fade():
    likelihood, random = new(), np.random.default_rng(0)
    likelihood.learn(random.normal(0.9, 0.05, 5000), random.normal(0.6, 0.05, 5000))
    for _ in range(400):
        likelihood.learn(random.normal(0.5, 0.05, 50), random.normal(0.1, 0.05, 50))
    assert ratio(likelihood, 0.5)[0] > 3.0


def test_nothing_and_unknown_pairs_teach_nothing():
    likelihood = new()
    before = ratio(likelihood, 0.4, 0.6)
    likelihood.learn(NONE, NONE)
    likelihood.learn(np.array([np.nan]), np.array([[np.nan, np.nan]]))
    assert ratio(likelihood, 0.4, 0.6) == before


def test_learning_in_portions_is_learning_at_once():
    random = np.random.default_rng(1)
    same, other = random.normal(0.8, 0.1, 100), random.normal(0.4, 0.1, 100)
    at_once, portions = new(), new()
    at_once.learn(same, other)
    for i in range(0, 100, 5):
        portions.learn(same[i : i + 5], other[i : i + 5])
    cosine = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(portions.ratio(cosine), at_once.ratio(cosine), atol=1e-9)
