"""Who gets whom: linear assignment where being left alone is an option. Knows nothing of what is assigned to what.

Compiled with numba, once for each machine and kept in a cache beside the module: the matrices of the frame path are
small and many, and a call of the usual solver takes longer than its work.
"""

import numpy as np
from numba import njit

from app.domains.vocabulary import BoolArray, FloatArray, IntArray


def assign(cost: FloatArray) -> tuple[IntArray, IntArray]:
    """Find the one-to-one assignment with the least total cost, where leaving a row or column alone costs nothing.

    Args:
        cost: (N, M) float64; pairs that are better left apart have a cost of 0 or more, forbidden pairs too.

    Returns:
        Row and column indices of the assigned pairs, ordered by row.
    """
    column = _assign_dense(np.ascontiguousarray(cost, dtype=np.float64))
    rows = np.flatnonzero(column >= 0)
    return rows, column[rows]


@njit(cache=True, error_model="numpy")
def _assign_dense(cost: FloatArray) -> IntArray:
    rows, columns = cost.shape
    begin = np.zeros(rows + 1, np.int64)
    column = np.empty(cost.size, np.int64)
    price = np.empty(cost.size)
    count = 0
    for i in range(rows):
        for j in range(columns):
            if cost[i, j] < 0.0:
                column[count], price[count] = j, cost[i, j]
                count += 1
        begin[i + 1] = count
    return assign_sparse(begin, column, price, columns)


@njit(cache=True, error_model="numpy")
def assign_sparse(begin: IntArray, column: IntArray, cost: FloatArray, columns: int) -> IntArray:
    """Solve the same for the pairs that are worth something, given row by row.

    Shortest augmenting paths (Jonker and Volgenant 1987), row by row; a path may end at a free column, or leave one of
    its rows alone.

    Args:
        begin: (N + 1,) int64, where the pairs of each row begin in `column` and `cost`.
        column: (K,) int64, the column of each pair, at most once a row.
        cost: (K,) of each pair, below 0.
        columns: how many columns there are.

    Returns:
        (N,) int64, the column of each row, -1 for none.
    """
    rows = len(begin) - 1
    taken, owner = np.full(rows, -1, np.int64), np.full(columns, -1, np.int64)
    prices = np.zeros(rows), np.zeros(columns)
    distance, reached_from = np.full(columns, np.inf), np.full(columns, -1, np.int64)
    scanned, touched = np.zeros(columns, np.bool_), np.empty(columns + 1, np.int64)
    for start in range(rows):
        prices[0][start], best = _cheapest(begin[start], begin[start + 1], column, cost, prices[1])
        if best < 0:
            continue
        if owner[best] < 0:  # as for most rows: what is worth most is still to be had
            taken[start], owner[best] = best, start
            continue
        count, row, so_far = 0, start, 0.0
        alone_at, alone = np.inf, -1
        while True:
            if so_far - prices[0][row] < alone_at:
                alone_at, alone = so_far - prices[0][row], row
            for k in range(begin[row], begin[row + 1]):
                j, through = column[k], so_far + cost[k] - prices[0][row] - prices[1][column[k]]
                if through < distance[j] and not scanned[j]:
                    touched[count] = j  # counted where it is new
                    count += distance[j] == np.inf
                    distance[j], reached_from[j] = through, row
            nearest, end = _nearest(touched[:count], scanned, distance, alone_at)
            if end < 0 or owner[end] < 0:
                break
            scanned[end] = True
            row, so_far = owner[end], nearest
        prices[0][start] += nearest
        _reprice(nearest, touched[:count], owner, prices, distance, scanned)
        if end < 0 and alone != start:  # the row that is left alone gives its column away
            end = taken[alone]
            taken[alone] = -1
        _augment(start, end, reached_from, taken, owner)
    return taken


@njit(cache=True, error_model="numpy")
def _cheapest(first: int, last: int, column: IntArray, cost: FloatArray, prices: FloatArray) -> tuple[float, int]:
    """Return the least cost of a row's pairs, less the columns' prices, and its column; 0 and -1 to be left alone."""
    least, best = 0.0, -1
    for k in range(first, last):
        own = cost[k] - prices[column[k]]
        if own < least:
            least, best = own, column[k]
    return least, best


@njit(cache=True, error_model="numpy")
def _nearest(touched: IntArray, scanned: BoolArray, distance: FloatArray, limit: float) -> tuple[float, int]:
    """Return the distance and number of the nearest column that is not scanned; the limit and -1 if none is nearer."""
    nearest, end = limit, -1
    for j in touched:
        if distance[j] < nearest and not scanned[j]:
            nearest, end = distance[j], j
    return nearest, end


@njit(cache=True, error_model="numpy")
def _reprice(
    nearest: float,
    touched: IntArray,
    owner: IntArray,
    prices: tuple[FloatArray, FloatArray],
    distance: FloatArray,
    scanned: BoolArray,
) -> None:
    """Change the prices by what a search has found, and make ready for the next one."""
    for j in touched:
        if scanned[j]:
            prices[0][owner[j]] += nearest - distance[j]
            prices[1][j] -= nearest - distance[j]
        distance[j], scanned[j] = np.inf, False


@njit(cache=True, error_model="numpy")
def _augment(start: int, end: int, reached_from: IntArray, taken: IntArray, owner: IntArray) -> None:
    """Hand the columns on along the way from `start` to the column `end`; -1 for no way at all."""
    while end >= 0:
        row = reached_from[end]
        following = taken[row]
        taken[row], owner[end] = end, row
        end = -1 if row == start else following
