"""What the ReID domain needs from outside: a network for appearance and an index of vectors. Knows neither."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import Crops, Embeddings, FloatArray, FrameBatch, IntArray


class Embedder(Protocol):
    """Turns crops into unit vectors whose cosine tells how alike two people look."""

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        """Return one vector per crop, row for row; the vectors' dimension may depend on nothing but the embedder."""
        ...


class VectorIndex(Protocol):
    """Finds the stored vectors nearest to a query. Keys are the caller's; deletion is real."""

    def put(self, keys: IntArray, vectors: NDArray[np.float32]) -> None:
        """Store (N, D) unit vectors under (N,) keys, in place of what was there under keys in use."""
        ...

    def remove(self, keys: IntArray) -> None:
        """Delete the vectors of these keys; unknown keys are ignored."""
        ...

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[FloatArray, IntArray]:
        """Return cosine and key, (Q, k) each, best first; key -1 and cosine -inf where fewer are stored."""
        ...
