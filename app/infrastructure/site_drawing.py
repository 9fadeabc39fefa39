"""Draws a whole site at one instant after the other: header, all camera views, the floor plan."""

import numpy as np

from app.domains.vocabulary import CameraId, FrameBatch, TrackingUpdate
from app.infrastructure.camera_drawing import CameraDrawing
from app.infrastructure.drawing_ink import (
    BRIGHT,
    FAINT,
    PAPER,
    SEMIBOLD,
    Pen,
    Picture,
    caption_height,
    clock,
    counted,
    draw_caption,
)
from app.infrastructure.floor_drawing import FloorDrawing
from app.infrastructure.floor_sheet import FloorPlan
from app.infrastructure.site_layout import GAP, Area, lay_out


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
