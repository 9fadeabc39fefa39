"""Draws the floor from above: the plan, the people on it as dots, and the trajectories of a whole run.

Gets plain arrays in metres; knows neither cameras' images nor how a position was found.
Pictures are (height, width, 3) uint8 BGR.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import NO_ID, FloatArray, FloorTracks, IntArray
from app.infrastructure.camera_drawing import (
    BRIGHT,
    CARD,
    FAINT,
    SEMIBOLD,
    SUBPIXEL,
    Colour,
    Pen,
    Picture,
    Trails,
    clock,
    counted,
    draw_dot,
    fixed,
    identity_colour,
    overlap_area,
    shade,
)

Polygon = FloatArray  # (K, 2) metres, site frame

FLOOR: Colour = (38, 30, 23)
GRID_MINOR: Colour = (46, 37, 29)
GRID_MAJOR: Colour = (64, 52, 42)
EDGE: Colour = (96, 82, 68)
ACCENT: Colour = (214, 190, 92)  # what stands still: cameras and zones
CROWD = 60  # people; above it lines are thinner and names that would cover others are left out
DENSE = 2.447  # radius in sigmas of the ellipse that holds 95 % of a 2-d normal: sqrt(chi2.ppf(0.95, 2))


@dataclass(frozen=True, slots=True, eq=False)
class PlanImage:
    """A drawing of the floor: (H, W, 3) uint8 BGR, its scale, and the pixel where the site's (0, 0) lies; y goes up."""

    pixels: Picture
    pixels_per_metre: float
    origin_px: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class FloorCamera:
    """A camera as the plan shows it: where it stands, and the part of the floor it sees ((K, 2) metres, K may be 0)."""

    camera_id: str
    position: tuple[float, float] | None
    view: Polygon


@dataclass(frozen=True, slots=True, eq=False)
class FloorPlan:
    """What stands still on the floor; metres, site frame.

    Attributes:
        bounds: x_min, y_min, x_max, y_max.
        zones: name and polygon of each zone; one of two points is a tripwire.
    """

    bounds: tuple[float, float, float, float]
    image: PlanImage | None = None
    zones: tuple[tuple[str, Polygon], ...] = ()
    cameras: tuple[FloorCamera, ...] = ()

    @property
    def aspect(self) -> float:
        """Width of the floor over its depth."""
        x_min, y_min, x_max, y_max = self.bounds
        return (x_max - x_min) / (y_max - y_min)


def read_plan_image(path: Path, pixels_per_metre: float, origin_px: tuple[float, float]) -> PlanImage:
    """Read a drawing of the floor.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it is no picture that OpenCV reads.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if pixels is None:
        raise ValueError(f"{path} is no readable picture; give a PNG or JPEG")
    return PlanImage(np.asarray(pixels, np.uint8), pixels_per_metre, origin_px)


class FloorDrawing:
    """The plan at one size, and everyone on it at one instant after the other.

    Args:
        plan: what stands still; drawn once.
        size: (width, height) of the picture in pixels.
        trail_s: how long the line is that everyone draws behind themselves, seconds.
    """

    def __init__(self, plan: FloorPlan, size: tuple[int, int], trail_s: float = 6.0) -> None:
        self._sheet = _Sheet.fit(plan, size)
        self._still = self._sheet.draw(plan)
        self._trails = Trails(trail_s)
        self._unit = self._sheet.unit

    def to_pixels(self, xy: FloatArray) -> FloatArray:
        """Return where (N, 2) metres lie in the picture, as (N, 2) pixels."""
        return self._sheet.to_pixels(xy)

    def draw(self, captured_at: float, floor: FloorTracks) -> Picture:
        """Return the picture of one instant: ellipses of 95 % certainty, trails, dots, ids."""
        picture = self._still.copy()
        clip = self._sheet.inside(picture)
        points = self.to_pixels(floor.xy) - self._sheet.corner
        shown = _within(points, clip)
        self._draw_ellipses(clip, floor.global_id[shown], points[shown], floor.covariance[shown])
        self._trails.add(captured_at, floor.global_id, points)
        self._trails.draw(clip, max(2, round(2.4 * self._unit)))
        coasting = np.array([not cameras for cameras in floor.cameras], dtype=bool)
        radius = max(3.0, 6.0 * self._unit)
        for global_id, point, hollow in zip(
            floor.global_id[shown].tolist(), points[shown], coasting[shown].tolist(), strict=True
        ):
            draw_dot(clip, point, radius, identity_colour(global_id), hollow)
        _draw_labels(clip, points[shown], floor.global_id[shown], (radius, max(11, round(14 * self._unit))))
        return picture

    def _draw_ellipses(self, clip: Picture, ids: IntArray, points: FloatArray, covariance: FloatArray) -> None:
        if not len(ids):
            return
        variance, axes = np.linalg.eigh(covariance)
        radii = DENSE * np.sqrt(np.maximum(variance, 0.0)) * self._sheet.scale
        angles = -np.degrees(np.arctan2(axes[:, 1, 1], axes[:, 0, 1]))  # of the longer axis; the picture's y goes down
        fill = clip.copy()
        outlines = []
        for global_id, centre, (short, long), angle in zip(ids.tolist(), points, radii, angles.tolist(), strict=True):
            if not math.isfinite(long) or long > 2 * max(clip.shape):
                continue
            colour = identity_colour(global_id)
            centre_px, axes_px = fixed(centre).tolist(), fixed(np.array([long, short])).tolist()
            cv2.ellipse(fill, centre_px, axes_px, angle, 0, 360, colour, -1, cv2.LINE_AA, SUBPIXEL)
            outlines.append((centre_px, axes_px, angle, colour))
        for centre_px, axes_px, angle, colour in outlines:
            cv2.ellipse(fill, centre_px, axes_px, angle, 0, 360, colour, 2, cv2.LINE_AA, SUBPIXEL)
        cv2.addWeighted(fill, 0.25, clip, 0.75, 0.0, dst=clip)


def draw_trajectories(plan: FloorPlan, title: str, time_s: FloatArray, global_id: IntArray, xy: FloatArray) -> Picture:
    """Return the picture of all trajectories of a run.

    Args:
        plan: what stands still.
        title: the site's name.
        time_s: (N,) seconds.
        global_id: (N,) identity of each row; rows in any order.
        xy: (N, 2) metres, site frame.
    """
    sheet = _Sheet.fit(plan, _trajectory_size(plan), top=84)
    picture = sheet.draw(plan)
    clip = sheet.inside(picture)
    order = np.lexsort((time_s, global_id))
    ids, times, points = global_id[order], time_s[order], sheet.to_pixels(xy[order]) - sheet.corner
    first, last = np.flatnonzero(np.diff(ids, prepend=NO_ID)), np.flatnonzero(np.diff(ids, append=NO_ID))
    broken = _breaks(times, ids)
    crowd = 1.0 if len(first) <= CROWD else 0.7
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        path, cuts = points[start : end + 1], np.flatnonzero(broken[start:end]) + 1
        pieces = [fixed(piece) for piece in np.split(path, cuts)]
        colour = identity_colour(int(ids[start]))
        cv2.polylines(clip, pieces, False, colour, max(2, round(3 * crowd)), cv2.LINE_AA, SUBPIXEL)
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        colour = identity_colour(int(ids[start]))
        draw_dot(clip, points[start], 5.0 * crowd, colour, hollow=True)
        draw_dot(clip, points[end], 7.0 * crowd, colour, hollow=False)
    shown = last[_within(points[last], clip)]
    _draw_labels(clip, points[shown], ids[shown], (7.0 * crowd, round(17 * crowd)), len(first) > CROWD)
    _draw_heading(picture, sheet, title, f"{counted(len(first))} · {_span(times)}")
    return picture


def _span(times: FloatArray) -> str:
    if not len(times):
        return "nobody was seen on the floor"
    begin, end = float(times.min()), float(times.max())
    return f"{clock(begin).removesuffix(' UTC')} to {clock(end)} · {end - begin:.1f} s"


def _breaks(times: FloatArray, ids: IntArray) -> NDArray[np.bool_]:
    """Return (N - 1,) whether the line is cut between a row and the next: someone was away for long."""
    gaps = np.diff(times)
    within = gaps[(np.diff(ids) == 0) & (gaps > 0)]
    usual = float(np.median(within)) if len(within) else 0.0
    return np.asarray(gaps > max(2.0, 2.5 * usual), dtype=bool)  # s; below it a straight line hides nothing of a walk


def _trajectory_size(plan: FloorPlan) -> tuple[int, int]:
    """Return a picture size of about 2.4 megapixels with the floor's shape, between 1:2 and 2.4:1."""
    aspect = min(max(plan.aspect, 0.5), 2.4)
    height = math.sqrt(2.4e6 / aspect)
    return round(height * aspect) + 110, round(height) + 140


def _draw_heading(picture: Picture, sheet: "_Sheet", title: str, facts: str) -> None:
    left, right = sheet.left, sheet.left + sheet.width
    Pen(28, BRIGHT, SEMIBOLD).write(picture, title, (left, 30))
    small = Pen(16, FAINT)
    small.write(picture, facts, (left, 61))
    for text, hollow in (("end", False), ("start", True)):
        right -= small.width(text)
        small.write(picture, text, (right, 30))
        right -= 14
        draw_dot(picture, np.array([right, 30.0]), 6.0, FAINT, hollow)
        right -= 22


def _within(points: FloatArray, picture: Picture) -> NDArray[np.bool_]:
    height, width = picture.shape[:2]
    return np.asarray(((points >= 0) & (points < (width, height))).all(axis=1), dtype=bool)


# Where a label may sit around its dot, best first: the direction from the dot to the label's middle.
_SEATS = np.array([(1, 0), (1, -1), (1, 1), (-1, 0), (-1, -1), (-1, 1), (0, -1), (0, 1)], dtype=np.float64)


def _draw_labels(
    picture: Picture, points: FloatArray, ids: IntArray, sizes: tuple[float, int], sparse: bool = False
) -> None:
    """Write the id beside each of (N, 2) points, at the seat that covers the fewest dots and labels.

    Args:
        picture: where to write.
        points: (N, 2) pixels, the dots.
        ids: (N,) identities.
        sizes: radius of the dots and height of the text, pixels.
        sparse: whether ids without a free seat are left out.
    """
    radius, height = sizes
    shape = picture.shape[1], picture.shape[0]
    dots = np.concatenate([points - radius, points + radius], axis=1)
    taken = np.concatenate([dots, np.zeros_like(dots)])
    for row, global_id in enumerate(ids.tolist()):
        pen = Pen(height, identity_colour(global_id), SEMIBOLD)
        half = np.array([pen.width(str(global_id)) / 2 + 3, 0.5 * height + 1])
        middles = points[row] + _SEATS * (half + radius + 1)
        seats = np.concatenate([middles - half, middles + half], axis=1)
        covered = overlap_area(seats, np.delete(taken[: len(points) + row], row, axis=0)).sum(axis=1)
        covered += 1e6 * ((seats[:, :2] < 0).any(axis=1) | (seats[:, 2:] > shape).any(axis=1))
        best = int(np.argmin(covered + np.arange(len(seats)) * 1e-3))
        if sparse and covered[best] > 0.1 * half.prod() * 4:
            continue
        taken[len(points) + row] = seats[best]
        shade(picture, seats[best], 0.55)
        pen.write(picture, str(global_id), (middles[best, 0], middles[best, 1]), anchor=0.5)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A picture of a given size and where the floor lies in it: pixels a metre, and the floor's rectangle in pixels."""

    size: tuple[int, int]
    bounds: tuple[float, float, float, float]
    scale: float
    left: int
    top: int
    unit: float  # of lettering and dots: 1 for a picture of about 700 pixels

    @classmethod
    def fit(cls, plan: FloorPlan, size: tuple[int, int], top: int = 0) -> "_Sheet":
        """Place the plan as large as it goes between the margins, in their middle."""
        x_min, y_min, x_max, y_max = plan.bounds
        unit = min(max(math.sqrt(size[0] * size[1]) / 700, 0.7), 1.4)
        beside, above, below = round(50 * unit), top or round(38 * unit), round(32 * unit)
        free = size[0] - beside - round(18 * unit), size[1] - above - below
        scale = max(min(free[0] / (x_max - x_min), free[1] / (y_max - y_min)), 1e-6)
        left = beside + (free[0] - scale * (x_max - x_min)) / 2
        down = above + (free[1] - scale * (y_max - y_min)) / 2
        return cls(size, plan.bounds, scale, round(left), round(down), unit)

    @property
    def width(self) -> int:
        return round((self.bounds[2] - self.bounds[0]) * self.scale)

    @property
    def height(self) -> int:
        return round((self.bounds[3] - self.bounds[1]) * self.scale)

    @property
    def corner(self) -> FloatArray:
        """(2,) pixels: the floor's upper left corner in the picture."""
        return np.array([self.left, self.top], dtype=np.float64)

    def to_pixels(self, xy: FloatArray) -> FloatArray:
        """Return where (N, 2) metres lie in the picture, as (N, 2) pixels."""
        x_min, _, _, y_max = self.bounds
        return np.asarray((xy - (x_min, y_max)) * (self.scale, -self.scale) + self.corner, dtype=np.float64)

    def inside(self, picture: Picture) -> Picture:
        """Return the floor's part of the picture, as a view to draw in."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def draw(self, plan: FloorPlan) -> Picture:
        """Return the picture with everything that stands still."""
        picture = np.full((self.size[1], self.size[0], 3), CARD, np.uint8)
        clip = self.inside(picture)
        clip[:] = FLOOR
        if plan.image is not None:
            self._draw_image(clip, plan.image)
        self._draw_grid(picture, clip)
        self._draw_views(clip, plan.cameras)
        self._draw_zones(clip, plan.zones)
        corner = (self.left + self.width - 1, self.top + self.height - 1)
        cv2.rectangle(picture, (self.left, self.top), corner, EDGE, 1)
        self._draw_cameras(picture, plan.cameras)
        self._draw_scale_bar(picture)
        return picture

    def _draw_image(self, clip: Picture, image: PlanImage) -> None:
        """Lay the drawing under the floor: line drawings on white turned to light on dark, others dimmed."""
        zoom = self.scale / image.pixels_per_metre
        origin = (self.to_pixels(np.zeros((1, 2))) - self.corner)[0]
        shift = origin - zoom * np.array(image.origin_px)
        pixels = image.pixels
        if zoom < 1:  # averaging keeps thin lines that sampling would lose
            small = max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom))
            pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
        sampling = np.array(
            [[zoom * image.pixels.shape[1] / pixels.shape[1], 0, shift[0]],
             [0, zoom * image.pixels.shape[0] / pixels.shape[0], shift[1]]]
        )  # fmt: skip
        size = clip.shape[1], clip.shape[0]
        paper = np.full_like(pixels, 255)
        laid = cv2.warpAffine(pixels, sampling, size, flags=cv2.INTER_LINEAR)
        covered = cv2.warpAffine(paper, sampling, size, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
        is_drawing = float(np.median(pixels)) > 200
        light = (255.0 - laid) if is_drawing else laid.astype(np.float32)
        clip[:] = np.clip(clip + covered * light * (0.42 if is_drawing else 0.35), 0, 255).astype(np.uint8)

    def _draw_grid(self, picture: Picture, clip: Picture) -> None:
        x_min, y_min, x_max, y_max = self.bounds
        major = next((step for step in _round_lengths() if step * self.scale >= 62 * self.unit), 1000.0)
        pen = Pen(max(10, round(12 * self.unit)), FAINT)
        lines = clip.copy()
        for step, colour in ((major / 5, GRID_MINOR), (major, GRID_MAJOR)):
            if step * self.scale < 7:
                continue
            for x in _multiples(x_min, x_max, step):
                column = round((x - x_min) * self.scale)
                cv2.line(lines, (column, 0), (column, clip.shape[0]), colour, 1)
            for y in _multiples(y_min, y_max, step):
                row = round((y_max - y) * self.scale)
                cv2.line(lines, (0, row), (clip.shape[1], row), colour, 1)
        clip[:] = np.maximum(clip, lines)  # over a drawing of the floor the grid stays behind its lines
        bottom = self.top + self.height
        for x in _multiples(x_min, x_max, major):
            at = self.left + (x - x_min) * self.scale, bottom + 0.9 * pen.size + 2
            pen.write(picture, f"{x:g} m", at, anchor=0.5)
        for y in _multiples(y_min, y_max, major):
            pen.write(picture, f"{y:g} m", (self.left - 7, self.top + (y_max - y) * self.scale), anchor=1.0)

    def _draw_views(self, clip: Picture, cameras: tuple[FloorCamera, ...]) -> None:
        for camera in cameras:
            if len(camera.view) < 3:
                continue
            outline = [fixed(self.to_pixels(camera.view) - self.corner)]
            for opacity, filled in ((0.045, True), (0.16, False)):
                layer = clip.copy()
                if filled:
                    cv2.fillPoly(layer, outline, ACCENT, cv2.LINE_AA, SUBPIXEL)
                else:
                    cv2.polylines(layer, outline, True, ACCENT, 1, cv2.LINE_AA, SUBPIXEL)
                cv2.addWeighted(layer, opacity, clip, 1.0 - opacity, 0.0, dst=clip)

    def _draw_zones(self, clip: Picture, zones: tuple[tuple[str, Polygon], ...]) -> None:
        pen = Pen(max(11, round(13 * self.unit)), ACCENT, SEMIBOLD)
        for name, polygon in zones:
            points = self.to_pixels(polygon) - self.corner
            outline = [fixed(points)]
            if len(polygon) > 2:
                layer = clip.copy()
                cv2.fillPoly(layer, outline, ACCENT, cv2.LINE_AA, SUBPIXEL)
                cv2.addWeighted(layer, 0.10, clip, 0.90, 0.0, dst=clip)
            cv2.polylines(clip, outline, len(polygon) > 2, ACCENT, 1 if len(polygon) > 2 else 2, cv2.LINE_AA, SUBPIXEL)
            if len(polygon) == 2:
                for point in points:
                    draw_dot(clip, point, 3.0 * self.unit, ACCENT, hollow=False)
            half = pen.width(name) / 2 + 4
            middle = points.mean(axis=0) if len(polygon) > 2 else points[0] + (half + 4 * self.unit, 0)
            column = min(max(float(middle[0]), half), max(clip.shape[1] - half, half))
            row = min(max(float(middle[1]), float(pen.size)), float(clip.shape[0] - pen.size))
            pen.write(clip, name, (column, row), anchor=0.5)

    def _draw_cameras(self, picture: Picture, cameras: tuple[FloorCamera, ...]) -> None:
        """Draw each camera as a wedge that looks into its view; those outside the floor stand at its edge."""
        pen = Pen(max(10, round(12 * self.unit)), ACCENT, SEMIBOLD)
        low = self.corner
        high = low + np.array([self.width - 1, self.height - 1])
        for camera in cameras:
            if camera.position is None:
                continue
            at = np.clip(self.to_pixels(np.array([camera.position]))[0], low, high)
            target = self.to_pixels(camera.view).clip(low, high).mean(axis=0) if len(camera.view) else (low + high) / 2
            towards = target - at
            towards = towards / max(float(np.hypot(*towards)), 1e-9)
            across = np.array([-towards[1], towards[0]])
            size = 5.0 * self.unit
            far = at + 3.2 * size * towards
            wedge = np.stack([at, far + 1.7 * size * across, far - 1.7 * size * across])
            cv2.fillPoly(picture, [fixed(wedge)], ACCENT, cv2.LINE_AA, SUBPIXEL)
            draw_dot(picture, at, size, ACCENT, hollow=False)
            half = pen.width(camera.camera_id) / 2 + 4
            label = at + 4.0 * size * towards + towards * (half, 0.6 * pen.size)
            column = min(max(float(label[0]), self.left + half), self.left + self.width - half)
            row = min(max(float(label[1]), self.top + pen.size), self.top + self.height - pen.size)
            pen.write(picture, camera.camera_id, (column, row), anchor=0.5)

    def _draw_scale_bar(self, picture: Picture) -> None:
        pen = Pen(max(10, round(12 * self.unit)), FAINT)
        lengths = [step for step in _round_lengths() if step * self.scale <= 0.3 * self.width]
        length = lengths[-1] if lengths else 0.01
        right, row = self.left + self.width, self.top - round(19 * self.unit)
        left = round(right - length * self.scale)
        for ends in (
            ((left, row), (right, row)),
            ((left, row - 4), (left, row + 4)),
            ((right, row - 4), (right, row + 4)),
        ):
            cv2.line(picture, *ends, FAINT, 1, cv2.LINE_AA)
        pen.write(picture, f"{length:g} m", (left - 8, row), anchor=1.0)


def _round_lengths() -> list[float]:
    """Return 1, 2, 5, 10, … metres and the decimals below, ascending."""
    return [digit * 10.0**power for power in range(-2, 5) for digit in (1, 2, 5)]


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [round(step * k, 6) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def write_png(path: Path, picture: Picture) -> None:
    """Write a picture to a PNG file."""
    _, data = cv2.imencode(".png", picture)
    path.write_bytes(data.tobytes())
