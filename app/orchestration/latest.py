"""Joins the newest frames of live cameras into batches, with policy `latest`: what is not fetched in time is dropped.

Every drop is counted with its camera and reason. Knows no codec, no socket, and not why a camera is silent.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.domains.vocabulary import CameraId, Frame, FrameBatch


class Drop(StrEnum):
    """Why a frame never reached the frame path."""

    REPLACED = "replaced by a newer one"
    LATE = "came after its instant"
    BEHIND = "its source cannot keep up"
    CORRUPT = "corrupt"
    BACKWARDS = "time does not go on"
    FUTURE = "time is ahead of the clock"


PERIOD_BLEND = 0.2  # weight of the last interval in a camera's period: right within 10 frames of a change
SILENCE_S = 5.0  # a longer interval is a gap and says nothing of the period


@dataclass(frozen=True, slots=True)
class LatestConfig:
    """How long cameras wait for one another, in seconds."""

    wait_s: float = 0.06  # for cameras that are due, at most, counted from the first frame that is there
    spread_s: float = 0.25  # frames of one batch lie this close together at most; at a walk that is 0.3 m
    silent_periods: float = 3.0  # a camera that has missed so many frames is not waited for
    ahead_s: float = 1.0  # a frame this far ahead of the clock has a wrong time and would make all others late


class LatestBatcher:
    """A slot of one frame per camera; the newest wins.

    A batch leaves as soon as every camera that is due has its frame in the slot, and `wait_s` after the first frame at
    the latest. A camera is due when its next frame belongs to the instant of the newest one, as far as its period
    tells, and it has been heard of lately. So the frames of one instant travel together, and nobody waits for the dead.
    The capture times of batches increase.

    Args:
        cameras: their ids.
        config: how long to wait.
    """

    def __init__(self, cameras: Iterable[CameraId], config: LatestConfig) -> None:
        self.config = config
        self._condition = threading.Condition()
        self._lanes = {camera: _Lane() for camera in sorted(cameras)}
        self._last_s = float("-inf")
        self._closed = False

    def expect(self, camera_id: CameraId, fps: float) -> None:
        """Say that a camera is there and how often it gives a frame."""
        with self._condition:
            lane = self._lanes[camera_id]
            lane.period_s, lane.present = 1.0 / fps, True

    def absent(self, camera_id: CameraId) -> None:
        """Say that nothing is to be expected of a camera until the next `expect`."""
        with self._condition:
            self._lanes[camera_id].present = False
            self._condition.notify()

    def put(self, frame: Frame, now: float) -> bool:
        """Offer a frame; called by the camera's reader.

        Args:
            frame: the camera's next.
            now: the clock that capture times are taken from.

        Returns:
            Whether it is in the slot now.
        """
        with self._condition:
            lane = self._lanes[frame.camera_id]
            if frame.captured_at <= lane.last_s:
                lane.dropped[Drop.BACKWARDS] += 1
                return False
            if frame.captured_at > now + self.config.ahead_s:
                lane.dropped[Drop.FUTURE] += 1
                return False
            lane.learn_period(frame.captured_at - lane.last_s)
            lane.last_s = frame.captured_at
            if lane.frame is not None:
                lane.dropped[Drop.REPLACED] += 1
            else:
                lane.since = time.monotonic()
            lane.frame = frame
            self._condition.notify()
            return True

    def count(self, camera_id: CameraId, drop: Drop, frames: int = 1) -> None:
        """Count frames that a reader could not use."""
        with self._condition:
            self._lanes[camera_id].dropped[drop] += frames

    def dropped(self) -> dict[CameraId, dict[Drop, int]]:
        """Return how many frames each camera has lost, and why."""
        with self._condition:
            return {camera: dict(lane.dropped) for camera, lane in self._lanes.items()}

    def next(self, timeout_s: float) -> FrameBatch | None:
        """Wait for the next batch; None when there was none in time, or after `close`."""
        end = time.monotonic() + timeout_s
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                wait_s = self._wait_s(now)
                if wait_s <= 0.0:
                    return self._take()
                if now >= end:
                    return None
                self._condition.wait(min(wait_s, end - now))
        return None

    def close(self) -> None:
        """End every wait, now and from now on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _wait_s(self, now: float) -> float:
        """Return how long the frames that are there should wait; infinity when there are none."""
        there = [lane for lane in self._lanes.values() if lane.frame is not None]
        if not there:
            return float("inf")
        newest = max(lane.last_s for lane in there)
        if newest <= self._last_s:  # all older than the batch before: they travel with the next newer frame
            return float("inf")
        if not any(lane.is_due(newest, self.config.silent_periods) for lane in self._lanes.values()):
            return 0.0
        return min(lane.since for lane in there) + self.config.wait_s - now

    def _take(self) -> FrameBatch:
        lanes = [lane for lane in self._lanes.values() if lane.frame is not None]
        newest = max(lane.last_s for lane in lanes)
        frames = []
        for lane in lanes:
            frame, lane.frame = lane.frame, None
            if frame is not None and frame.captured_at >= newest - self.config.spread_s:
                frames.append(frame)
            else:
                lane.dropped[Drop.LATE] += 1
        self._last_s = newest
        return FrameBatch(newest, tuple(frames))


class _Lane:
    """One camera's slot."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.since = 0.0  # monotonic seconds: when the slot was filled
        self.last_s = float("-inf")  # capture time of the camera's newest frame
        self.period_s = 1.0
        self.present = False
        self.dropped: Counter[Drop] = Counter()

    def learn_period(self, interval_s: float) -> None:
        """Follow the camera's true period; what it claims to have may be wrong by far."""
        if interval_s < SILENCE_S:
            self.period_s += PERIOD_BLEND * (interval_s - self.period_s)

    def is_due(self, newest: float, silent_periods: float) -> bool:
        """Say whether the camera's next frame belongs to the instant `newest` and can be hoped for."""
        if self.frame is not None or not self.present:
            return False
        return 0.5 * self.period_s <= newest - self.last_s <= silent_periods * self.period_s
