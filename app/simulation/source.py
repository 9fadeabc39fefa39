"""Frames of a simulated camera as a FrameSource: as fast as they are read, pacing is for others. Knows no file."""

from dataclasses import dataclass

from app.domains.vocabulary import CameraId, Frame
from app.simulation.address import SimulationAddress
from app.simulation.camera import Rendering, SimulatedCamera
from app.simulation.floor_plan import Mount, Scene
from app.simulation.lens import Calibration, calibrate
from app.simulation.people import People
from app.simulation.schedule import count_frames, exposures
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


def seed_of(address: SimulationAddress, scene: Scene) -> int:
    """Return the seed of all that is random in one camera.

    Raises:
        ValueError: the scene has no such camera.
    """
    return address.world.seed * 1000 + scene.mounts.index(find_mount(scene, address.camera))


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
        self.frame_count = count_frames(address)
        self.size = address.size
        self._world, self._start_s = world, start_s
        mount = find_mount(world.scene, address.camera)
        seed = seed_of(address, world.scene)
        self._exposures = exposures(address, seed)
        calibration = calibrate(mount, address.size)
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
        exposure = None if self._closed else next(self._exposures, None)
        if exposure is None:
            self._closed = True
            return None
        camera = self._bumped if self._bumped is not None and exposure.bumped else self._camera
        shown_s = exposure.shown_s
        rendering = camera.render(self._world.bodies_at(shown_s), shown_s, exposure.gain)
        frame = Frame(self.camera_id, self._start_s + exposure.stamp_s, exposure.index, self.size, rendering.pixels)
        self.index = exposure.index + 1
        return Shot(frame, rendering, self._world.people_at(shown_s), exposure.live)

    def close(self) -> None:
        """End the frames; may be called twice."""
        self._closed = True


def bumped(calibration: Calibration, pixels: float) -> Calibration:
    """Return the calibration of a camera that was knocked aside so that its picture moves by `pixels`."""
    return calibration.turned(pixels, BUMP_ANGLE)
