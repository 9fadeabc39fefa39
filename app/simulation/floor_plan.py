"""What a simulated scene consists of: solids, doors, spots where people stop, lamps and camera mounts.

Data only, in metres of the site frame (right-handed, z up). Knows nobody who walks there and draws nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from app.domains.vocabulary import FloatArray

Colour = tuple[float, float, float]  # linear reflectance in [0, 1]: blue, green, red
Bounds = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max
Point = tuple[float, float]


class Material(IntEnum):
    """How a surface looks; the patterns are in surfaces.py."""

    PLAIN = 0
    TILES = 1
    PLANKS = 2
    CARPET = 3
    PAVING = 4
    WALL = 5
    GOODS = 6
    WOOD = 7
    LEAVES = 8
    GLASS = 9
    POSTER = 10
    CARTON = 11
    BOOKS = 12


@dataclass(frozen=True, slots=True)
class Solid:
    """An axis-aligned box.

    Attributes:
        low: x, y, z of its lowest corner.
        high: x, y, z of its highest corner.
        blocks: whether people walk around it.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    material: Material
    colour: Colour
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Door:
    """A way in and out: people walk from `inside` through the further points and are gone at the last of them."""

    inside: Point
    way_out: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place to stop at, for one person; those with the same `group` are for people who meet.

    Attributes:
        facing: radians, counter-clockwise from the x axis.
        group: number of the meeting place; None for a spot of its own.
    """

    at: Point
    facing: float
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A camera: where it hangs, what it looks at, and its lens.

    Attributes:
        focal: focal length as a share of the image's width.
        lens: OpenCV's k1, k2, p1, p2, k3.
    """

    name: str
    at: tuple[float, float, float]
    look_at: tuple[float, float, float]
    focal: float
    lens: tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """A place with everything that stands still in it.

    Attributes:
        bounds: the floor that the site watches.
        floor: material and colour of the ground.
        ceiling_m: height of the ceiling; None under the sky.
        daylight: share of the light that comes from everywhere.
    """

    name: str
    bounds: Bounds
    floor: tuple[Material, Colour]
    ceiling_m: float | None
    solids: tuple[Solid, ...]
    doors: tuple[Door, ...]
    spots: tuple[Spot, ...]
    lamps: tuple[tuple[float, float, float], ...]
    mounts: tuple[Mount, ...]
    daylight: float = 0.45

    def solid_columns(self) -> tuple[FloatArray, FloatArray]:
        """Return the solids as (N, 6) corners `low, high` in metres, and (N, 4) material and colour."""
        corners = np.array([[*solid.low, *solid.high] for solid in self.solids], dtype=np.float64).reshape(-1, 6)
        look = np.array([[solid.material, *solid.colour] for solid in self.solids], dtype=np.float64).reshape(-1, 4)
        return corners, look


def walls(
    bounds: Bounds, height_m: float, colour: Colour, gaps: Sequence[tuple[str, float, float]], lintel_m: float = 2.2
) -> list[Solid]:
    """Build four outer walls, 0.2 m thick and just outside `bounds`, with door openings.

    Args:
        bounds: the room.
        height_m: of the walls.
        colour: of the paint.
        gaps: side ("south", "north", "west", "east"), from and to along that wall, metres.
        lintel_m: how high the openings are.
    """
    x0, y0, x1, y1 = bounds
    thick = 0.2
    solids = []
    for side in ("south", "north", "west", "east"):
        along_x = side in {"south", "north"}
        start, end = (x0 - thick, x1 + thick) if along_x else (y0, y1)
        across = {
            "south": (y0 - thick, y0),
            "north": (y1, y1 + thick),
            "west": (x0 - thick, x0),
            "east": (x1, x1 + thick),
        }
        pieces = wall_pieces(start, end, sorted((a, b) for name, a, b in gaps if name == side), lintel_m)
        for (a, b), bottom in pieces:
            (c, d) = across[side]
            low = (a, c, bottom) if along_x else (c, a, bottom)
            high = (b, d, height_m) if along_x else (d, b, height_m)
            solids.append(Solid(low, high, Material.WALL, colour, blocks=bottom == 0.0))
    return solids


def wall_pieces(
    start: float, end: float, gaps: Sequence[tuple[float, float]], lintel_m: float
) -> list[tuple[tuple[float, float], float]]:
    """Cut a stretch of wall at its openings: (from, to) along the wall, and the height at which the piece begins."""
    pieces, at = [], start
    for a, b in gaps:
        pieces += [((at, a), 0.0), ((a, b), lintel_m)]
        at = b
    return [*pieces, ((at, end), 0.0)]


def vestibule(side: str, bounds: Bounds, gap: tuple[float, float], colour: Colour) -> tuple[list[Solid], Door]:
    """Build the room behind a door opening, where people turn aside and are gone, and the way through it."""
    x0, y0, x1, y1 = bounds
    a, b = gap
    middle, depth, wide = 0.5 * (a + b), 2.0, 2.6

    def place(along: float, out: float) -> Point:
        """Turn metres along the wall and metres outwards into a point."""
        return {
            "south": (along, y0 - out),
            "north": (along, y1 + out),
            "west": (x0 - out, along),
            "east": (x1 + out, along),
        }[side]

    def block(along: tuple[float, float], out: tuple[float, float]) -> Solid:
        (ax, ay), (bx, by) = place(along[0], out[0]), place(along[1], out[1])
        low, high = (min(ax, bx), min(ay, by), 0.0), (max(ax, bx), max(ay, by), 3.0)
        return Solid(low, high, Material.WALL, colour)

    solids = [
        block((a - wide - 0.2, b + wide + 0.2), (depth, depth + 0.2)),
        block((a - wide - 0.2, a - wide), (0.2, depth)),
        block((b + wide, b + wide + 0.2), (0.2, depth)),
    ]
    return solids, Door(place(middle, -0.9), (place(middle, 1.0), place(b + wide - 0.6, 1.0)))
