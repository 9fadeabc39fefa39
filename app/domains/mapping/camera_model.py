"""A calibrated camera: image points to the floor and back, whatever kind of calibration is behind it.

`CameraModel` has one body for a bare homography, OpenCV intrinsics with distortion and extrinsics, and Tsai. Points are
undistorted, images never. Knows nothing of boxes, of noise, or of where a calibration was read.

Inside, a pixel goes through two planes: the *sensor* plane, (pixel - centre) / focal, which the lens distorts, and the
*ideal* plane behind a perfect lens, from which one homography leads to the floor.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from app.domains.mapping.homography import Homography
from app.domains.vocabulary import FloatArray, check_shape

ROUND_TRIP_PX = 1.0  # a pixel that comes back farther off than this from undistorting and distorting is not trusted
# cv2.undistortPoints stops after 5 iterations by default, which is 1.3 pixels off in the corners of WILDTRACK's CVLab1
# (k1 -0.43, f 1743); 20 are below 0.0001 pixels.
UNDISTORT_CRITERIA = (cv2.TERM_CRITERIA_COUNT, 20, 0.0)
UNIT_CAMERA, NO_ROTATION, NO_SHIFT = np.eye(3), np.zeros(3), np.zeros(3)
FOLD_SEARCH = np.linspace(0.0, 5.0, 2001)  # radii in the ideal plane; 5 is 79 degrees off the axis
NEGLIGIBLE_PX = 0.01  # a lens that moves no pixel farther than this is taken as perfect; MultiviewX's moves 0.004
# Focal length from a homography (Zhang 2000): refused when the two constraints contradict each other by more than
# this share, or when the camera looks so straight down that the horizon's slope is lost. Real homographies of
# WILDTRACK, MultiviewX and PETS09 contradict by 0.00 to 0.06 and tilt by 0.26 to 0.81.
MAX_CONTRADICTION = 0.2
MIN_TILT = 0.02
FOCAL_RANGE = (0.2, 20.0)  # share of the longer image side: 136 degrees wide to 3 degrees narrow


class Distortion(Protocol):
    """What a lens does between the ideal and the sensor plane; (N, 2) each way."""

    max_radius: (
        float  # ideal points farther from the axis have no place of their own on the sensor: the model folds over
    )

    def distort(self, ideal: FloatArray) -> FloatArray:
        """Return where the lens puts ideal points within `max_radius` on the sensor plane."""
        ...

    def undistort(self, sensor: FloatArray) -> FloatArray:
        """Return the ideal points of sensor points; some value, wrong, for those beyond the fold."""
        ...


class OpenCVDistortion:
    """OpenCV's radial, tangential, rational, thin-prism and tilt coefficients (4, 5, 8, 12 or 14 of them)."""

    def __init__(self, coefficients: FloatArray) -> None:
        self.coefficients = coefficients
        self.max_radius = self._fold_radius()

    def distort(self, ideal: FloatArray) -> FloatArray:
        """Return where the lens puts ideal points on the sensor plane."""
        if not len(ideal):
            return ideal
        rays = np.ones((len(ideal), 3))
        rays[:, :2] = ideal
        sensor, _ = cv2.projectPoints(rays, NO_ROTATION, NO_SHIFT, UNIT_CAMERA, self.coefficients)
        return np.asarray(sensor[:, 0], dtype=np.float64)

    def undistort(self, sensor: FloatArray) -> FloatArray:
        """Return the ideal points of sensor points."""
        if not len(sensor):
            return sensor
        points = np.ascontiguousarray(sensor)[:, None]
        ideal = cv2.undistortPoints(
            points, UNIT_CAMERA, self.coefficients, R=None, P=None, dst=None, criteria=UNDISTORT_CRITERIA
        )
        return np.asarray(ideal[:, 0], dtype=np.float64)

    def _fold_radius(self) -> float:
        """Return the radius up to which farther from the axis stays farther on the sensor, in all of 8 directions."""
        angles = np.arange(8) * (np.pi / 4.0)
        directions = np.column_stack([np.cos(angles), np.sin(angles)])
        rays = directions[:, None] * FOLD_SEARCH[:, None]
        images = self.distort(rays.reshape(-1, 2)).reshape(rays.shape)
        outward = np.diff(np.einsum("drk,dk->dr", images, directions), axis=1) > 0.0
        folds = ~outward.all(axis=0)
        return float(FOLD_SEARCH[folds.argmax()]) if folds.any() else np.inf


class TsaiDistortion:
    """Tsai's one radial coefficient: ideal = sensor * (1 + kappa * |sensor|^2), so undistorting is the closed form.

    Args:
        kappa: per squared unit of the sensor plane, that is Tsai's kappa1 times the squared focal length.
    """

    def __init__(self, kappa: float) -> None:
        self.kappa = kappa
        self.scale = 1.5 * np.sqrt(3.0 * abs(kappa))
        # with kappa < 0 the ideal radius r (1 + kappa r^2) peaks at r = 1 / sqrt(-3 kappa)
        self.max_radius = 1.0 / self.scale if kappa < 0.0 else np.inf

    def distort(self, ideal: FloatArray) -> FloatArray:
        """Solve kappa r^3 + r = r_ideal for its innermost root by the trigonometric, or hyperbolic, cubic formula."""
        angle = self.scale * np.sqrt(np.einsum("ni,ni->n", ideal, ideal))
        third = np.sinh(np.arcsinh(angle) / 3.0) if self.kappa > 0.0 else np.sin(np.arcsin(angle) / 3.0)
        radius = 3.0 / self.scale * third
        result: FloatArray = ideal / (1.0 + self.kappa * radius**2)[:, None]
        return result

    def undistort(self, sensor: FloatArray) -> FloatArray:
        """Return the ideal points of sensor points."""
        result: FloatArray = sensor * (1.0 + self.kappa * np.einsum("ni,ni->n", sensor, sensor))[:, None]
        return result


@dataclass(frozen=True, slots=True)
class TsaiParameters:
    """A Tsai calibration as its XML files give it; lengths in millimetres, angles in radians.

    Attributes:
        width: pixels, like height; the image that cx and cy refer to.
        dpx: effective size of a pixel on the sensor, like dpy.
        cx: principal point in pixels, like cy.
        sx: horizontal scale factor.
        focal: focal length.
        kappa1: radial distortion per square millimetre.
        tx: the world origin in camera coordinates, like ty and tz.
        rx: rotation world to camera, R = Rz(rz) Ry(ry) Rx(rx), like ry and rz.
    """

    width: float
    height: float
    dpx: float
    dpy: float
    cx: float
    cy: float
    sx: float
    focal: float
    kappa1: float
    tx: float
    ty: float
    tz: float
    rx: float
    ry: float
    rz: float


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """Where the pixels of one camera lie on the floor, and where floor points and heads lie in its image.

    Build it with `from_homography`, `from_opencv` or `from_tsai`.

    Attributes:
        size: (width, height) pixels of the image that the calibration refers to.
        focal: (2,) pixels.
        centre: (2,) pixels, the principal point.
        distortion: None for a lens without any.
        plane_to_floor: ideal plane to floor, metres in the site frame; visible where its weight is positive.
        floor_to_plane: the map back; its weight is the depth in metres when heights are known.
        rise: (3,) homogeneous shift in the ideal plane for each metre above the floor; None when unknown.
        position: (3,) metres, the camera's place, z its height above the floor; None when unknown.
    """

    size: tuple[int, int]
    focal: FloatArray
    centre: FloatArray
    distortion: Distortion | None
    plane_to_floor: Homography
    floor_to_plane: Homography
    rise: FloatArray | None
    position: FloatArray | None

    @property
    def height_known(self) -> bool:
        """Whether points above the floor can be projected too."""
        return self.rise is not None

    @classmethod
    def from_homography(cls, image_to_floor: FloatArray, size: tuple[int, int]) -> "CameraModel":
        """Build a camera from an image-to-floor homography.

        The visible side of the horizon is the one with the middle of the image's bottom edge. Focal length, pose and
        so heights are recovered with Zhang's two constraints on a plane, assuming square pixels and the principal
        point in the image's centre: heads then come out within 3 % of a person's height on WILDTRACK's homographies.
        Where that is badly conditioned (a camera that looks straight down) heights stay unknown.

        Args:
            image_to_floor: (3, 3), (u, v, 1) pixels to a multiple of (x, y, 1) metres.
            size: (width, height) pixels.

        Raises:
            ValueError: not 3x3, singular, not finite, or the horizon runs through the image's bottom centre.
        """
        _require_size(size)
        centre, scale = np.array(size) / 2.0, float(max(size))
        to_pixel = np.array([[scale, 0.0, centre[0]], [0.0, scale, centre[1]], [0.0, 0.0, 1.0]])
        plane_to_floor = Homography(Homography(image_to_floor).oriented(_bottom_centre(size)).matrix @ to_pixel)
        focal = _recover_focal(plane_to_floor.inverse().matrix)
        floor_to_plane = plane_to_floor.inverse().matrix / np.array([[focal or 1.0], [focal or 1.0], [1.0]])
        # columns 1 and 2 are unit vectors once the matrix is [r1 r2 t], which makes its weight the depth in metres
        columns = np.linalg.norm(floor_to_plane[:, :2], axis=0)
        floor_to_plane = floor_to_plane / np.sqrt(columns[0] * columns[1])
        rise, position = None, None
        if focal is not None:
            rise, position = _pose(floor_to_plane, np.cross(floor_to_plane[:, 0], floor_to_plane[:, 1]))
        return cls(
            size=size,
            focal=np.full(2, scale * (focal or 1.0)),
            centre=centre,
            distortion=None,
            plane_to_floor=Homography(floor_to_plane).inverse(),
            floor_to_plane=Homography(floor_to_plane),
            rise=rise,
            position=position,
        )

    @classmethod
    def from_opencv(
        cls, size: tuple[int, int], intrinsics: FloatArray, distortion: FloatArray, rvec: FloatArray, tvec: FloatArray
    ) -> "CameraModel":
        """Build a camera from what cv2.calibrateCamera and cv2.solvePnP give.

        Args:
            size: (width, height) pixels.
            intrinsics: (3, 3) camera matrix without skew, pixels.
            distortion: (D,) coefficients, D in 0, 4, 5, 8, 12, 14.
            rvec: (3,) Rodrigues rotation, site frame to camera.
            tvec: (3,) metres, the site frame's origin in camera coordinates.

        Raises:
            ValueError: a wrong shape, a NaN, a focal length that is not positive, skew, or a camera in the floor.
        """
        check_shape("K", intrinsics, (3, 3))
        check_shape("rvec", rvec, (3,))
        check_shape("tvec", tvec, (3,))
        if distortion.ndim != 1 or len(distortion) not in {0, 4, 5, 8, 12, 14}:
            raise ValueError(f"distortion has shape {distortion.shape}, expected 0, 4, 5, 8, 12 or 14 coefficients")
        if not all(np.isfinite(array).all() for array in (intrinsics, distortion, rvec, tvec)):
            raise ValueError("the calibration has a number that is NaN or infinite")
        if abs(intrinsics[0, 1]) > 1e-9 * abs(intrinsics[0, 0]) or np.any(intrinsics[2] != (0.0, 0.0, 1.0)):
            raise ValueError("K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
        lens = OpenCVDistortion(distortion) if np.any(distortion) else None
        return _full_model(size, intrinsics, lens, _rotation(rvec), tvec)

    @classmethod
    def from_tsai(cls, tsai: TsaiParameters) -> "CameraModel":
        """Build a camera from a Tsai calibration (R. Y. Tsai 1987) whose world is the site frame in millimetres.

        Raises:
            ValueError: a number that is NaN, a pixel size or focal length that is not positive, a camera in the floor.
        """
        if min(tsai.dpx, tsai.dpy) <= 0.0:
            raise ValueError("dpx and dpy must be positive")
        intrinsics = np.array(
            [[tsai.sx * tsai.focal / tsai.dpx, 0.0, tsai.cx], [0.0, tsai.focal / tsai.dpy, tsai.cy], [0.0, 0.0, 1.0]]
        )
        rotation = (
            _rotation(np.array([0.0, 0.0, tsai.rz]))
            @ _rotation(np.array([0.0, tsai.ry, 0.0]))
            @ _rotation(np.array([tsai.rx, 0.0, 0.0]))
        )
        translation = np.array([tsai.tx, tsai.ty, tsai.tz]) / 1000.0
        lens = TsaiDistortion(tsai.kappa1 * tsai.focal**2) if tsai.kappa1 else None
        return _full_model((int(tsai.width), int(tsai.height)), intrinsics, lens, rotation, translation)

    def to_floor(self, pixels: FloatArray) -> FloatArray:
        """Map (N, 2) pixels to (N, 2) metres; NaN above the horizon and where the lens model cannot be inverted."""
        return self.plane_to_floor.apply(self.to_ideal(pixels))

    def to_ideal(self, pixels: FloatArray) -> FloatArray:
        """Map (N, 2) pixels to the ideal plane; NaN where the lens model cannot be inverted."""
        sensor = (pixels - self.centre) / self.focal
        if self.distortion is None:
            return sensor
        ideal = self.distortion.undistort(sensor)
        return self._trusted(sensor, ideal, self._distort(ideal, self.distortion))

    def to_floor_with_jacobian(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map (N, 2) pixels as `to_floor` does; also (N, 2, 2) metres per pixel, d(x, y) / d(u, v)."""
        ideal, unbend = self.to_ideal_with_jacobian(pixels)
        xy, slope = self.plane_to_floor.apply_with_jacobian(ideal)
        return xy, slope @ unbend

    def to_ideal_with_jacobian(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map (N, 2) pixels as `to_ideal` does; also (N, 2, 2) ideal units per pixel.

        The lens's derivative is taken by differences over one pixel, all points in one call.
        """
        sensor = (pixels - self.centre) / self.focal
        if self.distortion is None:
            return sensor, np.broadcast_to(np.diag(1.0 / self.focal), (len(sensor), 2, 2))
        ideal = self.distortion.undistort(sensor)
        # the lens's own derivative, inverted: distorting costs less than undistorting, and proves the round trip too
        n, step = len(sensor), 1.0 / self.focal.max()
        nudged = np.concatenate([ideal, ideal, ideal])
        nudged[n : 2 * n, 0] += step
        nudged[2 * n :, 1] += step
        back, right, down = self._distort(nudged, self.distortion).reshape(3, n, 2)
        # a point within a step of the fold has no derivative, so it is not trusted either
        ideal = self._trusted(sensor, ideal, np.where(np.isfinite(right + down), back, np.nan))
        (a, c), (b, d) = (right - back).T, (down - back).T
        unbend = np.stack([d, -b, -c, a], axis=1) * (step / (a * d - b * c))[:, None]
        return ideal, unbend.reshape(n, 2, 2) / self.focal

    def feet_below(self, heads: FloatArray, height_m: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Find the feet of upright people whose heads are at (N, 2) points of the ideal plane.

        A head lies on the plane `height_m` above the floor. With r the rise and g the last row of the plane-to-floor
        map, the foot's ray is l (head, 1) - height r where l = (1 + height g r) / g (head, 1).

        Returns:
            (N, 2) points of the ideal plane, NaN for heads above the horizon of their plane; and how far a foot moves
            down, in ideal units, for each such unit that the head moves down, and for each metre of height, (N,) each.

        Raises:
            ValueError: the camera's heights are unknown.
        """
        if self.rise is None:
            raise ValueError("this camera has only a homography: heights above the floor are unknown")
        row = self.plane_to_floor.matrix[2]
        along = heads @ row[:2] + row[2]
        per_metre = float(row @ self.rise) / np.where(along > 0.0, along, np.nan)
        far = 1.0 / along + height_m * per_metre
        depth = far - height_m * self.rise[2]
        depth = np.where((far > 0.0) & (depth > 0.0), depth, np.nan)
        feet = (far[:, None] * heads - height_m * self.rise[:2]) / depth[:, None]
        farther = -far * row[1] / along  # by one unit of the head's row
        by_row = (far + farther * (heads[:, 1] - feet[:, 1])) / depth
        by_height = (per_metre * heads[:, 1] - self.rise[1] - feet[:, 1] * (per_metre - self.rise[2])) / depth
        return feet, by_row, by_height

    def to_image(self, floor: FloatArray, height_m: float = 0.0) -> FloatArray:
        """Map (N, 2) metres to (N, 2) pixels, lens distortion included; NaN where the camera cannot see.

        Args:
            floor: (N, 2) metres, site frame.
            height_m: how far above the floor points the wanted points are.

        Raises:
            ValueError: a height other than 0 asked of a camera whose heights are unknown.
        """
        rays = floor @ self.floor_to_plane.matrix[:, :2].T + self.floor_to_plane.matrix[:, 2]
        if height_m:
            if self.rise is None:
                raise ValueError("this camera has only a homography: heights above the floor are unknown")
            rays = rays + height_m * self.rise
        return self.rays_to_image(rays)

    def rays_to_image(self, rays: FloatArray) -> FloatArray:
        """Map (N, 3) homogeneous points of the ideal plane to (N, 2) pixels; NaN behind the camera or off the lens."""
        depth = rays[:, 2:]
        ideal = rays[:, :2] / np.where(depth > 0.0, depth, np.nan)
        sensor = ideal if self.distortion is None else self._distort(ideal, self.distortion)
        result: FloatArray = sensor * self.focal + self.centre
        return result

    def lean(self, pixels: FloatArray) -> FloatArray:
        """Return how many pixels to the right an upright line moves for each pixel up, (N,), at (N, 2) pixels.

        Upright people lean towards the image's sides, away from the vertical vanishing point. Lens distortion is
        ignored here: it bends the line by a few per cent of the lean. Zero when heights are unknown.
        """
        if self.rise is None:
            return np.zeros(len(pixels))
        sensor = (pixels - self.centre) / self.focal
        # derivative of (foot + z rise) at z = 0, up to the common depth
        along = self.rise[:2] - sensor * self.rise[2]
        along *= self.focal
        up = -along[:, 1]
        result: FloatArray = np.where(up > 0.0, along[:, 0] / np.where(up > 0.0, up, 1.0), 0.0)
        return result

    def _distort(self, ideal: FloatArray, distortion: Distortion) -> FloatArray:
        """Return sensor points of (N, 2) ideal points; NaN beyond the fold, where two pixels would share a point."""
        inside = (np.einsum("ni,ni->n", ideal, ideal) < distortion.max_radius**2)[:, None]
        return np.where(inside, distortion.distort(np.where(inside, ideal, 0.0)), np.nan)

    def _trusted(self, sensor: FloatArray, ideal: FloatArray, back: FloatArray) -> FloatArray:
        """Set (N, 2) ideal points to NaN unless the lens puts them `back` on the sensor points that they came from."""
        missed = np.abs((back - sensor) * self.focal).max(axis=1, initial=0.0)
        return np.where((missed <= ROUND_TRIP_PX)[:, None], ideal, np.nan)


def _full_model(
    size: tuple[int, int],
    intrinsics: FloatArray,
    distortion: Distortion | None,
    rotation: FloatArray,
    translation: FloatArray,
) -> CameraModel:
    """Join intrinsics and extrinsics, metres, and find the visible side of the horizon."""
    _require_size(size)
    focal, centre = np.diag(intrinsics)[:2].copy(), intrinsics[:2, 2].copy()
    if not (np.isfinite(intrinsics).all() and np.isfinite(translation).all() and np.isfinite(rotation).all()):
        raise ValueError("the calibration has a number that is NaN or infinite")
    if focal.min() <= 0.0:
        raise ValueError(f"the focal lengths must be positive, got {focal.tolist()}")
    floor_to_plane = np.column_stack([rotation[:, :2], translation])
    try:
        plane_to_floor = Homography(floor_to_plane).inverse()
    except ValueError as error:
        raise ValueError("the camera's centre lies in the floor plane, so it cannot map the floor") from error
    # Positive depth is in front of the camera. MultiviewX's extrinsics have everything at negative depth: there
    # neither the image's centre nor its bottom centre is floor, and the sign of the whole projection is turned.
    bottom = (_bottom_centre(size) - centre) / focal
    sign = -1.0 if (plane_to_floor.weight(np.array([[0.0, 0.0], bottom])) <= 0.0).all() else 1.0
    rise, position = _pose(floor_to_plane, rotation[:, 2])
    return CameraModel(
        size=size,
        focal=focal,
        centre=centre,
        distortion=None if distortion is None or _is_negligible(distortion, size, focal, centre) else distortion,
        plane_to_floor=Homography(sign * plane_to_floor.matrix),
        floor_to_plane=Homography(sign * floor_to_plane),
        rise=sign * rise,
        position=position,
    )


def _pose(floor_to_plane: FloatArray, rise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (rise, position) with z counted towards the camera's side of the floor, so that heads are above feet."""
    solved = np.linalg.solve(np.column_stack([floor_to_plane[:, :2], rise]), -floor_to_plane[:, 2])
    position = np.asarray(solved, dtype=np.float64)
    if position[2] < 0.0:
        return -rise, position * (1.0, 1.0, -1.0)
    return rise, position


def _recover_focal(floor_to_plane: FloatArray) -> float | None:
    """Return the focal length in units of the plane, or None when the homography does not determine it.

    Z. Zhang, A flexible new technique for camera calibration, 2000, equations 3 and 4, for one view with square pixels
    and the principal point at the origin: with h1 and h2 the first two columns, h1' W h2 = 0 and h1' W h1 = h2' W h2
    where W = diag(q, q, 1), q = 1 / focal^2. Written as one complex equation a q + b = 0 with z = h1 + i h2, so that
    turning the floor frame changes nothing.
    """
    z = floor_to_plane[:, 0] + 1j * floor_to_plane[:, 1]
    a, b = z[0] ** 2 + z[1] ** 2, z[2] ** 2
    if abs(a) == 0.0 or abs(b) <= MIN_TILT * float((np.abs(z) ** 2).sum()):
        return None
    q = -(a.conjugate() * b).real / abs(a) ** 2
    if q <= 0.0 or abs(a * q + b) > MAX_CONTRADICTION * abs(b):
        return None
    focal = float(1.0 / np.sqrt(q))
    return focal if FOCAL_RANGE[0] <= focal <= FOCAL_RANGE[1] else None


def _is_negligible(distortion: Distortion, size: tuple[int, int], focal: FloatArray, centre: FloatArray) -> bool:
    """Tell whether the lens moves no pixel of the image by `NEGLIGIBLE_PX`."""
    u, v = np.meshgrid(np.linspace(0.0, size[0], 9), np.linspace(0.0, size[1], 9))
    sensor = (np.stack([u.ravel(), v.ravel()], axis=1) - centre) / focal
    return bool(np.abs((distortion.undistort(sensor) - sensor) * focal).max() < NEGLIGIBLE_PX)


def _rotation(rvec: FloatArray) -> FloatArray:
    return np.asarray(cv2.Rodrigues(rvec)[0], dtype=np.float64)


def _bottom_centre(size: tuple[int, int]) -> FloatArray:
    return np.array([size[0] / 2.0, float(size[1])])


def _require_size(size: tuple[int, int]) -> None:
    if min(size) <= 0:
        raise ValueError(f"the image size must be positive, got {size[0]} x {size[1]}")
