"""The history of one site in a database, SQLite or PostgreSQL: dots, boxes by camera, and when each person was there.

One thread joins updates to batches, one writes them, and another answers questions. What the database does not take at
once goes to files and is written in order later, each batch once. Knows nothing of the frame path, and never makes it
wait.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from app.domains.vocabulary import CameraId, GlobalId, TrackingUpdate
from app.errors import StoreError, StoreRefused
from app.infrastructure.sql_batch import Batches, StateChange
from app.infrastructure.sql_database import Database
from app.infrastructure.sql_read import read_counts, read_journey
from app.infrastructure.sql_spool import Spool
from app.infrastructure.sql_write import Retention, Start, UnknownRun, begin, prune, write
from app.orchestration.ports import Counts, Journey

CameraStates = Callable[[], tuple[float, Iterable[tuple[CameraId, str, str | None]]]]


def _no_states() -> tuple[float, Iterable[tuple[CameraId, str, str | None]]]:
    return 0.0, ()


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The store's rhythm; seconds."""

    flush_s: float = 0.25  # how often what has come is put together; with `Spool`'s patience less than a second in all
    retry_s: float = 1.0  # after a write that failed
    look_s: float = 1.0  # how often cameras are asked for their state
    tidy_s: float = 60.0  # how often what is older than the history should be is removed
    memory: int = 20_000  # updates that may wait for a disk that hangs: an hour at 5 a second


class SQLStore:
    """A TrackStore in a database. Each start of the program is a run of its own, with its own ids.

    Args:
        database: with tables of the newest revision.
        spool: the folder for what waits; others than this database's must not be in it.
        start: the site and its cameras.
        keep: how long rows are kept.
        states: asked once a second for the time now and each camera's state, and why it has it.
        config: the rhythm.

    Raises:
        StoreError: the database cannot be written now.
    """

    def __init__(
        self,
        database: Database,
        spool: Path,
        start: Start,
        keep: Retention | None = None,
        states: CameraStates = _no_states,
        config: StoreConfig | None = None,
    ) -> None:
        self.config = config or StoreConfig()
        self._database, self._keep, self._states = database, keep or Retention(), states
        self._log = structlog.get_logger("history")
        self._run, self._cameras = database.write(partial(begin, start=start))
        self._batches = Batches(self._run, self._cameras)
        self._spool = Spool(spool / database.digest)
        self._observed_since: float | None = None
        self._fresh: deque[TrackingUpdate] = deque()
        self._joining = self._lost = 0
        self._state: dict[CameraId, str] = {}
        self._tidied_at = start.begun
        self._look_at = 0.0  # monotonic
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
        self._fresh.append(update)
        if len(self._fresh) > self.config.memory:
            self._fresh.popleft()
            self._lost += 1

    def waiting(self) -> int:
        """Return how many updates are not in the database yet."""
        return len(self._fresh) + self._joining + self._spool.updates()

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

    async def journey(self, person: GlobalId, since: float) -> Journey | None:
        """Return where a person was from a capture time on; None for somebody unknown.

        Raises:
            StoreError: the history cannot be read.
        """
        return await self._database.read(partial(read_journey, run_id=self._run, person=person, since=since))

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
            changes = self._changes()
            if updates or changes:
                self._spool.put(self._batches.join(updates, changes))
            else:
                self._spool.spill()
            self._joining = 0
            if closing:
                return

    def _changes(self) -> list[StateChange]:
        """Return which cameras changed since they were asked last."""
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + self.config.look_s
        at, states = self._states()
        changes = []
        for camera, state, reason in states:
            if self._state.get(camera) != state:
                self._state[camera] = state
                changes.append(StateChange(self._cameras[camera], at, state, reason))
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
                self._spool.done(batch)

    def _tidy(self, now: float) -> None:
        """Remove what is older than it should be, now and then."""
        if now - self._tidied_at < self.config.tidy_s:
            return
        self._tidied_at = now
        keep = self._keep
        before = Retention(now - keep.points_s, now - keep.dots_s, now - keep.events_s)
        self._database.write(partial(prune, before=before))
