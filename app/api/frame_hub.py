"""Sends camera frames to all who watch them: encoded once per camera and width, and only while somebody watches.

Takes updates from the inference thread without ever making it wait, and encodes in threads of its own. A slow viewer
gets the newest frame of each camera and never an old one. Knows no socket.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.api.frame_message import encode, frame_message
from app.domains.vocabulary import CameraId, Frame, FrameBatch, Sightings, TrackingUpdate
from app.orchestration.ports import JpegEncoder

WIDTHS = (320, 480, 640, 960, 1280, 1920)  # pixels; few, so that viewers share
ENCODERS = 2  # threads; 1080p at full size takes some 8 ms, 640 x 360 less than 1


def width_step(width: int) -> int:
    """Return the smallest step that is at least `width`, or the largest step."""
    return next((step for step in WIDTHS if step >= width), WIDTHS[-1])


class FrameViewer:
    """The newest message of each camera that one viewer watches."""

    def __init__(self) -> None:
        self.cameras: frozenset[CameraId] = frozenset()
        self.width = WIDTHS[2]
        self._newest: dict[CameraId, bytes] = {}
        self._there = asyncio.Event()

    def offer(self, camera_id: CameraId, message: bytes) -> None:
        """Put the message in place of the camera's older one, which keeps its turn: no camera waits for ever."""
        self._newest[camera_id] = message
        self._there.set()

    def forget(self) -> None:
        """Drop what was not sent yet of cameras that are watched no longer."""
        self._newest = {camera: message for camera, message in self._newest.items() if camera in self.cameras}

    async def take(self) -> bytes:
        """Wait for the next message."""
        while not self._newest:
            self._there.clear()
            await self._there.wait()
        return self._newest.pop(next(iter(self._newest)))


@dataclass(slots=True)
class _Rung:
    """One camera in one width: who watches it, and whether it is being encoded."""

    viewers: set[FrameViewer] = field(default_factory=set)
    encoding: bool = False
    given: float | None = None  # capture time of the frame that was encoded last
    message: bytes | None = None


class FrameHub:
    """The viewers of one site's cameras.

    Args:
        cameras: their ids.
        encoder: makes the pictures.
    """

    def __init__(self, cameras: Iterable[CameraId], encoder: JpegEncoder) -> None:
        self.cameras = frozenset(cameras)
        self._encoder = encoder
        self._newest: dict[CameraId, tuple[Frame, Sightings]] = {}
        self._rungs: dict[tuple[CameraId, int], _Rung] = {}
        self._threads = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def publish(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Take an update; called by the inference thread."""
        for frame, sightings in zip(batch.frames, update.sightings, strict=True):
            self._newest[frame.camera_id] = (frame, sightings)
        loop = self._loop
        if self._rungs and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look, frozenset(frame.camera_id for frame in batch.frames))

    def open(self) -> None:
        """Begin to send; called in the event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Stop encoding."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def watch(self, viewer: FrameViewer, cameras: Iterable[CameraId], width: int) -> None:
        """Let a viewer watch these cameras and no others; their newest frames come at once."""
        self.leave(viewer)
        viewer.cameras = frozenset(cameras) & self.cameras
        viewer.width = width_step(width)
        viewer.forget()
        for camera in viewer.cameras:
            rung = self._rungs.setdefault((camera, viewer.width), _Rung())
            rung.viewers.add(viewer)
            newest = self._newest.get(camera)
            if rung.message is not None and newest is not None and rung.given == newest[0].captured_at:
                viewer.offer(camera, rung.message)
        self._look(viewer.cameras)

    def leave(self, viewer: FrameViewer) -> None:
        """Forget a viewer."""
        for camera in viewer.cameras:
            rung = self._rungs.get((camera, viewer.width))
            if rung is not None:
                rung.viewers.discard(viewer)
                if not rung.viewers:
                    del self._rungs[camera, viewer.width]

    def _look(self, cameras: frozenset[CameraId]) -> None:
        """Begin to encode what is watched, new, and not being encoded yet."""
        for (camera, width), rung in self._rungs.items():
            if camera in cameras and not rung.encoding and self._is_new(camera, rung):
                rung.encoding = True
                task = asyncio.get_running_loop().create_task(self._encode(camera, width, rung))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _is_new(self, camera: CameraId, rung: _Rung) -> bool:
        newest = self._newest.get(camera)
        return newest is not None and newest[0].captured_at != rung.given

    async def _encode(self, camera: CameraId, width: int, rung: _Rung) -> None:
        """Encode the camera's newest frame, and again while newer ones have come."""
        loop = asyncio.get_running_loop()
        try:
            while rung.viewers and self._is_new(camera, rung):
                frame, sightings = self._newest[camera]
                message = await loop.run_in_executor(self._threads, self._message, frame, sightings, width)
                rung.given, rung.message = frame.captured_at, message
                for viewer in rung.viewers:
                    viewer.offer(camera, message)
        finally:
            rung.encoding = False

    def _message(self, frame: Frame, sightings: Sightings, width: int) -> bytes:
        jpeg = b"" if frame.pixels is None else self._encoder.encode(frame.pixels, width)
        return encode(frame_message(frame, sightings, jpeg))
