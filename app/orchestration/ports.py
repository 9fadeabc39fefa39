"""What orchestration needs from outside: frames, a history, pictures. Knows no camera, database or codec."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from app.domains.vocabulary import CameraId, Embeddings, FloatArray, Frame, IntArray, Pixels, TrackingUpdate


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


@runtime_checkable
class SkippingSource(Protocol):
    """A FrameSource that can pass over frames for less than they cost to read."""

    def skip(self, frames: int) -> None:
        """Pass over so many frames; the next `read` gives the one behind them."""
        ...


class JpegEncoder(Protocol):
    """Turns pixels into a JPEG. Called by several threads at once."""

    def encode(self, pixels: Pixels, width: int) -> bytes:
        """Return pixels as a JPEG, scaled down to `width` pixels where it is wider."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Turns words into vectors of the space in which people's looks lie."""

    def describe(self, texts: Sequence[str]) -> Embeddings:
        """Return one unit vector per text."""
        ...


class FloorTruth(Protocol):
    """Who really is where: a simulated site knows."""

    def people_at(self, captured_at: float) -> tuple[IntArray, FloatArray]:
        """Return the ids (N,) and places (N, 2) in metres of everybody on the floor at an instant of capture time."""
        ...


@dataclass(frozen=True, slots=True)
class Visit:
    """One camera saw a person from one capture time to another, without a longer gap."""

    camera_id: CameraId
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How many different people had a dot, corrections followed.

    Attributes:
        observed_since: capture time of the first update; None before it.
    """

    last_minute: int
    last_15_minutes: int
    last_hour: int
    observed_since: float | None


class TrackStore(Protocol):
    """The history of one site. Written by one thread, asked by the event loop."""

    def append(self, update: TrackingUpdate) -> None:
        """Take in an update and return at once; nothing of it is lost while there is memory or disk."""
        ...

    def waiting(self) -> int:
        """Return how many updates have not been written yet."""
        ...

    def lag_s(self) -> float:
        """Return by how many seconds of capture time what is written is behind what has come."""
        ...

    async def counts(self, now: float) -> Counts:
        """Count the people of the hour before `now`, a capture time."""
        ...
