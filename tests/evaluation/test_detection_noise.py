import numpy as np
import pytest

from app.domains.vocabulary import NO_ID
from app.errors import ConfigError
from app.evaluation.detection_noise import AnnotatedBoxes, DetectionNoise, add_noise, covered_shares, detectable

FRAMES, SIZE = 2000, (1920, 1080)
EXACT = DetectionNoise(keep_probability=1.0, edge_sigma=0.0, false_boxes=0.0)


def crowd():
    """Five people 100 px tall who stand apart, in every frame."""
    left = np.array([100.0, 400.0, 700.0, 1000.0, 1300.0])
    boxes = np.stack([left, np.full(5, 400.0), left + 40.0, np.full(5, 500.0)], axis=1)
    frame = np.repeat(np.arange(1, FRAMES + 1), 5)
    return AnnotatedBoxes(frame, np.tile(np.arange(5), FRAMES), np.tile(boxes, (FRAMES, 1)), FRAMES, SIZE)


def in_one_frame(*xyxy):
    boxes = np.array(xyxy, float)
    return AnnotatedBoxes(np.ones(len(boxes), np.int64), np.arange(len(boxes)), boxes, 1, SIZE)


def test_rates_and_sigmas_are_the_documented_ones():
    boxes = crowd()
    noisy = add_noise(boxes, DetectionNoise(), 0, "hall")
    true = noisy.person != NO_ID
    assert true.sum() / len(boxes.frame) == pytest.approx(0.9, abs=0.01)
    assert (~true).sum() / FRAMES == pytest.approx(0.5, abs=0.05)
    left = 100.0 + 300.0 * noisy.person[true]
    error = noisy.xyxy[true] - np.stack([left, left * 0 + 400.0, left + 40.0, left * 0 + 500.0], axis=1)
    np.testing.assert_allclose(error.std(axis=0), [2.0, 4.0, 2.0, 4.0], rtol=0.03)
    np.testing.assert_allclose(error.mean(axis=0), 0.0, atol=0.15)
    assert np.abs(np.corrcoef(error.T) - np.eye(4)).max() < 0.05  # each edge on its own
    assert set(noisy.confidence) == {0.9}


def test_false_boxes_have_sizes_of_true_ones_and_lie_anywhere():
    noisy = add_noise(crowd(), DetectionNoise(), 0, "hall")
    false = noisy.xyxy[noisy.person == NO_ID]
    np.testing.assert_allclose(false[:, 2:] - false[:, :2], np.tile([40.0, 100.0], (len(false), 1)))
    centre = (false[:, :2] + false[:, 2:]) / 2
    np.testing.assert_allclose(centre.mean(axis=0), [960, 540], rtol=0.05)
    assert (false >= 0).all()
    assert (false <= [1920, 1080, 1920, 1080]).all()


def test_order_tells_nothing():
    noisy = add_noise(crowd(), DetectionNoise(), 0, "hall")
    first = noisy.person[np.unique(noisy.frame, return_index=True)[1]]
    shares = np.unique(first, return_counts=True)[1] / FRAMES
    assert (np.diff(noisy.frame) >= 0).all()
    np.testing.assert_allclose(shares, [0.1, 0.18, 0.18, 0.18, 0.18, 0.18], atol=0.03)


def test_the_same_seed_gives_the_same_boxes_and_others_give_others():
    boxes, noise = crowd(), DetectionNoise()
    once = add_noise(boxes, noise, 3, "hall")
    np.testing.assert_array_equal(once.xyxy, add_noise(boxes, noise, 3, "hall").xyxy)
    assert len(add_noise(boxes, noise, 4, "hall").xyxy) != len(once.xyxy)
    assert len(add_noise(boxes, noise, 3, "entrance").xyxy) != len(once.xyxy)


def test_appearance_does_not_change_the_boxes():
    boxes = crowd()
    plain = add_noise(boxes, DetectionNoise(), 0, "hall")
    dressed = add_noise(boxes, DetectionNoise(embedding_size=32), 0, "hall")
    np.testing.assert_array_equal(plain.xyxy, dressed.xyxy)
    assert plain.embedding.shape == (len(plain), 0)
    assert dressed.embedding.shape == (len(plain), 32)


def test_a_person_looks_alike_in_all_cameras_and_unlike_others():
    boxes, noise = crowd(), DetectionNoise(embedding_size=64, embedding_sigma=0.5)
    hall, entrance = (add_noise(boxes, noise, 0, camera) for camera in ("hall", "entrance"))
    np.testing.assert_allclose(np.linalg.norm(hall.embedding, axis=1), 1.0, atol=1e-5)
    cosine = hall.embedding[hall.person == 2] @ entrance.embedding[entrance.person == 2].T
    assert cosine.mean() == pytest.approx(1 / (1 + 0.5**2), abs=0.02)
    others = hall.embedding[hall.person == 2] @ entrance.embedding[entrance.person == 3].T
    assert abs(others.mean()) < 0.4
    false = hall.embedding[hall.person == NO_ID]
    assert abs((false @ hall.embedding[hall.person == 2].T).mean()) < 0.05


def test_coverage_is_of_the_union_and_from_near_to_far():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [5, 0, 25, 10], [0, 20, 10, 30], [3, 3, 3, 9]], float)
    assert covered_shares(boxes).tolist() == [0.0, 0.5, 0.5, 0.0, 1.0]


def test_coverage_agrees_with_counting_pixels():
    rng = np.random.default_rng(1)
    corner = rng.integers(0, 80, (30, 2))
    boxes = np.concatenate([corner, corner + rng.integers(5, 40, (30, 2))], axis=1)
    painted, counted = np.zeros((130, 130), bool), []
    for left, top, right, bottom in boxes:
        counted.append(painted[top:bottom, left:right].mean())
        painted[top:bottom, left:right] = True
    np.testing.assert_allclose(covered_shares(boxes.astype(float)), counted, atol=1e-12)


@pytest.mark.parametrize(
    ("near_left", "seen"), [(50.0, True), (39.0, False)], ids=["half covered is seen", "61 % covered is hidden"]
)
def test_people_hide_those_behind_them(near_left, seen):
    far, near = [0.0, 250.0, 100.0, 400.0], [near_left, 200.0, 300.0, 600.0]
    assert detectable(in_one_frame(far, near), 0.6).tolist() == [seen, True]


def test_whoever_stands_lower_is_nearer_also_when_the_box_is_cut():
    behind, before = [100.0, 500.0, 300.0, 1200.0], [100.0, 500.0, 300.0, 1500.0]
    assert detectable(in_one_frame(behind, before), 0.6).tolist() == [False, True]


def test_boxes_are_cut_at_the_border_and_those_outside_are_gone():
    boxes = in_one_frame([-50, 100, 60, 400], [600, 700, 900, 1400], [1930, 100, 2000, 300])
    noisy = add_noise(boxes, EXACT, 0, "hall")
    found = {int(person): box.tolist() for person, box in zip(noisy.person, noisy.xyxy, strict=True)}
    assert found == {0: [0, 100, 60, 400], 1: [600, 700, 900, 1080]}


def test_a_view_without_people_has_no_detections():
    nobody = AnnotatedBoxes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), 10, SIZE)
    assert len(add_noise(nobody, DetectionNoise(embedding_size=8), 0, "hall")) == 0


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"keep_probability": 1.2}, "keep_probability"),
        ({"edge_sigma": -0.1}, "edge_sigma"),
        ({"false_boxes": np.nan}, "f"),
    ],
    ids=["probability above 1", "negative sigma", "NaN"],
)
def test_impossible_noise_is_refused(settings, key):
    with pytest.raises(ConfigError, match=key):
        DetectionNoise(**settings)
