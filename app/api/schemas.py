"""The JSON of the wire: models of the REST answers, and the messages of the floor WebSocket. Knows no route."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.site import CameraPlace, LiveSite
from app.domains.vocabulary import Correction, FloatArray, IntArray, Merge, TrackingUpdate
from app.orchestration.ports import Counts, TrackStore
from app.orchestration.reader import CameraStatus
from app.orchestration.runtime import RuntimeStatus

METRES, SECONDS, CERTAINTY = 3, 4, 3  # decimals on the wire


class SiteName(BaseModel):
    """One of the sites that are served."""

    site: str
    demo: bool


class SiteNames(BaseModel):
    """All sites that are served."""

    sites: list[SiteName]


class PlanImage(BaseModel):
    """The drawing of the floor; origin_px is the site's (0, 0), x to the right, y up."""

    url: str
    pixels_per_metre: float
    origin_px: tuple[float, float]
    width: int
    height: int


class Floor(BaseModel):
    """The watched floor, metres."""

    bounds: tuple[float, float, float, float]
    image: PlanImage | None


class Camera(BaseModel):
    """What stands still about a camera; null is what is not known (yet)."""

    id: str
    width: int | None
    height: int | None
    fps: float | None
    position: tuple[float, float] | None
    footprint: list[tuple[float, float]]


class SiteDescription(BaseModel):
    """What stands still about a site."""

    site: str
    demo: bool
    detector: str
    notes: list[str]
    recorded_since: Annotated[
        str | None, Field(description="The first instant of which the history keeps anything; null where it has none.")
    ]
    floor: Floor | None
    cameras: list[Camera]


class CountsAnswer(BaseModel):
    """How many different people; an identity that was merged counts once."""

    now: int
    last_minute: int
    last_15_minutes: int
    last_hour: int
    observed_since: str | None


class Health(BaseModel):
    """Whether the program answers, and whether it tracks."""

    status: str
    reason: str | None = None


class Readiness(Health):
    """Whether the program tracks, what its graphics cards went through, and how far the history is behind."""

    device_faults: Annotated[
        dict[str, int],
        Field(description="How often something was wrong with a graphics card since the start, by card and fault."),
    ]
    history_lag_s: Annotated[
        float, Field(description="By how many seconds what the history holds is behind what has come.")
    ]


class Ping(BaseModel):
    """What a viewer of the floor may say."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    type: Literal["ping"]
    t: float


class Watch(BaseModel):
    """What a viewer of frames may say."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["watch"]
    cameras: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=256)]
    width: Annotated[int, Field(ge=1, le=8192)] = 640


def timestamp(seconds: float) -> str:
    """Return seconds since epoch as an RFC 3339 timestamp in UTC with Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def site_description(site: LiveSite, begin: float | None) -> SiteDescription:
    """Describe a site; `begin` is the capture time of the first that its history keeps."""
    floor = None
    if site.bounds is not None:
        image = None
        if site.plan is not None:
            width, height = site.plan.size
            image = PlanImage(
                url=f"/api/v1/sites/{site.name}/plan",
                pixels_per_metre=site.plan.pixels_per_metre,
                origin_px=site.plan.origin_px,
                width=width,
                height=height,
            )
        floor = Floor(bounds=site.bounds, image=image)
    return SiteDescription(
        site=site.name,
        demo=site.demo,
        detector=site.detector,
        notes=list(site.notes),
        recorded_since=None if begin is None else timestamp(begin),
        floor=floor,
        cameras=[_camera(camera) for camera in site.cameras],
    )


def _camera(camera: CameraPlace) -> Camera:
    width, height = camera.size or (None, None)
    return Camera(
        id=camera.camera_id,
        width=width,
        height=height,
        fps=camera.fps,
        position=camera.position,
        footprint=camera.footprint.round(METRES).tolist(),
    )


def counts_answer(counts: Counts, now: int) -> CountsAnswer:
    """Describe how many people there were; `now` is how many dots there are."""
    return CountsAnswer(
        now=now,
        last_minute=counts.last_minute,
        last_15_minutes=counts.last_15_minutes,
        last_hour=counts.last_hour,
        observed_since=None if counts.observed_since is None else timestamp(counts.observed_since),
    )


def floor_json(update: TrackingUpdate, seq: int, published_at: float) -> dict[str, Any]:
    """Describe the dots of one instant."""
    floor = update.floor
    covariance = floor.covariance.reshape(-1, 4)[:, [0, 1, 3]].round(5).tolist()
    columns = zip(
        floor.global_id.tolist(),
        floor.xy.round(METRES).tolist(),
        floor.velocity.round(METRES).tolist(),
        covariance,
        floor.cameras,
        floor.certainty.round(CERTAINTY).tolist(),
        strict=True,
    )
    people = [
        {"id": person, "x": x, "y": y, "vx": vx, "vy": vy, "cov": cov, "cameras": cameras, "certainty": certainty}
        for person, (x, y), (vx, vy), cov, cameras, certainty in columns
    ]
    return {
        "type": "floor",
        "seq": seq,
        "captured_at": round(update.captured_at, SECONDS),
        "published_at": round(published_at, SECONDS),
        "people": people,
        "corrections": [_correction(correction) for correction in update.corrections],
    }


def _correction(correction: Correction) -> dict[str, Any]:
    certainty = round(correction.certainty, CERTAINTY)
    if isinstance(correction, Merge):
        return {"type": "merge", "gone": correction.gone, "kept": correction.kept, "certainty": certainty}
    return {
        "type": "split",
        "mixed": correction.mixed,
        "apart": correction.apart,
        "since": _bound(correction.since),
        "until": _bound(correction.until),
        "reported": correction.reported,
        "certainty": certainty,
    }


def _bound(at: float) -> float | None:
    """Return the begin or end of a split; None for one without, which JSON has no number for."""
    return round(at, SECONDS) if math.isfinite(at) else None


def truth_json(captured_at: float, person: IntArray, xy: FloatArray) -> dict[str, Any]:
    """Describe who really was where at one instant."""
    rows = zip(person.tolist(), xy.round(METRES).tolist(), strict=True)
    people = [{"id": name, "x": x, "y": y} for name, (x, y) in rows]
    return {"type": "truth", "captured_at": round(captured_at, SECONDS), "people": people}


def state_json(
    status: RuntimeStatus, latency_ms: Sequence[float | None], counts: Counts | None, now: int, store: TrackStore
) -> dict[str, Any]:
    """Describe how the site does; counts are null while the history cannot be read."""
    return {
        "type": "state",
        "at": round(status.at, SECONDS),
        "cameras": [_camera_state(camera) for camera in status.cameras],
        "latency_ms": {"p50": latency_ms[0], "p95": latency_ms[1]},
        "stages_ms": dict(status.stages_ms),
        "steps_per_s": status.steps_per_s,
        "fault": status.fault,
        "device_faults": dict(status.device_faults),
        "history_waiting": store.waiting(),
        "history_lag_s": round(store.lag_s(), SECONDS),
        "counts": None if counts is None else counts_answer(counts, now).model_dump(),
    }


def _camera_state(camera: CameraStatus) -> Mapping[str, Any]:
    return {
        "id": camera.camera_id,
        "state": camera.state.value,
        "fps": round(camera.fps, 2),
        "age_s": None if camera.age_s is None else round(camera.age_s, 3),
        "dropped": sum(camera.dropped.values()),
        "drops": {drop.value: frames for drop, frames in camera.dropped.items()},
        "frames": camera.frames,
        "reason": camera.reason,
    }
