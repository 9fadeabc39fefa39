import cv2
import numpy as np
import pytest

from app.infrastructure.jpeg_encoder import OpenCVJpegEncoder


def picture(width, height):
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    return np.repeat(np.repeat(ramp[None, :, None], height, axis=0), 3, axis=2)


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [
        ((640, 360), 320, (320, 180)),
        ((640, 360), 640, (640, 360)),
        ((640, 360), 1920, (640, 360)),
        ((3, 999), 1, (1, 333)),
    ],
    ids=["scaled down", "as it is", "never scaled up", "narrow"],
)
def test_a_picture_is_as_wide_as_asked_for_and_never_wider_than_it_was(size, width, expected):
    pixels = decoded(OpenCVJpegEncoder().encode(picture(*size), width))
    assert (pixels.shape[1], pixels.shape[0]) == expected


def test_a_picture_shows_what_it_showed():
    pixels = decoded(OpenCVJpegEncoder().encode(picture(640, 360), 320)).astype(int)
    assert np.abs(pixels[90, :, 1] - np.linspace(0, 255, 320)).max() < 8


def test_less_quality_is_fewer_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    assert len(OpenCVJpegEncoder(40).encode(noise, 100)) < len(OpenCVJpegEncoder(90).encode(noise, 100))
