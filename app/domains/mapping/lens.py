"""What a lens does between the ideal plane, behind a perfect lens, and the sensor. Compiled with numba.

OpenCV's model with all its coefficients, and Tsai's. Both planes are in units of the focal length, the axis at 0, 0.
Knows no pixels and no pose.
"""

import numpy as np
from numba import njit

from app.domains.mapping.record import record, record_type
from app.domains.vocabulary import FloatArray

PERFECT, OPENCV, TSAI = 0, 1, 2
COEFFICIENTS = 12  # k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4; OpenCV's last two, the tilt, become matrices
# OpenCV's own 5 iterations are 1.3 pixels off in the corners of WILDTRACK's CVLab1 (k1 -0.43, f 1743); 20 are below
# 0.0001 pixels.
ITERATIONS = 20
SETTLED = 1e-14  # squared movement in an iteration, in the ideal plane, that ends them
FOLD_SEARCH = np.linspace(0.0, 5.0, 2001)  # radii in the ideal plane; 5 is 79 degrees off the axis
DIRECTIONS = 8  # along which the fold is searched


# A lens: its kind, PERFECT, OPENCV or TSAI; OpenCV's coefficients, or Tsai's kappa and zeros; the tilt of its sensor,
# the identity for one that is not tilted, and the inverse; and how far from the axis, in the ideal plane, points have a
# place of their own on the sensor: beyond, the model folds over.
LENS = record_type(
    [
        ("kind", np.int64, ()),
        ("coefficients", np.float64, (COEFFICIENTS,)),
        ("tilt", np.float64, (3, 3)),
        ("untilt", np.float64, (3, 3)),
        ("max_radius", np.float64, ()),
    ]
)
Lens = np.record  # of type LENS


def _lens(kind: int, coefficients: FloatArray, tilt: FloatArray, max_radius: float) -> Lens:
    untilt = np.linalg.inv(tilt)
    return record(LENS, kind=kind, coefficients=coefficients, tilt=tilt, untilt=untilt, max_radius=max_radius)


def perfect_lens() -> Lens:
    """Return the lens that does nothing."""
    return _lens(PERFECT, np.zeros(COEFFICIENTS), np.eye(3), np.inf)


def opencv_lens(coefficients: FloatArray) -> Lens:
    """Return OpenCV's lens of 4, 5, 8, 12 or 14 coefficients: radial, tangential, rational, thin prism, tilt."""
    padded = np.zeros(COEFFICIENTS + 2)
    padded[: len(coefficients)] = coefficients
    tilt = _tilt(padded[-2], padded[-1])
    lens = _lens(OPENCV, padded[:COEFFICIENTS], tilt, np.inf)
    lens.max_radius = _fold_radius(lens)
    return lens


def tsai_lens(kappa: float) -> Lens:
    """Return Tsai's lens: ideal = sensor * (1 + kappa * |sensor|^2).

    Args:
        kappa: per squared unit of the sensor plane, that is Tsai's kappa1 times the squared focal length.
    """
    coefficients = np.zeros(COEFFICIENTS)
    coefficients[0] = kappa
    # with kappa < 0 the ideal radius r (1 + kappa r^2) peaks at r = 1 / sqrt(-3 kappa)
    most = 2.0 / (3.0 * np.sqrt(-3.0 * kappa)) if kappa < 0.0 else np.inf
    return _lens(TSAI, coefficients, np.eye(3), float(most))


def distort(lens: Lens, ideal: FloatArray) -> FloatArray:
    """Return where the lens puts (N, 2) ideal points on the sensor; NaN beyond the fold."""
    return np.asarray(_each(lens, np.ascontiguousarray(ideal, dtype=np.float64), True))


def undistort(lens: Lens, sensor: FloatArray) -> FloatArray:
    """Return the ideal points of (N, 2) sensor points; some value, wrong, for those beyond the fold."""
    return np.asarray(_each(lens, np.ascontiguousarray(sensor, dtype=np.float64), False))


@njit(cache=True, error_model="numpy")
def _each(lens: Lens, points: FloatArray, forth: bool) -> FloatArray:
    result = np.empty_like(points)
    for i in range(len(points)):
        if forth:
            result[i] = distort_point(lens, points[i, 0], points[i, 1])
        else:
            result[i] = undistort_point(lens, points[i, 0], points[i, 1])
    return result


@njit(cache=True, error_model="numpy")
def distort_point(lens: Lens, x: float, y: float) -> tuple[float, float]:
    """Return where the lens puts an ideal point on the sensor; NaN beyond the fold."""
    if not x * x + y * y < lens.max_radius**2:
        return np.nan, np.nan
    if lens.kind == PERFECT:
        return x, y
    if lens.kind == TSAI:
        return _tsai_point(lens.coefficients[0], x, y)
    k = lens.coefficients
    r2 = x * x + y * y
    radial = (1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1.0 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])))
    bent_x = x * radial + 2.0 * k[2] * x * y + k[3] * (r2 + 2.0 * x * x) + r2 * (k[8] + r2 * k[9])
    bent_y = y * radial + k[2] * (r2 + 2.0 * y * y) + 2.0 * k[3] * x * y + r2 * (k[10] + r2 * k[11])
    return _turn(lens.tilt, bent_x, bent_y)


@njit(cache=True, error_model="numpy")
def undistort_point(lens: Lens, x: float, y: float) -> tuple[float, float]:
    """Return the ideal point of a sensor point; some value, wrong, for one beyond the fold."""
    if lens.kind == PERFECT:
        return x, y
    if lens.kind == TSAI:
        scale = 1.0 + lens.coefficients[0] * (x * x + y * y)
        return x * scale, y * scale
    k = lens.coefficients
    bent_x, bent_y = _turn(lens.untilt, x, y)
    x, y = bent_x, bent_y
    for _ in range(ITERATIONS):
        r2 = x * x + y * y
        radial = (1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1.0 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])))
        aside_x = 2.0 * k[2] * x * y + k[3] * (r2 + 2.0 * x * x) + r2 * (k[8] + r2 * k[9])
        aside_y = k[2] * (r2 + 2.0 * y * y) + 2.0 * k[3] * x * y + r2 * (k[10] + r2 * k[11])
        new_x, new_y = (bent_x - aside_x) / radial, (bent_y - aside_y) / radial
        moved = (new_x - x) ** 2 + (new_y - y) ** 2
        x, y = new_x, new_y
        if moved < SETTLED:
            break
    return x, y


@njit(cache=True, error_model="numpy")
def _tsai_point(kappa: float, x: float, y: float) -> tuple[float, float]:
    """Solve kappa r^3 + r = r_ideal for its innermost root by the trigonometric, or hyperbolic, cubic formula."""
    scale = 1.5 * np.sqrt(3.0 * abs(kappa))
    angle = scale * np.sqrt(x * x + y * y)
    third = np.sinh(np.arcsinh(angle) / 3.0) if kappa > 0.0 else np.sin(np.arcsin(min(angle, 1.0)) / 3.0)
    radius = 3.0 / scale * third
    shrink = 1.0 + kappa * radius**2
    return x / shrink, y / shrink


@njit(cache=True, error_model="numpy")
def _turn(matrix: FloatArray, x: float, y: float) -> tuple[float, float]:
    weight = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    turned_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    turned_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    return turned_x / weight, turned_y / weight


def _tilt(tau_x: float, tau_y: float) -> FloatArray:
    """Return the homography of a sensor tilted about x and y, radians (OpenCV, calib3d, "tilted sensor model")."""
    about_x = np.array([[1, 0, 0], [0, np.cos(tau_x), np.sin(tau_x)], [0, -np.sin(tau_x), np.cos(tau_x)]])
    about_y = np.array([[np.cos(tau_y), 0, -np.sin(tau_y)], [0, 1, 0], [np.sin(tau_y), 0, np.cos(tau_y)]])
    turn = about_y @ about_x
    project = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    return np.asarray(project @ turn)


def _fold_radius(lens: Lens) -> float:
    """Return the radius up to which farther from the axis stays farther on the sensor, in all of 8 directions."""
    angles = np.arange(DIRECTIONS) * (2.0 * np.pi / DIRECTIONS)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    rays = directions[:, None] * FOLD_SEARCH[:, None]
    images = distort(lens, rays.reshape(-1, 2)).reshape(rays.shape)
    outward = np.diff(np.einsum("drk,dk->dr", images, directions), axis=1) > 0.0
    folds = ~outward.all(axis=0)
    return float(FOLD_SEARCH[folds.argmax()]) if folds.any() else np.inf
