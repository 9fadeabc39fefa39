"""A paved square under the sky, open in the middle; six cameras around it that overlap.

Its size can be chosen, so that recorded walks fit on it.
"""

import math

from app.simulation.floor_plan import Bounds, Colour, Door, Material, Mount, Scene, Solid, Spot, vestibule, walls

BOUNDS = (0.0, 0.0, 20.0, 14.0)
WALL_M = 4.6
BRICK: Colour = (0.30, 0.38, 0.52)
LENS = (-0.14, 0.02, 0.0, 0.0003, 0.0)
MAST_M = 4.2


def square(bounds: Bounds = BOUNDS) -> Scene:
    """Build the scene on `bounds`, of which the shorter side should be at least 8 m."""
    x0, y0, x1, y1 = bounds
    middle_x, middle_y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    gaps = [
        ("south", middle_x - 1.2, middle_x + 1.2),
        ("north", middle_x - 1.2, middle_x + 1.2),
        ("west", middle_y - 1.2, middle_y + 1.2),
        ("east", middle_y - 1.2, middle_y + 1.2),
    ]
    solids = walls(bounds, WALL_M, BRICK, gaps, lintel_m=2.4)
    doors: list[Door] = []
    for side, a, b in gaps:
        behind, door = vestibule(side, bounds, (a, b), (0.24, 0.30, 0.40))
        solids += behind
        doors.append(door)
    for x, y in ((x0 + 0.7, y0 + 3.0), (x1 - 0.7, y0 + 3.0), (x0 + 0.7, y1 - 3.0), (x1 - 0.7, y1 - 3.0)):
        solids += _planter(x, y)
    # the longer the square, the longer the lenses
    focal = 0.036 * math.hypot(x1 - x0, y1 - y0)
    return Scene(
        name="square",
        bounds=bounds,
        floor=(Material.PAVING, (0.40, 0.45, 0.48)),
        ceiling_m=None,
        solids=tuple(solids),
        doors=tuple(doors),
        spots=tuple(_spots(bounds)),
        lamps=((middle_x - 16.0, middle_y - 11.0, 26.0),),
        mounts=tuple(
            Mount(name, (x, y, MAST_M), (0.8 * middle_x + 0.2 * x, 1.12 * middle_y - 0.12 * y, 0.4), lens, LENS)
            for name, x, y, lens in (
                ("south-west", x0 + 0.2, y0 + 0.2, focal),
                ("south", middle_x + 1.6, y0 + 0.2, 0.85 * focal),
                ("south-east", x1 - 0.2, y0 + 0.2, focal),
                ("north-west", x0 + 0.2, y1 - 0.2, focal),
                ("north", middle_x - 1.6, y1 - 0.2, 0.85 * focal),
                ("north-east", x1 - 0.2, y1 - 0.2, focal),
            )
        ),
        daylight=0.55,
    )


def _planter(x: float, y: float) -> list[Solid]:
    green: Colour = (0.08, 0.26, 0.11)
    return [
        Solid((x - 0.5, y - 0.9, 0.0), (x + 0.5, y + 0.9, 0.5), Material.WALL, (0.42, 0.44, 0.45)),
        Solid((x - 0.42, y - 0.8, 0.5), (x + 0.4, y + 0.1, 1.1), Material.LEAVES, green, blocks=False),
        Solid((x - 0.38, y - 0.2, 0.5), (x + 0.42, y + 0.78, 1.3), Material.LEAVES, green, blocks=False),
    ]


def _spots(bounds: Bounds) -> list[Spot]:
    x0, y0, x1, y1 = bounds
    spots = []
    for row, v in enumerate((0.22, 0.5, 0.78)):
        for column, u in enumerate((0.16, 0.33, 0.5, 0.67, 0.84)):
            x, y = x0 + u * (x1 - x0), y0 + v * (y1 - y0)
            if (row + column) % 2:
                spots.append(Spot((x, y), math.pi * (0.5 + u)))
                continue
            for k in range(3):
                angle = 2.0 * math.pi * k / 3.0 + row + column
                place = (x + 0.5 * math.cos(angle), y + 0.5 * math.sin(angle))
                spots.append(Spot(place, angle + math.pi, 5 * row + column))
    return spots
