"""The site file: which cameras, where they stand, which networks, how to track. Read and validated once.

Knows the shape of the YAML and nothing of how any part works. Unknown keys are refused with their path.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from app.domains.detection.tracker import TrackerConfig
from app.domains.mapping.fusion import FusionConfig
from app.domains.mapping.view import ViewConfig
from app.domains.reid.identity import IdentityConfig
from app.errors import ConfigError


class SiteModel(BaseModel):
    """Base of every section: no unknown keys, no change after reading, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# An id becomes a folder and a file name in the results, so no separator and no leading dot may be in it.
CameraName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
Point = tuple[float, float]
Matrix3 = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
METRES_PER_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001}


class FloorImage(SiteModel):
    """A drawing of the floor."""

    path: Path
    pixels_per_metre: PositiveFloat
    origin_px: Point  # where the site frame's (0, 0) lies in the drawing; x to the right, y up


def _ordered(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = bounds
    if x_min >= x_max or y_min >= y_max:
        raise ValueError("give x_min, y_min, x_max, y_max in metres, each minimum below its maximum")
    return bounds


class Floor(SiteModel):
    """The part of the floor that is watched, metres in the site frame."""

    bounds: Annotated[tuple[float, float, float, float], AfterValidator(_ordered)]
    image: FloorImage | None = None


class OpenCVCalibration(SiteModel):
    """Intrinsics, distortion and extrinsics as OpenCV's calibrateCamera gives them."""

    K: Matrix3
    distortion: Annotated[tuple[float, ...], Field(max_length=14)] = ()
    rvec: tuple[float, float, float]
    tvec: tuple[float, float, float]
    unit: Literal["m", "cm", "mm"] = "m"  # of tvec


class CalibrationFiles(SiteModel):
    """An OpenCV storage file for the intrinsics and one for the extrinsics, as WILDTRACK and MultiviewX have them."""

    intrinsic: Path
    extrinsic: Path
    unit: Literal["m", "cm", "mm"] = "m"  # of tvec; WILDTRACK's is cm


class Calibration(SiteModel):
    """One of four ways to say how the image maps to the floor."""

    image_to_floor: Matrix3 | None = None
    opencv: OpenCVCalibration | None = None
    points: Annotated[tuple[tuple[float, float, float, float], ...], Field(min_length=4)] | None = None  # u, v, x, y
    file: CalibrationFiles | Path | None = None  # a path: Tsai XML, or YAML with one of the other keys

    @model_validator(mode="after")
    def _exactly_one(self) -> "Calibration":
        given = [name for name in ("image_to_floor", "opencv", "points", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of image_to_floor, opencv, points, file; got {', '.join(given) or 'none'}"
            )
        return self


class Tiles(SiteModel):
    """Cuts large frames into overlapping tiles, so that small people fill enough of the network's input."""

    size: PositiveInt = 960  # pixels of the original frame, a side
    overlap: Annotated[float, Field(ge=0.0, le=0.8)] = 0.2  # share of a side


class DetectorSettings(SiteModel):
    """Which network finds people; `model` is a name in the models directory or a path; None takes the best present."""

    model: str | None = None
    score: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None  # None: the adapter's own default
    nms_iou: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    min_height: Annotated[float, Field(ge=0.0)] = 8.0  # pixels
    tiles: Tiles | Literal["auto"] | None = "auto"


class EmbedderSettings(SiteModel):
    """Which network tells people apart; `model` is a name, a path, `hsv` or `none`; None takes the best present."""

    model: str | None = None


class Camera(SiteModel):
    """One camera: where its frames come from and how its image maps to the floor."""

    id: CameraName
    source: str | None = None
    detections: Path | None = None
    embeddings: Path | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None  # width, height: needed with `detections`
    fps: PositiveFloat | None = None  # the recording's true rate; overrides the file's own time stamps
    start: AwareDatetime | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _source_or_detections(self) -> "Camera":
        if (self.source is None) == (self.detections is None):
            raise ValueError("give exactly one of source and detections")
        if self.embeddings is not None and self.detections is None:
            raise ValueError("embeddings belong to detections; this camera has none")
        if self.detections is not None and (self.size is None or self.fps is None):
            raise ValueError("recorded detections need size: [width, height] and fps")
        return self

    @property
    def start_s(self) -> float:
        """Capture time of the first frame in seconds since epoch; 0 when the site file does not say."""
        return self.start.timestamp() if isinstance(self.start, datetime) else 0.0


class Zone(SiteModel):
    """A named polygon, or a tripwire of two points, in metres."""

    name: str
    polygon: Annotated[tuple[Point, ...], Field(min_length=3)] | None = None
    line: tuple[Point, Point] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Zone":
        if (self.polygon is None) == (self.line is None):
            raise ValueError("give exactly one of polygon and line")
        return self


class Site(SiteModel):
    """The whole site file."""

    site: Annotated[str, StringConstraints(min_length=1)]
    floor: Floor | None = None
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    zones: tuple[Zone, ...] = ()
    detector: DetectorSettings = DetectorSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    tracker: TrackerConfig = TrackerConfig()
    view: ViewConfig = ViewConfig()
    fusion: FusionConfig = FusionConfig()
    identity: IdentityConfig = IdentityConfig()

    @model_validator(mode="after")
    def _cameras_agree(self) -> "Site":
        names = [camera.id for camera in self.cameras]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"cameras: the id {repeated[0]!r} is used twice")
        started = [camera.id for camera in self.cameras if camera.start is not None]
        if started and len(started) < len(names):
            missing = next(name for name in names if name not in started)
            raise ValueError(f"cameras: {started[0]!r} has a start and {missing!r} has none; give it to all or to none")
        return self


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A validated site and the file that it came from, which relative paths refer to."""

    path: Path
    site: Site

    def resolve(self, path: Path | str) -> Path:
        """Return `path` as seen from the site file's folder."""
        return (self.path.parent / path).expanduser()


def load_site(path: Path) -> SiteFile:
    """Read and validate a site file.

    Raises:
        ConfigError: unreadable file, wrong YAML, unknown key or wrong value; names file and key.
    """
    return SiteFile(path, parse_site(read_yaml(path), path))


def parse_site(data: Any, path: Path) -> Site:  # noqa: ANN401 - whatever YAML holds; validation is the point
    """Validate the content of a site file; `path` is named in errors."""
    if not isinstance(data, dict):
        raise ConfigError(path, "", "expected a mapping with site, floor and cameras; see README, 'The site file'")
    try:
        return Site.model_validate(_fill_environment(data, path, ""))
    except ValidationError as error:
        raise as_config_error(error, path) from error


def as_config_error(error: ValidationError, path: Path) -> ConfigError:
    """Turn pydantic's first finding into one readable line, and count the others."""
    findings = error.errors(include_url=False, include_context=False)
    # the unknown key is the finding that explains the rest
    first = min(findings, key=lambda finding: finding["type"] not in {"extra_forbidden", "unexpected_keyword_argument"})
    location = [part for part in first["loc"] if part not in {"CalibrationFiles", "Tiles", "literal['auto']", "path"}]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        message = "unknown key; remove it or mend its spelling"
    elif first["type"] != "missing" and not isinstance(first["input"], (dict, BaseModel)):
        message = f"{message}, got {str(first['input'])[:80]!r}"
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return ConfigError(path, key, message + more)


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Read one YAML document.

    Raises:
        ConfigError: the file cannot be read, is no UTF-8, or is no YAML; names line and column.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise ConfigError(path, "", f"cannot be read: {reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(path, where, f"not valid YAML: {getattr(error, 'problem', error)}") from error


_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


def _fill_environment(value: Any, path: Path, key: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Replace {NAME} in every `source` by the environment's NAME, so that no password stands in the file."""
    if isinstance(value, dict):
        return {k: _fill_environment(v, path, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill_environment(item, path, f"{key}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, str) or not key.endswith(".source"):
        return value
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise ConfigError(path, key, f"the environment has no {name}; set it before the start")
    return _VARIABLE.sub(lambda match: os.environ[match.group(1)], value)
