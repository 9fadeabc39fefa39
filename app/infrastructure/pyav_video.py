"""Writes the video of a run, one picture a batch, encoded as it goes. Knows nothing of what is in the picture."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av

from app.domains.vocabulary import CameraId, FrameBatch, TrackingUpdate
from app.infrastructure.floor_sheet import FloorPlan
from app.infrastructure.site_drawing import SiteDrawing

MIN_FPS = 2.0  # below it players take seconds to seek and some refuse to play: pictures are repeated instead


class SiteVideo:
    """An MP4 file of a run. A context manager: leaving it finishes the file.

    Args:
        path: the file to write, in a folder that exists.
        fps: batches a second of capture time; the video plays at that pace.
        site: the name in the header.
        cameras: every camera of the site, in the order of the views.
        plan: the floor; None leaves it out.
    """

    def __init__(self, path: Path, fps: float, site: str, cameras: Sequence[CameraId], plan: FloorPlan | None) -> None:
        if not fps > 0:
            raise ValueError(f"fps is {fps}, expected a positive number")
        self._repeats = math.ceil(MIN_FPS / fps)
        self._rate = Fraction(fps * self._repeats).limit_denominator(1001)
        self._path = path
        self._closed = False
        self._site, self._cameras, self._plan = site, tuple(cameras), plan
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream: av.VideoStream | None = None
        self._drawing: SiteDrawing | None = None

    def __enter__(self) -> "SiteVideo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Draw one batch and encode it."""
        if self._drawing is None:
            self._drawing = self._start_drawing(batch)
        picture = self._drawing.draw(batch, update)
        if self._stream is None:
            self._stream = self._start_stream(self._drawing.size)
        for _ in range(self._repeats):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file; may be called twice. A run without any batch leaves no file."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._stream is None:
            self._path.unlink(missing_ok=True)

    def _start_drawing(self, batch: FrameBatch) -> SiteDrawing:
        seen = {frame.camera_id: frame.size for frame in batch.frames}
        usual = next(iter(seen.values()), (1920, 1080))  # of cameras whose first frame comes later
        sizes = {camera_id: seen.get(camera_id, usual) for camera_id in self._cameras}
        return SiteDrawing(self._site, sizes, self._plan)

    def _start_stream(self, size: tuple[int, int]) -> av.VideoStream:
        # PyAV's wheels bring libx264; a build of FFmpeg without GPL parts has mpeg4.
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"crf": "21", "preset": "veryfast"} if codec == "libx264" else {"qscale": "4"}
        stream = cast(av.VideoStream, self._container.add_stream(codec, rate=self._rate, options=options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        return stream
