"""Plays a recording as if it were live: each frame at its time on the clock. Knows no codec and no other camera."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from app.domains.vocabulary import Frame
from app.errors import CameraUnavailable
from app.orchestration.clock import Pace
from app.orchestration.ports import FrameSource, SkippingSource

COSTS = 3  # frames; reading the next is expected to take as long as the quickest of them, for one slow read is a slip


class PacedSource:
    """A FrameSource that gives the frames of another one at their time, with that time as capture time.

    Frames whose time has passed by more than half a period are left out and counted, so that a source that is too slow
    gives fewer frames and not older ones.

    Args:
        open_source: opens the recording; called again for each further round of a loop.
        pace: where the recording's time lies on the clock; shared by the cameras of a site.
        loop: begin again at the end, together with the other recordings.
        stop: ends every wait; shared with whoever stops the reader.
    """

    def __init__(
        self, open_source: Callable[[], FrameSource], pace: Pace, *, loop: bool, stop: threading.Event
    ) -> None:
        self._open_source, self._pace, self._loop, self._stop = open_source, pace, loop, stop
        self._source = open_source()
        self.camera_id = self._source.camera_id
        self.fps = self._source.fps
        self.frame_count: int | None = None if loop else self._source.frame_count
        self.left_out = 0
        self._following_s: float | None = None  # when the next frame is to be expected, in the recording's time
        self._costs_s: deque[float] = deque(maxlen=COSTS)
        self._open = True
        if loop:
            pace.enter()

    def read(self) -> Frame | None:
        """Return the next frame that is not late, when its time has come; None at the end.

        Raises:
            FrameCorrupt: the recording's frame does not decode.
            CameraUnavailable: the recording cannot be read on.
        """
        while not self._stop.is_set():
            self._skip()
            begun = time.monotonic()
            frame = self._source.read()
            self._costs_s.append(time.monotonic() - begun)
            if frame is None:
                if not self._loop:
                    return None
                self._rewind()
                continue
            self._following_s = frame.captured_at + 1.0 / self.fps
            captured_at = self._pace.capture_time(frame.captured_at)
            early_s = captured_at - self._pace.clock.now()
            if early_s < -0.5 / self.fps:
                self.left_out += 1
                continue
            if early_s > 0.0:
                self._stop.wait(early_s)
            return replace(frame, captured_at=captured_at)
        return None

    def close(self) -> None:
        """Close the recording."""
        if self._open and self._loop:
            self._pace.leave()
        self._open = False
        self._source.close()

    def _skip(self) -> None:
        """Pass over frames that would be late, where the source can do that without making them."""
        if self._following_s is None or not isinstance(self._source, SkippingSource):
            return
        ready_s = self._pace.clock.now() + min(self._costs_s)
        late_s = ready_s - self._pace.capture_time(self._following_s)
        frames = math.ceil(late_s * self.fps - 0.5)
        if frames > 0:
            self._source.skip(frames)
            self._following_s += frames / self.fps
            self.left_out += frames

    def _rewind(self) -> None:
        if self._following_s is None:
            raise CameraUnavailable(self.camera_id, "the recording holds no frame to repeat")
        self._pace.next_round(self._following_s, self._stop)
        self._following_s = None
        self._source.close()
        self._source = self._open_source()
