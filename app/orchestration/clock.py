"""Clocks of a live run: one that never steps, and one that paces recordings. Knows no camera."""

import threading
import time


class SteadyClock:
    """Seconds since epoch that only ever go forward: the machine's time at the start, and what has passed since.

    Capture times, publication times and ages are all taken from one such clock, so a correction of the machine's time
    while people are being tracked cannot make a frame older than the one before.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since epoch."""
        return self._offset_s + time.monotonic()


class Pace:
    """Lays the time of recordings on the clock: what is at `start_s` there is at one instant here, for all cameras.

    The instant is that of the first question, so that nobody is late because opening a camera took long.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._shift_s: float | None = None

    def capture_time(self, source_s: float) -> float:
        """Return the capture time on the clock of what a recording has at `source_s`."""
        with self._lock:
            if self._shift_s is None:
                self._shift_s = self.clock.now() - source_s
            return source_s + self._shift_s

    def source_time(self, captured_at: float) -> float | None:
        """Return a recording's own time at a capture time; None before the first frame."""
        with self._lock:
            return None if self._shift_s is None else captured_at - self._shift_s
