from pathlib import Path

import pytest
import yaml

from app.errors import ConfigError
from app.settings import Tiles, load_site, parse_site, read_yaml

SITE = {"site": "shop", "cameras": [{"id": "hall", "source": "hall.mp4"}]}
PATH = Path("site.yaml")


def write(folder, content):
    path = folder / "site.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_small_site_file_takes_all_defaults(tmp_path):
    site = load_site(write(tmp_path, SITE)).site
    assert site.cameras[0].start_s == 0.0
    assert site.detector.tiles == "auto"
    assert site.tracker.max_lost_s > 0
    assert Tiles().size == 640


def test_settings_of_every_part_reach_their_dataclass(tmp_path):
    content = {
        **SITE,
        "tracker": {"max_lost_s": 3},
        "fusion": {"gate": 9.5},
        "view": {"sigma_u": 0.1},
        "identity": {"gallery": {"forget_s": 60}},
        "detector": {"tiles": {"size": 500}},
    }
    site = load_site(write(tmp_path, content)).site
    assert (site.tracker.max_lost_s, site.fusion.gate, site.view.sigma_u) == (3.0, 9.5, 0.1)
    assert site.identity.gallery.forget_s == 60.0
    assert site.detector.tiles == Tiles(size=500)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.mp4", "/srv/site/a/b.mp4"),
        ("../b.mp4", "/srv/site/../b.mp4"),
        ("/data/b.mp4", "/data/b.mp4"),
        ("~/b.mp4", "/home/me/b.mp4"),
    ],
    ids=["beside the site file", "above it", "absolute", "in the user's home"],
)
def test_paths_start_from_the_site_files_folder(tmp_path, monkeypatch, path, expected):
    monkeypatch.setenv("HOME", "/home/me")
    site_file = load_site(write(tmp_path, SITE))
    moved = type(site_file)(Path("/srv/site/site.yaml"), site_file.site)
    assert moved.resolve(path) == Path(expected)


def test_names_in_braces_come_from_the_environment_in_every_text(monkeypatch):
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.setenv("SHOP_NAME", "north")
    content = {
        "site": "shop {SHOP_NAME}",
        "cameras": [
            {
                "id": "{SHOP_NAME}",
                "detections": "{DATA}/{SHOP_NAME}/det.txt",
                "size": [4, 3],
                "fps": 2,
                "calibration": {"file": {"intrinsic": "{DATA}/in.xml", "extrinsic": "{DATA}/ex.xml"}},
            }
        ],
        "detector": {"model": "{DATA}/net.onnx"},
        "zones": [{"name": "{lower} {", "line": [[0, 0], [1, 1]]}],
    }
    site = parse_site(content, PATH)
    assert site.site == "shop north"
    assert site.cameras[0].detections == Path("/data/north/det.txt")
    assert site.cameras[0].calibration.file.extrinsic == Path("/data/ex.xml")
    assert site.detector.model == "/data/net.onnx"
    assert site.zones[0].name == "{lower} {"


def test_the_record_has_all_defaults_and_the_names_instead_of_their_values(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    content = {**SITE, "cameras": [{"id": "hall", "source": "{SECRET}/hall.mp4"}], "detector": {"model": "{SECRET}"}}
    record = load_site(write(tmp_path, content)).record()
    assert record["cameras"][0]["source"] == "{SECRET}/hall.mp4"
    assert record["detector"] == {
        "model": "{SECRET}",
        "score": None,
        "nms_iou": None,
        "min_height": 8.0,
        "tiles": "auto",
        "runtime": "auto",
        "image_size": None,
    }
    assert "hunter2" not in str(record)


def test_a_secret_may_come_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("pa55 word\n")
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "password"))
    content = {**SITE, "cameras": [{"id": "hall", "source": "rtsp://me:{SECRET}@hall/1"}]}
    site_file = load_site(write(tmp_path, content))
    assert site_file.site.cameras[0].source == "rtsp://me:pa55 word@hall/1"
    assert "pa55" not in str(site_file.record())
    monkeypatch.setenv("SECRET", "other")
    assert load_site(write(tmp_path, content)).site.cameras[0].source == "rtsp://me:other@hall/1"


def test_a_secrets_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "absent"))
    content = {**SITE, "cameras": [{"id": "hall", "source": "rtsp://me:{SECRET}@hall/1"}]}
    with pytest.raises(
        ConfigError, match=r"cameras\[0\].source: SECRET_FILE names .*absent, which cannot be read: No such"
    ):
        load_site(write(tmp_path, content))


def test_the_command_lines_networks_take_the_place_of_the_files(tmp_path):
    content = {**SITE, "detector": {"model": "{NOT_SET}", "score": 0.3}}
    site_file = load_site(write(tmp_path, content), detector="yolox_nano_416", embedder="hsv")
    assert (site_file.site.detector.model, site_file.site.detector.score) == ("yolox_nano_416", 0.3)
    assert site_file.site.embedder.model == "hsv"
    assert site_file.record()["detector"]["model"] == "yolox_nano_416"


@pytest.mark.parametrize(("asked", "devices"), [(["cuda:1"], ("cuda:1",)), ("auto", "auto"), (None, ("cpu",))])
def test_the_command_lines_devices_take_the_place_of_the_files(tmp_path, asked, devices):
    content = {**SITE, "accelerator": {"devices": ["cpu"], "batch": 4}}
    accelerator = load_site(write(tmp_path, content), devices=asked).site.accelerator
    assert (accelerator.devices, accelerator.batch) == (devices, 4)


@pytest.mark.parametrize(
    ("accelerator", "key"),
    [
        ({"devices": ["gpu"]}, "accelerator.devices"),
        ({"devices": []}, "accelerator.devices"),
        ({"precision": "int8"}, "accelerator.precision"),
        ({"batch": 0}, "accelerator.batch"),
        ({"decode": "gpu"}, "accelerator.decode"),
        ({"compile": True}, "accelerator.compile"),
    ],
)
def test_a_wrong_accelerator_is_named(tmp_path, accelerator, key):
    with pytest.raises(ConfigError, match=key):
        load_site(write(tmp_path, {**SITE, "accelerator": accelerator}))


def test_anchors_and_merge_keys_work(tmp_path):
    text = """
site: shop
cameras:
  - &first {id: a, source: a.mp4, fps: 7}
  - {<<: *first, id: b}
"""
    cameras = load_site(write(tmp_path, text)).site.cameras
    assert [(camera.id, camera.fps) for camera in cameras] == [("a", 7.0), ("b", 7.0)]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfsite: a\n")
    assert read_yaml(tmp_path / "a.yaml") == {"site": "a"}


def test_the_unknown_key_is_named_first_and_others_are_counted():
    with pytest.raises(ConfigError) as caught:
        parse_site({"site": "", "cameras": [{"id": "a b", "source": "x", "fpss": 3}]}, PATH)
    assert (caught.value.key, caught.value.problem) == (
        "cameras[0].fpss",
        "unknown key; remove it or mend its spelling (and 2 more)",
    )


@pytest.mark.parametrize(
    ("calibration", "key"),
    [
        ({"file": {"intrinsic": "a.xml"}}, "cameras[0].calibration.file.extrinsic"),
        ({"file": {"intrinsic": "a.xml", "extrinsic": "b.xml", "unit": "inch"}}, "cameras[0].calibration.file.unit"),
        ({"file": 3}, "cameras[0].calibration.file"),
        ({"opencv": {"rvec": [0, 0, 0], "tvec": [0, 0, 0]}}, "cameras[0].calibration.opencv.K"),
        ({"points": [[0, 0, 0, 0]] * 3 + [[0, 0, 0]]}, "cameras[0].calibration.points[3]"),
    ],
    ids=["a file is missing", "an unknown unit", "a number for a file", "a matrix is missing", "a short point pair"],
)
def test_keys_inside_of_alternatives_are_named_without_the_types_names(calibration, key):
    content = {"site": "s", "cameras": [{"id": "a", "source": "x", "calibration": calibration}]}
    with pytest.raises(ConfigError) as caught:
        parse_site(content, PATH)
    assert caught.value.key.startswith(key)
    assert "CalibrationFiles" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cameras": "hall"}, "cameras: should be a list, got 'hall'"),
        ({"cameras": ["hall"]}, "cameras[0]: should be a mapping of keys, got 'hall'"),
        ({"tracker": 3}, "tracker: should be a mapping of keys, got 3"),
        ({"tracker": None}, "tracker: should be a mapping of keys, got nothing"),
        ({"detector": {"tiles": "many"}}, "detector.tiles: should be "),
        ({"floor": {"bounds": [0, 1, 2]}}, "floor.bounds[3]: is missing"),
        ({"floor": {"bounds": [0, 0, 1, 1], "image": {"path": 3}}}, "floor.image.path: should be a path, got 3"),
    ],
    ids=[
        "a text for a list",
        "a text for a camera",
        "a number for a part",
        "nothing for a part",
        "another text for tiles",
        "three bounds",
        "a number for a path",
    ],
)
def test_types_are_told_in_plain_words(change, words):
    with pytest.raises(ConfigError) as caught:
        parse_site({**SITE, **change}, PATH)
    assert str(caught.value).startswith(f"site.yaml: {words}")
    assert "Config" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "name", "value", "problem"),
    [
        ("tracker", "max_lost_s", -3, "must be above 0, got -3"),
        ("tracker", "gate", -1, "must not be negative, got -1"),
        ("tracker", "high_score", 7, "must not be above 1, got 7"),
        ("fusion", "survival_s", 0, "must be above 0, got 0"),
        ("fusion", "sweeps", 0, "must be above 0, got 0"),
        ("fusion", "detection_probability", 1.5, "must not be above 1, got 1.5"),
        ("identity", "stranger_area_m2", 0, "must be above 0, got 0"),
    ],
    ids=["a time", "a gate", "a score", "a life", "a count", "a probability", "an area"],
)
def test_thresholds_without_meaning_are_refused(part, name, value, problem):
    with pytest.raises(ConfigError) as caught:
        parse_site({**SITE, part: {name: value}}, PATH)
    assert caught.value.key == f"{part}.{name}"
    assert problem in caught.value.problem


def test_thresholds_deep_inside_are_looked_at_and_log_odds_may_have_any_sign():
    with pytest.raises(ConfigError) as caught:
        parse_site({**SITE, "identity": {"gallery": {"forget_s": -1}}}, PATH)
    assert caught.value.key == "identity.gallery.forget_s"
    assert parse_site({**SITE, "identity": {"merge_log_odds": -1}}, PATH).identity.merge_log_odds == -1.0


def test_starts_are_given_to_all_cameras_or_to_none():
    cameras = [{"id": name, "source": "x"} for name in "ab"]
    cameras[0]["start"] = "2026-01-01T10:00:00Z"
    with pytest.raises(ConfigError, match="'a' has a start and 'b' has none"):
        parse_site({"site": "s", "cameras": cameras}, PATH)
    cameras[1]["start"] = "2026-01-01T12:00:00+02:00"
    first, second = parse_site({"site": "s", "cameras": cameras}, PATH).cameras
    assert first.start_s == second.start_s == 1767261600.0
