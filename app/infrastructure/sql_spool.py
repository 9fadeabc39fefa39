"""What waits for the database: young batches in memory, older ones in files. Knows no database.

A file holds records of one batch each, one after the other: magic, length, checksum, the batch. They are appended and
synchronised, read in order, and removed when all of a file is written elsewhere. A record that a crash cut off is the
last of its file; such a file is kept under another name.
"""

import os
import struct
import threading
import time
import zlib
from collections import deque
from pathlib import Path
from typing import NamedTuple

import structlog

from app.infrastructure.sql_batch import Batch, unpack

HEAD = struct.Struct("<4sIQII")  # magic, updates in the batch, its largest id, bytes that follow, their CRC-32
MAGIC = b"SPB2"
SPILL_S = 0.4  # a batch that has waited for so long goes to disk
SEGMENT = 16_000_000  # bytes; a longer file is followed by another
MEMORY = 2_000_000  # rows that may wait in memory while the disk is full: about 150 MB


class _Waiting(NamedTuple):
    batch: Batch
    since: float


class Spool:
    """A queue of batches that outlives the program. Filled by one thread and emptied by another.

    Args:
        folder: of the files; made when the first is written.
        spill_s: a batch that has waited for so long goes to disk.
    """

    def __init__(self, folder: Path, spill_s: float = SPILL_S) -> None:
        self._folder, self._spill_s = folder, spill_s
        self._log = structlog.get_logger("history")
        self._changed = threading.Condition()
        self._memory: deque[_Waiting] = deque()  # all newer than what is on disk
        self._files = sorted(folder.glob("*.spool"))  # oldest first
        self._offset = 0  # where the next record of the oldest file begins
        self._head: tuple[Batch, int] | None = None  # that record and where it ends
        self._made = 0  # files of this start
        counted = [_count(path) for path in self._files]
        self._updates = sum(updates for updates, _ in counted)
        self.last_id = max((last_id for _, last_id in counted), default=0)  # of people in batches of earlier starts
        self._closed = False
        self.lost = 0  # updates that neither memory nor disk could hold

    def put(self, batch: Batch) -> None:
        """Add a batch behind all others; those that have waited for long go to disk."""
        with self._changed:
            self._memory.append(_Waiting(batch, time.monotonic()))
            self._updates += batch.updates
            self._changed.notify_all()
        self.spill()

    def spill(self) -> None:
        """Bring all batches to disk if the oldest in memory has waited for long, or others wait there."""
        with self._changed:
            if not self._memory or not (self._files or time.monotonic() - self._memory[0].since >= self._spill_s):
                return
            try:
                self._append([_packed(waiting.batch) for waiting in self._memory])
            except OSError as error:
                self._log.warning("waiting history cannot be brought to disk", error=error.strerror)
                self._give_up()
                return
            self._memory.clear()

    def first(self, timeout_s: float) -> Batch | None:
        """Return the oldest batch, after waiting for one; None when there is none by then."""
        with self._changed:
            self._changed.wait_for(lambda: self._memory or self._files or self._closed, timeout_s)
            if self._files:
                self._read_head()
            if self._head is not None:
                return self._head[0]
            return self._memory[0].batch if self._memory else None

    def done(self, batch: Batch) -> None:
        """Let go of the batch that `first` gave. One that went to disk meanwhile comes again, to be told by number."""
        with self._changed:
            if self._head is not None and self._head[0] is batch:
                self._offset, self._head = self._head[1], None
                self._updates -= batch.updates
                self._read_head()  # removes what is empty
            elif self._memory and self._memory[0].batch is batch:
                self._memory.popleft()
                self._updates -= batch.updates

    def set_aside(self, batch: Batch) -> Path:
        """Keep a batch that no database takes, out of the way of the others; returns where."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{batch.run_id}-{batch.number}.refused"
        path.write_bytes(batch.pack())
        self.done(batch)
        return path

    def updates(self) -> int:
        """Return how many updates wait, those of earlier starts among them."""
        return self._updates

    def empty(self) -> bool:
        """Say whether nothing waits."""
        return not self._memory and not self._files

    def close(self) -> None:
        """Wake up who waits for batches."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def keep(self) -> bool:
        """Bring everything that waits to disk, for the next start; returns whether that went well."""
        self._spill_s = 0.0
        self.spill()
        return not self._memory

    def _append(self, records: list[bytes]) -> None:
        """Write records behind all others; nothing of them counts unless all are on disk."""
        fresh = self._made == 0 or not self._files or self._files[-1].stat().st_size > SEGMENT
        if fresh:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{time.time_ns():020d}.spool"
        else:
            path = self._files[-1]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(descriptor).st_size
        try:
            for record in records:
                _write_all(descriptor, record)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        if fresh:
            self._made += 1
            self._files.append(path)
            _synchronise(self._folder)

    def _read_head(self) -> None:
        """Read the next record, and remove files that have none left."""
        while self._head is None and self._files:
            path = self._files[0]
            self._head = _record(path, self._offset)
            if self._head is not None:
                return
            if self._offset < path.stat().st_size:
                self._log.warning("the end of a file of waiting history cannot be read; it is kept", file=path.name)
                path.rename(path.with_suffix(".damaged"))
            else:
                path.unlink()
            self._files.pop(0)
            self._offset = 0

    def _give_up(self) -> None:
        """Drop the oldest batches that memory cannot hold."""
        while sum(len(waiting.batch) for waiting in self._memory) > MEMORY:
            gone = self._memory.popleft().batch.updates
            self._updates -= gone
            self.lost += gone


def _packed(batch: Batch) -> bytes:
    """Return a batch as a record."""
    packed = batch.pack()
    return HEAD.pack(MAGIC, batch.updates, batch.last_id, len(packed), zlib.crc32(packed)) + packed


def _record(path: Path, offset: int) -> tuple[Batch, int] | None:
    """Return the batch at an offset and where its record ends; None where there is no whole one."""
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        magic, _, _, length, checksum = HEAD.unpack(head)
        packed = file.read(length) if magic == MAGIC else b""
    if len(packed) < length or not packed or zlib.crc32(packed) != checksum:
        return None
    return unpack(packed), offset + HEAD.size + length


def _count(path: Path) -> tuple[int, int]:
    """Return how many updates the whole records of a file have, and the largest id of a person in them."""
    updates, last_id, offset, size = 0, 0, 0, path.stat().st_size
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            head = file.read(HEAD.size)
            if len(head) < HEAD.size:
                return updates, last_id
            magic, count, largest, length, _ = HEAD.unpack(head)
            offset += HEAD.size + length
            if magic != MAGIC or offset > size:
                return updates, last_id
            updates, last_id = updates + count, max(last_id, largest)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _synchronise(folder: Path) -> None:
    """Make new names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
