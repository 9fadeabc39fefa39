from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.simulation.crowd import BODIES_M
from app.simulation.navigation import HEAD_M
from app.simulation.scenes.catalogue import SCENES, build_scene
from app.simulation.world import MEMORY_S, World, WorldConfig


@pytest.fixture(scope="module")
def walked():
    """A minute of 25 people in the shop, ten instants a second."""
    world = World(build_scene("shop"), WorldConfig(people=25, seed=4))
    return world, [world.people_at(0.1 * k) for k in range(600)]


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)


def test_the_same_seed_gives_the_same_people_in_whatever_order_they_are_asked_for():
    times = [12.3, 0.0, 7.77, 12.3, 3.05]
    first, second = (World(build_scene("shop"), WorldConfig(seed=7)) for _ in range(2))
    answers = {time: first.people_at(time) for time in sorted(times)}
    assert all(same(second.people_at(time), answers[time]) for time in times)


def test_another_seed_gives_other_people():
    places = [World(build_scene("shop"), WorldConfig(seed=seed)).people_at(5.0).xy for seed in (0, 1)]
    assert places[0].shape != places[1].shape or np.abs(places[0] - places[1]).max() > 0.5


def test_threads_that_ask_at_once_get_the_same_answers():
    times = np.random.default_rng(0).permutation(np.arange(0.0, 20.0, 0.13))
    alone, shared = (World(build_scene("shop"), WorldConfig(seed=2)) for _ in range(2))
    expected = [alone.people_at(time) for time in times]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(shared.people_at, times))
    assert all(same(*pair) for pair in zip(answers, expected, strict=True))


def test_everybody_has_room(walked):
    for people in walked[1]:
        apart = np.linalg.norm(people.xy[:, None] - people.xy[None], axis=2) + 9.0 * np.eye(len(people))
        assert apart.min() > 0.75 * BODIES_M


def test_nobody_jumps_or_runs(walked):
    for before, after in zip(walked[1], walked[1][1:], strict=False):
        _, one, other = np.intersect1d(before.ids, after.ids, return_indices=True)
        assert np.linalg.norm(before.xy[one] - after.xy[other], axis=1).max() < 0.25


def test_nobody_stands_in_furniture(walked):
    world, instants = walked
    places = np.concatenate([people.xy for people in instants])
    for solid in world.scene.solids:
        if solid.blocks and solid.low[2] < HEAD_M:
            inside = (places > solid.low[:2]).all(axis=1) & (places < solid.high[:2]).all(axis=1)
            assert not inside.any(), solid


def test_people_leave_and_come_back_as_themselves(walked):
    _, instants = walked
    gone = np.array([[person in people.ids for person in range(1, 26)] for people in instants])
    returned = (~gone[:-1] & gone[1:]).sum(axis=0)
    assert returned.sum() >= 3
    assert 15 < gone.sum(axis=1).mean() < 25


def test_heading_follows_the_way_of_those_who_walk(walked):
    before, after = walked[1][300], walked[1][303]
    _, one, other = np.intersect1d(before.ids, after.ids, return_indices=True)
    moved = after.xy[other] - before.xy[one]
    walks = before.speed[one] > 0.8
    towards = np.column_stack([np.cos(before.heading[one]), np.sin(before.heading[one])])
    assert walks.sum() > 3
    assert np.median(np.einsum("ij,ij->i", moved, towards)[walks] / np.linalg.norm(moved, axis=1)[walks]) > 0.97


def test_bodies_are_known_on_their_way_through_a_door_too():
    world = World(build_scene("shop"), WorldConfig(people=25, seed=4))
    bodies = [len(world.bodies_at(0.5 * k)) for k in range(120)]
    people = [len(world.people_at(0.5 * k)) for k in range(120)]
    assert all(b >= p for b, p in zip(bodies, people, strict=True))
    assert sum(bodies) > sum(people)


def test_a_time_before_the_start_is_refused():
    with pytest.raises(ValueError, match="begins at 0 s"):
        World(build_scene("shop"), WorldConfig(people=1)).people_at(-0.1)


def test_a_time_longer_ago_than_the_world_remembers_is_refused():
    world = World(build_scene("square"), WorldConfig(people=0))
    world.people_at(MEMORY_S + 5.0)
    assert len(world.people_at(6.0)) == 0
    with pytest.raises(ValueError, match="remembers 600 s"):
        world.people_at(1.0)


def test_an_empty_world_is_empty():
    assert len(World(build_scene("shop"), WorldConfig(people=0)).people_at(3.0)) == 0


def test_outfits_are_shared_when_there_are_fewer_than_people():
    looks = World(build_scene("shop"), WorldConfig(people=9, outfits=4)).looks
    assert looks[1][1] == looks[5][1] == looks[9][1]
    assert len({outfit.top_colour for _, outfit in looks.values()}) == 4
    assert len({build.height_m for build, _ in looks.values()}) == 9


@pytest.mark.parametrize("name", SCENES)
def test_people_walk_in_every_scene(name):
    people = World(build_scene(name), WorldConfig(people=20)).people_at(30.0)
    assert len(people) > 10
    assert people.speed.max() > 0.8
