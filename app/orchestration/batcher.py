"""Merges the cameras' recorded frames into batches of one instant each, with policy `every`: nothing is dropped.

Reads ahead, one thread per camera, so that decoding goes on while a batch is worked on. Knows nothing of codecs, of
what a frame shows, or of what happens to a batch.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

from app.domains.vocabulary import CameraId, Frame, FrameBatch
from app.errors import CameraUnavailable, FrameCorrupt
from app.orchestration.ports import FrameSource

READ_AHEAD = 4  # frames per camera, 6 MB each at 1080p; evens out key frames, which take longer to decode
TIE_S = 1e-6  # capture times since epoch are exact to 0.24 microseconds in float64; a tie must not hang on rounding


class FaultKind(StrEnum):
    """What went wrong with a camera."""

    CORRUPT = "frame corrupt"
    BACKWARDS = "time does not go on"
    LOST = "camera lost"
    EMPTY = "no frame at all"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong with one camera, counted and got over.

    Attributes:
        index: 0-based number of the frame in its source; None when the camera itself is at fault.
        reason: one readable line.
    """

    camera_id: CameraId
    kind: FaultKind
    index: int | None
    reason: str


class Batcher:
    """Iterates over FrameBatches of several recorded cameras, in step by capture time.

    A batch begins with the earliest frame that is left, at t0, and takes from every other camera its next frame if that
    was captured by t0 + half of the shortest nominal frame period. Every frame is in exactly one batch. The capture
    times of batches increase: a frame later than the next one of another camera in the batch waits for the batch
    behind. What a batch holds depends on the frames alone, never on the threads' timing or the order of `sources`.

    A frame that does not decode, or is not later than the frame before it, is skipped; a camera that becomes
    unavailable ends and the others go on. Both are entered in `faults`; so is a camera without any frame, and that
    before the first batch is given. Any other exception of a source leaves the iteration.

    Args:
        sources: the cameras; closed by `close`.

    Raises:
        ValueError: no source, or two of one camera.
    """

    def __init__(self, sources: Sequence[FrameSource]) -> None:
        names = [source.camera_id for source in sources]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"expected one source per camera, got {names}")
        self.faults: list[Fault] = []
        self.fps = {source.camera_id: source.fps for source in sources}
        self._tolerance_s = 0.5 / max(self.fps.values()) + TIE_S
        self._lanes = [_Lane(source, self.faults) for source in sorted(sources, key=lambda source: source.camera_id)]
        counts = [source.frame_count for source in sources]
        self.frame_count: int | None = None if None in counts else sum(count or 0 for count in counts)

    def sizes(self) -> dict[CameraId, tuple[int, int]]:
        """Return (width, height) of each camera's frames, once its first frame is read; waits for it.

        Call it before the iteration begins. A camera without any frame is left out, and in `faults`.
        """
        for lane in self._lanes:
            lane.fill()
        return {lane.frames[0].camera_id: lane.frames[0].size for lane in self._lanes if lane.frames}

    def __iter__(self) -> Iterator[FrameBatch]:
        return self

    def __next__(self) -> FrameBatch:
        for lane in self._lanes:
            lane.fill()
        begun = [lane for lane in self._lanes if lane.frames]
        if not begun:
            raise StopIteration
        until = min(lane.frames[0].captured_at for lane in begun) + self._tolerance_s
        near = [lane for lane in begun if lane.frames[0].captured_at <= until]
        following = min((lane.frames[1].captured_at for lane in near if len(lane.frames) > 1), default=float("inf"))
        frames = tuple(lane.frames.popleft() for lane in near if lane.frames[0].captured_at < following)
        return FrameBatch(max(frame.captured_at for frame in frames), frames)

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading, wait for the reads in progress, close the sources. May be called twice; iteration ends."""
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            lane.close()


class _Lane:
    """One camera: a thread that reads ahead, and the next two sound frames, as far as there are any."""

    def __init__(self, source: FrameSource, faults: list[Fault]) -> None:
        self.frames: deque[Frame] = deque()
        self._camera_id = source.camera_id
        self._source = source
        self._faults = faults
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"read-{source.camera_id}")
        self._reads: deque[Future[Frame | None]] = deque()
        self._ended = False
        self._source_ended = False  # written by the reader thread alone
        self._next_index = 0
        self._last_s: float | None = None

    def fill(self) -> None:
        """Wait until two frames are there or the camera has ended."""
        while len(self.frames) < 2 and not self._ended:
            while len(self._reads) < READ_AHEAD:
                self._reads.append(self._reader.submit(self._read))
            self._take(self._reads.popleft())

    def stop(self) -> None:
        """Give up what was not read yet, without waiting."""
        self._ended = True
        self.frames.clear()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Wait for the read in progress and close the source."""
        self._reader.shutdown(wait=True)
        self._source.close()

    def _read(self) -> Frame | None:
        """Read once, in the reader thread; never again after the end."""
        if self._source_ended:
            return None
        self._source_ended = True  # stands if `read` raises anything that is not about a single frame
        try:
            frame = self._source.read()
        except FrameCorrupt:
            self._source_ended = False
            raise
        self._source_ended = frame is None
        return frame

    def _take(self, read: "Future[Frame | None]") -> None:
        try:
            frame = read.result()
        except FrameCorrupt as error:
            self._report(FaultKind.CORRUPT, self._next_index, error.problem)
            self._next_index += 1
            return
        except CameraUnavailable as error:
            self._report(FaultKind.LOST, None, error.problem)
            frame = None
        if frame is None:
            self._end()
        else:
            self._accept(frame)

    def _accept(self, frame: Frame) -> None:
        self._next_index = frame.index + 1
        if self._last_s is None or frame.captured_at > self._last_s:
            self._last_s = frame.captured_at
            self.frames.append(frame)
            return
        reason = f"frame {frame.index} was captured at {frame.captured_at:.3f} s, one before it at {self._last_s:.3f} s"
        self._report(FaultKind.BACKWARDS, frame.index, reason)

    def _end(self) -> None:
        self._ended = True
        if self._last_s is None:
            self._report(FaultKind.EMPTY, None, "gave no frame")

    def _report(self, kind: FaultKind, index: int | None, reason: str) -> None:
        self._faults.append(Fault(self._camera_id, kind, index, reason))
