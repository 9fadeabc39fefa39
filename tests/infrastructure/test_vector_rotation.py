import numpy as np
import pytest
from scipy.linalg import hadamard

from app.infrastructure.vector_rotation import RandomRotation


@pytest.mark.parametrize("dimension", [1, 2, 5, 64, 384, 512], ids=lambda dimension: f"{dimension} dimensions")
def test_lengths_and_angles_stay(dimension):
    vectors = np.random.default_rng(0).normal(size=(7, dimension)).astype(np.float32)
    rotation = RandomRotation(dimension)
    turned = rotation.apply(vectors)
    assert turned.shape == (7, rotation.size)
    assert dimension <= rotation.size < 2 * dimension or dimension == 1
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-4, atol=1e-4)


def test_the_transform_is_hadamards():
    """A single coordinate, turned: a column of signs, Hadamard, signs, Hadamard."""
    turned = RandomRotation(8).apply(np.eye(8, dtype=np.float32))
    first = turned @ hadamard(8) / np.sqrt(8)  # the last transform undone
    np.testing.assert_allclose(np.abs(first), np.full((8, 8), 8**-0.5), atol=1e-6)


def test_a_lone_coordinate_is_spread_over_all():
    turned = RandomRotation(512).apply(np.eye(512, dtype=np.float32)[:40])
    assert np.abs(turned).max() < 6 / np.sqrt(512)
    assert np.std(turned) == pytest.approx(1 / np.sqrt(512), rel=0.01)
    share_beyond_two_deviations = (np.abs(turned) > 2 / np.sqrt(512)).mean()
    assert 0.02 < share_beyond_two_deviations < 0.07, "Gaussian numbers: 0.046"


def test_it_is_the_same_each_time_and_changes_nothing_that_it_is_given():
    vectors = np.random.default_rng(2).normal(size=(4, 48)).astype(np.float32)
    before = vectors.copy()
    vectors.setflags(write=False)
    np.testing.assert_array_equal(RandomRotation(48).apply(vectors), RandomRotation(48).apply(vectors))
    np.testing.assert_array_equal(vectors, before)


def test_no_vectors():
    assert RandomRotation(16).apply(np.zeros((0, 16), np.float32)).shape == (0, 16)
