"""Draws the trajectories of a whole run: on the floor, or in the cameras' images where there is no floor.

Gets plain arrays; knows nothing of how they were found. Pictures are (height, width, 3) uint8 BGR.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from app.domains.corrections import CorrectedHistory
from app.domains.vocabulary import NO_ID, BoolArray, CameraId, FloatArray, FrameBatch, IntArray, Pixels, TrackingUpdate
from app.infrastructure.camera_drawing import CANVAS, fit_frame, visible_feet
from app.infrastructure.drawing_ink import (
    BRIGHT,
    FAINT,
    PAPER,
    SEMIBOLD,
    SUBPIXEL,
    Pen,
    Picture,
    caption_height,
    clock,
    counted,
    draw_caption,
    draw_dot,
    fixed,
    identity_colour,
    names_of,
    smoothed,
    within,
    write_labels,
)
from app.infrastructure.floor_sheet import FloorPlan, Sheet
from app.infrastructure.site_layout import GAP, lay_out

CROWD = 60  # people; above it lines are thinner and names that would cover others are left out
HEADING = 84  # pixels


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Positions of people over time, as parallel arrays of length N; rows in any order.

    Attributes:
        time_s: (N,) seconds.
        global_id: (N,) int64.
        xy: (N, 2) metres on the floor, or pixels in an image.
    """

    time_s: FloatArray
    global_id: IntArray
    xy: FloatArray

    def __len__(self) -> int:
        return len(self.global_id)


def draw_trajectories(plan: FloorPlan, site: str, paths: Paths) -> Picture:
    """Return the picture of all trajectories of a run on the floor; `paths` in metres, site frame."""
    sheet = Sheet.fit(plan, _size(plan), top=HEADING)
    picture, taken = sheet.draw(plan)
    points = sheet.to_pixels(paths.xy) - sheet.corner
    draw_paths(sheet.inside(picture), Paths(paths.time_s, paths.global_id, points), taken)
    _draw_heading(picture, (sheet.left, sheet.left + sheet.width), site, _facts((paths,), "on the floor"))
    return picture


class ImageTrajectories:
    """Collects where people's feet are in the images of a run, and draws it at the end over each camera's last frame.

    Args:
        cameras: every camera of the site, in the order of the views.
    """

    def __init__(self, cameras: Sequence[CameraId]) -> None:
        self._rows: dict[CameraId, list[Paths]] = {camera: [] for camera in cameras}
        self._sizes: dict[CameraId, tuple[int, int]] = {}
        self._pixels: dict[CameraId, Pixels | None] = {}
        self._history = CorrectedHistory()

    def write(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Take one batch."""
        self._history.follow(update.captured_at, update.corrections)
        for frame, sightings in zip(batch.frames, update.sightings, strict=True):
            self._sizes[frame.camera_id], self._pixels[frame.camera_id] = frame.size, frame.pixels
            feet, visible = visible_feet(sightings.tracks.xyxy, frame.size)
            shown = visible & (sightings.global_id != NO_ID)
            times = np.full(int(shown.sum()), update.captured_at)
            self._rows[frame.camera_id].append(Paths(times, sightings.global_id[shown], feet[shown]))

    def draw(self, site: str) -> Picture:
        """Return the picture of all trajectories so far, under the identities that are known by now."""
        usual = next(iter(self._sizes.values()), (1920, 1080))
        sizes = {camera: self._sizes.get(camera, usual) for camera in self._rows}
        layout = lay_out(list(sizes.values()), None, canvas=(2000, 1500))
        picture = np.full((layout.size[1] + HEADING - layout.header, layout.size[0], 3), PAPER, np.uint8)
        views = picture[HEADING - layout.header :]
        drawn = []
        for area, (camera, size) in zip(layout.cameras, sizes.items(), strict=True):
            drawn.append(self._joined(self._rows[camera]))
            self._draw_view(area.of(views), camera, size, drawn[-1])
        sides = GAP + 4, layout.size[0] - GAP - 4
        _draw_heading(picture, sides, site, _facts(drawn, "in the image" if len(drawn) == 1 else "in the images"))
        return picture

    def _joined(self, rows: list[Paths]) -> Paths:
        ids = np.concatenate([np.zeros(0, np.int64), *(part.global_id for part in rows)])
        times = np.concatenate([np.zeros(0), *(part.time_s for part in rows)])
        ids, _ = self._history.read(ids, times, np.ones(len(ids)))
        return Paths(times, ids, np.concatenate([np.zeros((0, 2)), *(part.xy for part in rows)]))

    def _draw_view(self, panel: Picture, camera: CameraId, size: tuple[int, int], paths: Paths) -> None:
        bar = caption_height(panel.shape[1])
        view, scale = fit_frame(panel[bar:], size)
        pixels = self._pixels.get(camera)
        if pixels is None:
            view[:] = CANVAS
        else:
            # grey and dark: the colours belong to the trajectories
            fitted = cv2.resize(np.asarray(pixels), view.shape[1::-1], interpolation=cv2.INTER_AREA)
            grey = cv2.cvtColor(fitted, cv2.COLOR_BGR2GRAY)
            view[:] = (0.45 * grey[:, :, None]).astype(np.uint8)
        draw_paths(view, Paths(paths.time_s, paths.global_id, paths.xy * scale), np.zeros((0, 4)), calm=True)
        draw_caption(panel[:bar], camera, counted(len(np.unique(paths.global_id))))


def draw_paths(picture: Picture, paths: Paths, taken: FloatArray, calm: bool = False) -> None:
    """Draw one line a person with its start, its end and the id.

    Args:
        picture: where to draw.
        paths: in pixels of the picture.
        taken: (K, 4) xyxy that no id should cover.
        calm: whether to take the jitter of single boxes away; a floor's positions come filtered.
    """
    order = np.lexsort((paths.time_s, paths.global_id))
    ids, times, points = paths.global_id[order], paths.time_s[order], paths.xy[order]
    first, last = np.flatnonzero(np.diff(ids, prepend=NO_ID)), np.flatnonzero(np.diff(ids, append=NO_ID))
    broken = _breaks(times, ids)
    if calm:
        points = smoothed(points, (np.diff(ids) == 0) & ~broken)
    crowd = 1.0 if len(first) <= CROWD else 0.7
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        path, cuts = points[start : end + 1], np.flatnonzero(broken[start:end]) + 1
        pieces = [fixed(piece) for piece in np.split(path, cuts)]
        colour = identity_colour(int(ids[start]))
        cv2.polylines(picture, pieces, False, colour, max(2, round(3 * crowd)), cv2.LINE_AA, SUBPIXEL)
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        colour = identity_colour(int(ids[start]))
        draw_dot(picture, points[start], 5.0 * crowd, colour, hollow=True)
        draw_dot(picture, points[end], 7.0 * crowd, colour, hollow=False)
    shown = last[within(points[last], picture)]
    write_labels(
        picture, points[shown], names_of(ids[shown], round(17 * crowd)), 7.0 * crowd, taken, len(first) > CROWD
    )


def _facts(paths: Sequence[Paths], where: str) -> str:
    times = np.concatenate([part.time_s for part in paths])
    if not len(times):
        return f"nobody was seen {where}"
    people = len(np.unique(np.concatenate([part.global_id for part in paths])))
    begin, end = float(times.min()), float(times.max())
    return f"{counted(people)} {where} · {clock(begin).removesuffix(' UTC')} to {clock(end)} · {end - begin:.1f} s"


def _breaks(times: FloatArray, ids: IntArray) -> BoolArray:
    """Return (N - 1,) whether the line is cut between a row and the next: someone was away for long."""
    gaps = np.diff(times)
    within = gaps[(np.diff(ids) == 0) & (gaps > 0)]
    usual = float(np.median(within)) if len(within) else 0.0
    return np.asarray(gaps > max(2.0, 2.5 * usual), dtype=bool)  # s; below it a straight line hides nothing of a walk


def _size(plan: FloorPlan) -> tuple[int, int]:
    """Return a picture size of about 2.4 megapixels with the floor's shape, between 1:3 and 3:1."""
    aspect = min(max(plan.aspect, 1 / 3), 3.0)
    height = math.sqrt(2.4e6 / aspect)
    return round(height * aspect) + 110, round(height) + 140


def _draw_heading(picture: Picture, sides: tuple[int, int], site: str, facts: str) -> None:
    left, right = sides
    Pen(28, BRIGHT, SEMIBOLD).write(picture, site, (left, 30))
    small = Pen(16, FAINT)
    small.write(picture, facts, (left, 61))
    for text, hollow in (("end", False), ("start", True)):
        right -= small.width(text)
        small.write(picture, text, (right, 30))
        right -= 14
        draw_dot(picture, np.array([right, 30.0]), 6.0, FAINT, hollow)
        right -= 22
