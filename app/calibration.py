"""Turns the calibration that a site file gives, in any of its forms, into a camera's view of the floor.

Every fault is a CalibrationError that names the file and the key. Knows no frames and no tracking.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from app.domains.mapping.camera_model import CameraModel, TsaiParameters
from app.domains.mapping.disagreement import PointPairErrors, point_pair_errors
from app.domains.mapping.homography import fit_homography
from app.domains.mapping.view import CameraView
from app.domains.vocabulary import CameraId, FloatArray
from app.errors import CalibrationError
from app.infrastructure.calibration_files import read_opencv_extrinsics, read_opencv_intrinsics, read_tsai
from app.settings import (
    METRES_PER_UNIT,
    Calibration,
    CalibrationFiles,
    Camera,
    OpenCVCalibration,
    SiteFile,
    as_config_error,
    fill_environment,
    read_yaml,
    seen_from,
)

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a calibration stands, for errors: the file, the key of the camera in it, and the folder of its paths."""

    path: Path
    key: str
    folder: Path

    def error(self, key: str, problem: str) -> CalibrationError:
        return CalibrationError(self.path, f"{self.key}.{key}".strip("."), problem)


def build_view(site_file: SiteFile, position: int, size: Size) -> CameraView:
    """Build the view of the site's camera number `position`, whose frames have `size` (width, height).

    Raises:
        CalibrationError: unreadable file, wrong shape, singular or degenerate mapping, wrong image size.
    """
    camera = site_file.site.cameras[position]
    origin = _origin(site_file, position)
    model = None if camera.calibration is None else _model(camera.calibration, origin, size)
    try:
        return CameraView(CameraId(camera.id), size, model, site_file.site.view)
    except ValueError as error:
        raise origin.error("calibration", str(error)) from error


def fit_errors(site_file: SiteFile, camera: Camera, view: CameraView) -> PointPairErrors | None:
    """Return how well the camera's own point pairs fit; None for a calibration that was not fitted here."""
    calibration = camera.calibration
    if calibration is not None and isinstance(calibration.file, Path) and calibration.file.suffix != ".xml":
        calibration = _read_calibration(site_file.resolve(calibration.file))
    if calibration is None or calibration.points is None or view.model is None:
        return None
    pairs = np.array(calibration.points)
    return point_pair_errors(view.model, pairs[:, :2], pairs[:, 2:])


def _origin(site_file: SiteFile, position: int) -> _Origin:
    return _Origin(site_file.path, f"cameras[{position}]", site_file.path.parent)


def _model(calibration: Calibration, origin: _Origin, size: Size) -> CameraModel:
    if calibration.opencv is not None:
        return _from_opencv(calibration.opencv, origin, size)
    if isinstance(calibration.file, CalibrationFiles):
        return _from_files(calibration.file, origin, size)
    if calibration.file is not None:
        return _from_file(seen_from(origin.folder, calibration.file), size)
    try:
        if calibration.points is not None:
            pairs = np.array(calibration.points)
            homography, _ = fit_homography(pairs[:, :2], pairs[:, 2:])
            return CameraModel.from_homography(homography.matrix, size)
        return CameraModel.from_homography(np.array(calibration.image_to_floor), size)
    except ValueError as error:
        form = "points" if calibration.points is not None else "image_to_floor"
        raise origin.error(f"calibration.{form}", str(error)) from error


def _from_opencv(given: OpenCVCalibration, origin: _Origin, size: Size) -> CameraModel:
    tvec = np.array(given.tvec) * METRES_PER_UNIT[given.unit]
    matrix, distortion = np.array(given.K), np.array(given.distortion, dtype=np.float64)
    try:
        _check_centre(matrix, size)
        return CameraModel.from_opencv(size, matrix, distortion, np.array(given.rvec), tvec)
    except ValueError as error:
        raise origin.error("calibration.opencv", str(error)) from error


def _from_files(given: CalibrationFiles, origin: _Origin, size: Size) -> CameraModel:
    inner = read_opencv_intrinsics(seen_from(origin.folder, given.intrinsic))
    outer = read_opencv_extrinsics(seen_from(origin.folder, given.extrinsic))
    tvec = outer.tvec * METRES_PER_UNIT[given.unit]
    try:
        _check_centre(inner.camera_matrix, size)
        return CameraModel.from_opencv(size, inner.camera_matrix, inner.distortion, outer.rvec, tvec)
    except ValueError as error:
        raise origin.error("calibration.file", str(error)) from error


def _check_centre(matrix: FloatArray, size: Size) -> None:
    """Raise ValueError where the principal point is outside the image: OpenCV's calibrations do not name their size."""
    u, v = matrix[:2, 2].tolist()
    if not (0.0 < u < size[0] and 0.0 < v < size[1]):
        raise ValueError(
            f"the principal point {u:g}, {v:g} lies outside the frames of {size[0]}x{size[1]}; "
            "give the calibration for frames of this size"
        )


def _from_file(path: Path, size: Size) -> CameraModel:
    if path.suffix.lower() != ".xml":
        calibration = _read_calibration(path)
        return _model(calibration, _Origin(path, "", path.parent), size)
    tsai = read_tsai(path)
    try:
        return CameraModel.from_tsai(TsaiParameters(**tsai))
    except ValueError as error:
        raise CalibrationError(path, "", str(error)) from error


def _read_calibration(path: Path) -> Calibration:
    """Read a YAML or JSON file that holds what may also stand under `calibration` in the site file."""
    data = read_yaml(path)
    try:
        calibration = Calibration.model_validate(fill_environment(data, path))
    except ValidationError as error:
        raise as_config_error(error, path, data) from error
    if isinstance(calibration.file, Path):
        raise CalibrationError(path, "file", "a calibration file may not point to a further one; name it directly")
    return calibration
