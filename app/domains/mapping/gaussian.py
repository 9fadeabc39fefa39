"""Two-dimensional Gaussians, compiled with numba: symmetric matrices as three numbers, xx, xy, yy.

Knows no targets, no cameras.
"""

import numpy as np
from numba import njit

from app.domains.vocabulary import FloatArray


@njit(cache=True, error_model="numpy")
def squared_distance(x: float, y: float, a: float, b: float, d: float) -> float:
    """Return the squared Mahalanobis distance of a gap (x, y) under the covariance [[a, b], [b, d]]."""
    return (x * (d * x - 2.0 * b * y) + a * y * y) / (a * d - b * b)


@njit(cache=True, error_model="numpy")
def triples(matrix: FloatArray) -> FloatArray:
    """Return symmetric matrices (N, 2, 2) as their three numbers, (N, 3): xx, xy, yy."""
    result = np.empty((len(matrix), 3))
    result[:, 0], result[:, 1], result[:, 2] = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    return result


@njit(cache=True, error_model="numpy")
def inverses(matrix: FloatArray) -> FloatArray:
    """Return the inverses of symmetric matrices; all as three numbers, (N, 3). Those of NaN are NaN."""
    result = np.empty_like(matrix)
    for i in range(len(matrix)):
        a, b, d = matrix[i]
        scale = 1.0 / (a * d - b * b)
        result[i, 0], result[i, 1], result[i, 2] = d * scale, -b * scale, a * scale
    return result


@njit(cache=True, error_model="numpy")
def times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """Return the products (N, 2) of symmetric matrices, given as three numbers, and (N, 2)."""
    result = np.empty_like(vector)
    for i in range(len(matrix)):
        a, b, d = matrix[i]
        result[i, 0], result[i, 1] = a * vector[i, 0] + b * vector[i, 1], b * vector[i, 0] + d * vector[i, 1]
    return result
