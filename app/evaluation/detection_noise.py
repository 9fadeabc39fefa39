"""Turns annotated boxes into the boxes that an imperfect detector could have given, with a documented noise.

Knows arrays of boxes of one camera and a seed; knows no file, no data set and no other camera.

What happens to the boxes of one camera, frame by frame:

1. The boxes are cut to the image and drawn from the nearest person to the farthest. Nearer is who stands lower in the
   image: whose annotated box, before it is cut, has the lower bottom edge. That holds for an upright camera above a
   level floor. A box of which more than `max_covered` is covered by the union of all nearer ones is dropped. The
   coverage is exact; people who are dropped themselves still hide those behind them.
2. Every other box is kept with probability `keep_probability`.
3. Each edge of the annotated box moves by a normal: top and bottom with a sigma of `edge_sigma` box heights, left and
   right with `side_share` of that. Then the box is cut to the image; a box that reached over the border stays cut
   there. A box that is left with less than a pixel of width or height is dropped.
4. `false_boxes` false boxes are added on average (Poisson). Each takes its size from one of this camera's true boxes,
   as cut to the image, and lies anywhere in the image with equal probability.
5. True and false boxes are shuffled within the frame and have one confidence, so that neither order nor score tells
   which are true.
"""

import itertools
import zlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import NO_ID, BoolArray, FloatArray, IntArray, check_shape
from app.errors import ConfigError

SHARES = ("max_covered", "keep_probability", "confidence")  # fields that must lie in [0, 1]


@dataclass(frozen=True, slots=True)
class DetectionNoise:
    """How far the boxes are from the annotation. Defaults: the definition of `spoton eval wildtrack`."""

    max_covered: float = 0.6  # share of a box that nearer boxes may cover
    keep_probability: float = 0.9  # of a box that is not covered
    edge_sigma: float = 0.04  # box heights; top and bottom edge
    side_share: float = 0.5  # of edge_sigma; left and right edge
    false_boxes: float = 0.5  # mean number per camera and frame
    confidence: float = 0.9  # of every box, true or false
    embedding_size: int = 0  # dimension of the appearance vectors; 0 writes none
    embedding_sigma: float = 0.5  # expected length of the noise added to a person's unit vector

    def __post_init__(self) -> None:
        for field in fields(self):
            value = float(getattr(self, field.name))
            if not 0.0 <= value < np.inf:
                raise ConfigError("detection noise", field.name, f"must be a number of at least 0, got {value:g}")
            if field.name in SHARES and value > 1.0:
                raise ConfigError("detection noise", field.name, f"must lie between 0 and 1, got {value:g}")


@dataclass(frozen=True, slots=True, eq=False)
class NoisyBoxes:
    """The detections of one camera, as parallel arrays of length N, ordered by frame.

    Attributes:
        frame: (N,) int64, numbered as the annotation was.
        xyxy: (N, 4) pixels, inside the image.
        confidence: (N,).
        person: (N,) int64, who it really is, NO_ID for a false box; for scoring the noise, never for a tracker.
        embedding: (N, D) float32 unit vectors; D is 0 when no appearance was asked for.
    """

    frame: IntArray
    xyxy: FloatArray
    confidence: FloatArray
    person: IntArray
    embedding: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedBoxes:
    """The annotated boxes of one camera, as parallel arrays of length N in any order.

    Attributes:
        frame: (N,) int64, from 1 to `frames`.
        person: (N,) int64.
        xyxy: (N, 4) pixels, not cut to the image.
        frames: how many frames were annotated, with people or without.
        size: (width, height) of the image in pixels.
    """

    frame: IntArray
    person: IntArray
    xyxy: FloatArray
    frames: int
    size: tuple[int, int]

    def __post_init__(self) -> None:
        check_shape("person", self.person, (len(self.frame),))
        check_shape("xyxy", self.xyxy, (len(self.frame), 4))


def add_noise(boxes: AnnotatedBoxes, noise: DetectionNoise, seed: int, camera_id: str) -> NoisyBoxes:
    """Make one camera's detections as the module's docstring says.

    The result depends on the seed and the camera's name alone, not on which other cameras there are. Asking for
    appearance does not change the boxes.
    """
    # one independent stream per camera; crc32, because hash() of a text differs between runs
    boxes_seed, looks_seed = np.random.SeedSequence([seed, zlib.crc32(camera_id.encode())]).spawn(2)
    rng = np.random.default_rng(boxes_seed)
    true_row, true_xyxy = _detect_true(boxes, noise, rng)
    false_frame, false_xyxy = _draw_false(boxes, noise, rng)
    frame = np.concatenate([boxes.frame[true_row], false_frame])
    xyxy = np.concatenate([true_xyxy, false_xyxy])
    person = np.concatenate([boxes.person[true_row], np.full(len(false_frame), NO_ID)])
    order = np.lexsort([rng.random(len(frame)), frame])
    frame, xyxy, person = frame[order], xyxy[order], person[order]
    embedding = draw_embeddings(person, noise, seed, np.random.default_rng(looks_seed))
    return NoisyBoxes(frame, xyxy, np.full(len(frame), noise.confidence), person, embedding)


def cut_to_image(xyxy: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Cut (N, 4) boxes to the image; a box that lies outside gets no area."""
    width, height = size
    return np.clip(xyxy, 0.0, np.array([width, height, width, height], float))


def covered_shares(xyxy: FloatArray) -> FloatArray:
    """Tell which share of each box the boxes before it cover together.

    The edges of all boxes cut the plane into cells that every box covers wholly or not at all, so that the area of the
    union is exact.

    Args:
        xyxy: (N, 4) boxes, nearest first.

    Returns:
        (N,) shares in [0, 1]; 1 for a box without area.
    """
    xs, ys = np.unique(xyxy[:, 0::2]), np.unique(xyxy[:, 1::2])
    area = np.diff(ys)[:, None] * np.diff(xs)[None, :]
    left, right = np.searchsorted(xs, xyxy[:, 0]), np.searchsorted(xs, xyxy[:, 2])
    top, bottom = np.searchsorted(ys, xyxy[:, 1]), np.searchsorted(ys, xyxy[:, 3])
    free = np.ones(area.shape, bool)
    shares = np.ones(len(xyxy))
    for row in range(len(xyxy)):
        cells = (slice(top[row], bottom[row]), slice(left[row], right[row]))
        total = area[cells].sum()
        if total > 0.0:
            shares[row] = 1.0 - (area[cells] * free[cells]).sum() / total
        free[cells] = False
    return shares


def detectable(boxes: AnnotatedBoxes, max_covered: float) -> BoolArray:
    """Tell which boxes are in the image and not hidden behind nearer people: (N,)."""
    cut = cut_to_image(boxes.xyxy, boxes.size)
    nearest_first = np.lexsort([-boxes.xyxy[:, 3], boxes.frame])
    starts = np.searchsorted(boxes.frame[nearest_first], np.arange(1, boxes.frames + 2))
    shares = np.ones(len(cut))
    for start, end in itertools.pairwise(starts):
        rows = nearest_first[start:end]
        shares[rows] = covered_shares(cut[rows])
    return (shares <= max_covered) & has_area(cut)


def draw_embeddings(
    person: IntArray, noise: DetectionNoise, seed: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw (N, D) unit vectors: the person's own, the same in all cameras, plus noise; a random one for a false box."""
    size = noise.embedding_size
    if size == 0 or len(person) == 0:
        return np.zeros((len(person), size), np.float32)
    people, which = np.unique(person, return_inverse=True)
    own = np.stack([np.random.default_rng([seed, 1, abs(int(one))]).normal(size=size) for one in people])
    vectors = own[which]
    false = person == NO_ID
    vectors[false] = rng.normal(size=(int(false.sum()), size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors += rng.normal(scale=noise.embedding_sigma / np.sqrt(size), size=vectors.shape)
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _detect_true(boxes: AnnotatedBoxes, noise: DetectionNoise, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return the rows of the annotated boxes that were detected, and where."""
    kept = detectable(boxes, noise.max_covered) & (rng.random(len(boxes.frame)) < noise.keep_probability)
    sigma = noise.edge_sigma * (boxes.xyxy[:, 3] - boxes.xyxy[:, 1])
    sigmas = sigma[:, None] * np.array([noise.side_share, 1.0, noise.side_share, 1.0])
    moved = cut_to_image(boxes.xyxy + rng.normal(size=boxes.xyxy.shape) * sigmas, boxes.size)
    kept &= has_area(moved)
    return np.flatnonzero(kept), moved[kept]


def _draw_false(boxes: AnnotatedBoxes, noise: DetectionNoise, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return the frame and place of the false boxes."""
    cut = cut_to_image(boxes.xyxy, boxes.size)
    cut = cut[has_area(cut)]
    counts = rng.poisson(noise.false_boxes, size=boxes.frames)
    if len(cut) == 0:  # nobody in this view ever: no size to draw from
        return np.zeros(0, np.int64), np.zeros((0, 4))
    frame = np.repeat(np.arange(1, boxes.frames + 1), counts)
    return frame, place_false(cut, int(counts.sum()), boxes.size, rng)


def place_false(like: FloatArray, count: int, size: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Draw (count, 4) boxes with the sizes of some of the (N, 4) ones, anywhere in an image of `size`."""
    chosen = like[rng.integers(len(like), size=count)] if count else np.zeros((0, 4))
    extent = chosen[:, 2:] - chosen[:, :2]
    corner = rng.random(extent.shape) * (np.array(size) - extent)
    return np.concatenate([corner, corner + extent], axis=1)


def has_area(xyxy: FloatArray) -> BoolArray:
    """Tell which boxes have at least one pixel."""
    extent = xyxy[:, 2:] - xyxy[:, :2]
    large: BoolArray = np.all(extent >= 1.0, axis=1)
    return large
