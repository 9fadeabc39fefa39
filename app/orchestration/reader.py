"""One live camera: a thread that reads it, and opens it again with growing patience when it fails.

Knows nothing of other cameras, of what a frame shows, or of what kind of camera it is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.domains.vocabulary import CameraId, Frame
from app.errors import CameraUnavailable, ConfigError, DeviceError, FrameCorrupt, SpotOnError
from app.orchestration.clock import SteadyClock
from app.orchestration.latest import Drop, LatestBatcher
from app.orchestration.ports import FrameSource

RATE_WINDOW = 32  # frames over which a camera's rate is taken


class CameraState(StrEnum):
    """What to expect of a camera."""

    STARTING = "starting"
    LIVE = "live"
    LATE = "late"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """When a camera counts as late or lost, and how soon it is tried again; seconds."""

    late_s: float = 1.0  # without a frame; or `late_periods`, whichever is longer
    late_periods: float = 3.0
    lost_s: float = 10.0
    first_retry_s: float = 1.0  # doubled with every failure in a row
    last_retry_s: float = 30.0
    corrupt_in_a_row: int = 100  # after which the camera is opened anew


@dataclass(frozen=True, slots=True)
class CameraFeed:
    """How to come by a camera's frames.

    Attributes:
        open: opens the source; may block; is called again after each failure. Whoever opens it may let it wait on the
            event, which is set when the reader stops.
    """

    camera_id: CameraId
    open: Callable[[threading.Event], FrameSource]


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera does.

    Attributes:
        fps: frames per second that came of late; 0 when none do.
        age_s: seconds since the newest frame was captured; None before the first.
        frames: how many were read.
        dropped: how many of them never reached the frame path, and why.
        reason: why it is lost or ended; None when all is well.
    """

    camera_id: CameraId
    state: CameraState
    fps: float
    age_s: float | None
    frames: int
    dropped: Mapping[Drop, int]
    reason: str | None


class CameraReader:
    """Reads one camera in a thread of its own, which never keeps the process alive.

    Args:
        feed: where the frames come from.
        batcher: takes them.
        clock: of capture times.
        report: called with the camera's id and what no SpotOnError explains, or a lost device, which ends the reading.
        config: patience.
    """

    def __init__(
        self,
        feed: CameraFeed,
        batcher: LatestBatcher,
        clock: SteadyClock,
        report: Callable[[CameraId, Exception], None],
        config: ReaderConfig,
    ) -> None:
        self.camera_id = feed.camera_id
        self.config = config
        self.size: tuple[int, int] | None = None  # of the first frame; another size later is a fault
        self.fps: float | None = None  # nominal, once the source is open
        self.wrong: ConfigError | None = None  # the setting that keeps the camera from being opened at all
        self._feed, self._batcher, self._clock, self._report = feed, batcher, clock, report
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"read-{feed.camera_id}", daemon=True)
        self._frames = 0
        self._captured_at: float | None = None
        self._arrivals: deque[float] = deque(maxlen=RATE_WINDOW)
        self._reason: str | None = None
        self._ended = False
        self._failures = 0  # in a row

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; does not wait."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; return whether it has. One that is stuck in its camera ends with the process."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def tried(self) -> bool:
        """Say whether the camera has given a frame or failed to."""
        return self._frames > 0 or self._reason is not None

    def status(self, dropped: Mapping[Drop, int]) -> CameraStatus:
        """Return how the camera does now."""
        captured_at, arrivals = self._captured_at, list(self._arrivals)
        age_s = None if captured_at is None else max(0.0, self._clock.now() - captured_at)
        silent_s = time.monotonic() - arrivals[-1] if arrivals else None
        state = self._state(silent_s, float(np.median(np.diff(arrivals))) if len(arrivals) > 1 else 0.0)
        reason = self._reason
        if state is CameraState.LOST and reason is None:
            reason = f"no frame for {silent_s:.0f} s"
        span_s = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0.0
        fps = (len(arrivals) - 1) / span_s if span_s > 0.0 and state is CameraState.LIVE else 0.0
        return CameraStatus(self.camera_id, state, fps, age_s, self._frames, dropped, reason)

    def _state(self, silent_s: float | None, period_s: float) -> CameraState:
        if self._ended:
            return CameraState.ENDED
        if self._reason is not None:
            return CameraState.LOST
        if silent_s is None:
            return CameraState.STARTING
        if silent_s > self.config.lost_s:
            return CameraState.LOST
        late_s = max(self.config.late_s, self.config.late_periods * period_s)
        return CameraState.LATE if silent_s > late_s else CameraState.LIVE

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read_to_end()
            except ConfigError as error:
                self.wrong, self._reason = error, error.problem
                self._batcher.absent(self.camera_id)
                return  # trying again mends no setting
            except DeviceError as error:
                self._reason = error.problem
                self._report(self.camera_id, error)
                return  # nothing that this process does brings the device back
            except SpotOnError as error:
                self._reason = getattr(error, "problem", str(error))
            except Exception as error:  # noqa: BLE001 - one camera's fault must not stop the others; it is reported
                self._report(self.camera_id, error)
                self._reason = f"reading failed ({type(error).__name__}); the log says more"
            self._batcher.absent(self.camera_id)
            if self._ended:
                return
            self._failures += 1
            patience_s = self.config.first_retry_s * 2.0 ** min(self._failures - 1, 16)
            self._stop.wait(min(patience_s, self.config.last_retry_s))

    def _read_to_end(self) -> None:
        source = self._feed.open(self._stop)
        try:
            self.fps = source.fps
            self._batcher.expect(self.camera_id, source.fps)
            self._read(source)
        finally:
            source.close()

    def _read(self, source: FrameSource) -> None:
        corrupt = left_out = 0
        while not self._stop.is_set():
            try:
                frame = source.read()
            except FrameCorrupt as error:
                self._batcher.count(self.camera_id, Drop.CORRUPT)
                corrupt += 1
                if corrupt >= self.config.corrupt_in_a_row:
                    problem = f"{corrupt} frames in a row do not decode; the last: {error.problem}"
                    raise CameraUnavailable(self.camera_id, problem) from error
                continue
            if frame is None:
                if not self._stop.is_set():
                    self._ended, self._reason = True, "the recording has ended"
                return
            corrupt = 0
            self._take(frame)
            behind = getattr(source, "left_out", 0)
            if behind > left_out:
                self._batcher.count(self.camera_id, Drop.BEHIND, behind - left_out)
                left_out = behind

    def _take(self, frame: Frame) -> None:
        if self.size is None:
            self.size = frame.size
        if frame.size != self.size:
            was, now = (f"{width}x{height}" for width, height in (self.size, frame.size))
            problem = f"frames are {now} now and were {was}; set the camera back, or start again with a calibration"
            raise CameraUnavailable(self.camera_id, problem)
        self._frames += 1
        self._failures, self._reason = 0, None
        self._arrivals.append(time.monotonic())
        self._captured_at = frame.captured_at
        self._batcher.put(frame, self._clock.now())
