import numpy as np
import pytest
import typer

from app.calibration import build_view
from app.cli.simulate import simulate_command
from app.domains.vocabulary import CameraId
from app.errors import ConfigError
from app.evaluation.mot_text import read_truth_boxes
from app.evaluation.truth import read_truth
from app.infrastructure.pyav_source import PyAVSource
from app.settings import load_site
from app.simulated import SiteConfig, demo_site_file, open_world, truth_of, write_site
from app.simulation.address import parse_address
from app.simulation.faults import Faults
from app.simulation.recording import LEAST_VISIBLE
from app.simulation.world import WorldConfig

SMALL = SiteConfig(world=WorldConfig(people=8, seed=3), size=(160, 90), fps=4.0, cameras=2, duration_s=3.0)
FAULTY = SiteConfig(
    world=SMALL.world,
    size=(160, 90),
    fps=4.0,
    cameras=3,
    duration_s=3.0,
    faults={
        "north-west": Faults(gone=(1.0, 1.0)),
        "north": Faults(skew_s=0.25),
        "north-east": Faults(freeze=(1.0, 1.0)),
    },
)
OPENCV = {"K": 3, "distortion": 5, "rvec": 3, "tvec": 3}


def silent(_progress, _total):
    pass


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("sites") / "shop", SMALL, silent)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("sites") / "faulty", FAULTY, silent)


def test_a_site_file_with_simulated_cameras_is_read_like_any_other(tmp_path):
    site_file = load_site(demo_site_file(SMALL, tmp_path))
    assert [camera.id for camera in site_file.site.cameras] == ["north-west", "north"]
    address = parse_address(site_file.site.cameras[1].source)
    assert (address.camera, address.world, address.size) == ("north", SMALL.world, (160, 90))
    view = build_view(site_file, 1, (160, 90))
    assert view.model.position == pytest.approx([8.3, 11.75, 3.05], abs=1e-4)
    assert site_file.resolve(site_file.site.floor.image.path).is_file()


def test_the_truth_of_a_running_site_counts_from_its_start(tmp_path):
    site_file = load_site(demo_site_file(SMALL, tmp_path))
    expected = open_world(parse_address(site_file.site.cameras[0].source)).people_at(2.5)
    ids, xy = truth_of(site_file, start_s=1_000_000.0).people_at(1_000_002.5)
    assert np.array_equal(ids, expected.ids)
    assert xy == pytest.approx(expected.xy)


def test_a_site_with_other_cameras_has_no_simulated_truth(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("site: a\ncameras:\n  - {id: a, source: 'sim:shop/north'}\n  - {id: b, source: b.mp4}\n")
    with pytest.raises(ConfigError, match=r"cameras\[1\].source: is no simulated camera"):
        truth_of(load_site(path))


def test_cameras_of_two_worlds_have_no_common_truth(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: a\ncameras:\n  - {id: a, source: 'sim:shop/north'}\n  - {id: b, source: 'sim:shop/south?seed=1'}\n"
    )
    with pytest.raises(ConfigError, match=r"cameras\[1\].source: sees another world"):
        truth_of(load_site(path))


def test_a_recording_has_all_frames_and_their_truth(recorded):
    site_file = load_site(recorded)
    truth = read_truth(recorded.parent, ["north-west", "north"])
    world = open_world(parse_address("sim:shop/north?people=8&seed=3"))
    for name, camera in truth.cameras.items():
        source = PyAVSource(CameraId(name), recorded.parent / f"{name}.mp4", 4.0)
        frames = list(iter(source.read, None))
        source.close()
        assert [frame.captured_at for frame in frames] == [k / 4 for k in range(12)]
        assert frames[0].size == (160, 90)
        assert (camera.boxes.frame <= 12).all()
        for frame, person, place in zip(camera.boxes.frame, camera.boxes.person, camera.boxes.floor, strict=True):
            people = world.bodies_at((frame - 1) / 4)
            assert place == pytest.approx(people.xy[people.ids == person][0], abs=1e-3)
    assert [camera.fps for camera in site_file.site.cameras] == [4.0, 4.0]


def test_people_who_are_hardly_seen_count_neither_way(recorded):
    rows = np.loadtxt(recorded.parent / "north" / "gt" / "gt.txt", delimiter=",")
    boxes = read_truth_boxes(recorded.parent / "north" / "gt" / "gt.txt")
    counts, visible = rows[:, 6] == 1, rows[:, 10]
    assert visible[counts].min() >= LEAST_VISIBLE
    assert np.array_equal(boxes.ignored, ~counts)
    assert 0.0 <= visible.min() < LEAST_VISIBLE < 0.8 < visible.max() <= 1.0


def test_the_same_seed_gives_the_same_files(recorded, tmp_path):
    again = write_site(tmp_path / "again", SMALL, silent)
    for name in ("north.mp4", "north/gt/gt.txt", "site.yaml", "plan.png"):
        assert (again.parent / name).read_bytes() == (recorded.parent / name).read_bytes()


def test_a_perturbed_calibration_is_off_by_so_many_pixels(tmp_path):
    right, wrong = (
        build_view(load_site(demo_site_file(SiteConfig(perturb_px=pixels), tmp_path / f"{pixels}")), 0, (640, 360))
        for pixels in (0.0, 5.0)
    )
    floor = right.model.to_floor(np.array([[320.0, 180.0], [250.0, 240.0], [400.0, 200.0]]))
    off = np.linalg.norm(wrong.model.to_image(floor) - right.model.to_image(floor), axis=1)
    assert off == pytest.approx(np.full(3, 5.0), rel=0.35)


def test_a_camera_that_lost_frames_keeps_their_times(faulty):
    camera = load_site(faulty).site.cameras[0]
    assert camera.fps is None
    source = PyAVSource(CameraId("a"), faulty.parent / "north-west.mp4", None, 0.0)
    times = [frame.captured_at for frame in iter(source.read, None)]
    source.close()
    assert times == pytest.approx([0.0, 0.25, 0.5, 0.75, 2.0, 2.25, 2.5, 2.75], abs=1e-3)


def test_a_camera_whose_clock_is_ahead_starts_later(faulty):
    starts = [camera.start_s for camera in load_site(faulty).site.cameras]
    assert np.subtract(starts, starts[0]) == pytest.approx([0.0, 0.25, 0.0])


def test_places_are_given_only_where_picture_and_time_are_right(faulty):
    known = {}
    for name in ("north-west", "north", "north-east"):
        boxes = read_truth_boxes(faulty.parent / name / "gt" / "gt.txt")
        known[name] = sorted(set(boxes.frame[np.isfinite(boxes.floor).all(axis=1)].tolist()))
    assert max(known["north-west"], default=0) <= 4
    assert known["north"] == []
    assert not {6, 7, 8} & set(known["north-east"])
    assert 12 in known["north-east"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="give a folder that does not exist yet"):
        write_site(tmp_path, SMALL, silent)


def test_faults_of_a_camera_that_is_not_there_are_refused(tmp_path):
    config = SiteConfig(cameras=1, faults={"north": Faults(loss=0.5)})
    with pytest.raises(ValueError, match="no camera 'north'; the site has north-west"):
        demo_site_file(config, tmp_path)


@pytest.fixture
def command(tmp_path):
    def run(**flags):
        usual = {"size": "160x90", "seconds": 1.0, "fps": 2.0, "people": 3, "cameras": 2, "addresses": True}
        simulate_command(tmp_path / "site", **{**usual, **flags})
        return load_site(tmp_path / "site" / "site.yaml").site

    return run


def test_the_command_gives_faults_to_the_cameras_that_they_are_for(command):
    site = command(freeze=["north:2:3"], loss=["all:0.1"])
    faults = [parse_address(camera.source).faults for camera in site.cameras]
    assert faults == [Faults(loss=0.1), Faults(loss=0.1, freeze=(2.0, 3.0))]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"scene": "moon"}, "there is no scene 'moon'"),
        ({"size": "huge"}, "size=huge: expected WIDTHxHEIGHT"),
        ({"gone": ["attic:1:2"]}, "--gone attic:1:2: begin with one of north-west, north, or all"),
        ({"skew": ["north"]}, "--skew north: begin with"),
        ({"light": ["north:1"]}, "light=1: expected AT:VALUE"),
    ],
    ids=["scene", "size", "camera", "no value", "half a value"],
)
def test_the_command_says_which_flag_is_wrong(command, flags, problem):
    with pytest.raises(typer.BadParameter) as raised:
        command(**flags)
    assert problem in str(raised.value)


def test_the_command_writes_boxes(command, tmp_path):
    site = command(addresses=False, boxes=True, size="320x180", seconds=4.0, people=12, away=2.0)
    assert [str(camera.detections) for camera in site.cameras] == ["north-west/det/det.txt", "north/det/det.txt"]
    assert [camera.source for camera in site.cameras] == [None, None]
    assert (tmp_path / "site" / "floor_truth.csv").is_file()


def test_boxes_and_addresses_exclude_each_other(command):
    with pytest.raises(typer.BadParameter, match="--addresses and --boxes: give one of them"):
        command(addresses=True, boxes=True)


def test_the_command_records(command, tmp_path):
    site = command(addresses=False, outfits=2)
    assert [camera.source for camera in site.cameras] == ["north-west.mp4", "north.mp4"]
    assert (tmp_path / "site" / "north" / "gt" / "gt.txt").is_file()
