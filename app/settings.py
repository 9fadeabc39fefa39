"""The site file: which cameras, where they stand, which networks, how to track. Read and validated once.

Knows the shape of the YAML and nothing of how any part works. Unknown keys are refused with their path. In every text
{NAME} stands for what the environment holds under NAME, or the file under NAME_FILE; a value that begins with it goes
in quotes.
"""

import math
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

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
from pydantic_core import ErrorDetails

from app.domains.detection.tracker import TrackerConfig
from app.domains.mapping.fusion import FusionConfig
from app.domains.mapping.view import ViewConfig
from app.domains.reid.evidence import IdentityConfig
from app.errors import ConfigError
from app.orchestration.history import HistoryConfig


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

    size: PositiveInt = 640  # pixels of the original frame, the longer side; app/infrastructure/openvino_detector.py
    overlap: Annotated[float, Field(ge=0.0, le=0.8)] = 0.2  # share of a side


Runtime = Literal["auto", "openvino", "torch"]  # auto: by the kind of file; .onnx may be either's
DeviceName = Annotated[str, StringConstraints(pattern=r"^(cpu|cuda(:\d+)?)$")]


class DetectorSettings(SiteModel):
    """Which network finds people; `model` is a name in the models directory or a path; None takes the best present."""

    model: str | None = None
    score: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None  # None: the adapter's own default
    nms_iou: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    min_height: Annotated[float, Field(ge=0.0)] = 8.0  # pixels
    tiles: Tiles | Literal["auto"] | None = "auto"
    runtime: Runtime = "auto"
    image_size: Annotated[int, Field(ge=32, le=4096)] | None = None  # pixels; torch only; None: as the weights say


class EmbedderSettings(SiteModel):
    """Which network tells people apart; `model` is a name, a path, `hsv` or `none`; None takes the best present."""

    model: str | None = None
    runtime: Runtime = "auto"
    fit: Literal["squash", "shortest", "longest"] | None = None  # of crops into the input; torch only; None: its own


class AcceleratorSettings(SiteModel):
    """Where networks in torch run, and pictures are decoded for them; those in OpenVINO run on the CPU."""

    devices: Annotated[tuple[DeviceName, ...], Field(min_length=1)] | Literal["auto"] = "auto"  # auto: all cards, or
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"  # auto: fp16 on cards, fp32 on the CPU
    batch: PositiveInt = 32  # pictures or crops in one call of a network, at most
    decode: Literal["cpu", "card", "auto"] = "auto"  # where pictures are; auto: cpu until measured
    compile: Literal["off", "graphs", "inductor"] = "off"  # what becomes of the networks' calls
    hub: bool = False  # models named hub:organisation/name may be fetched from the Hugging Face hub


class Camera(SiteModel):
    """One camera: where its frames come from and how its image maps to the floor."""

    id: CameraName
    source: str | None = None
    detections: Path | None = None
    embeddings: Path | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None  # width, height: needed with `detections`
    lost: tuple[tuple[PositiveInt, PositiveInt], ...] = ()  # frames of `detections` that never came: first, last
    fps: PositiveFloat | None = None  # the recording's true rate; overrides the file's own time stamps
    start: AwareDatetime | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _source_or_detections(self) -> "Camera":
        if (self.source is None) == (self.detections is None):
            raise ValueError("give exactly one of source and detections")
        if (self.embeddings is not None or self.lost) and self.detections is None:
            raise ValueError("embeddings and lost belong to detections; this camera has none")
        if self.detections is not None and (self.size is None or self.fps is None):
            raise ValueError("recorded detections need size: [width, height] and fps")
        return self

    @property
    def start_s(self) -> float:
        """Capture time of the first frame in seconds since epoch; 0 when the site file does not say."""
        return self.start.timestamp() if isinstance(self.start, datetime) else 0.0


class Zone(SiteModel):
    """A named polygon, or a tripwire of two points, in metres; people may redraw it later on the page."""

    name: Annotated[str, StringConstraints(min_length=1)]
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)] | None = None
    polygon: Annotated[tuple[Point, ...], Field(min_length=3)] | None = None
    line: tuple[Point, Point] | None = None
    capacity: PositiveInt | None = None  # more people than this at once are an event
    max_dwell_s: PositiveFloat | None = None  # staying longer is an event
    restricted: bool = False  # anybody's entering is an event of its own
    queue: bool = False  # people wait here for their turn

    @model_validator(mode="after")
    def _exactly_one(self) -> "Zone":
        if (self.polygon is None) == (self.line is None):
            raise ValueError("give exactly one of polygon and line")
        limits = {"capacity", "max_dwell_s", "restricted", "queue"} & self.model_fields_set
        if self.line is not None and limits:
            raise ValueError(f"{min(limits)} belongs to a polygon; this is a line")
        return self

    @property
    def place_id(self) -> str:
        """The id, or else the name as a word of a-z, 0-9 and -; empty where nothing of the name is left."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        return self.id or re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


class Keep(SiteModel):
    """For how many days the history keeps what it has, by class."""

    boxes: PositiveFloat = 2.0  # of cameras: most of the bytes
    dots: PositiveFloat = 90.0  # on the floor
    events: PositiveFloat = 365.0  # visits, stays, people, events
    minutes: PositiveFloat = 90.0  # sums over minutes
    hours: PositiveFloat = 1095.0  # sums over hours, heat maps


class Site(SiteModel):
    """The whole site file."""

    site: Annotated[str, StringConstraints(min_length=1)]
    floor: Floor | None = None
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    zones: tuple[Zone, ...] = ()
    detector: DetectorSettings = DetectorSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    accelerator: AcceleratorSettings = AcceleratorSettings()
    tracker: TrackerConfig = TrackerConfig()
    view: ViewConfig = ViewConfig()
    fusion: FusionConfig = FusionConfig()
    identity: IdentityConfig = IdentityConfig()
    history: HistoryConfig = HistoryConfig()
    keep: Keep = Keep()

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
    """A validated site, the file that it came from, and what that file says word for word.

    Attributes:
        path: the file; relative paths start from its folder.
        site: validated, with the environment's values in place of their names.
        written: the YAML's content, where {NAME} still stands for what the environment holds.
    """

    path: Path
    site: Site
    written: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, path: Path | str) -> Path:
        """Return `path` as seen from the site file's folder; `~` is the user's home."""
        return seen_from(self.path.parent, path)

    def record(self) -> dict[str, Any]:
        """Return all settings, defaults too, fit for JSON; what came from the environment shows as its {NAME}."""
        record: dict[str, Any] = _with_names(self.site.model_dump(mode="json"), self.written)
        return record


def seen_from(folder: Path, path: Path | str) -> Path:
    """Return a path that a file in `folder` names: absolute, relative to the folder, or `~` for the user's home.

    Raises:
        ConfigError: the home of a user that this machine does not know.
    """
    try:
        return folder / Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(path, "", "this machine knows no such home; give the path without ~") from error


def load_site(
    path: Path,
    *,
    detector: str | None = None,
    embedder: str | None = None,
    devices: Sequence[str] | Literal["auto"] | None = None,
) -> SiteFile:
    """Read and validate a site file.

    Args:
        path: the YAML file.
        detector: takes the place of the file's `detector.model`.
        embedder: takes the place of the file's `embedder.model`.
        devices: takes the place of the file's `accelerator.devices`.

    Raises:
        ConfigError: unreadable file, wrong YAML, unknown key or wrong value; names file and key.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(path, "", "expected a mapping with site, floor and cameras, as in configs/multiviewx.yaml")
    instead = (
        ("detector", "model", detector),
        ("embedder", "model", embedder),
        ("accelerator", "devices", devices if devices == "auto" or not devices else list(devices)),
    )
    for section, key, value in instead:
        if value is not None and isinstance(data.get(section, {}), dict):
            data[section] = {**data.get(section, {}), key: value}
    return SiteFile(path, parse_site(data, path), data)


def parse_site(data: Mapping[str, Any], path: Path) -> Site:
    """Validate the content of a site file; `path` is named in errors."""
    try:
        site = Site.model_validate(fill_environment(data, path))
    except ValidationError as error:
        raise as_config_error(error, path, data) from error
    for part in ("tracker", "fusion", "identity"):
        _check_range(getattr(site, part), part, path)
    return site


def _check_range(part: Any, key: str, path: Path) -> None:  # noqa: ANN401 - any of the dataclasses above
    """Refuse thresholds that have no meaning: below zero where the default is above it, or beyond certainty.

    The names tell units: `_s`, `_m` and `_m2` are divided by somewhere, like counts; log-odds may have any sign.
    """
    for setting in fields(part):
        value, name = getattr(part, setting.name), setting.name
        if is_dataclass(value):
            _check_range(value, f"{key}.{name}", path)
            continue
        if value is None or isinstance(value, str) or name.endswith("log_odds"):
            continue
        counts = isinstance(value, int) or name.endswith(("_s", "_m", "_m2"))
        if counts and value <= 0:
            raise ConfigError(path, f"{key}.{name}", f"must be above 0, got {value:g}")
        if value < 0 and setting.default != 0:
            raise ConfigError(path, f"{key}.{name}", f"must not be negative, got {value:g}")
        if value > 1 and name.endswith(("_score", "_share", "_iou", "_blend", "_probability")):
            raise ConfigError(path, f"{key}.{name}", f"is a share, so it must not be above 1, got {value:g}")


def as_config_error(error: ValidationError, path: Path, written: Any) -> ConfigError:  # noqa: ANN401 - any YAML
    """Turn pydantic's first finding into one readable line, and count the others.

    Args:
        error: what pydantic found.
        path: the file that was validated.
        written: its content before the environment's values came in, so that none of them is shown.
    """
    findings = error.errors(include_url=False, include_context=False)
    # the unknown key is the finding that explains the rest; of a union, the form that was written gives the most
    first = min(findings, key=lambda finding: (finding["type"] not in UNKNOWN_KEY, -len(_location(finding, written))))
    location = _location(first, written)
    message = PLAIN.get(first["type"], first["msg"].removeprefix("Value error, ").replace("Input should", "should"))
    value = _look_up(written, location)
    if first["type"] in UNKNOWN_KEY:
        message = "unknown key; remove it or mend its spelling"
    elif first["type"] != "missing" and not isinstance(value, (dict, list)):
        hint = "; put it in quotes" if first["type"] == "string_type" and value is not None else ""
        message = f"{message}, got {'nothing' if value is None else repr(value)[:80]}{hint}"
    places = {tuple(_location(finding, written)) for finding in findings} - {tuple(location)}
    others = {place for place in places if place != tuple(location[: len(place)])}  # other forms of the same union
    return ConfigError(path, _dotted(location), message + (f" (and {len(others)} more)" if others else ""))


UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
PLAIN = {  # where pydantic speaks of Python
    "missing": "is missing",
    "tuple_type": "should be a list",
    "model_type": "should be a mapping of keys",
    "dataclass_type": "should be a mapping of keys",
    "path_type": "should be a path",
}


def _location(finding: ErrorDetails, written: Any) -> list[int | str]:  # noqa: ANN401 - any YAML
    """Return the path of keys that a finding is about, without the names that pydantic gives to forms of a union."""
    location: list[int | str] = []
    for i, part in enumerate(finding["loc"]):
        value = _look_up(written, location)
        last = i == len(finding["loc"]) - 1
        named = isinstance(value, dict) and (part in value or (last and finding["type"] == "missing"))
        if named or (isinstance(value, list) and isinstance(part, int)):
            location.append(part)
    return location


def _look_up(value: Any, location: Sequence[int | str]) -> Any:  # noqa: ANN401 - any YAML
    """Return what stands at a path of keys; None where the path leads nowhere."""
    for part in location:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _dotted(location: Sequence[Any]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


class _OneKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that is given twice; PyYAML's own takes the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"the key {key.value!r} is given twice; remove one"
                    raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Read one YAML document.

    Raises:
        ConfigError: the file cannot be read, is no UTF-8, or is no YAML, or has a key twice; names line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise ConfigError(path, "", f"cannot be read: {reason}") from error
    try:
        return yaml.load(text, _OneKeyLoader)  # a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise _yaml_error(error, path, text) from error
    except (RecursionError, ValueError) as error:  # thousands of brackets; a date such as 2026-13-01
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(path, "", f"not valid YAML: {reason}") from error


def _yaml_error(error: yaml.YAMLError, path: Path, text: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ConfigError(path, "", f"not valid YAML: {' '.join(str(error).split())}")
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    hint = "; put a value that begins with {NAME} in quotes" if re.search(r"[:-]\s+\{[A-Z]", line) else ""
    problem = f"not valid YAML: {getattr(error, 'problem', error)}{hint}"
    return ConfigError(path, f"line {mark.line + 1}, column {mark.column + 1}", problem)


_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


def fill_environment(data: Any, path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Replace {NAME} in every text by what the environment has under NAME: passwords, folders of this machine.

    Raises:
        ConfigError: the environment has no such name, a number is not finite, or the file holds itself.
    """
    try:
        return _filled(data, path, ())
    except RecursionError as error:
        raise ConfigError(path, "", "an alias (*name) stands inside of what it stands for") from error


def fill_address(address: str) -> str:
    """Replace {NAME} in a database's address, as in a site file; the value may have any character.

    Raises:
        ConfigError: the environment has no such name.
    """
    option = Path("--database")
    return _VARIABLE.sub(lambda match: quote(_variable(match.group(1), option, ()), safe=""), address)


SWITCHES = frozenset({"hub", "restricted", "queue"})  # elsewhere true would be taken for 1


def _filled(value: Any, path: Path, location: tuple[int | str, ...]) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, dict):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise ConfigError(path, _dotted([*location, str(strange[0])]), "unknown key; every key is a text")
        return {key: _filled(item, path, (*location, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, path, (*location, i)) for i, item in enumerate(value)]
    switch = isinstance(value, bool) and location[-1] in SWITCHES
    if (isinstance(value, bool) and not switch) or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(path, _dotted(location), f"no setting takes {str(value).lower()}; give a number or a text")
    if not isinstance(value, str):
        return value
    stands_for = {name: _variable(name, path, location) for name in _VARIABLE.findall(value)}
    return _VARIABLE.sub(lambda match: stands_for[match.group(1)], value)


def _variable(name: str, path: Path, location: tuple[int | str, ...]) -> str:
    """Return what the environment holds under NAME, or the content of the file that it names under NAME_FILE."""
    if name in os.environ:
        return os.environ[name]
    file = os.environ.get(f"{name}_FILE")
    if file is None:
        problem = f"the environment has no {name}; set it before the start, or {name}_FILE to a file that holds it"
        raise ConfigError(path, _dotted(location), problem)
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise ConfigError(
            path, _dotted(location), f"{name}_FILE names {file}, which cannot be read: {reason}"
        ) from error


def _with_names(value: Any, written: Any) -> Any:  # noqa: ANN401 - JSON and YAML trees of one shape
    """Return `value` with the text as `written` wherever that names a variable of the environment."""
    if isinstance(written, str) and _VARIABLE.search(written):
        return written
    if isinstance(value, dict) and isinstance(written, dict):
        return {key: _with_names(item, written.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        return [_with_names(*pair) for pair in zip(value, written, strict=True)]
    return value
