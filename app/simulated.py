"""Simulated sites as files: a site file with simulated cameras, or videos with truth. Knows no server and no tracker.

Everything that it writes is read like any other site: `spoton track`, `spoton eval set`, `spoton serve`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from app.domains.vocabulary import FloatArray, IntArray
from app.errors import ConfigError
from app.settings import SiteFile
from app.simulation.address import SimulationAddress, parse_address
from app.simulation.drawing import PIXELS_PER_METRE, draw_plan
from app.simulation.floor_plan import Mount, Scene
from app.simulation.lens import Calibration, calibrate
from app.simulation.scenes.catalogue import build_scene
from app.simulation.world import World, WorldConfig


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
    """

    scene: str = "shop"
    world: WorldConfig = field(default_factory=WorldConfig)
    cameras: int | None = None
    fps: float = 5.0
    size: tuple[int, int] = (640, 360)
    duration_s: float | None = None
    perturb_px: float = 0.0


def open_world(address: SimulationAddress) -> World:
    """Build the world that an address's camera sees.

    Raises:
        ValueError: no such scene.
    """
    return World(build_scene(address.scene), address.world)


def demo_site_file(config: SiteConfig, folder: Path) -> Path:
    """Write `site.yaml` with simulated cameras, and `plan.png`, to a folder; return the site file's path."""
    scene = build_scene(config.scene)
    folder.mkdir(parents=True, exist_ok=True)
    cameras = []
    for mount in _mounts(scene, config):
        address = SimulationAddress(scene.name, mount.name, config.world, config.fps, config.duration_s, config.size)
        cameras.append({"id": mount.name, "source": str(address), "calibration": _calibration(scene, mount, config)})
    return _write_site_file(scene, cameras, folder)


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


def _mounts(scene: Scene, config: SiteConfig) -> tuple[Mount, ...]:
    return scene.mounts[: config.cameras]


def _calibration(scene: Scene, mount: Mount, config: SiteConfig) -> dict[str, Any]:
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


def _write_site_file(scene: Scene, cameras: list[dict[str, Any]], folder: Path) -> Path:
    plan, origin = draw_plan(scene)
    cv2.imwrite(str(folder / "plan.png"), plan)
    image = {"path": "plan.png", "pixels_per_metre": PIXELS_PER_METRE, "origin_px": list(origin)}
    site = {"site": scene.name, "floor": {"bounds": list(scene.bounds), "image": image}, "cameras": cameras}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")
    return path
