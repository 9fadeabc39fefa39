from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from app.domains.assignment import assign


def least_cost(cost: np.ndarray) -> float:
    """The least total over every one-to-one choice of pairs, the empty one included."""
    n, m = cost.shape
    return min(
        sum(cost[r, c] for r, c in zip(rows, columns, strict=True))
        for size in range(min(n, m) + 1)
        for rows in combinations(range(n), size)
        for columns in permutations(range(m), size)
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 4), (4, 2), (4, 4)], ids=str)
@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_cheaper_and_nobody_is_taken_twice(shape, seed):
    cost = np.random.default_rng(seed).normal(size=shape)
    row, column = assign(cost)
    assert len(set(row.tolist())) == len(row)
    assert len(set(column.tolist())) == len(column)
    assert row.tolist() == sorted(row.tolist())
    assert (cost[row, column] < 0).all()
    assert cost[row, column].sum() == pytest.approx(least_cost(cost))


@pytest.mark.parametrize(
    ("cost", "pairs"),
    [
        pytest.param([[-1.0, -2.0], [-2.0, -9.0]], [(0, 0), (1, 1)], id="the best total, not the best first choice"),
        pytest.param([[-5.0, -4.0], [-4.0, 0.0]], [(0, 1), (1, 0)], id="both are served though one has a better match"),
        pytest.param([[-5.0, -1.0], [-1.0, 0.0]], [(0, 0)], id="one is left alone where that is cheaper"),
        pytest.param([[0.0, 3.0], [1.0, 0.0]], [], id="0 or more is better left apart"),
        pytest.param([[np.inf, -1.0], [np.inf, -2.0]], [(1, 1)], id="infinite cost forbids"),
    ],
)
def test_being_left_alone_costs_nothing(cost, pairs):
    row, column = assign(np.array(cost))
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == pairs


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)], ids=str)
def test_nothing_to_assign(shape):
    row, column = assign(np.empty(shape))
    assert row.shape == column.shape == (0,)
    assert row.dtype.kind == column.dtype.kind == "i"


@pytest.mark.parametrize("shape", [(80, 60), (60, 80)], ids=str)
@pytest.mark.parametrize("worth", [0.02, 0.5, 1.0], ids=["few pairs", "half of the pairs", "all pairs"])
def test_large_problems_cost_what_scipy_finds(shape, worth):
    rng = np.random.default_rng(1)
    cost = np.where(rng.random(shape) < worth, -rng.random(shape), 1.0)
    row, column = assign(cost)
    held = np.minimum(cost, 0.0)
    assert held[row, column].sum() == pytest.approx(held[linear_sum_assignment(held)].sum())
