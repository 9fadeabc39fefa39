"""Hugging Face's detectors behind our front find what the library's own preprocessing and post-processing find."""

import json
import shutil

import numpy as np
import pytest
import torch
from agreement import assert_same_people
from PIL import Image
from random_weights import pictures, save_huggingface

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import ModelError
from app.infrastructure.huggingface_detector import HuggingFaceNetwork
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.torch_detector import TorchDetector
from app.infrastructure.torch_device import open_accelerator
from app.infrastructure.torch_frames import DeviceFrames

pytestmark = pytest.mark.gpu_stack
CPU = open_accelerator(["cpu"], "fp32", 2)
SCORE = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = {}

    def make(kind: str):
        if kind not in made:
            made[kind] = save_huggingface(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return make


SIZES = [(640, 640), (320, 320), (640, 640)]  # where no rounding differs: a random network blows it up


def frames(sizes=SIZES) -> FrameBatch:
    made = [Frame(CameraId(f"c{i}"), 1.0, 0, size, pictures(1, size, seed=i)[0]) for i, size in enumerate(sizes)]
    return FrameBatch(1.0, tuple(made))


def detect(path, batch: FrameBatch):
    detector = TorchDetector(
        name=path.name,
        path=path,
        networks=[HuggingFaceNetwork(path, CPU, CPU.devices[0])],
        accelerator=CPU,
        frames=DeviceFrames(CPU.devices),
        config=DetectorConfig(score=SCORE, min_height=0.0, tiles=None),
    )
    return detector.detect(batch)


def predicted(path, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    model, processor = AutoModelForObjectDetection.from_pretrained(path), AutoImageProcessor.from_pretrained(path)
    image = Image.fromarray(np.ascontiguousarray(frame.pixels[..., ::-1]))
    with torch.inference_mode():
        outputs = model(**processor(images=image, return_tensors="pt"))
    (found,) = processor.post_process_object_detection(outputs, SCORE, [(frame.size[1], frame.size[0])])
    boxes = found["boxes"].numpy().clip(0, [*frame.size, *frame.size])
    rows = (found["labels"].numpy() == 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return boxes[rows], found["scores"].numpy()[rows]


@pytest.mark.parametrize("kind", ["rt_detr", "rt_detr_v2", "rf_detr", "detr"])
def test_the_boxes_are_those_of_the_librarys_own_way(folder, kind):
    batch = frames(SIZES if kind != "rf_detr" else [(320, 320)] * 2)  # that chooses its queries by the last digit
    answers = [predicted(folder(kind), frame) for frame in batch.frames]
    assert sum(len(boxes) for boxes, _ in answers) >= 10, "a network that finds nothing proves nothing"
    for ours, (boxes, scores) in zip(detect(folder(kind), batch), answers, strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (boxes, scores), SCORE)


def test_a_folder_without_people_is_refused(folder, tmp_path):
    shutil.copytree(folder("rt_detr"), tmp_path / "dogs")
    config = json.loads((tmp_path / "dogs" / "config.json").read_text())
    config["id2label"] = {"0": "cat", "1": "dog"}
    (tmp_path / "dogs" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="none of its classes is called 'person'; it knows cat, dog"):
        HuggingFaceNetwork(tmp_path / "dogs", CPU, CPU.devices[0])


@pytest.mark.parametrize("removed", ["model.safetensors", "preprocessor_config.json", "config.json"])
def test_a_folder_that_lacks_a_file_is_refused(folder, tmp_path, removed):
    shutil.copytree(folder("rt_detr"), tmp_path / "part")
    (tmp_path / "part" / removed).unlink()
    with pytest.raises(ModelError, match="transformers cannot load it as AutoModelForObjectDetection: ") as raised:
        HuggingFaceNetwork(tmp_path / "part", CPU, CPU.devices[0])
    assert "\n" not in str(raised.value)


def test_a_site_may_want_another_size(folder):
    network = HuggingFaceNetwork(folder("rt_detr"), CPU, CPU.devices[0], size=256)
    assert network.traits.size == (256, 256)
    assert network.placement((640, 480)).inner == (256, 256)
