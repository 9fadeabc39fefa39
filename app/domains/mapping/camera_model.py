"""A calibrated camera: image points to the floor and back, whatever kind of calibration is behind it.

`CameraModel` has one body for a bare homography, OpenCV intrinsics with distortion and extrinsics, and Tsai. Points are
undistorted, images never. Knows nothing of boxes, of noise, or of where a calibration was read.

Inside, a pixel goes through two planes: the *sensor* plane, (pixel - centre) / focal, which the lens distorts, and the
*ideal* plane behind a perfect lens, from which one homography leads to the floor.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from app.domains.mapping.homography import Homography
from app.domains.mapping.lens import Lens, distort, opencv_lens, perfect_lens, tsai_lens, undistort
from app.domains.mapping.record import record
from app.domains.mapping.sight import ROUND_TRIP_PX, SIGHT, Sight
from app.domains.vocabulary import FloatArray, check_shape

NEGLIGIBLE_PX = 0.01  # a lens that moves no pixel farther than this is taken as perfect; MultiviewX's moves 0.004
# Focal length from a homography (Zhang 2000): refused when the two constraints contradict each other by more than
# this share, or when the camera looks so straight down that the horizon's slope is lost. Real homographies of
# WILDTRACK, MultiviewX and PETS09 contradict by 0.00 to 0.06 and tilt by 0.26 to 0.81.
MAX_CONTRADICTION = 0.2
MIN_TILT = 0.02
FOCAL_RANGE = (0.2, 20.0)  # share of the longer image side: 136 degrees wide to 3 degrees narrow


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
        lens: between the sensor and the ideal plane.
        plane_to_floor: ideal plane to floor, metres in the site frame; visible where its weight is positive.
        floor_to_plane: the map back; its weight is the depth in metres when heights are known.
        rise: (3,) homogeneous shift in the ideal plane for each metre above the floor; None when unknown.
        position: (3,) metres, the camera's place, z its height above the floor; None when unknown.
    """

    size: tuple[int, int]
    focal: FloatArray
    centre: FloatArray
    lens: Lens
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
            lens=perfect_lens(),
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
        lens = opencv_lens(distortion) if np.any(distortion) else perfect_lens()
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
        lens = tsai_lens(tsai.kappa1 * tsai.focal**2) if tsai.kappa1 else perfect_lens()
        return _full_model((int(tsai.width), int(tsai.height)), intrinsics, lens, rotation, translation)

    def to_floor(self, pixels: FloatArray) -> FloatArray:
        """Map (N, 2) pixels to (N, 2) metres; NaN above the horizon and where the lens model cannot be inverted."""
        return self.plane_to_floor.apply(self.to_ideal(pixels))

    def to_ideal(self, pixels: FloatArray) -> FloatArray:
        """Map (N, 2) pixels to the ideal plane; NaN where the lens model cannot be inverted."""
        sensor = (pixels - self.centre) / self.focal
        ideal = undistort(self.lens, sensor)
        return self._trusted(sensor, ideal, distort(self.lens, ideal))

    def to_floor_with_jacobian(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map (N, 2) pixels as `to_floor` does; also (N, 2, 2) metres per pixel, d(x, y) / d(u, v).

        Exact for the homography; for the lens by differences over one pixel.
        """
        sensor = (pixels - self.centre) / self.focal
        ideal, step = undistort(self.lens, sensor), 1.0 / self.focal.max()
        # the lens's own derivative, inverted: it proves the round trip, too
        back, right, down = (distort(self.lens, ideal + step * np.array(shift)) for shift in ((0, 0), (1, 0), (0, 1)))
        # a point within a step of the fold has no derivative, so it is not trusted either
        ideal = self._trusted(sensor, ideal, np.where(np.isfinite(right + down), back, np.nan))
        (a, c), (b, d) = (right - back).T, (down - back).T
        unbend = np.stack([d, -b, -c, a], axis=1) * (step / (a * d - b * c))[:, None]
        xy, slope = self.plane_to_floor.apply_with_jacobian(ideal)
        return xy, slope @ unbend.reshape(len(sensor), 2, 2) / self.focal

    def sight(self) -> Sight:
        """Return the camera for compiled code."""
        unknown = np.full(3, np.nan)
        return record(
            SIGHT,
            image=self.size,
            focal=self.focal,
            centre=self.centre,
            lens=self.lens,
            to_floor=self.plane_to_floor.matrix,
            to_plane=self.floor_to_plane.matrix,
            rise=unknown if self.rise is None else self.rise,
            position=(unknown if self.position is None else self.position)[:2],
        )

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
        depth = rays[:, 2:]
        ideal = rays[:, :2] / np.where(depth > 0.0, depth, np.nan)
        return distort(self.lens, ideal) * self.focal + self.centre

    def _trusted(self, sensor: FloatArray, ideal: FloatArray, back: FloatArray) -> FloatArray:
        """Set (N, 2) ideal points to NaN unless the lens puts them `back` on the sensor points that they came from."""
        missed = np.abs((back - sensor) * self.focal).max(axis=1, initial=0.0)
        return np.where((missed <= ROUND_TRIP_PX)[:, None], ideal, np.nan)


def _full_model(
    size: tuple[int, int],
    intrinsics: FloatArray,
    lens: Lens,
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
        lens=perfect_lens() if _is_negligible(lens, size, focal, centre) else lens,
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


def _is_negligible(lens: Lens, size: tuple[int, int], focal: FloatArray, centre: FloatArray) -> bool:
    """Tell whether the lens moves no pixel of the image by `NEGLIGIBLE_PX`."""
    u, v = np.meshgrid(np.linspace(0.0, size[0], 9), np.linspace(0.0, size[1], 9))
    sensor = (np.stack([u.ravel(), v.ravel()], axis=1) - centre) / focal
    return bool(np.abs((undistort(lens, sensor) - sensor) * focal).max() < NEGLIGIBLE_PX)


def _rotation(rvec: FloatArray) -> FloatArray:
    return np.asarray(cv2.Rodrigues(rvec)[0], dtype=np.float64)


def _bottom_centre(size: tuple[int, int]) -> FloatArray:
    return np.array([size[0] / 2.0, float(size[1])])


def _require_size(size: tuple[int, int]) -> None:
    if min(size) <= 0:
        raise ValueError(f"the image size must be positive, got {size[0]} x {size[1]}")
