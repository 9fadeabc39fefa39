import numpy as np
import pytest

from app.bench.synthetic_boxes import make_frames


@pytest.mark.parametrize(
    ("people", "boxes", "total", "false"), [(10, 289, 821760.5485, 4), (200, 5489, 18309290.2691, 114)]
)
def test_these_are_the_boxes_that_published_figures_come_from(people, boxes, total, false):
    """Numbers of the set on which trackers were compared, its first 30 frames."""
    frames = make_frames(people, 30)
    assert sum(len(frame.xyxy) for frame in frames) == boxes
    found = sum(
        float(frame.xyxy.astype(np.float64).sum() + frame.confidence.astype(np.float64).sum()) for frame in frames
    )
    assert found == pytest.approx(total, abs=0.01)
    assert sum(int((frame.person < 0).sum()) for frame in frames) == false


def test_boxes_lie_where_their_people_are():
    frame = make_frames(50, 20)[-1]
    own = frame.person >= 0
    size = frame.truth[frame.person[own], 3] - frame.truth[frame.person[own], 1]
    off = np.abs(frame.xyxy[own] - frame.truth[frame.person[own]]).max(axis=1)
    assert (off < 0.15 * size).all()
    assert len(set(frame.person[own].tolist())) == own.sum()
