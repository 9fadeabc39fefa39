import numpy as np
import pytest

from app.bench.peer_trackers import PEERS, FilterpySort, Peer
from app.bench.synthetic_boxes import make_frames

IDS = [peer.name for peer in PEERS]


def walkers(frames: int) -> list[np.ndarray]:
    """Two people who walk past each other, far apart, as corners and score."""
    boxes = []
    for i in range(frames):
        x = np.array([100.0 + 4 * i, 900.0 - 4 * i])
        boxes.append(np.column_stack([x, [200, 600], x + 60, [350, 780], [0.9, 0.9]]))
    return boxes


def test_a_filterpy_loop_keeps_ids_and_ends_tracks():
    tracker = FilterpySort()
    found = [tracker.update(boxes) for boxes in walkers(40)]
    assert found[0][0].tolist() == []
    assert found[FilterpySort.MIN_HITS - 1][0].tolist() == [1, 2]
    assert found[-1][0].tolist() == [1, 2]
    np.testing.assert_allclose(found[-1][1], walkers(40)[-1][:, :4])
    for _ in range(FilterpySort.MAX_AGE + 1):
        tracker.update(np.empty((0, 5)))
    again = [tracker.update(boxes)[0].tolist() for boxes in walkers(4)]
    assert again[-1] == [3, 4]


@pytest.mark.parametrize("peer", PEERS, ids=IDS)
def test_every_peer_follows_the_made_up_people(peer):
    if (why := peer.missing()) is not None:
        pytest.skip(why)
    tracker, ids = peer.build(), set()
    frames = make_frames(10, 40)
    for frame in frames:
        found, boxes = tracker.read(tracker.update(tracker.prepare(frame.xyxy, frame.confidence)))
        assert boxes.shape == (len(found), 4)
        assert len(set(found.tolist())) == len(found)
        ids |= set(found.tolist())
    assert 8 <= len(found) <= 12
    assert 10 <= len(ids) <= 20


def test_a_peer_that_is_not_installed_says_how_to_get_it():
    assert Peer("nobody", "no_such_package_at_all", PEERS[0].build).missing() == (
        "not installed; uv sync --extra bench brings no_such_package_at_all"
    )
