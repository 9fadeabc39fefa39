from dataclasses import replace

import numpy as np
import pytest

from app.domains.vocabulary import NO_ID
from app.evaluation.seen_noise import LookNoise, SeenBoxes, SeenNoise, detect_seen

FRAMES, SIZE, FPS = 2000, (640, 360), 5.0
EXACT = SeenNoise(
    found_whole=50.0, side_sigma=0.0, top_sigma=0.0, bottom_sigma=0.0, guess_mean=0.0, guess_sigma=0.0, false_boxes=0.0
)


def people(visibility=(1.0, 1.0, 1.0), outfit=None, frames=FRAMES, inside=1.0):
    """People 100 px tall who stand apart in every frame, their lower part hidden."""
    n = len(visibility)
    left = 60.0 + 180.0 * np.arange(n)
    whole = np.stack([left, np.full(n, 100.0), left + 40.0, np.full(n, 200.0)], axis=1)
    seen = whole.copy()
    seen[:, 3] = 100.0 + 100.0 * np.array(visibility)
    return SeenBoxes(
        frame=np.repeat(np.arange(1, frames + 1), n),
        person=np.tile(np.arange(1, n + 1), frames),
        outfit=np.tile(np.arange(n) if outfit is None else np.array(outfit), frames),
        xyxy=np.tile(whole, (frames, 1)),
        visible_xyxy=np.tile(seen, (frames, 1)),
        visibility=np.tile(np.array(visibility, float), frames),
        inside=np.full(n * frames, inside),
        facing=np.zeros(n * frames),
        frames=frames,
        fps=FPS,
        size=SIZE,
    )


def found_shares(boxes, noise, count):
    found = detect_seen(boxes, noise, 0, "hall")
    return [(found.person == person).sum() / boxes.frames for person in range(1, count + 1)]


def test_the_less_is_seen_the_less_is_found():
    noise = replace(SeenNoise(), found_memory_s=1e-3)
    shares = found_shares(people((1.0, 0.5, 0.1)), noise, 3)
    assert shares == pytest.approx([0.97, 0.90, 0.29], abs=0.03)


def test_nobody_sees_the_wholly_hidden():
    assert found_shares(people((1.0, 0.0)), EXACT, 2) == [1.0, 0.0]


def test_misses_last():
    found = detect_seen(people((0.5,)), SeenNoise(looks=None), 0, "hall")
    missed = np.ones(FRAMES, bool)
    missed[found.frame[found.person == 1] - 1] = False
    assert missed[1:][missed[:-1]].mean() > 3.0 * missed.mean()


def test_without_errors_a_box_is_what_is_seen():
    found = detect_seen(people((0.4,), frames=5), EXACT, 0, "hall")
    assert found.frame.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found.xyxy, np.tile([60.0, 100.0, 100.0, 140.0], (5, 1)))


def test_edges_have_the_documented_errors():
    found = detect_seen(people((1.0,)), replace(SeenNoise(), false_boxes=0.0), 0, "hall")
    error = found.xyxy - [60.0, 100.0, 100.0, 200.0]
    np.testing.assert_allclose(error.std(axis=0), [2.7, 1.8, 2.7, 2.6], rtol=0.1)
    np.testing.assert_allclose(error.mean(axis=0), 0.0, atol=0.4)


def test_an_edge_at_the_border_stays_there():
    boxes = people((1.0,), frames=200)
    boxes.xyxy[:, 3] = boxes.visible_xyxy[:, 3] = SIZE[1]
    found = detect_seen(boxes, replace(SeenNoise(), false_boxes=0.0), 0, "hall")
    assert (found.xyxy[:, 3] == SIZE[1]).all()


def test_hidden_feet_are_guessed_in_part():
    noise = replace(EXACT, guess_mean=0.5, guess_sigma=0.2)
    bottom = detect_seen(people((0.4,)), noise, 0, "hall").xyxy[:, 3]
    assert bottom.mean() == pytest.approx(170.0, abs=2.0)
    assert (bottom.min(), bottom.max()) == (pytest.approx(140.0, abs=5.0), pytest.approx(200.0, abs=5.0))


def test_scores_fall_with_what_is_seen():
    found = detect_seen(people((1.0, 0.3)), EXACT, 0, "hall")
    whole, part = (np.median(found.confidence[found.person == person]) for person in (1, 2))
    assert whole == pytest.approx(0.98, abs=0.01)
    assert part == pytest.approx(0.75, abs=0.06)
    assert found.confidence.min() >= 0.1


def test_false_boxes_come_at_their_rate_and_stay_a_while():
    found = detect_seen(people(), replace(SeenNoise(), false_boxes=0.5), 0, "hall")
    false = found.person == NO_ID
    assert false.sum() / FRAMES == pytest.approx(0.5, abs=0.06)
    assert len(np.unique(found.xyxy[false], axis=0)) == pytest.approx(false.sum() / 2.5, rel=0.1)
    assert found.confidence[false].mean() < 0.4


def test_people_dressed_alike_look_alike_and_strangers_do_not():
    boxes = people(visibility=(1.0,) * 12, outfit=[k // 2 for k in range(12)], frames=40)
    here, there = (detect_seen(boxes, EXACT, 0, camera) for camera in ("hall", "yard"))
    assert np.linalg.norm(here.embedding, axis=1) == pytest.approx(np.ones(len(here)), abs=1e-5)
    cosine, first, second = here.embedding @ there.embedding.T, here.person[:, None], there.person[None]
    same = cosine[first == second].mean()
    alike = cosine[((first - 1) // 2 == (second - 1) // 2) & (first != second)].mean()
    strangers = cosine[(first - 1) // 2 != (second - 1) // 2].mean()
    assert (same, alike, strangers) == pytest.approx((0.72, 0.60, 0.29), abs=0.08)


def test_who_is_hidden_looks_less_like_themselves():
    whole, half = (detect_seen(people((share,)), EXACT, 0, "hall").embedding for share in (1.0, 0.35))
    own = whole.mean(axis=0) / np.linalg.norm(whole.mean(axis=0))
    assert (whole @ own).mean() - (half @ own).mean() > 0.2


def test_looks_change_no_box_and_can_be_left_out():
    with_looks, without = (
        detect_seen(people(), replace(SeenNoise(), looks=looks), 3, "a") for looks in (LookNoise(), None)
    )
    np.testing.assert_array_equal(with_looks.xyxy, without.xyxy)
    assert (with_looks.embedding.shape[1], without.embedding.shape[1]) == (49, 0)


def test_seed_and_camera_alone_decide():
    first, again, seed, camera = (
        detect_seen(people(frames=50), SeenNoise(), seed, camera)
        for seed, camera in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    np.testing.assert_array_equal(first.xyxy, again.xyxy)
    np.testing.assert_array_equal(first.embedding, again.embedding)
    for other in (seed, camera):
        assert len(other) != len(first) or (other.xyxy != first.xyxy).any()


def test_an_empty_view_has_no_boxes():
    empty = people(visibility=(), frames=3)
    found = detect_seen(empty, SeenNoise(), 0, "hall")
    assert (len(found), found.embedding.shape) == (0, (0, 49))
