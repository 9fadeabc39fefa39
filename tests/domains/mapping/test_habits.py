"""What cameras are found to do, by what others say of the people whom they see."""

from dataclasses import replace

import numpy as np
import pytest
from frame_path import pipeline
from world import Faults, World, corner_cameras, stroller

from app.domains.mapping.habits import CameraHabits, HabitConfig
from app.domains.mapping.sight import hidden_posterior
from app.domains.mapping.view import ViewConfig
from app.domains.vocabulary import Detections

SURE = np.tile(0.01**2 * np.eye(2), (400, 1, 1))
CONFIG = ViewConfig(person_height_m=1.75)


def views():
    return [replace(camera.view(), config=CONFIG) for camera in corner_cameras()]


def crowd(seed, n=400):
    return np.random.default_rng(seed).uniform(-3.0, 3.0, size=(n, 2))


def seen(view, xy):
    """Boxes of those people who are well inside of the image, and where they stand."""
    boxes, visible = view.boxes(xy, 1.75)
    inside = (
        visible
        & (boxes[:, :2] > 10).all(axis=1)
        & (boxes[:, 2] < view.size[0] - 10)
        & (boxes[:, 3] < view.size[1] - 10)
    )
    return boxes[inside], xy[inside]


def learn(habits, now, camera, boxes, xy):
    """Let one camera learn from the boxes of one frame."""
    habits.learn(now, np.array([[camera, 0, len(boxes)]]), boxes, xy, SURE[: len(boxes)])


def taught(habits, camera, boxes, xy, seconds=40.0):
    """Let the camera learn from one box at a time."""
    for k, (box, at) in enumerate(zip(boxes, xy, strict=True)):
        learn(habits, k * seconds / len(boxes), camera, box[None], at[None])
    return habits.of(camera)


def test_a_shifted_image_is_found():
    habits = CameraHabits(views(), HabitConfig())
    boxes, xy = seen(views()[0], crowd(0))
    moved = boxes + np.array([18, -9, 18, -9], np.float32)
    habit = taught(habits, 0, moved, xy)
    assert habit.general[:2] == pytest.approx([18, -9], abs=5.0)
    assert habits.of(1).general[:2].tolist() == [0, 0]
    straight = views()[0].project(moved, habit)
    assert np.linalg.norm(straight.xy - xy, axis=1).mean() < 0.05
    assert np.linalg.norm(views()[0].project(moved).xy - xy, axis=1).mean() > 0.12


def test_a_shift_fades_when_nobody_speaks_for_it():
    habits = CameraHabits(views(), HabitConfig(fade_s=10.0))
    boxes, xy = seen(views()[0], crowd(0))
    taught(habits, 0, boxes + np.array([18, -9, 18, -9], np.float32), xy)
    far = np.full((1, 2), np.nan)
    learn(habits, 140.0, 0, boxes[:1], far)
    assert np.abs(habits.of(0).general[:2]).max() < 0.01


def test_one_wrong_box_moves_nothing_far():
    habits = CameraHabits(views(), HabitConfig())
    boxes, xy = seen(views()[0], crowd(0))
    taught(habits, 0, boxes, xy)
    before = habits.of(0).general[:2].copy()
    learn(habits, 40.1, 0, boxes[:1] + np.array([300, 0, 300, 0], np.float32), xy[:1])
    assert np.abs(habits.of(0).general[:2] - before).max() < 2.0


def test_what_moves_everybody_alike_is_no_shift():
    """The whole floor seems to lie 30 cm aside in all cameras but one, which sees it right."""
    habits = CameraHabits(views(), HabitConfig())
    for camera, view in enumerate(views()):
        boxes, xy = seen(view, crowd(camera))
        taught(habits, camera, boxes, xy - (np.array([0.3, 0.0]) if camera else 0.0))
    habits.anchor(40.0)
    shifts = [np.linalg.norm(habits.of(camera).general[:2]) for camera in range(4)]
    assert max(shifts[1:]) < 8
    assert shifts[0] > 15


@pytest.mark.parametrize(("sideways", "upright"), [(1.0, 1.0), (0.3, 0.5), (2.0, 1.0), (1.0, 2.0), (9.0, 9.0)])
def test_how_rough_boxes_are_is_learnt_for_the_site(sideways, upright):
    """Deviations of boxes as multiples of what the view's config has; what is finer counts as usual."""
    habits, random = CameraHabits(views(), HabitConfig()), np.random.default_rng(5)
    for camera in range(3):
        boxes, xy = seen(views()[camera], crowd(camera))
        height = boxes[:, 3] - boxes[:, 1]
        share = np.stack([sideways * CONFIG.sigma_u, upright * CONFIG.sigma_v])
        moved = np.maximum(share[:, None] * height, CONFIG.min_sigma_px) * random.normal(size=(2, len(boxes)))
        taught(habits, camera, boxes + np.tile(moved.T, 2).astype(np.float32), xy)
    habits.anchor(50.0)
    most = HabitConfig().roughest
    expected = [min(max(times, 1.0), most) for times in (sideways, upright)]
    assert habits.roughness.tolist() == pytest.approx(expected, rel=0.35)
    trust = habits.rig["trust"]
    assert trust["sigma_u"][3] == pytest.approx(CONFIG.sigma_u * habits.roughness[0]), "one detector serves all cameras"
    assert trust["sigma_head"][0] == pytest.approx(CONFIG.sigma_head * habits.roughness[1])


def test_feet_that_end_behind_furniture_are_learnt_by_place():
    """Whoever stands far off is hidden up to the hips, by a row of shelves."""
    habits, view = CameraHabits(views(), HabitConfig()), views()[0]
    boxes, xy = seen(view, crowd(1, 3000))
    far = boxes[:, 3] < np.percentile(boxes[:, 3], 30)
    boxes[far, 3] -= 0.45 * (boxes[far, 3] - boxes[far, 1])
    habit = taught(habits, 0, boxes, xy)
    rows = (boxes[:, 3] / view.size[1] * habit.ends.shape[0]).astype(int)
    columns = ((boxes[:, 0] + boxes[:, 2]) / 2 / view.size[0] * habit.ends.shape[1]).astype(int)
    told = habit.ends[rows, columns]
    assert np.median(told[far]) > 0.2
    assert np.median(told[~far]) < 0.01
    assert habit.ends[0, 0] == pytest.approx(CONFIG.hidden_share), "nobody was there"


@pytest.mark.parametrize(
    ("whole", "most", "least"), [(True, 0.1, 0.0), (False, 1.0, 0.4)], ids=["whole", "what is seen"]
)
def test_whether_the_detector_draws_whole_figures_is_learnt_for_the_site(whole, most, least):
    """Pairs of people, one before the other: the nearer covers the other's legs."""
    habits, view = CameraHabits(views(), HabitConfig()), views()[0]
    boxes, xy = seen(view, crowd(2, 2000))
    for k, (box, at) in enumerate(zip(boxes, xy, strict=True)):
        height = box[3] - box[1]
        nearer = box + np.array([0, 0.6 * height, 0, 0.6 * height], np.float32)
        drawn = box.copy()
        if not whole:
            drawn[3] = nearer[1]
        pair = np.stack([drawn, nearer])
        learn(habits, 0.1 * k, 0, pair, np.stack([at, [np.nan, np.nan]]))
    share = habits.of(1).general[2]
    assert least <= share <= most


def test_a_short_box_is_hidden_and_a_long_one_is_not():
    shares = [hidden_posterior(0.1, missing, 25.0, 100.0) for missing in (-40, -5, 0, 5, 20, 60, 1e6)]
    assert shares == sorted(shares)
    assert shares[0] < 1e-3
    assert shares[2] == pytest.approx(0.1 * 0.005 / (0.1 * 0.005 + 0.9 / np.sqrt(2 * np.pi * 25)), rel=1e-6)
    assert shares[-1] == 1.0
    assert hidden_posterior(0.0, 50.0, 25.0, 100.0) == 0.0


class _Knocked:
    """A detector behind a camera that somebody knocks against."""

    def __init__(self, detector, camera, at_s, shift):
        self._detector, self._camera, self._at_s, self._shift = detector, camera, at_s, shift

    def detect(self, batch):
        moved = np.array([*self._shift, *self._shift], np.float32)
        return [
            Detections(d.camera_id, d.captured_at, d.xyxy + moved, d.confidence)
            if d.camera_id == self._camera and d.captured_at >= self._at_s
            else d
            for d in self._detector.detect(batch)
        ]


def test_a_knocked_camera_is_found_while_people_walk():
    people = [
        stroller(n, (0.0, 0.0), (r, r), 30.0, turns=t, phase=n) for n, r, t in ((1, 1.0, 1), (2, 2.0, -1), (3, 3.0, 1))
    ]
    cameras = corner_cameras()
    world = World(people, cameras, Faults(noise=0.02, missing=0.05))

    def false_dots(path):
        path.detector = _Knocked(path.detector, cameras[0].name, 5.0, (30.0, 12.0))
        updates = [path.step(batch) for batch in world.batches(30.0, 5.0)]
        return sum(max(len(u.floor) - 3, 0) for u in updates if u.captured_at > 10.0)

    path = pipeline(world)
    assert false_dots(path) == 0
    shift = path.fusion.habits.of(path.fusion.camera_ids.index(cameras[0].name)).general[:2]
    assert shift == pytest.approx([30, 12], abs=8)


def test_a_few_pixels_are_no_shift():
    habits = CameraHabits(views(), HabitConfig())
    boxes, xy = seen(views()[0], crowd(0))
    habit = taught(habits, 0, boxes + np.array([3, -2, 3, -2], np.float32), xy)
    assert habit.general[:2].tolist() == [0.0, 0.0]
