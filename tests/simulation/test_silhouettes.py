from dataclasses import replace

import numpy as np
import pytest

from app.domains.vocabulary import CameraId
from app.simulation.address import parse_address
from app.simulation.floor_plan import Material, Solid
from app.simulation.lens import calibrate
from app.simulation.people import People
from app.simulation.scenes.catalogue import build_scene
from app.simulation.silhouettes import PosedCrowd, SilhouetteCamera
from app.simulation.source import SimulationSource, find_mount
from app.simulation.world import World, WorldConfig

SIZE = (640, 360)


@pytest.mark.parametrize("scene", ["shop", "square"])
def test_what_is_seen_without_painting_is_what_the_picture_shows(scene):
    world = World(build_scene(scene), WorldConfig(people=12, seed=3))
    edges, shares = [], []
    for mount in world.scene.mounts[:3]:
        camera = SilhouetteCamera(world.scene, calibrate(mount, SIZE))
        source = SimulationSource(
            CameraId(mount.name), parse_address(f"sim:{scene}/{mount.name}?people=12&seed=3&fps=0.5&duration=10"), world
        )
        for k in range(5):
            quick = camera.see(PosedCrowd(world.bodies_at(2.0 * k), world.figures))
            painted = source.read_with_truth().rendering
            ids, here, there = np.intersect1d(quick.ids, painted.ids, return_indices=True)
            assert len(ids) >= max(len(quick.ids), len(painted.ids)) - 1  # a hand at the border
            np.testing.assert_array_equal(quick.floor[here], painted.floor[there])
            clear = painted.visibility[there] > 0.1
            edges.append(quick.xyxy[here][clear] - painted.xyxy[there][clear])
            shares.append(quick.visibility[here] - painted.visibility[there])
    assert np.percentile(np.abs(np.concatenate(edges)), 95) <= 2.0
    assert np.abs(np.concatenate(shares)).max() <= 0.08


def standing_at(*places):
    n = len(places)
    zeros = np.zeros(n)
    return People(np.arange(1, n + 1), np.array(places, float), zeros, zeros, zeros, zeros, zeros)


@pytest.fixture(scope="module")
def world():
    return World(build_scene("square"), WorldConfig(people=3, seed=0))


def look(world, people, scene=None):
    mount = find_mount(world.scene, "south")
    camera = SilhouetteCamera(scene or world.scene, calibrate(mount, SIZE))
    return camera.see(PosedCrowd(people, world.figures))


def towards(mount, metres):
    """The place so many metres from below the camera, in the direction in which it looks."""
    at, target = np.array(mount.at[:2]), np.array(mount.look_at[:2])
    return at + metres * (target - at) / np.linalg.norm(target - at)


def test_somebody_alone_in_the_open_is_seen_whole(world):
    seen = look(world, standing_at(towards(find_mount(world.scene, "south"), 9.0)))
    assert seen.visibility.tolist() == [1.0]
    np.testing.assert_allclose(seen.visible_xyxy, seen.xyxy, atol=1e-3)
    assert seen.inside.tolist() == pytest.approx([1.0])


def test_who_stands_behind_somebody_is_hidden_and_shows_the_head(world):
    mount = find_mount(world.scene, "south")
    seen = look(world, standing_at(towards(mount, 9.0), towards(mount, 9.8)))
    assert seen.visibility[0] == pytest.approx(1.0)
    assert 0.05 < seen.visibility[1] < 0.6
    assert seen.visible_xyxy[1, 1] == pytest.approx(seen.xyxy[1, 1], abs=0.5)


@pytest.mark.parametrize(("height_m", "least", "most"), [(4.5, 0.0, 0.0), (1.0, 0.3, 0.8)], ids=["a wall", "a counter"])
def test_solids_hide_who_stands_behind_them(world, height_m, least, most):
    mount = find_mount(world.scene, "south")
    x, y = towards(mount, 8.0)
    solid = Solid((x - 3.0, y - 0.1, 0.0), (x + 3.0, y + 0.1, height_m), Material.WALL, (0.5, 0.5, 0.5))
    scene = replace(world.scene, solids=(*world.scene.solids, solid))
    seen = look(world, standing_at(towards(mount, 8.6), towards(mount, 6.0)), scene)
    assert least <= seen.visibility[0] <= most
    assert seen.visibility[1] == pytest.approx(1.0)
    if most:
        assert seen.visible_xyxy[0, 1] == pytest.approx(seen.xyxy[0, 1], abs=0.5)  # the head
        assert seen.visible_xyxy[0, 3] < seen.xyxy[0, 3] - 10.0  # no feet


def test_nobody_in_view_is_empty(world):
    behind = towards(find_mount(world.scene, "south"), -5.0)
    seen = look(world, standing_at(behind))
    assert (seen.ids.shape, seen.xyxy.shape, seen.visible_xyxy.shape, seen.facing.shape) == ((0,), (0, 4), (0, 4), (0,))


def test_facing_tells_face_from_back(world):
    mount = find_mount(world.scene, "south")
    place = towards(mount, 9.0)
    away = np.arctan2(*(place - np.array(mount.at[:2]))[::-1])
    people = standing_at(place)
    people.heading[0] = away
    assert np.abs(look(world, people).facing) == pytest.approx([np.pi], abs=1e-6)
    people.heading[0] = away + np.pi
    assert look(world, people).facing == pytest.approx([0.0], abs=1e-6)
