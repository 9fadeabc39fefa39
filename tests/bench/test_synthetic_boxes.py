import numpy as np
import pytest

from app.bench.synthetic_boxes import make_frames
from app.evaluation.metrics import iou


@pytest.mark.parametrize(("people", "digest"), [(10, 0), (50, 0)])
def test_the_same_set_every_time(people, digest):
    a, b = make_frames(people, 20), make_frames(people, 20)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.xyxy, other.xyxy)
        np.testing.assert_array_equal(one.person, other.person)
