"""A made-up site of any size, as recorded detections: what the frame path gets once networks have done their work.

People walk over a floor; cameras see them with noise, drop-outs, occlusion and false boxes. The boxes, and a vector of
appearance for each, become recorded detections of a site file. Knows nothing of what tracks them.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from app.domains.vocabulary import NO_ID, BoolArray, FloatArray, IntArray

FPS = 10.0
SIZE = (1920, 1080)
FOCAL = 1150.0  # pixels: 80 degrees wide
NEAR_M, FAR_M = 2.5, 22.0  # what stands further away is too small for the detector
HUNG_M = 3.2  # height of the cameras
AREA_M2 = 67.0  # of floor for each camera: MultiviewX's density
HEIGHT_M, WIDTH_M = 1.75, 0.55  # of a person
NOISE = 0.02  # of a box's edges, in box heights
DROPPED, FALSE_BOXES = 0.08, 0.3  # probability a box; average a frame
COVERED = 0.6  # share of a box behind another one from which nobody finds it
DIMENSION = 256  # of appearance vectors
COMMON, OWN = 0.35, 0.4  # cosine of two people, and how much more of the same person twice


@dataclass(frozen=True, slots=True)
class View:
    """A camera: 3x3 rotation from the site frame, and where it stands in metres."""

    rotation: FloatArray
    position: FloatArray


def walks(people: int, steps: int, floor: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Return (steps, people, 2) metres of people who walk from one random place to the next."""
    place, goal = (rng.uniform((0, 0), floor, (people, 2)) for _ in range(2))
    stride = rng.uniform(0.8, 1.5, people) / FPS
    path = np.empty((steps, people, 2))
    for step in range(steps):
        path[step] = place
        way = goal - place
        distance = np.linalg.norm(way, axis=1)
        there = distance < 2 * stride
        goal[there] = rng.uniform((0, 0), floor, (int(there.sum()), 2))
        place = place + way * (stride / np.maximum(distance, stride))[:, None]
    return path


def hang_cameras(count: int) -> tuple[tuple[float, float], list[View]]:
    """Return a floor of 3:2 in metres and cameras over it, each looking across its own part in another direction."""
    columns = math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    depth = math.sqrt(count * AREA_M2 / 1.5)
    floor = 1.5 * depth, depth
    views = []
    for number in range(count):
        row, column = divmod(number, columns)
        middle = np.array([(column + 0.5) * floor[0] / columns, (row + 0.5) * floor[1] / rows])
        angle = 2.399963 * number  # the golden angle: no two neighbours look the same way
        ahead = np.array([math.cos(angle), math.sin(angle)])
        position = np.array([*(middle - 9.0 * ahead), HUNG_M])
        forward = np.array([*(9.0 * ahead), 1.0 - HUNG_M])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        views.append(View(np.stack([right, np.cross(forward, right), forward]), position))
    return floor, views


def see(view: View, xy: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the boxes (K, 4) of whom the camera sees of (N, 2) metres, and who they are."""
    foot = (np.column_stack([xy, np.zeros(len(xy))]) - view.position) @ view.rotation.T
    head = (np.column_stack([xy, np.full(len(xy), HEIGHT_M)]) - view.position) @ view.rotation.T
    who = np.flatnonzero((foot[:, 2] > NEAR_M) & (foot[:, 2] < FAR_M) & (head[:, 2] > 1.0))
    foot, head = foot[who], head[who]
    low, high = (FOCAL * p[:, :2] / p[:, 2:] + np.array(SIZE) / 2 for p in (foot, head))
    half = 0.5 * WIDTH_M * FOCAL / foot[:, 2]
    boxes = np.stack([low[:, 0] - half, high[:, 1], low[:, 0] + half, low[:, 1]], axis=1)
    inside = boxes.clip(0, [*SIZE, *SIZE])
    kept = _area(inside) > 0.4 * _area(boxes)
    order = np.flatnonzero(kept)[np.argsort(foot[kept, 2], kind="stable")]
    visible = _uncovered(inside[order])
    return inside[order][visible], who[order][visible]


def _area(boxes: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0).prod(axis=1))


def _uncovered(boxes: FloatArray) -> BoolArray:
    """Return (N,) which of the boxes, nearest first, no nearer one hides."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2) / np.maximum(_area(boxes), 1e-9)[:, None]
    return np.asarray(np.tril(shared, -1).max(axis=1, initial=0.0) < COVERED)


def detect(view: View, xy: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Return the boxes (K, 4) that a detector finds, and who they are; NO_ID for boxes of nobody."""
    boxes, who = see(view, xy)
    found = rng.random(len(who)) >= DROPPED
    boxes, who = boxes[found], who[found]
    height = (boxes[:, 3] - boxes[:, 1])[:, None]
    boxes = boxes + rng.normal(0.0, NOISE, boxes.shape) * height * (0.5, 1.0, 0.5, 1.0)
    wrong = rng.poisson(FALSE_BOXES)
    tall = rng.uniform(80, 300, wrong)
    corner = rng.uniform((0, 300), (SIZE[0] - 120, SIZE[1] - 300), (wrong, 2))
    ghosts = np.column_stack([corner, corner + np.column_stack([0.35 * tall, tall])])
    return np.concatenate([boxes, ghosts]), np.concatenate([who, np.full(wrong, NO_ID)])


def looks(who: IntArray, faces: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return (K, DIMENSION) vectors of appearance: what all have in common, what is one's own, and noise."""
    shared = np.full(DIMENSION, math.sqrt(COMMON / DIMENSION))
    noise = rng.normal(0.0, math.sqrt((1.0 - COMMON - OWN) / DIMENSION), (len(who), DIMENSION))
    own = np.where((who != NO_ID)[:, None], faces[who], rng.normal(0.0, 1.0 / math.sqrt(DIMENSION), noise.shape))
    vectors = shared + math.sqrt(OWN) * own + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def write_site(folder: Path, cameras: int, people: int, steps: int, appearance: bool) -> float:
    """Write the site file and the recorded detections; returns how many cameras see a person on average."""
    rng = np.random.default_rng(1)
    floor, views = hang_cameras(cameras)
    path = walks(people, steps, floor, rng)
    faces = rng.normal(0.0, 1.0 / math.sqrt(DIMENSION), (people, DIMENSION))
    entries: list[dict[str, Any]] = []
    seen = 0
    for number, view in enumerate(views):
        lines, vectors = [], []
        for step in range(steps):
            boxes, who = detect(view, path[step], rng)
            seen += int((who != NO_ID).sum())
            sides = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], rng.uniform(0.55, 0.98, len(boxes))])
            lines += [f"{step + 1},-1,{','.join(f'{value:.2f}' for value in row)}" for row in sides.tolist()]
            vectors.append(looks(who, faces, rng))
        name = f"camera-{number + 1:02d}"
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entry: dict[str, Any] = {"id": name, "detections": f"{name}.txt", "size": list(SIZE), "fps": FPS}
        if appearance:
            np.savez(folder / f"{name}.npz", embeddings=np.concatenate(vectors))
            entry["embeddings"] = f"{name}.npz"
        inner = [[FOCAL, 0.0, SIZE[0] / 2], [0.0, FOCAL, SIZE[1] / 2], [0.0, 0.0, 1.0]]
        rvec, tvec = cv2.Rodrigues(view.rotation)[0].ravel().tolist(), (-view.rotation @ view.position).tolist()
        entries.append({**entry, "calibration": {"opencv": {"K": inner, "rvec": rvec, "tvec": tvec}}})
    site = {"site": "bench", "floor": {"bounds": [0.0, 0.0, *floor]}, "cameras": entries}
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    return seen / (steps * people)
