"""Four rooms side by side along a corridor, 32 x 10 m; six cameras that do not overlap.

Between two cameras people are out of sight for 3 to 20 seconds, so that only how they look and how long they walk can
tell who comes back into view. Cameras look away from each other: no two see one place even through walls.
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

BOUNDS = (0.0, 0.0, 32.0, 10.0)
CEILING_M = 3.0
PAINT: Colour = (0.58, 0.60, 0.60)
WOOD: Colour = (0.30, 0.42, 0.52)
GREY: Colour = (0.35, 0.35, 0.36)
LENS = (-0.16, 0.03, -0.0004, 0.0005, 0.0)
ENDS = (("west", 0.5, 1.9), ("east", 0.5, 1.9))
SOUTH, NORTH = 2.4, 2.6  # y of the faces of the wall between corridor and rooms
ROOM_M = 8.0  # width of a room
DOORS_X = (4.4, 11.6, 20.4, 27.6)


def offices() -> Scene:
    """Build the scene."""
    solids = walls(BOUNDS, CEILING_M, PAINT, ENDS)
    doors: list[Door] = []
    for side, a, b in ENDS:
        behind, door = vestibule(side, BOUNDS, (a, b), (0.34, 0.36, 0.38))
        solids += behind
        doors.append(door)
    solids += _inner_walls() + _kitchen() + _meeting_room() + _studio() + _office()
    rooms = ("kitchen", "meeting-room", "studio", "office")
    middles = [ROOM_M * (0.5 + number) for number in range(4)]
    return Scene(
        name="offices",
        bounds=BOUNDS,
        floor=(Material.CARPET, (0.30, 0.27, 0.25)),
        ceiling_m=CEILING_M,
        solids=tuple(solids),
        doors=tuple(doors),
        spots=tuple(_spots()),
        lamps=tuple((x, y, 2.9) for x in (2.0, 6.0, 10.0, 14.0, 18.0, 22.0, 26.0, 30.0) for y in (1.2, 5.0, 8.0)),
        mounts=(
            *(
                Mount(name, (x, NORTH + 0.15, 2.8), (x, 8.0, 0.6), 0.92, LENS)
                for name, x in zip(rooms, middles, strict=True)
            ),
            Mount("west-corridor", (9.5, 2.2, 2.7), (0.5, 0.1, 0.4), 1.3, LENS),
            Mount("east-corridor", (22.5, 2.2, 2.7), (31.5, 0.1, 0.4), 1.3, LENS),
        ),
        daylight=0.5,
    )


def _inner_walls() -> list[Solid]:
    gaps = [(x - 0.6, x + 0.6) for x in DOORS_X]
    solids = [
        Solid((a, SOUTH, bottom), (b, NORTH, CEILING_M), Material.WALL, PAINT, blocks=bottom == 0.0)
        for (a, b), bottom in wall_pieces(0.0, 32.0, gaps, 2.2)
    ]
    solids += [
        Solid((x - 0.1, NORTH, 0.0), (x + 0.1, 10.0, CEILING_M), Material.WALL, PAINT)
        for x in (ROOM_M, 2 * ROOM_M, 3 * ROOM_M)
    ]
    # pictures, so that one end of the building does not look like the other
    solids.append(Solid((1.0, 0.0, 1.1), (3.6, 0.02, 2.2), Material.POSTER, PAINT, blocks=False))
    solids.append(Solid((28.0, 0.0, 1.1), (31.0, 0.02, 2.2), Material.POSTER, PAINT, blocks=False))
    return solids


def _desk(x: float, y: float) -> list[Solid]:
    """Build a desk of 1.6 x 0.8 m with a screen on it."""
    dark: Colour = (0.06, 0.06, 0.06)
    return [
        Solid((x, y, 0.70), (x + 1.6, y + 0.8, 0.74), Material.WOOD, WOOD),
        Solid((x + 0.05, y + 0.05, 0.0), (x + 0.12, y + 0.75, 0.70), Material.PLAIN, GREY, blocks=False),
        Solid((x + 1.48, y + 0.05, 0.0), (x + 1.55, y + 0.75, 0.70), Material.PLAIN, GREY, blocks=False),
        Solid((x + 0.55, y + 0.38, 0.80), (x + 1.05, y + 0.42, 1.12), Material.PLAIN, dark, blocks=False),
        Solid((x + 0.77, y + 0.36, 0.74), (x + 0.83, y + 0.44, 0.80), Material.PLAIN, dark, blocks=False),
    ]


def _kitchen() -> list[Solid]:
    white: Colour = (0.62, 0.63, 0.63)
    return [
        Solid((2.2, 9.4, 0.0), (5.6, 10.0, 0.88), Material.PLAIN, white),
        Solid((2.15, 9.38, 0.88), (5.65, 10.0, 0.93), Material.WOOD, WOOD),
        Solid((2.4, 9.65, 1.5), (5.4, 10.0, 2.2), Material.PLAIN, white, blocks=False),
        Solid((5.9, 9.3, 0.0), (6.7, 10.0, 1.9), Material.PLAIN, (0.66, 0.67, 0.68)),
        Solid((0.6, 6.8, 0.70), (1.8, 8.0, 0.75), Material.WOOD, WOOD),
        Solid((1.1, 7.3, 0.0), (1.3, 7.5, 0.70), Material.PLAIN, GREY, blocks=False),
    ]


def _meeting_room() -> list[Solid]:
    blue: Colour = (0.34, 0.22, 0.12)
    return [
        Solid((10.6, 9.97, 1.0), (13.4, 10.0, 2.4), Material.PLAIN, (0.05, 0.05, 0.05), blocks=False),
        Solid((14.9, 6.6, 0.0), (15.9, 9.0, 0.42), Material.PLAIN, blue),
        Solid((15.6, 6.6, 0.42), (15.9, 9.0, 0.80), Material.PLAIN, blue),
        Solid((8.1, 6.6, 0.70), (9.0, 8.8, 0.75), Material.WOOD, WOOD),
        Solid((8.4, 7.4, 0.0), (8.7, 8.0, 0.70), Material.PLAIN, GREY, blocks=False),
    ]


def _studio() -> list[Solid]:
    return [
        *_desk(17.0, 9.15),
        *_desk(21.2, 9.15),
        Solid((18.9, 9.97, 1.0), (20.9, 10.0, 2.4), Material.GLASS, (0.86, 0.83, 0.80), blocks=False),
        Solid((16.1, 5.2, 0.0), (16.5, 8.0, 1.9), Material.BOOKS, (0.4, 0.4, 0.4)),
    ]


def _office() -> list[Solid]:
    return [
        *_desk(25.0, 9.15),
        *_desk(26.6, 9.15),
        Solid((29.2, 9.6, 0.0), (31.4, 10.0, 1.9), Material.BOOKS, (0.4, 0.4, 0.4)),
        Solid((31.97, 5.0, 1.0), (32.0, 8.6, 2.4), Material.GLASS, (0.86, 0.83, 0.80), blocks=False),
    ]


def _spots() -> list[Spot]:
    north, south, east, west = 0.5 * math.pi, -0.5 * math.pi, 0.0, math.pi
    spots = [Spot((x, 8.8), north) for x in (2.8, 4.0, 5.2, 17.8, 22.0, 25.8, 27.4)] + [Spot((30.2, 9.0), north)]
    spots += [Spot((2.4, 7.2), west), Spot((9.6, 7.2), west), Spot((9.6, 8.2), west), Spot((14.3, 7.8), east)]
    spots += [Spot((17.1, 7.0), west), Spot((12.0, 9.2), north), Spot((20.0, 9.3), north), Spot((31.3, 7.0), east)]
    spots += [Spot((2.6, 0.5), south), Spot((29.4, 0.5), south)]
    for group, (x, y) in enumerate(((5.6, 7.2), (12.0, 7.2), (20.4, 7.4), (28.4, 7.4), (4.6, 1.2), (27.4, 1.2))):
        for k in range(2):
            angle = math.pi * k + 0.4 * group
            place = (x + 0.45 * math.cos(angle), y + 0.45 * math.sin(angle))
            spots.append(Spot(place, angle + math.pi, group))
    return spots
