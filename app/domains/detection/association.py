"""How well boxes fit: IoU and normalised distance. Knows no tracks and no time."""

import numpy as np

from app.domains.vocabulary import BoolArray, BoxArray, FloatArray, IntArray


def iou(a: BoxArray, b: BoxArray) -> FloatArray:
    """Return the intersection over union of (N, 4) and (M, 4) corner boxes as (N, M)."""
    overlap = _overlap(a, b)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return np.asarray(overlap / np.maximum(area_a[:, None] + area_b[None, :] - overlap, 1e-9), dtype=np.float64)


def shows_one(rows: IntArray, boxes: BoxArray, hidden: BoxArray, max_share: float) -> BoolArray:
    """Say which boxes show a single person, as far as boxes can tell.

    Args:
        rows: (K,) the boxes that are asked about.
        boxes: (N, 4) of one frame; the one with the lower bottom edge is nearer and hides the other.
        hidden: (M, 4) where people without box are expected; they may be anywhere in depth.
        max_share: a box of which others cover a larger share shows more than one person.

    Returns:
        (K,) bool.
    """
    asked = boxes[rows]
    nearer = boxes[None, :, 3] > asked[:, None, 3]
    clear = ~(nearer & (covered_share(asked, boxes) > max_share)).any(axis=1)
    if len(hidden):
        clear &= ~(covered_share(asked, hidden) > max_share).any(axis=1)
    return np.asarray(clear)


def covered_share(a: BoxArray, b: BoxArray) -> FloatArray:
    """Return (N, M) how much of the area of each of (N, 4) boxes lies in each of (M, 4)."""
    area = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    return np.asarray(_overlap(a, b) / np.maximum(area, 1e-9)[:, None], dtype=np.float64)


def _overlap(a: BoxArray, b: BoxArray) -> BoxArray:
    """Return (N, M) the area that boxes have in common, square pixels."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.asarray(np.maximum(width, 0.0) * np.maximum(height, 0.0))


def squared_distance(expected: FloatArray, variance: FloatArray, measured: FloatArray) -> FloatArray:
    """Return the squared Mahalanobis distance of every pair, for diagonal covariances.

    Args:
        expected: (N, K) where something should be.
        variance: (N, K) of the innovation.
        measured: (M, K).

    Returns:
        (N, M), chi-square distributed with K degrees of freedom for true pairs.
    """
    scale = 1.0 / np.sqrt(variance)
    gap = (expected[:, None, :] - measured[None, :, :]) * scale[:, None, :]
    return np.asarray(np.einsum("nmk,nmk->nm", gap, gap), dtype=np.float64)
