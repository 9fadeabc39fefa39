"""A simulated camera: renders who is where into pixels, with the true boxes. Knows nothing of how people walk.

A picture is a function of the people and the instant alone: the same ones give the same pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import BoolArray, FloatArray, IntArray
from app.simulation.backdrop import Backdrop, cast_backdrop, lamp_columns
from app.simulation.exposure import NOISE_MARGIN, Paint, add_noise, draw_noise, expose_corners
from app.simulation.figure import Figure
from app.simulation.floor_plan import Scene
from app.simulation.gait import ANKLE_M, REST, Bone, pose_bones
from app.simulation.lens import Calibration
from app.simulation.people import People
from app.simulation.rasteriser import (
    NEAR_M,
    SAMPLES,
    SEGMENTS,
    Light,
    Optics,
    Samples,
    Sprite,
    extent_of,
    fill,
    merge,
    project,
    resolve,
    skin,
)
from app.simulation.shadows import REACH_M, shade

SPRITE_LIMIT = 1.0  # a figure's samples reach at most this share of the image beyond its borders
TALLEST_M = 2.1  # nobody's head is higher
FEET = (Bone.FOOT_L, Bone.FOOT_R)
# (2, 4) homogeneous metres: the middles of the soles of a body at rest.
SOLES = np.array([[*(REST[foot] + (0.05, 0.0, -ANKLE_M)), 1.0] for foot in FEET])
CIRCLE = np.column_stack([np.cos(np.arange(8) * np.pi / 4.0), np.sin(np.arange(8) * np.pi / 4.0)])


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
        self._light = Light(lamp_columns(scene), scene.daylight)
        width, height = self.size
        focal, centre = np.diag(calibration.matrix)[:2], calibration.matrix[:2, 2]
        lens = np.concatenate([SAMPLES * focal, SAMPLES * centre, calibration.distortion])
        self._optics = Optics(np.ascontiguousarray(calibration.pose), lens)
        shape = (SAMPLES * height, SAMPLES * width)
        self._samples = Samples(
            self._backdrop.inverse_depth.copy(), np.zeros(shape, np.int16), np.zeros((*shape, 3), np.uint8)
        )
        self._sprite_depth = np.zeros(0, np.float32)
        self._sprite_paint = np.zeros(0, np.uint8)
        self._noise = draw_noise(seed, width, height)
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
        for i in np.flatnonzero(may_be_seen(self._calibration, people.xy)).tolist():
            figure = self._figures[int(people.ids[i])]
            bones = pose_person(people, i, figure.height_m)
            self._cast_shadow(people.xy[i], bones, picture)
            self._draw(figure, bones, i + 1, extents[i])
        seen = np.zeros(len(people) + 1, np.int64)
        inside = np.flatnonzero((extents[:, 3] >= 0) & (extents[:, 0] > 0))
        for extent in extents[inside]:
            resolve(extent, self._samples, self._backdrop.inverse_depth, picture, seen)
        shift = np.random.default_rng([self._seed, round(time_s * 1000.0)]).integers(NOISE_MARGIN, size=2)
        add_noise(picture, self._noise, int(shift[0]), int(shift[1]), gain)
        left, top, right, bottom = extents[inside, 1:].T
        xyxy = np.stack([left // SAMPLES, top // SAMPLES, right // SAMPLES + 1, bottom // SAMPLES + 1], axis=1)
        visibility = seen[1:][inside] / extents[inside, 0]
        return Rendering(picture, people.ids[inside], xyxy.astype(np.float32), visibility, people.xy[inside])

    def _draw(self, figure: Figure, bones: FloatArray, number: int, extent: IntArray) -> None:
        """Draw one person into the picture's samples."""
        vertices = np.empty((len(figure.rings), SEGMENTS, 6))
        corners = np.empty_like(vertices)
        skin(bones, figure.weights, figure.rings, figure.tube, vertices)
        if not project(vertices, self._optics, figure.colours, self._light, corners):
            return
        rows, columns = self._samples.depth.shape
        left, top, right, bottom = extent_of(corners)
        if right < 0.0 or bottom < 0.0 or left >= columns or top >= rows:
            return
        low = (math.floor(max(left, -SPRITE_LIMIT * columns)), math.floor(max(top, -SPRITE_LIMIT * rows)))
        reach = 1.0 + SPRITE_LIMIT
        high = (math.ceil(min(right, reach * columns)) + 1, math.ceil(min(bottom, reach * rows)) + 1)
        expose_corners(corners, columns, rows)
        sprite = self._sprite(low, high)
        fill(corners, figure.tube, sprite)
        merge(sprite, number, self._samples, extent)

    def _sprite(self, low: tuple[int, int], high: tuple[int, int]) -> Sprite:
        """Return cleared buffers for one figure, which reaches from sample `low` to before `high` (x, y)."""
        columns, rows = high[0] - low[0], high[1] - low[1]
        if self._sprite_depth.size < rows * columns:
            self._sprite_depth = np.zeros(rows * columns, np.float32)
            self._sprite_paint = np.zeros(3 * rows * columns, np.uint8)
        depth = self._sprite_depth[: rows * columns].reshape(rows, columns)
        paint = self._sprite_paint[: 3 * rows * columns].reshape(rows, columns, 3)
        return Sprite(depth, paint, *low)

    def _cast_shadow(self, xy: FloatArray, bones: FloatArray, picture: Paint) -> None:
        """Darken the floor around somebody's feet."""
        calibration = self._calibration
        ring = np.column_stack([xy + REACH_M * CIRCLE, np.zeros(len(CIRCLE))])
        view = ring @ calibration.rotation.T + calibration.tvec
        if view[:, 2].min() < NEAR_M:
            return
        centre = calibration.matrix[:2, 2]
        pixels = view[:, :2] / view[:, 2:] * np.diag(calibration.matrix)[:2]
        # the lens pulls points inwards by up to a fifth
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        x0, y0 = np.maximum(np.minimum(low, 0.8 * low) + centre - 2.0, 0.0).astype(int)
        x1, y1 = np.minimum(np.maximum(high, 0.8 * high) + centre + 2.0, self.size).astype(int)
        if x0 < x1 and y0 < y1:
            feet = np.stack([bones[foot] @ sole for foot, sole in zip(FEET, SOLES, strict=True)])
            shade(picture[y0:y1, x0:x1], self._backdrop.ground[y0:y1, x0:x1], xy, feet, self._light.lamps)


def may_be_seen(calibration: Calibration, xy: FloatArray) -> BoolArray:
    """Tell which people at (N, 2) metres are before the camera and near its field of view: (N,)."""
    pose = calibration.pose
    foot = xy @ pose[:, :2].T + pose[:, 3]
    ahead = np.minimum(foot[:, 2], foot[:, 2] + TALLEST_M * pose[2, 2]) >= NEAR_M + 0.5
    # half the image's width, a quarter more for the lens, and an arm's length
    reach = 1.25 * 0.5 * calibration.size[0] / calibration.matrix[0, 0]
    near: BoolArray = ahead & (np.abs(foot[:, 0]) < reach * foot[:, 2] + 0.6)
    return near


def pose_person(people: People, i: int, height_m: float) -> FloatArray:
    """Return the (B, 3, 4) bones of one person."""
    stance = (*people.xy[i], people.heading[i], people.speed[i], people.phase[i], people.gesture[i], people.sway[i])
    return pose_bones(np.array(stance), height_m)
