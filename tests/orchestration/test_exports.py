"""Exports that are asked for at the same time; the rest of them is tested over REST."""

import asyncio

import pytest
from fake_archive import NOON, FakeArchive

from app.domains.analytics.figures import Period
from app.infrastructure.export_folder import ExportFolder
from app.orchestration.exports import ExportLimits, Exports
from app.orchestration.job_queue import JobLimits, JobRefused, JobState
from app.orchestration.tables import Format, Order, What

ORDER = Order(What.DOTS, Format.CSV, Period(NOON, NOON + 60.0))


@pytest.fixture
def exports(tmp_path):
    return Exports(FakeArchive(), ExportFolder(tmp_path, "shop", {}), ExportLimits(JobLimits(waiting=2)))


async def together(*asked):
    """Return how many were accepted, and how many refused."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [isinstance(answer, JobRefused) for answer in answers]
    return len(answers) - sum(refused), sum(refused)


def test_no_more_wait_than_may_however_many_ask_at_once(exports):
    assert asyncio.run(together(*(exports.begin(ORDER, NOON) for _ in range(10)))) == (2, 8)
    assert len(exports.jobs()) == 2


def test_an_export_that_is_resumed_twice_at_once_waits_once(exports):
    async def resumed():
        job = await exports.stop(await exports.begin(ORDER, NOON))
        return await together(exports.resume(job), exports.resume(job))

    assert asyncio.run(resumed()) == (1, 1)
    assert [job.state for job in exports.jobs()] == [JobState.WAITING]
