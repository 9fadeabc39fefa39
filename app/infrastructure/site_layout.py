"""Where everything goes in the picture of a site: the cameras' views in a grid, the floor plan beside or below them.

Knows shapes only, nothing of what is drawn in them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.infrastructure.drawing_ink import Picture, caption_height
from app.infrastructure.presence_drawing import presence_height

GAP = 8  # pixels between the parts
SHARES = (0.26, 0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.56, 0.62)  # of the width or height that the floor plan may take
PRESENCE_WIDTH = 360  # pixels, the least for a table of who is seen where


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the picture in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def of(self, picture: Picture) -> Picture:
        """Return this part of the picture, as a view."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes: size of the picture, one area per camera in their order, the floor plan's area.

    `presence` is what the others leave over, where it is large enough for a table of who is seen where.
    """

    size: tuple[int, int]
    header: int
    cameras: tuple[Area, ...]
    floor: Area | None
    presence: Area | None = None


def lay_out(
    sizes: Sequence[tuple[int, int]], floor_aspect: float | None, canvas: tuple[int, int] = (1920, 1080)
) -> Layout:
    """Fit the cameras' views in a grid, with the floor plan at their right or below, whichever shows more of both.

    Args:
        sizes: (width, height) of each camera's frames; all get views of one shape, that of the widest.
        floor_aspect: width of the floor over its depth; None for a site without a floor.
        canvas: (width, height) that the picture may take at most; edges that nothing needs are cut off.
    """
    header = 2 * round(canvas[1] / 48)
    free = canvas[0] - 2 * GAP, canvas[1] - header - GAP
    aspect = max(width / height for width, height in sizes)
    widest = 2 * max(width for width, _ in sizes)  # more than twice its own size shows nothing but blur
    if floor_aspect is None:
        return _place(len(sizes), _fit_views(len(sizes), aspect, free, widest), None, header)
    best: tuple[float, Layout] | None = None
    for share, beside in itertools.product(SHARES, (True, False)):
        along = 0 if beside else 1
        room, rest = list(free), list(free)
        room[along] = round(free[along] * share)
        rest[along] = free[along] - room[along] - GAP
        views = _fit_views(len(sizes), aspect, (rest[0], rest[1]), widest)
        panel = _fit_panel(floor_aspect, (room[0], room[1]))
        # All views together count for more than the plan: people are small in them, dots on the plan are not.
        score = (len(sizes) * views.size[0] * views.size[1]) ** 0.6 * (panel[0] * panel[1]) ** 0.4
        if best is None or score > best[0]:
            best = score, _place(len(sizes), views, (*panel, beside), header)
    if best is None:
        raise ValueError("no share of the picture is left for the floor plan")
    return _with_presence(best[1], floor_aspect)


def _with_presence(layout: Layout, floor_aspect: float) -> Layout:
    """Add the table of who is seen where, if there are several cameras and room under the plan or beside the views."""
    floor, count = layout.floor, len(layout.cameras)
    if floor is None or count < 2:
        return layout
    bottom = layout.size[1] - GAP
    last = layout.cameras[-1]
    beside = Area(
        last.left + last.width + GAP, last.top, floor.left - last.left - last.width - 2 * GAP, bottom - last.top
    )
    least, most = presence_height(count, caption_height(last.width))
    if floor.left > last.left and beside.width > 2 * last.width and beside.height >= least:
        return replace(layout, presence=replace(beside, height=min(beside.height, most)))
    spare = floor.height - _fit_panel(floor_aspect, (floor.width, floor.height))[1] - GAP
    if spare < least or floor.width < PRESENCE_WIDTH:
        return layout
    height = min(spare, most)
    under = Area(floor.left, floor.top + floor.height - height, floor.width, height)
    return replace(layout, floor=replace(floor, height=floor.height - height - GAP), presence=under)


@dataclass(frozen=True, slots=True)
class _Views:
    """A grid of views: how many columns, and the size of each with its caption."""

    columns: int
    size: tuple[int, int]


def _fit_views(count: int, aspect: float, free: tuple[int, int], widest: int) -> _Views:
    """Return the grid in which the views are largest."""
    best = _Views(1, (2, 2))
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        across = (free[0] - GAP * (columns - 1)) // columns
        down = (free[1] - GAP * (rows - 1)) // rows
        for width in range(min(across, widest), best.size[0], -1):
            size = width, round(width / aspect) + caption_height(width)
            if size[1] <= down:
                best = _Views(columns, size)
                break
    return best


def _fit_panel(floor_aspect: float, room: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest (width, height) that shows the floor as large as `room` allows."""
    margins = 96, 112  # of axes and caption, about
    width = max(min(room[0] - margins[0], (room[1] - margins[1]) * floor_aspect), 16.0)
    return round(width) + margins[0], round(width / floor_aspect) + margins[1]


def _place(count: int, views: _Views, panel: tuple[int, int, bool] | None, header: int) -> Layout:
    width, height = views.size
    rows = math.ceil(count / views.columns)
    block = views.columns * (width + GAP) - GAP, rows * (height + GAP) - GAP
    size, floor, shift = block, None, (0, 0)
    if panel is not None and panel[2]:
        size = block[0] + GAP + panel[0], max(block[1], panel[1])
        floor = Area(GAP + block[0] + GAP, header, panel[0], size[1])
    elif panel is not None:
        size = max(block[0], panel[0]), block[1] + GAP + panel[1]
        floor = Area(GAP, header + block[1] + GAP, size[0], panel[1])
        shift = (size[0] - block[0]) // 2, 0
    areas = []
    for position in range(count):
        row, column = divmod(position, views.columns)
        left, top = GAP + shift[0] + column * (width + GAP), header + shift[1] + row * (height + GAP)
        areas.append(Area(left, top, width, height))
    full = size[0] + 2 * GAP, size[1] + header + GAP
    return Layout((full[0] - full[0] % 2, full[1] - full[1] % 2), header, tuple(areas), floor)  # yuv420p: even
