"""What embedders do alike: cut out what frames show of the crops, bring vectors to length one. Knows no network."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import Crops, FrameBatch, IntArray


def visible_windows(batch: FrameBatch, crops: Crops) -> IntArray:
    """Clip crops to whole pixels of their frames.

    Returns:
        (N, 4) int64 left, top, right, bottom, the last two exclusive. The window is empty (right <= left or bottom <=
        top) where the box is outside the frame, thinner than a pixel or not finite, and in frames without pixels.
    """
    sizes = [(0, 0) if frame.pixels is None else frame.size for frame in batch.frames]
    limit = np.tile(np.array(sizes, np.int64).reshape(-1, 2)[crops.frame], 2)
    finite = np.isfinite(crops.xyxy).all(axis=1, keepdims=True)
    inside = np.clip(np.where(finite, crops.xyxy, 0), 0, limit)
    return np.asarray(np.rint(inside), np.int64)


def has_pixels(windows: IntArray) -> IntArray:
    """Return the rows of (N, 4) windows that are not empty."""
    return np.flatnonzero((windows[:, 2:] > windows[:, :2]).all(axis=1))


def cut_out(
    batch: FrameBatch, frame: IntArray, windows: IntArray, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Yield each window, resized to (width, height) `size`, as a (height, width, 3) BGR image.

    Args:
        batch: the frames.
        frame: (N,) position of each window's frame in the batch; these frames have pixels.
        windows: (N, 4) pixels, none empty.
        size: width and height of the images.
    """
    for number, (left, top, right, bottom) in zip(frame.tolist(), windows.tolist(), strict=True):
        pixels = batch.frames[number].pixels
        if pixels is None:
            raise ValueError(f"frame {number} of the batch has no pixels to cut from")
        yield np.asarray(cv2.resize(np.asarray(pixels)[top:bottom, left:right], size), np.uint8)


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, D) rows of length one; rows of zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0))
