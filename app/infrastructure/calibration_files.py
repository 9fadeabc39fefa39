"""Reads the calibration files of other tools into plain numbers: OpenCV storage XML and Tsai XML.

Checks that every number is there, finite and of the right count. Knows nothing of what a calibration means; the
mapping domain turns the numbers into a camera.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from app.errors import CalibrationError

MAX_BYTES = 1_000_000  # real files have 300 to 1,000 bytes; this only keeps a wrong path from being read whole
DISTORTION_COUNTS = (4, 5, 8, 12, 14)  # what OpenCV's calibrateCamera can give
TSAI_KEYS = {
    "Geometry": ("width", "height", "dpx", "dpy"),
    "Intrinsic": ("cx", "cy", "sx", "focal", "kappa1"),
    "Extrinsic": ("tx", "ty", "tz", "rx", "ry", "rz"),
}


@dataclass(frozen=True, slots=True, eq=False)
class OpenCVIntrinsics:
    """What an OpenCV intrinsics file holds.

    Attributes:
        camera_matrix: (3, 3) float64, pixels.
        distortion: (D,) float64, D one of 4, 5, 8, 12, 14.
    """

    camera_matrix: NDArray[np.float64]
    distortion: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OpenCVExtrinsics:
    """What an OpenCV extrinsics file holds.

    Attributes:
        rvec: (3,) float64, Rodrigues rotation from world to camera.
        tvec: (3,) float64, in the file's own unit, which it does not name.
    """

    rvec: NDArray[np.float64]
    tvec: NDArray[np.float64]


def read_opencv_intrinsics(path: Path) -> OpenCVIntrinsics:
    """Read `camera_matrix` and `distortion_coefficients` from OpenCV storage XML.

    Raises:
        CalibrationError: unreadable, no XML, a node missing, of a wrong length, or with a number that is not finite.
    """
    root = _read_xml(path)
    matrix = _numbers(path, root, "camera_matrix", (9,))
    return OpenCVIntrinsics(matrix.reshape(3, 3), _numbers(path, root, "distortion_coefficients", DISTORTION_COUNTS))


def read_opencv_extrinsics(path: Path) -> OpenCVExtrinsics:
    """Read `rvec` and `tvec` from OpenCV storage XML, as matrix nodes or as WILDTRACK's plain lists.

    cv2.FileStorage is not used: it cannot name what is wrong with a file.

    Raises:
        CalibrationError: unreadable, no XML, a node missing, of a wrong length, or with a number that is not finite.
    """
    root = _read_xml(path)
    return OpenCVExtrinsics(_numbers(path, root, "rvec", (3,)), _numbers(path, root, "tvec", (3,)))


def read_tsai(path: Path) -> dict[str, float]:
    """Read a Tsai calibration as PETS 2009 has it (View_001.xml).

    Returns:
        The attributes of Geometry, Intrinsic and Extrinsic that `TsaiParameters` of the mapping domain takes, by name:
        width, height, dpx, dpy, cx, cy, sx, focal, kappa1, tx, ty, tz, rx, ry, rz.

    Raises:
        CalibrationError: unreadable, no XML, an attribute missing or not a finite number.
    """
    root = _read_xml(path)
    values = {}
    for element, keys in TSAI_KEYS.items():
        node = root.find(element)
        if node is None:
            raise CalibrationError(path, element, "missing; a Tsai file has Geometry, Intrinsic and Extrinsic")
        for key in keys:
            text = node.get(key)
            if text is None:
                raise CalibrationError(path, f"{element}.{key}", "missing attribute")
            values[key] = float(_parse(path, f"{element}.{key}", [text])[0])
    return values


def _read_xml(path: Path) -> ElementTree.Element:
    """Parse a small local XML file without document type or entities, which no calibration needs."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CalibrationError(path, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise CalibrationError(path, "", f"larger than {MAX_BYTES:,} bytes, so it is no calibration file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CalibrationError(path, "", "not a UTF-8 text file") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CalibrationError(path, "", "has a document type or entities; remove them, a calibration needs none")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CalibrationError(path, "", f"not valid XML: {error}") from error


def _numbers(path: Path, root: ElementTree.Element, key: str, counts: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the numbers of a node, (K,) with K in `counts`, whether it is an opencv-matrix or a plain list."""
    node = root.find(key)
    if node is None:
        raise CalibrationError(
            path, key, f"missing; the file has {', '.join(child.tag for child in root) or 'nothing'}"
        )
    data = node.find("data")
    words = ((node if data is None else data).text or "").split()
    if len(words) not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise CalibrationError(path, key, f"has {len(words)} numbers, expected {expected}")
    return _parse(path, key, words)


def _parse(path: Path, key: str, words: list[str]) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise CalibrationError(path, key, f"not a number: {error.args[0].partition(': ')[2]}") from error
    if not np.isfinite(numbers).all():
        raise CalibrationError(path, key, "has a number that is NaN or infinite")
    return numbers
