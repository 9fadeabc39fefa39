"""One camera's geometry of boxes, compiled with numba: where boxes stand, and the boxes of people who stand somewhere.

Knows no time, and nobody. `view.py` says what the numbers mean and why they are as they are.
"""

import math

import numpy as np
from numba import njit

from app.domains.mapping.lens import LENS, distort_point, undistort_point
from app.domains.mapping.record import record_type
from app.domains.vocabulary import BoolArray, BoxArray, FloatArray

TOUCHING = 0.1  # share of a box's height; a nearer box that begins no farther below its end may have cut it off
ROUND_TRIP_PX = 1.0  # a pixel that comes back farther off than this from undistorting and distorting is not trusted


# A calibrated camera: width and height, focal lengths and centre in pixels; its lens; the map from the ideal plane to
# metres, visible where its weight is positive, and the map back; the shift in the ideal plane for each metre above the
# floor, NaN where heights are unknown; and the place on the floor below the camera, metres, NaN where unknown.
SIGHT = record_type(
    [
        ("image", np.float64, (2,)),
        ("focal", np.float64, (2,)),
        ("centre", np.float64, (2,)),
        ("lens", LENS, ()),
        ("to_floor", np.float64, (3, 3)),
        ("to_plane", np.float64, (3, 3)),
        ("rise", np.float64, (3,)),
        ("position", np.float64, (2,)),
    ]
)
# The fields of ViewConfig that say how far boxes are trusted, and how wide people are.
TRUST = record_type(
    [
        (name, np.float64, ())
        for name in (
            "sigma_u",
            "sigma_v",
            "min_sigma_px",
            "floor_sigma_m",
            "edge_px",
            "max_range_m",
            "body_width_m",
            "box_aspect",
            "person_height_m",
            "height_sigma_m",
            "posture_sigma_m",
            "sigma_head",
            "most_hidden",
        )
    ]
)
Sight = np.record  # of type SIGHT
Trust = np.record  # of type TRUST


@njit(cache=True, error_model="numpy")
def stand(
    sight: Sight, trust: Trust, habit: FloatArray, ends: FloatArray, xyxy: BoxArray, stature: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Find where (N, 4) boxes stand.

    Args:
        sight: the camera.
        trust: how far boxes are trusted.
        habit: (3,) how far the camera's image is shifted, and how often a nearer box hides feet; see `habits`.
        ends: (GY, GX) how often something else does, by the cell of the image in which a box ends.
        xyxy: pixels.
        stature: (N, 2) how tall the people are, metres, and the variance of that; NaN where it is not known.

    Returns:
        (N, 2) metres and (N, 2, 2) square metres, NaN where nothing is known; and (N,) whether something is.
    """
    xy, covariance = np.full((len(xyxy), 2), np.nan), np.full((len(xyxy), 2, 2), np.nan)
    valid = np.zeros(len(xyxy), np.bool_)
    slope, jacobian = np.empty((2, 2)), np.empty((2, 2))
    for i in range(len(xyxy)):
        left, top, right, bottom = xyxy[i]
        u, v, sigma_u, sigma_v = foot_of(sight, trust, left, top, right, bottom)
        x, y = to_ideal(sight, u - habit[0], v - habit[1], slope)
        hidden = hidden_prior(sight, habit, ends, xyxy, i)
        tall = _tall(trust, stature[i], bottom >= sight.image[1] - trust.edge_px)
        x, y, sigma_v, seen = _ask_head(sight, trust, habit, left + right - u, top, bottom, x, y, sigma_v, hidden, tall)
        weight = row_times(sight.to_floor, 2, x, y)
        if not seen or not weight > 0.0:
            continue
        at_x, at_y = row_times(sight.to_floor, 0, x, y) / weight, row_times(sight.to_floor, 1, x, y) / weight
        if not within_range(sight, trust.max_range_m, at_x, at_y):
            continue
        valid[i] = True
        xy[i, 0], xy[i, 1] = at_x, at_y
        # quotient rule: (row_i - target_i * row_w) / w
        for column in range(2):
            jacobian[0, column] = (sight.to_floor[0, column] - at_x * sight.to_floor[2, column]) / weight
            jacobian[1, column] = (sight.to_floor[1, column] - at_y * sight.to_floor[2, column]) / weight
        for axis in range(2):
            for other in range(2):
                spread = trust.floor_sigma_m**2 if axis == other else 0.0
                for pixel, sigma in ((0, sigma_u), (1, sigma_v)):
                    a = jacobian[axis, 0] * slope[0, pixel] + jacobian[axis, 1] * slope[1, pixel]
                    b = jacobian[other, 0] * slope[0, pixel] + jacobian[other, 1] * slope[1, pixel]
                    spread += a * b * sigma**2
                covariance[i, axis, other] = spread
    return xy, covariance, valid


@njit(cache=True, error_model="numpy")
def lean(sight: Sight, u: float, v: float) -> float:
    """Return how many pixels to the right an upright line moves for each pixel up, at a pixel.

    Upright people lean towards the image's sides, away from the vertical vanishing point. Lens distortion is
    ignored here: it bends the line by a few per cent of the lean. Zero when heights are unknown.
    """
    # derivative of (foot + z rise) at z = 0, up to the common depth
    along_u = (sight.rise[0] - (u - sight.centre[0]) / sight.focal[0] * sight.rise[2]) * sight.focal[0]
    along_v = (sight.rise[1] - (v - sight.centre[1]) / sight.focal[1] * sight.rise[2]) * sight.focal[1]
    return float(-along_u / along_v) if along_v < 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def feet_below(sight: Sight, x: float, y: float, height_m: float) -> tuple[float, float, float, float]:
    """Find the feet of an upright person whose head is at (x, y) of the ideal plane.

    A head lies on the plane `height_m` above the floor. With r the rise and g the last row of the plane-to-floor
    map, the foot's ray is l (head, 1) - height r where l = (1 + height g r) / g (head, 1).

    Returns:
        x and y in the ideal plane, NaN for a head above the horizon of its plane; and how far the foot moves down, in
        ideal units, for each such unit that the head moves down, and for each metre of height.
    """
    row, rise = sight.to_floor[2], sight.rise
    along = row_times(sight.to_floor, 2, x, y)
    per_metre = (row[0] * rise[0] + row[1] * rise[1] + row[2] * rise[2]) / along
    far = 1.0 / along + height_m * per_metre
    depth = far - height_m * rise[2]
    if not (along > 0.0 and far > 0.0 and depth > 0.0):
        return np.nan, np.nan, np.nan, np.nan
    foot_x, foot_y = (far * x - height_m * rise[0]) / depth, (far * y - height_m * rise[1]) / depth
    farther = -far * row[1] / along  # by one unit of the head's row
    by_row = (far + farther * (y - foot_y)) / depth
    by_height = (per_metre * y - rise[1] - foot_y * (per_metre - rise[2])) / depth
    return foot_x, foot_y, by_row, by_height


@njit(cache=True, error_model="numpy")
def foot_of(
    sight: Sight, trust: Trust, left: float, top: float, right: float, bottom: float
) -> tuple[float, float, float, float]:
    """Return the foot point of a box and its standard deviations, sideways and upright; pixels."""
    width, height = right - left, bottom - top
    limit = 0.5 * max(width, 0.0)  # the foot stays inside the box
    shift = min(max(0.5 * height * lean(sight, 0.5 * (left + right), bottom), -limit), limit)
    cut = left <= trust.edge_px or right >= sight.image[0] - trust.edge_px
    missing = max(trust.box_aspect * height - width, 0.0) if cut else 0.0
    sigma_u = max(trust.min_sigma_px, trust.sigma_u * height) + 0.5 * missing
    return 0.5 * (left + right) - shift, bottom, sigma_u, max(trust.min_sigma_px, trust.sigma_v * height)


@njit(cache=True, error_model="numpy")
def hidden_prior(sight: Sight, habit: FloatArray, ends: FloatArray, xyxy: BoxArray, i: int) -> float:
    """Return the probability that a box ends above the feet, by where it ends and who stands before it."""
    row, column = cell_of(sight, ends.shape, xyxy[i])
    alone = float(ends[row, column])
    return alone + (max(float(habit[2]), alone) - alone) * covered_feet(xyxy, i)


@njit(cache=True, error_model="numpy")
def cell_of(sight: Sight, shape: tuple[int, int], box: BoxArray) -> tuple[int, int]:
    """Return row and column of the cell of the image, divided into (GY, GX), in which a box (4,) ends."""
    rows, columns = shape
    row, column = int(box[3] / sight.image[1] * rows), int(0.5 * (box[0] + box[2]) / sight.image[0] * columns)
    return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)


@njit(cache=True, error_model="numpy")
def covered_feet(xyxy: BoxArray, i: int) -> float:
    """Return which share of a box's lower edge lies in, or right above, boxes with a lower one: who stands nearer."""
    left, bottom, right = xyxy[i, 0], xyxy[i, 3], xyxy[i, 2]
    reach = bottom + TOUCHING * (bottom - xyxy[i, 1])
    share = 0.0
    for j in range(len(xyxy)):
        if xyxy[j, 3] > bottom and xyxy[j, 1] < reach:
            share += max(min(right, xyxy[j, 2]) - max(left, xyxy[j, 0]), 0.0)
    return float(min(share / max(right - left, 1e-9), 1.0))


@njit(cache=True, error_model="numpy")
def hidden_posterior(prior: float, missing: float, variance: float, most: float) -> float:
    """Return the probability that a box ends above the feet.

    Args:
        prior: before the box was measured.
        missing: pixels by which it seems too short.
        variance: of that, square pixels, if it is whole.
        most: pixels that may be hidden.
    """
    away = missing / np.sqrt(variance)
    if_seen = np.exp(-0.5 * away * away) / np.sqrt(2.0 * np.pi * variance)
    if_hidden = 0.5 * (1.0 + math.erf(away / np.sqrt(2.0))) / most
    total = prior * if_hidden + (1.0 - prior) * if_seen
    if total > 0.0:
        return float(prior * if_hidden / total)
    return 1.0 if missing > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def _ask_head(  # noqa: PLR0913 - compiled functions take plain numbers
    sight: Sight,
    trust: Trust,
    habit: FloatArray,
    head_u: float,
    top: float,
    bottom: float,
    x: float,
    y: float,
    sigma: float,
    hidden: float,
    tall: tuple[float, float],
) -> tuple[float, float, float, bool]:
    """Measure a foot a second time, by the head above it, and weigh whether the first is a foot at all.

    Either the box ends at the foot, and both measure it; or it ends somewhere above, and only the head does. The
    result has mean and variance of that mixture.

    Args:
        sight: the camera.
        trust: how far.
        habit: (3,) of the camera.
        head_u: pixels; where the head is.
        top: pixels, of the box.
        bottom: pixels, of the box.
        x: the foot in the ideal plane.
        y: of the foot.
        sigma: pixels, its upright standard deviation.
        hidden: probability that the foot is hidden, before the head is asked.
        tall: how tall the person is, metres, and the variance of that.

    Returns:
        The foot in the ideal plane, its deviation in pixels, and whether it could be had at all.
    """
    cut = not bottom < sight.image[1] - trust.edge_px
    if not trust.height_sigma_m > 0.0 or np.isnan(sight.rise[0]) or not top > trust.edge_px:
        return x, y, sigma, not cut
    height = bottom - top
    told_x, told_y, of_head, by_height = below_head(sight, trust, habit, head_u, top, bottom, tall[0])
    variance = of_head + (by_height * sight.focal[1]) ** 2 * tall[1]
    below = (told_y - y) * sight.focal[1]  # pixels
    if not np.isfinite(below + variance):
        return x, y, sigma, not cut
    if cut:
        return told_x, told_y, np.sqrt(variance), True
    if below >= trust.most_hidden * height:
        return x, y, sigma, True
    both = sigma**2 + variance
    weight = hidden_posterior(hidden, below, both, trust.most_hidden * height)
    share = sigma**2 / both  # of the way from the box's end to the foot that the head tells, where both measure it
    way = share + weight * (1.0 - share)
    spread = weight * variance + (1.0 - weight) * (1.0 - share) * sigma**2
    spread += weight * (1.0 - weight) * ((1.0 - share) * below) ** 2
    return x + way * (told_x - x), y + way * (told_y - y), np.sqrt(spread), True


@njit(cache=True, error_model="numpy")
def _tall(trust: Trust, stature: FloatArray, cut: bool) -> tuple[float, float]:
    """Return how tall somebody is, as far as is known (2,), and the variance of how high the head is held.

    What is known is asked only where the image's edge cuts the box: behind shelves, feet that seem to be seen make
    people seem short, and a height learnt there would hold the next boxes to that error.
    """
    if np.isnan(stature[0]) or not cut:
        return trust.person_height_m, trust.height_sigma_m**2
    return stature[0], min(stature[1] + trust.posture_sigma_m**2, trust.height_sigma_m**2)


@njit(cache=True, error_model="numpy")
def below_head(  # noqa: PLR0913 - compiled functions take plain numbers
    sight: Sight, trust: Trust, habit: FloatArray, head_u: float, top: float, bottom: float, height_m: float
) -> tuple[float, float, float, float]:
    """Find the feet of a person of some height whose head is at the upper edge of a box.

    Returns:
        x and y in the ideal plane; the variance that the edge gives their row, square pixels; and how far they move
        down, in ideal units, for each metre of height.
    """
    head_x, head_y = to_ideal(sight, head_u - habit[0], top - habit[1], np.empty((2, 2)))
    told_x, told_y, by_row, by_height = feet_below(sight, head_x, head_y, height_m)
    head_sigma = max(trust.min_sigma_px, trust.sigma_head * (bottom - top))
    return told_x, told_y, (by_row * head_sigma) ** 2, by_height


@njit(cache=True, error_model="numpy")
def compare_feet(  # noqa: PLR0913 - compiled functions take plain arrays
    sight: Sight, trust: Trust, habit: FloatArray, ends: FloatArray, xyxy: BoxArray, xy: FloatArray, spread: FloatArray
) -> FloatArray:
    """Compare boxes with the people who stand, by what others say, at places (N, 2) with covariances (N, 2, 2).

    Returns:
        (N, 6): how many pixels the box's foot lies to the right of the person's feet, and below, less the camera's
        habitual shift; the variances of both, square pixels; the probability that the box ends above the feet; and
        the share of its bottom edge in nearer boxes. NaN for a box cut by the image's edge or a person out of view.
    """
    result = np.full((len(xyxy), 6), np.nan)
    step = 0.1  # metres; the floor is flat enough in the image over such a way
    to_pixels = np.empty((2, 2))
    for i in range(len(xyxy)):
        left, top, right, bottom = xyxy[i]
        cut_across = left <= trust.edge_px or right >= sight.image[0] - trust.edge_px
        cut_along = top <= trust.edge_px or bottom >= sight.image[1] - trust.edge_px
        if cut_across or cut_along or np.isnan(xy[i, 0]):
            continue
        foot_u, foot_v = to_pixel(sight, xy[i, 0], xy[i, 1], 0.0)
        _, head_v = to_pixel(sight, xy[i, 0], xy[i, 1], trust.person_height_m)
        for axis in range(2):
            moved_u, moved_v = to_pixel(sight, xy[i, 0] + step * (1 - axis), xy[i, 1] + step * axis, 0.0)
            to_pixels[0, axis], to_pixels[1, axis] = (moved_u - foot_u) / step, (moved_v - foot_v) / step
        u, v, sigma_u, sigma_v = foot_of(sight, trust, left, top, right, bottom)
        height, whole = bottom - top, foot_v - head_v
        variance = sigma_v**2 + max(trust.min_sigma_px, trust.sigma_head * height) ** 2
        variance += (whole / trust.person_height_m * trust.height_sigma_m) ** 2
        if not np.isfinite(foot_u + foot_v + head_v) or not whole > 0.0:
            continue
        result[i, 0], result[i, 1] = u - habit[0] - foot_u, v - habit[1] - foot_v
        for axis, sigma in ((0, sigma_u), (1, sigma_v)):
            a, b = to_pixels[axis]
            of_place = a * a * spread[i, 0, 0] + 2.0 * a * b * spread[i, 0, 1] + b * b * spread[i, 1, 1]
            result[i, 2 + axis] = sigma**2 + of_place
        prior = hidden_prior(sight, habit, ends, xyxy, i)
        result[i, 4] = hidden_posterior(prior, whole - height, variance, trust.most_hidden * height)
        result[i, 5] = covered_feet(xyxy, i)
    return result


@njit(cache=True, error_model="numpy")
def on_floor(sight: Sight, xy: FloatArray, shift: FloatArray) -> FloatArray:
    """Return how far (2,) metres a shift of (2,) pixels moves what stands at (2,) metres; NaN out of view."""
    u, v = to_pixel(sight, xy[0], xy[1], 0.0)
    x, y = to_ideal(sight, u + shift[0], v + shift[1], np.empty((2, 2)))
    weight = row_times(sight.to_floor, 2, x, y)
    place = np.array([row_times(sight.to_floor, 0, x, y) / weight, row_times(sight.to_floor, 1, x, y) / weight])
    return place - xy if weight > 0.0 else np.full(2, np.nan)


@njit(cache=True, error_model="numpy")
def in_image(sight: Sight, xy: FloatArray, way: FloatArray) -> FloatArray:
    """Return by how many pixels (2,) what stands at (2,) metres moves when it goes (2,) metres; NaN out of view."""
    u, v = to_pixel(sight, xy[0], xy[1], 0.0)
    to_u, to_v = to_pixel(sight, xy[0] + way[0], xy[1] + way[1], 0.0)
    return np.array([to_u - u, to_v - v])


@njit(cache=True, error_model="numpy")
def to_ideal(sight: Sight, u: float, v: float, slope: FloatArray) -> tuple[float, float]:
    """Map a pixel to the ideal plane, NaN where the lens cannot be inverted; fills (2, 2) ideal units per pixel.

    The lens's derivative is taken by differences over one pixel of the way back, which proves the way there, too.
    """
    sensor_x, sensor_y = (u - sight.centre[0]) / sight.focal[0], (v - sight.centre[1]) / sight.focal[1]
    x, y = undistort_point(sight.lens, sensor_x, sensor_y)
    step = 1.0 / max(sight.focal[0], sight.focal[1])
    back_x, back_y = distort_point(sight.lens, x, y)
    right_x, right_y = distort_point(sight.lens, x + step, y)
    down_x, down_y = distort_point(sight.lens, x, y + step)
    a, c, b, d = right_x - back_x, right_y - back_y, down_x - back_x, down_y - back_y
    scale = step / (a * d - b * c)
    slope[0, 0], slope[0, 1] = d * scale / sight.focal[0], -b * scale / sight.focal[1]
    slope[1, 0], slope[1, 1] = -c * scale / sight.focal[0], a * scale / sight.focal[1]
    missed = max(abs(back_x - sensor_x) * sight.focal[0], abs(back_y - sensor_y) * sight.focal[1])
    # a point within a step of the fold has no derivative, so it is not trusted either
    return (x, y) if missed <= ROUND_TRIP_PX and np.isfinite(scale) else (np.nan, np.nan)


@njit(cache=True, error_model="numpy")
def to_pixel(sight: Sight, x: float, y: float, height_m: float) -> tuple[float, float]:
    """Map a point `height_m` above a floor point to a pixel; NaN behind the camera or off the lens."""
    depth = row_times(sight.to_plane, 2, x, y)
    across, down = row_times(sight.to_plane, 0, x, y), row_times(sight.to_plane, 1, x, y)
    if height_m != 0.0:
        depth += height_m * sight.rise[2]
        across, down = across + height_m * sight.rise[0], down + height_m * sight.rise[1]
    if not depth > 0.0:
        return np.nan, np.nan
    x, y = distort_point(sight.lens, across / depth, down / depth)
    return x * sight.focal[0] + sight.centre[0], y * sight.focal[1] + sight.centre[1]


@njit(cache=True, error_model="numpy")
def row_times(matrix: FloatArray, row: int, x: float, y: float) -> float:
    """Return the product of a row of a (3, 3) matrix with (x, y, 1)."""
    return float(matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2])


@njit(cache=True, error_model="numpy")
def within_range(sight: Sight, max_range_m: float, x: float, y: float) -> bool:
    """Tell whether a floor point is finite and near enough to the camera, as far as its place is known."""
    if np.isnan(sight.position[0]):
        return bool(np.isfinite(x + y))
    return bool((x - sight.position[0]) ** 2 + (y - sight.position[1]) ** 2 < max_range_m**2)
