"""Figures made anew from the dots that are kept, as jobs: so that a zone that was just drawn gets a past.

Knows no route and no database.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from app.domains.analytics.figures import Period
from app.domains.analytics.places import PlaceId
from app.orchestration.job_queue import Job, JobLimits, JobQueue, JobState, Shelf, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildJob(Job):
    """A time made anew, hour by hour.

    Attributes:
        place: the only one that it is about; None for all, and heat.
        reached: capture time up to which it is done.
    """

    place: PlaceId | None
    period: Period
    reached: float


class Rebuilding(Protocol):
    """What is made anew, cut into slices."""

    ready_at: float  # capture time from which on it can be begun

    def __len__(self) -> int:
        """Return how many slices there are."""
        ...

    def slices(self) -> Iterator[float]:
        """Make one after the other anew; yields up to which capture time all is done. Blocks.

        Raises:
            StoreError: the history failed; what was yielded is done.
        """
        ...

    def stop(self) -> None:
        """Give up the slice that is under way; any thread may say so."""
        ...


class Rebuilder(Protocol):
    """Makes figures anew, while the history is written."""

    def plan(self, place: PlaceId | None, period: Period, now: float) -> Rebuilding:
        """Find out what can be made anew of the full hours of a period that are over, and kept; blocks.

        Of the hour that goes on, a single place gets what was before it was drawn.

        Raises:
            StoreError: the history cannot be read.
        """
        ...


class Rebuilds(JobQueue[RebuildJob]):
    """The rebuilds of one site. Used by one event loop.

    Args:
        rebuilder: does the work.
        shelf: where jobs lie.
        clock: of capture times.
        limits: how many there may be.
    """

    def __init__(
        self,
        rebuilder: Rebuilder,
        shelf: Shelf[RebuildJob],
        clock: Callable[[], float],
        limits: JobLimits | None = None,
    ) -> None:
        super().__init__("rebuild", shelf, limits or JobLimits())
        self._rebuilder, self._clock = rebuilder, clock

    async def begin(self, place: PlaceId | None, period: Period) -> RebuildJob | None:
        """Begin to make a period anew; None where nothing of it can be.

        Raises:
            JobRefused: there are too many.
            StoreError: the history cannot be read.
        """
        now = self._clock()
        planned = await asyncio.to_thread(self._rebuilder.plan, place, period, now)
        if not len(planned):
            return None
        job = RebuildJob(
            job_id=new_id(),
            made_at=now,
            state=JobState.WAITING,
            slices=len(planned),
            place=place,
            period=period,
            reached=period.since,
        )
        return await self.enqueue(job)

    async def _work(self, job: RebuildJob) -> AsyncGenerator[RebuildJob, None]:
        """Make hour by hour anew; stops between two."""
        rest = Period(job.reached, job.period.until) if job.written else job.period
        planned = await asyncio.to_thread(self._rebuilder.plan, job.place, rest, self._clock())
        await asyncio.sleep(max(0.0, planned.ready_at - self._clock()))
        job = replace(job, slices=job.written + len(planned))
        yield job
        slices = planned.slices()
        try:
            while (reached := await asyncio.to_thread(next, slices, None)) is not None:
                job = replace(job, written=job.written + 1, reached=reached)
                yield job
        finally:
            planned.stop()
