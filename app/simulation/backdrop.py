"""What a camera sees of a scene when nobody is there: pixels, and how far away everything is.

Cast once per camera, ray by ray, through the camera's own lens, with the light and the soft shadows of the scene's
lamps. Compiled with numba; compiled functions call none of another file. Knows no people.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.mapping.camera_model import CameraModel
from app.domains.vocabulary import FloatArray
from app.simulation.exposure import Paint, develop
from app.simulation.floor_plan import Scene
from app.simulation.rasteriser import SAMPLES, Depth
from app.simulation.surfaces import CEILING, GROUND, SKY, paint_surfaces

NOWHERE_M = 1e6  # stands for no place, in code that is compiled without NaN
FAR_M = 80.0  # where the sky and the end of the ground are
WIDEST = 10.0  # in the ideal plane: rays farther off the axis show nothing
PERIOD = 4  # pixels, each way, after which the jitter of lamps repeats
JITTERS = 16  # different offsets a pixel
SPREAD = 2.6  # square metres that a lamp of power 1 lights to 1; chosen by eye
SUN = 1.9  # light of the sun on the floor beside that of lamps; chosen by eye
LAMP_M = 0.7  # width of a lamp, which makes shadows soft
LEAST_LIGHT = 0.008  # lamps that give less to a place are not asked whether they see it
FEELERS, FEELER_M = 4, 1.2  # rays that look for what is near a place, and their length


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """The still picture of one camera.

    Attributes:
        pixels: (H, W, 3) uint8 BGR, without noise.
        inverse_depth: (SAMPLES H, SAMPLES W) float32, 1 / metres along the camera's axis.
        ground: (H, W, 2) float32 metres, the place on the floor that a pixel shows; NOWHERE_M where it shows no floor.
    """

    pixels: Paint
    inverse_depth: Depth
    ground: NDArray[np.float32]


def lamp_columns(scene: Scene) -> FloatArray:
    """Return the scene's lamps as (L, 4): place in metres, and power so that the floor is lit about the same in all.

    Under a ceiling each lamp lights its share of the floor; under the sky each, such as the sun, lights all of it.
    """
    lamps = np.array(scene.lamps, dtype=np.float64).reshape(-1, 3)
    x0, y0, x1, y1 = scene.bounds
    power = np.full(len(lamps), (x1 - x0) * (y1 - y0) / max(len(lamps), 1) / SPREAD)
    if scene.ceiling_m is None:
        square = ((lamps - (0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0)) ** 2).sum(axis=1)
        power = SUN * square**2 / lamps[:, 2] ** 2 / max(len(lamps), 1)
    return np.column_stack([lamps, (1.0 - scene.daylight) * power])


def cast_backdrop(scene: Scene, model: CameraModel, pose: FloatArray) -> Backdrop:
    """Cast the picture of a camera.

    Args:
        scene: what stands there.
        model: the camera's lens; gives the ray of each sample.
        pose: (3, 4) site frame to camera.
    """
    solids, looks = scene.solid_columns()
    surfaces = _cast(_rays(model, SAMPLES), pose, solids, scene.ceiling_m or -1.0)
    ground = np.array([float(scene.floor[0]), *scene.floor[1]])
    colour = paint_surfaces(surfaces.place, surfaces.hit, surfaces.facing, looks, ground)
    jitter = np.random.default_rng(16).uniform(-0.5, 0.5, (PERIOD * PERIOD, JITTERS, 2))
    light = _light(surfaces, solids, lamp_columns(scene), scene.daylight, jitter)
    light = _smooth(light, surfaces.hit, surfaces.facing)
    sky = np.where(surfaces.hit == SKY, 235 if scene.ceiling_m is None else 40, 0).astype(np.uint8)
    middle = slice(SAMPLES // 2, None, SAMPLES)
    floor = surfaces.place[middle, middle, :2].copy()
    floor[surfaces.hit[middle, middle] != GROUND] = NOWHERE_M
    return Backdrop(develop(colour, light, sky), surfaces.inverse_depth, floor)


def cast_solids(scene: Scene, model: CameraModel, pose: FloatArray, scale: float) -> Depth:
    """Return (H, W) 1 / metres along the camera's axis to the nearest solid, 0 where none hides who stands there.

    Args:
        scene: what stands there.
        model: the camera's lens.
        pose: (3, 4) site frame to camera.
        scale: samples a pixel, each way; may be less than 1.
    """
    surfaces = _cast(_rays(model, scale), pose, scene.solid_columns()[0], -1.0)
    return np.where(surfaces.hit >= 0, surfaces.inverse_depth, np.float32(0.0))


def _rays(model: CameraModel, scale: float) -> FloatArray:
    """Return the (H, W, 2) ideal points of samples, `scale` to a pixel each way."""
    width, height = (round(scale * pixels) for pixels in model.size)
    columns, rows = (np.arange(width) + 0.5) / scale, (np.arange(height) + 0.5) / scale
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    return model.to_ideal(grid).reshape(height, width, 2)


class Surfaces(NamedTuple):
    """What each ray hits: 1 / metres along the camera's axis, number, facing axis from 1 with its sign, place."""

    inverse_depth: Depth
    hit: NDArray[np.int16]
    facing: NDArray[np.int8]
    place: NDArray[np.float32]


@njit(cache=True, nogil=True, inline="always")
def _inverse(value: float) -> float:
    """Return 1 / value, and something very large for 0."""
    return 1.0 / value if abs(value) > 1e-12 else 1e12


@njit(cache=True, nogil=True)
def _nearest(origin: FloatArray, direction: FloatArray, solids: FloatArray, limit: float) -> tuple[float, int, int]:
    """Return the distance, number and facing axis of the first solid on a ray; number SKY when none is within limit.

    Slab method, Kay and Kajiya 1986.
    """
    best, number, axis = limit, SKY, 2
    ix, iy, iz = _inverse(direction[0]), _inverse(direction[1]), _inverse(direction[2])
    ox, oy, oz = origin
    for i in range(len(solids)):
        x0, x1 = (solids[i, 0] - ox) * ix, (solids[i, 3] - ox) * ix
        y0, y1 = (solids[i, 1] - oy) * iy, (solids[i, 4] - oy) * iy
        z0, z1 = (solids[i, 2] - oz) * iz, (solids[i, 5] - oz) * iz
        near_x, near_y, near_z = min(x0, x1), min(y0, y1), min(z0, z1)
        near = max(near_x, near_y, near_z)
        far = min(max(x0, x1), max(y0, y1), max(z0, z1))
        if 0.0 < near < far and near < best:
            best, number = near, i
            axis = 0 if near == near_x else 1 if near == near_y else 2
    return best, number, axis


@njit(cache=True, nogil=True)
def _blocked(origin: FloatArray, direction: FloatArray, solids: FloatArray) -> bool:
    """Return whether a solid stands between the origin and origin + direction."""
    ix, iy, iz = _inverse(direction[0]), _inverse(direction[1]), _inverse(direction[2])
    ox, oy, oz = origin
    for i in range(len(solids)):
        x0, x1 = (solids[i, 0] - ox) * ix, (solids[i, 3] - ox) * ix
        y0, y1 = (solids[i, 1] - oy) * iy, (solids[i, 4] - oy) * iy
        z0, z1 = (solids[i, 2] - oz) * iz, (solids[i, 5] - oz) * iz
        near = max(min(x0, x1), min(y0, y1), min(z0, z1), 0.0)
        if near < min(max(x0, x1), max(y0, y1), max(z0, z1), 1.0):
            return True
    return False


@njit(cache=True, nogil=True)
def _cast(rays: FloatArray, pose: FloatArray, solids: FloatArray, ceiling: float) -> Surfaces:
    """Find what each ray of the (H, W, 2) ideal points hits first; a ceiling below 0 is none."""
    shape = rays.shape[:2]
    inverse, facing = np.zeros(shape, np.float32), np.zeros(shape, np.int8)
    hit, place = np.full(shape, SKY, np.int16), np.zeros((shape[0], shape[1], 3), np.float32)
    origin, direction = np.zeros(3), np.empty(3)
    for i in range(3):
        for j in range(3):
            origin[i] -= pose[j, i] * pose[j, 3]
    for y in range(shape[0]):
        for x in range(shape[1]):
            u, v = rays[y, x]
            if not (abs(u) < WIDEST and abs(v) < WIDEST):
                continue
            for i in range(3):
                direction[i] = pose[0, i] * u + pose[1, i] * v + pose[2, i]
            limit, below = _level_hit(origin[2], direction[2], ceiling)
            far, number, axis = _nearest(origin, direction, solids, limit)
            if number == SKY:
                number, axis = below, 2
            inverse[y, x] = 1.0 / far
            hit[y, x] = number
            facing[y, x] = axis + 1 if direction[axis] < 0.0 else -axis - 1
            for i in range(3):
                place[y, x, i] = origin[i] + far * direction[i]
    return Surfaces(inverse, hit, facing, place)


@njit(cache=True, nogil=True)
def _level_hit(height: float, slope: float, ceiling: float) -> tuple[float, int]:
    """Return how far along a ray the ground or the ceiling is, and which of them."""
    if slope < 0.0 and -height / slope < FAR_M:
        return -height / slope, GROUND
    if ceiling > 0.0 and slope > 0.0 and (ceiling - height) / slope < FAR_M:
        return (ceiling - height) / slope, CEILING
    return FAR_M, SKY


@njit(cache=True, nogil=True)
def _light(
    surfaces: Surfaces, solids: FloatArray, lamps: FloatArray, daylight: float, jitter: FloatArray
) -> NDArray[np.float32]:
    """Return the light on each pixel's first sample: of lamps that are not hidden, and of the surroundings."""
    height, width = surfaces.hit.shape[0] // SAMPLES, surfaces.hit.shape[1] // SAMPLES
    light = np.full((height, width), 0.85, np.float32)
    start = np.empty(3)
    for row in range(height):
        for column in range(width):
            y, x = SAMPLES * row, SAMPLES * column
            if surfaces.hit[y, x] == SKY or surfaces.hit[y, x] == CEILING:
                continue
            facing = surfaces.facing[y, x]
            axis, side = abs(facing) - 1, 1.0 if facing > 0 else -1.0
            for i in range(3):
                start[i] = surfaces.place[y, x, i]
            start[axis] += side * 5e-3
            offsets = jitter[(row % PERIOD) * PERIOD + column % PERIOD]
            opened = _openness(start, axis, side, solids, offsets)
            up = side if axis == 2 else 0.0
            light[row, column] = _lamp_light(start, axis, side, solids, lamps, offsets) + daylight * (
                0.75 + 0.35 * up
            ) * (0.35 + 0.65 * opened)
    return light


@njit(cache=True, nogil=True)
def _lamp_light(
    start: FloatArray, axis: int, side: float, solids: FloatArray, lamps: FloatArray, offsets: FloatArray
) -> float:
    """Return the light of all lamps that see a place on a surface which faces along an axis."""
    total, towards = 0.0, np.empty(3)
    for lamp in range(len(lamps)):
        offset = offsets[lamp % JITTERS]
        towards[0] = lamps[lamp, 0] - start[0] + LAMP_M * offset[0]
        towards[1] = lamps[lamp, 1] - start[1] + LAMP_M * offset[1]
        towards[2] = lamps[lamp, 2] - start[2]
        square = towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2
        share = lamps[lamp, 3] * max(side * towards[axis], 0.0) * towards[2] / (square * square)
        if share > LEAST_LIGHT and not _blocked(start, towards, solids):
            total += share
    return total


@njit(cache=True, nogil=True)
def _openness(start: FloatArray, axis: int, side: float, solids: FloatArray, offsets: FloatArray) -> float:
    """Return the share of directions in which nothing is near a place on a surface: ambient occlusion."""
    opened, towards = 0.0, np.empty(3)
    for i in range(FEELERS):
        angle = 2.0 * math.pi * (i + offsets[i, 0] + 0.5) / FEELERS
        out = 0.65 + 0.6 * offsets[i, 1]
        level = FEELER_M * math.sqrt(1.0 - out * out)
        towards[(axis + 1) % 3] = level * math.cos(angle)
        towards[(axis + 2) % 3] = level * math.sin(angle)
        towards[axis] = side * FEELER_M * out
        if start[2] + towards[2] <= 0.0:
            opened += 0.7  # the floor throws light back
        elif not _blocked(start, towards, solids):
            opened += 1.0
    return opened / FEELERS


@njit(cache=True, nogil=True)
def _smooth(light: NDArray[np.float32], hit: NDArray[np.int16], facing: NDArray[np.int8]) -> NDArray[np.float32]:
    """Average the light over windows of one period of the jitter, where they show one surface."""
    result = np.empty_like(light)
    height, width = light.shape
    for row in range(height):
        for column in range(width):
            surface, side = hit[SAMPLES * row, SAMPLES * column], facing[SAMPLES * row, SAMPLES * column]
            total, count = 0.0, 0
            for y in range(max(row - PERIOD // 2, 0), min(row + PERIOD // 2, height)):
                for x in range(max(column - PERIOD // 2, 0), min(column + PERIOD // 2, width)):
                    if hit[SAMPLES * y, SAMPLES * x] == surface and facing[SAMPLES * y, SAMPLES * x] == side:
                        total += light[y, x]
                        count += 1
            result[row, column] = total / count if count else light[row, column]
    return result
