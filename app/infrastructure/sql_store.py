"""The history of one site in a database, SQLite or PostgreSQL: dots, boxes by camera, and when each person was there.

One thread joins updates to batches, one writes them, and another answers questions. What the database does not take at
once goes to files and is written in order later, each batch once. Knows nothing of the frame path, and never makes it
wait.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import structlog

from app.domains.analytics.coverage import Coverage
from app.domains.analytics.places import PlaceId, PlaceVersion
from app.domains.analytics.watch import FloorWatch
from app.domains.vocabulary import CameraId, IntArray, TrackingUpdate
from app.errors import StoreError, StoreRefused
from app.infrastructure.sql_batch import Batch, StateChange
from app.infrastructure.sql_boxes import moment
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_join import Batches
from app.infrastructure.sql_read import read_counts
from app.infrastructure.sql_retention import Retention, tidy
from app.infrastructure.sql_spool import Spool
from app.infrastructure.sql_timescale import follow
from app.infrastructure.sql_write import Start, UnknownRun, begin, write
from app.orchestration.floor_record import FloorRecord, Redraw
from app.orchestration.ports import Counts

CameraStates = Callable[[], tuple[float, Iterable[tuple[CameraId, str, str | None]]]]


def _no_states() -> tuple[float, Iterable[tuple[CameraId, str, str | None]]]:
    return 0.0, ()


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The store's rhythm, seconds, and how long rows are kept."""

    flush_s: float = 0.25  # how often what has come is put together; with `Spool`'s patience less than a second in all
    retry_s: float = 1.0  # after a write that failed
    look_s: float = 1.0  # how often cameras are asked for their state
    tidy_s: float = 60.0  # how often what is older than the history should be is removed
    memory: int = 20_000  # updates that may wait for a disk that hangs: an hour at 5 a second
    keep: Retention = field(default_factory=Retention)


class SQLStore:
    """A TrackStore in a database. Each start of the program is a run of its own, with its own ids.

    Args:
        database: with tables of the newest revision.
        spool: the folder for what waits; others than this database's must not be in it.
        start: the site, its cameras and places.
        states: asked once a second for the time now and each camera's state, and why it has it.
        config: the rhythm, and how long rows are kept.

    Attributes:
        last_id: the largest id of a person in earlier runs; those of this one must be larger.

    Raises:
        StoreError: the database cannot be written now.
    """

    def __init__(
        self,
        database: Database,
        spool: Path,
        start: Start,
        states: CameraStates = _no_states,
        config: StoreConfig | None = None,
    ) -> None:
        self.config = config or StoreConfig()
        self._database, self._states = database, states
        self._log = structlog.get_logger("history")
        self._spool = Spool(spool / database.digest)
        keep = {"points": self.config.keep.points_s, "dots": self.config.keep.dots_s}
        database.write(partial(follow, keep_s=keep))
        run = database.write(partial(begin, start=start))
        self.last_id = max(run.last_id, self._spool.last_id)
        self._run, self._cameras = run.run_id, run.cameras
        self._floor = None
        if start.bounds is not None:
            coverage = Coverage((), start.footprints, start.bounds)
            self._floor = FloorRecord(FloorWatch(run.places, coverage))
        self._batches = Batches(self._run, self._cameras, self._floor)
        self._observed_since: float | None = None
        self._fresh: deque[TrackingUpdate] = deque()
        self._taken_until = self._written_until = -np.inf  # capture times
        self._joining = self._lost = 0
        self._state: dict[CameraId, str] = {}
        self._tidied_at = start.begun
        self._look_at = 0.0  # monotonic
        self._now = -np.inf  # capture time when cameras were looked at last
        self._closing = threading.Event()
        self._ended = threading.Event()  # nothing more comes into the spool
        self._joiner = threading.Thread(target=self._join, name="history-join", daemon=True)
        self._writer = threading.Thread(target=self._write, name="history-write", daemon=True)
        self._joiner.start()
        self._writer.start()

    @property
    def lost(self) -> int:
        """How many updates neither the database nor memory nor disk could take."""
        return self._lost + self._spool.lost

    def append(self, update: TrackingUpdate) -> None:
        """Take in an update and return at once."""
        if self._observed_since is None:
            self._observed_since = update.captured_at
        self._taken_until = update.captured_at
        self._fresh.append(update)
        if len(self._fresh) > self.config.memory:
            self._fresh.popleft()
            self._lost += 1

    def redraw(self, places: Sequence[PlaceVersion], at: float) -> None:
        """Watch other places from a capture time on; any thread may say so.

        Args:
            places: the newest version of each place that is in use, as the database has them.
            at: capture time.
        """
        if self._floor is not None:
            self._floor.tell(Redraw(moment(at), tuple(places)))

    def people_now(self) -> Mapping[PlaceId, IntArray]:
        """Return the people (N,) at each place, where the record is now: some seconds ago."""
        return {} if self._floor is None else self._floor.people()

    def waiting(self) -> int:
        """Return how many updates are not in the database yet."""
        return len(self._fresh) + self._joining + self._spool.updates()

    def lag_s(self) -> float:
        """Return by how many seconds of capture time what is written is behind what has come."""
        since = self._observed_since if self._written_until == -np.inf else self._written_until
        return 0.0 if since is None or not self.waiting() else max(self._taken_until - since, 0.0)

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end, `timeout_s` at most; what is left goes to disk, for the next start.

        Returns:
            Whether everything is in the database.
        """
        self._closing.set()
        self._joiner.join(timeout_s)
        self._ended.set()
        self._spool.close()
        self._writer.join(timeout_s)
        written = not self._writer.is_alive() and not self.waiting()
        if not written and not self._spool.keep():
            self._log.error("history is lost: neither the database nor the disk takes it", updates=self.waiting())
        if not self._writer.is_alive():
            self._database.close()
        return written

    async def counts(self, now: float) -> Counts:
        """Count the people of the hour before `now`.

        Raises:
            StoreError: the history cannot be read.
        """
        counted = await self._database.read(partial(read_counts, run_id=self._run, now=now))
        return Counts(counted[0], counted[1], counted[2], self._observed_since)

    def _join(self) -> None:
        """Make batches of what comes; the joiner thread."""
        while True:
            closing = self._closing.wait(self.config.flush_s)
            self._joining = len(self._fresh)  # before they are taken, so that they never count as written
            updates = [self._fresh.popleft() for _ in range(self._joining)]
            batch = self._batch(updates, self._changes(), last=closing)
            if batch is None:
                self._spool.spill()
            else:
                self._spool.put(batch)
            self._joining = 0
            if closing:
                return

    def _batch(self, updates: list[TrackingUpdate], changes: list[StateChange], *, last: bool) -> Batch | None:
        """Return the next batch; None where nothing happened."""
        if last:
            return self._batches.finish(updates, changes)
        if updates or changes or self._batches.overdue(self._now):
            return self._batches.join(updates, changes, self._now)
        return None

    def _changes(self) -> list[StateChange]:
        """Return which cameras changed since they were asked last."""
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + self.config.look_s
        now, states = self._states()
        self._now, changes = moment(now), []
        for camera, state, reason in states:
            if self._state.get(camera) != state:
                self._state[camera] = state
                changes.append(StateChange(self._cameras[camera], self._now, state, reason))
        return changes

    def _write(self) -> None:
        """Write what waits until closed; the writer thread."""
        while True:
            batch = self._spool.first(self.config.flush_s)
            if batch is None:
                if self._ended.is_set():
                    return
                continue
            try:
                self._database.write(partial(write, batch=batch))
                self._tidy(batch.until)
            except (StoreRefused, UnknownRun) as error:
                path = self._spool.set_aside(batch)
                self._log.error("history that the database never takes is set aside", error=str(error), file=str(path))
            except StoreError as error:
                if self._ended.wait(self.config.retry_s):
                    return
                self._log.warning("the history is not written, and tried again", error=str(error))
            else:
                self._written_until = max(self._written_until, batch.until)
                self._spool.done(batch)

    def _tidy(self, now: float) -> None:
        """Remove what is older than it should be, now and then."""
        if now - self._tidied_at < self.config.tidy_s:
            return
        self._tidied_at = now
        try:
            self._database.write(partial(tidy, now=now, keep=self.config.keep))
        except StoreError as error:
            self._log.warning("old history is not removed, which is tried again in a minute", error=str(error))
