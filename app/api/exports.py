"""REST: the history as files. Small ones come at once; large ones are made by jobs that can be stopped and resumed."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.asked import When, asked_identity, known_camera, period_of
from app.api.errors import WrongField
from app.api.permissions import permission
from app.api.places import known_place
from app.api.route import Route
from app.api.schemas import timestamp
from app.api.site import LiveSite
from app.api.sites import NamedSite
from app.domains.analytics.places import PlaceId
from app.orchestration.exports import ExportJob, Exports
from app.orchestration.job_queue import JobRefused, JobState
from app.orchestration.tables import DAY_S, HOUR_S, Format, Order, What

LONGEST_AT_ONCE_S = {What.DOTS: DAY_S, What.BOXES: HOUR_S}  # of what is streamed; else LONGEST_FIGURES_S
LONGEST_FIGURES_S = 31 * DAY_S
MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.MOT: "text/plain; charset=utf-8",
    Format.AICITY: "text/plain; charset=utf-8",
}

router = APIRouter(prefix="/api/v1/sites", tags=["exports"], route_class=Route)
READ, WRITE = [permission("exports:read")], [permission("exports:write")]
EXAMPLE: dict[str, Any] = {
    "what": "dots",
    "format": "parquet",
    "since": "2026-11-01T00:00:00Z",
    "until": "2026-12-01T00:00:00Z",
}


class Wanted(BaseModel):
    """What is to be exported. Boxes may be of one camera, dots and stays of one person, the rest of one place."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    what: What
    format: Format
    since: When
    until: When
    place: Annotated[str, Field(max_length=64)] | None = None
    camera: Annotated[str, Field(max_length=64)] | None = None
    identity: int | None = None
    bucket_s: Annotated[int, Field(ge=60, le=86_400, multiple_of=60)] = 3600


class JobItem(BaseModel):
    """An export. It can be resumed where it has failed, was cancelled, or was interrupted by the program's end."""

    id: str
    what: What
    format: Format
    since: str
    until: str
    made_at: str
    state: JobState
    progress: Annotated[float, Field(description="Share of the period that is written, 0 to 1.")]
    rows: int
    bytes: int
    problem: str | None
    file: Annotated[str | None, Field(description="Where the file is; null until it is done.")]


class JobsAnswer(BaseModel):
    """All exports, newest first."""

    exports: list[JobItem]


async def exports_of(site: NamedSite) -> Exports:
    """Return the exports of the site of the address."""
    return site.exports


async def named_job(
    job: Annotated[str, Path(max_length=40)], exports: Annotated[Exports, Depends(exports_of)]
) -> ExportJob:
    """Return the job of the address.

    Raises:
        HTTPException: 404, no such job.
    """
    found = exports.job(job)
    if found is None:
        raise HTTPException(404, "there is no such export")
    return found


SiteExports = Annotated[Exports, Depends(exports_of)]
NamedJob = Annotated[ExportJob, Depends(named_job)]


@router.post("/{site}/exports", summary="Export history to a file", status_code=202, dependencies=WRITE)
async def begin_export(site: NamedSite, exports: SiteExports, wanted: Wanted, response: Response) -> JobItem:
    """Begin an export; its address is in the header Location."""
    order = await order_of(site, wanted)
    try:
        job = await exports.begin(order, site.runtime.clock.now())
    except JobRefused as error:
        raise HTTPException(409, str(error)) from error
    item = job_item(site, job)
    response.headers["location"] = f"/api/v1/sites/{site.name}/exports/{job.job_id}"
    return item


@router.get("/{site}/exports", summary="All exports", dependencies=READ)
async def list_exports(site: NamedSite, exports: SiteExports) -> JobsAnswer:
    """Return all exports, newest first."""
    return JobsAnswer(exports=[job_item(site, job) for job in exports.jobs()])


@router.get("/{site}/exports/{job}", summary="How an export does", dependencies=READ)
async def describe_export(site: NamedSite, job: NamedJob) -> JobItem:
    """Return state and progress of an export."""
    return job_item(site, job)


@router.get("/{site}/exports/{job}/file", summary="What was exported", response_class=FileResponse, dependencies=READ)
async def export_file(exports: SiteExports, job: NamedJob) -> FileResponse:
    """Send the file of an export that is done; parts of it, where that is asked for."""
    if job.state is not JobState.DONE:
        raise HTTPException(409, f"this export is {job.state.value}; there is a file when it is done")
    return FileResponse(exports.file(job), media_type=MEDIA_TYPES[job.order.format], filename=job.filename)


@router.post("/{site}/exports/{job}/resume", summary="Let an export go on", status_code=202, dependencies=WRITE)
async def resume_export(site: NamedSite, exports: SiteExports, job: NamedJob) -> JobItem:
    """Let an export that failed or was stopped go on behind what it has written."""
    try:
        return job_item(site, await exports.resume(job))
    except JobRefused as error:
        raise HTTPException(409, str(error)) from error


@router.delete("/{site}/exports/{job}", summary="Stop an export, or remove it", status_code=204, dependencies=WRITE)
async def stop_export(exports: SiteExports, job: NamedJob) -> Response:
    """Stop an export that is under way, which can be resumed then; remove one that is not, with its file."""
    await exports.stop(job)
    return Response(status_code=204)


@router.get("/{site}/export", summary="A small export, at once", response_class=StreamingResponse, dependencies=READ)
async def export_at_once(
    site: NamedSite, exports: SiteExports, wanted: Annotated[Wanted, Query()]
) -> StreamingResponse:
    """Send rows as they are read: dots of a day, boxes of an hour, or figures of a month at most."""
    order = await order_of(site, wanted)
    longest_s = LONGEST_AT_ONCE_S.get(order.what, LONGEST_FIGURES_S)
    if order.period.seconds > longest_s:
        raise WrongField("since", f"lies more than {longest_s / HOUR_S:g} hours before until; POST to exports for more")
    pieces = exports.stream(order)
    try:
        first = await anext(pieces)
    except JobRefused as error:
        raise HTTPException(409, str(error)) from error
    name = f"{site.name}-{order.what.value}"
    headers = {"content-disposition": f'attachment; filename="{name}.{order.format.value}"'}
    return StreamingResponse(_all(first, pieces), media_type=MEDIA_TYPES[order.format], headers=headers)


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def order_of(site: LiveSite, wanted: Wanted) -> Order:
    """Return the order for what is wanted.

    Raises:
        WrongField: a period that cannot be, or a place or camera that is not there.
    """
    period = period_of(wanted.since, wanted.until, site.runtime.clock.now())
    place = None if wanted.place is None else await known_place(site.archive, wanted.place)
    identity = None if wanted.identity is None else asked_identity(wanted.identity)
    if wanted.identity is not None and identity is None:
        raise WrongField("identity", "is no id that anybody can have")
    return Order(
        what=wanted.what,
        format=wanted.format,
        period=period,
        place=None if place is None else PlaceId(place),
        camera=None if wanted.camera is None else known_camera(site, wanted.camera),
        identity=identity,
        bucket_s=float(wanted.bucket_s),
    )


def job_item(site: LiveSite, job: ExportJob) -> JobItem:
    """Describe an export."""
    done = job.state is JobState.DONE
    return JobItem(
        id=job.job_id,
        what=job.order.what,
        format=job.order.format,
        since=timestamp(job.order.period.since),
        until=timestamp(job.order.period.until),
        made_at=timestamp(job.made_at),
        state=job.state,
        progress=round(job.written / job.slices, 4),
        rows=job.rows,
        bytes=job.size,
        problem=job.problem,
        file=f"/api/v1/sites/{site.name}/exports/{job.job_id}/file" if done else None,
    )
