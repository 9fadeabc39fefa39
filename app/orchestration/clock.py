"""Clocks of a live run: one that never steps, and one that paces recordings. Knows no camera."""

import threading
import time

LOOK_S = 0.1  # how often a wait for others looks whether it should end


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
    """Lays the time of recordings on the clock, so that what happened at one instant is shown at one instant.

    The recordings begin with the first question, so that nobody is late because opening a camera took long. Those that
    play again begin each round together, when the longest has ended. Used by one thread a recording.

    Args:
        clock: of capture times.
    """

    def __init__(self, clock: SteadyClock) -> None:
        self.clock = clock
        self._changed = threading.Condition()
        self._shift_s: float | None = None  # from a recording's time to the clock's, in this round
        self._begin_s = self._end_s = float("-inf")  # of the recordings, in their own time
        self._players = self._waiting = self._round = 0

    def enter(self) -> None:
        """Count a recording that plays again and again; until `leave`, rounds wait for it."""
        with self._changed:
            self._players += 1

    def leave(self) -> None:
        """Have rounds wait no longer for one that entered."""
        with self._changed:
            self._players -= 1
            self._changed.notify_all()

    def capture_time(self, source_s: float) -> float:
        """Return the capture time on the clock of what a recording has at `source_s`."""
        with self._changed:
            if self._shift_s is None:
                self._begin_s, self._shift_s = source_s, self.clock.now() - source_s
            return source_s + self._shift_s

    def source_time(self, captured_at: float) -> float | None:
        """Return a recording's own time at a capture time of this round; None before the first frame."""
        with self._changed:
            return None if self._shift_s is None else captured_at - self._shift_s

    def next_round(self, end_s: float, stop: threading.Event) -> None:
        """Wait until every recording has ended and the next round may begin, or `stop` is set.

        Args:
            end_s: when this one ended, in its own time.
            stop: ends the wait.
        """
        with self._changed:
            self._end_s = max(self._end_s, end_s)
            self._waiting += 1
            this_round = self._round
            while self._round == this_round and not stop.is_set():
                if self._waiting >= self._players:
                    self._begin_round()
                else:
                    self._changed.wait(LOOK_S)

    def _begin_round(self) -> None:
        self._shift_s = (self._shift_s or 0.0) + self._end_s - self._begin_s
        self._round += 1
        self._waiting, self._end_s = 0, float("-inf")
        self._changed.notify_all()
