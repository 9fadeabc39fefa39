"""Calls prepared for batches of a few sizes. Graphs need a card; what surrounds them runs here with other recorders."""

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from random_weights import pictures, save_open_clip, save_yolo
from torch import nn
from torch.nn import functional

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.errors import DeviceError
from app.infrastructure.model_files import ModelFile
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.torch_compile import InductorRecorder, PreparedCall, sizes_up_to
from app.infrastructure.torch_detector import NetworkTraits, TorchDetector
from app.infrastructure.torch_device import Accelerator, open_accelerator
from app.infrastructure.torch_embedder import TorchEmbedder
from app.infrastructure.torch_frames import DeviceFrames
from app.infrastructure.torch_networks import load_look_networks
from app.infrastructure.torch_pixels import Placement
from app.infrastructure.ultralytics_detector import UltralyticsNetwork

pytestmark = pytest.mark.gpu_stack
CPU = torch.device("cpu")
SHAPE = (3, 8, 8)


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12]), (33, [1, 2, 4, 8, 16, 32, 33])],
)
def test_sizes_are_powers_of_two_and_the_largest(most, sizes):
    assert sizes_up_to(most) == sizes


def sums(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give two answers for each picture."""
    return images.sum(dim=(1, 2, 3)), images.flatten(1) * 2


class Recorder:
    """Makes the call again, and remembers on batches of which sizes: a graph's replay without a card."""

    def __init__(self) -> None:
        self.prepared: list[int] = []
        self.run: list[int] = []

    def __call__(self, call, images):
        self.prepared.append(len(images))

        def again():
            self.run.append(len(images))
            return call(images)

        return again


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 6), (6, 6)])
def test_a_batch_is_padded_to_the_next_size_and_its_answers_are_its_own(count, size):
    recorder = Recorder()
    call = PreparedCall(sums, recorder, 6, "a network")
    call.prepare(SHAPE, torch.float32, CPU)
    assert recorder.prepared == [6, 4, 2, 1]
    call(torch.full((6, *SHAPE), 9.0))  # leaves its pictures in the room for later batches
    images = torch.rand(count, *SHAPE)
    for ours, theirs in zip(call(images), sums(images), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert recorder.run == [6, size]


@pytest.mark.parametrize(
    "images",
    [torch.ones(7, *SHAPE), torch.ones(2, 3, 8, 16), torch.ones(2, *SHAPE, dtype=torch.float64)],
    ids=["more than a batch", "another shape", "another precision"],
)
def test_what_was_not_prepared_runs_as_it_is(images):
    recorder = Recorder()
    call = PreparedCall(sums, recorder, 6, "a network")
    call.prepare(SHAPE, torch.float32, CPU)
    torch.testing.assert_close(call(images)[0], sums(images)[0])
    assert recorder.run == []


def test_a_shape_is_prepared_once():
    recorder = Recorder()
    call = PreparedCall(sums, recorder, 2, "a network")
    for _ in range(2):
        call.prepare(SHAPE, torch.float32, CPU)
    assert recorder.prepared == [2, 1]


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_what_cannot_be_prepared_is_named_once_and_runs_as_it_is(caplog, fault):
    def record(_call, _images):
        raise fault

    call = PreparedCall(sums, record, 4, "the detector people on cuda:0")
    with caplog.at_level(logging.WARNING):
        call.prepare(SHAPE, torch.float32, CPU)
        call.prepare((3, 16, 16), torch.float32, CPU)
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"the detector people on cuda:0 runs as it is, not compiled: {str(fault).splitlines()[0]}"]
    torch.testing.assert_close(call(torch.ones(3, *SHAPE))[0], torch.full((3,), 192.0))


def test_graphs_without_a_card_are_refused_before_anything_runs():
    with pytest.raises(DeviceError, match=r"device cpu: CUDA graphs need a card; set accelerator\.compile to off"):
        open_accelerator(["cpu"], "auto", 4, "graphs")


def test_what_is_compiled_is_said():
    assert open_accelerator(["cpu"], "auto", 4, "inductor").describe() == "cpu in fp32, compiled by inductor"


@pytest.fixture
def compilations(monkeypatch) -> list[int]:
    """How many pictures each graph that torch.compile made was for; the graphs run as they are."""
    made: list[int] = []

    def backend(graph, inputs):
        made.append(max((len(i) for i in inputs if isinstance(i, torch.Tensor) and i.dim() == 4), default=0))
        return graph.forward

    monkeypatch.setattr(InductorRecorder.__init__, "__defaults__", (backend,))
    torch._dynamo.reset()
    yield made
    torch._dynamo.reset()


def batch(cameras: int, size: tuple[int, int] = (320, 192)) -> FrameBatch:
    made = pictures(cameras, size)
    return FrameBatch(1.0, tuple(Frame(CameraId(f"c{i}"), 1.0, 0, size, p) for i, p in enumerate(made)))


class Blocks:
    """Answers with every 32 x 32 block of its input, surer the lighter it is."""

    traits = NetworkTraits((320, 320), 0.5, None)

    def placement(self, region: tuple[int, int]) -> Placement:
        return Placement(region, region)

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        light = functional.avg_pool2d(images.mean(dim=1, keepdim=True), 32).flatten(1)
        place = torch.arange(light.shape[1], device=images.device, dtype=torch.float32).expand_as(light)
        return torch.stack([place, place, place + 32, place + 32], dim=-1), light


def detector(mode: str) -> TorchDetector:
    accelerator = Accelerator((CPU,), torch.float32, 4, mode)
    return TorchDetector(
        name="blocks",
        path=Path("blocks"),
        networks=[Blocks()],
        accelerator=accelerator,
        frames=DeviceFrames(accelerator.devices),
        config=DetectorConfig(score=0.3, nms_iou=0.7, min_height=0.0, tiles=None),
    )


def test_the_detector_finds_the_same_compiled_and_compiles_nothing_later(compilations):
    plain, compiled = detector("off"), detector("inductor")
    compiled.prepare([(320, 192)])
    assert compilations == [4, 2, 1]
    for cameras in (1, 3, 4, 5):
        found = list(zip(compiled.detect(batch(cameras)), plain.detect(batch(cameras)), strict=True))
        for ours, theirs in found:
            np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-3)
            np.testing.assert_allclose(ours.xyxy, theirs.xyxy, atol=1e-3)
        assert sum(len(ours) for ours, _ in found) > 9
    compiled.detect(batch(2, (256, 256)))  # of a size that nobody told of
    assert compilations == [4, 2, 1]


def test_the_embedder_sees_the_same_compiled_and_compiles_nothing_later(tmp_path, compilations):
    path, vectors = save_open_clip(tmp_path / "clip"), []
    for mode in ("off", "inductor"):
        accelerator = Accelerator((CPU,), torch.float32, 2, mode)
        embedder = TorchEmbedder(
            name="clip",
            path=path,
            networks=load_look_networks(ModelFile("clip", path), accelerator, None),
            accelerator=accelerator,
            frames=DeviceFrames(accelerator.devices),
        )
        embedder.prepare([])
        before = len(compilations)
        corner = np.random.default_rng(0).uniform(0, 90, (3, 2))
        crops = Crops(np.arange(3) % 2, np.arange(3), np.hstack([corner, corner + 40]).astype(np.float32))
        vectors.append(embedder.embed(batch(2), crops).vectors)
        assert len(compilations) == before
    assert len(compilations) >= 2
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-3)


def test_a_yolo_is_compiled_in_one_piece_that_runs_in_another_thread(tmp_path):
    pieces: list[int] = []  # how often each ran

    def backend(graph, _inputs):
        number = len(pieces)
        pieces.append(0)

        def run(*inputs):
            pieces[number] += 1
            return graph.forward(*inputs)

        return run

    accelerator = Accelerator((CPU,), torch.float32, 1, "inductor")
    network = UltralyticsNetwork(save_yolo(tmp_path / "yolo.pt", "yolov8n"), accelerator, CPU, 64)
    call = PreparedCall(network.find, InductorRecorder(backend), 1, "a network")
    with torch.inference_mode():
        call.prepare((3, 64, 64), torch.float32, CPU)
    assert pieces == [1]

    def later() -> None:
        with torch.inference_mode():
            network.find(torch.rand(1, 3, 96, 64))
            images = torch.rand(1, 3, 64, 64)
            torch.testing.assert_close(call(images)[1], network.find(images)[1], atol=1e-3, rtol=1e-3)

    with ThreadPoolExecutor(1) as inference:
        inference.submit(later).result()
    torch._dynamo.reset()
    assert pieces == [2]


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs g++ on the CPU")
def test_inductor_itself_gives_the_same():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).eval()
    call = PreparedCall(network, InductorRecorder(), 1, "a network")
    images = torch.rand(1, *SHAPE)
    with torch.inference_mode():
        call.prepare(SHAPE, torch.float32, CPU)
        assert call._record is not None
        torch.testing.assert_close(call(images), network(images), atol=1e-3, rtol=1e-3)
