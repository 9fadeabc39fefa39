"""Writes the video of a run: all camera views beside the floor plan, one picture a batch, encoded as it goes.

Knows how the parts are laid out and encoded; what a view or the floor looks like is drawn elsewhere.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np

from app.domains.vocabulary import CameraId, FrameBatch, TrackingUpdate
from app.infrastructure.camera_drawing import (
    BRIGHT,
    FAINT,
    PAPER,
    SEMIBOLD,
    CameraDrawing,
    Pen,
    Picture,
    caption_height,
    clock,
    counted,
    draw_caption,
)
from app.infrastructure.floor_drawing import FloorDrawing, FloorPlan

MIN_FPS = 2.0  # below it players take seconds to seek and some refuse to play: pictures are repeated instead
GAP = 8  # pixels between the parts
SHARES = (0.26, 0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.56, 0.62)  # of the width or height that the floor plan may take


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
    """Where everything goes: size of the picture, one area per camera in their order, the floor plan's area."""

    size: tuple[int, int]
    header: int
    cameras: tuple[Area, ...]
    floor: Area | None


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
    return best[1]


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


class SiteDrawing:
    """The picture of a whole site at one instant after the other.

    Args:
        site: the name in the header.
        sizes: (width, height) of each camera's frames, in the order of the views.
        plan: the floor; None leaves it out.
    """

    def __init__(self, site: str, sizes: dict[CameraId, tuple[int, int]], plan: FloorPlan | None) -> None:
        self._site = site
        self._layout = lay_out(list(sizes.values()), plan.aspect if plan else None)
        self._views = {
            camera_id: (area, CameraDrawing(camera_id, area.size))
            for camera_id, area in zip(sizes, self._layout.cameras, strict=True)
        }
        self._floor: tuple[Area, int, FloorDrawing] | None = None
        if plan is not None and self._layout.floor is not None:
            area = self._layout.floor
            bar = caption_height(self._layout.cameras[0].width)
            self._floor = area, bar, FloorDrawing(plan, (area.width, area.height - bar))
        self.size = self._layout.size
        self._empty = np.full((self.size[1], self.size[0], 3), PAPER, np.uint8)

    def draw(self, batch: FrameBatch, update: TrackingUpdate) -> Picture:
        """Return the picture of one batch."""
        picture = self._empty.copy()
        frames = {frame.camera_id: frame for frame in batch.frames}
        sightings = {of_camera.tracks.camera_id: of_camera for of_camera in update.sightings}
        for camera_id, (area, drawing) in self._views.items():
            area.of(picture)[:] = drawing.draw(update.captured_at, frames.get(camera_id), sightings.get(camera_id))
        if self._floor is not None:
            area, bar, drawing_of_floor = self._floor
            panel = area.of(picture)
            panel[bar:] = drawing_of_floor.draw(update.captured_at, update.floor)
            draw_caption(panel[:bar], "Floor", counted(len(update.floor)))
        self._draw_header(picture, clock(update.captured_at))
        return picture

    def _draw_header(self, picture: Picture, facts: str) -> None:
        size, row = round(self._layout.header * 0.42), self._layout.header / 2
        Pen(size, BRIGHT, SEMIBOLD).write(picture, self._site, (GAP + 4, row))
        Pen(size, FAINT).write(picture, facts, (self.size[0] - GAP - 4, row), anchor=1.0)


class SiteVideo:
    """An MP4 file of a run. A context manager: leaving it finishes the file.

    Args:
        path: the file to write, in a folder that exists.
        fps: batches a second of capture time; the video plays at that pace.
        site: the name in the header.
        cameras: every camera of the site, in the order of the views.
        plan: the floor; None leaves it out.
    """

    def __init__(self, path: Path, fps: float, site: str, cameras: Sequence[CameraId], plan: FloorPlan | None) -> None:
        if not fps > 0:
            raise ValueError(f"fps is {fps}, expected a positive number")
        self._repeats = math.ceil(MIN_FPS / fps)
        self._rate = Fraction(fps * self._repeats).limit_denominator(1001)
        self._path = path
        self._closed = False
        self._site, self._cameras, self._plan = site, tuple(cameras), plan
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream: av.VideoStream | None = None
        self._drawing: SiteDrawing | None = None

    def __enter__(self) -> "SiteVideo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Draw one batch and encode it."""
        if self._drawing is None:
            self._drawing = self._start_drawing(batch)
        picture = self._drawing.draw(batch, update)
        if self._stream is None:
            self._stream = self._start_stream(self._drawing.size)
        for _ in range(self._repeats):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file; may be called twice. A run without any batch leaves no file."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._stream is None:
            self._path.unlink(missing_ok=True)

    def _start_drawing(self, batch: FrameBatch) -> SiteDrawing:
        seen = {frame.camera_id: frame.size for frame in batch.frames}
        usual = next(iter(seen.values()), (1920, 1080))  # of cameras whose first frame comes later
        sizes = {camera_id: seen.get(camera_id, usual) for camera_id in self._cameras}
        return SiteDrawing(self._site, sizes, self._plan)

    def _start_stream(self, size: tuple[int, int]) -> av.VideoStream:
        # PyAV's wheels bring libx264; a build of FFmpeg without GPL parts has mpeg4.
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"crf": "21", "preset": "veryfast"} if codec == "libx264" else {"qscale": "4"}
        stream = cast(av.VideoStream, self._container.add_stream(codec, rate=self._rate, options=options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        return stream
