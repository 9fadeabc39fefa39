"""Draws one camera's view with the people in it. Knows neither files nor the floor.

Pictures are (height, width, 3) uint8 BGR.
"""

import cv2
import numpy as np

from app.domains.vocabulary import NO_ID, BoolArray, BoxArray, CameraId, FloatArray, Frame, Sightings
from app.infrastructure.drawing_ink import (
    BRIGHT,
    DARK,
    FAINT,
    PAPER,
    SEMIBOLD,
    Colour,
    Pen,
    Picture,
    Trails,
    caption_height,
    clock,
    counted,
    draw_caption,
    identity_colour,
    overlap_area,
    shade,
)

CANVAS: Colour = (44, 36, 29)  # of a camera that has boxes and no pixels
CUT = 3  # pixels of the frame; a box that ends closer to its bottom edge is cut by it
UNSURE: Colour = (150, 150, 150)  # box of a track that has no identity yet


class CameraDrawing:
    """One camera's view under a caption, at one instant after the other.

    Args:
        camera_id: the name in the caption.
        size: (width, height) of the picture in pixels, caption included.
        trail_s: how long the line is that everyone's feet draw, seconds.
    """

    def __init__(self, camera_id: CameraId, size: tuple[int, int], trail_s: float = 3.0) -> None:
        self._camera_id = camera_id
        self._size = size
        self._caption = caption_height(size[0])
        self._unit = self._caption / 28
        self._line = 2 if self._unit < 1.6 else 3  # pixels
        self._view: Picture = np.full((size[1] - self._caption, size[0], 3), PAPER, np.uint8)
        self._trails = Trails(trail_s)
        self._people = 0
        self._seen_at: float | None = None
        self._interval_s = 0.0

    def draw(self, captured_at: float, frame: Frame | None, sightings: Sightings | None) -> Picture:
        """Return the picture of one instant.

        Args:
            captured_at: seconds, of the batch.
            frame: the camera's frame in the batch; None shows its last one, dimmed once a frame is overdue.
            sightings: the people in that frame; None draws none.
        """
        if frame is not None:
            self._draw_view(frame, sightings)
        # A camera slower than its site has no frame in most batches: that is its pace and no fault.
        overdue_s = max(1.0, 2.5 * self._interval_s)
        missing = self._seen_at is None or captured_at - self._seen_at > overdue_s
        picture = np.empty((self._size[1], self._size[0], 3), np.uint8)
        picture[self._caption :] = self._view if not missing else (self._view * 0.4).astype(np.uint8)
        if missing:
            self._draw_note(picture)
        facts = "" if self._seen_at is None or missing else f"{counted(self._people)}   {clock(self._seen_at)}"
        draw_caption(picture[: self._caption], self._camera_id, facts)
        return picture

    def _draw_view(self, frame: Frame, sightings: Sightings | None) -> None:
        if self._seen_at is not None:
            self._interval_s = frame.captured_at - self._seen_at
        self._seen_at = frame.captured_at
        view, scale = fit_frame(self._view, frame.size)
        fitted = view.shape[1], view.shape[0]
        if frame.pixels is None:
            view[:] = CANVAS
            Pen(round(12 * self._unit), FAINT).write(
                view, "recorded boxes, no pixels", (fitted[0] - 8, fitted[1] - 12 * self._unit), anchor=1.0
            )
        else:
            view[:] = _resize(np.asarray(frame.pixels), fitted)
        self._people = 0
        if sightings is not None:
            self._draw_people(view, frame, sightings, scale)

    def _draw_people(self, view: Picture, frame: Frame, sightings: Sightings, scale: float) -> None:
        known = sightings.global_id != NO_ID
        self._people = int(known.sum())
        boxes = sightings.tracks.xyxy.astype(np.float64) * scale
        feet, visible = visible_feet(sightings.tracks.xyxy, frame.size)
        walks = known & visible
        self._trails.add(frame.captured_at, sightings.global_id[walks], feet[walks] * scale)
        self._trails.draw(view, max(2, round(2.2 * self._unit)))
        far_first = np.flatnonzero(known)[np.argsort(boxes[known, 3], kind="stable")]
        self._draw_rims(view, boxes, known)
        self._draw_boxes(view, boxes[far_first], sightings.global_id[far_first].tolist())

    def _draw_rims(self, view: Picture, boxes: FloatArray, known: BoolArray) -> None:
        """Draw what is half transparent: a dark rim around identified boxes, and the boxes without identity."""
        corners = np.round(boxes).astype(int)
        under = view.copy()
        for left, top, right, bottom in corners[~known].tolist():
            cv2.rectangle(under, (left, top), (right, bottom), UNSURE, 1)
        for left, top, right, bottom in corners[known].tolist():
            cv2.rectangle(under, (left - 1, top - 1), (right + 1, bottom + 1), DARK, self._line + 1)
        cv2.addWeighted(under, 0.6, view, 0.4, 0.0, dst=view)

    def _draw_boxes(self, view: Picture, boxes: FloatArray, ids: list[int]) -> None:
        for global_id, (left, top, right, bottom) in zip(ids, np.round(boxes).astype(int).tolist(), strict=True):
            cv2.rectangle(view, (left, top), (right, bottom), identity_colour(global_id), self._line)
        pen = Pen(round(13 * self._unit), DARK, SEMIBOLD)
        height, width = view.shape[:2]
        taken = np.zeros((len(ids), 4))
        for row, (global_id, box) in enumerate(zip(ids, boxes, strict=True)):
            tab = np.array([pen.width(str(global_id)) + 0.55 * pen.size, 1.25 * pen.size])
            # above the box, at its left, middle or right; below it; inside it
            corners = np.array(
                [
                    (box[0] - 1, box[1] - tab[1]),
                    (box[2] + 1 - tab[0], box[1] - tab[1]),
                    (box[0] - 1, box[3]),
                    (box[0] - 1, box[1]),
                ]
            ).clip((0, 0), (width - tab[0], height - tab[1]))
            seats = np.concatenate([corners, corners + tab], axis=1)
            cover = overlap_area(seats, taken[:row]).sum(axis=1) + overlap_area(seats, box[None])[:, 0] * 0.3
            best = int(np.argmin(cover + np.arange(len(seats)) * 1e-3))
            taken[row] = seats[best]
            left, top, right, bottom = np.round(seats[best]).astype(int).tolist()
            cv2.rectangle(view, (left, top), (right - 1, bottom - 1), identity_colour(global_id), -1)
            pen.write(view, str(global_id), ((left + right) / 2, (top + bottom) / 2), anchor=0.5)

    def _draw_note(self, picture: Picture) -> None:
        pen = Pen(round(15 * self._unit), BRIGHT, SEMIBOLD)
        text = "no frame yet" if self._seen_at is None else f"no frame since {clock(self._seen_at)}"
        middle = self._size[0] / 2, (self._size[1] + self._caption) / 2
        half = np.array([pen.width(text) / 2 + pen.size, 0.9 * pen.size])
        shade(picture, np.concatenate([middle - half, middle + half]), 0.75)
        pen.write(picture, text, middle, anchor=0.5)


def fit_frame(view: Picture, size: tuple[int, int]) -> tuple[Picture, float]:
    """Clear the view; return the part of it that a frame of (width, height) `size` fills, and its scale."""
    height, width = view.shape[:2]
    scale = min(width / size[0], height / size[1])
    fitted = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
    view[:] = PAPER
    return view[top : top + fitted[1], left : left + fitted[0]], scale


def visible_feet(xyxy: BoxArray, size: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """Return where the feet of boxes (N, 4) are, (N, 2) pixels, and which are in the image: (N,).

    A box that the bottom edge of the image cuts shows no feet.
    """
    boxes = xyxy.astype(np.float64)
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    return feet, np.asarray(feet[:, 1] < size[1] - CUT)


def _resize(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Return the image at (width, height) `size`, smooth also when it shrinks a lot.

    Averaging by a whole number first and interpolating the rest takes a third of the time of OpenCV's INTER_AREA by a
    broken number (1080p to 545 pixels: 2.1 ms against 7.8), and looks the same.
    """
    height, width = pixels.shape[:2]
    whole = min(width // size[0], height // size[1])
    if whole >= 2:
        pixels = np.asarray(
            cv2.resize(pixels, (width // whole, height // whole), interpolation=cv2.INTER_AREA), np.uint8
        )
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
