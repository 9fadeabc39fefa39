"""Cells of the floor and maps of them."""

import numpy as np
import pytest

from app.domains.analytics.heat import CELL_M, cell_of, centre_of, draw


def test_cells_are_where_their_middles_are() -> None:
    xy = np.random.default_rng(0).uniform(-5000.0, 5000.0, (1000, 2))
    cell = cell_of(xy)
    assert cell.dtype == np.int32
    assert (np.abs(centre_of(cell) - xy) <= CELL_M / 2 + 1e-9).all()
    assert (cell_of(centre_of(cell)) == cell).all()


def test_cells_are_in_order_of_y_and_then_x() -> None:
    xy = np.array([[5.0, -1.0], [-3.0, 0.0], [-0.1, 0.0], [0.1, 0.0], [-9.0, 0.25]])
    assert (np.diff(cell_of(xy)) > 0).all()


def test_the_ends_of_the_world() -> None:
    far = np.array([[1e9, -1e9], [-1e9, 1e9]])
    assert centre_of(cell_of(far)) == pytest.approx(np.array([[8191.875, -8191.875], [-8191.875, 8191.875]]))
    assert len(cell_of(np.zeros((0, 2)))) == 0


def test_a_map_adds_up_what_its_cells_have() -> None:
    cell = cell_of(np.array([[0.1, 0.1], [0.1, 0.1], [0.6, 0.1], [-0.1, 0.9]]))
    origin, seconds = draw(cell, np.array([1.0, 2.0, 4.0, 8.0]))
    assert origin == (-0.25, 0.0)
    assert seconds.tolist() == [[0, 3, 0, 4], [0, 0, 0, 0], [0, 0, 0, 0], [8, 0, 0, 0]]
    origin, seconds = draw(cell, np.array([1.0, 2.0, 4.0, 8.0]), 0.5)
    assert origin == (-0.5, 0.0)
    assert seconds.tolist() == [[0, 3, 4], [8, 0, 0]]


def test_no_cells_are_no_map() -> None:
    origin, seconds = draw(np.zeros(0, np.int32), np.zeros(0), 1.0)
    assert (origin, seconds.shape) == ((0.0, 0.0), (0, 0))


@pytest.mark.parametrize("cell_m", [0.0, -0.25, 0.3, 0.1])
def test_other_sides_are_refused(cell_m: float) -> None:
    with pytest.raises(ValueError, match=r"multiple of 0\.25"):
        draw(np.zeros(0, np.int32), np.zeros(0), cell_m)
