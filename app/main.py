"""The composition root: builds the sources and the frame path of a validated site. Plain constructor calls."""

import glob
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np

from app.domains.analytics.places import Line, Place, PlaceId, Zone, check_place
from app.domains.detection.tracker import CameraTrackers
from app.domains.mapping.fusion import FloorFusion
from app.domains.mapping.view import CameraView
from app.domains.reid.gallery import Gallery
from app.domains.reid.identity import IdentityResolver
from app.domains.reid.likelihood import CosineLikelihood
from app.domains.vocabulary import CameraId
from app.errors import ConfigError
from app.infrastructure.image_source import ImageSource
from app.infrastructure.live_source import LIVE_ADDRESS, LiveSource
from app.infrastructure.mot_detections import DetectionsSource, Recording, read_recording
from app.infrastructure.paced_source import PacedSource
from app.infrastructure.pyav_decoding import HOST_DECODING, Decoding
from app.infrastructure.pyav_source import PyAVSource
from app.networks import Networks
from app.orchestration.clock import Pace
from app.orchestration.history import History, Output
from app.orchestration.pipeline import Pipeline
from app.orchestration.ports import FrameSource
from app.picture_codecs import PictureCodecs
from app.settings import Site, SiteFile
from app.simulation.address import parse_address
from app.simulation.scenes.catalogue import build_scene
from app.simulation.source import SimulationSource
from app.simulation.world import World, WorldConfig

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
Worlds = dict[tuple[str, WorldConfig], World]  # by scene and people
# Never shown in errors: an address may hold a password.
ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+.-]*://|(usb|sim):")


def open_recordings(site_file: SiteFile) -> dict[CameraId, Recording]:
    """Read the recorded detections of the cameras that have them instead of pixels."""
    recordings = {}
    for camera in site_file.site.cameras:
        if camera.detections is not None:
            embeddings = None if camera.embeddings is None else site_file.resolve(camera.embeddings)
            recordings[CameraId(camera.id)] = read_recording(site_file.resolve(camera.detections), embeddings)
    return recordings


def open_worlds(site_file: SiteFile) -> Worlds:
    """Build what the site's simulated cameras see; cameras of one scene and the same people share one world.

    Raises:
        ConfigError: an address that names no simulated camera.
    """
    worlds: Worlds = {}
    for i, camera in enumerate(site_file.site.cameras):
        if is_simulated(camera.source or ""):
            with _named_source(site_file, i):
                address = parse_address(camera.source or "")
                key = address.scene, address.world
                worlds[key] = worlds.get(key) or World(build_scene(address.scene), address.world)
    return worlds


def is_simulated(source: str) -> bool:
    """Say whether a source is a simulated camera's address."""
    return source.lower().startswith("sim:")


def open_source(
    site_file: SiteFile,
    position: int,
    recordings: Mapping[CameraId, Recording],
    worlds: Worlds | None = None,
    decoding: Decoding = HOST_DECODING,
) -> FrameSource:
    """Open the frames of the site's camera number `position`.

    Args:
        site_file: the site.
        position: of the camera.
        recordings: boxes of the cameras that have them instead of pixels.
        worlds: of the site's simulated cameras.
        decoding: where its pictures are decoded.

    Raises:
        ConfigError: the source is of a kind that a recorded run cannot read, or lacks a key that it needs.
        CameraUnavailable: the file is not there, or is no footage.
    """
    camera, key = site_file.site.cameras[position], f"cameras[{position}]"
    camera_id = CameraId(camera.id)
    if camera_id in recordings and camera.size is not None and camera.fps is not None:
        recording = recordings[camera_id].without(camera.lost)
        return DetectionsSource(camera_id, recording, camera.size, camera.fps, camera.start_s)
    source = camera.source or ""
    if worlds and is_simulated(source):
        with _named_source(site_file, position):
            address = parse_address(source)
            return SimulationSource(camera_id, address, worlds[address.scene, address.world], camera.start_s)
    if ADDRESS.match(source):
        problem = "is an address; spoton track reads recordings: a video file, a folder of images or a glob"
        raise ConfigError(site_file.path, f"{key}.source", problem)
    path = site_file.resolve(source)
    images = path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES or (glob.has_magic(source) and not path.is_file())
    if not images:
        return PyAVSource(camera_id, path, camera.fps, camera.start_s, decoding)
    if camera.fps is None:
        raise ConfigError(
            site_file.path, f"{key}.fps", "missing; images carry no time, say how many were taken a second"
        )
    return ImageSource(camera_id, path, camera.fps, camera.start_s)


@contextmanager
def _named_source(site_file: SiteFile, position: int) -> Iterator[None]:
    """Name the key of a source whose address is wrong."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(site_file.path, f"cameras[{position}].source", str(error)) from error


@dataclass(frozen=True, slots=True)
class LiveFootage:
    """What the live sources of a site share.

    Attributes:
        recordings: boxes of the cameras that have them instead of pixels.
        worlds: of the simulated cameras.
        pace: where the time of recordings and simulations lies on the clock.
        codecs: what decodes their pictures.
    """

    recordings: Mapping[CameraId, Recording]
    worlds: Worlds
    pace: Pace
    codecs: PictureCodecs = field(default_factory=PictureCodecs)


def open_live_source(site_file: SiteFile, position: int, footage: LiveFootage, stop: threading.Event) -> FrameSource:
    """Open the frames of the site's camera number `position` as they come; a recording plays again and again.

    Args:
        site_file: the site.
        position: of the camera.
        footage: what the site's sources share.
        stop: ends every wait of the source.

    Raises:
        ConfigError: as `open_source`.
        CameraUnavailable: the camera or the file cannot be opened.
    """
    camera = site_file.site.cameras[position]
    source, decoding = camera.source or "", footage.codecs.decoding(position)
    if LIVE_ADDRESS.match(source):
        return LiveSource(CameraId(camera.id), source, camera.fps, footage.pace.clock, stop, decoding)
    if ADDRESS.match(source) and not is_simulated(source):
        problem = "is no address that is read; expected rtsp://, http://, https://, usb:0, sim:, or a file or folder"
        raise ConfigError(site_file.path, f"cameras[{position}].source", problem)
    again = partial(open_source, site_file, position, footage.recordings, footage.worlds, decoding)
    return PacedSource(again, footage.pace, loop=not is_simulated(source), stop=stop)


class TimesStages(Protocol):
    """Takes the time of the frame path's stages."""

    def time(self, stage: str) -> AbstractContextManager[None]:
        """Return a context whose time is that stage's."""
        ...


def build_pipeline(
    site: Site,
    views: Mapping[CameraId, CameraView],
    networks: Networks,
    clock: TimesStages | None = None,
    last_id: int = 0,
) -> Pipeline:
    """Join the frame path's parts, each with the site's settings; people get ids above `last_id`."""
    tracker, likelihood = site.tracker, CosineLikelihood(networks.cosines, site.identity.likelihood)
    if networks.sure is not None and tracker.high_score is None:
        tracker = replace(tracker, high_score=networks.sure)
    fusion = FloorFusion({camera: view for camera, view in views.items() if view.model is not None}, site.fusion)
    gallery = Gallery(networks.index(), site.identity.gallery, last_id)
    return Pipeline(
        detector=networks.detector,
        embedder=networks.embedder,
        trackers=CameraTrackers(tuple(views), tracker, likelihood.ratio),
        views=views,
        fusion=fusion,
        identities=IdentityResolver(
            gallery, likelihood, site.identity, {camera: view.size for camera, view in views.items()}
        ),
        bounds=site.floor.bounds if site.floor else None,
        **({} if clock is None else {"timed": clock.time}),
    )


def identity_notes(site: Site) -> tuple[str, ...]:
    """Return lines that the user should read about whom the site's identities tell apart."""
    if len(site.cameras) > 1 or site.identity.returning != "auto":
        return ()
    return (
        "identities: one camera, so who leaves its image by the edge and comes back is somebody new, as in "
        "MOTChallenge; `identity: {returning: same}` in the site file keeps such people",
    )


def build_places(site_file: SiteFile) -> tuple[Place, ...]:
    """Return the zones and lines of a site file.

    Raises:
        ConfigError: one that nobody could have meant, or two with one id; names the key.
    """
    places: dict[str, Place] = {}
    for i, zone in enumerate(site_file.site.zones):
        key, place_id = f"zones[{i}]", PlaceId(zone.place_id)
        if not place_id or place_id in places:
            problem = "is used twice" if place_id else "cannot be made of this name"
            raise ConfigError(site_file.path, f"{key}.id", f"{problem}; give an id of a-z, 0-9 and - of its own")
        if zone.line is not None:
            place: Place = Line(place_id, zone.name, np.array(zone.line, np.float64))
        else:
            limits = zone.capacity, zone.max_dwell_s, zone.restricted, zone.queue
            place = Zone(place_id, zone.name, np.array(zone.polygon, np.float64), *limits)
        try:
            check_place(place)
        except ValueError as error:
            field, _, problem = str(error).partition(": ")
            raise ConfigError(site_file.path, f"{key}.{'line' if field == 'ends' else field}", problem) from error
        places[place_id] = place
    return tuple(places.values())


def build_history(site: Site, pipeline: Pipeline, output: Output) -> History:
    """Return the record of what the frame path finds, which gives settled updates to `output`."""
    return History(site.history, site.fusion.walk, pipeline.fusion.camera_ids, output)
