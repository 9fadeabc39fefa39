import json

import numpy as np
import pytest
import torch

from app.bench.gpu import GpuPlan, measure
from app.bench.gpu_decode import Decoders, write_video
from app.bench.gpu_networks import RTDETR, write_detector
from app.cli.main import main
from app.infrastructure.pyav_decoding import HOST_DECODING
from app.infrastructure.torch_decoding import TorchDecoding

pytestmark = pytest.mark.gpu_stack
SMALL = GpuPlan(
    detectors=("yolo11n",),
    clip="ViT-S-32-alt",
    cameras=(2,),
    people=2,
    size=(320, 192),
    seconds=0.01,
    batch=2,
    device="cpu",
    precision="fp32",
)


def test_every_number_is_measured(tmp_path):
    said = []
    (row,) = measure(SMALL, tmp_path, write_video(tmp_path / "video.mp4", SMALL.size), said.append)
    assert said == ["yolo11n + CLIP ViT-S-32-alt", "yolo11n, 2 cameras"]
    assert (row.detector, row.compiled, row.cameras) == ("yolo11n", "off", 2)
    assert row.p50_ms <= row.p95_ms
    assert row.frames_per_s == pytest.approx(2000 / row.p50_ms)
    assert row.detect_per_s > row.frames_per_s / 2
    assert set(row.parts_ms) == {"copy", "resize", "detector", "crops", "clip"}
    assert all(value > 0 for value in row.parts_ms.values())
    assert row.ceiling_per_s == pytest.approx(1000 / (row.parts_ms["detector"] + row.parts_ms["clip"]))
    assert row.of_ceiling == pytest.approx(row.frames_per_s / row.ceiling_per_s)
    assert min(row.one_by_one_per_s, row.batched_per_s, row.host_ms) > 0
    assert row.decoded.p50_ms <= row.decoded.p95_ms
    assert row.decoded.frames_per_s == pytest.approx(2000 / row.decoded.p50_ms)
    assert (row.memory_mb, row.card_decoded) == (None, None)


@pytest.mark.parametrize("name", RTDETR)
def test_rt_detr_has_the_published_shape(tmp_path, name):
    config = json.loads((write_detector(name, tmp_path) / "config.json").read_text())
    layers, expansion, channels = {
        "rtdetr_r18": (3, 0.5, [128, 256, 512]),
        "rtdetr_r50": (6, 1.0, [512, 1024, 2048]),
    }[name]
    assert config["decoder_layers"] == layers
    assert config["hidden_expansion"] == expansion
    assert config["encoder_in_channels"] == channels
    assert config["num_queries"] == 300


@pytest.mark.parametrize("decoding", [HOST_DECODING, TorchDecoding(torch.device("cpu"))], ids=["host", "device"])
def test_cameras_play_a_video_again_and_again(tmp_path, decoding):
    with Decoders(write_video(tmp_path / "video.mp4", (320, 192)), 2, decoding) as decoders:
        frames = [decoders.next() for _ in range(41)]
    assert [frame.shape for frame in frames[0]] == [(192, 320, 3)] * 2
    assert (np.asarray(frames[0][0]) == np.asarray(frames[20][1])).all()
    assert (np.asarray(frames[0][0]) != np.asarray(frames[1][0])).any()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--detectors", "yolo99"], "--detectors: yolo99: unknown; known are yolo11n, "),
        (["--cameras", "1,x"], "--cameras: 1,x: give whole numbers above zero"),
        (["--compile", "off,fast"], "--compile: fast: unknown; known are off, graphs, inductor"),
        (["--compile", "graphs"], "--compile: graphs: CUDA graphs need a card"),
        (["--size", "1920"], "--size: 1920: give width x height"),
    ],
)
def test_wrong_options_are_named(capsys, arguments, problem):
    with pytest.raises(SystemExit) as left:
        main(["bench", "gpu", "--device", "cpu", *arguments])
    assert left.value.code == 2
    assert problem in capsys.readouterr().err
