"""Serves a live site: cameras, networks, frame path, history and web server, put together and taken down again."""

import asyncio
import atexit
import errno
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI

from app.api.application import Access, build_api
from app.api.conversation import LARGEST_INPUT
from app.api.site import CameraPlace, LiveSite, PlanPicture
from app.calibration import build_view
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId, FloatArray, IntArray
from app.errors import CameraUnavailable, ConfigError, SpotOnError, StoreError
from app.evaluation.live_score import LiveScore
from app.infrastructure.data_folder import DataFolder
from app.infrastructure.export_folder import ExportFolder
from app.infrastructure.floor_sheet import FloorPlan, read_plan_image
from app.infrastructure.job_folder import JobFolder
from app.infrastructure.logs import configure_logs
from app.infrastructure.sql_archive import SQLArchive
from app.infrastructure.sql_database import Database, open_database
from app.infrastructure.sql_rebuilder import SQLRebuilder, rebuild_of
from app.infrastructure.sql_retention import Retention
from app.infrastructure.sql_revision import check
from app.infrastructure.sql_store import SQLStore, StoreConfig
from app.infrastructure.sql_write import Start
from app.main import (
    LiveFootage,
    Worlds,
    build_history,
    build_pipeline,
    build_places,
    identity_notes,
    is_simulated,
    open_live_source,
    open_recordings,
    open_worlds,
)
from app.networks import Networks, build_networks
from app.orchestration.clock import Pace, SteadyClock
from app.orchestration.exports import Exports
from app.orchestration.ports import FloorTruth, JpegEncoder
from app.orchestration.reader import CameraFeed
from app.orchestration.rebuilds import Rebuilds
from app.orchestration.runtime import Runtime
from app.picture_codecs import build_codecs
from app.recorded import build_plan, has_floor
from app.rehearsal import rehearse
from app.settings import SiteFile
from app.simulation.address import parse_address

FIRST_FRAMES_S = 60.0  # how long the start waits for cameras; network cameras give up sooner by themselves
DATABASE_S, DATABASE_RETRY_S = 30.0, 2.0  # how long the start waits for a server that is starting itself
NO_FOOTPRINT: FloatArray = np.empty((0, 2))
STOP_S = 0.7  # for threads to end, and for the history to be written; all within two seconds after Ctrl-C
SEND_BUFFER = 262_144  # bytes that the system holds back for a slow viewer: a few frames, and not seconds of them


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and for whom a site is served.

    Attributes:
        host: address to listen on.
        port: 0 for any free one.
        data: folder of the embedded history, and of what waits for another database.
        models: where named weights lie; None for the default place.
        access: who may speak to the server.
        database: address of the history's database; None for a file in `data`.
        keep: how long the history keeps rows.
    """

    host: str
    port: int
    data: Path
    models: Path | None = None
    access: Access = field(default_factory=Access)
    database: str | None = None
    keep: Retention = field(default_factory=Retention)


class _PacedTruth:
    """A recording's truth, asked by the capture times under which it is played."""

    def __init__(self, truth: FloorTruth, pace: Pace) -> None:
        self._truth, self._pace = truth, pace

    def people_at(self, captured_at: float) -> tuple[IntArray, FloatArray]:
        source_s = self._pace.source_time(captured_at)
        return self._truth.people_at(max(0.0, source_s or 0.0))  # a skewed clock may show the time before the start


@dataclass(frozen=True, slots=True)
class _Scene:
    """What stands still: the site file, what each camera sees, and the floor's plan; None where none is calibrated."""

    site_file: SiteFile
    views: Mapping[CameraId, CameraView]
    plan: FloorPlan | None


@dataclass(frozen=True, slots=True)
class _Past:
    """The history: what takes it in, what tells it, what writes it into files, and what makes its figures anew."""

    store: SQLStore
    archive: SQLArchive
    exports: Exports
    rebuilds: Rebuilds


class _Server(uvicorn.Server):
    """uvicorn that says when it answers, and ends in order on SIGINT and SIGTERM; its own way ends in a traceback.

    Args:
        application: what is served.
        ready: called once it answers.
        stopping: called as soon as a signal has come.
    """

    def __init__(self, application: FastAPI, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_per_message_deflate=False,  # pictures do not shrink, and it costs 2 ms of CPU each
            ws_max_size=LARGEST_INPUT,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def run_until_signal(self, listening: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        await self.serve(sockets=[listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            await asyncio.to_thread(self._ready)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone; `run_until_signal` has its own handlers."""
        yield

    def stop(self) -> None:
        """End in order; any thread may call it."""
        self._stopping()
        self.should_exit = True


def serve(
    site_file: SiteFile,
    options: ServeOptions,
    *,
    say: Callable[[str], None],
    ready: Callable[[str], None],
    truth_of: Callable[[Worlds], FloorTruth] | None = None,
) -> None:
    """Serve a site until SIGINT or SIGTERM.

    Args:
        site_file: the site.
        options: where and for whom.
        say: called with lines that the user should read.
        ready: called with the address once the server answers.
        truth_of: for a simulated site: returns who really is where, in the simulation's own time, from its worlds.

    Raises:
        SpotOnError: anything that the user can mend; DeviceError also when a card is lost while it runs.
    """
    configure_logs()
    stuck: list[str] = []
    code = 0
    try:
        _serve_site(site_file, options, say, ready, truth_of, stuck)
    except BaseException as error:
        code = 2 if isinstance(error, SpotOnError) else getattr(error, "code", 130)
        raise
    finally:
        if stuck:  # the interpreter's end would tear such a thread out of a library's C++, which aborts the program
            atexit.register(os._exit, code)


def _serve_site(
    site_file: SiteFile,
    options: ServeOptions,
    say: Callable[[str], None],
    ready: Callable[[str], None],
    truth_of: Callable[[Worlds], FloorTruth] | None,
    stuck: list[str],
) -> None:
    """Put a site together, serve it, take it down; enters the names of threads that do not end in `stuck`."""
    with ExitStack() as stack:
        folder = stack.enter_context(DataFolder(options.data))
        listening = stack.enter_context(listen(options.host, options.port))
        database = _open_history(options, say)
        recordings, pace, codecs = open_recordings(site_file), Pace(SteadyClock()), build_codecs(site_file)
        footage = LiveFootage(recordings, open_worlds(site_file), pace, codecs)
        feeds = [
            CameraFeed(CameraId(camera.id), partial(open_live_source, site_file, i, footage))
            for i, camera in enumerate(site_file.site.cameras)
        ]
        runtime = Runtime(feeds, pace.clock)
        stack.callback(lambda: stuck.extend(runtime.stop(STOP_S)))
        runtime.start()  # cameras wake up while networks are loaded
        networks = build_networks(site_file, recordings, options.models)
        for note in (*networks.notes, *codecs.notes, *identity_notes(site_file.site)):
            say(note)
        say(f"waiting for {len(feeds)} {'camera' if len(feeds) == 1 else 'cameras'}")
        views = _views(site_file, runtime, folder, say)
        say("getting ready; the first start on a machine compiles for a minute or two")
        rehearse(site_file.site, views, networks.prepare)
        scene = _Scene(site_file, views, build_plan(site_file, views) if has_floor(site_file) else None)
        start, keeping = _start(scene, pace.clock.now()), StoreConfig(keep=options.keep)
        store = SQLStore(database, folder.path / "spool", start, partial(_states, runtime), keeping)
        stack.callback(store.close, STOP_S)
        past = _past(scene, database, store, runtime, folder.path)
        site = _live_site(scene, networks, runtime, past, codecs.encoder)
        if truth_of is not None:
            site = _simulated(site, _PacedTruth(truth_of(footage.worlds), pace))
        application = build_api(site, options.access)
        pipeline = build_pipeline(site_file.site, views, networks, runtime.stages, store.last_id)
        history = build_history(site_file.site, pipeline, lambda _batch, update: store.append(update))
        stack.callback(history.finish)
        # nothing may be added to a history that has ended, so the frame path stops first
        stack.callback(lambda: stuck.extend(runtime.stop(STOP_S)))
        runtime.listen(history.write)
        server = _Server(application, partial(ready, _address(listening, options.host)), runtime.ask_to_stop)
        runtime.on_loss = server.stop
        runtime.track(pipeline, networks.device_faults)
        asyncio.run(server.run_until_signal(listening))
        if runtime.lost is not None:
            raise runtime.lost


def _open_history(options: ServeOptions, say: Callable[[str], None]) -> Database:
    """Open the history's database and see that its tables are the right ones; waits for a server that is starting.

    Raises:
        ConfigError: no such database can be, or its tables are of another version.
        StoreError: a server that does not answer.
    """
    address = options.database or f"sqlite:///{options.data / 'history.sqlite'}"
    given = f"--data {options.data}" if options.database is None else "--database URL"
    database, end, told = open_database(address), time.monotonic() + DATABASE_S, False
    while True:
        try:
            check(database, f"spoton db upgrade {given}", make=options.database is None)
        except StoreError as error:
            if options.database is None or time.monotonic() > end:
                database.close()
                raise
            if not told:
                say(f"waiting for the database: {error}")
            told = True
            time.sleep(DATABASE_RETRY_S)
        else:
            return database


def _past(scene: _Scene, database: Database, store: SQLStore, runtime: Runtime, folder: Path) -> _Past:
    name, rates = scene.site_file.site.site, runtime.rates()
    archive = SQLArchive(database, name)
    files = ExportFolder(folder / "exports", _address_name(scene.site_file), {c: rates.get(c) for c in scene.views})
    jobs = JobFolder(folder / "rebuilds", rebuild_of)
    rebuilds = Rebuilds(SQLRebuilder(database, name), jobs, runtime.clock.now)
    return _Past(store, archive, Exports(archive, files), rebuilds)


def _start(scene: _Scene, begun: float) -> Start:
    """Say what the history should know of this start."""
    site_file, plan = scene.site_file, scene.plan
    calibrations = {name: _calibration(view) for name, view in scene.views.items()}
    footprints = {} if plan is None else {CameraId(camera.camera_id): camera.view for camera in plan.cameras}
    bounds = None if plan is None else plan.bounds
    return Start(site_file.site.site, begun, calibrations, build_places(site_file), footprints, bounds)


def _calibration(view: CameraView) -> str:
    """Return a camera's calibration as JSON."""
    model = None if view.model is None else asdict(view.model)
    return json.dumps(model, default=_plain, sort_keys=True, allow_nan=False)


def _plain(value: np.ndarray | np.record) -> object:
    """Return what JSON knows; None for a limit that is not there."""
    if not isinstance(value, np.record):
        return value.tolist()
    fields = {name: value[name] for name in value.dtype.names or ()}
    return {name: None if np.ndim(part) == 0 and np.isinf(part) else part for name, part in fields.items()}


def _states(runtime: Runtime) -> tuple[float, list[tuple[CameraId, str, str | None]]]:
    """Return the time now, and how each camera does and why."""
    status = runtime.status()
    return status.at, [(camera.camera_id, str(camera.state), camera.reason) for camera in status.cameras]


def _views(
    site_file: SiteFile, runtime: Runtime, folder: DataFolder, say: Callable[[str], None]
) -> dict[CameraId, CameraView]:
    """Build the view of each camera; of one that gives no frame, from the size that it had or should have.

    Raises:
        CameraUnavailable: a camera that gives no frame and whose size nobody knows.
        CalibrationError: a calibration that cannot work, or is for frames of another size.
    """
    seen, known = runtime.sizes(FIRST_FRAMES_S), folder.sizes()
    reasons = {camera.camera_id: camera.reason for camera in runtime.status().cameras}
    views = {}
    for i, camera in enumerate(site_file.site.cameras):
        name = CameraId(camera.id)
        silent = f"gave no frame ({reasons[name] or f'nor a fault in {FIRST_FRAMES_S:g} s'})"
        size = seen.get(name) or camera.size or known.get(name) or _simulated_size(camera.source or "")
        if size is None:
            raise CameraUnavailable(name, f"{silent}; give its size: [width, height] to start without it")
        if name not in seen:
            say(f"camera {name}: {silent}; tried again while the others run")
        views[name] = build_view(site_file, i, size)
    sizes = {name: view.size for name, view in views.items()}
    runtime.expect(sizes)
    folder.remember_sizes(sizes)
    return views


def _live_site(scene: _Scene, networks: Networks, runtime: Runtime, past: _Past, encoder: JpegEncoder) -> LiveSite:
    site_file, plan = scene.site_file, scene.plan
    bounds = None if plan is None else plan.bounds
    seen = {} if plan is None else {CameraId(camera.camera_id): camera for camera in plan.cameras}
    rates = runtime.rates()
    cameras = []
    for name, view in scene.views.items():
        place = seen.get(name)
        position, footprint = (None, NO_FOOTPRINT) if place is None else (place.position, place.view)
        cameras.append(CameraPlace(name, view.size, rates.get(name), position, footprint))
    return LiveSite(
        name=_address_name(site_file),
        detector=networks.names[0],
        notes=tuple(_notes(networks)),
        bounds=bounds,
        plan=_plan_picture(site_file),
        cameras=tuple(cameras),
        runtime=runtime,
        store=past.store,
        archive=past.archive,
        watch=past.store,
        exports=past.exports,
        rebuilds=past.rebuilds,
        encoder=encoder,
        text_encoder=networks.text_encoder(),
    )


def _address_name(site_file: SiteFile) -> str:
    """Return the site's name as it stands in addresses and file names."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", site_file.site.site)


def _simulated(site: LiveSite, truth: FloorTruth) -> LiveSite:
    """Return a site that knows who really is where."""
    note = "These people are simulated. The cameras' pictures are drawn, and everything else is measured from them."
    return replace(site, notes=(note, *site.notes), truth=truth, scorer=LiveScore(truth))


def _simulated_size(source: str) -> tuple[int, int] | None:
    """Return the size of a simulated camera's pictures, which is known before the first is drawn."""
    return parse_address(source).size if is_simulated(source) else None


def _notes(networks: Networks) -> Iterator[str]:
    """Say what viewers should know; nothing of this machine's folders."""
    detector, embedder = networks.names
    yield f"People are found by {detector}."
    told = "where they are alone" if embedder == "none" else f"where they are and how they look ({embedder})"
    yield f"They are told apart by {told}."


def _plan_picture(site_file: SiteFile) -> PlanPicture | None:
    floor = site_file.site.floor
    if floor is None or floor.image is None:
        return None
    path = site_file.resolve(floor.image.path)
    try:
        height, width = read_plan_image(path, floor.image.pixels_per_metre, floor.image.origin_px).pixels.shape[:2]
    except (OSError, ValueError) as error:
        raise ConfigError(site_file.path, "floor.image.path", f"{path} cannot be read as a picture") from error
    media_type = "image/png" if path.suffix.lower() == ".png" else "image/jpeg"
    return PlanPicture(path, media_type, floor.image.pixels_per_metre, floor.image.origin_px, (width, height))


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Take the port at once, so that a taken one is known before networks are loaded."""
    with ExitStack() as stack:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            # named, or asyncio lets the kernel hold small answers back until the ones before are acknowledged: 40 ms
            listening = stack.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            listening.bind((host, port))
            listening.listen(128)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            problem = "the port is taken; stop what listens there, or give another --port"
            raise ConfigError(f"{host}:{port}", "", problem if taken else str(error.strerror)) from error
        yield listening


def _address(listening: socket.socket, host: str) -> str:
    port = listening.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
