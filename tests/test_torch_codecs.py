"""Where a site's pictures are decoded: as it says, and as the machine can."""

import pytest
import torch
import yaml
from random_weights import save_yolo

from app import recorded
from app.bench.gpu_decode import write_video
from app.infrastructure import pyav_decoding, torch_device
from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder
from app.infrastructure.torch_decoding import TorchDecoding
from app.infrastructure.torch_jpeg_encoder import TorchJpegEncoder
from app.picture_codecs import PictureCodecs, build_codecs
from app.settings import SiteFile, load_site

pytestmark = pytest.mark.gpu_stack
NO_CARD = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")


def site(folder, **accelerator) -> SiteFile:
    path = folder / "site.yaml"
    content = {"site": "s", "cameras": [{"id": "a", "source": "a.mp4"}], "accelerator": accelerator}
    path.write_text(yaml.safe_dump(content))
    return load_site(path)


@pytest.mark.parametrize("decode", ["cpu", "auto"])
def test_the_cpu_decodes_unless_cards_are_asked_for(tmp_path, decode):
    codecs = build_codecs(site(tmp_path, decode=decode))
    assert codecs.decoding(5) is pyav_decoding.HOST_DECODING
    assert isinstance(codecs.encoder, OpenCVJpegEncoder)
    assert codecs.notes == ()


@NO_CARD
def test_without_a_card_the_cpu_decodes_and_the_user_is_told(tmp_path):
    codecs = build_codecs(site(tmp_path, decode="card"))
    assert codecs.notes == ("decode: on the CPU, because no card is in use",)
    assert codecs.decoding(0) is pyav_decoding.HOST_DECODING


@NO_CARD
def test_a_card_that_ffmpeg_cannot_use_leaves_the_decoding_to_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch_device, "_refuse_unusable", lambda _device: None)  # torch would use it; FFmpeg finds none
    codecs = build_codecs(site(tmp_path, decode="card"))
    (note,) = codecs.notes
    assert note.startswith("decode: on the CPU; device cuda:0: FFmpeg cannot decode on it (")
    assert codecs.decoding(0) is pyav_decoding.HOST_DECODING


def test_cameras_are_spread_over_devices_and_encoded_there(tmp_path, monkeypatch):
    devices = (torch.device("cpu"), torch.device("cpu"))
    monkeypatch.setattr(torch_device.Accelerator, "on_cards", lambda _self: True)
    monkeypatch.setattr(torch_device, "DTYPES", {"fp32": torch.float32})
    codecs = build_codecs(site(tmp_path, decode="card", devices=["cpu", "cpu"], precision="fp32"))
    assert tuple(decoding.device for decoding in codecs.decodings) == devices
    assert codecs.decoding(0) is codecs.decoding(2)
    assert codecs.decoding(0) is not codecs.decoding(1)
    assert isinstance(codecs.encoder, TorchJpegEncoder)
    assert codecs.notes == ("decode: on cpu, cpu",)


@pytest.mark.parametrize("detector", ["torch", "openvino"])
def test_a_site_is_tracked_and_drawn_from_pixels_on_a_device(tmp_path, monkeypatch, detector):
    """The pictures lie on the CPU as a device, which every part must take as it takes arrays."""
    write_video(tmp_path / "a.mp4", (320, 192))
    model = str(save_yolo(tmp_path / "people.pt")) if detector == "torch" else None
    content = {
        "site": "s",
        "cameras": [{"id": "a", "source": "a.mp4"}],
        "detector": {"model": model, "score": 0.2},
        "accelerator": {"devices": ["cpu"]},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(content))
    found = []
    for decoding in (pyav_decoding.HOST_DECODING, TorchDecoding(torch.device("cpu"))):
        monkeypatch.setattr(recorded, "build_codecs", lambda _site, way=decoding: PictureCodecs([way]))
        summary = recorded.track(
            load_site(tmp_path / "site.yaml"),
            tmp_path / f"out{len(found)}",
            video=True,
            say=lambda _line: None,
            report=lambda _progress, _total: None,
        )
        assert summary.counts["frames"] == 20
        assert {"trajectories.png", "video.mp4"} <= set(summary.files)
        found.append(summary.counts["boxes"])
    assert abs(found[0] - found[1]) <= 0.1 * found[0] + 2  # colours differ by 1, and random networks answer to that
