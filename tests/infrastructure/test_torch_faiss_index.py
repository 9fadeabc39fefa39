import numpy as np
import pytest

from app.infrastructure.faiss_gpu_index import ROWS, FaissGpuIndex
from app.infrastructure.faiss_index import EXACT, FaissIndex
from app.infrastructure.torch_device import open_accelerator

pytestmark = pytest.mark.gpu_stack


def unit(random: np.random.Generator, count: int) -> np.ndarray:
    vectors = random.normal(size=(count, 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_both_indexes_give_the_same_as_comparing_all_while_vectors_come_and_go():
    random = np.random.default_rng(0)
    on_device, on_cpu = FaissGpuIndex(64, open_accelerator("auto", "auto", 1).devices[0]), FaissIndex(64)
    stored: dict[int, np.ndarray] = {}
    for first in range(0, 2400, 300):
        keys, vectors = np.arange(first, first + 300), unit(random, 300)
        gone = random.choice(first + 300, 120, replace=False)
        stored |= dict(zip(keys.tolist(), vectors, strict=True))
        stored = {key: vector for key, vector in stored.items() if key not in gone}
        queries = unit(random, 16)
        expected = queries @ np.stack(list(stored.values())).T
        order = np.argsort(-expected, axis=1)[:, :5]
        for index in (on_device, on_cpu):
            index.put(keys, vectors)
            index.remove(gone)
            assert len(index) == len(stored)
            if index is on_device or len(stored) <= EXACT:  # beyond it the CPU compares a shortlist
                cosine, key = index.search(queries, 5)
                np.testing.assert_array_equal(key, np.array(list(stored))[order])
                np.testing.assert_allclose(cosine, np.take_along_axis(expected, order, axis=1), atol=1e-5)
    assert len(stored) > ROWS
