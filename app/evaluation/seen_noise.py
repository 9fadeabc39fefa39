"""Turns people of whom a camera sees a known share into the boxes, scores and looks that a detector would give.

Knows arrays of one camera and a seed; knows no file, no simulator and no other camera. `detection_noise` does the same
for annotations, which do not say how much of somebody is seen.

The defaults were fitted to person-detection-retail-0013 and person-reidentification-retail-0287 on 600 pictures of the
simulated shop and square, 5 a second, 5,269 people. What persists from frame to frame does so as a normal that forgets
over a memory time (an AR(1) process in time), one per person and camera.

1. Somebody is found with probability 1 / (1 + exp(-`found_whole`) / v ** `found_slope`), v being the visible share:
   .97 when nothing is hidden, .90 at a half, .72 at a quarter, .35 at a tenth. Misses last (`found_memory_s`).
2. Each edge of the box lies between the visible part's and the whole figure's: detectors guess hidden feet, more or
   less well (`guess_mean`, `guess_sigma`, both as shares of what is hidden).
3. Each edge is off by a normal of `side_sigma`, `top_sigma` and `bottom_sigma` heights of the whole figure
   (`edge_memory_s`), those at the image's border only outwards. Then the box is cut to the image.
4. The score is a logistic normal: mean logit `score_whole` + `score_slope` ln v, deviation `score_sigma`.
5. False boxes: `false_boxes` in a frame on average, each for `false_lasts_s` at one place, anywhere, with the size of
   one of this camera's boxes and a low score.
6. A look is a unit vector, the sum of parts whose squared lengths add up to about 1: what all people share, the
   outfit, the person (small, so that people dressed alike look alike), the side that they show, the camera, and noise.
   What is hidden within the image takes that much of all but camera and noise away, and puts clutter in its place;
   what is outside the image takes half as much.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import NO_ID, FloatArray, IntArray, check_shape
from app.evaluation.detection_noise import NoisyBoxes, cut_to_image, has_area, place_false

LEAST_SCORE = 0.1  # what detectors output at least
SIZE = 49  # dimensions of a look: what all people share, and 48


@dataclass(frozen=True, slots=True)
class LookNoise:
    """Squared lengths of the parts of a look, and how fast the noise changes."""

    shared: float = 0.25  # cosine of two strangers
    outfit: float = 0.36
    person: float = 0.06
    side: float = 0.08
    camera: float = 0.04
    slow: float = 0.12  # posture, light
    fast: float = 0.12
    slow_memory_s: float = 3.0
    clutter: float = 0.7  # length of what stands before a hidden body


@dataclass(frozen=True, slots=True)
class SeenNoise:
    """How far boxes are from what is there; see the module."""

    found_whole: float = 3.5  # logit
    found_slope: float = 1.9
    found_memory_s: float = 1.2  # after 0.2 s a missed person is missed again in 6 of 10 frames
    guess_mean: float = 0.5
    guess_sigma: float = 0.35
    side_sigma: float = 0.027
    top_sigma: float = 0.018
    bottom_sigma: float = 0.026
    edge_memory_s: float = 0.5
    score_whole: float = 4.0
    score_slope: float = 2.4
    score_sigma: float = 2.0
    score_memory_s: float = 0.5
    false_boxes: float = 0.08
    false_lasts_s: float = 0.5
    looks: LookNoise | None = LookNoise()


@dataclass(frozen=True, slots=True, eq=False)
class SeenBoxes:
    """Who is in the image of one camera, as parallel arrays of length N in any order.

    Attributes:
        frame: (N,) int64, from 1 to `frames`.
        person: (N,) int64.
        outfit: (N,) int64, people with the same number are dressed alike.
        xyxy: (N, 4) pixels of the whole figure, inside the image.
        visible_xyxy: (N, 4) pixels of what is seen of it.
        visibility: (N,) share that is seen.
        inside: (N,) share of the whole figure's box that is inside the image.
        facing: (N,) radians between where the person looks and where the camera is.
        frames: how many frames there are, with people or without.
        fps: frames a second.
        size: (width, height) of the image in pixels.
    """

    frame: IntArray
    person: IntArray
    outfit: IntArray
    xyxy: FloatArray
    visible_xyxy: FloatArray
    visibility: FloatArray
    inside: FloatArray
    facing: FloatArray
    frames: int
    fps: float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("person", "outfit", "visibility", "inside", "facing"):
            check_shape(name, getattr(self, name), (len(self.frame),))
        check_shape("xyxy", self.xyxy, (len(self.frame), 4))
        check_shape("visible_xyxy", self.visible_xyxy, (len(self.frame), 4))

    def __len__(self) -> int:
        return len(self.frame)


class _Wander:
    """Normals that forget: one series a person, sampled at the frames where the person is in the image."""

    def __init__(self, boxes: SeenBoxes, rng: np.random.Generator) -> None:
        self._order = np.lexsort([boxes.frame, boxes.person])
        person, frame = boxes.person[self._order], boxes.frame[self._order]
        self._gap_s = np.full(len(boxes), np.inf)
        same = person[1:] == person[:-1]
        self._gap_s[1:][same] = (frame[1:] - frame[:-1])[same] / boxes.fps
        self._rng = rng

    def draw(self, columns: int, memory_s: float) -> FloatArray:
        """Return (N, columns) standard normals, in the boxes' order."""
        white = self._rng.normal(size=(len(self._order), columns))
        _remember(white, np.exp(-self._gap_s / memory_s))
        result = np.empty_like(white)
        result[self._order] = white
        return result


@njit(cache=True, nogil=True)
def _remember(white: FloatArray, kept: FloatArray) -> None:
    """Mix into each row of independent normals as much of the row before as is `kept`, in place."""
    for i in range(1, len(white)):
        for j in range(white.shape[1]):
            white[i, j] = kept[i] * white[i - 1, j] + np.sqrt(1.0 - kept[i] ** 2) * white[i, j]


def detect_seen(boxes: SeenBoxes, noise: SeenNoise, seed: int, camera_id: str) -> NoisyBoxes:
    """Make one camera's detections as the module's docstring says.

    The result depends on the seed and the camera's name alone, not on which other cameras there are. Asking for looks
    does not change the boxes.
    """
    streams = np.random.SeedSequence([seed, zlib.crc32(camera_id.encode())]).spawn(2)
    rng, looks_rng = (np.random.default_rng(stream) for stream in streams)
    wander = _Wander(boxes, rng)
    visibility = np.clip(boxes.visibility, 1e-3, 1.0)
    chance = 1.0 / (1.0 + np.exp(-noise.found_whole) * visibility**-noise.found_slope)
    found = _uniform(wander.draw(1, noise.found_memory_s)[:, 0]) < chance
    xyxy = _draw_edges(boxes, noise, wander)
    logit = noise.score_whole + noise.score_slope * np.log(visibility)
    logit += noise.score_sigma * wander.draw(1, noise.score_memory_s)[:, 0]
    score = np.clip(1.0 / (1.0 + np.exp(-logit)), LEAST_SCORE, 1.0)
    kept = np.flatnonzero(found & (boxes.visibility > 0.0) & has_area(xyxy))
    false = _draw_false(boxes, noise, rng)
    frame = np.concatenate([boxes.frame[kept], false.frame])
    order = np.lexsort([rng.random(len(frame)), frame])
    looks = np.zeros((len(frame), 0), np.float32)
    if noise.looks is not None:
        looks = _draw_looks(boxes, noise.looks, seed, camera_id, looks_rng)[kept]
        looks = np.concatenate([looks, _stranger_looks(len(false), looks_rng)])
    return NoisyBoxes(
        frame[order],
        np.concatenate([xyxy[kept], false.xyxy])[order],
        np.concatenate([score[kept], false.confidence])[order],
        np.concatenate([boxes.person[kept], false.person])[order],
        looks[order],
    )


def _uniform(normal: FloatArray) -> FloatArray:
    """Return standard normals as uniform shares; the logistic curve is within .01 of theirs."""
    result: FloatArray = 1.0 / (1.0 + np.exp(-1.702 * normal))
    return result


def _draw_edges(boxes: SeenBoxes, noise: SeenNoise, wander: _Wander) -> FloatArray:
    guessed = np.clip(noise.guess_mean + noise.guess_sigma * wander.draw(4, noise.edge_memory_s), 0.0, 1.0)
    edges = boxes.visible_xyxy + guessed * (boxes.xyxy - boxes.visible_xyxy)
    sigmas = np.array([noise.side_sigma, noise.top_sigma, noise.side_sigma, noise.bottom_sigma])
    height = (boxes.xyxy[:, 3] - boxes.xyxy[:, 1])[:, None]
    error = sigmas * height * wander.draw(4, noise.edge_memory_s)
    width, height_px = boxes.size
    outwards = np.array([-1.0, -1.0, 1.0, 1.0])
    at_border = (outwards * (boxes.visible_xyxy - np.array([0.0, 0.0, width, height_px]))) > -1.0
    return cut_to_image(edges + np.where(at_border, outwards * np.abs(error), error), boxes.size)


def _draw_false(boxes: SeenBoxes, noise: SeenNoise, rng: np.random.Generator) -> NoisyBoxes:
    """Return the false boxes, without looks."""
    lasts = max(1.0, noise.false_lasts_s * boxes.fps)
    pool = boxes.xyxy[has_area(boxes.xyxy)]
    begins = rng.poisson(noise.false_boxes / lasts, size=boxes.frames) if len(pool) else np.zeros(boxes.frames, int)
    lengths = rng.geometric(1.0 / lasts, size=begins.sum())
    places, scores = place_false(pool, int(begins.sum()), boxes.size, rng), rng.beta(0.8, 3.0, size=begins.sum())
    of = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    frame = np.repeat(np.arange(1, boxes.frames + 1), begins)[of] + step
    inside = frame <= boxes.frames
    of, frame = of[inside], frame[inside]
    score = LEAST_SCORE + (1.0 - LEAST_SCORE) * scores[of]
    person = np.full(len(of), NO_ID)
    return NoisyBoxes(frame, places[of], score, person, np.zeros((len(of), 0), np.float32))


def _draw_looks(
    boxes: SeenBoxes, noise: LookNoise, seed: int, camera_id: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (N, SIZE) unit vectors."""
    wander = _Wander(boxes, rng)
    shown = np.sqrt(noise.outfit) * _own_vectors(boxes.outfit, seed, 1) + np.sqrt(noise.person) * _own_vectors(
        boxes.person, seed, 2
    )
    face, flank = _own_vectors(boxes.person, seed, 3), _own_vectors(boxes.person, seed, 4)
    facing = boxes.facing[:, None]
    shown += np.sqrt(noise.side) * (np.cos(facing) * face + np.sin(facing) * flank)
    shown[:, 0] += np.sqrt(noise.shared)
    uncovered = np.minimum(boxes.visibility / np.maximum(boxes.inside, 1e-6), 1.0)
    seen = np.minimum(uncovered * (0.5 + 0.5 * boxes.inside) / 0.9, 1.0)[:, None]
    looks = seen * shown + np.sqrt(noise.camera) * _own_vectors(np.array([zlib.crc32(camera_id.encode())]), seed, 5)
    for share, memory_s in ((noise.slow, noise.slow_memory_s), (noise.fast, 1e-3)):
        looks[:, 1:] += np.sqrt(share / (SIZE - 1)) * wander.draw((SIZE - 1), memory_s)
    clutter = noise.clutter * np.sqrt((1.0 - seen**2) / (SIZE - 1))
    looks[:, 1:] += clutter * wander.draw((SIZE - 1), noise.slow_memory_s)
    return _unit(looks)


def _own_vectors(owner: IntArray, seed: int, kind: int) -> FloatArray:
    """Return (N, SIZE) unit vectors that belong to the owners, the same in all cameras; the first dimension is 0."""
    owners, which = np.unique(owner, return_inverse=True)
    own = np.zeros((len(owners), SIZE))
    for row, one in enumerate(owners.tolist()):
        own[row, 1:] = np.random.default_rng([seed, 6, kind, one]).normal(size=(SIZE - 1))
    result: FloatArray = (own / np.linalg.norm(own, axis=1, keepdims=True))[which]
    return result


def _stranger_looks(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (count, SIZE) unit vectors of what is nobody."""
    looks = np.zeros((count, SIZE))
    looks[:, 1:] = rng.normal(size=(count, (SIZE - 1)))
    return _unit(looks)


def _unit(vectors: FloatArray) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
