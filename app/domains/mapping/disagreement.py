"""How well calibrations hold: against their own point pairs, against themselves, and against the other cameras.

Numbers only. Knows nothing of files or of what counts as good enough, and never changes a calibration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.mapping.camera_model import CameraModel
from app.domains.vocabulary import NO_ID, BoolArray, CameraId, FloatArray, IntArray, Sightings, check_shape

GRID = (32, 18)  # points across and down the image where a model is checked: every 60 pixels of a 1080p frame


@dataclass(frozen=True, slots=True, eq=False)
class PointPairErrors:
    """How far a model misses the point pairs of a calibration.

    Attributes:
        metres: (N,), on the floor; NaN where the image point is not on the floor's side of the horizon.
        pixels: (N,), in the image; NaN where the camera cannot see the floor point.
        rms_m: root mean square of `metres`; NaN when one is.
        rms_px: root mean square of `pixels`; NaN when one is.
    """

    metres: FloatArray
    pixels: FloatArray
    rms_m: float
    rms_px: float


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What one camera's model says about itself.

    Attributes:
        floor_share: share of the image that shows floor.
        refused_share: share of the image where the lens model cannot be inverted.
        round_trip_px: the largest error of image to floor to image over the grid; NaN when no point is floor.
        bottom_is_floor: whether the middle of the bottom edge shows floor, as it does for any upright camera.
        mirrored: whether the floor frame seen from the camera's side is left-handed, x to y clockwise.
        sideways_m_per_px: metres a pixel at the image's centre, along the floor's finest direction; NaN in the sky.
        depth_m_per_px: metres a pixel there, along the coarsest direction; NaN in the sky.
        height_m: how high the camera hangs; NaN when unknown.
    """

    floor_share: float
    refused_share: float
    round_trip_px: float
    bottom_is_floor: bool
    mirrored: bool
    sideways_m_per_px: float
    depth_m_per_px: float
    height_m: float


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPoints:
    """Floor points in groups, each group one person at one instant, as parallel arrays of length N.

    Attributes:
        camera: (N,) int64, position of the camera in the caller's list.
        group: (N,) int64.
        xy: (N, 2) metres, site frame.
    """

    camera: IntArray
    group: IntArray
    xy: FloatArray

    def __post_init__(self) -> None:
        check_shape("group", self.group, self.camera.shape)
        check_shape("xy", self.xy, (len(self.camera), 2))


@dataclass(frozen=True, slots=True)
class CameraDisagreement:
    """How far one camera's floor points lie from the mean of what the other cameras say of the same people.

    Attributes:
        count: points that at least one other camera saw too; all else is NaN when it is 0.
        median_m: like p90_m in metres on the floor.
        median_px: like p90_px in pixels of this camera, with the others' mean projected into its image.
        shift_m: median difference (x, y) in metres, this camera minus the others: not zero when a camera has moved.
    """

    count: int
    median_m: float
    p90_m: float
    median_px: float
    p90_px: float
    shift_m: tuple[float, float]


def point_pair_errors(model: CameraModel, image: FloatArray, floor: FloatArray) -> PointPairErrors:
    """Measure a model against (N, 2) pixels and the (N, 2) metres where they are known to be."""
    check_shape("floor points", floor, image.shape)
    metres = np.linalg.norm(model.to_floor(image) - floor, axis=1)
    pixels = np.linalg.norm(model.to_image(floor) - image, axis=1)
    return PointPairErrors(metres, pixels, _rms(metres), _rms(pixels))


def check_model(model: CameraModel) -> ModelCheck:
    """Measure what a model says about a grid of its own image."""
    width, height = model.size
    u, v = np.meshgrid(
        (np.arange(GRID[0]) + 0.5) * (width / GRID[0]),
        (np.arange(GRID[1]) + 0.5) * (height / GRID[1]),
    )
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    floor = model.to_floor(pixels)
    on_floor = np.isfinite(floor).all(axis=1)
    back = model.to_image(floor[on_floor]) - pixels[on_floor]
    refused = ~np.isfinite(model.to_ideal(pixels)).all(axis=1)
    places = np.array([[width / 2.0, height / 2.0], [width / 2.0, height - 1.0]])
    (_, bottom), (middle_slope, _) = model.to_floor_with_jacobian(places)
    finite = np.isfinite(middle_slope).all()
    scales = np.linalg.svd(middle_slope, compute_uv=False) if finite else np.full(2, np.nan)
    slopes = model.to_floor_with_jacobian(pixels)[1]
    slopes = slopes[np.isfinite(slopes).all(axis=(1, 2))]
    return ModelCheck(
        floor_share=float(on_floor.mean()),
        refused_share=float(refused.mean()),
        round_trip_px=float(np.linalg.norm(back, axis=1).max()) if on_floor.any() else np.nan,
        bottom_is_floor=bool(np.isfinite(bottom).all()),
        # image rows count downwards, so a right-handed floor seen from above turns the other way round in the image
        mirrored=bool(len(slopes)) and bool(np.median(np.linalg.det(slopes)) > 0.0),
        sideways_m_per_px=float(scales[1]),
        depth_m_per_px=float(scales[0]),
        height_m=np.nan if model.position is None else float(model.position[2]),
    )


def cross_camera_disagreement(
    models: Sequence[CameraModel | None], points: GroupedPoints
) -> tuple[CameraDisagreement, ...]:
    """Compare each camera's points with the mean of the other cameras' points in the same group.

    Args:
        models: one per camera; `points.camera` counts in this list. None for a camera without calibration.
        points: every row finite.

    Returns:
        One result per camera, in the order of `models`.
    """
    others, usable = _mean_of_other_cameras(points, len(models))
    results = []
    for camera, model in enumerate(models):
        rows = usable & (points.camera == camera)
        if model is None or not rows.any():
            results.append(CameraDisagreement(0, np.nan, np.nan, np.nan, np.nan, (np.nan, np.nan)))
            continue
        difference = points.xy[rows] - others[rows]
        metres = np.linalg.norm(difference, axis=1)
        pixels = np.linalg.norm(model.to_image(points.xy[rows]) - model.to_image(others[rows]), axis=1)
        shift_x, shift_y = np.median(difference, axis=0)
        results.append(
            CameraDisagreement(
                count=int(rows.sum()),
                median_m=float(np.median(metres)),
                p90_m=float(np.quantile(metres, 0.9)),
                median_px=float(np.nanmedian(pixels)) if np.isfinite(pixels).any() else np.nan,
                p90_px=float(np.nanquantile(pixels, 0.9)) if np.isfinite(pixels).any() else np.nan,
                shift_m=(float(shift_x), float(shift_y)),
            )
        )
    return tuple(results)


def group_by_identity(instants: Sequence[Sequence[Sightings]], cameras: Sequence[CameraId]) -> GroupedPoints:
    """Group the floor points of tracked people where no truth is known: one group per identity and instant.

    The identities come from a tracker that compares floor points itself, so a camera that is off by more than the
    tracker's gate is under-reported: its people got identities of their own, and `count` is low.

    Args:
        instants: the sightings of all cameras, instant by instant.
        cameras: the order that `GroupedPoints.camera` counts in.
    """
    index: Mapping[CameraId, int] = {camera: position for position, camera in enumerate(cameras)}
    camera, identity, instant, xy = [], [], [], []
    for moment, seen in enumerate(instants):
        for sightings in seen:
            rows = sightings.floor.valid & (sightings.global_id != NO_ID)
            camera.append(np.full(rows.sum(), index[sightings.tracks.camera_id], dtype=np.int64))
            identity.append(sightings.global_id[rows])
            instant.append(np.full(rows.sum(), moment, dtype=np.int64))
            xy.append(sightings.floor.xy[rows])
    if not camera:
        return GroupedPoints(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
    pairs = np.stack([np.concatenate(instant), np.concatenate(identity)], axis=1)
    _, group = np.unique(pairs, axis=0, return_inverse=True)
    return GroupedPoints(np.concatenate(camera), group.ravel().astype(np.int64), np.concatenate(xy))


def _mean_of_other_cameras(points: GroupedPoints, cameras: int) -> tuple[FloatArray, BoolArray]:
    """Return the mean (N, 2) of the rows of other cameras in each row's group, and which rows have any."""
    _, group = np.unique(points.group, return_inverse=True)
    cell = group * cameras + points.camera
    groups = int(group.max(initial=-1)) + 1

    def sums(weights: FloatArray) -> FloatArray:
        by_cell = np.bincount(cell, weights, groups * cameras)
        by_group = np.bincount(group, weights, groups)
        return np.asarray(by_group[group] - by_cell[cell], dtype=np.float64)

    count = sums(np.ones(len(group)))
    usable = count > 0.5
    divisor = np.where(usable, count, np.nan)
    return np.stack([sums(points.xy[:, 0]) / divisor, sums(points.xy[:, 1]) / divisor], axis=1), usable


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else np.nan
