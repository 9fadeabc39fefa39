import numpy as np
import pytest

from app.domains.vocabulary import CameraId, Crops, Frame, FrameBatch
from app.infrastructure.hsv_embedder import HsvEmbedder

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


def person(*stripes: tuple[int, int, int], background: tuple[int, int, int] = (90, 90, 90)) -> Frame:
    """A frame of 40 x 60 px: stripes of equal height over the middle 60 % of its width."""
    pixels = np.full((60, 40, 3), background, np.uint8)
    for row, colour in enumerate(stripes):
        pixels[row * 60 // len(stripes) : (row + 1) * 60 // len(stripes), 8:32] = colour
    return Frame(CameraId("a"), 0.0, 0, (40, 60), pixels)


def cosine(one: Frame, other: Frame) -> float:
    crops = Crops(np.array([0, 1]), np.array([0, 0]), np.array([[0, 0, 40, 60]] * 2, np.float32))
    vectors = HsvEmbedder().embed(FrameBatch(0.0, (one, other)), crops).vectors
    assert vectors.shape == (2, 768)
    return float(vectors[0] @ vectors[1])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param((RED, BLUE), (RED, BLUE), 1.0, id="the same clothes"),
        pytest.param((RED, BLUE), (BLUE, RED), 0.0, id="the same colours the other way round"),
        pytest.param((RED, BLUE), (RED, GREEN), 0.5, id="the same shirt with other trousers"),
        pytest.param((RED, BLUE), (GREEN, GREEN), 0.0, id="nothing alike"),
    ],
)
def test_likeness(one, other, expected):
    assert cosine(person(*one), person(*other)) == pytest.approx(expected, abs=1e-5)


def test_the_background_beside_the_person_does_not_count():
    assert cosine(person(RED, BLUE, background=(255, 255, 255)), person(RED, BLUE, background=GREEN)) == pytest.approx(
        1
    )
