"""A floor of offices, 32 x 18 m: four rooms along a corridor; six cameras that do not overlap.

Between two cameras people are out of sight for some seconds, so that only how they look and how long they walk can tell
who comes back into view.
"""

import math

from app.simulation.floor_plan import (
    Colour,
    Door,
    Material,
    Mount,
    Scene,
    Solid,
    Spot,
    vestibule,
    wall_pieces,
    walls,
)

BOUNDS = (0.0, 0.0, 32.0, 18.0)
CEILING_M = 3.0
PAINT: Colour = (0.58, 0.60, 0.60)
WOOD: Colour = (0.30, 0.42, 0.52)
LENS = (-0.22, 0.05, -0.0004, 0.0005, 0.0)
ENDS = (("west", 8.5, 9.9), ("east", 8.5, 9.9))
CORRIDOR = (7.8, 8.0, 10.4, 10.6)  # y of the faces of its walls


def offices() -> Scene:
    """Build the scene."""
    solids = walls(BOUNDS, CEILING_M, PAINT, ENDS)
    doors: list[Door] = []
    for side, a, b in ENDS:
        behind, door = vestibule(side, BOUNDS, (a, b), (0.34, 0.36, 0.38))
        solids += behind
        doors.append(door)
    solids += _inner_walls() + _furniture()
    return Scene(
        name="offices",
        bounds=BOUNDS,
        floor=(Material.CARPET, (0.30, 0.27, 0.25)),
        ceiling_m=CEILING_M,
        solids=tuple(solids),
        doors=tuple(doors),
        spots=tuple(_spots()),
        lamps=tuple((x, y, 2.9) for x in (3.0, 8.5, 13.5, 18.5, 23.5, 29.0) for y in (3.0, 9.2, 15.0)),
        mounts=(
            Mount("kitchen", (0.25, 17.75, 2.8), (7.5, 13.2, 0.6), 0.72, LENS),
            Mount("north-office", (31.75, 17.75, 2.8), (24.5, 13.2, 0.6), 0.72, LENS),
            Mount("meeting-room", (0.25, 0.25, 2.8), (7.5, 4.8, 0.6), 0.72, LENS),
            Mount("south-office", (31.75, 0.25, 2.8), (24.5, 4.8, 0.6), 0.72, LENS),
            Mount("west-entrance", (8.2, 10.2, 2.8), (2.2, 9.1, 0.6), 0.80, LENS),
            Mount("east-entrance", (23.8, 8.2, 2.8), (29.8, 9.3, 0.6), 0.80, LENS),
        ),
        daylight=0.5,
    )


def _inner_walls() -> list[Solid]:
    south, south_face, north_face, north = CORRIDOR
    solids = []
    for low, high, gaps in (
        (south, south_face, [(12.4, 13.6), (18.4, 19.6)]),
        (north_face, north, [(10.9, 12.1), (19.9, 21.1)]),
    ):
        for (a, b), bottom in wall_pieces(0.0, 32.0, gaps, 2.2):
            solids.append(Solid((a, low, bottom), (b, high, CEILING_M), Material.WALL, PAINT, blocks=bottom == 0.0))
    for a, b in ((0.0, south), (north, 18.0)):
        solids.append(Solid((15.9, a, 0.0), (16.1, b, CEILING_M), Material.WALL, PAINT))
    # a strip of colour and pictures, so that one end of the building does not look like the other
    solids.append(Solid((0.6, north_face - 0.02, 1.1), (3.6, north_face, 2.2), Material.POSTER, PAINT, blocks=False))
    solids.append(Solid((28.4, south_face, 1.1), (31.0, south_face + 0.02, 2.2), Material.POSTER, PAINT, blocks=False))
    return solids


def _desk(x: float, y: float) -> list[Solid]:
    """Build a desk of 1.6 x 0.8 m with a screen on it."""
    dark: Colour = (0.06, 0.06, 0.06)
    return [
        Solid((x, y, 0.70), (x + 1.6, y + 0.8, 0.74), Material.WOOD, WOOD),
        Solid((x + 0.05, y + 0.05, 0.0), (x + 0.12, y + 0.75, 0.70), Material.PLAIN, (0.35, 0.35, 0.36), blocks=False),
        Solid((x + 1.48, y + 0.05, 0.0), (x + 1.55, y + 0.75, 0.70), Material.PLAIN, (0.35, 0.35, 0.36), blocks=False),
        Solid((x + 0.55, y + 0.38, 0.80), (x + 1.05, y + 0.42, 1.12), Material.PLAIN, dark, blocks=False),
        Solid((x + 0.77, y + 0.36, 0.74), (x + 0.83, y + 0.44, 0.80), Material.PLAIN, dark, blocks=False),
    ]


def _furniture() -> list[Solid]:
    solids = []
    for x in (19.5, 25.5):
        for y in (14.2, 2.6):
            solids += _desk(x, y) + _desk(x + 1.6, y)
    blue: Colour = (0.34, 0.22, 0.12)
    solids += [
        # kitchen: a worktop on the far wall, a high table
        Solid((8.0, 17.4, 0.0), (13.5, 18.0, 0.88), Material.PLAIN, (0.62, 0.63, 0.63)),
        Solid((7.95, 17.38, 0.88), (13.55, 18.0, 0.93), Material.WOOD, WOOD),
        Solid((14.2, 17.35, 0.0), (15.0, 18.0, 1.9), Material.PLAIN, (0.66, 0.67, 0.68)),
        Solid((6.2, 13.6, 0.70), (8.4, 14.6, 0.75), Material.WOOD, WOOD),
        Solid((6.9, 13.9, 0.0), (7.7, 14.3, 0.70), Material.PLAIN, (0.20, 0.20, 0.21), blocks=False),
        # meeting room: a long table, a screen, a sofa
        Solid((5.0, 3.2, 0.70), (9.0, 4.4, 0.75), Material.WOOD, WOOD),
        Solid((5.6, 3.5, 0.0), (6.0, 4.1, 0.70), Material.PLAIN, (0.20, 0.20, 0.21), blocks=False),
        Solid((8.0, 3.5, 0.0), (8.4, 4.1, 0.70), Material.PLAIN, (0.20, 0.20, 0.21), blocks=False),
        Solid((15.86, 2.4, 1.0), (15.9, 5.2, 2.4), Material.PLAIN, (0.05, 0.05, 0.05), blocks=False),
        Solid((11.4, 0.0, 0.0), (14.0, 0.85, 0.42), Material.PLAIN, blue),
        Solid((11.4, 0.0, 0.42), (14.0, 0.25, 0.80), Material.PLAIN, blue),
        # folders along walls, windows
        Solid((16.1, 11.6, 0.0), (16.5, 16.4, 1.9), Material.BOOKS, (0.4, 0.4, 0.4)),
        Solid((16.1, 1.2, 0.0), (16.5, 5.4, 1.9), Material.BOOKS, (0.4, 0.4, 0.4)),
        Solid((19.0, 17.98, 1.0), (29.0, 18.0, 2.4), Material.GLASS, (0.86, 0.83, 0.80), blocks=False),
        Solid((18.0, 0.0, 1.0), (28.0, 0.02, 2.4), Material.GLASS, (0.86, 0.83, 0.80), blocks=False),
        Solid((2.0, 0.0, 1.0), (9.0, 0.02, 2.4), Material.GLASS, (0.86, 0.83, 0.80), blocks=False),
    ]
    return solids


def _spots() -> list[Spot]:
    north, south = 0.5 * math.pi, -0.5 * math.pi
    spots = [Spot((x, 16.8), north) for x in (8.8, 10.4, 12.2)]
    spots += [Spot((x, 13.0), north) for x in (6.7, 7.9)] + [Spot((x, 15.2), south) for x in (6.6, 8.0)]
    spots += [Spot((x, 2.6), north) for x in (5.6, 7.0, 8.4)] + [Spot((x, 5.0), south) for x in (5.4, 6.8, 8.2)]
    spots += [Spot((x, 13.6), north) for x in (20.3, 21.9, 26.3, 27.9)]
    spots += [Spot((x, 2.0), north) for x in (20.3, 21.9, 26.3, 27.9)]
    spots += [Spot((17.2, y), math.pi) for y in (12.6, 15.2, 2.4, 4.6)]
    for group, (x, y) in enumerate(((3.0, 14.0), (11.6, 4.6), (29.2, 12.6), (24.2, 5.4), (2.4, 9.2), (29.6, 9.2))):
        for k in range(2):
            angle = math.pi * k + 0.4 * group
            place = (x + 0.45 * math.cos(angle), y + 0.45 * math.sin(angle))
            spots.append(Spot(place, angle + math.pi, group))
    return spots
