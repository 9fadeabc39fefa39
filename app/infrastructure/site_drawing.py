"""Draws a whole site at one instant after the other: header, all camera views, the floor plan."""

import cv2
import numpy as np

from app.domains.vocabulary import CameraId, FrameBatch, TrackingUpdate
from app.infrastructure.camera_drawing import UNSURE, CameraDrawing
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
    draw_beam,
    draw_caption,
    draw_dot,
    draw_region,
    identity_colour,
)
from app.infrastructure.floor_drawing import FloorDrawing
from app.infrastructure.floor_sheet import STILL, FloorPlan
from app.infrastructure.presence_drawing import PresenceDrawing
from app.infrastructure.site_layout import GAP, Area, lay_out

# What the signs in the picture mean, the most telling first.
LEGEND = (
    ("box", "person"),
    ("thin box", "no identity yet"),
    ("dot", "on the floor"),
    ("hollow", "out of sight"),
    ("ellipse", "95 % region"),
    ("beam", "camera"),
)


def draw_sign(picture: Picture, sign: str, at: tuple[float, float], radius: float) -> None:
    """Draw one sign of the legend around `at`."""
    colour, centre, (x, y) = identity_colour(1), np.array(at), (round(at[0]), round(at[1]))
    half = round(1.4 * radius)
    if sign == "box":
        cv2.rectangle(picture, (x - round(radius), y - half), (x + round(radius), y + half), colour, 2)
    elif sign == "thin box":
        cv2.rectangle(picture, (x - round(radius), y - half), (x + round(radius), y + half), UNSURE, 1)
    elif sign == "ellipse":
        draw_region(picture, centre, (1.7 * radius, radius), -30.0, colour)
    elif sign == "beam":
        draw_beam(picture, centre - (1.4 * radius, 0), 2.6 * radius, 0.0, STILL)
        draw_dot(picture, centre - (1.4 * radius, 0), 0.6 * radius, STILL, hollow=False)
    else:
        draw_dot(picture, centre, radius, colour, hollow=sign == "hollow")


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
        self._clock = Pen(round(self._layout.header * 0.42), FAINT)
        self._floor: tuple[Area, int, FloorDrawing] | None = None
        if plan is not None and self._layout.floor is not None:
            area = self._layout.floor
            bar = caption_height(self._layout.cameras[0].width)
            self._floor = area, bar, FloorDrawing(plan, (area.width, area.height - bar))
        self._presence: tuple[Area, PresenceDrawing] | None = None
        if self._layout.presence is not None:
            self._presence = (
                self._layout.presence,
                PresenceDrawing(
                    tuple(sizes), self._layout.presence.size, caption_height(self._layout.cameras[0].width)
                ),
            )
        self.size = self._layout.size
        self._empty = np.full((self.size[1], self.size[0], 3), PAPER, np.uint8)
        self._draw_header(self._empty)

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
        if self._presence is not None:
            area, table = self._presence
            area.of(picture)[:] = table.draw(update)
        self._clock.write(
            picture, clock(update.captured_at), (self.size[0] - GAP - 4, self._layout.header / 2), anchor=1.0
        )
        return picture

    def _draw_header(self, picture: Picture) -> None:
        """Write the site's name and what the signs in the picture mean; signs without room are left out."""
        height, row = self._layout.header, self._layout.header / 2
        name = Pen(round(height * 0.42), BRIGHT, SEMIBOLD)
        name.write(picture, self._site, (GAP + 4, row))
        end = self.size[0] - GAP - 4 - self._clock.width("00:00:00.0 UTC") - height
        left = float(GAP + 4 + name.width(self._site) + height)
        pen, of_floor = Pen(round(height * 0.32), FAINT), ("dot", "hollow", "ellipse", "beam")
        signs = [sign for sign in LEGEND if self._floor is not None or sign[0] not in of_floor]
        widths = [pen.width(text) + 1.25 * height for _, text in signs]
        while signs and left + sum(widths) > end:
            del signs[-1], widths[-1]
        left = end - sum(widths)
        for (sign, text), width in zip(signs, widths, strict=True):
            draw_sign(picture, sign, (left + 0.3 * height, row), 0.16 * height)
            pen.write(picture, text, (left + 0.7 * height, row))
            left += width
