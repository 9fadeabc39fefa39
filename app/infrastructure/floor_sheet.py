"""The still part of the floor from above: the plan at one size, with grid, drawing, zones and cameras.

Gets plain arrays in metres; knows nobody who walks there. Pictures are (height, width, 3) uint8 BGR.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.domains.vocabulary import FloatArray
from app.infrastructure.drawing_ink import (
    CARD,
    FAINT,
    SEMIBOLD,
    SUBPIXEL,
    Colour,
    Pen,
    Picture,
    draw_beam,
    draw_dot,
    fixed,
    write_labels,
)

Polygon = FloatArray  # (K, 2) metres, site frame

FLOOR: Colour = (38, 30, 23)
GRID_MINOR: Colour = (46, 37, 29)
GRID_MAJOR: Colour = (64, 52, 42)
EDGE: Colour = (96, 82, 68)
STILL: Colour = (190, 172, 150)  # cameras and zones; colours belong to people


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
        mirrored: whether the cameras see the site frame left-handed, x to y clockwise.
    """

    bounds: tuple[float, float, float, float]
    image: PlanImage | None = None
    zones: tuple[tuple[str, Polygon], ...] = ()
    cameras: tuple[FloorCamera, ...] = ()
    mirrored: bool = False

    @property
    def y_down(self) -> bool:
        """Whether y goes down in the picture, so that who turns left in the cameras turns left on the plan.

        A drawing of the floor decides for itself: it has y up, and the picture keeps it the way its owner knows it.
        """
        return self.mirrored and self.image is None

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


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of a given size and where the floor lies in it: pixels a metre, and the floor's rectangle in pixels."""

    size: tuple[int, int]
    bounds: tuple[float, float, float, float]
    scale: float
    left: int
    top: int
    unit: float  # of lettering and dots: 1 for a picture of about 700 pixels
    y_down: bool

    @classmethod
    def fit(cls, plan: FloorPlan, size: tuple[int, int], top: int = 0) -> "Sheet":
        """Place the plan as large as it goes between the margins, in their middle."""
        x_min, y_min, x_max, y_max = plan.bounds
        unit = min(max(math.sqrt(size[0] * size[1]) / 700, 0.7), 1.4)
        beside, above, below = round(50 * unit), top or round(38 * unit), round(32 * unit)
        free = size[0] - beside - round(18 * unit), size[1] - above - below
        scale = max(min(free[0] / (x_max - x_min), free[1] / (y_max - y_min)), 1e-6)
        left = beside + (free[0] - scale * (x_max - x_min)) / 2
        down = above + (free[1] - scale * (y_max - y_min)) / 2
        return cls(size, plan.bounds, scale, round(left), round(down), unit, plan.y_down)

    @property
    def width(self) -> int:
        """Of the floor in the picture, pixels."""
        return round((self.bounds[2] - self.bounds[0]) * self.scale)

    @property
    def height(self) -> int:
        """Of the floor in the picture, pixels."""
        return round((self.bounds[3] - self.bounds[1]) * self.scale)

    @property
    def corner(self) -> FloatArray:
        """(2,) pixels: the floor's upper left corner in the picture."""
        return np.array([self.left, self.top], dtype=np.float64)

    def to_pixels(self, xy: FloatArray) -> FloatArray:
        """Return where (N, 2) metres lie in the picture, as (N, 2) pixels."""
        x_min, y_min, _, y_max = self.bounds
        start = x_min, y_min if self.y_down else y_max
        return np.asarray((xy - start) * (self.scale, self.up * self.scale) + self.corner, dtype=np.float64)

    @property
    def up(self) -> int:
        """-1 where y goes up, against the rows of the picture; 1 where it goes down with them."""
        return 1 if self.y_down else -1

    def inside(self, picture: Picture) -> Picture:
        """Return the floor's part of the picture, as a view to draw in."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def draw(self, plan: FloorPlan) -> tuple[Picture, FloatArray]:
        """Return the picture with everything that stands still, and (K, 4) xyxy that cameras take of its floor."""
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
        self._draw_scale_bar(picture)
        return picture, self._draw_cameras(clip, plan.cameras)

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
                row = round(float(self.to_pixels(np.array([[x_min, y]]))[0, 1]) - self.top)
                cv2.line(lines, (0, row), (clip.shape[1], row), colour, 1)
        clip[:] = np.maximum(clip, lines)  # over a drawing of the floor the grid stays behind its lines
        bottom = self.top + self.height
        for x in _multiples(x_min, x_max, major):
            at = self.left + (x - x_min) * self.scale, bottom + 0.9 * pen.size + 2
            pen.write(picture, f"{x:g} m", at, anchor=0.5)
        for y in _multiples(y_min, y_max, major):
            row = round(float(self.to_pixels(np.array([[x_min, y]]))[0, 1]))
            pen.write(picture, f"{y:g} m", (self.left - 7, row), anchor=1.0)

    def _draw_views(self, clip: Picture, cameras: tuple[FloorCamera, ...]) -> None:
        for camera in cameras:
            if len(camera.view) < 3:
                continue
            outline = [fixed(self.to_pixels(camera.view) - self.corner)]
            for opacity, filled in ((0.045, True), (0.16, False)):
                layer = clip.copy()
                if filled:
                    cv2.fillPoly(layer, outline, STILL, cv2.LINE_AA, SUBPIXEL)
                else:
                    cv2.polylines(layer, outline, True, STILL, 1, cv2.LINE_AA, SUBPIXEL)
                cv2.addWeighted(layer, opacity, clip, 1.0 - opacity, 0.0, dst=clip)

    def _draw_zones(self, clip: Picture, zones: tuple[tuple[str, Polygon], ...]) -> None:
        pen = Pen(max(11, round(13 * self.unit)), STILL, SEMIBOLD)
        for name, polygon in zones:
            points = self.to_pixels(polygon) - self.corner
            outline = [fixed(points)]
            if len(polygon) > 2:
                layer = clip.copy()
                cv2.fillPoly(layer, outline, STILL, cv2.LINE_AA, SUBPIXEL)
                cv2.addWeighted(layer, 0.10, clip, 0.90, 0.0, dst=clip)
            cv2.polylines(clip, outline, len(polygon) > 2, STILL, 1 if len(polygon) > 2 else 2, cv2.LINE_AA, SUBPIXEL)
            if len(polygon) == 2:
                for point in points:
                    draw_dot(clip, point, 3.0 * self.unit, STILL, hollow=False)
            half = pen.width(name) / 2 + 4
            middle = points.mean(axis=0) if len(polygon) > 2 else points[0] + (half + 4 * self.unit, 0)
            column = min(max(float(middle[0]), half), max(clip.shape[1] - half, half))
            row = min(max(float(middle[1]), float(pen.size)), float(clip.shape[0] - pen.size))
            pen.write(clip, name, (column, row), anchor=0.5)

    def _draw_cameras(self, clip: Picture, cameras: tuple[FloorCamera, ...]) -> FloatArray:
        """Draw each camera with a beam into its view; those outside the floor stand at its edge.

        Returns:
            (K, 4) xyxy: what dots and names take of the floor.
        """
        placed = [camera for camera in cameras if camera.position is not None]
        radius, high = 4.5 * self.unit, np.array([self.width - 1.0, self.height - 1.0])
        positions = np.array([camera.position for camera in placed], dtype=np.float64).reshape(-1, 2)
        points = (self.to_pixels(positions) - self.corner).clip(radius + 1, high - radius - 1)
        for camera, at in zip(placed, points, strict=True):
            seen = (self.to_pixels(camera.view) - self.corner).clip(0.0, high)
            towards = (seen.mean(axis=0) if len(seen) else high / 2) - at
            draw_beam(clip, at, 26.0 * self.unit, math.degrees(math.atan2(towards[1], towards[0])), STILL)
        for at in points:
            draw_dot(clip, at, radius, STILL, hollow=False)
        pen = Pen(max(10, round(12 * self.unit)), STILL, SEMIBOLD)
        return write_labels(clip, points, [(camera.camera_id, pen) for camera in placed], radius)

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
