"""Exports of the history: jobs that write a file slice by slice, can be stopped and go on where they were.

One job writes at a time, so that exports never take the database from whoever looks at the page. A slice that is
written stays written: a job that was stopped, or whose program was, goes on behind its last one. Knows no route, and no
file format.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog

from app.errors import SpotOnError, StoreError
from app.orchestration.archive import Archive
from app.orchestration.tables import Order, Table, rows_of


class JobState(StrEnum):
    """What becomes of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the program ended meanwhile


RESUMABLE = {JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED}
UNDER_WAY = {JobState.WAITING, JobState.RUNNING}


@dataclass(frozen=True, slots=True)
class Job:
    """An export.

    Attributes:
        job_id: a word that cannot be guessed.
        made_at: seconds since epoch.
        slices: of the order's period.
        written: slices that are on disk.
        size: bytes so far; of the file, once it is done.
        problem: why it failed, in one line.
        filename: what the file is best called.
    """

    job_id: str
    order: Order
    made_at: float
    state: JobState
    slices: int
    written: int = 0
    rows: int = 0
    size: int = 0
    problem: str | None = None
    filename: str = ""


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What exports may take."""

    jobs: int = 20  # kept at once, with their files
    waiting: int = 5  # that have not begun
    largest: int = 20_000_000_000  # bytes of one file
    spare: int = 1_000_000_000  # bytes of the disk that are left alone
    keep_s: float = 7 * 86_400.0  # after which a job is removed with its file


class ExportRefused(SpotOnError):
    """An export cannot be begun, or go on, now; the message says what would help."""


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


class Shelf(Protocol):
    """Where jobs and their files lie, so that they outlive the program. Every call blocks, and may raise OSError."""

    def load(self) -> list[Job]:
        """Return all jobs."""
        ...

    def save(self, job: Job) -> None:
        """Keep what is known of a job."""
        ...

    def slice(self, job: Job) -> Slice:
        """Begin the slice behind the last one that is written."""
        ...

    def finish(self, job: Job) -> Job:
        """Join the slices to the file; returns the job with its size."""
        ...

    def file(self, job: Job) -> Path:
        """Return where the file of a job that is done lies."""
        ...

    def remove(self, job: Job) -> None:
        """Remove a job with all that was written."""
        ...

    def free(self) -> int:
        """Return how many bytes the disk has left."""
        ...

    def encoding(self, order: Order) -> Encoding:
        """Return how the rows of an order are written in one go.

        Raises:
            ExportRefused: this cannot be written in that format.
        """
        ...


class Exports:
    """The exports of one site. Used by one event loop.

    Args:
        archive: the history.
        shelf: where they lie.
        limits: what they may take.
    """

    def __init__(self, archive: Archive, shelf: Shelf, limits: ExportLimits | None = None) -> None:
        self.limits = limits or ExportLimits()
        self._archive, self._shelf = archive, shelf
        self._log = structlog.get_logger("exports")
        self._jobs: dict[str, Job] = {}
        self._there = asyncio.Event()
        self._queueing = asyncio.Lock()  # so that who asks at the same time is counted one by one
        self._stopped: set[str] = set()  # jobs that are asked to stop

    async def load(self) -> None:
        """Take up the jobs of earlier starts; those that were under way can be resumed."""
        for job in await asyncio.to_thread(self._shelf.load):
            known = replace(job, state=JobState.INTERRUPTED) if job.state in UNDER_WAY else job
            self._jobs[job.job_id] = known

    def jobs(self) -> list[Job]:
        """Return all jobs, newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.made_at, reverse=True)

    def job(self, job_id: str) -> Job | None:
        """Return a job; None for an unknown one."""
        return self._jobs.get(job_id)

    def file(self, job: Job) -> Path:
        """Return where the file of a job that is done lies."""
        return self._shelf.file(job)

    async def begin(self, order: Order, now: float) -> Job:
        """Begin an export.

        Raises:
            ExportRefused: there are too many, or this cannot be written in that format.
        """
        self._shelf.encoding(order)
        async with self._queueing:
            await self._prune(now)
            if len(self._jobs) >= self.limits.jobs:
                raise ExportRefused(f"there are {self.limits.jobs} exports already; remove one first")
            self._check_queue()
            job = Job(secrets.token_urlsafe(12), order, now, JobState.WAITING, len(order.slices()))
            await self._keep(job)
        self._there.set()
        return job

    async def resume(self, job: Job) -> Job:
        """Let a job that was stopped or failed go on behind its last slice.

        Raises:
            ExportRefused: it is none, or too many wait.
        """
        async with self._queueing:
            job = self._jobs.get(job.job_id, job)
            if job.state not in RESUMABLE:
                raise ExportRefused(f"this export is {job.state.value}, and cannot be resumed")
            self._check_queue()
            self._stopped.discard(job.job_id)
            waiting = await self._keep(replace(job, state=JobState.WAITING, problem=None))
        self._there.set()
        return waiting

    async def stop(self, job: Job) -> Job | None:
        """Stop a job that is under way, and return it; remove one that is not."""
        if job.state is JobState.RUNNING:
            self._stopped.add(job.job_id)
            return job
        if job.state is JobState.WAITING:
            return await self._keep(replace(job, state=JobState.CANCELLED))
        await self._remove(job)
        return None

    async def stream(self, order: Order) -> AsyncIterator[bytes]:
        """Yield an export that is written nowhere; the first piece comes with what was read first.

        Raises:
            ExportRefused: this cannot be written in that format.
            StoreError: the history cannot be read.
        """
        encoding = self._shelf.encoding(order)
        head: bytes | None = encoding.begin()
        for part in order.slices():
            async for table in rows_of(self._archive, order, part):
                yield (head or b"") + await asyncio.to_thread(encoding.rows, table)
                head = None
            if head is not None:  # the slice has no rows, and could be read
                yield head
                head = None
        yield encoding.end()

    async def run(self) -> None:
        """Write what waits, one job after the other, until cancelled."""
        while True:
            self._there.clear()
            waiting = [job for job in reversed(self.jobs()) if job.state is JobState.WAITING]
            if not waiting:
                await self._there.wait()
                continue
            await self._write(waiting[0])

    async def _write(self, job: Job) -> None:
        job = await self._keep(replace(job, state=JobState.RUNNING))
        try:
            for part in job.order.slices()[job.written :]:
                if job.job_id in self._stopped:
                    break
                job = await self._keep(await self._write_slice(job, rows_of(self._archive, job.order, part)))
            if job.written == job.slices:
                done = await asyncio.to_thread(self._shelf.finish, job)
                job = replace(done, state=JobState.DONE)
            else:
                job = replace(job, state=JobState.CANCELLED)
        except (StoreError, ExportRefused) as error:
            reason = "the history cannot be read now" if isinstance(error, StoreError) else str(error)
            job = replace(self._jobs[job.job_id], state=JobState.FAILED, problem=reason)
            self._log.warning("an export failed, and can be resumed", job=job.job_id, error=str(error))
        except OSError as error:
            job = replace(self._jobs[job.job_id], state=JobState.FAILED, problem=f"{error.strerror}")
            self._log.warning("an export failed, and can be resumed", job=job.job_id, error=str(error))
        self._stopped.discard(job.job_id)
        await self._keep(job)

    async def _write_slice(self, job: Job, tables: AsyncIterator[Table]) -> Job:
        """Write one slice; returns the job as it is then, which is as before where it was asked to stop."""
        if await asyncio.to_thread(self._shelf.free) < self.limits.spare:
            raise ExportRefused(f"the disk has less than {self.limits.spare / 1e9:g} GB left; make room and resume")
        piece = await asyncio.to_thread(self._shelf.slice, job)
        rows, size, whole = 0, 0, False
        try:
            async for table in tables:
                if job.job_id in self._stopped:
                    return job
                size = await asyncio.to_thread(piece.add, table)
                rows += len(next(iter(table.values())))
                if job.size + size > self.limits.largest:
                    raise ExportRefused(f"it is larger than {self.limits.largest / 1e9:g} GB; take a shorter period")
            whole = True
        finally:
            await asyncio.to_thread(piece.close, whole=whole)
        return replace(job, written=job.written + 1, rows=job.rows + rows, size=job.size + size)

    def _check_queue(self) -> None:
        if sum(job.state is JobState.WAITING for job in self._jobs.values()) >= self.limits.waiting:
            raise ExportRefused(f"{self.limits.waiting} exports wait already; try again when one is done")

    async def _keep(self, job: Job) -> Job:
        await asyncio.to_thread(self._shelf.save, job)
        self._jobs[job.job_id] = job
        return job

    async def _remove(self, job: Job) -> None:
        self._jobs.pop(job.job_id, None)
        await asyncio.to_thread(self._shelf.remove, job)

    async def _prune(self, now: float) -> None:
        """Remove jobs that are old."""
        old: Sequence[Job] = [job for job in self._jobs.values() if now - job.made_at > self.limits.keep_s]
        for job in old:
            if job.state not in UNDER_WAY:
                await self._remove(job)
