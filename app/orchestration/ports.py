"""What orchestration needs from outside: frames. Knows no camera, file or codec."""

from typing import Protocol

from app.domains.vocabulary import CameraId, Frame


class FrameSource(Protocol):
    """One camera's frames in order of capture time. Read by one thread; `read` may block."""

    camera_id: CameraId
    frame_count: int | None  # how many frames `read` will give at most, where the source knows; for progress bars
    fps: float  # nominal frames per second of capture time

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            FrameCorrupt: this frame does not decode; the next call goes on behind it.
            CameraUnavailable: nothing more can be read.
        """
        ...

    def close(self) -> None:
        """Release what the source holds; may be called twice."""
        ...
