"""What the surfaces of a scene look like: procedural patterns by place. Compiled with numba.

Knows materials and points in metres; knows no camera and no light. Compiled functions call none of another file: numba
keeps them in a cache that does not notice changes elsewhere.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray
from app.simulation.floor_plan import Material

TILES, PLANKS, CARPET, PAVING = int(Material.TILES), int(Material.PLANKS), int(Material.CARPET), int(Material.PAVING)
WALL, GOODS, WOOD, LEAVES = int(Material.WALL), int(Material.GOODS), int(Material.WOOD), int(Material.LEAVES)
GLASS, POSTER, CARTON, BOOKS = int(Material.GLASS), int(Material.POSTER), int(Material.CARTON), int(Material.BOOKS)
GROUND, CEILING, SKY = -1, -2, -3  # what a ray may hit beside solids, which have numbers from 0
CEILING_COLOUR = 0.62
Reflectance = tuple[float, float, float]


@njit(cache=True, nogil=True)
def hash3(x: int, y: int, z: int) -> float:
    """Return a number in [0, 1) that looks random and belongs to three integers."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 2246822519) & 0xFFFFFFFF
    return float((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@njit(cache=True, nogil=True)
def value_noise(x: float, y: float, seed: int) -> float:
    """Return smooth noise in [0, 1) with features of unit size."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = hash3(i, j, seed) * (1.0 - u) + hash3(i + 1, j, seed) * u
    high = hash3(i, j + 1, seed) * (1.0 - u) + hash3(i + 1, j + 1, seed) * u
    return low * (1.0 - v) + high * v


@njit(cache=True, nogil=True)
def _grain(a: float, b: float, seed: int) -> float:
    """Return wood grain along `a`, around 1."""
    wave = value_noise(a * 1.5, b * 22.0, seed) + 0.5 * value_noise(a * 4.0, b * 70.0, seed + 1)
    return 0.80 + 0.26 * wave


@njit(cache=True, nogil=True)
def _floor_factor(material: int, x: float, y: float) -> float:
    """Return how bright a floor is at a place, relative to its colour."""
    if material == TILES:
        side = 0.6
        i, j = math.floor(x / side), math.floor(y / side)
        u, v = x / side - i, y / side - j
        joint = min(min(u, 1.0 - u), min(v, 1.0 - v)) * side
        if joint < 0.006:
            return 0.62
        return 0.93 + 0.09 * hash3(i, j, 3) + 0.07 * (value_noise(x * 3.1, y * 3.1, 5) - 0.5)
    if material == PLANKS:
        row = math.floor(y / 0.16)
        shift = 1.7 * hash3(row, 7, 1)
        board = math.floor((x + shift) / 1.9)
        u, v = (x + shift) / 1.9 - board, y / 0.16 - row
        if min(v, 1.0 - v) * 0.16 < 0.003 or min(u, 1.0 - u) * 1.9 < 0.004:
            return 0.5
        return (0.78 + 0.36 * hash3(row, board, 2)) * _grain(x, y, row * 31 + board)
    if material == PAVING:
        row = math.floor(y / 0.4)
        shift = 0.4 * (row % 2)
        stone = math.floor((x + shift) / 0.8)
        u, v = (x + shift) / 0.8 - stone, y / 0.4 - row
        if min(v, 1.0 - v) * 0.4 < 0.008 or min(u, 1.0 - u) * 0.8 < 0.008:
            return 0.55
        return 0.82 + 0.2 * hash3(row, stone, 2) + 0.2 * (value_noise(x * 5.0, y * 5.0, 9) - 0.5)
    if material == CARPET:
        flecks = value_noise(x * 60.0, y * 60.0, 4) + value_noise(x * 9.0, y * 9.0, 8)
        return 0.78 + 0.22 * flecks
    return 1.0


@njit(cache=True, nogil=True)
def _goods(a: float, z: float, seed: int) -> Reflectance:
    """Return a shelf full of packets at `a` metres along its front and `z` metres up."""
    board = 0.36
    row = math.floor(z / board)
    height = z - row * board
    if height < 0.03:
        return 0.55, 0.58, 0.6
    kind = math.floor(a / 0.55)
    tall = 0.20 + 0.11 * hash3(kind, row, seed)
    width = 0.07 + 0.11 * hash3(kind, row, seed + 1)
    packet = math.floor(a / width)
    u = a / width - packet
    missing = hash3(packet, row, seed + 2) < 0.06
    if height > tall or u < 0.06 or missing:
        return 0.20, 0.21, 0.22
    hue = 6.0 * hash3(kind, row, seed + 3)
    pale = 0.62 + 0.3 * hash3(kind, row, seed + 4)
    value = 0.36 + 0.16 * hash3(kind, row, seed + 5) + 0.04 * hash3(packet, row, seed + 6)
    red = min(max(abs(hue - 3.0) - 1.0, 0.0), 1.0)
    green = min(max(2.0 - abs(hue - 2.0), 0.0), 1.0)
    blue = min(max(2.0 - abs(hue - 4.0), 0.0), 1.0)
    share = (height - 0.03) / (tall - 0.03)
    if 0.35 < share < 0.62 and 0.2 < u < 0.86:
        pale = 0.95  # the label
    fade = 0.7 + 0.3 * math.sin(math.pi * u)
    value *= fade
    return (
        value * (pale + (1.0 - pale) * blue),
        value * (pale + (1.0 - pale) * green),
        value * (pale + (1.0 - pale) * red),
    )


@njit(cache=True, nogil=True)
def _books(a: float, z: float, seed: int) -> Reflectance:
    """Return a rack of folders."""
    row = math.floor(z / 0.38)
    height = z - row * 0.38
    folder = math.floor(a / 0.075)
    tone = hash3(folder, row, seed)
    if height < 0.025:
        return 0.3, 0.36, 0.42
    if height > 0.31 or tone < 0.12:
        return 0.05, 0.05, 0.055
    shade = 0.75 + 0.25 * math.sin(math.pi * (a / 0.075 - folder))
    if tone < 0.45:
        return 0.32 * shade, 0.16 * shade, 0.07 * shade
    if tone < 0.7:
        return 0.12 * shade, 0.12 * shade, 0.13 * shade
    if tone < 0.85:
        return 0.09 * shade, 0.11 * shade, 0.42 * shade
    return 0.45 * shade, 0.46 * shade, 0.46 * shade


@njit(cache=True, nogil=True)
def _poster(a: float, z: float, seed: int) -> Reflectance:
    """Return a picture of soft shapes."""
    first = value_noise(a * 1.6 + seed, z * 1.6, seed)
    second = value_noise(a * 2.7, z * 2.3 - seed, seed + 11)
    return 0.12 + 0.55 * first, 0.15 + 0.4 * second, 0.5 - 0.35 * first + 0.2 * second


@njit(cache=True, nogil=True)
def _level(material: int, colour: Reflectance, x: float, y: float, seed: int) -> Reflectance:
    """Return blue, green, red of a surface that faces up or down."""
    factor = _floor_factor(material, x, y)
    if material == WOOD:
        factor = _grain(x, y, seed)
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


@njit(cache=True, nogil=True)
def _upright(material: int, colour: Reflectance, along: float, z: float, seed: int) -> Reflectance:
    """Return blue, green, red of a surface that stands, at `along` metres along it and `z` metres up."""
    factor = 1.0
    if material == GOODS:
        return _goods(along, z, seed)
    if material == BOOKS:
        return _books(along, z, seed)
    if material == POSTER:
        return _poster(along, z, seed)
    if material == WALL:
        if z < 0.1:
            return 0.22, 0.24, 0.25
        factor = 0.96 + 0.06 * (value_noise(along * 0.9, z * 0.9, seed) - 0.5)
    elif material == WOOD:
        factor = _grain(z, along, seed)
    elif material == GLASS:
        factor = 0.75 + 0.14 * z
    elif material == CARTON and abs(abs(along) % 0.4 - 0.2) < 0.03:
        factor = 1.25
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


@njit(cache=True, nogil=True)
def _ceiling(x: float, y: float) -> Reflectance:
    """Return the panels of a ceiling."""
    panel = min(abs(abs(x) % 1.2 - 0.6), abs(abs(y) % 1.2 - 0.6))
    shade = CEILING_COLOUR * (0.8 if panel > 0.588 else 1.0)
    return shade, shade, shade


@njit(cache=True, nogil=True)
def paint_surfaces(
    place: NDArray[np.float32], hit: NDArray[np.int16], facing: NDArray[np.int8], looks: FloatArray, ground: FloatArray
) -> NDArray[np.float32]:
    """Return the reflectance of what each ray hits, (H, W, 3): blue, green, red.

    Args:
        place: (H, W, 3) metres.
        hit: (H, W) number of the solid, or GROUND, CEILING, SKY.
        facing: (H, W) axis that the surface faces along, counted from 1, negative against the axis.
        looks: (N, 4) material and colour of the solids.
        ground: (4,) material and colour of the floor.
    """
    colour = np.zeros((*hit.shape, 3), np.float32)
    for i in range(hit.shape[0]):
        for j in range(hit.shape[1]):
            number = hit[i, j]
            x, y, z = place[i, j]
            if number == SKY:
                continue
            if number == CEILING:
                colour[i, j, 0], colour[i, j, 1], colour[i, j, 2] = _ceiling(x, y)
                continue
            look = ground if number == GROUND else looks[number]
            material, tint = int(look[0]), (look[1], look[2], look[3])
            if material == LEAVES:
                factor = 0.35 + 1.1 * value_noise((x + z) * 14.0, (y - z) * 14.0, number)
                seen = (tint[0] * factor, tint[1] * factor, tint[2] * factor)
            elif abs(facing[i, j]) == 3:
                seen = _level(material, tint, x, y, number)
            else:
                seen = _upright(material, tint, y if abs(facing[i, j]) == 1 else x, z, number)
            colour[i, j, 0], colour[i, j, 1], colour[i, j, 2] = seen
    return colour
