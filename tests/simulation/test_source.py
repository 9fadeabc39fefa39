from itertools import pairwise

import numpy as np
import pytest

from app.domains.vocabulary import CameraId
from app.orchestration.ports import FrameSource
from app.simulation.address import parse_address
from app.simulation.scenes.catalogue import build_scene
from app.simulation.source import SimulationSource
from app.simulation.world import World, WorldConfig

QUERY = "people=6&size=160x90&fps=4&duration=2"


@pytest.fixture(scope="module")
def world():
    return World(build_scene("shop"), WorldConfig(people=6))


def open_camera(world, faults="", start_s=0.0):
    address = parse_address(f"sim:shop/north?{QUERY}&{faults}")
    source: FrameSource = SimulationSource(CameraId("a"), address, world, start_s)
    return source


def frames_of(source):
    return list(iter(source.read, None))


def test_frames_come_at_the_rate_of_the_address(world):
    source = open_camera(world, start_s=100.0)
    frames = frames_of(source)
    assert (source.fps, source.frame_count) == (4.0, 8)
    assert [frame.captured_at for frame in frames] == [100.0 + k / 4 for k in range(8)]
    assert [frame.index for frame in frames] == list(range(8))
    assert {(frame.size, frame.pixels.shape, frame.pixels.dtype.name) for frame in frames} == {
        ((160, 90), (90, 160, 3), "uint8")
    }
    assert source.read() is None


def test_a_closed_source_has_ended(world):
    source = open_camera(world)
    source.read()
    source.close()
    source.close()
    assert source.read() is None


def test_two_cameras_of_one_address_show_the_same_pixels(world):
    other = World(build_scene("shop"), WorldConfig(people=6))
    pairs = zip(frames_of(open_camera(world)), frames_of(open_camera(other)), strict=True)
    assert all(np.array_equal(one.pixels, two.pixels) for one, two in pairs)


def test_a_frozen_camera_repeats_its_picture(world):
    frames = frames_of(open_camera(world, "freeze=0.5:1"))
    frozen = [np.array_equal(one.pixels, two.pixels) for one, two in pairwise(frames)]
    assert frozen == [False, False, True, True, True, False, False]


def test_no_frame_comes_while_a_camera_is_gone(world):
    assert [frame.index for frame in frames_of(open_camera(world, "gone=0.5:1"))] == [0, 1, 6, 7]


def test_lost_frames_are_the_same_each_time(world):
    indices = [[frame.index for frame in frames_of(open_camera(world, "loss=0.5"))] for _ in range(2)]
    assert indices[0] == indices[1]
    assert 0 < len(indices[0]) < 8


def test_a_clock_that_is_ahead_changes_times_and_not_pictures(world):
    usual, ahead = open_camera(world).read(), open_camera(world, "skew=0.3").read()
    assert ahead.captured_at == usual.captured_at + 0.3
    assert np.array_equal(usual.pixels, ahead.pixels)


def test_a_bumped_camera_shows_the_place_moved(world):
    usual, knocked = frames_of(open_camera(world)), frames_of(open_camera(world, "bump=1:8"))
    different = [np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in zip(usual, knocked, strict=True)]
    assert max(different[:4]) == 0.0
    assert min(different[4:]) > 3.0


def test_an_unknown_camera_is_refused_with_the_names_that_there_are(world):
    with pytest.raises(ValueError, match=r"no camera 'attic'; it has north-west, north"):
        SimulationSource(CameraId("a"), parse_address("sim:shop/attic"), world)
