"""A plane-to-plane projective map, such as image to floor, that knows which side of its horizon is real.

Fits from point pairs, maps points both ways, gives the Jacobian and the reprojection error. Knows nothing of lenses,
boxes or people. After Hartley and Zisserman, Multiple View Geometry, 2nd ed., chapters 2 and 4.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from app.domains.vocabulary import BoolArray, FloatArray, check_shape

# A matrix whose smallest singular value, after its rows and columns are balanced, is below this share of the largest
# has lost a dimension: exact singular ones come out near 1e-17, the least balanced real calibrations above 1e-5.
SINGULAR = 1e-12
# Point pairs leave the map undetermined when the eighth singular value of the direct linear transform's matrix is
# below this share of the first; three of four points within a millionth of a line give about 1e-7.
UNDETERMINED = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Homography:
    """A projective map of one plane onto another.

    The sign of the matrix matters: points whose homogeneous third coordinate is positive are on the visible side,
    points on or beyond the horizon are not and map to NaN. `oriented` sets the sign from a point known to be visible.

    Attributes:
        matrix: (3, 3), maps (u, v, 1) to a multiple of (x, y, 1).

    Raises:
        ValueError: not 3x3, not finite, or singular.
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        check_shape("homography", self.matrix, (3, 3))
        if not np.isfinite(self.matrix).all():
            raise ValueError("homography has an entry that is NaN or infinite")
        if _is_singular(self.matrix):
            raise ValueError("homography is singular: it maps the plane onto a line, so it has no inverse")

    def oriented(self, visible: FloatArray) -> "Homography":
        """Return the same map with the sign that puts the point `visible`, (2,), on the visible side.

        Raises:
            ValueError: the point lies on the horizon.
        """
        weight = float(self.weight(visible[None])[0])
        if abs(weight) <= SINGULAR * float(np.abs(self.matrix[2]) @ np.abs([*visible, 1.0])):
            raise ValueError(f"the point {visible.tolist()} lies on the horizon, so it cannot be a point of the floor")
        return Homography(self.matrix * np.sign(weight))

    def inverse(self) -> "Homography":
        """Return the map back; visible points stay visible."""
        return Homography(np.asarray(np.linalg.inv(self.matrix), dtype=np.float64))

    def weight(self, points: FloatArray) -> FloatArray:
        """Return the homogeneous third coordinate (N,) of (N, 2) points: positive on the visible side."""
        result: FloatArray = points @ self.matrix[2, :2] + self.matrix[2, 2]
        return result

    def apply(self, points: FloatArray) -> FloatArray:
        """Map (N, 2) points to (N, 2); NaN for points on or beyond the horizon."""
        mapped = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        weight = mapped[:, 2:]
        result: FloatArray = mapped[:, :2] / np.where(weight > 0.0, weight, np.nan)
        return result

    def jacobian(self, points: FloatArray) -> FloatArray:
        """Return (N, 2, 2) derivatives d(x, y) / d(u, v) at (N, 2) points; NaN on or beyond the horizon."""
        return self.apply_with_jacobian(points)[1]

    def apply_with_jacobian(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map (N, 2) points as `apply` does and return (N, 2, 2) derivatives d(x, y) / d(u, v) with them."""
        mapped = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        weight = mapped[:, 2:]
        inverse_weight = 1.0 / np.where(weight > 0.0, weight, np.nan)
        target = mapped[:, :2] * inverse_weight
        # quotient rule: (row_i - target_i * row_w) / w
        slope = self.matrix[:2, :2] - target[:, :, None] * self.matrix[2, :2]
        return target, slope * inverse_weight[:, :, None]

    def reprojection_error(self, points: FloatArray, targets: FloatArray) -> FloatArray:
        """Return the distance (N,) between mapped (N, 2) points and (N, 2) targets, in the targets' unit."""
        result: FloatArray = np.linalg.norm(self.apply(points) - targets, axis=1)
        return result


def fit_homography(image: FloatArray, floor: FloatArray, threshold_m: float = 0.3) -> tuple[Homography, BoolArray]:
    """Fit the image-to-floor map to point pairs with RANSAC (cv2.findHomography, deterministic).

    Args:
        image: (N, 2) pixels, N >= 4.
        floor: (N, 2) metres, row for row.
        threshold_m: pairs farther off than this on the floor are outliers. Default 0.3 m: a click 3 pixels off at
            5 to 10 centimetres a pixel, which is the far end of a scene; a swapped pair is metres off.

    Returns:
        The map, oriented so that the inliers are visible, and which of the N pairs are inliers.

    Raises:
        ValueError: too few pairs, points on one line, no consensus, or points on both sides of the horizon.
    """
    check_shape("floor points", floor, image.shape)
    check_shape("image points", image, (len(image), 2))
    if len(image) < 4:
        raise ValueError(f"a homography needs at least 4 point pairs, got {len(image)}")
    if not (np.isfinite(image).all() and np.isfinite(floor).all()):
        raise ValueError("a point pair has a coordinate that is NaN or infinite")
    _require_spread(image, floor)
    matrix, mask = cv2.findHomography(image, floor, cv2.RANSAC, threshold_m)
    if matrix is None:
        raise ValueError(f"no homography puts 4 point pairs within {threshold_m} m; look for swapped or mistyped pairs")
    inliers = mask.ravel().astype(bool)
    if inliers.sum() < 4:
        raise ValueError(f"only {inliers.sum()} point pairs agree within {threshold_m} m, 4 are needed")
    homography = Homography(np.asarray(matrix, dtype=np.float64)).oriented(image[inliers][0])
    if not (homography.weight(image[inliers]) > 0.0).all():
        raise ValueError("the point pairs lie on both sides of the horizon; look for swapped or mistyped pairs")
    return homography, inliers


def _is_singular(matrix: FloatArray) -> bool:
    """Tell whether the matrix has lost a dimension, whatever the units of its rows and columns."""
    columns = np.linalg.norm(matrix, axis=0)
    if not (columns > 0.0).all():
        return True
    rows = np.linalg.norm(matrix / columns, axis=1)
    if not (rows > 0.0).all():
        return True
    singular = np.linalg.svd(matrix / columns / rows[:, None], compute_uv=False)
    return bool(singular[2] <= SINGULAR * singular[0])


def _require_spread(image: FloatArray, floor: FloatArray) -> None:
    """Raise ValueError unless the pairs determine all eight parameters: no three of the four needed on one line."""
    for name, points in (("image", image), ("floor", floor)):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spread[1] <= UNDETERMINED * spread[0]:
            raise ValueError(f"the {name} points lie on one line; spread them over the visible floor")
    u, v = _normalised(image).T
    x, y = _normalised(floor).T
    zero, one = np.zeros_like(u), np.ones_like(u)
    equations = np.concatenate(
        [
            np.stack([u, v, one, zero, zero, zero, -x * u, -x * v, -x], axis=1),
            np.stack([zero, zero, zero, u, v, one, -y * u, -y * v, -y], axis=1),
        ]
    )
    singular = np.linalg.svd(equations, compute_uv=False)
    if singular[7] <= UNDETERMINED * singular[0]:
        raise ValueError("the point pairs leave the map undetermined: all but one lie on one line, or pairs repeat")


def _normalised(points: FloatArray) -> FloatArray:
    """Shift and scale (N, 2) points to mean 0 and mean distance sqrt 2 (Hartley and Zisserman, 4.4.4)."""
    centred = points - points.mean(axis=0)
    result: FloatArray = centred * (np.sqrt(2.0) / np.linalg.norm(centred, axis=1).mean())
    return result
