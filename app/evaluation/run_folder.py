"""Reads the folder that `spoton track` wrote: boxes per camera, dots on the floor, and the clocks of the cameras.

Knows the files and what must be in them; knows no truth and no metric.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray, check_shape
from app.errors import ConfigError
from app.evaluation.mot_text import BoxTable, read_results

FLOOR_COLUMNS = ("time_s", "global_id", "x_m", "y_m")  # the columns of floor.csv that scoring needs
CERTAINTY_COLUMN = "certainty"  # absent from files of runs that knew none


@dataclass(frozen=True, slots=True)
class CameraClock:
    """When a camera's frames were taken: frame k (1-based) at `start_s + (k - 1) / fps` seconds."""

    fps: float
    start_s: float
    frames: int

    def time(self, frame: IntArray) -> FloatArray:
        """Return the capture times in seconds of (N,) frames."""
        return self.start_s + (frame - 1) / self.fps


@dataclass(frozen=True, slots=True, eq=False)
class FloorResults:
    """The dots on the floor, as parallel arrays of length N, ordered by time.

    Attributes:
        time_s: (N,) seconds.
        person: (N,) int64, global id.
        xy: (N, 2) metres, site frame.
        certainty: (N,) probability that the global id is right; NaN where the file does not say.
    """

    time_s: FloatArray
    person: IntArray
    xy: FloatArray
    certainty: FloatArray

    def __post_init__(self) -> None:
        check_shape("certainty", self.certainty, (len(self.time_s),))
        check_shape("person", self.person, (len(self.time_s),))
        check_shape("xy", self.xy, (len(self.time_s), 2))

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, slots=True, eq=False)
class RunFolder:
    """One run's results.

    Attributes:
        clocks: by camera id, in the run's order.
        boxes: by camera id.
        floor: None when the run knew no floor.
        bounds: x_min, y_min, x_max, y_max of the site's floor in metres; None when the site file gives none.
    """

    path: Path
    site: str
    clocks: Mapping[str, CameraClock]
    boxes: Mapping[str, BoxTable]
    floor: FloorResults | None
    bounds: tuple[float, float, float, float] | None


def camera_ids(run_dir: Path) -> tuple[str, ...]:
    """Return the run's camera ids in its order, for `read_truth`."""
    return tuple(_clocks(*_read_json(run_dir)))


def read_run(run_dir: Path) -> RunFolder:
    """Read a run folder.

    Raises:
        ConfigError: a file is missing, broken, or lacks a key; names file and key.
    """
    content, path = _read_json(run_dir)
    clocks = _clocks(content, path)
    boxes = {camera: read_results(run_dir / f"{camera}.txt") for camera in clocks}
    floor_path = run_dir / "floor.csv"
    floor = read_floor(floor_path) if floor_path.is_file() else None
    return RunFolder(run_dir, str(content.get("site", run_dir.name)), clocks, boxes, floor, _bounds(content, path))


def read_floor(path: Path) -> FloorResults:
    """Read floor.csv.

    Raises:
        ConfigError: unreadable, a column is missing, a number is none, or an id stands at two places at once.
    """
    columns = read_floor_columns(path, FLOOR_COLUMNS, (CERTAINTY_COLUMN,))
    certainty = columns.get(CERTAINTY_COLUMN, np.full(len(columns["time_s"]), np.nan))
    xy = np.stack([columns["x_m"], columns["y_m"]], axis=1)
    return FloorResults(columns["time_s"], columns["global_id"].astype(np.int64), xy, certainty)


def read_floor_columns(path: Path, needed: Sequence[str], welcome: Sequence[str] = ()) -> dict[str, FloatArray]:
    """Read columns of a file like floor.csv, ordered by time.

    Args:
        path: the file.
        needed: names of columns that it must have, of which the first two are time and id.
        welcome: names of columns that are read where they are there.

    Raises:
        ConfigError: as of `read_floor`.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(path, "", f"is not CSV: {error}") from error
    if missing := [name for name in needed if name not in header]:
        raise ConfigError(path, missing[0], f"column is missing; expected {','.join(needed)}")
    columns = {name: header.index(name) for name in (*needed, *welcome) if name in header}
    values = np.array([_numbers(row, columns, path, line) for line, row in enumerate(rows, start=2)])
    values = values.reshape(-1, len(columns))
    values = values[np.argsort(values[:, 0], kind="stable")]
    unique, counts = np.unique(values[:, :2], axis=0, return_counts=True)
    if (counts > 1).any():
        time_s, person = unique[np.argmax(counts > 1)]
        raise ConfigError(path, f"time_s {time_s:g}", f"global id {person:.0f} stands at two places at once")
    return dict(zip(columns, values.T, strict=True))


def _numbers(row: list[str], columns: Mapping[str, int], path: Path, line: int) -> list[float]:
    try:
        values = [float(row[column]) for column in columns.values()]
    except (IndexError, ValueError) as error:
        raise ConfigError(path, f"line {line}", f"expected numbers for {', '.join(columns)}") from error
    if not np.isfinite(values).all():
        raise ConfigError(path, f"line {line}", "holds NaN or infinity; give finite numbers")
    return values


def _read_json(run_dir: Path) -> tuple[dict[str, Any], Path]:
    path = run_dir / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}; give a folder that `spoton track` wrote"
        raise ConfigError(path, "", problem) from error
    except ValueError as error:
        raise ConfigError(path, "", f"not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(path, "", "expected a mapping with site, cameras and floor_bounds")
    return content, path


def _clocks(content: dict[str, Any], path: Path) -> dict[str, CameraClock]:
    cameras = content.get("cameras")
    if not isinstance(cameras, dict) or not cameras:
        raise ConfigError(path, "cameras", "expected a mapping from camera id to fps, start_s, frames and size")
    return {camera: _clock(entry, path, f"cameras.{camera}") for camera, entry in cameras.items()}


def _clock(entry: Any, path: Path, key: str) -> CameraClock:  # noqa: ANN401 - whatever JSON holds; checked here
    try:
        clock = CameraClock(float(entry["fps"]), float(entry["start_s"]), int(entry["frames"]))
    except KeyError as error:
        raise ConfigError(path, f"{key}.{error.args[0]}", "is missing") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(path, key, "fps, start_s and frames must be numbers") from error
    if not (0.0 < clock.fps < np.inf and np.isfinite(clock.start_s)):
        raise ConfigError(path, f"{key}.fps", "must be above 0 and finite, as must start_s be finite")
    return clock


def _bounds(content: dict[str, Any], path: Path) -> tuple[float, float, float, float] | None:
    if "floor_bounds" not in content:
        raise ConfigError(path, "floor_bounds", "is missing; null says that the site has no floor")
    bounds = content["floor_bounds"]
    if bounds is None:
        return None
    try:
        x_min, y_min, x_max, y_max = (float(value) for value in bounds)
    except (TypeError, ValueError) as error:
        raise ConfigError(path, "floor_bounds", "expected [x_min, y_min, x_max, y_max] in metres") from error
    return x_min, y_min, x_max, y_max
