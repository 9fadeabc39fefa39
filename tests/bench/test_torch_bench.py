import json

import pytest

from app.bench.gpu import GpuPlan, measure
from app.bench.gpu_decode import Decoders, write_video
from app.bench.gpu_networks import RTDETR, write_detector
from app.cli.main import main

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
    assert said == ["yolo11n + CLIP ViT-S-32-alt, 2 cameras"]
    assert (row.detector, row.cameras) == ("yolo11n", 2)
    assert row.p50_ms <= row.p95_ms
    assert row.frames_per_s == pytest.approx(2000 / row.p50_ms)
    assert row.detect_per_s > row.frames_per_s / 2
    assert set(row.parts_ms) == {"copy", "resize", "detector", "crops", "clip"}
    assert all(value > 0 for value in row.parts_ms.values())
    assert row.ceiling_per_s == pytest.approx(1000 / (row.parts_ms["detector"] + row.parts_ms["clip"]))
    assert row.of_ceiling == pytest.approx(row.frames_per_s / row.ceiling_per_s)
    assert min(row.one_by_one_per_s, row.batched_per_s, row.decoded_per_s, row.host_ms) > 0
    assert row.memory_mb is None


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


def test_cameras_play_a_video_again_and_again(tmp_path):
    with Decoders(write_video(tmp_path / "video.mp4", (320, 192)), 2) as decoders:
        frames = [decoders.next() for _ in range(41)]
    assert [frame.shape for frame in frames[0]] == [(192, 320, 3)] * 2
    assert (frames[0][0] == frames[20][1]).all()
    assert (frames[0][0] != frames[1][0]).any()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--detectors", "yolo99"], "--detectors: yolo99: unknown; known are yolo11n, "),
        (["--cameras", "1,x"], "--cameras: 1,x: give whole numbers above zero"),
        (["--size", "1920"], "--size: 1920: give width x height"),
    ],
)
def test_wrong_options_are_named(capsys, arguments, problem):
    with pytest.raises(SystemExit) as left:
        main(["bench", "gpu", "--device", "cpu", *arguments])
    assert left.value.code == 2
    assert problem in capsys.readouterr().err
