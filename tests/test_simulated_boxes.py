from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app.errors import ConfigError
from app.evaluation.mot_text import read_truth_boxes
from app.evaluation.seen_noise import SeenNoise
from app.evaluation.truth import FLOOR_TRUTH, read_floor_truth, read_truth
from app.infrastructure.mot_detections import read_recording
from app.main import open_recordings, open_source
from app.settings import load_site
from app.simulated import START, SiteConfig, open_world, write_site
from app.simulated_boxes import write_boxes
from app.simulation.address import parse_address
from app.simulation.faults import Faults
from app.simulation.recording import LEAST_VISIBLE
from app.simulation.world import WorldConfig

SMALL = SiteConfig(world=WorldConfig(people=14, seed=3), size=(320, 180), fps=4.0, cameras=2, duration_s=3.0)


def silent(_progress, _total):
    pass


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return write_boxes(tmp_path_factory.mktemp("sites") / "boxes", SMALL, SeenNoise(), silent).parent


def test_its_truth_is_that_of_the_videos(boxes, tmp_path):
    videos = write_site(tmp_path / "videos", SMALL, silent).parent
    for camera in ("north-west", "north"):
        quick, painted = (read_truth_boxes(folder / camera / "gt" / "gt.txt") for folder in (boxes, videos))
        quick, painted = quick[~quick.ignored], painted[~painted.ignored]
        keys = [table.frame * 100 + table.person for table in (quick, painted)]
        both, here, there = np.intersect1d(*keys, return_indices=True)
        assert len(both) > 20
        assert len(both) >= 0.97 * max(len(quick), len(painted))  # some are seen to just a quarter
        np.testing.assert_array_equal(quick.floor[here], painted.floor[there])
        assert np.percentile(np.abs(quick.xyxy[here] - painted.xyxy[there]), 98) <= 2.0


def test_the_site_is_read_like_any_other(boxes):
    site_file = load_site(boxes / "site.yaml")
    recordings = open_recordings(site_file)
    assert [(camera.id, camera.size, camera.fps) for camera in site_file.site.cameras] == [
        ("north-west", (320, 180), 4.0),
        ("north", (320, 180), 4.0),
    ]
    recording = recordings["north"]
    assert recording.last_frame == 12
    assert recording.embeddings.shape == (len(recording), 49)
    truth = read_truth(boxes, ["north-west", "north"])
    counted = ~truth.cameras["north"].boxes.ignored
    assert 0.7 * counted.sum() < len(recording) < 1.3 * len(counted)


def test_everybody_on_the_floor_is_in_its_truth(boxes):
    floor = read_floor_truth(boxes / FLOOR_TRUTH)
    world = open_world(parse_address("sim:shop/north?people=14&seed=3"))
    assert (floor.first, floor.last, floor.clock.fps, floor.clock.start_s) == (1, 12, pytest.approx(4.0), 0.0)
    for frame in range(1, 13):
        people, mine = world.people_at((frame - 1) / 4.0), floor.frame == frame
        assert floor.person[mine].tolist() == people.ids.tolist()
        np.testing.assert_allclose(floor.xy[mine], people.xy, atol=1e-4)
    visible = np.loadtxt(boxes / FLOOR_TRUTH, delimiter=",", skiprows=1)[:, 4]
    assert np.array_equal(floor.ignored, visible < LEAST_VISIBLE)


def test_the_same_seed_gives_the_same_files_and_another_one_others(boxes, tmp_path):
    again = write_boxes(tmp_path / "again", SMALL, SeenNoise(), silent).parent
    for name in ("north/det/det.txt", "north/det/emb.npz", "north/gt/gt.txt", "site.yaml", FLOOR_TRUTH):
        assert (again / name).read_bytes() == (boxes / name).read_bytes()
    other = write_boxes(tmp_path / "other", replace(SMALL, world=WorldConfig(14, 4)), SeenNoise(), silent).parent
    assert (other / "north/det/det.txt").read_bytes() != (boxes / "north/det/det.txt").read_bytes()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    faults = {
        "north-west": Faults(gone=(1.0, 1.0)),
        "north": Faults(skew_s=0.25),
        "north-east": Faults(freeze=(1.0, 1.0)),
        "south-west": Faults(bump=(1.5, 40.0)),
    }
    config = replace(SMALL, cameras=4, faults=faults)
    return write_boxes(tmp_path_factory.mktemp("sites") / "faulty", config, SeenNoise(), silent).parent


def test_frames_that_were_lost_do_not_come(faulty):
    site_file = load_site(faulty / "site.yaml")
    assert site_file.site.cameras[0].lost == ((5, 8),)
    source = open_source(site_file, 0, open_recordings(site_file))
    frames = list(iter(source.read, None))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 8, 9, 10, 11]
    assert source.frame_count == 8


def test_a_clock_that_is_ahead_shows_what_the_others_show_under_a_later_time(faulty):
    cameras = load_site(faulty / "site.yaml").site.cameras
    assert [camera.start_s - START.timestamp() for camera in cameras] == [0.0, 0.25, 0.0, 0.0]
    assert read_floor_truth(faulty / FLOOR_TRUTH).clock.start_s == START.timestamp()
    truth = read_truth_boxes(faulty / "north" / "gt" / "gt.txt")
    assert np.isnan(truth.floor).all()


def test_a_frozen_picture_has_the_same_boxes(faulty):
    recording = read_recording(faulty / "north-east" / "det" / "det.txt")
    frames = [recording.xyxy[recording.rows(index)] for index in range(12)]
    same = [np.array_equal(one, two) for one, two in pairwise(frames)]
    assert same == [False] * 4 + [True] * 3 + [False] * 4


def test_a_bumped_camera_sees_everybody_elsewhere(faulty, tmp_path):
    steady = write_boxes(tmp_path / "steady", replace(SMALL, cameras=4), SeenNoise(), silent).parent
    tables = [read_truth_boxes(folder / "south-west" / "gt" / "gt.txt") for folder in (faulty, steady)]
    keys = [table.frame * 100 + table.person for table in tables]
    both, here, there = np.intersect1d(*keys, return_indices=True)
    moved = np.abs(tables[0].xyxy[here] - tables[1].xyxy[there]).max(axis=1)
    after = both // 100 > 6
    assert moved[~after].max() == 0.0
    assert np.median(moved[after]) > 20.0


def test_people_who_return_keep_their_ids(tmp_path):
    config = replace(SMALL, world=WorldConfig(people=6, seed=1, away=0.3), duration_s=120.0, fps=1.0, cameras=1)
    floor = read_floor_truth(write_boxes(tmp_path / "long", config, SeenNoise(), silent).parent / FLOOR_TRUTH)
    assert set(floor.person.tolist()) <= set(range(1, 7))
    away = [np.diff(np.sort(floor.frame[floor.person == person])).max() for person in np.unique(floor.person)]
    assert max(away) > 3  # seconds outside


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (replace(SMALL, duration_s=None), "needs a duration"),
        (replace(SMALL, world=WorldConfig(people=0)), "camera north-west sees nobody in all its frames"),
        (replace(SMALL, faults={"attic": Faults(loss=0.1)}), "no camera 'attic'"),
        (replace(SMALL, scene="moon"), "no scene 'moon'"),
    ],
    ids=["no end", "nobody", "no such camera", "no such scene"],
)
def test_sites_that_cannot_be_made_are_refused(tmp_path, config, problem):
    with pytest.raises(ValueError, match=problem):
        write_boxes(tmp_path / "site", config, SeenNoise(), silent)


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="give a folder that does not exist yet"):
        write_boxes(tmp_path, SMALL, SeenNoise(), silent)
