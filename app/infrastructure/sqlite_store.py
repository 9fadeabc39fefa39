"""The history of one site in a SQLite file: dots, boxes by camera, and when each person was there.

Rows keep the id that was reported; spans say who it has turned out to be, so corrections never touch a row.

One thread writes, in batches; another answers questions. Knows nothing of the frame path, and never makes it wait.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from app.domains.corrections import Span, corrected, source
from app.domains.vocabulary import (
    NO_ID,
    BoxArray,
    CameraId,
    Correction,
    FloatArray,
    GlobalId,
    IntArray,
    TrackingUpdate,
)
from app.errors import ConfigError, StoreError
from app.orchestration.ports import Counts, Journey, Visit

FLUSH_S = 0.5  # how often what has come is written
RETRY_S = 1.0  # after a write that failed
MEMORY = 20_000  # updates that may wait for the disk: an hour at 5 a second, some 60 MB with 20 people in 6 cameras
TIDY_S = 60.0  # how often what is older than the history should be is removed
VISIT_GAP_S = (
    3.0  # a camera that has not seen a person for longer begins a new visit; nobody saw the way between, either
)
STRIDE_S = 1.0  # distance is taken between places this far apart in time, so that noise does not walk

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, site TEXT NOT NULL, begun REAL NOT NULL);
CREATE TABLE IF NOT EXISTS spans (
    run INTEGER NOT NULL, person INTEGER NOT NULL, since REAL NOT NULL, until REAL NOT NULL, identity INTEGER NOT NULL,
    first_seen REAL, last_seen REAL, PRIMARY KEY (run, person, since)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_identity ON spans (run, identity);
CREATE INDEX IF NOT EXISTS spans_seen ON spans (run, last_seen);
CREATE TABLE IF NOT EXISTS dots (
    run INTEGER NOT NULL, person INTEGER NOT NULL, at REAL NOT NULL, x REAL NOT NULL, y REAL NOT NULL,
    PRIMARY KEY (run, person, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boxes (
    run INTEGER NOT NULL, person INTEGER NOT NULL, at REAL NOT NULL, camera TEXT NOT NULL,
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    PRIMARY KEY (run, person, at, camera)
) WITHOUT ROWID;
"""
OF_EARLIER_VERSIONS = """
INSERT OR IGNORE INTO spans SELECT run, person, -9e999, 9e999, kept, first_seen, last_seen FROM people;
DROP TABLE people; DROP TABLE IF EXISTS merges;
"""
FIRST_SEEN = """
INSERT INTO spans (run, person, since, until, identity)
SELECT :run, :person, -9e999, 9e999, :person
WHERE NOT EXISTS (SELECT 1 FROM spans WHERE run = :run AND person = :person)
"""
SEEN = """
UPDATE spans SET first_seen = min(ifnull(first_seen, :first), :first), last_seen = max(ifnull(last_seen, :last), :last)
WHERE run = :run AND person = :person AND since <= :last AND until > :last
"""
SEEN_WITHIN = """
UPDATE spans SET (first_seen, last_seen) = (
    SELECT min(at), max(at) FROM (
        SELECT at FROM dots WHERE run = :run AND person = :person AND at >= spans.since AND at < spans.until
        UNION ALL
        SELECT at FROM boxes WHERE run = :run AND person = :person AND at >= spans.since AND at < spans.until))
WHERE run = :run AND person = :person
"""
SPANS_OF = """
SELECT person, since, until, identity FROM spans WHERE run = :run AND person IN (
    SELECT person FROM spans WHERE run = :run AND identity = :identity) ORDER BY person, since
"""
COUNTS = """
SELECT count(DISTINCT CASE WHEN last_seen >= :now - 60 THEN identity END),
       count(DISTINCT CASE WHEN last_seen >= :now - 900 THEN identity END),
       count(DISTINCT identity)
FROM spans WHERE run = :run AND last_seen >= :now - 3600
"""
# whoever is known by the asked id now; else who was last reported under it
ASKED = """
SELECT identity FROM spans WHERE run = :run AND (person = :person OR identity = :person)
ORDER BY identity = :person DESC, since DESC LIMIT 1
"""
PRESENCE = "SELECT identity, min(first_seen), max(last_seen) FROM spans WHERE run = :run AND identity = :identity"
ROWS_OF = """
SELECT {columns} FROM spans JOIN {table} AS seen ON seen.run = spans.run AND seen.person = spans.person
    AND seen.at >= max(spans.since, :since) AND seen.at < spans.until
WHERE spans.run = :run AND spans.identity = :identity {order}
"""
DOTS = ROWS_OF.format(columns="seen.at, seen.x, seen.y", table="dots", order="GROUP BY seen.at ORDER BY seen.at")
BOXES = ROWS_OF.format(columns="seen.camera, seen.at", table="boxes", order="ORDER BY seen.camera, seen.at")
STALE = "(run, person) IN (SELECT run, person FROM spans GROUP BY run, person HAVING max(last_seen) < :before)"


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """What is written of an update; pixels' and networks' arrays are not held by it."""

    captured_at: float
    person: IntArray
    xy: FloatArray
    boxes: tuple[tuple[CameraId, float, IntArray, BoxArray], ...]
    corrections: tuple[Correction, ...]


class SQLiteStore:
    """A TrackStore in one file, in WAL mode. Each start of the program is a run of its own, with its own ids.

    Updates wait in memory until the writer has them in the file. What cannot be written is tried again; when more than
    MEMORY updates wait, the oldest are given up and counted in `lost`.

    Args:
        path: the file; made where there is none.
        site: its name.
        begun: capture time of the start.
        keep_s: people who were not seen for so long are removed from the history.

    Raises:
        ConfigError: the file cannot be opened, or is no database of this kind.
    """

    def __init__(self, path: Path, site: str, begun: float, keep_s: float) -> None:
        self._path, self._keep_s = path, keep_s
        self._log = structlog.get_logger("history")
        try:
            self._database = self._connect()
            self._run = self._begin(site, begun)
        except sqlite3.Error as error:
            raise ConfigError(path, "", f"the history cannot be opened: {error}") from error
        self.lost = 0
        self._observed_since: float | None = None
        self._waiting: deque[_Record] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._tidied_at = begun
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history-read")
        self._writer = threading.Thread(target=self._write, name="history-write", daemon=True)
        self._writer.start()

    def append(self, update: TrackingUpdate) -> None:
        """Take in an update and return at once."""
        boxes = tuple((s.tracks.camera_id, s.tracks.captured_at, s.global_id, s.tracks.xyxy) for s in update.sightings)
        floor = update.floor
        with self._changed:
            self._waiting.append(_Record(update.captured_at, floor.global_id, floor.xy, boxes, update.corrections))
            if len(self._waiting) > MEMORY:
                self._waiting.popleft()
                self.lost += 1
            if self._observed_since is None:
                self._observed_since = update.captured_at

    def waiting(self) -> int:
        """Return how many updates have not been written yet."""
        return len(self._waiting)

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end, `timeout_s` at most; return whether everything is written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join(timeout_s)
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._database.close()
        return not self._writer.is_alive() and not self._waiting

    async def journey(self, person: GlobalId, since: float) -> Journey | None:
        """Return where a person was from a capture time on; None for somebody unknown.

        Raises:
            StoreError: the history cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read_journey, person, since)

    async def counts(self, now: float) -> Counts:
        """Count the people of the hour before `now`.

        Raises:
            StoreError: the history cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read_counts, now)

    def _connect(self) -> sqlite3.Connection:
        """Open the file; a connection is used by one thread at a time."""
        database = sqlite3.connect(self._path, timeout=RETRY_S, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last transactions, never the file
        return database

    def _begin(self, site: str, begun: float) -> int:
        with self._database:
            self._database.executescript(SCHEMA)
            if self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'people'").fetchone():
                self._database.executescript(OF_EARLIER_VERSIONS)
            cursor = self._database.execute("INSERT INTO runs (site, begun) VALUES (?, ?)", (site, begun))
        return int(cursor.lastrowid or 0)

    def _write(self) -> None:
        """Write what comes, every FLUSH_S, until closed; the writer thread."""
        pause_s = FLUSH_S
        with closing(self._connect()) as database:
            while True:
                with self._changed:
                    closing_down = self._changed.wait_for(lambda: self._closing, pause_s)
                    updates = list(self._waiting)
                pause_s = FLUSH_S
                try:
                    self._write_batch(database, updates)
                except sqlite3.Error as error:
                    self._log.warning("the history is not written, and tried again", error=str(error))
                    pause_s = RETRY_S
                else:
                    self._forget(updates)
                if closing_down:
                    return

    def _forget(self, written: Sequence[_Record]) -> None:
        """Let go of what is in the file; some of it may have been given up meanwhile."""
        with self._changed:
            for update in written:
                if self._waiting and self._waiting[0] is update:
                    self._waiting.popleft()

    def _write_batch(self, database: sqlite3.Connection, updates: Sequence[_Record]) -> None:
        """Write updates in one transaction, whole or not at all."""
        if not updates:
            return
        run = self._run
        with database:
            names = [
                {"run": run, "person": person, "first": first, "last": last}
                for person, (first, last) in _first_and_last(updates).items()
            ]
            database.executemany(FIRST_SEEN, names)
            database.executemany(SEEN, names)
            database.executemany("INSERT OR REPLACE INTO dots VALUES (?, ?, ?, ?, ?)", _dots(run, updates))
            database.executemany("INSERT OR REPLACE INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _boxes(run, updates))
            for correction in (correction for update in updates for correction in update.corrections):
                self._correct(database, correction)
            now = updates[-1].captured_at
            if now - self._tidied_at > TIDY_S:
                self._tidied_at = now
                self._tidy(database, now - self._keep_s)

    def _correct(self, database: sqlite3.Connection, correction: Correction) -> None:
        """Say anew who the ids that a correction concerns have been, and when they were seen."""
        names = {"run": self._run, "identity": source(correction)}
        rows: list[tuple[GlobalId, float, float, GlobalId]] = database.execute(SPANS_OF, names).fetchall()
        spans = corrected((Span(*row, certainty=np.nan) for row in rows), correction)
        people = [{"run": self._run, "person": person} for person in sorted({row[0] for row in rows})]
        database.executemany("DELETE FROM spans WHERE run = :run AND person = :person", people)
        database.executemany(
            "INSERT INTO spans (run, person, since, until, identity) VALUES (?, ?, ?, ?, ?)",
            [(self._run, s.reported, s.since, s.until, s.identity) for s in spans],
        )
        database.executemany(SEEN_WITHIN, people)

    def _tidy(self, database: sqlite3.Connection, before: float) -> None:
        for table in ("dots", "boxes", "spans"):
            database.execute(f"DELETE FROM {table} WHERE {STALE}", {"before": before})

    def _read_counts(self, now: float) -> Counts:
        try:
            row = self._database.execute(COUNTS, {"run": self._run, "now": now}).fetchone()
        except sqlite3.Error as error:
            raise StoreError(self._path, str(error)) from error
        return Counts(row[0], row[1], row[2], self._observed_since)

    def _read_journey(self, person: GlobalId, since: float) -> Journey | None:
        names = {"run": self._run, "person": person, "since": since}
        try:
            asked = self._database.execute(ASKED, names).fetchone()
            if asked is None:
                return None
            names["identity"] = asked[0]
            row = self._database.execute(PRESENCE, names).fetchone()
            dots = self._database.execute(DOTS, names).fetchall()
            boxes = self._database.execute(BOXES, names).fetchall()
        except sqlite3.Error as error:
            raise StoreError(self._path, str(error)) from error
        table = np.array(dots, dtype=np.float64).reshape(-1, 3)
        time_s, xy = table[:, 0], table[:, 1:]
        return Journey(GlobalId(row[0]), row[1], row[2], _distance(time_s, xy), time_s, xy, _visits(boxes))


def _first_and_last(updates: Sequence[_Record]) -> dict[int, tuple[float, float]]:
    """Return for each person of the updates the capture times of the first and the last that has them."""
    spans: dict[int, tuple[float, float]] = {}
    for update in updates:
        columns = [update.person, *(person for _, _, person, _ in update.boxes)]
        for person in np.unique(np.concatenate(columns)).tolist():
            if person != NO_ID:
                spans[person] = (spans.get(person, (update.captured_at,))[0], update.captured_at)
    return spans


def _dots(run: int, updates: Sequence[_Record]) -> Iterator[tuple[float, ...]]:
    for update in updates:
        for person, (x, y) in zip(update.person.tolist(), update.xy.tolist(), strict=True):
            yield run, person, update.captured_at, x, y


def _boxes(run: int, updates: Sequence[_Record]) -> Iterator[tuple[float | str, ...]]:
    for update in updates:
        for camera, at, people, xyxy in update.boxes:
            for person, box in zip(people.tolist(), xyxy.tolist(), strict=True):
                if person != NO_ID:
                    yield run, person, at, camera, *box


def _distance(time_s: FloatArray, xy: FloatArray) -> float:
    """Add up the way between places STRIDE_S apart, as far as somebody saw it."""
    if not len(time_s):
        return 0.0
    steps = np.flatnonzero(np.diff(np.floor((time_s - time_s[0]) / STRIDE_S), prepend=-1.0))
    rows = np.union1d(steps, [len(time_s) - 1])
    seen = np.diff(time_s[rows]) <= VISIT_GAP_S
    return float(np.linalg.norm(np.diff(xy[rows], axis=0), axis=1)[seen].sum())


def _visits(boxes: Sequence[tuple[str, float]]) -> tuple[Visit, ...]:
    """Join the instants at which cameras saw somebody, ordered by camera and time, into visits."""
    visits: list[Visit] = []
    for camera, at in boxes:
        last = visits[-1] if visits else None
        if last is not None and last.camera_id == camera and at - last.end <= VISIT_GAP_S:
            visits[-1] = Visit(last.camera_id, last.begin, at)
        else:
            visits.append(Visit(CameraId(camera), at, at))
    return tuple(sorted(visits, key=lambda visit: (visit.begin, visit.camera_id)))
