"""Plays a recording as if it were live: each frame at its time on the clock. Knows no codec and no other camera."""

import threading
from collections.abc import Callable
from dataclasses import replace

from app.domains.vocabulary import Frame
from app.errors import CameraUnavailable
from app.orchestration.clock import Pace
from app.orchestration.ports import FrameSource


class PacedSource:
    """A FrameSource that gives the frames of another one at their time, with that time as capture time.

    Frames whose time has passed by more than half a period are left out and counted, so that a source that is too slow
    gives fewer frames and not older ones.

    Args:
        open_source: opens the recording; called again for each further round of a loop.
        pace: where the recording's time lies on the clock; shared by the cameras of a site.
        loop: begin again at the end, one frame period behind the last frame.
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
        self.left_out = 0  # frames whose time had passed before they could be read
        self._round_s = 0.0  # what the rounds before this one took
        self._end_s: float | None = None  # source time at which the next round begins
        self._first_s: float | None = None  # source time of the first frame

    def read(self) -> Frame | None:
        """Return the next frame that is not late, when its time has come; None at the end.

        Raises:
            FrameCorrupt: the recording's frame does not decode.
            CameraUnavailable: the recording cannot be read on.
        """
        while not self._stop.is_set():
            frame = self._source.read()
            if frame is None:
                if not self._rewind():
                    return None
                continue
            captured_at = self._time_of(frame)
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
        self._source.close()

    def _time_of(self, frame: Frame) -> float:
        if self._first_s is None:
            self._first_s = frame.captured_at
        self._end_s = frame.captured_at + 1.0 / self.fps
        return self._pace.capture_time(frame.captured_at + self._round_s)

    def _rewind(self) -> bool:
        """Begin the next round; return whether there is one."""
        if not self._loop:
            return False
        if self._end_s is None or self._first_s is None:
            raise CameraUnavailable(self.camera_id, "the recording holds no frame to repeat")
        self._round_s += self._end_s - self._first_s
        self._end_s = self._first_s = None
        self._source.close()
        self._source = self._open_source()
        return True
