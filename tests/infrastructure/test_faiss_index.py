import numpy as np
import pytest

from app.infrastructure.faiss_index import EXACT, FaissIndex


def unit(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.column_stack((np.cos(angle), np.sin(angle))).astype(np.float32)


@pytest.fixture
def index():
    index = FaissIndex(2)
    index.put(np.array([7, 3, 12]), unit(0, 60, 180))
    return index


def test_nearest_first(index):
    cosine, key = index.search(unit(0, 80), 3)
    assert key.tolist() == [[7, 3, 12], [3, 7, 12]]
    np.testing.assert_allclose(cosine[0], [1, 0.5, -1], atol=1e-6)
    assert (cosine.dtype, key.dtype) == (np.float64, np.int64)


def test_too_few_stored_are_padded(index):
    cosine, key = index.search(unit(0), 5)
    assert key.tolist() == [[7, 3, 12, -1, -1]]
    assert cosine[0, 3:].tolist() == [-np.inf, -np.inf]


def test_an_empty_index_finds_nothing():
    cosine, key = FaissIndex(2).search(unit(0, 10), 2)
    assert key.tolist() == [[-1, -1], [-1, -1]]
    assert (cosine == -np.inf).all()


def test_no_queries(index):
    cosine, key = index.search(np.zeros((0, 2), np.float32), 2)
    assert cosine.shape == key.shape == (0, 2)


def test_deleted_vectors_are_gone_and_their_keys_free(index):
    index.remove(np.array([7, 99]))
    assert len(index) == 2
    assert index.search(unit(0), 3)[1].tolist() == [[3, 12, -1]]
    index.put(np.array([7]), unit(175))
    cosine, key = index.search(unit(180), 2)
    assert key.tolist() == [[12, 7]]
    assert cosine[0, 1] == pytest.approx(np.cos(np.radians(5)), abs=1e-6)


def test_adding_and_deleting_nothing(index):
    index.put(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    index.remove(np.zeros(0, np.int64))
    assert len(index) == 3


def test_agrees_with_a_matrix_product_after_many_changes():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index, stored = FaissIndex(16), {}
    for step in range(0, 300, 10):
        keys = np.arange(step, step + 10)
        index.put(keys, vectors[keys])
        stored |= dict.fromkeys(keys.tolist())
        gone = random.choice(sorted(stored), 4, replace=False)
        index.remove(gone)
        stored = {key: None for key in stored if key not in gone}
    keys = np.array(sorted(stored))
    expected = keys[np.argsort(-(vectors[:20] @ vectors[keys].T), axis=1)[:, :5]]
    np.testing.assert_array_equal(index.search(vectors[:20], 5)[1], expected)


@pytest.mark.parametrize(
    ("keys", "vectors", "message"),
    [
        pytest.param([5, 5], unit(0, 1), "given twice", id="key given twice"),
        pytest.param([-1], unit(0), "negative", id="the key that stands for nothing"),
        pytest.param([5, 6], unit(0), "keys has shape", id="more keys than vectors"),
        pytest.param([5], np.ones((1, 3), np.float32), "vectors has shape", id="other dimension"),
    ],
)
def test_a_broken_contract_changes_nothing(index, keys, vectors, message):
    with pytest.raises(ValueError, match=message):
        index.put(np.array(keys), vectors)
    assert len(index) == 3
    assert index.search(unit(0), 4)[1].tolist() == [[7, 3, 12, -1]]


def test_impossible_questions_are_refused(index):
    with pytest.raises(ValueError, match="k is 0"):
        index.search(unit(0), 0)
    with pytest.raises(ValueError, match="dimension is 0"):
        FaissIndex(0)


def many(n: int, seed: int, dimension: int = 64) -> np.ndarray:
    """Looks of different people, who have something in common."""
    rng = np.random.default_rng(seed)
    vectors = 0.6 + rng.normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def seen_again(vectors: np.ndarray, seed: int, noise: float = 0.07) -> np.ndarray:
    looks = vectors + np.random.default_rng(seed).normal(0, noise, vectors.shape)
    return (looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float32)


def nearest(index: FaissIndex, queries: np.ndarray) -> np.ndarray:
    return np.concatenate([index.search(queries[i : i + 16], 1)[1][:, 0] for i in range(0, len(queries), 16)])


@pytest.mark.parametrize("extra", [0, 1], ids=["as many as are compared one by one", "one more"])
def test_nobody_is_lost_where_the_codes_take_over(extra):
    stored = many(EXACT + extra, 0)
    index = FaissIndex(64)
    index.put(np.arange(len(stored)) + 5, stored)
    cosine, key = index.search(stored[:300], 1)
    assert key[:, 0].tolist() == list(range(5, 305))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-5)


def test_noisy_looks_find_what_an_exact_search_finds():
    stored = many(6000, 1)
    index = FaissIndex(64)
    for first in range(0, 6000, 500):
        index.put(np.arange(first, first + 500), stored[first : first + 500])
    looks = seen_again(stored[::10], 2)
    cosine, key = index.search(looks, 3)
    exact = looks @ stored.T
    assert (key[:, 0] == exact.argmax(axis=1)).mean() >= 0.99
    assert (np.diff(cosine, axis=1) <= 0).all()
    np.testing.assert_allclose(cosine, np.take_along_axis(exact, key, axis=1), atol=1e-5)


def test_coming_and_going_loses_nobody_and_brings_nobody_back():
    """Codes of one person must not be mixed with what was there before."""
    rng, stored = np.random.default_rng(3), many(3000, 4)
    index, present = FaissIndex(64), set(range(2000))
    index.put(np.arange(2000), stored[:2000])
    for _ in range(60):
        gone = rng.choice(sorted(present), 37, replace=False)
        index.remove(gone)
        present -= set(gone.tolist())
        come = rng.choice(sorted(set(range(3000)) - present), int(rng.integers(1, 70)), replace=False)
        index.put(come, stored[come])
        present |= set(come.tolist())
    here = np.array(sorted(present))
    assert nearest(index, stored[here]).tolist() == here.tolist()
    away = np.array(sorted(set(range(3000)) - present))
    assert set(nearest(index, stored[away]).tolist()) <= present
    assert len(index) == len(present)


def test_what_is_replaced_is_found_by_its_new_look_alone():
    index, old, new = FaissIndex(64), many(1500, 10), many(300, 11)
    index.put(np.arange(1500), old)
    index.put(np.arange(1400, 1700), new)  # of them 100 in place of others
    assert len(index) == 1700
    assert nearest(index, new).tolist() == list(range(1400, 1700))
    assert nearest(index, old[:1400]).tolist() == list(range(1400))
    replaced, _ = index.search(old[1400:], 1)
    assert (replaced < 0.999).all()


def test_all_may_go_and_others_come():
    index = FaissIndex(64)
    index.put(np.arange(1500), many(1500, 5))
    index.remove(np.arange(1500))
    assert index.search(many(2, 6), 2)[1].tolist() == [[-1, -1], [-1, -1]]
    others = many(1500, 7)
    index.put(np.arange(1500), others)
    assert nearest(index, others[:200]).tolist() == list(range(200))


def test_the_same_vectors_give_the_same_answers():
    answers = []
    for _ in range(2):
        index = FaissIndex(64)
        index.put(np.arange(2500), many(2500, 8))
        answers.append(index.search(many(20, 9), 5))
    np.testing.assert_array_equal(answers[0][0], answers[1][0])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def test_what_everybody_has_in_common_does_not_blur_who_is_who():
    """Strangers with a cosine of .9 are told apart as well as others."""
    stored = many(3000, 8) + 0.36 * np.ones(64, np.float32)
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    assert (stored[:50] @ stored[50:100].T).mean() > 0.9
    index = FaissIndex(64)
    index.put(np.arange(3000), stored)
    looks = seen_again(stored[::10], 9, noise=0.015)
    exact = (looks @ stored.T).argmax(axis=1)
    assert (nearest(index, looks) == exact).mean() >= 0.99
