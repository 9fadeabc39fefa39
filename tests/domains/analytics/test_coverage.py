"""Shares of places that cameras see."""

import numpy as np
import pytest
from walkers import BOTH, BOUNDS, FOOTPRINTS, LEFT_CAMERA, RIGHT_CAMERA, coverage, line, zone

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import FLOOR
from app.domains.vocabulary import CameraId

WIDE, OUTSIDE = zone("wide", 4.0, 0.0, 8.0, 4.0), zone("outside", 20.0, 0.0, 21.0, 1.0)
WIRE = line("wire", (0.0, 1.0), (20.0, 1.0))


@pytest.mark.parametrize(
    ("running", "shares"),
    [
        (BOTH, [1.0, 1.0, 0.0, 0.5]),
        ({LEFT_CAMERA}, [0.5, 0.25, 0.0, 0.25]),
        ({RIGHT_CAMERA}, [0.5, 0.75, 0.0, 0.25]),
        (frozenset(), [0.0, 0.0, 0.0, 0.0]),
        ({CameraId("unknown")}, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_shares(running: set, shares: list) -> None:
    cameras = coverage().redrawn([WIDE, OUTSIDE, WIRE])
    assert cameras.place_ids == (FLOOR, "wide", "outside", "wire")
    assert cameras.share(frozenset(running)) == pytest.approx(shares, abs=0.01)
    assert cameras.share(frozenset(running)) is cameras.share(frozenset(running))


def test_cameras_that_see_the_same_see_it_once() -> None:
    twice = Coverage([WIDE], {**FOOTPRINTS, CameraId("again"): FOOTPRINTS[LEFT_CAMERA]}, BOUNDS)
    assert twice.share(frozenset({LEFT_CAMERA, CameraId("again")})) == pytest.approx([0.5, 0.25], abs=0.01)


def test_whether_a_camera_sees_a_place() -> None:
    cameras = Coverage([zone("left", 0.0, 0.0, 4.0, 4.0)], {**FOOTPRINTS, CameraId("blind"): np.zeros((0, 2))}, BOUNDS)
    assert cameras.sees(LEFT_CAMERA).tolist() == [True, True]
    assert cameras.sees(RIGHT_CAMERA).tolist() == [True, False]
    assert cameras.sees(CameraId("blind")).tolist() == [False, False]


def test_no_camera_sees_nothing() -> None:
    assert Coverage([WIDE], {}, BOUNDS).share(BOTH).tolist() == [0.0, 0.0]
