"""What only a card can show: it gives what the CPU gives, frames arrive whole, and memory does not grow.

It decodes, encodes, searches and records graphs, too. On a machine with a card this file alone tries every branch that
is for cards, in minutes:

    ./scripts/test --gpu tests/infrastructure/test_torch_on_card.py
"""

import logging
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
import yaml
from agreement import assert_same_people
from random_weights import pictures, save_huggingface, save_open_clip, save_yolo

from app.bench.gpu_decode import write_video
from app.cli.main import main
from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.infrastructure.faiss_gpu_index import FaissGpuIndex
from app.infrastructure.huggingface_detector import HuggingFaceNetwork
from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder
from app.infrastructure.model_files import ModelFile
from app.infrastructure.pyav_source import PyAVSource
from app.infrastructure.regions import DetectorConfig
from app.infrastructure.torch_compile import prepared_calls
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


def in_another_thread(work):
    """Do what the frame path does: networks are compiled in one thread, and run in another."""
    with ThreadPoolExecutor(1) as inference:
        return inference.submit(work).result()


@pytest.mark.parametrize("mode", ["graphs", "inductor"])
def test_compiled_networks_find_the_same_in_batches_of_all_sizes(tmp_path, mode):
    path, batch = save_yolo(tmp_path / "yolo.pt"), frames()
    plain, compiled = (detector(path, open_accelerator(["cuda:0"], "fp32", 4, how)) for how in ("off", mode))
    compiled.prepare([(1280, 720), (640, 480)])
    assert compiled._calls[0]._runs, "the log says why it was not compiled"
    for count in (6, 1, 3, 6):
        some = FrameBatch(1.0, batch.frames[:count])
        found = in_another_thread(lambda some=some: compiled.detect(some))
        for ours, theirs in zip(found, plain.detect(FrameBatch(1.0, some.frames)), strict=True):
            assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)


@pytest.mark.parametrize("kind", ["rt_detr", "rt_detr_v2"])
def test_detection_transformers_are_recorded_as_graphs(tmp_path, kind):
    accelerator = open_accelerator(["cuda:0"], "fp32", 2, "graphs")
    network = HuggingFaceNetwork(save_huggingface(tmp_path / kind, kind), accelerator, accelerator.devices[0])
    (call,) = prepared_calls([network.find], accelerator, kind)
    images = torch.rand(2, 3, 320, 320, device="cuda:0")
    with torch.inference_mode():
        call.prepare((3, 320, 320), torch.float32, accelerator.devices[0])
        assert call._runs, "the log says why it was not recorded"
        for ours, theirs in zip(call(images), network.find(images), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-2, rtol=1e-2)


def test_a_network_that_waits_for_the_card_is_not_recorded(caplog):
    def waits(images: torch.Tensor) -> torch.Tensor:
        return images * float(images.sum().item())

    accelerator = open_accelerator(["cuda:0"], "fp32", 2, "graphs")
    (call,) = prepared_calls([waits], accelerator, "a network")
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        call.prepare((3, 8, 8), torch.float32, accelerator.devices[0])
        assert call(torch.ones(1, 3, 8, 8, device="cuda:0")).sum() == 192.0**2
    assert "runs as it is, not compiled" in caplog.text


def test_a_batch_that_does_not_fit_is_halved_and_finds_the_same(tmp_path):
    path, batch = save_yolo(tmp_path / "yolo.pt"), frames(48)
    expected = detector(path, open_accelerator(["cuda:0"], "fp32", 1)).detect(batch)
    accelerator = open_accelerator(["cuda:0"], "fp32", 48)
    finds = detector(path, accelerator)
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + 400e6
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = finds.detect(FrameBatch(1.0, batch.frames))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert accelerator.faults["cuda:0 out of memory"] > 0
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)


@pytest.mark.parametrize("number", [0, 1])
def test_looks_are_found_on_the_card_as_on_the_cpu(number):
    if torch.cuda.device_count() <= number:
        pytest.skip("this machine has one card")
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    answers = []
    for device in (f"cuda:{number}", "cpu"):
        index = FaissGpuIndex(64, torch.device(device))
        index.put(np.arange(3000), vectors)
        index.remove(np.arange(0, 3000, 7))
        index.put(np.arange(5000, 5100), vectors[:100])
        answers.append(index.search(vectors[:50] + np.float32(0.01), 5))
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-3)
    assert (answers[0][1] == answers[1][1]).mean() > 0.99  # of equal cosines either may come first


def test_several_cards_share_the_cameras(tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has one card")
    path, batch = save_yolo(tmp_path / "yolo.pt"), frames()
    one, two = (detector(path, open_accelerator(cards, "fp32", 4)) for cards in (["cuda:0"], ["cuda:0", "cuda:1"]))
    for ours, theirs in zip(two.detect(batch), one.detect(FrameBatch(1.0, batch.frames)), strict=True):
        assert_same_people((ours.xyxy, ours.confidence), (theirs.xyxy, theirs.confidence), SCORE)


def test_a_site_is_tracked_with_all_that_a_card_does(tmp_path, capsys):
    """Decoded, detected, embedded, searched and drawn as a user has it: by `spoton track`."""
    write_video(tmp_path / "v.mp4", (640, 384))
    save_yolo(tmp_path / "yolo.pt")
    save_open_clip(tmp_path / "clip")
    site = {
        "site": "card",
        "cameras": [{"id": name, "source": "v.mp4", "fps": 10} for name in ("a", "b")],
        "detector": {"model": "./yolo.pt", "image_size": 320},
        "embedder": {"model": "./clip"},
        "accelerator": {"devices": ["cuda:0"], "decode": "card", "compile": "graphs", "batch": 4},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    with pytest.raises(SystemExit) as left:
        main(["track", str(tmp_path / "site.yaml"), "--out", str(tmp_path / "out")])
    assert left.value.code == 0
    assert "decode: on cuda:0" in capsys.readouterr().err
    assert (tmp_path / "out" / "run.json").is_file()
