"""What the API serves: one live site, as the composition root has put it together. Knows no route and no socket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.domains.analytics.places import PlaceId, PlaceVersion
from app.domains.vocabulary import CameraId, FloatArray, IntArray, TrackingUpdate
from app.orchestration.archive import Archive
from app.orchestration.exports import Exports
from app.orchestration.ports import FloorTruth, JpegEncoder, TextEncoder, TrackStore
from app.orchestration.rebuilds import Rebuilds
from app.orchestration.runtime import Runtime


class Scorer(Protocol):
    """Compares dots with the truth as they come. Both methods are called by one thread at a time."""

    def add(self, update: TrackingUpdate) -> None:
        """Remember an update."""
        ...

    def scores(self) -> Mapping[str, float | int | None]:
        """Return window_s, idf1, moda, position_error_m, matched and people; None where there is no data."""
        ...


class PlaceWatch(Protocol):
    """Watches who is at which place, live. Asked by the event loop; must not block."""

    def redraw(self, places: Sequence[PlaceVersion], at: float) -> None:
        """Go by these places from a capture time on."""
        ...

    def people_now(self) -> Mapping[PlaceId, IntArray]:
        """Return the people (N,) at each place."""
        ...


@dataclass(frozen=True, slots=True)
class PlanPicture:
    """The drawing of the floor.

    Attributes:
        path: a PNG or JPEG.
        origin_px: where the site frame's (0, 0) lies in it; x to the right, y up.
        size: (width, height) pixels.
    """

    path: Path
    media_type: str
    pixels_per_metre: float
    origin_px: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class CameraPlace:
    """What stands still about a camera.

    Attributes:
        size: (width, height) pixels; None for a camera that has never given a frame.
        position: x and y in metres; None where the calibration does not tell.
        footprint: (P, 2) metres, the floor that it sees; P is 0 without calibration.
    """

    camera_id: CameraId
    size: tuple[int, int] | None
    fps: float | None
    position: tuple[float, float] | None
    footprint: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LiveSite:
    """Everything that routes need.

    Attributes:
        name: of the site, as it stands in addresses.
        detector: what finds people, in words for users.
        notes: what users should know, such as which networks were chosen.
        bounds: x_min, y_min, x_max, y_max of the floor in metres; None where no camera is calibrated.
        store: takes in what is tracked.
        archive: tells what was, of all runs.
        watch: of the places that users draw.
        exports: writes the history into files.
        rebuilds: makes figures anew from the history.
        text_encoder: for looks in words; None where the embedder knows no words.
        truth: who really is where; only a simulated site has it, and then it is a demo.
    """

    name: str
    detector: str
    notes: tuple[str, ...]
    bounds: tuple[float, float, float, float] | None
    plan: PlanPicture | None
    cameras: tuple[CameraPlace, ...]
    runtime: Runtime
    store: TrackStore
    archive: Archive
    watch: PlaceWatch
    exports: Exports
    rebuilds: Rebuilds
    encoder: JpegEncoder
    text_encoder: TextEncoder | None = None
    truth: FloorTruth | None = None
    scorer: Scorer | None = None

    @property
    def demo(self) -> bool:
        """Whether the people are simulated."""
        return self.truth is not None
