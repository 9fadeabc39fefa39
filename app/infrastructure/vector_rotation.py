"""Turns vectors at random, all in the same way, so that each of their coordinates looks like a Gaussian number.

Signs drawn at random and fast Walsh-Hadamard transforms, twice: N log N additions in place of a product with a matrix
(Ailon and Chazelle 2009, "The fast Johnson-Lindenstrauss transform"). Knows nothing of what the vectors mean.
"""

import numpy as np
from numba import njit

from app.domains.vocabulary import VectorArray

ROUNDS = 2  # after one, a vector with few large coordinates would still stand out


class RandomRotation:
    """One rotation of vectors of one length D, the same in every process; lengths and angles stay.

    Args:
        dimension: D.
    """

    def __init__(self, dimension: int) -> None:
        self.size = 1 << (dimension - 1).bit_length()  # P, the length of what comes out: the next power of two
        signs = np.random.default_rng(1).choice([-1.0, 1.0], (ROUNDS, self.size)) / np.sqrt(self.size)
        self._signs = signs.astype(np.float32)

    def apply(self, vectors: VectorArray) -> VectorArray:
        """Turn (N, D) vectors into (N, P)."""
        turned = np.empty((len(vectors), self.size), np.float32)
        _turn(np.require(vectors, np.float32, ["C", "W"]), self._signs, turned)  # the one layout that is compiled
        return turned


@njit(cache=True)
def _turn(vectors: VectorArray, signs: VectorArray, turned: VectorArray) -> None:
    """Fill in the turned vectors; signs (ROUNDS, P) have the factor 1 / sqrt(P) in them."""
    two, now = np.empty((2, signs.shape[1]), np.float32), 0
    for n in range(len(vectors)):
        two[now] = 0.0
        two[now, : vectors.shape[1]] = vectors[n]
        for r in range(len(signs)):
            two[now] *= signs[r]
            done = 1
            while done < signs.shape[1]:
                _add_halves(two[now], two[1 - now])
                now, done = 1 - now, 2 * done
        turned[n] = two[now]


@njit(cache=True)
def _add_halves(vector: VectorArray, to: VectorArray) -> None:
    """Write sums and differences of the halves of a vector (P,), in turn: log P times this is a Hadamard transform."""
    half = len(vector) // 2
    for i in range(half):
        to[2 * i] = vector[i] + vector[i + half]
        to[2 * i + 1] = vector[i] - vector[i + half]
