"""A shop of 18 x 12 m: shelves, a till, two pillars, three doors; six cameras under the ceiling that overlap."""

import math

from app.simulation.floor_plan import Colour, Door, Material, Mount, Scene, Solid, Spot, vestibule, walls

BOUNDS = (0.0, 0.0, 18.0, 12.0)
CEILING_M = 3.3
PAINT: Colour = (0.50, 0.56, 0.60)
LENS = (-0.17, 0.035, 0.0006, -0.0004, 0.0)
DOORS = (("south", 7.9, 10.1), ("west", 9.3, 10.7), ("east", 3.6, 5.0))


def shop() -> Scene:
    """Build the scene."""
    solids = walls(BOUNDS, CEILING_M, PAINT, DOORS)
    doors: list[Door] = []
    for side, a, b in DOORS:
        behind, door = vestibule(side, BOUNDS, (a, b), (0.30, 0.34, 0.38))
        solids += behind
        doors.append(door)
    solids += _furniture()
    return Scene(
        name="shop",
        bounds=BOUNDS,
        floor=(Material.TILES, (0.46, 0.52, 0.56)),
        ceiling_m=CEILING_M,
        solids=tuple(solids),
        doors=tuple(doors),
        spots=tuple(_spots()),
        lamps=tuple((x, y, 3.2) for x in (2.5, 6.8, 11.2, 15.5) for y in (2.2, 6.0, 9.8)),
        mounts=(
            Mount("north-west", (0.25, 11.75, 3.0), (5.6, 4.0, 0.5), 0.80, LENS),
            Mount("north", (8.3, 11.75, 3.05), (9.3, 4.4, 0.5), 0.72, LENS),
            Mount("north-east", (17.75, 11.75, 3.0), (12.4, 3.8, 0.5), 0.80, LENS),
            Mount("south-west", (0.25, 0.25, 3.0), (5.6, 8.0, 0.5), 0.80, LENS),
            Mount("south", (7.4, 0.25, 3.05), (8.8, 7.6, 0.5), 0.72, LENS),
            Mount("south-east", (17.75, 0.25, 3.0), (12.2, 8.0, 0.5), 0.80, LENS),
        ),
    )


def _gondola(x: float, y: float, length: float) -> list[Solid]:
    """Build a free-standing shelf, 0.8 m deep, goods on both sides."""
    return [
        Solid((x, y, 0.0), (x + length, y + 0.8, 0.14), Material.PLAIN, (0.24, 0.24, 0.25)),
        Solid((x + 0.04, y + 0.05, 0.14), (x + length - 0.04, y + 0.75, 0.66), Material.GOODS, (0.5, 0.5, 0.5)),
        Solid((x, y, 0.66), (x + length, y + 0.8, 0.70), Material.PLAIN, (0.52, 0.54, 0.55)),
        Solid((x - 0.04, y, 0.0), (x, y + 0.8, 0.74), Material.PLAIN, (0.26, 0.38, 0.48)),
        Solid((x + length, y, 0.0), (x + length + 0.04, y + 0.8, 0.74), Material.PLAIN, (0.26, 0.38, 0.48)),
    ]


def _platform(x: float, y: float, length: float) -> list[Solid]:
    """Build a low display, 0.9 m deep, with boxes on it."""
    solids = [
        Solid((x, y, 0.0), (x + length, y + 0.9, 0.20), Material.WOOD, (0.26, 0.38, 0.48)),
        Solid((x - 0.03, y - 0.03, 0.20), (x + length + 0.03, y + 0.93, 0.24), Material.PLAIN, (0.55, 0.57, 0.58)),
    ]
    boxes: tuple[tuple[float, Colour], ...] = (
        (0.10, (0.45, 0.30, 0.20)),
        (0.06, (0.28, 0.42, 0.52)),
        (0.12, (0.55, 0.56, 0.52)),
        (0.08, (0.22, 0.30, 0.50)),
    )
    for k, (high, colour) in enumerate(boxes):
        at = x + 0.25 + (length - 0.5) * k / len(boxes)
        low, top = (at, y + 0.2 + 0.06 * (k % 2), 0.24), (at + 0.45, y + 0.62 + 0.06 * (k % 2), 0.24 + high)
        solids.append(Solid(low, top, Material.CARTON, colour, blocks=False))
    return solids


def _plant(x: float, y: float) -> list[Solid]:
    pot = Solid((x - 0.2, y - 0.2, 0.0), (x + 0.2, y + 0.2, 0.42), Material.PLAIN, (0.20, 0.24, 0.30))
    green: Colour = (0.10, 0.30, 0.12)
    leaves = [
        Solid((x - 0.3, y - 0.22, 0.55), (x + 0.24, y + 0.26, 1.05), Material.LEAVES, green, blocks=False),
        Solid((x - 0.18, y - 0.3, 0.8), (x + 0.3, y + 0.18, 1.35), Material.LEAVES, green, blocks=False),
        Solid((x - 0.05, y - 0.05, 0.42), (x + 0.05, y + 0.05, 0.6), Material.WOOD, (0.1, 0.15, 0.2), blocks=False),
    ]
    return [pot, *leaves]


def _furniture() -> list[Solid]:
    solids = [
        *_gondola(3.6, 3.0, 2.6),
        *_platform(3.0, 6.6, 3.4),
        *_platform(11.6, 5.6, 3.2),
        *_gondola(11.8, 8.7, 2.6),
    ]
    wood: Colour = (0.20, 0.33, 0.45)
    solids += [
        # wall shelves in the north
        Solid((2.0, 11.55, 0.0), (7.4, 12.0, 1.9), Material.GOODS, (0.5, 0.5, 0.5)),
        Solid((2.0, 11.5, 1.9), (7.4, 12.0, 1.96), Material.PLAIN, (0.5, 0.52, 0.54)),
        Solid((11.4, 11.6, 0.0), (15.4, 12.0, 1.9), Material.GOODS, (0.5, 0.5, 0.5)),
        Solid((11.4, 11.55, 1.9), (15.4, 12.0, 1.96), Material.PLAIN, (0.5, 0.52, 0.54)),
        # the till
        Solid((12.4, 1.7, 0.0), (14.8, 2.3, 0.86), Material.WOOD, wood),
        Solid((12.3, 1.65, 0.86), (14.9, 2.35, 0.90), Material.PLAIN, (0.12, 0.12, 0.13)),
        Solid((13.0, 1.85, 1.0), (13.35, 2.15, 1.22), Material.PLAIN, (0.06, 0.06, 0.06), blocks=False),
        Solid((14.1, 1.9, 1.0), (14.5, 2.15, 1.12), Material.CARTON, (0.22, 0.36, 0.48), blocks=False),
        # two low tables
        Solid((8.5, 3.4, 0.70), (9.9, 4.3, 0.76), Material.WOOD, wood),
        Solid((8.7, 3.55, 0.76), (9.1, 3.95, 0.92), Material.CARTON, (0.25, 0.40, 0.52), blocks=False),
        Solid((9.25, 3.65, 0.76), (9.7, 4.05, 0.86), Material.PLAIN, (0.45, 0.2, 0.12), blocks=False),
        Solid((8.6, 3.5, 0.0), (8.7, 3.6, 0.70), Material.WOOD, wood, blocks=False),
        Solid((9.7, 3.5, 0.0), (9.8, 3.6, 0.70), Material.WOOD, wood, blocks=False),
        Solid((8.6, 4.1, 0.0), (8.7, 4.2, 0.70), Material.WOOD, wood, blocks=False),
        Solid((9.7, 4.1, 0.0), (9.8, 4.2, 0.70), Material.WOOD, wood, blocks=False),
        # pillars
        Solid((10.2, 7.5, 0.0), (10.55, 7.85, CEILING_M), Material.WALL, (0.62, 0.64, 0.65)),
        # cartons
        Solid((0.35, 4.2, 0.0), (1.0, 4.9, 0.55), Material.CARTON, (0.22, 0.36, 0.48)),
        Solid((0.4, 4.3, 0.55), (0.9, 4.8, 0.95), Material.CARTON, (0.25, 0.40, 0.52)),
        # pictures and windows on the walls
        Solid((11.6, -0.02, 1.2), (13.4, 0.02, 2.5), Material.POSTER, (0.5, 0.5, 0.5), blocks=False),
        Solid((14.2, -0.02, 1.2), (16.0, 0.02, 2.5), Material.POSTER, (0.5, 0.5, 0.5), blocks=False),
        Solid((2.2, -0.02, 0.9), (6.0, 0.02, 2.5), Material.GLASS, (0.85, 0.82, 0.78), blocks=False),
        Solid((-0.02, 1.4, 1.3), (0.02, 3.2, 2.5), Material.POSTER, (0.5, 0.5, 0.5), blocks=False),
        Solid((17.98, 7.2, 1.1), (18.02, 10.2, 2.5), Material.GLASS, (0.85, 0.82, 0.78), blocks=False),
    ]
    return solids + _plant(0.7, 7.6) + _plant(17.2, 6.2) + _plant(16.9, 11.2)


def _spots() -> list[Spot]:
    north, south, east = 0.5 * math.pi, -0.5 * math.pi, 0.0
    spots = [Spot((x, 2.3), north) for x in (3.9, 5.1)]
    spots += [Spot((x, 4.5), south) for x in (4.0, 5.6)]
    spots += [Spot((x, 5.9), north) for x in (3.5, 4.7, 5.9)]
    spots += [Spot((x, 8.2), south) for x in (3.8, 5.6)]
    spots += [Spot((x, 10.8), north) for x in (2.8, 4.4, 6.0, 12.2, 13.6, 14.8)]
    spots += [Spot((x, 4.9), north) for x in (12.0, 13.6)]
    spots += [Spot((x, 7.2), south) for x in (12.4, 14.2)]
    spots += [Spot((x, 8.0), north) for x in (12.2, 13.6)]
    spots += [Spot((x, 3.15), south) for x in (13.0, 14.2)]  # customers at the till
    spots += [Spot((13.8, 1.25), north)]  # behind it
    spots += [Spot((9.2, 2.75), north), Spot((9.0, 4.95), south), Spot((7.85, 3.9), east)]
    for group, (x, y) in enumerate(((1.6, 6.0), (9.8, 6.3), (16.4, 8.6), (7.5, 5.3), (15.9, 3.2))):
        for k in range(3):
            angle = 2.0 * math.pi * k / 3.0 + group
            place = (x + 0.5 * math.cos(angle), y + 0.5 * math.sin(angle))
            spots.append(Spot(place, angle + math.pi, group))
    return spots
