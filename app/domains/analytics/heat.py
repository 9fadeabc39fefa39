"""Cells of the floor, in which time is added up: how they are numbered, and how maps are drawn of them.

Knows nobody who was there, and not how long a map took to come about.
"""

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray

CELL_M = 0.25
SIDE = 1 << 16  # so many cells each way: 16 km, the origin of the site frame in the middle

CellArray = NDArray[np.int32]


def cell_of(xy: FloatArray) -> CellArray:
    """Return the cells of points (N, 2) in metres: (N,) int32, going up with y and, of one y, with x.

    Points more than 8 km from the origin count in the outermost cells.
    """
    column, row = np.clip(np.floor(xy / CELL_M), -SIDE // 2, SIDE // 2 - 1).astype(np.int64).T
    cell: CellArray = (row * SIDE + column + SIDE // 2).astype(np.int32)
    return cell


def columns_and_rows(cell: CellArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many cells (N,) cells are right of the origin, and how many up."""
    number = cell.astype(np.int64) - SIDE // 2
    row = (number + SIDE // 2) // SIDE
    return number - row * SIDE, row


def centre_of(cell: CellArray) -> FloatArray:
    """Return the middles of cells (N,): (N, 2) metres."""
    centre: FloatArray = CELL_M * (np.stack(columns_and_rows(cell), axis=1).astype(np.float64) + 0.5)
    return centre


def draw(cell: CellArray, seconds: FloatArray, cell_m: float = CELL_M) -> tuple[tuple[float, float], FloatArray]:
    """Add up cells to a map.

    Args:
        cell: (N,) in any order, each as often as it comes.
        seconds: (N,) person-seconds.
        cell_m: side of the map's cells, a multiple of CELL_M; they begin at multiples of it.

    Returns:
        x and y of the corner of cell [0, 0] with the smallest x and y, in metres, and person-seconds (H, W); rows go up
        with y, columns with x; (0, 0) for no cells.

    Raises:
        ValueError: `cell_m` is no multiple of CELL_M.
    """
    times = round(cell_m / CELL_M)
    if times < 1 or abs(times * CELL_M - cell_m) > 1e-9:
        raise ValueError(f"cell_m is {cell_m:g}, expected a multiple of {CELL_M:g}")
    if not len(cell):
        return (0.0, 0.0), np.zeros((0, 0))
    column, row = (numbers // times for numbers in columns_and_rows(cell))
    left, bottom = int(column.min()), int(row.min())
    width, height = int(column.max()) - left + 1, int(row.max()) - bottom + 1
    flat = np.bincount((row - bottom) * width + column - left, weights=seconds, minlength=width * height)
    return (left * cell_m, bottom * cell_m), flat.astype(np.float64).reshape(height, width)
