"""What every Detector keeps to, whatever network is behind it."""

import numpy as np
import pytest
from fakes import FakeDetector
from world import SIZE, World, corner_cameras, person

from app.domains.detection.ports import Detector
from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.infrastructure.model_files import WHEEL_DETECTOR, find_model
from app.infrastructure.mot_detections import RecordedDetector, read_recording
from app.infrastructure.openvino_detector import OpenVINODetector
from app.infrastructure.regions import DetectorConfig

CAMERAS = ("a", "b", "c")


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        "recorded",
        WHEEL_DETECTOR,
        pytest.param("person-detection-retail-0013", marks=pytest.mark.models),
        pytest.param("yolox_nano_416", marks=pytest.mark.models),
        pytest.param("ultralytics", marks=pytest.mark.gpu_stack),
    ],
)
def detector(request, tmp_path_factory) -> Detector:
    folder = tmp_path_factory.mktemp("detector")
    if request.param == "fake":
        return FakeDetector(World([person(1, [(0, 5, 4), (9, 7, 4)])], corner_cameras()))
    if request.param == "recorded":
        path = folder / "det.txt"
        path.write_text("1,-1,500,200,40,120,0.9\n1,-1,700,250,44,130,0.4\n3,-1,500,200,40,120,0.8\n")
        return RecordedDetector({CameraId(name): read_recording(path) for name in CAMERAS})
    if request.param == "ultralytics":
        return random_yolo(folder)
    models = None if request.param == WHEEL_DETECTOR else request.getfixturevalue("models_dir")
    return OpenVINODetector(find_model(request.param, models, folder), DetectorConfig(tiles=None))


def random_yolo(folder) -> Detector:
    from random_weights import save_yolo

    from app.infrastructure.torch_detector import TorchDetector
    from app.infrastructure.torch_device import open_accelerator
    from app.infrastructure.torch_frames import DeviceFrames
    from app.infrastructure.torch_networks import load_people_networks

    accelerator, path = open_accelerator("auto", "fp32", 2), save_yolo(folder / "yolo.pt")
    return TorchDetector(
        name="yolo",
        path=path,
        networks=load_people_networks(find_model(str(path)), accelerator, 320),
        accelerator=accelerator,
        frames=DeviceFrames(accelerator.devices),
        config=DetectorConfig(tiles=None),
    )


def batch(*names: str, index: int = 0) -> FrameBatch:
    """Frames of noise, each of its own, so that no answer can be had for the wrong one."""
    pixels = {
        name: np.random.default_rng(ord(name)).integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        for name in names
    }
    return FrameBatch(0.5, tuple(Frame(CameraId(n), 0.5, index, SIZE, pixels[n]) for n in names))


def test_one_answer_per_frame_in_the_batchs_order(detector):
    found = detector.detect(batch("c", "a", "b"))
    assert [d.camera_id for d in found] == ["c", "a", "b"]
    assert [d.captured_at for d in found] == [0.5] * 3


def test_boxes_are_pixels_and_confidences_are_shares(detector):
    for d in detector.detect(batch(*CAMERAS)):
        assert (d.xyxy.dtype, d.confidence.dtype) == (np.float32, np.float32)
        assert d.xyxy.shape == (len(d), 4)
        assert (d.xyxy[:, 2:] >= d.xyxy[:, :2]).all()
        assert ((d.xyxy >= 0) & (d.xyxy <= [*SIZE, *SIZE])).all()
        assert ((d.confidence >= 0) & (d.confidence <= 1)).all()


def test_what_a_frame_shows_does_not_hang_on_the_frames_beside_it(detector):
    (alone,), among = detector.detect(batch("b")), detector.detect(batch(*CAMERAS))[1]
    np.testing.assert_allclose(alone.xyxy, among.xyxy, atol=0.5)
    np.testing.assert_allclose(alone.confidence, among.confidence, atol=0.01)


def test_no_frames(detector):
    assert detector.detect(FrameBatch(0.0, ())) == []
