"""Places that make sense, and those that do not."""

import numpy as np
import pytest
from walkers import line, rectangle, zone

from app.domains.analytics.places import MAX_CORNERS, Line, PlaceId, PlaceVersion, Zone, area_m2, areas_at, check_place


def polygon(*corners: tuple[float, float]) -> Zone:
    return Zone(PlaceId("zone"), "Zone", np.array(corners, np.float64).reshape(-1, 2))


def circle(corners: int) -> Zone:
    angle = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    return polygon(*zip(np.cos(angle), np.sin(angle), strict=True))


STAR = [(0.0, 3.0), (0.5, 0.5), (3.0, 0.0), (0.5, -0.5), (0.0, -3.0), (-0.5, -0.5), (-3.0, 0.0), (-0.5, 0.5)]
GOOD = [
    zone("door-2", 0.0, 0.0, 1.0, 1.0, capacity=1, max_dwell_s=0.5),
    line("line", (0.0, 0.0), (0.1, 0.0)),
    polygon((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
    polygon((0.0, 0.0), (0.0, 1.0), (1.0, 0.0)),
    polygon(*STAR),
    polygon((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)),  # a corner in the middle of a side
    polygon((1e3, 1e3), (1e3 + 1.0, 1e3), (1e3 + 1.0, 1e3 + 1.0)),
    circle(MAX_CORNERS),
]
BAD = [
    (zone("Door", 0.0, 0.0, 1.0, 1.0), "place_id"),
    (zone("", 0.0, 0.0, 1.0, 1.0), "place_id"),
    (Zone(PlaceId("z"), " ", rectangle(0.0, 0.0, 1.0, 1.0)), "name"),
    (Zone(PlaceId("z"), "a\nb", rectangle(0.0, 0.0, 1.0, 1.0)), "name"),
    (zone("z", 0.0, 0.0, 1.0, 1.0, capacity=0), "capacity"),
    (zone("z", 0.0, 0.0, 1.0, 1.0, max_dwell_s=0.0), "max_dwell_s"),
    (zone("z", 0.0, 0.0, 1.0, 1.0, max_dwell_s=float("nan")), "max_dwell_s"),
    (line("l", (0.0, 0.0), (0.05, 0.05)), "ends: must be at least"),
    (line("l", (0.0, 0.0), (np.nan, 1.0)), "ends: every"),
    (line("l", (0.0, 0.0), (9000.0, 1.0)), "ends: must be within"),
    (polygon(), "polygon: has 0 corners"),
    (polygon((0.0, 0.0), (1.0, 1.0)), "polygon: has 2 corners"),
    (circle(MAX_CORNERS + 1), "polygon: has 201 corners"),
    (polygon((0.0, 0.0), (np.inf, 0.0), (1.0, 1.0)), "polygon: every"),
    (polygon((0.0, 0.0), (0.2, 0.0), (0.2, 0.2)), "polygon: has an area of 0.02"),
    (polygon((0.0, 0.0), (2.0, 2.0), (2.0, 0.0), (0.0, 2.0)), "from corner 1 and from corner 3 cross"),  # a bow tie
    (polygon((0.0, 0.0), (2.0, 0.0), (2.0, 0.0), (2.0, 2.0)), "twice in a row"),
    (polygon((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 0.0)), "twice in a row"),
    (polygon((0.0, 0.0), (2.0, 0.0), (1.0, 0.0), (1.0, 2.0)), "cross or touch"),  # it folds back
    (polygon((0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 0.0), (0.0, 2.0)), "cross or touch"),  # a corner on a side
    (polygon((0.0, 0.0), (1.0, 0.0), (2.0, 0.0)), "cross or touch|area"),  # a straight line
]


@pytest.mark.parametrize("place", GOOD)
def test_places_that_make_sense(place: Zone) -> None:
    check_place(place)


@pytest.mark.parametrize(("place", "reason"), BAD)
def test_places_that_do_not(place: Zone, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        check_place(place)
    assert str(raised.value).split(":")[0] in {"place_id", "name", "polygon", "ends", "capacity", "max_dwell_s"}


@pytest.mark.parametrize("seed", range(20))
def test_crossing_edges_are_found_wherever_they_are(seed: int) -> None:
    """Exchanging two corners of a star-shaped polygon, not beside each other, makes it cross itself."""
    rng = np.random.default_rng(seed)
    corners = int(rng.integers(5, 40))
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 0.5, corners)) / corners
    good = rng.uniform(3.0, 4.0, (corners, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    check_place(Zone(PlaceId("z"), "z", good))
    bad = good.copy()
    a = int(rng.integers(corners))
    b = (a + 2 + int(rng.integers(corners - 4))) % corners
    bad[[a, b]] = bad[[b, a]]
    with pytest.raises(ValueError, match="cross or touch"):
        check_place(Zone(PlaceId("z"), "z", bad))


def test_areas() -> None:
    assert area_m2(rectangle(1000.0, 1000.0, 1002.0, 1003.0)) == pytest.approx(6.0)
    assert area_m2(polygon(*STAR).polygon) == pytest.approx(6.0)
    assert area_m2(rectangle(0.0, 0.0, 1.0, 1.0)[::-1]) == pytest.approx(1.0)


def test_the_area_of_a_zone_is_that_of_its_last_drawing():
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    till = PlaceId("till")
    versions = [
        PlaceVersion(till, 1, 10.0, Zone(till, "Till", square)),
        PlaceVersion(till, 2, 20.0, None),
        PlaceVersion(till, 3, 30.0, Zone(till, "Till", 2.0 * square)),
    ]
    found = areas_at(versions, np.array([5.0, 10.5, 25.0, 31.0]))
    np.testing.assert_array_equal(found, [np.nan, 4.0, 4.0, 16.0])
    assert np.isnan(areas_at([], np.array([1.0]))).all()
    line = Line(till, "Till", square[:2])
    assert np.isnan(areas_at([PlaceVersion(till, 1, 0.0, line)], np.array([1.0]))).all()
