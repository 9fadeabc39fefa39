"""JPEGs of pixels on a device, with the calls that a card gets."""

import cv2
import numpy as np
import pytest
import torch
from random_weights import pictures

from app.infrastructure import torch_jpeg_encoder
from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder
from app.infrastructure.torch_decoding import DevicePixels
from app.infrastructure.torch_jpeg_encoder import TorchJpegEncoder

pytestmark = pytest.mark.gpu_stack
HOST = OpenCVJpegEncoder()


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [
        ((640, 360), 320, (320, 180)),
        ((640, 360), 480, (480, 270)),
        ((640, 360), 640, (640, 360)),
        ((640, 360), 1920, (640, 360)),
        ((3, 999), 1, (1, 333)),
    ],
    ids=["half", "three quarters", "as it is", "never scaled up", "narrow"],
)
def test_pictures_on_a_device_look_as_those_of_the_host(size, width, expected):
    picture = pictures(1, size)[0]
    ours = decoded(TorchJpegEncoder(HOST).encode(DevicePixels(torch.from_numpy(picture)), width))
    theirs = decoded(HOST.encode(picture, width))
    assert (ours.shape[1], ours.shape[0]) == expected
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 3.0


def test_less_quality_is_fewer_bytes():
    pixels = DevicePixels(torch.from_numpy(pictures(1, (320, 192))[0]))
    assert len(TorchJpegEncoder(HOST, 40).encode(pixels, 320)) < len(TorchJpegEncoder(HOST, 90).encode(pixels, 320))


def test_pixels_in_the_hosts_memory_are_left_to_the_host():
    picture = pictures(1, (320, 192))[0]
    assert TorchJpegEncoder(HOST).encode(picture, 160) == HOST.encode(picture, 160)


def test_a_full_card_leaves_the_picture_to_the_host(monkeypatch):
    def full(_planes):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_jpeg_encoder, "TorchCodecEncoder", full)
    picture = pictures(1, (320, 192))[0]
    jpeg = TorchJpegEncoder(HOST).encode(DevicePixels(torch.from_numpy(picture)), 160)
    assert jpeg == HOST.encode(picture, 160)
