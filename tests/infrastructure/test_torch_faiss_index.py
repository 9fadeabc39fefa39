import numpy as np
import pytest

from app.infrastructure.faiss_gpu_index import ROWS, FaissGpuIndex
from app.infrastructure.faiss_index import FaissIndex
from app.infrastructure.torch_device import open_accelerator

pytestmark = pytest.mark.gpu_stack


def unit(random: np.random.Generator, count: int) -> np.ndarray:
    vectors = random.normal(size=(count, 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_both_indexes_give_the_same_while_vectors_come_and_go():
    random = np.random.default_rng(0)
    pair = FaissGpuIndex(64, open_accelerator("auto", "auto", 1).devices[0]), FaissIndex(64)
    first = 0
    for _ in range(8):
        keys = np.arange(first, first + 300)
        vectors = unit(random, 300)
        gone = random.choice(first + 300, 120, replace=False)
        for index in pair:
            index.add(keys, vectors)
            index.remove(gone)
        first += 300
        (cosine, key), (expected, expected_key) = (
            index.search(unit(np.random.default_rng(first), 16), 5) for index in pair
        )
        np.testing.assert_array_equal(key, expected_key)
        np.testing.assert_allclose(cosine, expected, atol=1e-5)
    assert len(pair[0]) == len(pair[1]) > ROWS
