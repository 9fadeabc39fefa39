"""A simulated camera: renders who is where into pixels, with the true boxes. Knows nothing of how people walk.

A picture is a function of the people and the instant alone: the same ones give the same pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.backdrop import Backdrop, cast_backdrop, lamp_columns
from app.simulation.figure import Figure
from app.simulation.floor_plan import Scene
from app.simulation.gait import HIP_Z, THIGH_M, SHIN_M, ANKLE_M, Bone, pose_bones
from app.simulation.lens import Calibration
from app.simulation.people import People
from app.simulation.rasteriser import NEAR_M, SAMPLES, SEGMENTS, Depth, Paint, fill, merge, project, resolve, skin
from app.simulation.surfaces import hash3

NOISE_SIGMA = 2.4  # pixel values; a small indoor sensor at some gain
NOISE_MARGIN = 64  # how far the noise pattern is shifted from frame to frame, pixels
SPRITE_LIMIT = 1.0  # a figure's samples reach at most this share of the image beyond its borders


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """One frame and what is true in it, as parallel arrays of length N: everybody with a pixel inside the image.

    Attributes:
        pixels: (H, W, 3) uint8 BGR.
        ids: (N,) int64.
        xyxy: (N, 4) float32 pixels, tight around the figure as if nothing stood before it, clipped to the image.
        visibility: (N,) share of the figure that is inside the image and hidden by nothing.
        floor: (N, 2) metres, site frame.
    """

    pixels: Paint
    ids: IntArray
    xyxy: NDArray[np.float32]
    visibility: FloatArray
    floor: FloatArray


class SimulatedCamera:
    """One camera of a scene.

    Not for several threads at once: it draws in buffers of its own.

    Args:
        scene: what stands still.
        calibration: where the camera hangs, and its lens.
        figures: how each person looks, by id.
        seed: of the sensor noise.
    """

    def __init__(self, scene: Scene, calibration: Calibration, figures: Mapping[int, Figure], seed: int = 0) -> None:
        self.size = calibration.size
        self._calibration = calibration
        self._figures = figures
        self._backdrop: Backdrop = cast_backdrop(scene, calibration.model(), calibration.pose)
        self._lamps, self._daylight = lamp_columns(scene), scene.daylight
        width, height = self.size
        focal, centre = np.diag(calibration.matrix)[:2], calibration.matrix[:2, 2]
        self._lens = np.concatenate([SAMPLES * focal, SAMPLES * centre, calibration.distortion])
        self._pose = np.ascontiguousarray(calibration.pose)
        shape = (SAMPLES * height, SAMPLES * width)
        self._depth = self._backdrop.inverse_depth.copy()
        self._number = np.zeros(shape, np.int16)
        self._paint = np.zeros((*shape, 3), np.uint8)
        self._sprite_depth = np.zeros(0, np.float32)
        self._sprite_paint = np.zeros(0, np.uint8)
        self._noise = _noise(seed, width + NOISE_MARGIN, height + NOISE_MARGIN)
        self._seed = seed

    def render(self, people: People, time_s: float, gain: float = 1.0) -> Rendering:
        """Draw the people at one instant.

        Args:
            people: everybody who may be in view.
            time_s: chooses the noise.
            gain: brightness of the light, 1 is usual.
        """
        picture = self._backdrop.pixels.copy()
        extents = np.zeros((len(people), 5), np.int64)
        extents[:, 3:] = -1
        for i in range(len(people)):
            if self._may_be_seen(people.xy[i]):
                figure = self._figures[int(people.ids[i])]
                bones = _pose(people, i, figure.height_m)
                self._cast_shadow(people.xy[i], bones, picture)
                self._draw(figure, bones, i + 1, extents[i])
        seen = np.zeros(len(people) + 1, np.int64)
        inside = np.flatnonzero((extents[:, 3] >= 0) & (extents[:, 0] > 0))
        still = self._backdrop.inverse_depth
        for i in inside:
            resolve(extents[i], self._depth, still, self._number, self._paint, picture, seen)
        tick = round(time_s * 1000.0)
        shift = [int(NOISE_MARGIN * hash3(self._seed, tick, axis)) for axis in (1, 2)]
        _expose(picture, self._noise, shift[0], shift[1], gain)
        left, top, right, bottom = extents[inside, 1:].T
        xyxy = np.stack([left // SAMPLES, top // SAMPLES, right // SAMPLES + 1, bottom // SAMPLES + 1], axis=1)
        visibility = seen[1:][inside] / extents[inside, 0]
        return Rendering(picture, people.ids[inside], xyxy.astype(np.float32), visibility, people.xy[inside])

    def _draw(self, figure: Figure, bones: FloatArray, number: int, extent: IntArray) -> None:
        """Draw one person into the scene's samples; shadows go to the picture below them."""
        vertices = np.empty((len(figure.rings), SEGMENTS, 6))
        corners = np.empty_like(vertices)
        skin(bones, figure.weights, figure.rings, figure.tube, vertices)
        if not project(vertices, self._pose, self._lens, figure.colours, self._lamps, self._daylight, corners):
            return
        margin = np.array(self._depth.shape[::-1]) * SPRITE_LIMIT
        low = np.floor(np.maximum(corners[..., :2].min(axis=(0, 1)), -margin)).astype(int)
        high = np.ceil(np.minimum(corners[..., :2].max(axis=(0, 1)), 2.0 * margin)).astype(int) + 1
        columns, rows = (high - low).tolist()
        width, height = self.size
        if columns <= 0 or rows <= 0 or (high <= 0).any() or low[0] >= SAMPLES * width or low[1] >= SAMPLES * height:
            return
        depth, paint = self._sprite(rows, columns)
        fill(corners, figure.tube, int(low[0]), int(low[1]), depth, paint)
        merge(depth, paint, int(low[0]), int(low[1]), number, self._depth, self._number, self._paint, extent)

    def _may_be_seen(self, xy: FloatArray) -> bool:
        """Return whether a person there is before the camera and near its field of view."""
        foot = self._pose[:, :2] @ xy + self._pose[:, 3]
        head = foot + 2.0 * self._pose[:, 2]
        if min(foot[2], head[2]) < NEAR_M + 0.5:
            return False
        sideways = abs(foot[0]) / foot[2]
        return bool(sideways < 0.5 * self.size[0] * SAMPLES / self._lens[0] * 1.25 + 0.6 / foot[2])

    def _sprite(self, rows: int, columns: int) -> tuple[Depth, Paint]:
        """Return cleared buffers for one figure."""
        if self._sprite_depth.size < rows * columns:
            self._sprite_depth = np.zeros(rows * columns, np.float32)
            self._sprite_paint = np.zeros(3 * rows * columns, np.uint8)
        depth = self._sprite_depth[: rows * columns].reshape(rows, columns)
        return depth, self._sprite_paint[: 3 * rows * columns].reshape(rows, columns, 3)

    def _cast_shadow(self, xy: FloatArray, bones: FloatArray, picture: Paint) -> None:
        """Darken the floor around somebody's feet."""
        model = self._calibration
        view = np.column_stack([xy + 1.1 * CIRCLE, np.zeros(len(CIRCLE))]) @ model.rotation.T + model.tvec
        if view[:, 2].min() < NEAR_M:
            return
        pixels = view[:, :2] / view[:, 2:] * np.diag(model.matrix)[:2]
        # the lens pulls points inwards by up to a fifth
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        x0, y0 = np.maximum(np.minimum(low, 0.8 * low) + model.matrix[:2, 2] - 2.0, 0.0).astype(int)
        x1, y1 = np.minimum(np.maximum(high, 0.8 * high) + model.matrix[:2, 2] + 2.0, self.size).astype(int)
        if x0 < x1 and y0 < y1:
            feet = bones[Bone.FOOT_L : Bone.FOOT_R + 1] @ np.concatenate([SOLE, [1.0]])
            shade(picture[y0:y1, x0:x1], self._backdrop.ground[y0:y1, x0:x1], xy, feet, self._lamps)


def _pose(people: People, i: int, height_m: float) -> FloatArray:
    """Return the bones of one person."""
    return pose_bones(
        people.xy[i, 0],
        people.xy[i, 1],
        people.heading[i],
        people.speed[i],
        people.phase[i],
        height_m,
        people.gesture[i],
        people.sway[i],
    )


# (3,) metres: the middle of a sole, on the lower side of the foot of a body at rest, without its sideways place.
SOLE = np.array([0.05, 0.0, HIP_Z - THIGH_M - SHIN_M - ANKLE_M])
CIRCLE = np.column_stack([np.cos(np.arange(8) * np.pi / 4.0), np.sin(np.arange(8) * np.pi / 4.0)])


@njit(cache=True, nogil=True, fastmath=True)
def shade(picture: Paint, ground: NDArray[np.float32], xy: FloatArray, feet: FloatArray, lamps: FloatArray) -> None:
    """Darken the floor below one person: under the feet, around the body, and away from each lamp near by.

    Args:
        picture: (h, w, 3) part of the picture.
        ground: (h, w, 2) metres, the floor that it shows; far away elsewhere.
        xy: (2,) metres.
        feet: (2, 3) metres, the soles' middles; a raised foot leaves less shadow.
        lamps: (L, 4).
    """
    height, width = ground.shape[:2]
    away = np.zeros((len(lamps), 3))
    count = 0
    for lamp in range(len(lamps)):
        dx, dy, dz = xy[0] - lamps[lamp, 0], xy[1] - lamps[lamp, 1], lamps[lamp, 2]
        far = math.sqrt(dx * dx + dy * dy)
        if far < 4.5:
            strength = 0.30 / (1.0 + 0.25 * far * far)
            length = 0.9 * far / max(dz - 0.9, 0.5)
            away[count, 0], away[count, 1], away[count, 2] = (
                dx / (far + 1e-6) * length,
                dy / (far + 1e-6) * length,
                strength,
            )
            count += 1
    for y in range(height):
        for x in range(width):
            gx, gy = ground[y, x, 0] - xy[0], ground[y, x, 1] - xy[1]
            square = gx * gx + gy * gy
            if square > 1.6:
                continue
            dark = 0.26 * math.exp(-square / 0.16)
            for foot in range(2):
                fx, fy = ground[y, x, 0] - feet[foot, 0], ground[y, x, 1] - feet[foot, 1]
                raised = 1.0 + 8.0 * max(feet[foot, 2], 0.0)
                dark += 0.55 / raised * math.exp(-(fx * fx + fy * fy) / (0.016 * raised))
            for k in range(count):
                ax, ay = away[k, 0], away[k, 1]
                along = (gx * ax + gy * ay) / (ax * ax + ay * ay + 1e-9)
                along = min(max(along, 0.0), 1.0)
                ox, oy = gx - along * ax, gy - along * ay
                dark += away[k, 2] * (1.0 - 0.6 * along) * math.exp(-(ox * ox + oy * oy) / 0.05)
            factor = 1.0 - min(dark, 0.75)
            for c in range(3):
                picture[y, x, c] = np.uint8(picture[y, x, c] * factor)


@njit(cache=True, nogil=True, fastmath=True)
def _expose(picture: Paint, noise: NDArray[np.int8], left: int, top: int, gain: float) -> None:
    """Scale by the light's gain and add sensor noise, in place."""
    height, width = picture.shape[:2]
    scale = int(gain * 256.0 + 0.5)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = ((picture[y, x, c] * scale) >> 8) + noise[y + top, x + left, c]
                picture[y, x, c] = np.uint8(min(max(value, 0), 255))


def _noise(seed: int, width: int, height: int) -> NDArray[np.int8]:
    """Draw a pattern of sensor noise: mostly brightness, a little colour, neighbours alike as after demosaicing."""
    rng = np.random.default_rng([seed, 77])
    bright = rng.normal(0.0, 1.0, (height, width, 1))
    bright = 0.75 * bright + 0.35 * (np.roll(bright, 1, axis=0) + np.roll(bright, 1, axis=1))
    colour = rng.normal(0.0, 0.45, (height, width, 3))
    return np.clip(NOISE_SIGMA * (bright + colour), -12, 12).astype(np.int8)
