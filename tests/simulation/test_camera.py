import numpy as np
import pytest

from app.simulation.camera import SimulatedCamera
from app.simulation.figure import make_figure
from app.simulation.floor_plan import Material, Mount, Scene, Solid
from app.simulation.gait import pose_bones
from app.simulation.lens import calibrate
from app.simulation.outfit import draw_build, draw_outfit
from app.simulation.people import People

SIZE = (320, 180)
HALF_WALL = Solid((-3.0, 6.0, 0.0), (0.0, 6.2, 3.0), Material.WALL, (0.5, 0.5, 0.5))
MOUNT = Mount("south", (0.0, 0.0, 3.0), (0.0, 7.0, 0.8), 0.8, (-0.2, 0.04, 0.001, -0.001, 0.0))
SCENE = Scene(
    name="yard",
    bounds=(-6.0, 0.0, 6.0, 12.0),
    floor=(Material.TILES, (0.5, 0.5, 0.5)),
    ceiling_m=None,
    solids=(HALF_WALL,),
    doors=(),
    spots=(),
    lamps=((0.0, 4.0, 6.0),),
    mounts=(MOUNT,),
)
BUILD, OUTFIT = draw_build(np.random.default_rng(1)), draw_outfit(np.random.default_rng(1))


def people_at(*places, speed=0.0):
    n = len(places)
    xy = np.array(places, dtype=float).reshape(n, 2)
    zero = np.zeros(n)
    return People(np.arange(1, n + 1), xy, zero + 1.0, zero + speed, zero + 0.4, zero, zero)


@pytest.fixture(scope="module")
def camera():
    figures = {person: make_figure(BUILD, OUTFIT, person) for person in range(1, 5)}
    return SimulatedCamera(SCENE, calibrate(MOUNT, SIZE), figures)


@pytest.mark.parametrize("place", [(1.2, 5.0), (2.5, 8.0), (0.5, 11.0)], ids=["near", "aside", "far"])
def test_the_box_is_where_the_calibration_puts_feet_and_head(camera, place):
    shot = camera.render(people_at(place), 0.0)
    model = calibrate(MOUNT, SIZE).model()
    foot, head = model.to_image(np.array([place]))[0], model.to_image(np.array([place]), BUILD.height_m)[0]
    left, top, right, bottom = shot.xyxy[0].tolist()
    slack = 0.06 * (bottom - top)  # feet have a length
    assert bottom == pytest.approx(foot[1], abs=slack)
    assert top == pytest.approx(head[1], abs=slack)
    assert left < foot[0] < right
    assert left < head[0] < right
    assert shot.visibility[0] > 0.99
    assert shot.floor[0] == pytest.approx(place)


def test_the_box_is_tight_around_the_pixels_that_change(camera):
    empty = camera.render(people_at(), 0.0).pixels.astype(int)
    shot = camera.render(people_at((1.2, 5.0)), 0.0)
    changed = np.abs(shot.pixels - empty).max(axis=2) > 0
    left, top, right, bottom = shot.xyxy[0].astype(int)
    assert np.flatnonzero(changed.any(axis=1))[0] == top
    head = changed[top : top + 25].any(axis=0)
    assert left <= np.flatnonzero(head)[0]
    assert np.flatnonzero(head)[-1] < right
    assert changed[top:bottom, left:right].mean() > 0.35


def test_what_stands_before_a_person_hides_them(camera):
    behind, beside = camera.render(people_at((-1.5, 8.0), (1.5, 8.0)), 0.0).visibility
    assert behind < 0.05
    assert beside > 0.99


def test_a_nearer_person_hides_a_farther_one(camera):
    alone = camera.render(people_at((1.0, 8.0)), 0.0)
    both = camera.render(people_at((1.0, 8.0), (0.95, 6.5)), 0.0)
    assert both.visibility[0] < 0.6 < 0.99 < both.visibility[1]
    assert np.array_equal(both.xyxy[0], alone.xyxy[0])


def test_a_person_cut_by_the_border_is_partly_visible(camera):
    shot = camera.render(people_at((0.8, 2.6)), 0.0)
    assert shot.xyxy[0, 3] == SIZE[1]
    assert 0.2 < shot.visibility[0] < 0.9


@pytest.mark.parametrize("place", [(0.0, -3.0), (30.0, 5.0), (0.0, 0.4)], ids=["behind", "far aside", "below"])
def test_who_is_out_of_view_is_not_there(camera, place):
    assert len(camera.render(people_at(place), 0.0).ids) == 0


def test_a_picture_depends_on_people_and_instant_alone(camera):
    first = camera.render(people_at((1.2, 5.0), (2.5, 8.0)), 1.0)
    camera.render(people_at((1.0, 7.0)), 2.0)
    again = camera.render(people_at((1.2, 5.0), (2.5, 8.0)), 1.0)
    later = camera.render(people_at((1.2, 5.0), (2.5, 8.0)), 1.2)
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, later.pixels)


def test_nothing_of_a_person_stays_behind(camera):
    before = camera.render(people_at(), 3.0).pixels
    camera.render(people_at((1.2, 5.0), (1.2, 5.1)), 3.0)
    assert np.array_equal(camera.render(people_at(), 3.0).pixels, before)


def test_light_changes_the_brightness(camera):
    usual, dim = (camera.render(people_at(), 0.0, gain).pixels.mean() for gain in (1.0, 0.5))
    assert dim == pytest.approx(0.5 * usual, rel=0.03)


@pytest.mark.parametrize("speed", [0.0, 0.5, 1.3], ids=["standing", "strolling", "walking"])
@pytest.mark.parametrize("phase", np.arange(8) * np.pi / 4.0)
def test_the_lower_foot_stands_on_the_floor(speed, phase):
    figure = make_figure(BUILD, OUTFIT, 1)
    bones = pose_bones(np.array([3.0, 4.0, 0.7, speed, phase, 0.0, 0.0]), BUILD.height_m)
    place = np.einsum("rb,bij->rij", figure.weights, bones)
    centre = np.einsum("rij,rj->ri", place[:, :, :3], figure.rings[:, :3]) + place[:, :, 3]
    extent = np.abs(np.einsum("rij,rj->ri", place[:, :, :3], figure.rings[:, 6:]))[:, 2]
    assert (centre[:, 2] - extent).min() == pytest.approx(0.0, abs=0.03)
    assert centre[:, 2].max() == pytest.approx(BUILD.height_m, abs=0.09)
    assert np.median(centre[:, :2], axis=0) == pytest.approx([3.0, 4.0], abs=0.15)
