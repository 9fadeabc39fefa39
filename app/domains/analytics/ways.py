"""The way that somebody walked, taken from where they were seen. Knows no places and no time of day."""

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray

STRIDE_S = 1.0  # distance is taken between places this far apart in time, so that noise does not walk
GAP_S = 3.0  # nobody knows the way of somebody who was not seen for longer: as the gap that ends a camera's visit


def walked_m(at: FloatArray, xy: FloatArray) -> float:
    """Add up the way between places STRIDE_S apart, in metres, as far as somebody saw it.

    Args:
        at: (N,) capture times, increasing.
        xy: (N, 2) metres.
    """
    if not len(at):
        return 0.0
    steps = np.flatnonzero(np.diff(np.floor((at - at[0]) / STRIDE_S), prepend=-1.0))
    rows = np.union1d(steps, [len(at) - 1])
    seen = np.diff(at[rows]) <= GAP_S
    return float(np.linalg.norm(np.diff(xy[rows], axis=0), axis=1)[seen].sum())


def evenly(n: int, most: int) -> IntArray:
    """Return rows spread evenly over N, at most so many, the first and the last among them."""
    rows: IntArray = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)) if n else np.arange(0)
    return rows
