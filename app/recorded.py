"""Tracks a recorded site and writes its results: the run behind `spoton track` and `spoton eval`."""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.calibration import build_view
from app.domains.mapping.disagreement import check_model
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId, FloatArray
from app.errors import CameraUnavailable, ConfigError
from app.infrastructure.drawing_ink import write_png
from app.infrastructure.floor_sheet import FloorCamera, FloorPlan, PlanImage, read_plan_image
from app.infrastructure.pyav_video import SiteVideo
from app.infrastructure.result_files import CameraRecord, ResultWriter, RunRecord
from app.infrastructure.trajectory_drawing import ImageTrajectories, Paths, draw_trajectories
from app.main import build_history, build_pipeline, identity_notes, open_recordings, open_source, open_worlds
from app.networks import build_networks
from app.orchestration.batcher import Batcher, Fault, FaultKind
from app.orchestration.jobs import Output, Progress, StageClock, run_recording
from app.orchestration.pipeline import Pipeline
from app.picture_codecs import build_codecs
from app.rehearsal import rehearse
from app.settings import SiteFile

REACH_M = 40.0  # a floor without bounds is drawn as far as cameras see, and at most so far from each


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run has come to.

    Attributes:
        counts: batches, frames, boxes, floor points, identities.
        timings: per stage of the frame path.
        faults: everything that was skipped.
        files: what was written.
    """

    counts: Mapping[str, int]
    timings: Mapping[str, Mapping[str, float]]
    faults: Sequence[Fault]
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded site that is ready to be tracked."""

    batcher: Batcher
    pipeline: Pipeline
    views: Mapping[CameraId, CameraView]
    plan: FloorPlan | None  # None: no camera is calibrated
    notes: Sequence[str]


@contextmanager
def open_run(
    site_file: SiteFile, models_dir: Path | None, clock: StageClock, say: Callable[[str], None]
) -> Iterator[Run]:
    """Open all cameras and networks of a recorded site.

    Args:
        site_file: the site.
        models_dir: where named weights lie; None for the default place.
        clock: takes the time of the stages.
        say: called with lines that the user should read, such as which network was chosen.

    Raises:
        SpotOnError: anything that the user can mend.
    """
    site = site_file.site
    recordings, worlds, codecs = open_recordings(site_file), open_worlds(site_file), build_codecs(site_file)
    cameras = range(len(site.cameras))
    with Batcher([open_source(site_file, i, recordings, worlds, codecs.decoding(i)) for i in cameras]) as batcher:
        views = _build_views(site_file, batcher)
        plan = build_plan(site_file, views) if has_floor(site_file) else None
        networks = build_networks(site_file, recordings, models_dir)
        for note in (*networks.notes, *codecs.notes, *_floor_notes(site_file), *identity_notes(site)):
            say(note)
        rehearse(site, views, networks.prepare)
        yield Run(batcher, build_pipeline(site, views, networks, clock), views, plan, networks.notes)


def track(
    site_file: SiteFile,
    out: Path,
    *,
    models_dir: Path | None = None,
    video: bool = False,
    say: Callable[[str], None],
    report: Callable[[Progress, int | None], None],
) -> Summary:
    """Track every frame of a recorded site and write the results to `out`, whole or not at all.

    Args:
        site_file: the site.
        out: the folder of the results.
        models_dir: where named weights lie.
        video: whether to draw an MP4 as well.
        say: called with lines that the user should read.
        report: called after each batch with the progress, and the number of all frames where it is known.

    Raises:
        SpotOnError: anything that the user can mend.
    """
    site, clock = site_file.site, StageClock()
    names = [CameraId(camera.id) for camera in site.cameras]
    with ExitStack() as stack:
        results = stack.enter_context(ResultWriter(out, names, has_floor(site_file)))
        stack.enter_context(_told_of_full_disk(out))
        run = stack.enter_context(open_run(site_file, models_dir, clock, say))
        history = build_history(site, run.pipeline, results.write)
        outputs: list[tuple[str, Output]] = [("write", history.write)]
        if video:
            film = SiteVideo(results.folder / "video.mp4", max(run.batcher.fps.values()), site.site, names, run.plan)
            outputs.append(("video", stack.enter_context(film).write))
        in_images = ImageTrajectories(names)
        if run.plan is None:
            outputs.append(("paths", in_images.write))
        run_recording(
            run.batcher, run.pipeline, outputs, clock, lambda progress: report(progress, run.batcher.frame_count)
        )
        history.finish()
        if video:
            film.close()
        if run.plan is None:
            picture = in_images.draw(site.site)
        else:
            walked = results.trajectories()
            picture = draw_trajectories(run.plan, site.site, Paths(walked.time_s, walked.global_id, walked.xy))
        write_png(results.folder / "trajectories.png", picture)
        counts = results.commit(_record(site_file, run, clock))
    return Summary(counts, clock.summary(), run.batcher.faults, sorted(path.name for path in out.iterdir()))


@contextmanager
def _told_of_full_disk(out: Path) -> Iterator[None]:
    """Name the folder of the results where the system refuses to write on; it does not say which file it was."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}:
            raise
        raise ConfigError(out, "", f"the results cannot be written: {error.strerror}") from error


def check_files(site_file: SiteFile) -> dict[CameraId, CameraView]:
    """Open all that a site file names but weights: footage, detections, calibrations, the drawing of the floor.

    Returns:
        The view of each camera, in the site file's order.

    Raises:
        SpotOnError: a file is missing or broken.
    """
    recordings, worlds = open_recordings(site_file), open_worlds(site_file)
    cameras = range(len(site_file.site.cameras))
    with Batcher([open_source(site_file, i, recordings, worlds) for i in cameras]) as batcher:
        views = _build_views(site_file, batcher)
    _plan_image(site_file)
    return views


def _build_views(site_file: SiteFile, batcher: Batcher) -> dict[CameraId, CameraView]:
    """Wait for each camera's first frame and build its view of the floor.

    Raises:
        CameraUnavailable: a camera without any frame.
        CalibrationError: a calibration that cannot work, or is for frames of another size.
    """
    sizes = batcher.sizes()
    for empty in (fault.camera_id for fault in batcher.faults if fault.kind is FaultKind.EMPTY):
        faults = [fault for fault in batcher.faults if fault.camera_id == empty]
        lost = next((fault for fault in faults if fault.kind is FaultKind.LOST), faults[0])
        raise CameraUnavailable(empty, lost.reason)
    cameras = [CameraId(camera.id) for camera in site_file.site.cameras]
    return {camera: build_view(site_file, i, sizes[camera]) for i, camera in enumerate(cameras)}


def has_floor(site_file: SiteFile) -> bool:
    """Say whether some camera is calibrated."""
    return any(camera.calibration is not None for camera in site_file.site.cameras)


def _floor_notes(site_file: SiteFile) -> Iterator[str]:
    missing = [camera.id for camera in site_file.site.cameras if camera.calibration is None]
    if not has_floor(site_file):
        yield "floor: none, because no camera has a calibration; the results are boxes and ids, without floor.csv"
    elif missing:
        yield f"floor: no calibration for {', '.join(missing)}, so boxes and ids there, but no place on the floor"


def build_plan(site_file: SiteFile, views: Mapping[CameraId, CameraView]) -> FloorPlan:
    """Gather what stands still on the floor: bounds, drawing, zones, cameras and what they see."""
    site = site_file.site
    seen = {name: view.footprint() for name, view in views.items() if view.model is not None}
    bounds = site.floor.bounds if site.floor else _bounds_of(views, seen)
    cameras = []
    for name, view in views.items():
        if view.model is None:
            continue
        place = view.model.position
        position = None if place is None else (float(place[0]), float(place[1]))
        cameras.append(FloorCamera(name, position, view.footprint(bounds)))
    zones = tuple((zone.name, np.array(zone.polygon or zone.line, dtype=np.float64)) for zone in site.zones)
    mirrored = [check_model(view.model).mirrored for view in views.values() if view.model is not None]
    return FloorPlan(bounds, _plan_image(site_file), zones, tuple(cameras), 2 * sum(mirrored) > len(mirrored))


def _bounds_of(
    views: Mapping[CameraId, CameraView], seen: Mapping[CameraId, FloatArray]
) -> tuple[float, float, float, float]:
    corners = []
    for name, polygon in seen.items():
        model = views[name].model
        middle = polygon.mean(axis=0) if model is None or model.position is None else model.position[:2]
        corners.append(np.clip(polygon, middle - REACH_M, middle + REACH_M))
    low, high = np.concatenate(corners).min(axis=0), np.concatenate(corners).max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _plan_image(site_file: SiteFile) -> PlanImage | None:
    floor = site_file.site.floor
    if floor is None or floor.image is None:
        return None
    path = site_file.resolve(floor.image.path)
    try:
        return read_plan_image(path, floor.image.pixels_per_metre, floor.image.origin_px)
    except (OSError, ValueError) as error:
        raise ConfigError(site_file.path, "floor.image.path", f"{path} cannot be read as a picture") from error


def _record(site_file: SiteFile, run: Run, clock: StageClock) -> RunRecord:
    site, batcher = site_file.site, run.batcher
    cameras = {
        CameraId(camera.id): CameraRecord(
            fps=batcher.fps[CameraId(camera.id)],
            start_s=camera.start_s,
            faults=[describe(fault) for fault in batcher.faults if fault.camera_id == camera.id],
        )
        for camera in site.cameras
    }
    bounds = site.floor.bounds if site.floor else None
    record = {"site_file": str(site_file.path), "networks": list(run.notes), **site_file.record()}
    return RunRecord(site.site, record, clock.summary(), cameras, bounds)


def describe(fault: Fault) -> str:
    """Say what went wrong in one line."""
    where = "" if fault.index is None else f"frame {fault.index + 1}: "
    return f"{where}{fault.kind}: {fault.reason}"
