import threading

import pytest

from app.errors import CameraUnavailable, ConfigError
from app.infrastructure.paced_source import PacedSource
from app.main import LiveFootage, open_live_source, open_source, open_worlds
from app.orchestration.clock import Pace, SteadyClock
from app.settings import SiteFile, parse_site

SMALL = "people=3&seed=5&size=160x90"


def site_of(tmp_path, *sources):
    cameras = [{"id": f"camera-{i}", "source": source} for i, source in enumerate(sources)]
    path = tmp_path / "site.yaml"
    return SiteFile(path, parse_site({"site": "shop", "cameras": cameras}, path))


def footage_of(site_file):
    return LiveFootage({}, open_worlds(site_file), Pace(SteadyClock()))


def test_cameras_of_the_same_people_share_one_world(tmp_path):
    sources = [f"sim:shop/north?{SMALL}", f"sim:shop/south?{SMALL}", "sim:shop/south?people=4", "footage.mp4"]
    worlds = open_worlds(site_of(tmp_path, *sources))
    assert sorted((scene, world.people) for scene, world in worlds) == [("shop", 3), ("shop", 4)]


def test_a_site_without_simulated_cameras_has_no_world(tmp_path):
    assert open_worlds(site_of(tmp_path, "footage.mp4", "rtsp://127.0.0.1/x")) == {}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("sim:shop/north?poeple=3", "unknown key 'poeple'"),
        ("sim:cellar/north", "there is no scene 'cellar'"),
        ("sim:shop", "is no simulated camera"),
    ],
)
def test_an_address_that_is_wrong_is_named_with_its_key(tmp_path, source, problem):
    with pytest.raises(ConfigError, match=problem) as wrong:
        open_worlds(site_of(tmp_path, f"sim:shop/south?{SMALL}", source))
    assert wrong.value.key == "cameras[1].source"


def test_a_camera_that_the_scene_lacks_is_named_with_its_key(tmp_path):
    site_file = site_of(tmp_path, f"sim:shop/attic?{SMALL}")
    with pytest.raises(ConfigError, match="no camera 'attic'") as wrong:
        open_source(site_file, 0, {}, open_worlds(site_file))
    assert wrong.value.key == "cameras[0].source"


def test_a_simulated_camera_is_read_like_a_recording_and_played_like_a_live_one(tmp_path):
    site_file = site_of(tmp_path, f"sim:shop/north?{SMALL}&fps=10&duration=0.5")
    footage = footage_of(site_file)
    recorded = open_source(site_file, 0, {}, footage.worlds)
    assert [frame.captured_at for frame in iter(recorded.read, None)] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    live = open_live_source(site_file, 0, footage, threading.Event())
    assert isinstance(live, PacedSource)
    frames = list(iter(live.read, None))
    assert frames[0].size == (160, 90)
    assert frames[0].captured_at == pytest.approx(footage.pace.clock.now(), abs=5.0)
    assert footage.pace.source_time(frames[-1].captured_at) == pytest.approx(frames[-1].index / 10)


def test_the_address_of_a_network_camera_is_called(tmp_path):
    site_file = site_of(tmp_path, "http://127.0.0.1:9/stream")
    with pytest.raises(CameraUnavailable, match="cannot be opened: Connection refused"):
        open_live_source(site_file, 0, footage_of(site_file), threading.Event())


@pytest.mark.parametrize("source", ["ftp://127.0.0.1/x", "usb:first"])
def test_an_address_of_an_unknown_kind_is_refused_without_showing_it(tmp_path, source):
    site_file = site_of(tmp_path, source)
    with pytest.raises(ConfigError, match="is no address that is read; expected rtsp://") as wrong:
        open_live_source(site_file, 0, footage_of(site_file), threading.Event())
    assert source not in str(wrong.value)
    assert wrong.value.key == "cameras[0].source"
