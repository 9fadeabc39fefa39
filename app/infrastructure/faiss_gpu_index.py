"""Stores unit vectors under integer keys on a card and compares all of them there with faiss. Knows nothing of people.

The vectors lie in one matrix without gaps: what is removed is replaced by the last, so deletion is real and a search
sees nothing that is gone.
"""

from collections.abc import Callable

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray, VectorArray
from app.infrastructure.torch_device import told_of_loss
from app.infrastructure.vector_keys import check_keys, check_vectors, nothing_found

ROWS = 1024  # that get memory at first; then it doubles
SCRATCH = 64 << 20  # bytes of the card for a search; faiss would keep up to 1.5 GB, and takes more where it needs it
Nearest = Callable[[VectorArray, torch.Tensor, int], tuple[VectorArray, IntArray]]


class FaissGpuIndex:
    """Implements VectorIndex: exact search on a card, or without one on the CPU with the same results.

    Args:
        dimension: length D of the vectors.
        device: where they lie.
    """

    def __init__(self, dimension: int, device: torch.device) -> None:
        if dimension < 1:
            raise ValueError(f"dimension is {dimension}, expected at least 1")
        self.dimension = dimension
        self._device = device
        self._nearest = _on_card(device) if device.type == "cuda" else _on_cpu
        self._matrix = torch.empty(ROWS, dimension, device=device)
        self._key_of = np.empty(ROWS, np.int64)
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row_of)

    def put(self, keys: IntArray, vectors: NDArray[np.float32]) -> None:
        """Store (N, D) unit vectors under (N,) keys, in place of what was there under keys in use.

        Raises:
            ValueError: a key is given twice or negative, or a shape is wrong; nothing is stored then.
        """
        check_vectors(vectors, self.dimension)
        asked, end = check_keys(keys, vectors), len(self)
        rows = np.empty(len(asked), np.int64)
        for i, key in enumerate(asked):
            rows[i] = self._row_of.get(key, end)
            end += rows[i] == end
        with told_of_loss(self._device):
            if end > len(self._matrix):
                self._grow(max(end, 2 * len(self._matrix)))
            stored = torch.from_numpy(np.array(vectors, np.float32)).to(self._device)
            self._matrix[torch.from_numpy(rows).to(self._device)] = stored
        self._key_of[rows] = keys
        self._row_of.update(zip(asked, rows.tolist(), strict=True))

    def remove(self, keys: IntArray) -> None:
        """Delete the vectors of these keys; unknown keys are ignored."""
        with told_of_loss(self._device):
            for key in dict.fromkeys(keys.tolist()):
                row = self._row_of.pop(key, None)
                last = len(self._row_of)
                if row is not None and row != last:
                    self._matrix[row] = self._matrix[last]
                    self._key_of[row] = self._key_of[last]
                    self._row_of[int(self._key_of[row])] = row

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[FloatArray, IntArray]:
        """Find the stored vectors nearest to (Q, D) unit vectors.

        Returns:
            Cosine (Q, k) float64 and key (Q, k) int64, best first; -inf and -1 where fewer than k are stored.
        """
        cosine, key = nothing_found(queries, self.dimension, k)
        found = min(k, len(self))
        if found and len(queries):
            with told_of_loss(self._device):
                likeness, rows = self._nearest(
                    np.ascontiguousarray(queries, np.float32), self._matrix[: len(self)], found
                )
            cosine[:, :found], key[:, :found] = likeness, self._key_of[rows]
        return cosine, key

    def _grow(self, rows: int) -> None:
        grown = torch.empty(rows, self.dimension, device=self._device)
        grown[: len(self)] = self._matrix[: len(self)]
        self._matrix = grown
        self._key_of = np.concatenate([self._key_of, np.empty(rows - len(self._key_of), np.int64)])


def _on_cpu(queries: VectorArray, stored: torch.Tensor, k: int) -> tuple[VectorArray, IntArray]:
    likeness, rows = faiss.knn(queries, stored.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
    return likeness, rows


def _on_card(device: torch.device) -> Nearest:
    import faiss.contrib.torch_utils  # has faiss take torch's tensors where they lie

    resources = faiss.StandardGpuResources()
    resources.setTempMemory(SCRATCH)

    def nearest(queries: VectorArray, stored: torch.Tensor, k: int) -> tuple[VectorArray, IntArray]:
        with torch.cuda.device(device):  # faiss takes the stream of torch's present device, whichever it searches on
            asked = torch.from_numpy(queries).to(device)
            likeness, rows = faiss.knn_gpu(
                resources, asked, stored, k, metric=faiss.METRIC_INNER_PRODUCT, device=device.index or 0
            )
            return likeness.cpu().numpy(), rows.cpu().numpy()

    return nearest
