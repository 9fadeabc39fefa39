"""How light becomes pixel values in a simulated camera: exposure, vignette, sensor noise. Compiled with numba.

Knows no scene and no figure. Compiled functions call none of another file.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray

Paint = NDArray[np.uint8]

VIGNETTE = 0.22  # share of the light that the lens loses in the corners
EXPOSURE = 1.15  # of light 1.0 from a white surface; chosen so that an indoor floor is about half as bright as paper
NOISE_SIGMA = 2.2  # pixel values: a small indoor sensor at some gain
NOISE_MARGIN = 64  # pixels by which the noise is larger than the picture, to be shifted from frame to frame


@njit(cache=True, nogil=True, fastmath=True)
def _encode(light: float) -> float:
    """Return the pixel value of a brightness: a soft shoulder, then a gamma of 2."""
    return 255.0 * math.sqrt(min(EXPOSURE * light / (0.8 + 0.22 * light), 1.0))


@njit(cache=True, nogil=True, fastmath=True)
def _vignette(x: float, y: float) -> float:
    """Return the share of light at a place in the picture, both from -0.5 to 0.5."""
    return 1.0 - VIGNETTE * 2.0 * min(x * x + y * y, 0.6)


@njit(cache=True, nogil=True, fastmath=True)
def expose_corners(corners: FloatArray, width: int, height: int) -> None:
    """Turn the brightness in columns 3 to 5 of (R, S, 6) corners into pixel values; columns 0, 1 are x, y in samples.

    Args:
        corners: changed in place.
        width: of the picture in samples.
        height: of the picture in samples.
    """
    for r in range(corners.shape[0]):
        for s in range(corners.shape[1]):
            vignette = _vignette(corners[r, s, 0] / width - 0.5, corners[r, s, 1] / height - 0.5)
            for c in range(3, 6):
                corners[r, s, c] = vignette * _encode(corners[r, s, c])


@njit(cache=True, nogil=True, fastmath=True)
def develop(colour: NDArray[np.float32], light: NDArray[np.float32], sky: Paint) -> Paint:
    """Return the (H, W, 3) picture of (H k, W k, 3) reflectances, averaged over k x k samples, in (H, W) light.

    Args:
        colour: blue, green, red.
        light: on each pixel.
        sky: (H k, W k) pixel value of samples that show the sky; 0 for those that do not.
    """
    height, width = light.shape
    samples = colour.shape[0] // height
    picture = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            share = _vignette((column + 0.5) / width - 0.5, (row + 0.5) / height - 0.5) / (samples * samples)
            for c in range(3):
                total = 0.0
                for y in range(samples * row, samples * row + samples):
                    for x in range(samples * column, samples * column + samples):
                        if sky[y, x] > 0:
                            total += sky[y, x] - 14.0 * c
                        else:
                            total += _encode(light[row, column] * colour[y, x, c])
                picture[row, column, c] = np.uint8(total * share)
    return picture


def draw_noise(seed: int, width: int, height: int) -> NDArray[np.int8]:
    """Draw a pattern of sensor noise: mostly brightness, a little colour, neighbours alike as after demosaicing.

    Returns:
        (height + NOISE_MARGIN, width + NOISE_MARGIN, 3), to be added to pixel values.
    """
    rng = np.random.default_rng([seed, 77])
    shape = (height + NOISE_MARGIN, width + NOISE_MARGIN)
    bright = rng.normal(0.0, 1.0, (*shape, 1))
    bright = 0.75 * bright + 0.35 * (np.roll(bright, 1, axis=0) + np.roll(bright, 1, axis=1))
    colour = rng.normal(0.0, 0.45, (*shape, 3))
    return np.clip(NOISE_SIGMA * (bright + colour), -12, 12).astype(np.int8)


@njit(cache=True, nogil=True, fastmath=True)
def add_noise(picture: Paint, noise: NDArray[np.int8], left: int, top: int, gain: float) -> None:
    """Scale the picture by the light's gain and add noise, in place.

    Args:
        picture: (H, W, 3).
        noise: from `draw_noise`.
        left: columns by which the noise is shifted, up to NOISE_MARGIN.
        top: rows.
        gain: 1 leaves the brightness.
    """
    scale = int(gain * 256.0 + 0.5)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                value = ((picture[y, x, c] * scale) >> 8) + noise[y + top, x + left, c]
                picture[y, x, c] = np.uint8(min(max(value, 0), 255))
