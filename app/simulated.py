"""Simulated sites as files: a site file with simulated cameras, or videos with truth. Knows no server and no tracker.

Everything that it writes is read like any other site: `spoton track`, `spoton eval set`, `spoton serve`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from app.domains.vocabulary import CameraId, FloatArray, IntArray
from app.errors import ConfigError
from app.orchestration.jobs import Progress
from app.settings import SiteFile
from app.simulation.address import SimulationAddress, parse_address
from app.simulation.drawing import PIXELS_PER_METRE, draw_plan
from app.simulation.faults import Faults
from app.simulation.floor_plan import Mount, Scene
from app.simulation.lens import Calibration, calibrate
from app.simulation.recording import Recording
from app.simulation.scenes.catalogue import build_scene
from app.simulation.source import SimulationSource
from app.simulation.walks import Walks
from app.simulation.world import World, WorldConfig, fit_scene

START = datetime(2026, 1, 1, 10, tzinfo=UTC)  # of recordings whose clocks differ


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """What a simulated site is made of.

    Attributes:
        scene: its name.
        world: the people.
        cameras: how many of the scene's cameras, from the first; None for all.
        fps: frames a second.
        size: (width, height) pixels.
        duration_s: how long the cameras run; None for ever.
        perturb_px: how far the calibrations of the site file are off, in pixels of the image.
        faults: of the cameras that have some, by name.
    """

    scene: str = "shop"
    world: WorldConfig = field(default_factory=WorldConfig)
    cameras: int | None = None
    fps: float = 5.0
    size: tuple[int, int] = (640, 360)
    duration_s: float | None = None
    perturb_px: float = 0.0
    faults: Mapping[str, Faults] = field(default_factory=dict)


def open_world(address: SimulationAddress) -> World:
    """Build the world that an address's camera sees.

    Raises:
        ValueError: no such scene, or walks that cannot be played in it.
    """
    return World(build_scene(address.scene), address.world)


def camera_names(config: SiteConfig) -> tuple[str, ...]:
    """Return the names of the site's cameras.

    Raises:
        ValueError: as of `demo_site_file`.
    """
    return tuple(mount.name for mount in mounts_of(scene_of(config), config))


def demo_site_file(config: SiteConfig, folder: Path) -> Path:
    """Write `site.yaml` with simulated cameras, and `plan.png`, to a folder; return the site file's path.

    Raises:
        ValueError: no such scene, walks that cannot be played, or faults of a camera that is not there.
    """
    scene = scene_of(config)
    mounts = mounts_of(scene, config)
    folder.mkdir(parents=True, exist_ok=True)
    cameras = []
    for mount in mounts:
        address = address_of(mount, config)
        cameras.append({"id": mount.name, "source": str(address), "calibration": calibration_of(scene, mount, config)})
    return write_site_file(scene, cameras, folder)


def write_site(out: Path, config: SiteConfig, report: Callable[[Progress, int | None], None]) -> Path:
    """Record a simulated site as a test set: `site.yaml`, `plan.png`, `<camera>.mp4` and `<camera>/gt/gt.txt`.

    Written whole or not at all: until it is complete its folder's name ends in `.part`.

    Args:
        out: the folder, which must not exist yet or be empty.
        config: the site; its duration must be given.
        report: called after each frame with the progress, and the number of all frames.

    Returns:
        The site file's path.

    Raises:
        ConfigError: the folder is in use.
        ValueError: as of `demo_site_file`.
    """
    if config.duration_s is None:
        raise ValueError("a recording needs a duration")
    with written_whole(out) as part:
        _write_videos(part, config, report)
    return out / "site.yaml"


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to write to, which takes its place at the end.

    Raises:
        ConfigError: the folder is in use.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(out, "", "is there already; give a folder that does not exist yet")
    part = out.with_name(f"{out.name}.part")
    if part.exists():
        raise ConfigError(part, "", "is left over from a recording that was stopped, or still written; remove it")
    part.mkdir(parents=True)
    yield part
    if out.exists():
        out.rmdir()
    part.rename(out)


def _write_videos(part: Path, config: SiteConfig, report: Callable[[Progress, int | None], None]) -> None:
    world = World(scene_of(config), config.world)
    scene, mounts = world.scene, mounts_of(world.scene, config)
    with ExitStack() as stack:
        recordings = []
        for mount in mounts:
            source = SimulationSource(CameraId(mount.name), address_of(mount, config), world)
            recordings.append(stack.enter_context(Recording(part, source)))
        _record(recordings, report)
    cameras = []
    for mount, recording in zip(mounts, recordings, strict=True):
        camera: dict[str, Any] = {"id": mount.name, "source": f"{mount.name}.mp4"}
        if recording.complete:
            camera["fps"] = config.fps
        cameras.append({**camera, **start_of(mount.name, config), "calibration": calibration_of(scene, mount, config)})
    write_site_file(scene, cameras, part)


def start_of(camera: str, config: SiteConfig) -> dict[str, str]:
    """Return the camera's `start` of the site file; nothing where no clock of the site is ahead."""
    if not start_s_of(config):
        return {}
    start = START + timedelta(seconds=config.faults.get(camera, Faults()).skew_s)
    return {"start": start.isoformat().replace("+00:00", "Z")}


def start_s_of(config: SiteConfig) -> float:
    """Return the capture time of the simulation's first instant: 0 where no clock of the site is ahead."""
    return START.timestamp() if any(faults.skew_s for faults in config.faults.values()) else 0.0


def _record(recordings: list[Recording], report: Callable[[Progress, int | None], None]) -> None:
    """Write the frames of all cameras, in order of time, so that no camera runs ahead of what the world remembers."""
    total = sum(recording.source.frame_count or 0 for recording in recordings)
    frames, going = 0, list(recordings)
    while going:
        recording = min(going, key=lambda one: one.source.index)
        people = recording.write()
        if people is None:
            going.remove(recording)
            continue
        frames += 1
        report(Progress(frames // len(recordings), frames, people, 0), total)


@dataclass(frozen=True, slots=True)
class SimulatedTruth:
    """Where everybody on a simulated floor really is, for scores of a running site."""

    world: World
    start_s: float

    def people_at(self, captured_at: float) -> tuple[IntArray, FloatArray]:
        """Return the (N,) ids and (N, 2) metres of everybody on the watched floor when a frame was captured.

        Raises:
            ValueError: a time before the start, or longer ago than the world remembers.
        """
        people = self.world.people_at(captured_at - self.start_s)
        return people.ids, people.xy


def truth_of(site_file: SiteFile, start_s: float = 0.0, world: World | None = None) -> SimulatedTruth:
    """Return the truth of a site whose cameras are simulated.

    Args:
        site_file: the site.
        start_s: the capture time at which the simulation began.
        world: of the site's cameras, where they share one already.

    Raises:
        ConfigError: a camera that is not simulated, or that sees another world than the first.
    """
    first: SimulationAddress | None = None
    for i, camera in enumerate(site_file.site.cameras):
        key = f"cameras[{i}].source"
        try:
            address = parse_address(camera.source or "")
        except ValueError as error:
            raise ConfigError(site_file.path, key, str(error)) from error
        first = first or address
        if (address.scene, address.world) != (first.scene, first.world):
            raise ConfigError(site_file.path, key, "sees another world than the first camera; give all the same query")
    if first is None:
        raise ConfigError(site_file.path, "cameras", "is empty")
    return SimulatedTruth(world or open_world(first), start_s)


def scene_of(config: SiteConfig) -> Scene:
    """Build the scene of a site, as large as its walks need.

    Raises:
        ValueError: no such scene, or walks that cannot be played.
    """
    scene, walks = build_scene(config.scene), config.world.walks
    return scene if walks is None else fit_scene(scene, Walks(walks).bounds)


def mounts_of(scene: Scene, config: SiteConfig) -> tuple[Mount, ...]:
    """Return the cameras of a site.

    Raises:
        ValueError: faults of a camera that is not there.
    """
    mounts = scene.mounts[: config.cameras]
    names = [mount.name for mount in mounts]
    if strange := sorted(set(config.faults) - set(names)):
        raise ValueError(f"there is no camera {strange[0]!r}; the site has {', '.join(names)}")
    return mounts


def address_of(mount: Mount, config: SiteConfig) -> SimulationAddress:
    """Return the address of one of the site's cameras."""
    return SimulationAddress(
        scene=config.scene,
        camera=mount.name,
        world=config.world,
        fps=config.fps,
        duration_s=config.duration_s,
        size=config.size,
        faults=config.faults.get(mount.name, Faults()),
    )


def calibration_of(scene: Scene, mount: Mount, config: SiteConfig) -> dict[str, Any]:
    """Return the calibration as the site file has it, off by `perturb_px` in a direction drawn by the seed."""
    calibration = calibrate(mount, config.size)
    if config.perturb_px:
        rng = np.random.default_rng([config.world.seed, 4, scene.mounts.index(mount)])
        calibration = calibration.turned(config.perturb_px, float(rng.uniform(0.0, 2.0 * np.pi)))
    return {"opencv": as_opencv(calibration)}


def as_opencv(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as a site file's `opencv` section."""
    return {
        "K": [[round(value, 4) for value in row] for row in calibration.matrix.tolist()],
        "distortion": calibration.distortion.tolist(),
        "rvec": [round(value, 8) for value in calibration.rvec.tolist()],
        "tvec": [round(value, 6) for value in calibration.tvec.tolist()],
    }


def write_site_file(scene: Scene, cameras: list[dict[str, Any]], folder: Path) -> Path:
    """Write `site.yaml` and `plan.png`; return the site file's path."""
    plan, origin = draw_plan(scene)
    cv2.imwrite(str(folder / "plan.png"), plan)
    image = {"path": "plan.png", "pixels_per_metre": PIXELS_PER_METRE, "origin_px": list(origin)}
    site = {"site": scene.name, "floor": {"bounds": list(scene.bounds), "image": image}, "cameras": cameras}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")
    return path
