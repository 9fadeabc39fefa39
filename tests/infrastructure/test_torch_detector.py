"""The front that all detectors in torch share, with a network whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.tiling import Tiles
from app.infrastructure.torch_detector import NetworkTraits, TorchDetector
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_pixels import Placement

pytestmark = pytest.mark.gpu_stack
CPU = torch.device("cpu")


class BrightSpots:
    """Finds every bright 16 x 16 cell of a 320 x 320 input; the brighter, the surer. Remembers its batches' sizes.

    Args:
        memory: pictures that fit in one call.
    """

    def __init__(self, memory: int = 99, nms_iou: float | None = 0.7) -> None:
        self.traits = NetworkTraits((320, 320), 0.5, nms_iou)
        self.memory = memory
        self.batches: list[int] = []

    def placement(self, region: tuple[int, int]) -> Placement:
        scale = min(320 / region[0], 320 / region[1])
        return Placement((320, 320), (round(region[0] * scale), round(region[1] * scale)))

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if len(images) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(images))
        assert images.dtype == torch.float32
        assert images.max() <= 1.0
        cells = images.mean(dim=1).unfold(1, 16, 16).unfold(2, 16, 16).mean(dim=(3, 4))
        top, left = torch.meshgrid(torch.arange(20.0) * 16, torch.arange(20.0) * 16, indexing="ij")
        boxes = torch.stack([left, top, left + 16, top + 16], dim=-1).reshape(-1, 4)
        confidence = cells.reshape(len(images), -1)
        return boxes.expand(len(images), -1, -1), torch.where(confidence > 0.6, confidence, 0.0)


def frame(camera: str, *spots: tuple[int, int, int], size: tuple[int, int] = (640, 640)) -> Frame:
    """Black but for spots of 32 x 32 at left, top, of a brightness."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for left, top, brightness in spots:
        pixels[top : top + 32, left : left + 32] = brightness
    return Frame(CameraId(camera), 2.5, 0, size, pixels)


def detector(*networks: BrightSpots, batch: int = 99, **config) -> TorchDetector:
    accelerator = Accelerator((CPU,) * len(networks), torch.float32, batch)
    settings = DetectorConfig(**{"score": 0.1, "nms_iou": 0.7, "min_height": 0.0, "tiles": None} | config)
    return TorchDetector(
        name="spots",
        path=Path("spots"),
        networks=networks,
        accelerator=accelerator,
        frames=DeviceFrames(accelerator.devices),
        config=settings,
    )


def test_boxes_are_pixels_of_each_frame_surest_first():
    frames = (frame("a", (64, 128, 200), (320, 0, 250)), frame("b"), frame("c", (96, 32, 210), size=(320, 320)))
    found = detector(BrightSpots()).detect(FrameBatch(2.5, frames))
    assert [(d.camera_id, d.captured_at, len(d)) for d in found] == [("a", 2.5, 2), ("b", 2.5, 0), ("c", 2.5, 4)]
    np.testing.assert_allclose(found[0].xyxy, [[320, 0, 352, 32], [64, 128, 96, 160]])
    np.testing.assert_allclose(found[0].confidence, [250 / 255, 200 / 255], rtol=1e-6)
    assert (found[0].xyxy.dtype, found[0].confidence.dtype) == (np.float32, np.float32)


def test_frames_without_pixels_have_nobody():
    empty = Frame(CameraId("b"), 2.5, 0, (640, 640), None)
    found = detector(BrightSpots()).detect(FrameBatch(2.5, (frame("a", (0, 0, 255)), empty)))
    assert [len(d) for d in found] == [1, 0]
    assert detector(BrightSpots()).detect(FrameBatch(0.0, ())) == []


def test_all_cameras_and_tiles_of_a_size_share_batches():
    network = BrightSpots()
    detector(network, batch=4, tiles=Tiles(320, 0.0)).detect(FrameBatch(2.5, (frame("a"), frame("b"), frame("c"))))
    assert network.batches == [4, 4, 4, 3]  # twelve tiles, and three whole frames


def test_tiles_show_what_the_whole_frame_shows():
    spots = ((64, 64, 250), (304, 304, 240), (512, 320, 230))
    (found,) = detector(BrightSpots(), tiles=Tiles(320, 0.2)).detect(FrameBatch(2.5, (frame("a", *spots),)))
    expected = torch.tensor([[left, top, left + 32, top + 32] for left, top, _ in spots], dtype=torch.float32)
    assert (box_iou(expected, torch.from_numpy(found.xyxy)).max(dim=1).values > 0.2).all()


def test_boxes_below_the_score_are_left_out():
    (found,) = detector(BrightSpots(), score=0.8).detect(
        FrameBatch(2.5, (frame("a", (0, 0, 255), (320, 320, 200)),))
    )  # fmt: skip
    np.testing.assert_allclose(found.confidence, [1.0])


class Stack(BrightSpots):
    """Finds the same person twice, a little apart, wherever anything is bright."""

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        boxes = torch.tensor([[100.0, 100.0, 140.0, 200.0], [104.0, 100.0, 144.0, 200.0], [-50.0, 0.0, 60.0, 90.0]])
        bright = (images.amax(dim=(1, 2, 3)) > 0.5).float()
        return boxes.expand(len(images), -1, -1), bright[:, None] * torch.tensor([0.8, 0.9, 0.7])


def test_of_boxes_that_overlap_the_surest_stays_in_each_frame_for_itself():
    frames = tuple(frame(name, (0, 0, 255)) for name in "abc")
    for found in detector(Stack()).detect(FrameBatch(2.5, frames)):
        np.testing.assert_allclose(found.confidence, [0.9, 0.7])
        np.testing.assert_allclose(found.xyxy, [[208, 200, 288, 400], [0, 0, 120, 180]])


def test_a_network_that_gives_each_person_one_box_is_believed():
    (found,) = detector(Stack(nms_iou=None)).detect(FrameBatch(2.5, (frame("a", (0, 0, 255)),)))
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.7])


def test_cameras_are_spread_over_devices_and_stay_there():
    networks = (BrightSpots(), BrightSpots())
    spread = detector(*networks)
    frames = [frame(name, (32 * i, 0, 255)) for i, name in enumerate("abcde")]
    found = spread.detect(FrameBatch(2.5, tuple(frames)))
    assert [d.xyxy[0, 0] for d in found] == [0, 32, 64, 96, 128]
    assert sorted(sum(network.batches) for network in networks) == [2, 3]
    spread.detect(FrameBatch(2.6, (frames[4], frames[1])))
    assert sorted(sum(network.batches) for network in networks) == [3, 4]


def test_a_batch_too_large_for_the_memory_gives_the_same_boxes():
    frames = tuple(frame(name, (32 * i, 0, 255)) for i, name in enumerate("abcde"))
    small = BrightSpots(memory=2)
    found = detector(small, batch=5).detect(FrameBatch(2.5, frames))
    assert [d.xyxy[0, 0] for d in found] == [0, 32, 64, 96, 128]
    assert small.batches == [2, 2, 1]
