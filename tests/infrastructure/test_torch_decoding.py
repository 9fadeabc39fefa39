"""Pictures that become pixels on a device, held against what libswscale makes of them on the host."""

import logging

import av
import numpy as np
import pytest
import torch
from random_weights import pictures

from app.domains.vocabulary import CameraId
from app.errors import CameraUnavailable, DeviceError, FrameCorrupt
from app.infrastructure import torch_decoding
from app.infrastructure.pyav_source import PyAVSource
from app.infrastructure.torch_decoding import DevicePixels, TorchDecoding

pytestmark = pytest.mark.gpu_stack
CAMERA = CameraId("hall")
CPU = torch.device("cpu")
FOOTAGE = ["pets09_s2l1/vtest.avi", "intel/people-detection.264"]
# libswscale's table for 4:2:0 cuts fractions off where they should be rounded, twice; so it is up to 3 darker.
DARKER, DARKER_ON_AVERAGE = 3, 1.6


def picture(kind: str, size: tuple[int, int] = (192, 128)) -> av.VideoFrame:
    made = av.VideoFrame.from_ndarray(pictures(1, size)[0], format="bgr24")
    return made.reformat(format="yuv420p").reformat(format=kind)


def on_device(made: av.VideoFrame) -> np.ndarray:
    return np.asarray(TorchDecoding(CPU).pixels(CAMERA, made)).astype(int)


def on_host(made: av.VideoFrame) -> np.ndarray:
    return made.to_ndarray(format="bgr24").astype(int)


@pytest.mark.parametrize("color_range", [0, 1, 2], ids=["range unsaid", "limited", "full"])
@pytest.mark.parametrize("colorspace", [1, 2, 4, 5, 6, 7, 9])
def test_colours_are_those_of_libswscale(colorspace, color_range):
    made = picture("yuv420p")
    made.colorspace, made.color_range = colorspace, color_range
    brighter = on_device(made) - on_host(made)
    assert brighter.min() >= -1
    assert brighter.max() <= DARKER
    assert brighter.mean() < DARKER_ON_AVERAGE


@pytest.mark.parametrize(("kind", "off"), [("nv12", 0), ("p010le", 1)], ids=["as cards give 8 bits", "and 10"])
def test_the_layouts_of_cards_hold_the_same_picture(kind, off):
    assert np.abs(on_device(picture(kind)) - on_device(picture("yuv420p"))).max() <= off


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("yuvj420p", (192, 128)),
        ("yuv444p", (192, 128)),
        ("gray", (64, 64)),
        ("yuv420p", (191, 127)),
        ("rgb24", (33, 21)),
    ],
)
def test_pictures_of_all_kinds_become_pixels(kind, size):
    made = picture(kind, size)
    assert on_device(made).shape == (size[1], size[0], 3)
    assert np.abs(on_device(made) - on_host(made)).max() <= DARKER


def test_pixels_are_blue_green_red():
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 255
    made = av.VideoFrame.from_ndarray(blue, format="bgr24").reformat(format="yuv420p")
    assert on_device(made).mean(axis=(0, 1)) == pytest.approx([255, 0, 0], abs=6)


def test_pixels_are_copied_to_the_host_once_and_when_asked_for():
    tensor = torch.arange(4 * 6 * 3, dtype=torch.uint8).view(4, 6, 3)
    pixels = DevicePixels(tensor)
    assert pixels.shape == (4, 6, 3)
    assert np.asarray(pixels) is np.asarray(pixels)
    np.testing.assert_array_equal(np.asarray(pixels), tensor.numpy())
    assert not np.shares_memory(np.array(pixels), np.asarray(pixels))
    assert np.asarray(pixels, np.float32).dtype == np.float32


def read_all(source: PyAVSource) -> tuple[list, list[str]]:
    frames, problems = [], []
    while True:
        try:
            frame = source.read()
        except (FrameCorrupt, CameraUnavailable) as error:
            problems.append(error.problem)
            continue
        if frame is None:
            source.close()
            return frames, problems
        frames.append(frame)


@pytest.mark.data
@pytest.mark.parametrize("spoil", [None, (300_000, 306_000)], ids=["whole", "garbled"])
@pytest.mark.parametrize("name", FOOTAGE)
def test_footage_gives_the_frames_and_faults_that_it_gives_on_the_host(data_dir, tmp_path, name, spoil):
    content = bytearray((data_dir / name).read_bytes()[:400_000])
    if spoil is not None:
        content[slice(*spoil)] = np.random.default_rng(1).bytes(spoil[1] - spoil[0])
    path = tmp_path / name.split("/")[1]
    path.write_bytes(content)
    ours, our_problems = read_all(PyAVSource(CAMERA, path, decoding=TorchDecoding(CPU)))
    theirs, their_problems = read_all(PyAVSource(CAMERA, path))
    assert our_problems == their_problems
    assert len(ours) > 15
    assert [(f.index, f.captured_at, f.size) for f in ours] == [(f.index, f.captured_at, f.size) for f in theirs]
    for our, their in list(zip(ours, theirs, strict=True))[::5]:
        assert isinstance(our.pixels, DevicePixels)
        brighter = np.asarray(our.pixels).astype(int) - np.asarray(their.pixels)
        assert (brighter.min() >= -1, brighter.max() <= DARKER) == (True, True)


def test_a_full_memory_takes_the_camera_away_and_says_how_to_go_on(monkeypatch):
    def full(*_arguments, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(torch, "addmm", full)
    with pytest.raises(CameraUnavailable, match=r"camera hall: the memory of cpu .*accelerator\.decode: cpu"):
        TorchDecoding(CPU).pixels(CAMERA, picture("nv12"))


def test_a_camera_that_the_card_does_not_decode_is_named_once(monkeypatch, caplog):
    decoding = TorchDecoding(CPU)
    monkeypatch.setattr(decoding, "_on_card", True)  # then pictures in the host's memory stand out
    with caplog.at_level(logging.WARNING):
        for camera in ("hall", "hall", "door"):
            decoding.pixels(CameraId(camera), picture("yuv420p"))
    assert [record.getMessage() for record in caplog.records] == [
        f"camera {camera}: decoded on the CPU, because the decoder of cpu does not take it (yuv420p, 192x128)"
        for camera in ("hall", "door")
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")
def test_a_card_that_is_not_there_is_said_before_the_first_picture():
    with pytest.raises(DeviceError, match=r"device cuda:0: FFmpeg cannot decode on it \(.+\); accelerator.decode: cpu"):
        TorchDecoding(torch.device("cuda:0"))


def test_the_decoder_of_cards_belongs_to_the_locked_ffmpeg():
    assert "cuda" in av.codec.hwaccel.hwdevices_available()
    for codec in ("h264", "hevc", "mjpeg", "vp9"):
        assert any(config.format.name == torch_decoding.ON_CARD for config in av.Codec(codec, "r").hardware_configs)
