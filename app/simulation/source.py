"""Frames of a simulated camera as a FrameSource: as fast as they are read, pacing is for others. Knows no file."""

import math
from dataclasses import dataclass

from app.domains.vocabulary import CameraId, Frame
from app.simulation.address import SimulationAddress
from app.simulation.camera import Rendering, SimulatedCamera
from app.simulation.floor_plan import Mount, Scene
from app.simulation.lens import Calibration, calibrate
from app.simulation.people import People
from app.simulation.world import World

BUMP_ANGLE = 0.6  # radians in the image: where a bumped camera's picture moves, mostly sideways


def find_mount(scene: Scene, name: str) -> Mount:
    """Return the scene's camera of a name.

    Raises:
        ValueError: the scene has no such camera.
    """
    for mount in scene.mounts:
        if mount.name == name:
            return mount
    names = ", ".join(mount.name for mount in scene.mounts)
    raise ValueError(f"scene {scene.name} has no camera {name!r}; it has {names}")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame and what is true in it.

    Attributes:
        rendering: what the camera sees.
        people: everybody on the watched floor.
        live: whether the frame shows the instant that its time stamp says.
    """

    frame: Frame
    rendering: Rendering
    people: People
    live: bool


class SimulationSource:
    """The frames of one simulated camera.

    Frame k shows the world at k / fps and is captured at `start_s + k / fps`, but for the faults of the address. Frames
    that are lost or fall into a gap take an index, and are not given.

    Attributes:
        size: (width, height) pixels.
        index: of the next frame.

    Args:
        camera_id: whose frames these are.
        address: which camera it is.
        world: of the address's scene and people; cameras may share one.
        start_s: capture time of frame 0, seconds.

    Raises:
        ValueError: the scene has no such camera.
    """

    def __init__(self, camera_id: CameraId, address: SimulationAddress, world: World, start_s: float = 0.0) -> None:
        self.camera_id = camera_id
        self.fps: float = address.fps
        self.frame_count: int | None = None
        if address.duration_s is not None:
            self.frame_count = math.ceil(address.duration_s * address.fps - 1e-6)
        self.size = address.size
        self._address, self._world, self._start_s = address, world, start_s
        self._mount = find_mount(world.scene, address.camera)
        seed = address.world.seed * 1000 + world.scene.mounts.index(self._mount)
        self._seed = seed
        calibration = calibrate(self._mount, address.size)
        self._camera = SimulatedCamera(world.scene, calibration, world.figures, seed)
        self._bumped: SimulatedCamera | None = None
        if address.faults.bump is not None:
            turned = bumped(calibration, address.faults.bump[1])
            self._bumped = SimulatedCamera(world.scene, turned, world.figures, seed)
        self.index = 0
        self._closed = False

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end."""
        shot = self.read_with_truth()
        return None if shot is None else shot.frame

    def read_with_truth(self) -> Shot | None:
        """Return the next frame with what is true in it, or None at the end."""
        faults = self._address.faults
        while not self._ended() and not faults.comes(self.index, self.index / self.fps, self._seed):
            self.index += 1
        if self._ended():
            return None
        time_s = self.index / self.fps
        shown_s = faults.shown_s(time_s)
        camera = self._bumped if self._bumped is not None and faults.bumped(shown_s) else self._camera
        rendering = camera.render(self._world.bodies_at(shown_s), shown_s, faults.gain(shown_s))
        captured_at = self._start_s + time_s + faults.skew_s
        frame = Frame(self.camera_id, captured_at, self.index, self.size, rendering.pixels)
        self.index += 1
        live = shown_s == time_s and faults.skew_s == 0.0
        return Shot(frame, rendering, self._world.people_at(shown_s), live)

    def close(self) -> None:
        """End the frames; may be called twice."""
        self._closed = True

    def _ended(self) -> bool:
        return self._closed or (self.frame_count is not None and self.index >= self.frame_count)


def bumped(calibration: Calibration, pixels: float) -> Calibration:
    """Return the calibration of a camera that was knocked aside so that its picture moves by `pixels`."""
    return calibration.turned(pixels, BUMP_ANGLE)
