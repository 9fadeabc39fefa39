"""What every VectorIndex keeps to."""

import numpy as np
import pytest
from fakes import FakeIndex

from app.domains.reid.ports import VectorIndex
from app.infrastructure.faiss_index import FaissIndex

DIMENSION = 8


@pytest.fixture(params=["fake", "faiss", pytest.param("faiss on a device", marks=pytest.mark.gpu_stack)])
def index(request) -> VectorIndex:
    if request.param == "fake":
        return FakeIndex()
    if request.param == "faiss":
        return FaissIndex(DIMENSION)
    from app.infrastructure.faiss_gpu_index import FaissGpuIndex
    from app.infrastructure.torch_device import open_accelerator

    return FaissGpuIndex(DIMENSION, open_accelerator("auto", "auto", 1).devices[0])


def unit(n: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def keys(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_the_nearest_come_best_first_with_their_keys(index):
    stored, queries = unit(20), unit(5, seed=1)
    index.put(np.arange(100, 120), stored)
    cosine, key = index.search(queries, 4)
    expected = np.argsort(-(queries @ stored.T), axis=1)[:, :4]
    np.testing.assert_array_equal(key, expected + 100)
    np.testing.assert_allclose(cosine, np.take_along_axis(queries @ stored.T, expected, axis=1), atol=1e-6)
    assert (cosine.dtype, key.dtype) == (np.float64, np.int64)


def test_fewer_than_asked_are_filled_up(index):
    index.put(keys(7), unit(1))
    cosine, key = index.search(unit(2, seed=1), 3)
    assert key.tolist() == [[7, -1, -1]] * 2
    assert (cosine[:, 1:] == -np.inf).all()


def test_an_empty_index_finds_nothing(index):
    cosine, key = index.search(unit(2), 2)
    assert key.tolist() == [[-1, -1]] * 2
    assert (cosine == -np.inf).all()
    assert index.search(unit(0), 2)[1].shape == (0, 2)


def test_what_is_removed_is_gone_and_its_key_is_free(index):
    stored = unit(3)
    index.put(keys(1, 2, 3), stored)
    index.remove(keys(2, 99))
    index.remove(keys())
    assert set(index.search(stored[1:2], 3)[1][0].tolist()) == {1, 3, -1}
    index.put(keys(2), unit(1, seed=4))
    cosine, key = index.search(unit(1, seed=4), 1)
    assert key.tolist() == [[2]]
    assert cosine[0, 0] == pytest.approx(1.0, abs=1e-6)


def test_a_key_stands_for_one_vector(index):
    index.put(keys(1), unit(1))
    with pytest.raises(ValueError, match="key"):
        index.put(keys(5, 5), unit(2, seed=2))
    assert index.search(unit(1), 2)[1].tolist() == [[1, -1]]


def test_a_vector_takes_the_place_of_the_one_under_its_key(index):
    old, new = unit(4), unit(3, seed=3)
    index.put(keys(1, 2, 3, 4), old)
    index.put(keys(9, 3, 1), new)
    cosine, key = index.search(np.concatenate([new, old]), 1)
    assert key[[0, 1, 2, 4, 6], 0].tolist() == [9, 3, 1, 2, 4]
    np.testing.assert_allclose(cosine[[0, 1, 2, 4, 6], 0], 1.0, atol=1e-6)
    assert (cosine[[3, 5], 0] < 0.999).all()
    assert sorted(index.search(old[:1], 9)[1][0].tolist()) == [-1, -1, -1, -1, 1, 2, 3, 4, 9]


def test_vectors_may_be_changed_by_their_owner_afterwards(index):
    vectors = unit(1)
    index.put(keys(1), vectors)
    vectors[:] = 0.0
    assert index.search(unit(1), 1)[0][0, 0] == pytest.approx(1.0, abs=1e-6)
