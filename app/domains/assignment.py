"""Who gets whom: linear assignment where being left alone is an option. Knows nothing of what is assigned to what.

Compiled with numba, once for each machine and kept in a cache beside the module: the matrices of the frame path are
small and many, and a call of the usual solver takes longer than its work.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit

from app.domains.vocabulary import FloatArray, IntArray

F = TypeVar("F", bound=Callable[..., Any])

# Compiles what makes no array, but works in those that it is given. Without numba's runtime (_nrt) nobody counts who
# holds which array, which costs a call of many views more than its work; without arrays of its own nobody needs to.
# Views that such a function returns are for others of its kind alone: what counts would give up what it never held.
in_place: Callable[[F], F] = njit(  # type: ignore[call-overload]  # its signature leaves _nrt out
    cache=True, error_model="numpy", forceinline=True, _nrt=False
)


class Workspace(NamedTuple):
    """Room to assign N rows to M columns in.

    Attributes:
        taken: (N,) int64, the column of each row, -1 for none: the result.
        owner: (M,) int64, the row of each column, -1 for none.
        row_price: (N,).
        column_price: (M,).
        distance: (M,) from the row that a search starts from.
        reached_from: (M,) int64, the row before each column on the way there.
        scanned: (M,) int64, whether the search has been there.
        touched: (M + 1,) int64, the columns that it has seen.
    """

    taken: IntArray
    owner: IntArray
    row_price: FloatArray
    column_price: FloatArray
    distance: FloatArray
    reached_from: IntArray
    scanned: IntArray
    touched: IntArray


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
    of_row, of_column = np.empty(rows, np.int64), np.empty((4, columns + 1), np.int64)
    row_price, real = np.empty(rows), np.empty((2, columns))
    owner, reached_from, scanned, touched = of_column[0], of_column[1], of_column[2], of_column[3]
    room = Workspace(of_row, owner[:columns], row_price, real[0], real[1], reached_from, scanned, touched)
    solve(begin, column, cost, room)
    return of_row


@in_place
def solve(begin: IntArray, column: IntArray, cost: FloatArray, room: Workspace) -> None:
    """Solve it in the room that is given, see assign_sparse."""
    for row in range(len(room.taken)):
        room.taken[row] = -1
    for j in range(len(room.owner)):
        room.owner[j], room.column_price[j] = -1, 0.0
    ready = False
    for start in range(len(room.taken)):
        price, best = _cheapest(begin[start], begin[start + 1], column, cost, room.column_price)
        room.row_price[start] = price
        if best < 0:
            continue
        if room.owner[best] < 0:  # as for most rows: what is worth most is still to be had
            room.taken[start], room.owner[best] = best, start
            continue
        if not ready:
            for j in range(len(room.owner)):
                room.distance[j], room.scanned[j] = np.inf, 0
            ready = True
        _search(start, begin, column, cost, room)


@in_place
def _search(start: int, begin: IntArray, column: IntArray, cost: FloatArray, room: Workspace) -> None:
    """Find the cheapest way to serve a row whose best column is taken, and go it."""
    row_price, column_price, distance = room.row_price, room.column_price, room.distance
    count, row, so_far = 0, start, 0.0
    alone_at, alone = np.inf, -1
    while True:
        if so_far - row_price[row] < alone_at:
            alone_at, alone = so_far - row_price[row], row
        for k in range(begin[row], begin[row + 1]):
            j, through = column[k], so_far + cost[k] - row_price[row] - column_price[column[k]]
            if through < distance[j] and not room.scanned[j]:
                room.touched[count] = j  # counted where it is new
                count += distance[j] == np.inf
                distance[j], room.reached_from[j] = through, row
        nearest, end = _nearest(count, alone_at, room)
        if end < 0 or room.owner[end] < 0:
            break
        room.scanned[end] = 1
        row, so_far = room.owner[end], nearest
    row_price[start] += nearest
    _reprice(nearest, count, room)
    if end < 0 and alone != start:  # the row that is left alone gives its column away
        end = room.taken[alone]
        room.taken[alone] = -1
    _augment(start, end, room)


@in_place
def _cheapest(first: int, last: int, column: IntArray, cost: FloatArray, prices: FloatArray) -> tuple[float, int]:
    """Return the least cost of a row's pairs, less the columns' prices, and its column; 0 and -1 to be left alone."""
    least, best = 0.0, -1
    for k in range(first, last):
        own = cost[k] - prices[column[k]]
        if own < least:
            least, best = own, column[k]
    return least, best


@in_place
def _nearest(count: int, limit: float, room: Workspace) -> tuple[float, int]:
    """Return the distance and number of the nearest column that is not scanned; the limit and -1 if none is nearer."""
    nearest, end = limit, -1
    for k in range(count):
        j = room.touched[k]
        if room.distance[j] < nearest and not room.scanned[j]:
            nearest, end = room.distance[j], j
    return nearest, end


@in_place
def _reprice(nearest: float, count: int, room: Workspace) -> None:
    """Change the prices by what a search has found, and make ready for the next one."""
    for k in range(count):
        j = room.touched[k]
        if room.scanned[j]:
            room.row_price[room.owner[j]] += nearest - room.distance[j]
            room.column_price[j] -= nearest - room.distance[j]
        room.distance[j], room.scanned[j] = np.inf, 0


@in_place
def _augment(start: int, end: int, room: Workspace) -> None:
    """Hand the columns on along the way from `start` to the column `end`; -1 for no way at all."""
    while end >= 0:
        row = room.reached_from[end]
        following = room.taken[row]
        room.taken[row], room.owner[end] = end, row
        end = -1 if row == start else following
