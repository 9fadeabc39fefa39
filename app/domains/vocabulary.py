"""Every type that crosses a boundary between stages of the frame path. Read this file first.

One frozen dataclass per concept, as parallel arrays; N = 0 is a normal value. Knows nothing of how any stage works.
Those that each camera makes in each step are frozen by `Final`, which mypy checks: `frozen=True` costs 1.5 us each.
Units: pixels of the original frame as `xyxy`; metres in the site frame; seconds; confidence in [0, 1];
cosine similarity, larger is better.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NewType, Protocol

import numpy as np
from numpy.typing import NDArray

CameraId = NewType("CameraId", str)
GlobalId = NewType("GlobalId", int)

FloatArray = NDArray[np.float64]
BoxArray = NDArray[np.float32]
VectorArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# In integer id columns, where real ids start at 1:
NO_ID = -1  # none yet
NO_FLOOR = -2  # no floor target, because the box has no floor point
NO_CALIBRATION = -3  # no floor target, because the camera has no floor


def check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `array` has exactly `shape`."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


class TrackState(IntEnum):
    """Life of a single-camera track; integers, because it is a column of an array."""

    TENTATIVE = 0
    CONFIRMED = 1
    LOST = 2
    REMOVED = 3


class Pixels(Protocol):
    """(height, width, 3) uint8 BGR, in the host's memory or on a card; `numpy.asarray` gives it in the host's memory.

    An array is Pixels. What lies on a card is copied to the host when it is first asked for there.
    """

    @property
    def shape(self) -> tuple[Any, ...]:
        """Height, width and 3."""
        ...

    def __array__(self, dtype: None = None, /, *, copy: bool | None = None) -> NDArray[np.uint8]:
        """Return the pixels in the host's memory."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one camera.

    Attributes:
        captured_at: seconds since epoch (or since the recording's start), set once by the source.
        index: 0-based number of the frame in its source, counting frames that did not decode.
        size: (width, height) in pixels.
        pixels: what the camera showed; None when it replays recorded detections.
    """

    camera_id: CameraId
    captured_at: float
    index: int
    size: tuple[int, int]
    pixels: Pixels | None


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """At most one frame per camera, of one instant of the site, ordered by camera id.

    Attributes:
        captured_at: seconds, the latest capture time among the frames.
    """

    captured_at: float
    frames: tuple[Frame, ...]


@dataclass(slots=True, eq=False)
class Detections:
    """The people found in one frame, as parallel arrays of length N.

    Attributes:
        xyxy: (N, 4) float32, pixels of the original frame: left, top, right, bottom.
        confidence: (N,) float32 in [0, 1].
    """

    camera_id: Final[CameraId]
    captured_at: Final[float]
    xyxy: Final[BoxArray]
    confidence: Final[BoxArray]

    def __post_init__(self) -> None:
        check_shape("xyxy", self.xyxy, (len(self.xyxy), 4))
        check_shape("confidence", self.confidence, (len(self.xyxy),))

    def __len__(self) -> int:
        return len(self.xyxy)


@dataclass(slots=True, eq=False)
class Tracks:
    """The tracks of one camera that have a detection in this frame, ordered by detection row.

    Nothing is checked here: a tracker makes one for each camera in each step, and checks cost as much as all the rest.

    Attributes:
        track_id: (N,) int64, unique within the camera's tracker.
        state: (N,) int64 of TrackState: TENTATIVE or CONFIRMED; LOST for boxes filled in.
        row: (N,) int64, the row of the frame's Detections that each track took; -1 for a box that the history filled
            in between two detected ones.
        xyxy: (N, 4) float32, the detected boxes, pixels of the original frame.
        confidence: (N,) float32 in [0, 1].
        appearance: (N, D) float32 unit vectors; a row of zeros where none was taken in this frame; D may be 0.
        certainty: (N,) probability that the box continues the track, given the boxes and tracks that it competed with;
            0 for a track that begins.
    """

    camera_id: Final[CameraId]
    captured_at: Final[float]
    track_id: Final[IntArray]
    state: Final[IntArray]
    row: Final[IntArray]
    xyxy: Final[BoxArray]
    confidence: Final[BoxArray]
    appearance: Final[VectorArray]
    certainty: Final[FloatArray]

    def __len__(self) -> int:
        return len(self.track_id)


@dataclass(slots=True, eq=False)
class FloorPoints:
    """Where boxes stand on the floor, row for row with the boxes that were projected.

    Attributes:
        xy: (N, 2) metres, site frame; NaN where invalid.
        covariance: (N, 2, 2) square metres: pixel noise of the foot point through the homography's Jacobian.
        valid: (N,) bool; False above the horizon, where the foot is cut off, and for cameras without calibration.
    """

    camera_id: Final[CameraId]
    xy: Final[FloatArray]
    covariance: Final[FloatArray]
    valid: Final[BoolArray]

    def __post_init__(self) -> None:
        n = len(self.valid)
        check_shape("xy", self.xy, (n, 2))
        check_shape("covariance", self.covariance, (n, 2, 2))

    def __len__(self) -> int:
        return len(self.valid)


@dataclass(frozen=True, slots=True, eq=False)
class FloorTargets:
    """What stands on the floor, known by geometry alone: parallel arrays of length M, ordered by target id.

    Attributes:
        target_id: (M,) int64, unique within one FloorFusion.
        xy: (M, 2) metres.
        velocity: (M, 2) metres per second.
        covariance: (M, 4, 4), of place and velocity together; metres and seconds.
        confirmed: (M,) bool, ever likely enough to be a person.
        unseen_s: (M,) seconds since a camera supported it; 0 in this step.
        existence: (M,) probability.
        support: (M, C) bool, the cameras that saw it in this step; columns are the site's camera ids, sorted.
    """

    target_id: IntArray
    xy: FloatArray
    velocity: FloatArray
    covariance: FloatArray
    confirmed: BoolArray
    unseen_s: FloatArray
    existence: FloatArray
    support: BoolArray

    def __len__(self) -> int:
        return len(self.target_id)


@dataclass(frozen=True, slots=True, eq=False)
class NamedTargets:
    """The floor targets with what became of each: parallel arrays of length M.

    Attributes:
        global_id: (M,) int64, NO_ID for those that nobody could name yet.
        watched: (M,) bool, whether each stands inside the watched floor.
        shown: (M,) bool, whether each has a dot now.
        certainty: (M,) probability that the global id is right; 0 without an id.
    """

    targets: FloorTargets
    global_id: IntArray
    watched: BoolArray
    shown: BoolArray
    certainty: FloatArray

    def __len__(self) -> int:
        return len(self.global_id)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The boxes whose appearance is wanted, as parallel arrays of length N.

    Attributes:
        frame: (N,) int64, position of the frame in the batch.
        row: (N,) int64, row of that frame's Detections.
        xyxy: (N, 4) float32, pixels of the original frame.
    """

    frame: IntArray
    row: IntArray
    xyxy: BoxArray

    def __post_init__(self) -> None:
        n = len(self.frame)
        check_shape("row", self.row, (n,))
        check_shape("xyxy", self.xyxy, (n, 4))

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Appearance of the crops that were asked for, row for row.

    Attributes:
        vectors: (N, D) float32, L2-normalised; a row of zeros where no appearance could be had.
    """

    vectors: VectorArray

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(slots=True, eq=False)
class Sightings:
    """The tracks of one camera with the identity of each, row for row with its Tracks.

    Attributes:
        global_id: (N,) int64, NO_ID while nobody is sure that this is a person.
        floor: where each box stands.
        certainty: (N,) probability that the global id is right, given whom else the person may be; 0 without an id.
    """

    tracks: Final[Tracks]
    global_id: Final[IntArray]
    floor: Final[FloorPoints]
    certainty: Final[FloatArray]

    def __post_init__(self) -> None:
        check_shape("global_id", self.global_id, (len(self.tracks),))
        check_shape("certainty", self.certainty, (len(self.tracks),))

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True, slots=True, eq=False)
class FloorTracks:
    """One dot per person on the floor, as parallel arrays of length N, ordered by global id.

    Attributes:
        global_id: (N,) int64.
        xy: (N, 2) metres, site frame.
        velocity: (N, 2) metres per second.
        covariance: (N, 2, 2) square metres, of the position.
        cameras: N tuples: the cameras whose boxes support the dot at this instant; empty while it coasts.
        certainty: (N,) probability that the global id is right, given whom else the person may be.
    """

    global_id: IntArray
    xy: FloatArray
    velocity: FloatArray
    covariance: FloatArray
    cameras: tuple[tuple[CameraId, ...], ...]
    certainty: FloatArray

    def __post_init__(self) -> None:
        n = len(self.global_id)
        check_shape("xy", self.xy, (n, 2))
        check_shape("velocity", self.velocity, (n, 2))
        check_shape("covariance", self.covariance, (n, 2, 2))
        check_shape("certainty", self.certainty, (n,))
        if len(self.cameras) != n:
            raise ValueError(f"cameras has {len(self.cameras)} entries, expected {n}")

    def __len__(self) -> int:
        return len(self.global_id)


@dataclass(frozen=True, slots=True)
class Merge:
    """A correction: what was reported as `gone` has been `kept` all along.

    Its reverse is a Split of `kept` that takes back what was reported as `gone`.

    Attributes:
        certainty: probability that the correction is right; 1 for one that an operator made.
    """

    gone: GlobalId
    kept: GlobalId
    certainty: float = 1.0


@dataclass(frozen=True, slots=True)
class Split:
    """A correction: what was taken for `mixed` between two instants has been `apart`.

    Its reverse is a Merge of `apart` into `mixed` where `apart` is new with it, else a Split the other way round.

    Attributes:
        apart: a new identity, or a known one whom `mixed` has been mistaken for.
        since: capture time from which on, inclusive.
        until: capture time up to which, exclusive.
        reported: only what was reported under one of these ids; empty for all that counts as `mixed`.
        certainty: probability that the correction is right; 1 for one that an operator made.
    """

    mixed: GlobalId
    apart: GlobalId
    since: float
    until: float
    reported: tuple[GlobalId, ...] = ()
    certainty: float = 1.0


Correction = Merge | Split


@dataclass(frozen=True, slots=True, eq=False)
class TrackingUpdate:
    """Everything that leaves the pipeline for one batch.

    Attributes:
        sightings: one per frame of the batch, in its order.
        floor: the dots of this instant; empty for a site without floor.
        corrections: of earlier updates, found in this step, to be followed in order; this update has them already.
        named: all that stands on the floor, with a dot or without; None where only dots are known.
    """

    captured_at: float
    sightings: tuple[Sightings, ...]
    floor: FloorTracks
    corrections: tuple[Correction, ...]
    named: NamedTargets | None = None
