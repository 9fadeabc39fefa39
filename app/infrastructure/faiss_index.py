"""Stores unit vectors under integer keys in a flat faiss index on the CPU. Knows nothing of people."""

import faiss
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray


class FaissIndex:
    """Implements VectorIndex: exact search, and deletion that frees the vector.

    Args:
        dimension: length D of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        if dimension < 1:
            raise ValueError(f"dimension is {dimension}, expected at least 1")
        self.dimension = dimension
        # faiss shares the cores with the networks; its threads wait for each other longer than a search takes
        # (MultiviewX with OpenVINO beside it: 75 ms a step for identities, 5 ms with one thread)
        faiss.omp_set_num_threads(1)
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._keys: set[int] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: IntArray, vectors: NDArray[np.float32]) -> None:
        """Store (N, D) unit vectors under (N,) keys.

        Raises:
            ValueError: a key is in use, given twice or negative, or a shape is wrong; nothing is stored then.
        """
        self._check(vectors)
        if keys.shape != (len(vectors),):
            raise ValueError(f"keys has shape {keys.shape}, expected {(len(vectors),)}")
        new = set(keys.tolist())
        if len(new) < len(keys):
            raise ValueError(f"keys: {len(keys) - len(new)} given twice")
        if used := new & self._keys:
            raise ValueError(f"keys: {min(used)} is in use; remove it first")
        if new and min(new) < 0:
            raise ValueError(f"keys: {min(new)} is negative; -1 stands for 'nothing found'")
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys, np.int64))
        self._keys |= new

    def remove(self, keys: IntArray) -> None:
        """Delete the vectors of these keys; unknown keys are ignored."""
        known = self._keys.intersection(keys.tolist())
        if known:
            self._index.remove_ids(faiss.IDSelectorBatch(np.array(sorted(known), np.int64)))
            self._keys -= known

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[FloatArray, IntArray]:
        """Find the stored vectors nearest to (Q, D) unit vectors.

        Returns:
            Cosine (Q, k) float64 and key (Q, k) int64, best first; -inf and -1 where fewer than k are stored.
        """
        self._check(queries)
        if k < 1:
            raise ValueError(f"k is {k}, expected at least 1")
        cosine = np.full((len(queries), k), -np.inf)
        key = np.full((len(queries), k), -1, np.int64)
        found = min(k, len(self))
        if found and len(queries):
            cosine[:, :found], key[:, :found] = self._index.search(np.ascontiguousarray(queries, np.float32), found)
        return cosine, key

    def _check(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"vectors has shape {vectors.shape}, expected (N, {self.dimension})")
