"""People who walk on a floor, and cameras that see them: the truth that the frame path's tests compare with.

Deterministic: what a camera sees at an instant depends on the world's seed, the camera and the instant alone, never on
what was asked before. Projects with a pinhole of its own, so that the product's projection is tested too. Knows nothing
of trackers, floors' filters or identities.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from app.domains.mapping.camera_model import CameraModel
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    Detections,
    FloatArray,
    FloorPoints,
    Frame,
    FrameBatch,
    IntArray,
    Tracks,
    TrackState,
    VectorArray,
)

SIZE = (1280, 720)  # pixels of every camera
FOCAL = 800.0  # pixels: 77 degrees wide
HEIGHT_M = 1.75  # of every person
WIDTH_M = 0.5
DIMENSION = 128  # of appearance vectors
COMMON, OWN = 0.3, 0.4  # cosine of two people, and how much more of one person twice
FALSE_BOX = NO_ID  # in place of a person's number
RATE = 100_000  # instants are told apart to 1 / RATE seconds


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who walks.

    Attributes:
        number: 1 or more.
        walks: each (K, 3) time, x, y in seconds and metres; straight between its rows, absent outside it.
        clothes: people of equal clothes have one appearance; their number when None.
    """

    number: int
    walks: tuple[FloatArray, ...]
    clothes: int | None = None

    def at(self, time: float) -> FloatArray | None:
        """Return (2,) metres, None while absent."""
        for walk in self.walks:
            if walk[0, 0] <= time <= walk[-1, 0]:
                return np.array([np.interp(time, walk[:, 0], walk[:, axis]) for axis in (1, 2)])
        return None


def person(number: int, *walks: Sequence[tuple[float, float, float]], clothes: int | None = None) -> Person:
    """Make a person from rows of time, x, y."""
    return Person(number, tuple(np.array(walk, dtype=np.float64) for walk in walks), clothes)


def stroller(
    number: int, centre: tuple[float, float], radius: tuple[float, float], seconds: float, *, turns: float, phase: float
) -> Person:
    """Make a person who goes round an ellipse at about 1 m/s, to the left where `turns` is 1, to the right for -1."""
    time = np.arange(0.0, seconds + 0.2, 0.1)
    angle = phase + turns * time / (0.5 * sum(radius))
    x, y = centre[0] + radius[0] * np.cos(angle), centre[1] + radius[1] * np.sin(angle)
    return Person(number, (np.stack([time, x, y], axis=1),))


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole without distortion.

    Attributes:
        rotation: (3, 3) site frame to camera.
        translation: (3,) metres.
    """

    name: CameraId
    rotation: FloatArray
    translation: FloatArray

    def project(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixels (N, 2) and depth (N,) of (N, 3) metres."""
        seen = points @ self.rotation.T + self.translation
        return seen[:, :2] / seen[:, 2:] * FOCAL + np.array(SIZE) / 2.0, seen[:, 2]

    def boxes(self, xy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the boxes (N, 4) of upright people at (N, 2) metres, not clipped, and their depth (N,)."""
        foot, depth = self.project(np.column_stack([xy, np.zeros(len(xy))]))
        head, _ = self.project(np.column_stack([xy, np.full(len(xy), HEIGHT_M)]))
        half = 0.5 * WIDTH_M * FOCAL / depth
        left, right = np.minimum(foot[:, 0], head[:, 0]) - half, np.maximum(foot[:, 0], head[:, 0]) + half
        return np.stack([left, head[:, 1], right, foot[:, 1]], axis=1), depth

    def view(self) -> CameraView:
        """Return the product's view of this camera."""
        intrinsics = np.array([[FOCAL, 0.0, SIZE[0] / 2.0], [0.0, FOCAL, SIZE[1] / 2.0], [0.0, 0.0, 1.0]])
        rvec = cv2.Rodrigues(self.rotation)[0].ravel()
        model = CameraModel.from_opencv(SIZE, intrinsics, np.zeros(0), rvec, self.translation)
        return CameraView(self.name, SIZE, model)

    def view_without_floor(self) -> CameraView:
        """Return the view of this camera before anybody has calibrated it."""
        return CameraView(self.name, SIZE, None)


def camera(name: str, position: tuple[float, float, float], looks_at: tuple[float, float]) -> Camera:
    """Put a camera at `position` that looks at a floor point, upright; metres."""
    place = np.array(position)
    forward = np.array([*looks_at, 0.0]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(CameraId(name), rotation, -rotation @ place)


def corner_cameras() -> list[Camera]:
    """Four cameras, 3 m up, in the corners of a floor of 12 x 8 metres, that look across its middle."""
    corners = {"a": (-1.0, -1.0), "b": (13.0, -1.0), "c": (13.0, 9.0), "d": (-1.0, 9.0)}
    return [camera(name, (*corner, 3.0), (6.0, 4.0)) for name, corner in corners.items()]


@dataclass(frozen=True, eq=False)
class Faults:
    """How a detector errs.

    Attributes:
        noise: share of the box height, standard deviation of the upper and lower edge; the sides have half of it.
        missing: probability that a box is not there.
        false_boxes: how many boxes of nobody a frame has, on average.
    """

    noise: float = 0.0
    missing: float = 0.0
    false_boxes: float = 0.0


@dataclass(frozen=True, eq=False)
class Look:
    """What one camera sees at one instant, with the truth row for row.

    Attributes:
        person: (N,) whose box it is, FALSE_BOX for nobody's.
        appearance: (N, DIMENSION) unit vectors.
    """

    detections: Detections
    person: IntArray
    appearance: VectorArray


@dataclass(eq=False)
class World:
    """A floor with its people and cameras."""

    people: Sequence[Person]
    cameras: Sequence[Camera]
    faults: Faults = Faults()
    seed: int = 0
    _looks: dict[tuple[CameraId, int], Look] = field(default_factory=dict)

    def at(self, time: float) -> dict[int, FloatArray]:
        """Return where everybody is, by number."""
        places = {p.number: p.at(time) for p in self.people}
        return {number: place for number, place in places.items() if place is not None}

    def views(self) -> dict[CameraId, CameraView]:
        """Return the product's view of every camera."""
        return {c.name: c.view() for c in self.cameras}

    def look(self, name: CameraId, time: float) -> Look:
        """Return what a camera sees at an instant; always the same for the same question."""
        key = (name, round(time * RATE))
        if key not in self._looks:
            self._looks[key] = self._see(next(c for c in self.cameras if c.name == name), time)
        return self._looks[key]

    def batch(self, time: float, names: Sequence[str] | None = None) -> FrameBatch:
        """Return one frame, without pixels, of each camera, or of the named ones in their order."""
        names = [c.name for c in self.cameras] if names is None else names
        return FrameBatch(time, tuple(Frame(CameraId(n), time, round(time * RATE), SIZE, None) for n in names))

    def batches(self, seconds: float, rates: Mapping[str, float] | float) -> list[FrameBatch]:
        """Return the batches of a recording that begins at 0; each camera gives frames at its own rate."""
        if not isinstance(rates, Mapping):
            rates = {c.name: rates for c in self.cameras}
        due: dict[int, list[str]] = {}
        for name, rate in rates.items():
            for i in range(int(seconds * rate)):
                due.setdefault(round(i / rate * RATE), []).append(name)
        return [self.batch(instant / RATE, sorted(names)) for instant, names in sorted(due.items())]

    def _random(self, *key: object) -> np.random.Generator:
        digest = hashlib.sha256(repr((self.seed, *key)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def _see(self, camera: Camera, time: float) -> Look:
        places = self.at(time)
        random = self._random(camera.name, round(time * RATE))
        number = np.array(sorted(places), dtype=np.int64)
        xyxy, depth = camera.boxes(np.array([places[n] for n in number.tolist()]).reshape(-1, 2))
        kept = (depth > 0.5) & _in_image(xyxy)
        kept[kept] &= ~_hidden(xyxy[kept])
        number, xyxy = number[kept], xyxy[kept]
        height = (xyxy[:, 3] - xyxy[:, 1])[:, None]
        jitter = self.faults.noise * height * np.array([0.5, 1.0, 0.5, 1.0])
        xyxy = xyxy + jitter * random.standard_normal(xyxy.shape)
        seen = random.random(len(number)) >= self.faults.missing
        false = _false_boxes(random, self.faults.false_boxes)
        number = np.concatenate([number[seen], np.full(len(false), FALSE_BOX, dtype=np.int64)])
        xyxy = np.clip(np.concatenate([xyxy[seen], false]), 0.0, [*SIZE, *SIZE])
        order = random.permutation(len(number))
        number = number[order]
        detections = Detections(
            camera_id=camera.name,
            captured_at=time,
            xyxy=xyxy[order].astype(np.float32),
            confidence=np.where(number == FALSE_BOX, 0.7, 0.9).astype(np.float32),
        )
        clothes = {p.number: p.clothes or p.number for p in self.people}
        return Look(detections, number, appearances([clothes.get(n) for n in number.tolist()], random))


def _in_image(xyxy: FloatArray) -> np.ndarray:
    """Tell which boxes have at least half of themselves, and their middle's height, inside the image."""
    inside = np.clip(xyxy, 0.0, [*SIZE, *SIZE])
    area = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    return (inside[:, 2:] - inside[:, :2]).prod(axis=1) >= 0.5 * area


def _hidden(xyxy: FloatArray) -> np.ndarray:
    """Tell which boxes one nearer box covers by more than 60 %."""
    low, high = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2]), np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    share = np.clip(high - low, 0.0, None).prod(axis=2) / (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)[:, None]
    return ((xyxy[None, :, 3] > xyxy[:, None, 3]) & (share > 0.6)).any(axis=1)


def _false_boxes(random: np.random.Generator, rate: float) -> FloatArray:
    n = random.poisson(rate)
    height, foot = random.uniform(80.0, 300.0, n), random.uniform(350.0, SIZE[1] - 10.0, n)
    left = random.uniform(0.0, SIZE[0] - 120.0, n)
    return np.stack([left, foot - height, left + 0.4 * height, foot], axis=1)


def appearances(clothes: Sequence[int | None], random: np.random.Generator) -> VectorArray:
    """Return a unit vector (N, DIMENSION) per entry, cosine about COMMON + OWN for equal clothes and COMMON for others.

    None stands for no person: an appearance like nobody's.
    """
    common = _direction("people")
    rows = np.zeros((len(clothes), DIMENSION))
    for row, worn in enumerate(clothes):
        noise = random.standard_normal(DIMENSION) / np.sqrt(DIMENSION)
        own = noise if worn is None else _direction(f"clothes {worn}")
        rows[row] = np.sqrt(COMMON) * common + np.sqrt(OWN) * own + np.sqrt(1.0 - COMMON - OWN) * noise
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows.astype(np.float32)


def _direction(name: str) -> FloatArray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return np.asarray(vector / np.linalg.norm(vector))


def tracks(
    look: Look, *, state: TrackState = TrackState.CONFIRMED, certainty: float = 1.0, appearance: bool = True
) -> Tracks:
    """Return the tracks of a perfect single-camera tracker: a person's number is the track's id; no false boxes."""
    rows = np.flatnonzero(look.person != FALSE_BOX)
    n = len(rows)
    return Tracks(
        camera_id=look.detections.camera_id,
        captured_at=look.detections.captured_at,
        track_id=look.person[rows],
        state=np.full(n, state, dtype=np.int64),
        row=rows,
        xyxy=look.detections.xyxy[rows],
        confidence=look.detections.confidence[rows],
        appearance=look.appearance[rows] if appearance else np.zeros((n, DIMENSION), dtype=np.float32),
        certainty=np.full(n, certainty),
    )


def points(name: str, xy: FloatArray, sigma_m: float) -> FloorPoints:
    """Return valid floor points at (N, 2) metres with one deviation."""
    n = len(xy)
    return FloorPoints(CameraId(name), xy, np.tile(np.eye(2) * sigma_m**2, (n, 1, 1)), np.ones(n, dtype=np.bool_))
