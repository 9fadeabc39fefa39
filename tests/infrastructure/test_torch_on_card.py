"""What only a card can show: it gives what the CPU gives, frames arrive whole, and memory does not grow.

It decodes, encodes and records graphs, too.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from agreement import assert_same_people
from random_weights import pictures, save_open_clip, save_yolo

from app.bench.gpu_decode import write_video
from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder
from app.infrastructure.model_files import ModelFile
from app.infrastructure.pyav_source import PyAVSource
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.torch_decoding import DevicePixels, TorchDecoding
from app.infrastructure.torch_detector import TorchDetector
from app.infrastructure.torch_device import Accelerator, open_accelerator
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_jpeg_encoder import TorchJpegEncoder
from app.infrastructure.torch_networks import load_look_networks, load_people_networks

NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no card")
pytestmark = [pytest.mark.gpu_stack, NO_CARD]
SCORE = 0.25


def frames(count: int = 6) -> FrameBatch:
    sizes = [(1280, 720), (640, 480)]
    made = [(sizes[i % 2], pictures(1, sizes[i % 2], seed=i)[0]) for i in range(count)]
    return FrameBatch(1.0, tuple(Frame(CameraId(f"c{i}"), 1.0, 0, size, p) for i, (size, p) in enumerate(made)))


def detector(path, accelerator: Accelerator) -> TorchDetector:
    return TorchDetector(
        name="yolo",
        path=path,
        networks=load_people_networks(ModelFile("yolo", path), accelerator, None),
        accelerator=accelerator,
        frames=DeviceFrames(accelerator.devices),
        config=DetectorConfig(score=SCORE, nms_iou=0.7, min_height=0.0, tiles=None),
    )


def test_frames_arrive_whole():
    batch = frames()
    for stack in DeviceFrames((torch.device("cuda:0"),)).stacks(batch):
        stack.upload(range(len(stack.frames)))
        for row, number in enumerate(stack.frames):
            np.testing.assert_array_equal(stack.pixels[row].cpu().numpy(), batch.frames[number].pixels)


def test_boxes_are_those_of_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # a random network blows up its rounding
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    path, batch = save_yolo(tmp_path / "yolo.pt"), frames()
    on_card, on_cpu = (detector(path, open_accelerator([d], "fp32", 4)).detect(batch) for d in ("cuda:0", "cpu"))
    assert sum(map(len, on_cpu)) >= 10
    for ours, theirs in zip(on_card, on_cpu, strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_looks_are_those_of_the_cpu(tmp_path, precision):
    path, batch = save_open_clip(tmp_path / "clip"), frames()
    boxes = np.array([[10, 20, 90, 260], [300, 5, 420, 400], [0, 0, 640, 480]], np.float32)
    crops = Crops(np.array([0, 3, 1]), np.arange(3), boxes)
    vectors = []
    for device, kind in (("cuda:0", precision), ("cpu", "fp32")):
        accelerator = open_accelerator([device], kind, 2)
        embedder = TorchEmbedder(
            name="clip",
            path=path,
            networks=load_look_networks(ModelFile("clip", path), accelerator, None),
            accelerator=accelerator,
            frames=DeviceFrames(accelerator.devices),
        )
        vectors.append(embedder.embed(batch, crops).vectors)
    assert (vectors[0] * vectors[1]).sum(axis=1).min() >= (0.999 if precision == "fp32" else 0.99)


def test_memory_does_not_grow(tmp_path):
    finds = detector(save_yolo(tmp_path / "yolo.pt"), open_accelerator(["cuda:0"], "auto", 4))
    used = []
    for _ in range(12):
        finds.detect(frames())
        used.append(torch.cuda.memory_allocated())
    assert used[-1] <= used[3]


def test_cards_decode_what_the_cpu_decodes_while_networks_work(tmp_path):
    path = write_video(tmp_path / "v.mp4", (640, 384))
    host = list(iter(PyAVSource(CameraId("a"), path).read, None))
    decoding = TorchDecoding(torch.device("cuda:0"))

    def read(number: int) -> list[Frame]:
        return list(iter(PyAVSource(CameraId(f"c{number}"), path, decoding=decoding).read, None))

    busy = torch.rand(4096, 4096, device="cuda:0")
    with ThreadPoolExecutor(4) as cameras:
        reads = [cameras.submit(read, number) for number in range(4)]
        for _ in range(50):
            busy = (busy @ busy).softmax(1)
    assert decoding._told == set(), "decoded on the card"
    for on_card in (read.result() for read in reads):
        assert [(f.index, f.captured_at) for f in on_card] == [(f.index, f.captured_at) for f in host]
        for ours, theirs in zip(on_card, host, strict=True):
            assert isinstance(ours.pixels, DevicePixels)
            assert ours.pixels.tensor.device.type == "cuda"
            assert np.abs(np.asarray(ours.pixels).astype(int) - np.asarray(theirs.pixels)).max() <= 3


def test_jpegs_of_the_card_look_as_those_of_the_host():
    picture, host = pictures(1, (640, 360))[0], OpenCVJpegEncoder()
    on_card = DevicePixels(torch.from_numpy(picture).to("cuda:0"))
    for width in (320, 640):
        ours, theirs = (
            cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)
            for jpeg in (TorchJpegEncoder(host).encode(on_card, width), host.encode(picture, width))
        )
        assert np.abs(ours - theirs).mean() < 3.0


@pytest.mark.parametrize("mode", ["graphs", "inductor"])
def test_compiled_networks_find_the_same(tmp_path, mode):
    path, batch = save_yolo(tmp_path / "yolo.pt"), frames()
    plain, compiled = (detector(path, open_accelerator(["cuda:0"], "fp32", 4, how)) for how in ("off", mode))
    compiled.prepare([(1280, 720), (640, 480)])
    assert compiled._calls[0]._runs, "the log says why it was not compiled"
    for _ in range(3):
        again = FrameBatch(1.0, batch.frames)
        for ours, theirs in zip(compiled.detect(again), plain.detect(batch), strict=True):
            assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)
