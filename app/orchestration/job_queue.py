"""Long work on the history: jobs that go on slice by slice, can be stopped, and go on where they were.

One job of a queue is worked at a time, so that jobs never take the database from whoever looks at the page. A slice
that is done stays done: a job that was stopped, or whose program was, goes on behind its last one. Knows no route, and
not what its jobs do.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import structlog

from app.errors import SpotOnError, StoreError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of work.

    Attributes:
        job_id: a word that cannot be guessed.
        made_at: seconds since epoch.
        slices: of the work.
        written: slices that are done.
        problem: why it failed, in one line.
    """

    job_id: str
    made_at: float
    state: JobState
    slices: int
    written: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many jobs there may be."""

    jobs: int = 20  # kept at once
    waiting: int = 5  # that have not begun
    keep_s: float = 7 * 86_400.0  # after which a job is removed


class JobRefused(SpotOnError):
    """A job cannot be begun, or go on, now; the message says what would help."""


JobT = TypeVar("JobT", bound=Job)


class Shelf(Protocol[JobT]):
    """Where jobs lie, so that they outlive the program. Every call blocks, and may raise OSError."""

    def load(self) -> list[JobT]:
        """Return all jobs."""
        ...

    def save(self, job: JobT) -> None:
        """Keep what is known of a job."""
        ...

    def remove(self, job: JobT) -> None:
        """Remove a job with all that was written."""
        ...


class JobQueue(ABC, Generic[JobT]):
    """The jobs of one kind of one site. Used by one event loop.

    Args:
        noun: what such a job is called.
        shelf: where they lie.
        limits: how many there may be.
    """

    def __init__(self, noun: str, shelf: Shelf[JobT], limits: JobLimits) -> None:
        self._noun, self._shelf, self._limits = noun, shelf, limits
        self._log = structlog.get_logger(f"{noun}s")
        self._jobs: dict[str, JobT] = {}
        self._there = asyncio.Event()
        self._queueing = asyncio.Lock()  # so that who asks at the same time is counted one by one
        self._stopped: set[str] = set()  # jobs that are asked to stop

    @abstractmethod
    def _work(self, job: JobT) -> AsyncGenerator[JobT, None]:
        """Yield the job as it is after each slice, and at last as it is done; between, as often as it may be stopped.

        Raises:
            JobRefused: it cannot go on now.
            StoreError: the history failed.
            OSError: the disk failed.
        """

    async def load(self) -> None:
        """Take up the jobs of earlier starts; those that were under way can be resumed."""
        for job in await asyncio.to_thread(self._shelf.load):
            known = replace(job, state=JobState.INTERRUPTED) if job.state in UNDER_WAY else job
            self._jobs[job.job_id] = known

    def jobs(self) -> list[JobT]:
        """Return all jobs, newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.made_at, reverse=True)

    def job(self, job_id: str) -> JobT | None:
        """Return a job; None for an unknown one."""
        return self._jobs.get(job_id)

    async def enqueue(self, job: JobT) -> JobT:
        """Let a new job wait for its turn.

        Raises:
            JobRefused: there are too many.
        """
        async with self._queueing:
            await self._prune(job.made_at)
            if len(self._jobs) >= self._limits.jobs:
                raise JobRefused(f"there are {self._limits.jobs} {self._noun}s already; remove one first")
            self._check_queue()
            await self._keep(job)
        self._there.set()
        return job

    async def resume(self, job: JobT) -> JobT:
        """Let a job that was stopped or failed go on behind its last slice.

        Raises:
            JobRefused: it is none, or too many wait.
        """
        async with self._queueing:
            job = self._jobs.get(job.job_id, job)
            if job.state not in RESUMABLE:
                raise JobRefused(f"this {self._noun} is {job.state.value}, and cannot be resumed")
            self._check_queue()
            self._stopped.discard(job.job_id)
            waiting = await self._keep(replace(job, state=JobState.WAITING, problem=None))
        self._there.set()
        return waiting

    async def stop(self, job: JobT) -> JobT | None:
        """Stop a job that is under way, and return it; remove one that is not."""
        if job.state is JobState.RUNNING:
            self._stopped.add(job.job_id)
            return job
        if job.state is JobState.WAITING:
            return await self._keep(replace(job, state=JobState.CANCELLED))
        await self._remove(job)
        return None

    async def run(self) -> None:
        """Do what waits, one job after the other, until cancelled."""
        while True:
            self._there.clear()
            waiting = [job for job in reversed(self.jobs()) if job.state is JobState.WAITING]
            if not waiting:
                await self._there.wait()
                continue
            await self._do(waiting[0])

    async def _do(self, job: JobT) -> None:
        job = await self._keep(replace(job, state=JobState.RUNNING))
        try:
            job = await self._worked(job)
            state = JobState.DONE if job.written == job.slices else JobState.CANCELLED
            job = replace(job, state=state)
        except (StoreError, JobRefused, OSError) as error:
            job = replace(self._jobs[job.job_id], state=JobState.FAILED, problem=_reason(error))
            self._log.warning("a job failed, and can be resumed", kind=self._noun, job=job.job_id, error=str(error))
        self._stopped.discard(job.job_id)
        await self._keep(job)

    async def _worked(self, job: JobT) -> JobT:
        """Return a job as it is when it is done, or asked to stop."""
        async with aclosing(self._work(job)) as slices:
            async for after in slices:
                job = after if after is job else await self._keep(after)
                if job.job_id in self._stopped:
                    break
        return job

    def _check_queue(self) -> None:
        if sum(job.state is JobState.WAITING for job in self._jobs.values()) >= self._limits.waiting:
            raise JobRefused(f"{self._limits.waiting} {self._noun}s wait already; try again when one is done")

    async def _keep(self, job: JobT) -> JobT:
        await asyncio.to_thread(self._shelf.save, job)
        self._jobs[job.job_id] = job
        return job

    async def _remove(self, job: JobT) -> None:
        self._jobs.pop(job.job_id, None)
        await asyncio.to_thread(self._shelf.remove, job)

    async def _prune(self, now: float) -> None:
        """Remove jobs that are old."""
        old: Sequence[JobT] = [job for job in self._jobs.values() if now - job.made_at > self._limits.keep_s]
        for job in old:
            if job.state not in UNDER_WAY:
                await self._remove(job)


def new_id() -> str:
    """Return a word that cannot be guessed."""
    return secrets.token_urlsafe(12)


def _reason(error: StoreError | JobRefused | OSError) -> str:
    """Return what users are told; nothing of this machine's folders."""
    if isinstance(error, StoreError):
        return "the history cannot be read now"
    return str(error) if isinstance(error, JobRefused) else f"{error.strerror}"
