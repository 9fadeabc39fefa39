"""Draws who is seen where: a row for the floor and one for each camera, a column for each person who is there now.

Gets identities only; knows neither pixels nor positions. Pictures are (height, width, 3) uint8 BGR.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from app.domains.vocabulary import NO_ID, CameraId, TrackingUpdate
from app.infrastructure.drawing_ink import (
    BRIGHT,
    CARD,
    FAINT,
    SEMIBOLD,
    Colour,
    Pen,
    Picture,
    draw_caption,
    draw_dot,
    identity_colour,
)

LINE: Colour = (52, 42, 34)
ROW = 18, 36  # pixels, lowest and highest
SIGN = 26  # pixels; lettering and dots are for rows of this height at most
COLUMN = 20, 34  # pixels, narrowest and widest
LASTS_S = 2.5  # what a camera saw counts for so long, unless it says something new


def presence_height(cameras: int, caption: int) -> tuple[int, int]:
    """Return the least and the greatest height in pixels that rows for so many cameras need, under the caption."""
    rows = cameras + 2  # ids, floor, cameras
    return caption + rows * ROW[0], caption + rows * ROW[1]


class PresenceDrawing:
    """The table of who is seen where, at one instant after the other.

    Args:
        cameras: the rows, in their order.
        size: (width, height) of the picture in pixels, caption included.
        caption: height of the caption in pixels.
    """

    def __init__(self, cameras: Sequence[CameraId], size: tuple[int, int], caption: int) -> None:
        self._cameras = tuple(cameras)
        self._size = size
        self._caption = caption
        self._row = min((size[1] - self._caption) / (len(cameras) + 2), float(ROW[1]))
        self._sign = min(self._row, SIGN)
        self._pen = Pen(round(0.6 * self._sign), FAINT)
        self._left = min(max(self._pen.width(name) for name in ("floor", *cameras)) + 28, round(0.3 * size[0]))
        self._still = self._draw_still()
        self._seen: dict[CameraId, tuple[float, frozenset[int]]] = {}

    def draw(self, update: TrackingUpdate) -> Picture:
        """Return the picture of one instant."""
        picture = self._still.copy()
        for sightings in update.sightings:
            ids = frozenset(sightings.global_id.tolist()) - {NO_ID}
            self._seen[sightings.tracks.camera_id] = update.captured_at, ids
        seen = {camera: ids for camera, (time, ids) in self._seen.items() if update.captured_at - time <= LASTS_S}
        on_floor = dict(zip(update.floor.global_id.tolist(), update.floor.cameras, strict=True))
        people = sorted(set(on_floor).union(*seen.values()))
        room = self._size[0] - self._left - 10
        column = min(max(room / max(len(people), 1), COLUMN[0]), COLUMN[1])
        shown = people[: int(room // column)]
        for position, global_id in enumerate(shown):
            middle = self._left + (position + 0.5) * column
            self._draw_person(picture, middle, global_id, on_floor.get(global_id))
            for row, camera in enumerate(self._cameras):
                if global_id in seen.get(camera, ()):
                    self._draw_mark(picture, middle, row + 2, identity_colour(global_id), hollow=False)
        more = f"{len(people) - len(shown)} more beyond the edge" if len(shown) < len(people) else ""
        draw_caption(picture[: self._caption], "Who is seen where", more)
        return picture

    def _draw_person(
        self, picture: Picture, middle: float, global_id: int, supported: tuple[CameraId, ...] | None
    ) -> None:
        colour = identity_colour(global_id)
        pen = Pen(self._pen.size if global_id < 100 else round(0.8 * self._pen.size), colour, SEMIBOLD)
        pen.write(picture, str(global_id), (middle, self._middle(0)), anchor=0.5)
        if supported is not None:
            self._draw_mark(picture, middle, 1, colour, hollow=not supported)

    def _draw_mark(self, picture: Picture, middle: float, row: int, colour: Colour, hollow: bool) -> None:
        draw_dot(picture, np.array([middle, self._middle(row)]), 0.24 * self._sign, colour, hollow)

    def _middle(self, row: int) -> float:
        return self._caption + (row + 0.5) * self._row

    def _draw_still(self) -> Picture:
        picture = np.full((self._size[1], self._size[0], 3), CARD, np.uint8)
        for row, name in enumerate(("floor", *self._cameras), start=1):
            level = round(self._middle(row) - self._row / 2)
            cv2.line(picture, (10, level), (self._size[0] - 10, level), LINE, 1)
            Pen(self._pen.size, BRIGHT if row == 1 else FAINT).write(picture, name, (12, self._middle(row)))
        return picture
