"""Frames of many cameras, decoded from one video that each camera plays again and again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from os import cpu_count
from pathlib import Path
from typing import Any

import av
import numpy as np

from app.domains.vocabulary import CameraId, Pixels
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding
from app.infrastructure.pyav_source import PyAVSource

SECONDS = 2


def write_video(path: Path, size: tuple[int, int], fps: int = 10) -> Path:
    """Write H.264 of patches that drift over a still ground, as a camera's picture of a few walkers does."""
    random = np.random.default_rng(0)
    ground = (
        random.integers(60, 200, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    )
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = ground.shape[1], ground.shape[0], "yuv420p"
        for number in range(SECONDS * fps):
            picture = ground.copy()
            for person in range(15):
                left = (40 + 120 * person + 9 * number) % (picture.shape[1] - 60)
                picture[200:420, left : left + 60] = 17 * person
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode(None))
    return path


class Decoders:
    """One decoder a camera; used as a context.

    Args:
        path: of the video.
        cameras: how many.
        decoding: where.
    """

    def __init__(self, path: Path, cameras: int, decoding: Decoding = HOST_DECODING) -> None:
        self._stack = ExitStack()
        self._cameras = [_again_and_again(path, decoding) for _ in range(cameras)]
        self._pool = self._stack.enter_context(ThreadPoolExecutor(cpu_count()))

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_fault: object) -> None:
        self._stack.close()

    def next(self) -> list[Pixels]:
        """Return the next frame of every camera."""
        return list(self._pool.map(next, self._cameras))


def _again_and_again(path: Path, decoding: Decoding) -> Iterator[Pixels]:
    while True:
        with closing(PyAVSource(CameraId(path.stem), path, decoding=decoding)) as source:
            for frame in iter(source.read, None):
                if frame.pixels is not None:
                    yield frame.pixels
