"""Ways between places, by hand and against a plain loop."""

import numpy as np
import pytest
from walkers import stays

from app.domains.analytics.figures import Stays
from app.domains.analytics.flows import OVERLAP_S, WITHIN_S, flows
from app.domains.analytics.places import PlaceId

PLACES = [PlaceId(name) for name in "abc"]


def test_somebody_goes_from_place_to_place() -> None:
    rows = [("a", 1, 0, 10, "left"), ("b", 1, 25, 40, "left"), ("a", 1, 50, 60, "lost"), ("b", 2, 11, 20, "left")]
    found = flows(stays(*rows), PLACES)
    assert found.n.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert found.median_s == pytest.approx(
        np.array([[np.nan, 15, np.nan], [10, *[np.nan] * 2], [np.nan] * 3]), nan_ok=True
    )


@pytest.mark.parametrize(
    ("rows", "ways"),
    [
        ([("a", 1, 0, 100, "left"), ("b", 1, 20, 40, "left"), ("c", 1, 110, 120, "left")], {"ac", "bc"}),  # b in a
        ([("a", 1, 0, 10, "left"), ("b", 1, 8, 30, "left")], {"ab"}),  # they overlap
        ([("a", 1, 0, 10, "left"), ("b", 1, 10 + WITHIN_S + 1, 9999, "left")], set()),
        ([("a", 1, 0, 10, "left"), ("a", 1, 20, 30, "left"), ("b", 1, 40, 50, "left")], {"ab"}),
        ([("a", 1, 0, 10, "left"), ("", 1, 0, 99, "lost"), ("z", 1, 20, 30, "left")], set()),
        ([("a", 1, 5.0, 6.0, "left"), ("b", 1, 4.5, 5.5, "left")], {"ba"}),  # both are shorter than the overlap
        ([], set()),
    ],
)  # fmt: skip
def test_ways(rows: list, ways: set) -> None:
    found = flows(stays(*rows), PLACES)
    assert {PLACES[i] + PLACES[j] for i, j in np.argwhere(found.n)} == ways
    assert found.n.max() <= 1


def plainly(of: Stays) -> tuple[np.ndarray, np.ndarray]:
    took: dict[tuple[int, int], list[float]] = {}
    rows = sorted(zip(of.identity, of.begun, of.ended, of.place, strict=True))
    for i, (identity, _, ended, place) in enumerate(rows):
        later = [row for row in rows[i + 1 :] if row[0] == identity and row[1] >= ended - OVERLAP_S]
        if later and later[0][3] != place and later[0][1] - ended <= WITHIN_S:
            pair = PLACES.index(place), PLACES.index(later[0][3])
            took.setdefault(pair, []).append(max(later[0][1] - ended, 0.0))
    n, median = np.zeros((3, 3), np.int64), np.full((3, 3), np.nan)
    for pair, seconds in took.items():
        n[pair], median[pair] = len(seconds), np.median(seconds)
    return n, median


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    begun = 1.7e9 + rng.uniform(0, 20_000, 300)
    rows = zip(rng.choice(PLACES, 300), rng.integers(1, 12, 300), begun, begun + rng.exponential(200, 300), strict=True)
    many = stays(*((*row, "left") for row in rows))
    found, (n, median) = flows(many, PLACES), plainly(many)
    assert n.sum() > 50
    assert found.n.tolist() == n.tolist()
    assert found.median_s == pytest.approx(median, nan_ok=True, abs=1e-3)
