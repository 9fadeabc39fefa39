"""What a camera sees of a scene when nobody is there: pixels, and how far away everything is.

Cast once per camera, ray by ray, through the camera's own lens, with the light and the soft shadows of the scene's
lamps. Compiled with numba. Knows no people.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.mapping.camera_model import CameraModel
from app.domains.vocabulary import FloatArray
from app.simulation.floor_plan import Scene
from app.simulation.rasteriser import SAMPLES, Depth, Paint, encode
from app.simulation.surfaces import hash3, reflectance

NOWHERE_M = 1e6  # stands for no place, in code that is compiled without NaN
FAR_M = 80.0  # where the sky and the end of the ground are
GROUND, CEILING, SKY = -1, -2, -3  # beside the numbers of solids
VIGNETTE = 0.22  # share of the light that the lens loses in the corners
CEILING_COLOUR = 0.62


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
    """Return the scene's lamps as (L, 4): place in metres, and power so that the floor is lit about the same in all."""
    lamps = np.array(scene.lamps, dtype=np.float64).reshape(-1, 3)
    x0, y0, x1, y1 = scene.bounds
    power = (1.0 - scene.daylight) * (x1 - x0) * (y1 - y0) / max(len(lamps), 1) / 2.6
    return np.column_stack([lamps, np.full(len(lamps), power)])


def cast_backdrop(scene: Scene, model: CameraModel, pose: FloatArray) -> Backdrop:
    """Cast the picture of a camera.

    Args:
        scene: what stands there.
        model: the camera's lens; gives the ray of each sample.
        pose: (3, 4) site frame to camera.
    """
    width, height = model.size
    columns = (np.arange(SAMPLES * width) + 0.5) / SAMPLES
    rows = (np.arange(SAMPLES * height) + 0.5) / SAMPLES
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    rays = model.to_ideal(grid).reshape(SAMPLES * height, SAMPLES * width, 2)
    solids, looks = scene.solid_columns()
    ground = np.array([float(scene.floor[0]), *scene.floor[1]])
    ceiling = scene.ceiling_m or -1.0
    shape = (SAMPLES * height, SAMPLES * width)
    inverse, colour = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32)
    normal, hit = np.zeros(shape, np.int8), np.full(shape, SKY, np.int16)
    place = np.full((*shape, 3), np.nan, np.float32)
    axes = np.ascontiguousarray(pose[:, :3])
    origin = -axes.T @ pose[:, 3]
    _cast(rays, axes, origin, solids, looks, ground, ceiling, inverse, colour, normal, hit, place)
    light = _light(place, hit, normal, solids, lamp_columns(scene), scene.daylight, ceiling)
    light = _smooth(light, hit, normal)
    pixels = _develop(colour, light, hit, float(scene.ceiling_m is None))
    floor = place[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES, :2].copy()
    floor[hit[SAMPLES // 2 :: SAMPLES, SAMPLES // 2 :: SAMPLES] != GROUND] = NOWHERE_M
    return Backdrop(pixels, inverse, floor)


@njit(cache=True, nogil=True)
def _nearest(origin: FloatArray, direction: FloatArray, solids: FloatArray, limit: float) -> tuple[float, int, int]:
    """Return the distance, number and facing axis of the first solid on a ray; number SKY when none is within limit."""
    best, number, axis = limit, SKY, 2
    for i in range(len(solids)):
        near, far, near_axis = 0.0, best, -1
        for a in range(3):
            slope = direction[a] if abs(direction[a]) > 1e-12 else 1e-12
            first, second = (solids[i, a] - origin[a]) / slope, (solids[i, 3 + a] - origin[a]) / slope
            if first > second:
                first, second = second, first
            if first > near:
                near, near_axis = first, a
            far = min(far, second)
            if near >= far:
                break
        if near < far and near_axis >= 0:
            best, number, axis = near, i, near_axis
    return best, number, axis


@njit(cache=True, nogil=True)
def _blocked(origin: FloatArray, direction: FloatArray, solids: FloatArray) -> bool:
    """Return whether a solid stands between the origin and origin + direction."""
    for i in range(len(solids)):
        near, far = 0.0, 1.0
        for a in range(3):
            slope = direction[a] if abs(direction[a]) > 1e-12 else 1e-12
            first, second = (solids[i, a] - origin[a]) / slope, (solids[i, 3 + a] - origin[a]) / slope
            if first > second:
                first, second = second, first
            near, far = max(near, first), min(far, second)
            if near >= far:
                break
        if near < far:
            return True
    return False


@njit(cache=True, nogil=True)
def _cast(
    rays: FloatArray,
    axes: FloatArray,
    origin: FloatArray,
    solids: FloatArray,
    looks: FloatArray,
    ground: FloatArray,
    ceiling: float,
    inverse: Depth,
    colour: NDArray[np.float32],
    normal: NDArray[np.int8],
    hit: NDArray[np.int16],
    place: NDArray[np.float32],
) -> None:
    """Find what each sample shows: inverse depth, reflectance, the axis it faces along (signed), solid, place."""
    direction = np.empty(3)
    for y in range(rays.shape[0]):
        for x in range(rays.shape[1]):
            u, v = rays[y, x]
            if not (abs(u) < 10.0 and abs(v) < 10.0):
                continue
            for i in range(3):
                direction[i] = axes[0, i] * u + axes[1, i] * v + axes[2, i]
            limit, below = FAR_M, SKY
            if direction[2] < 0.0 and -origin[2] / direction[2] < limit:
                limit, below = -origin[2] / direction[2], GROUND
            elif ceiling > 0.0 and direction[2] > 0.0 and (ceiling - origin[2]) / direction[2] < limit:
                limit, below = (ceiling - origin[2]) / direction[2], CEILING
            far, number, axis = _nearest(origin, direction, solids, limit)
            if number == SKY:
                number, axis = below, 2
            inverse[y, x] = 1.0 / far
            hit[y, x] = number
            if number == SKY:
                continue
            normal[y, x] = axis + 1 if direction[axis] < 0.0 else -axis - 1
            for i in range(3):
                place[y, x, i] = origin[i] + far * direction[i]
            px, py, pz = origin[0] + far * direction[0], origin[1] + far * direction[1], origin[2] + far * direction[2]
            if number >= 0:
                tint = (looks[number, 1], looks[number, 2], looks[number, 3])
                seen = reflectance(int(looks[number, 0]), tint, px, py, pz, axis, number)
            elif number == GROUND:
                seen = reflectance(int(ground[0]), (ground[1], ground[2], ground[3]), px, py, 0.0, 2, 0)
            else:
                panel = min(abs(abs(px) % 1.2 - 0.6), abs(abs(py) % 1.2 - 0.6))
                shade = CEILING_COLOUR * (0.8 if panel > 0.588 else 1.0)
                seen = (shade, shade, shade)
            colour[y, x, 0], colour[y, x, 1], colour[y, x, 2] = seen


@njit(cache=True, nogil=True)
def _light(
    place: NDArray[np.float32],
    hit: NDArray[np.int16],
    normal: NDArray[np.int8],
    solids: FloatArray,
    lamps: FloatArray,
    daylight: float,
    ceiling: float,
) -> NDArray[np.float32]:
    """Return the light on each pixel's first sample: of lamps that are not hidden, and of the surroundings."""
    height, width = hit.shape[0] // SAMPLES, hit.shape[1] // SAMPLES
    light = np.ones((height, width), np.float32)
    start, towards = np.empty(3), np.empty(3)
    for row in range(height):
        for column in range(width):
            y, x = SAMPLES * row, SAMPLES * column
            if hit[y, x] == SKY:
                continue
            if hit[y, x] == CEILING:
                light[row, column] = 0.85
                continue
            axis, side = abs(normal[y, x]) - 1, 1.0 if normal[y, x] > 0 else -1.0
            for i in range(3):
                start[i] = place[y, x, i]
            start[axis] += side * 5e-3
            jitter = (row % 4) * 4 + column % 4
            total = 0.0
            for lamp in range(len(lamps)):
                towards[0] = lamps[lamp, 0] - start[0] + 0.7 * (hash3(jitter, lamp, 1) - 0.5)
                towards[1] = lamps[lamp, 1] - start[1] + 0.7 * (hash3(jitter, lamp, 2) - 0.5)
                towards[2] = lamps[lamp, 2] - start[2]
                square = towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2
                facing = side * towards[axis]
                share = lamps[lamp, 3] * max(facing, 0.0) * towards[2] / (square * square)
                if share > 0.004 and not _blocked(start, towards, solids):
                    total += share
            opened, count = 0.0, 4
            for i in range(count):
                angle = 2.0 * math.pi * (i + hash3(jitter, i, 5)) / count
                out, reach = 0.35 + 0.6 * hash3(jitter, i, 6), 1.2
                towards[(axis + 1) % 3] = reach * math.cos(angle) * math.sqrt(1.0 - out * out)
                towards[(axis + 2) % 3] = reach * math.sin(angle) * math.sqrt(1.0 - out * out)
                towards[axis] = side * reach * out
                if start[2] + towards[2] > 0.0 and not _blocked(start, towards, solids):
                    opened += 1.0
                elif start[2] + towards[2] <= 0.0:
                    opened += 0.7
            up = side if axis == 2 else 0.0
            light[row, column] = total + daylight * (0.75 + 0.35 * up) * (0.35 + 0.65 * opened / count)
    return light


@njit(cache=True, nogil=True)
def _smooth(light: NDArray[np.float32], hit: NDArray[np.int16], normal: NDArray[np.int8]) -> NDArray[np.float32]:
    """Average the light over windows of 4 x 4 pixels of one surface, one period of the lamps' jitter."""
    result = np.empty_like(light)
    height, width = light.shape
    for row in range(height):
        for column in range(width):
            surface, side = hit[SAMPLES * row, SAMPLES * column], normal[SAMPLES * row, SAMPLES * column]
            total, count = 0.0, 0
            for y in range(max(row - 2, 0), min(row + 2, height)):
                for x in range(max(column - 2, 0), min(column + 2, width)):
                    if hit[SAMPLES * y, SAMPLES * x] == surface and normal[SAMPLES * y, SAMPLES * x] == side:
                        total += light[y, x]
                        count += 1
            result[row, column] = total / count if count else light[row, column]
    return result


@njit(cache=True, nogil=True)
def _develop(colour: NDArray[np.float32], light: NDArray[np.float32], hit: NDArray[np.int16], outdoors: float) -> Paint:
    """Turn reflectance and light into pixels."""
    height, width = light.shape
    pixels = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            vignette = vignette_at(column, row, width, height)
            for c in range(3):
                total = 0.0
                for y in range(SAMPLES * row, SAMPLES * row + SAMPLES):
                    for x in range(SAMPLES * column, SAMPLES * column + SAMPLES):
                        if hit[y, x] == SKY:
                            total += 235.0 - 14.0 * c if outdoors > 0.0 else 40.0
                        else:
                            total += encode(light[row, column] * colour[y, x, c])
                pixels[row, column, c] = np.uint8(total / (SAMPLES * SAMPLES) * vignette)
    return pixels


@njit(cache=True, nogil=True)
def vignette_at(column: float, row: float, width: int, height: int) -> float:
    """Return the share of the light that the lens lets through to a pixel."""
    x, y = (column + 0.5) / width - 0.5, (row + 0.5) / height - 0.5
    return 1.0 - VIGNETTE * 2.0 * (x * x + y * y)
