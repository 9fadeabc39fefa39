"""REST: figures made anew from the dots that are kept, by jobs: so that a zone that was just drawn gets a past."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.asked import LONGEST_S, When, instant, period_of
from app.api.errors import WrongField
from app.api.permissions import permission
from app.api.places import known_place
from app.api.route import Route
from app.api.schemas import timestamp
from app.api.sites import NamedSite
from app.domains.analytics.places import FLOOR
from app.orchestration.job_queue import JobRefused, JobState
from app.orchestration.rebuilds import RebuildJob, Rebuilds

router = APIRouter(prefix="/api/v1/sites", tags=["analytics"], route_class=Route)
NOTHING = "no dots are kept of any hour of that period that is over"
READ, WRITE = [permission("analytics:read")], [permission("analytics:write")]
EXAMPLE: dict[str, Any] = {"place": "till", "since": "2026-11-01T00:00:00Z"}


class Wanted(BaseModel):
    """What is to be made anew: one zone or line, or all of them and the heat; without period, all that is kept."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    place: Annotated[str, Field(max_length=64)] | None = None
    since: When | None = None
    until: When | None = None


class RebuildItem(BaseModel):
    """A rebuild. It can be resumed where it has failed, was cancelled, or was interrupted by the program's end."""

    id: str
    place: str | None
    since: str
    until: str
    made_at: str
    state: JobState
    progress: Annotated[float, Field(description="Share of the hours that are done, 0 to 1.")]
    hours: Annotated[int, Field(description="Of which dots are kept, and which are over.")]
    reached: Annotated[str | None, Field(description="Up to when all is done; null before the first hour.")]
    problem: str | None


class RebuildsAnswer(BaseModel):
    """All rebuilds, newest first."""

    rebuilds: list[RebuildItem]


async def rebuilds_of(site: NamedSite) -> Rebuilds:
    """Return the rebuilds of the site of the address."""
    return site.rebuilds


SiteRebuilds = Annotated[Rebuilds, Depends(rebuilds_of)]


async def named_rebuild(job: Annotated[str, Path(max_length=40)], rebuilds: SiteRebuilds) -> RebuildJob:
    """Return the job of the address.

    Raises:
        HTTPException: 404, no such job.
    """
    found = rebuilds.job(job)
    if found is None:
        raise HTTPException(404, "there is no such rebuild")
    return found


NamedRebuild = Annotated[RebuildJob, Depends(named_rebuild)]


@router.post("/{site}/rebuilds", summary="Make figures anew", status_code=202, dependencies=WRITE)
async def begin_rebuild(site: NamedSite, rebuilds: SiteRebuilds, wanted: Wanted, response: Response) -> RebuildItem:
    """Begin to make figures anew; the job's address is in the header Location. Tracking and history go on meanwhile.

    Full hours of which dots are kept are made anew. Of the hour that goes on, a single zone or line gets what was
    before it was drawn, once.
    """
    now = site.runtime.clock.now()
    first = await site.archive.begin() if wanted.since is None else instant("since", wanted.since)
    if first is None:
        raise WrongField("since", NOTHING)
    period = period_of(max(first, now - LONGEST_S), wanted.until, now)
    place = None if wanted.place is None else await known_place(site.archive, wanted.place)
    if place == FLOOR:
        raise WrongField("place", "names no zone and no line; leave it out for all of them, and the whole floor")
    try:
        job = await rebuilds.begin(place, period)
    except JobRefused as error:
        raise HTTPException(409, str(error)) from error
    if job is None:
        raise WrongField("since", NOTHING)
    response.headers["location"] = f"/api/v1/sites/{site.name}/rebuilds/{job.job_id}"
    return rebuild_item(job)


@router.get("/{site}/rebuilds", summary="All rebuilds", dependencies=READ)
async def list_rebuilds(rebuilds: SiteRebuilds) -> RebuildsAnswer:
    """Return all rebuilds, newest first."""
    return RebuildsAnswer(rebuilds=[rebuild_item(job) for job in rebuilds.jobs()])


@router.get("/{site}/rebuilds/{job}", summary="How a rebuild does", dependencies=READ)
async def describe_rebuild(job: NamedRebuild) -> RebuildItem:
    """Return state and progress of a rebuild."""
    return rebuild_item(job)


@router.post("/{site}/rebuilds/{job}/resume", summary="Let a rebuild go on", status_code=202, dependencies=WRITE)
async def resume_rebuild(rebuilds: SiteRebuilds, job: NamedRebuild) -> RebuildItem:
    """Let a rebuild that failed or was stopped go on behind the last hour that is done."""
    try:
        return rebuild_item(await rebuilds.resume(job))
    except JobRefused as error:
        raise HTTPException(409, str(error)) from error


@router.delete("/{site}/rebuilds/{job}", summary="Stop a rebuild, or forget it", status_code=204, dependencies=WRITE)
async def stop_rebuild(rebuilds: SiteRebuilds, job: NamedRebuild) -> Response:
    """Stop a rebuild that is under way, which can be resumed then; forget one that is not. What is done stays done."""
    await rebuilds.stop(job)
    return Response(status_code=204)


def rebuild_item(job: RebuildJob) -> RebuildItem:
    """Describe a rebuild."""
    return RebuildItem(
        id=job.job_id,
        place=job.place,
        since=timestamp(job.period.since),
        until=timestamp(job.period.until),
        made_at=timestamp(job.made_at),
        state=job.state,
        progress=round(job.written / job.slices, 4),
        hours=job.slices,
        reached=timestamp(job.reached) if job.written else None,
        problem=job.problem,
    )
