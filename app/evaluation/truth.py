"""Reads what really happened, from any of four layouts, told apart by the path.

Knows files and camera ids; knows no results, no clock and no metric. The layouts:

- a set folder: `<camera id>/gt/gt.txt` per camera, MOTChallenge text with global ids, floor metres in columns 8 and 9;
  where it has `floor_truth.csv`, of `time_s,global_id,x_m,y_m,visibility,counts`, that tells who is on the floor;
- a WILDTRACK or MultiviewX folder: `annotations_positions/*.json`;
- for a run of one camera: a `gt.txt`, or a sequence folder of MOTChallenge that holds `gt/gt.txt`;
- for a run of one camera: CVML XML, as PETS 2009 has it (frames from 0, boxes as centre, width, height).
"""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.domains.vocabulary import BoolArray, FloatArray, IntArray
from app.errors import ConfigError
from app.evaluation.mot_text import BoxTable, read_truth_boxes
from app.evaluation.run_folder import FLOOR_COLUMNS, CameraClock, read_floor_columns
from app.evaluation.wildtrack import Annotations, DataSet, is_wildtrack, read_annotations

FLOOR_TRUTH = "floor_truth.csv"
LEAST_PERIOD_SHARE = 0.1  # by how much of a period an instant may be off


@dataclass(frozen=True, slots=True, eq=False)
class CameraTruth:
    """Everybody in one camera.

    Attributes:
        boxes: who is where.
        first: the first annotated frame, 1-based.
        last: the last annotated frame; less than `first` when nothing is annotated.
    """

    boxes: BoxTable
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class FloorTruth:
    """Everybody on the floor, whether a camera sees them or not, as parallel arrays of length N, ordered by frame.

    Attributes:
        frame: (N,) int64, 1-based.
        person: (N,) int64.
        xy: (N, 2) metres, site frame.
        ignored: (N,) bool; a dot there is neither right nor wrong.
        first: the first annotated frame.
        last: the last annotated frame.
        clock: when the frames are; None where they are those of every camera, which run in step.
    """

    frame: IntArray
    person: IntArray
    xy: FloatArray
    ignored: BoolArray
    first: int
    last: int
    clock: CameraClock | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Who was where.

    Attributes:
        path: where it was read from.
        layout: in words, for the report.
        cameras: by camera id of the run; cameras of the run without truth are absent.
        floor: None where the floor is known only from the cameras' own rows.
        area: x_min, y_min, x_max, y_max in metres outside which nobody is annotated; None when no such limit is known.
    """

    path: Path
    layout: str
    cameras: Mapping[str, CameraTruth]
    floor: FloorTruth | None = None
    area: tuple[float, float, float, float] | None = None


def read_truth(
    path: Path,
    cameras: Sequence[str],
    *,
    frames: slice | None = None,
    views: Mapping[str, str] | None = None,
) -> Truth:
    """Read the truth for the cameras of a run.

    Args:
        path: file or folder in one of the module's layouts.
        cameras: the run's camera ids, in the site file's order.
        frames: for WILDTRACK and MultiviewX, which annotation files the run had as its frames 1, 2, ...
        views: for WILDTRACK and MultiviewX, the view's name for each camera id. Without it cameras are matched by name
            (CVLab1, C1, ...), and by order where no name fits.

    Raises:
        ConfigError: no such path, unknown layout, broken content, or no truth for the cameras; names file and key.
    """
    if not path.exists():
        raise ConfigError(path, "", "does not exist; give a truth file or folder")
    if path.is_dir() and is_wildtrack(path):
        return _read_wildtrack(path, cameras, frames, views)
    if path.is_dir() and not (path / "gt" / "gt.txt").is_file():
        return _read_set(path, cameras)
    file = path / "gt" / "gt.txt" if path.is_dir() else path
    if len(cameras) != 1:
        raise ConfigError(path, "", f"is truth for one camera, and the run has {len(cameras)}: {', '.join(cameras)}")
    if file.suffix.lower() == ".xml":
        return Truth(path, "CVML", {cameras[0]: read_cvml(file)})
    if file.suffix.lower() == ".txt":
        return Truth(path, "MOTChallenge", {cameras[0]: _annotated_span(read_truth_boxes(file))})
    raise ConfigError(path, "", "is no truth: give a set folder, a WILDTRACK folder, gt.txt or CVML XML")


def read_cvml(path: Path) -> CameraTruth:
    """Read boxes and ids from CVML XML; every `frame` element counts as annotated.

    Raises:
        ConfigError: unreadable, not XML, not CVML, or an id twice in a frame; names frame and object.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise ConfigError(path, "", f"not valid XML: {error}") from error
    annotated: list[int] = []
    rows: dict[tuple[int, int], list[float]] = {}
    for element in root.iter("frame"):
        number = int(_number(element, "number", path, "frame"))
        annotated.append(number + 1)
        for item in element.iter("object"):
            person = int(_number(item, "id", path, f"frame {number}"))
            if (number + 1, person) in rows:
                raise ConfigError(path, f"frame {number}", f"object {person} is in this frame twice")
            rows[number + 1, person] = _centred_box(item, path, f"frame {number}, object {person}")
    if not annotated:
        raise ConfigError(
            path, root.tag, "holds no frame elements; expected CVML: dataset, frame, objectlist, object, box"
        )
    keys = sorted(rows)
    xyxy = np.array([rows[key] for key in keys], float).reshape(-1, 4)
    who = np.array(keys, np.int64).reshape(-1, 2)
    boxes = BoxTable(who[:, 0], who[:, 1], xyxy, np.full((len(who), 2), np.nan), np.zeros(len(who), bool))
    return CameraTruth(boxes, min(annotated), max(annotated))


def inside(xy: FloatArray, bounds: tuple[float, float, float, float]) -> BoolArray:
    """Tell which of (N, 2) points lie within x_min, y_min, x_max, y_max; NaN lies nowhere."""
    x_min, y_min, x_max, y_max = bounds
    return (xy[:, 0] >= x_min) & (xy[:, 0] <= x_max) & (xy[:, 1] >= y_min) & (xy[:, 1] <= y_max)


def _number(element: ElementTree.Element, key: str, path: Path, where: str) -> float:
    try:
        value = float(element.get(key, ""))
    except ValueError as error:
        raise ConfigError(path, where, f"{element.tag} has no number as {key}") from error
    if not math.isfinite(value):
        raise ConfigError(path, where, f"{key} of {element.tag} is not finite")
    return value


def _centred_box(item: ElementTree.Element, path: Path, where: str) -> list[float]:
    box = item.find("box")
    if box is None:
        raise ConfigError(path, where, "has no box element")
    x, y, width, height = (_number(box, key, path, where) for key in ("xc", "yc", "w", "h"))
    if width <= 0 or height <= 0:
        raise ConfigError(path, where, "box has no area")
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def _annotated_span(boxes: BoxTable) -> CameraTruth:
    """MOTChallenge text does not say which frames were annotated: those between its first and last row were."""
    first, last = (int(boxes.frame[0]), int(boxes.frame[-1])) if len(boxes) else (1, 0)
    return CameraTruth(boxes, first, last)


def _read_set(path: Path, cameras: Sequence[str]) -> Truth:
    present = {file.parent.parent.name: file for file in sorted(path.glob("*/gt/gt.txt"))}
    if not present:
        problem = "is no truth: expected <camera id>/gt/gt.txt, annotations_positions/*.json, gt.txt or CVML XML"
        raise ConfigError(path, "", problem)
    found = {camera: _annotated_span(read_truth_boxes(present[camera])) for camera in cameras if camera in present}
    if not found:
        problem = f"has gt/gt.txt for {', '.join(present)}, but the run's cameras are {', '.join(cameras)}"
        raise ConfigError(path, "", problem)
    floor = path / FLOOR_TRUTH
    return Truth(path, "set", found, read_floor_truth(floor) if floor.is_file() else None)


def read_floor_truth(path: Path) -> FloorTruth:
    """Read `floor_truth.csv`; its instants must be equally far apart.

    Raises:
        ConfigError: unreadable, a column is missing, an id twice at one instant, or instants that are not regular.
    """
    columns = read_floor_columns(path, (*FLOOR_COLUMNS, "counts"))
    time_s, counts = columns["time_s"], columns["counts"]
    times = np.unique(time_s)
    if len(times) < 2:
        raise ConfigError(path, "time_s", "has fewer than two instants")
    period_s = float(np.median(np.diff(times)))
    frame = np.round((time_s - times[0]) / period_s)
    if np.abs(time_s - times[0] - frame * period_s).max() > LEAST_PERIOD_SHARE * period_s:
        raise ConfigError(path, "time_s", "instants must be equally far apart")
    clock = CameraClock(1.0 / period_s, float(times[0]), int(frame[-1]) + 1)
    number = frame.astype(np.int64) + 1
    xy = np.stack([columns["x_m"], columns["y_m"]], axis=1)
    return FloorTruth(number, columns["global_id"].astype(np.int64), xy, counts == 0.0, 1, clock.frames, clock)


def _read_wildtrack(path: Path, cameras: Sequence[str], frames: slice | None, views: Mapping[str, str] | None) -> Truth:
    annotations = read_annotations(path, frames)
    number = _match_views(path, cameras, annotations.data_set, views)
    last = annotations.frames
    found = {camera: CameraTruth(annotations.view(view), 1, last) for camera, view in number.items()}
    data_set = annotations.data_set
    return Truth(path, data_set.name, found, _floor_of(annotations), data_set.bounds)


def _floor_of(annotations: Annotations) -> FloorTruth:
    nobody = np.zeros(len(annotations.frame), bool)
    return FloorTruth(annotations.frame, annotations.person, annotations.floor, nobody, 1, annotations.frames)


def _match_views(
    path: Path, cameras: Sequence[str], data_set: DataSet, views: Mapping[str, str] | None
) -> dict[str, int]:
    """Return the number of the view that each camera is."""
    numbers = {name.casefold(): i for i, name in enumerate(data_set.calibrations)}
    numbers |= {name.casefold(): i for i, name in enumerate(data_set.views)}
    names = {camera: camera for camera in cameras} if views is None else dict(views)
    if unknown := [camera for camera in names if camera not in cameras]:
        raise ConfigError(path, f"views.{unknown[0]}", f"is no camera of the run; it has {', '.join(cameras)}")
    fitting = {camera: numbers[name.casefold()] for camera, name in names.items() if name.casefold() in numbers}
    if len(fitting) == len(names) and len(set(fitting.values())) == len(fitting):
        return fitting
    if views is None and not fitting and len(cameras) == len(data_set.views):
        return {camera: number for number, camera in enumerate(cameras)}
    problem = (
        f"cannot tell which view of {data_set.name} each of the cameras {', '.join(cameras)} is; "
        f"name them {', '.join(data_set.views)}, or say which is which"
    )
    raise ConfigError(path, "views", problem)
