"""Records what simulated cameras see of people, without pixels. Knows no file and no detector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.address import SimulationAddress
from app.simulation.lens import calibrate
from app.simulation.people import People
from app.simulation.recording import truth_rows
from app.simulation.schedule import exposures
from app.simulation.silhouettes import PosedCrowd, SilhouetteCamera, Silhouettes
from app.simulation.source import bumped, find_mount, seed_of
from app.simulation.world import World


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One frame of a camera.

    Attributes:
        frame: its number, from 1; lost frames have numbers, too.
        shown_s: the instant that it shows.
        silhouettes: who is in the image.
    """

    frame: int
    shown_s: float
    silhouettes: Silhouettes


class BoxCamera:
    """One camera: its frames so far, and their lines of truth.

    Attributes:
        sights: the frames that came.
        truth: lines as `recording.Recording` has them; frames are numbered by time.

    Args:
        address: of the camera.
        world: of the address's scene and people.
    """

    def __init__(self, address: SimulationAddress, world: World) -> None:
        self.sights: list[Sight] = []
        self.truth: list[str] = []
        self._exposures = exposures(address, seed_of(address, world.scene))
        calibration = calibrate(find_mount(world.scene, address.camera), address.size)
        self._camera = SilhouetteCamera(world.scene, calibration)
        self._bumped: SilhouetteCamera | None = None
        if address.faults.bump is not None:
            self._bumped = SilhouetteCamera(world.scene, bumped(calibration, address.faults.bump[1]))
        self._next = next(self._exposures, None)

    def take(self, index: int, crowds: "_Crowds") -> Sight | None:
        """Take frame `index`, from 0; None when it is lost. Every index is asked for once, in order."""
        exposure = self._next
        if exposure is None or exposure.index != index:
            return None
        self._next = next(self._exposures, None)
        bodies, people = crowds.at(exposure.shown_s)
        camera = self._bumped if self._bumped is not None and exposure.bumped else self._camera
        sight = Sight(index + 1, exposure.shown_s, camera.see(bodies))
        self.sights.append(sight)
        self.truth += truth_rows(sight.frame, sight.silhouettes, people, placed=exposure.live)
        return sight


class _Crowds:
    """The world's bodies at the latest instant that was asked for, shared by its cameras."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._latest: tuple[float, PosedCrowd, People] | None = None

    def at(self, time_s: float) -> tuple[PosedCrowd, People]:
        """Return the bodies of everybody who may be seen, and everybody on the watched floor."""
        if self._latest is None or self._latest[0] != time_s:
            bodies = PosedCrowd(self._world.bodies_at(time_s), self._world.figures)
            self._latest = time_s, bodies, self._world.people_at(time_s)
        return self._latest[1:]


@dataclass
class FloorVisibility:
    """Everybody on the watched floor at each instant, and how well they are seen: one array an instant.

    Attributes:
        ids: (N,) int64 each.
        xy: (N, 2) metres each.
        visibility: (N,) share that the best camera sees of each at that instant; 0 where none does.
    """

    ids: list[IntArray] = field(default_factory=list)
    xy: list[FloatArray] = field(default_factory=list)
    visibility: list[FloatArray] = field(default_factory=list)

    def add(self, people: People, views: Sequence[Silhouettes]) -> None:
        """Take one instant."""
        best = np.zeros(len(people))
        for view in views:
            _, mine, seen = np.intersect1d(people.ids, view.ids, assume_unique=True, return_indices=True)
            best[mine] = np.maximum(best[mine], view.visibility[seen])
        self.ids.append(people.ids)
        self.xy.append(people.xy)
        self.visibility.append(best)


def record_boxes(
    cameras: Sequence[BoxCamera], world: World, fps: float, frames: int, report: Callable[[int, int], None]
) -> FloorVisibility:
    """Take all frames of all cameras, instant by instant.

    Args:
        cameras: of the world, all of one rate.
        world: who is where.
        fps: frames a second.
        frames: how many instants.
        report: called after each with their number, and how many people are on the floor.
    """
    crowds, floor = _Crowds(world), FloorVisibility()
    for index in range(frames):
        sights = [camera.take(index, crowds) for camera in cameras]
        people = world.people_at(index / fps)
        floor.add(people, [one.silhouettes for one in sights if one is not None and one.shown_s == index / fps])
        report(index + 1, len(people))
    return floor
