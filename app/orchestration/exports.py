"""Exports of the history: jobs that write a file slice by slice, or rows that are sent as they are read.

Knows no route, and no file format.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from app.orchestration.archive import Archive
from app.orchestration.job_queue import Job, JobLimits, JobQueue, JobRefused, JobState, Shelf, new_id
from app.orchestration.tables import Order, Table, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob(Job):
    """An export; its slices are those of the order's period.

    Attributes:
        rows: on disk.
        size: bytes so far; of the file, once it is done.
        filename: what the file is best called.
    """

    order: Order
    rows: int = 0
    size: int = 0
    filename: str = ""


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What exports may take."""

    queue: JobLimits = field(default_factory=JobLimits)
    largest: int = 20_000_000_000  # bytes of one file
    spare: int = 1_000_000_000  # bytes of the disk that are left alone


class Encoding(Protocol):
    """Turns the tables of one order into the bytes of a file."""

    def begin(self) -> bytes:
        """Return what stands before the first row."""
        ...

    def rows(self, table: Table) -> bytes:
        """Return rows."""
        ...

    def end(self) -> bytes:
        """Return what stands behind the last row."""
        ...


class Slice(Protocol):
    """A slice of a job that is being written; blocks."""

    def add(self, table: Table) -> int:
        """Write rows; returns how many bytes there are by now."""
        ...

    def close(self, *, whole: bool) -> None:
        """Put the slice into its place if it is whole, else drop it."""
        ...


class ExportShelf(Shelf[ExportJob], Protocol):
    """Where jobs and their files lie. Every call blocks, and may raise OSError."""

    def slice(self, job: ExportJob) -> Slice:
        """Begin the slice behind the last one that is written."""
        ...

    def finish(self, job: ExportJob) -> ExportJob:
        """Join the slices to the file; returns the job with its size."""
        ...

    def file(self, job: ExportJob) -> Path:
        """Return where the file of a job that is done lies."""
        ...

    def free(self) -> int:
        """Return how many bytes the disk has left."""
        ...

    def encoding(self, order: Order) -> Encoding:
        """Return how the rows of an order are written in one go.

        Raises:
            JobRefused: this cannot be written in that format.
        """
        ...


class Exports(JobQueue[ExportJob]):
    """The exports of one site. Used by one event loop.

    Args:
        archive: the history.
        shelf: where they lie.
        limits: what they may take.
    """

    def __init__(self, archive: Archive, shelf: ExportShelf, limits: ExportLimits | None = None) -> None:
        self.limits = limits or ExportLimits()
        super().__init__("export", shelf, self.limits.queue)
        self._archive, self._files = archive, shelf

    def file(self, job: ExportJob) -> Path:
        """Return where the file of a job that is done lies."""
        return self._files.file(job)

    async def begin(self, order: Order, now: float) -> ExportJob:
        """Begin an export.

        Raises:
            JobRefused: there are too many, or this cannot be written in that format.
        """
        self._files.encoding(order)
        slices = len(order.slices())
        job = ExportJob(job_id=new_id(), made_at=now, state=JobState.WAITING, slices=slices, order=order)
        return await self.enqueue(job)

    async def stream(self, order: Order) -> AsyncIterator[bytes]:
        """Yield an export that is written nowhere; the first piece comes with what was read first.

        Raises:
            JobRefused: this cannot be written in that format.
            StoreError: the history cannot be read.
        """
        encoding = self._files.encoding(order)
        head: bytes | None = encoding.begin()
        for part in order.slices():
            async for table in rows_of(self._archive, order, part):
                yield (head or b"") + await asyncio.to_thread(encoding.rows, table)
                head = None
            if head is not None:  # the slice has no rows, and could be read
                yield head
                head = None
        yield encoding.end()

    async def _work(self, job: ExportJob) -> AsyncGenerator[ExportJob, None]:
        """Write slice by slice; stops between two tables."""
        yield job
        for part in job.order.slices()[job.written :]:
            if await asyncio.to_thread(self._files.free) < self.limits.spare:
                raise JobRefused(f"the disk has less than {self.limits.spare / 1e9:g} GB left; make room and resume")
            piece = await asyncio.to_thread(self._files.slice, job)
            rows, size, whole = 0, 0, False
            try:
                async for table in rows_of(self._archive, job.order, part):
                    size = await asyncio.to_thread(piece.add, table)
                    rows += len(next(iter(table.values())))
                    if job.size + size > self.limits.largest:
                        raise JobRefused(f"it is larger than {self.limits.largest / 1e9:g} GB; take a shorter period")
                    yield job
                whole = True
            finally:
                await asyncio.to_thread(piece.close, whole=whole)
            job = replace(job, written=job.written + 1, rows=job.rows + rows, size=job.size + size)
            if job.written < job.slices:
                yield job
        yield await asyncio.to_thread(self._files.finish, job)
