"""What indexes of vectors refuse alike, and what they answer when they are empty. Knows no index."""

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray


def check_vectors(vectors: NDArray[np.float32], dimension: int) -> None:
    """Raise ValueError unless `vectors` is (N, dimension)."""
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors has shape {vectors.shape}, expected (N, {dimension})")


def check_keys(keys: IntArray, vectors: NDArray[np.float32]) -> list[int]:
    """Return the keys, one a vector.

    Raises:
        ValueError: there are more or fewer, or a key is given twice or negative.
    """
    if keys.shape != (len(vectors),):
        raise ValueError(f"keys has shape {keys.shape}, expected {(len(vectors),)}")
    new: list[int] = keys.tolist()
    if len(set(new)) < len(new):
        raise ValueError(f"keys: {len(new) - len(set(new))} given twice")
    if new and min(new) < 0:
        raise ValueError(f"keys: {min(new)} is negative; -1 stands for 'nothing found'")
    return new


def nothing_found(queries: NDArray[np.float32], dimension: int, k: int) -> tuple[FloatArray, IntArray]:
    """Check what is searched for, and return the answer (Q, k) of an empty index: cosines -inf and keys -1.

    Raises:
        ValueError: the vectors do not fit, or k is below 1.
    """
    check_vectors(queries, dimension)
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    return np.full((len(queries), k), -np.inf), np.full((len(queries), k), -1, np.int64)
