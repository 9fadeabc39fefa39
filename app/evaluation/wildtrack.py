"""Reads the annotation layout of WILDTRACK and MultiviewX, and writes a part of it as a multi-camera test set.

Knows these two data sets' grids, views and calibration files. Knows no tracker and no metric.
Grids and layout: Chavdarova et al., WILDTRACK, CVPR 2018; Hou et al., MVDet (MultiviewX), ECCV 2020.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from app.domains.vocabulary import FloatArray, IntArray
from app.errors import ConfigError
from app.evaluation.detection_noise import AnnotatedBoxes, DetectionNoise, add_noise, cut_to_image
from app.evaluation.mot_text import BoxTable, left_top_width_height, write_detections, write_mot

ANNOTATIONS = "annotations_positions"
EDGES = ("xmin", "ymin", "xmax", "ymax")
CELL_M = 0.025  # side of a grid cell, metres, in both data sets
IMAGE_SIZE = (1920, 1080)  # pixels, of every camera of both data sets
FPS = 2.0  # annotated frames per second, in both data sets


@dataclass(frozen=True, slots=True)
class DataSet:
    """What differs between the two data sets."""

    name: str
    views: tuple[str, ...]  # camera names in the order of viewNum
    calibrations: tuple[str, ...]  # names in the calibration files, in the same order
    intrinsic: str  # folder; the published boxes lie on undistorted images
    unit: str  # of the extrinsics
    columns: int  # grid cells in a row
    rows: int
    origin: tuple[float, float]  # metres, of cell 0

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max in metres of the area in which people are annotated."""
        x, y = self.origin
        return x, y, x + CELL_M * self.columns, y + CELL_M * self.rows

    def place(self, position: IntArray) -> FloatArray:
        """Turn (N,) grid positions into (N, 2) metres."""
        cells = np.stack([position % self.columns, position // self.columns], axis=1)
        xy: FloatArray = np.round(np.array(self.origin) + CELL_M * cells, 6)  # 6: undoes the sum's rounding error
        return xy


_WILDTRACK_VIEWS = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")
WILDTRACK = DataSet(
    "WILDTRACK", _WILDTRACK_VIEWS, _WILDTRACK_VIEWS, "intrinsic_zero", "cm", columns=480, rows=1440, origin=(-3.0, -9.0)
)
MULTIVIEWX = DataSet(
    "MultiviewX",
    ("C1", "C2", "C3", "C4", "C5", "C6"),
    ("Camera1", "Camera2", "Camera3", "Camera4", "Camera5", "Camera6"),
    "intrinsic",
    "m",
    columns=1000,
    rows=640,
    origin=(0.0, 0.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Who stands where, as parallel arrays of length N, ordered by frame.

    Attributes:
        frames: how many files were read; frame k is the k-th of them.
        frame: (N,) int64, 1-based.
        person: (N,) int64, the data set's personID.
        floor: (N, 2) metres.
        xyxy: (N, V, 4) pixels in each view, not cut to the image; NaN where the person is not in the view.
    """

    data_set: DataSet
    frames: int
    frame: IntArray
    person: IntArray
    floor: FloatArray
    xyxy: FloatArray

    def view(self, number: int) -> BoxTable:
        """Return the boxes of one view, cut to the image."""
        cut = cut_to_image(self.xyxy[:, number], IMAGE_SIZE)
        # a box of which less than a pixel is in the image shows nobody; NaN compares as False
        rows = np.flatnonzero(((cut[:, 2:] - cut[:, :2]) >= 1.0).all(axis=1))
        return BoxTable(self.frame[rows], self.person[rows], cut[rows], self.floor[rows], np.zeros(len(rows), bool))


def is_wildtrack(source: Path) -> bool:
    """Tell whether a folder has the layout of WILDTRACK or MultiviewX."""
    return (source / ANNOTATIONS).is_dir()


def read_annotations(source: Path, frames: slice | None = None) -> Annotations:
    """Read the annotations of a WILDTRACK or MultiviewX folder.

    Args:
        source: the folder that holds `annotations_positions`.
        frames: which of the annotation files, sorted by number; all by default.

    Raises:
        ConfigError: no such folder or files, a broken file, or an unknown grid; names file and key.
    """
    folder = source / ANNOTATIONS
    files = sorted((path for path in folder.glob("*.json") if path.stem.isdigit()), key=lambda path: int(path.stem))
    if not files:
        raise ConfigError(folder, "", "holds no annotation files such as 00000000.json")
    total, files = len(files), files[frames if frames is not None else slice(None)]
    if not files:
        asked = "" if frames is None else f"{frames.start}:{frames.stop}"
        raise ConfigError(folder, f"frames {asked}", f"selects none of the {total} annotation files")
    everyone = [_read_people(path) for path in files]
    counts = [len(people) for people in everyone]
    people = [person for frame in everyone for person in frame]
    person = np.array([one[0] for one in people], np.int64)
    position = np.array([one[1] for one in people], np.int64)
    views = max((len(one[2]) for one in people), default=0)
    data_set = _recognise(source, views)
    _check_people(everyone, files, data_set)
    xyxy = np.array([one[2] for one in people], float).reshape(-1, len(data_set.views), 4)
    xyxy[(xyxy == -1).all(axis=2)] = np.nan
    frame = np.repeat(np.arange(1, len(files) + 1), counts)
    return Annotations(data_set, len(files), frame, person, data_set.place(position), xyxy)


def write_set(source: Path, out: Path, frames: slice | None, noise: DetectionNoise, seed: int) -> Path:
    """Write a test set with noisy detections made from annotated boxes.

    Writes per camera `<id>/det/det.txt` and `<id>/gt/gt.txt` (floor x,y in columns 8 and 9), with appearance
    `<id>/det/emb.npz` (array `embeddings`, row for row with det.txt), and last `site.yaml`.

    Args:
        source: a WILDTRACK or MultiviewX folder with annotations and calibrations.
        out: the folder to write; it may exist.
        frames: which of the annotation files, sorted by number; None takes all. They become frames 1, 2, ...
        noise: how far the detections are from the annotation.
        seed: of the noise.

    Returns:
        The path of site.yaml.

    Raises:
        ConfigError: broken annotations, a calibration file is missing, or `out` cannot be written.
    """
    annotations = read_annotations(source, frames)
    data_set = annotations.data_set
    site: dict[str, Any] = {
        "site": data_set.name.lower(),
        "floor": {"bounds": list(data_set.bounds)},
        "cameras": [_camera(source, data_set, number, noise) for number in range(len(data_set.views))],
    }
    path = out / "site.yaml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # comes last, so that a set with a site file is a whole set
    except OSError as error:
        raise ConfigError(out, "", f"cannot be written: {error.strerror}") from error
    for number, camera_id in enumerate(data_set.views):
        seen = ~np.isnan(annotations.xyxy[:, number, 0])
        annotated = AnnotatedBoxes(
            annotations.frame[seen],
            annotations.person[seen],
            annotations.xyxy[seen, number],
            annotations.frames,
            IMAGE_SIZE,
        )
        write_detections(out / camera_id / "det", add_noise(annotated, noise, seed, camera_id))
        _write_truth(out / camera_id / "gt" / "gt.txt", annotations.view(number))
    path.write_text(yaml.safe_dump(site, sort_keys=False), encoding="utf-8")
    return path


def _camera(source: Path, data_set: DataSet, number: int, noise: DetectionNoise) -> dict[str, Any]:
    folder, name = source.resolve() / "calibrations", data_set.calibrations[number]
    intrinsic = folder / data_set.intrinsic / f"intr_{name}.xml"
    extrinsic = folder / "extrinsic" / f"extr_{name}.xml"
    for path in (intrinsic, extrinsic):
        if not path.is_file():
            raise ConfigError(
                path, "", f"is missing; {data_set.name}'s calibrations are needed to place boxes on the floor"
            )
    camera_id = data_set.views[number]
    camera: dict[str, Any] = {
        "id": camera_id,
        "detections": f"{camera_id}/det/det.txt",
        "size": list(IMAGE_SIZE),
        "fps": FPS,
        "calibration": {"file": {"intrinsic": str(intrinsic), "extrinsic": str(extrinsic), "unit": data_set.unit}},
    }
    if noise.embedding_size:
        camera["embeddings"] = f"{camera_id}/det/emb.npz"
    return camera


def _write_truth(path: Path, boxes: BoxTable) -> None:
    columns = np.zeros((len(boxes), 10))
    columns[:, 0], columns[:, 1], columns[:, 6] = boxes.frame, boxes.person, 1.0
    columns[:, 2:6] = left_top_width_height(boxes.xyxy)
    columns[:, 7:9] = boxes.floor
    write_mot(path, columns)


_Person = tuple[int, int, list[list[float]]]  # personID, positionID, box per view


def _read_people(path: Path) -> list[_Person]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(path, "", f"not valid JSON: {error}") from error
    if not isinstance(content, list):
        raise ConfigError(path, "", "expected a list of people, each with personID, positionID and views")
    return [_read_person(person, path, f"[{row}]") for row, person in enumerate(content)]


def _read_person(person: Any, path: Path, key: str) -> _Person:  # noqa: ANN401 - whatever JSON holds; checked here
    try:
        views = sorted(person["views"], key=lambda view: int(view["viewNum"]))
        boxes = [[float(view[edge]) for edge in EDGES] for view in views]
        numbers = [int(view["viewNum"]) for view in views]
        who, position = int(person["personID"]), int(person["positionID"])
    except KeyError as error:
        raise ConfigError(path, f"{key}.{error.args[0]}", "is missing") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(path, key, "expected personID, positionID and views with viewNum and four edges") from error
    if numbers != list(range(len(numbers))):
        raise ConfigError(path, f"{key}.views", f"viewNum must count up from 0 without gaps, got {numbers}")
    return who, position, boxes


def _recognise(source: Path, views: int) -> DataSet:
    """Tell the data sets apart by the number of views, and refuse calibrations that say otherwise.

    Frames without people have no views to count; then the calibrations alone tell.
    """
    extrinsics = {
        path.stem.removeprefix("extr_") for path in (source / "calibrations" / "extrinsic").glob("extr_*.xml")
    }
    for data_set in (WILDTRACK, MULTIVIEWX):
        fits = bool(extrinsics & set(data_set.calibrations))
        if views == 0 and fits:
            return data_set
        if views == len(data_set.views):
            if extrinsics and not fits:
                problem = f"{views} views say {data_set.name}, but a file is named extr_{min(extrinsics)}.xml"
                raise ConfigError(source / "calibrations", "extrinsic", problem)
            return data_set
    problem = f"people have {views} views; WILDTRACK has 7 and MultiviewX 6"
    raise ConfigError(source / ANNOTATIONS, "views", problem)


def _check_people(everyone: list[list[_Person]], files: list[Path], data_set: DataSet) -> None:
    cells = data_set.columns * data_set.rows
    for people, path in zip(everyone, files, strict=True):
        seen: set[int] = set()
        for row, (who, position, boxes) in enumerate(people):
            if len(boxes) != len(data_set.views):
                problem = f"has {len(boxes)} views where others have {len(data_set.views)}"
                raise ConfigError(path, f"[{row}].views", problem)
            if not 0 <= position < cells:
                problem = f"{position} is outside {data_set.name}'s grid of {cells} cells"
                raise ConfigError(path, f"[{row}].positionID", problem)
            if who in seen:
                raise ConfigError(path, f"[{row}].personID", f"person {who} is in this frame twice")
            seen.add(who)
