"""A live site: one reader thread a camera, one inference thread that runs the frame path, and how all of them do.

Knows threads and their supervision. Knows no network, no web and no database: listeners are called with each update.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import structlog

from app.domains.vocabulary import CameraId, Correction, FrameBatch, GlobalId, TrackingUpdate, VectorArray
from app.errors import DeviceError
from app.orchestration.clock import SteadyClock
from app.orchestration.latest import LatestBatcher, LatestConfig
from app.orchestration.pipeline import Pipeline
from app.orchestration.reader import CameraFeed, CameraReader, CameraStatus, ReaderConfig

Answer = TypeVar("Answer")
Listener = Callable[[FrameBatch, TrackingUpdate], None]
RECENT = 150  # steps that timings are taken over: half a minute at 5 frames a second
RATE_S = 5.0  # seconds over which the rate of steps is taken
IDLE_S = 0.5  # how often an inference thread without frames looks whether it should end


class RecentTimes:
    """Takes the time of named stages and remembers the last RECENT of each. Written by one thread, read by others."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Remember the time that the context takes."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - begin)

    def add(self, stage: str, seconds: float) -> None:
        """Remember a time."""
        self._seconds.setdefault(stage, deque(maxlen=RECENT)).append(seconds)

    def milliseconds(self) -> dict[str, float]:
        """Return the median of each stage."""
        recent = list(self._seconds.items())  # at once: another thread may begin a new stage meanwhile
        return {stage: round(1000.0 * float(np.median(list(seconds))), 3) for stage, seconds in recent}

    def quantiles(self, stage: str, shares: Sequence[float]) -> list[float | None]:
        """Return quantiles of a stage in milliseconds; None where it has not run yet."""
        seconds = list(self._seconds.get(stage, ()))
        if not seconds:
            return [None] * len(shares)
        return [round(1000.0 * float(value), 1) for value in np.quantile(seconds, shares)]


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """The patience of a live run."""

    latest: LatestConfig = field(default_factory=LatestConfig)
    reader: ReaderConfig = field(default_factory=ReaderConfig)
    retry_s: float = 1.0  # after a step that failed; a fault that stays must not fill the log


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """How a live site does.

    Attributes:
        at: seconds since epoch.
        stages_ms: median of each stage of the frame path.
        steps_per_s: how many batches went through of late.
        failures: steps that failed since the start.
        fault: what the last step failed by; None when it went well.
        device_faults: how often something was wrong with a device, by device and what it was.
    """

    at: float
    cameras: tuple[CameraStatus, ...]
    stages_ms: Mapping[str, float]
    steps_per_s: float
    failures: int
    fault: str | None
    device_faults: Mapping[str, int] = field(default_factory=dict)


class Runtime:
    """The threads of one live site.

    `start` begins to read the cameras; `track` begins to run the frame path, once it can be built; `stop` ends all.

    Args:
        feeds: the cameras.
        clock: of capture times.
        config: patience.
    """

    def __init__(self, feeds: Sequence[CameraFeed], clock: SteadyClock, config: RuntimeConfig | None = None) -> None:
        self.config = config or RuntimeConfig()
        self.clock = clock
        self.stages = RecentTimes()  # of the frame path, and before and behind it
        self.latency = RecentTimes()  # from capture to "publish"
        self._log = structlog.get_logger("runtime")
        self._batcher = LatestBatcher([feed.camera_id for feed in feeds], self.config.latest)
        self._readers = [
            CameraReader(feed, self._batcher, clock, self._report_reader, self.config.reader) for feed in feeds
        ]
        self._listeners: list[Listener] = []
        self._orders: deque[tuple[Callable[[Pipeline], Any], Future[Any]]] = deque()
        self._inference: threading.Thread | None = None
        self._stop = threading.Event()
        self._steps: deque[float] = deque(maxlen=RECENT)
        self._failures = 0
        self._fault: str | None = None
        self._lost: Counter[str] = Counter()
        self._got_over: Callable[[], Mapping[str, int]] = dict
        self.lost: DeviceError | None = None  # what ended the frame path for good
        self.on_loss: Callable[[], None] = self.ask_to_stop  # called by the thread that finds out
        self._ending = threading.Lock()

    def start(self) -> None:
        """Begin to read every camera."""
        for reader in self._readers:
            reader.start()

    def sizes(self, timeout_s: float) -> dict[CameraId, tuple[int, int]]:
        """Wait until every camera has given a frame or failed to, `timeout_s` at most.

        Returns:
            (width, height) of the frames of the cameras that have given one.

        Raises:
            ConfigError: a setting keeps a camera from being opened at all.
        """
        end = time.monotonic() + timeout_s
        while not all(reader.tried() for reader in self._readers) and time.monotonic() < end:
            if self._stop.wait(0.02):
                break
        for reader in self._readers:
            if reader.wrong is not None:
                raise reader.wrong
        return {reader.camera_id: reader.size for reader in self._readers if reader.size is not None}

    def expect(self, sizes: Mapping[CameraId, tuple[int, int]]) -> None:
        """Say which (width, height) the frames of cameras must have that have not given any yet."""
        for reader in self._readers:
            if reader.size is None:
                reader.size = sizes.get(reader.camera_id)

    def rates(self) -> dict[CameraId, float]:
        """Return the nominal frames per second of the cameras that have been opened."""
        return {reader.camera_id: reader.fps for reader in self._readers if reader.fps is not None}

    def listen(self, listener: Listener) -> None:
        """Have `listener` called by the inference thread with every update; it must not block. Before `track`."""
        self._listeners.append(listener)

    def track(self, pipeline: Pipeline, device_faults: Callable[[], Mapping[str, int]] = dict) -> None:
        """Begin to run the frame path.

        Args:
            pipeline: what a step is.
            device_faults: called for how often something was wrong with a device that the pipeline got over.
        """
        self._got_over = device_faults
        self._inference = threading.Thread(target=self._run, args=(pipeline,), name="inference", daemon=True)
        self._inference.start()

    def correct(self, ordered: Correction) -> "Future[Correction | None]":
        """Have the frame path follow an operator's correction between two steps; any thread may ask.

        Returns:
            What comes of `Pipeline.correct`, once the frame path runs; until then it can be cancelled.
        """
        return self._order(partial(Pipeline.correct, ordered=ordered))

    def take_back(self, undone: Correction) -> "Future[Correction | None]":
        """Have the frame path go on as if a correction had not been followed; any thread may ask.

        Returns:
            What comes of `Pipeline.take_back`, as for `correct`.
        """
        return self._order(partial(Pipeline.take_back, undone=undone))

    def resembling(self, vector: VectorArray, most: int) -> "Future[list[tuple[GlobalId, float]]]":
        """Ask the frame path between two steps who looks most like a unit vector (D,); any thread may ask.

        Returns:
            What comes of `Pipeline.resembling`, as for `correct`.
        """
        return self._order(partial(Pipeline.resembling, vector=vector, most=most))

    def tracking(self) -> bool:
        """Say whether the frame path runs."""
        lives = self._inference is not None and self._inference.is_alive()
        return lives and self._fault is None and self.lost is None

    def status(self) -> RuntimeStatus:
        """Return how the site does now."""
        dropped = self._batcher.dropped()
        cameras = tuple(reader.status(dropped[reader.camera_id]) for reader in self._readers)
        since = time.monotonic() - RATE_S
        rate = sum(at > since for at in list(self._steps)) / RATE_S
        stages, faults = self.stages.milliseconds(), {**self._got_over(), **self._lost}
        fault = self._fault if self.lost is None else str(self.lost)
        return RuntimeStatus(self.clock.now(), cameras, stages, rate, self._failures, fault, faults)

    def ask_to_stop(self) -> None:
        """Ask all threads to end; does not wait."""
        self._stop.set()
        self._batcher.close()
        for reader in self._readers:
            reader.stop()

    def stop(self, timeout_s: float) -> list[str]:
        """Stop all threads and wait for them, `timeout_s` at most.

        Returns:
            The names of the threads that are still stuck; they end with the process.
        """
        self.ask_to_stop()
        end = time.monotonic() + timeout_s
        stuck = []
        if self._inference is not None:
            self._inference.join(max(0.0, end - time.monotonic()))
            stuck += ["inference"] if self._inference.is_alive() else []
        stuck += [
            f"read-{reader.camera_id}" for reader in self._readers if not reader.join(max(0.0, end - time.monotonic()))
        ]
        return stuck

    def _run(self, pipeline: Pipeline) -> None:
        while not self._stop.is_set() and self.lost is None:
            batch = self._batcher.next(IDLE_S)
            try:
                if not self._stop.is_set():
                    self._follow_orders(pipeline)
                if batch is not None:
                    self._step(pipeline, batch)
            except DeviceError as error:
                self._end(error)
                break
            except Exception as error:  # noqa: BLE001 - a fault in one step must not end the site; it is logged and shown
                self._failures += 1
                self._fault = f"{type(error).__name__}: the log says more"
                self._log.exception("a step of the frame path failed", failures=self._failures)
                self._stop.wait(self.config.retry_s)
        last = pipeline.last_words()
        if last is not None:
            self._tell(FrameBatch(last.captured_at, ()), last)

    def _step(self, pipeline: Pipeline, batch: FrameBatch) -> None:
        self.stages.add("wait", self.clock.now() - batch.captured_at)
        update = pipeline.step(batch)
        self._fault = None
        self._steps.append(time.monotonic())
        self._tell(batch, update)

    def _tell(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        for listener in self._listeners:
            listener(batch, update)

    def _order(self, order: Callable[[Pipeline], Answer]) -> "Future[Answer]":
        answer: Future[Answer] = Future()
        self._orders.append((order, answer))
        return answer

    def _follow_orders(self, pipeline: Pipeline) -> None:
        """Do what was ordered; whoever asked is told what came of it, and a fault is nobody else's."""
        while self._orders:
            order, answer = self._orders.popleft()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                found = order(pipeline)
            except ValueError as error:
                answer.set_exception(error)
            except BaseException as error:
                answer.set_exception(error)  # else whoever asked would wait for ever
                raise
            else:
                answer.set_result(found)

    def _report_reader(self, camera_id: CameraId, error: Exception) -> None:
        if isinstance(error, DeviceError):  # that decodes for all cameras: without them no step would find out
            self._end(error)
        else:
            self._log.error("reading a camera failed", camera=camera_id, exc_info=error)

    def _end(self, error: DeviceError) -> None:
        """End the frame path for good, the first time that a device is found lost."""
        with self._ending:
            if self.lost is not None:
                return
            self.lost = error
        self._failures += 1
        self._lost[f"{error.device} lost"] += 1
        self._log.error("the frame path has lost its device and ends", reason=str(error))
        self.on_loss()
