"""What indexes of vectors refuse alike. Knows no index."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import IntArray


def check_vectors(vectors: NDArray[np.float32], dimension: int) -> None:
    """Raise ValueError unless `vectors` is (N, dimension)."""
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors has shape {vectors.shape}, expected (N, {dimension})")


def check_new_keys(keys: IntArray, vectors: NDArray[np.float32], used: Collection[int]) -> None:
    """Raise ValueError unless there is one key a vector, none of them in use, given twice or negative."""
    if keys.shape != (len(vectors),):
        raise ValueError(f"keys has shape {keys.shape}, expected {(len(vectors),)}")
    new = keys.tolist()
    if len(set(new)) < len(new):
        raise ValueError(f"keys: {len(new) - len(set(new))} given twice")
    if again := [key for key in new if key in used]:
        raise ValueError(f"keys: {min(again)} is in use; remove it first")
    if new and min(new) < 0:
        raise ValueError(f"keys: {min(new)} is negative; -1 stands for 'nothing found'")
