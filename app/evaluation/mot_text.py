"""Reads and writes boxes as MOTChallenge text, the table that truth and results are compared in.

Knows no camera, clock or metric. The first ten columns are `frame,id,left,top,width,height,conf,x,y,z`; files of nine
columns are read as MOT16/17/20 truth, whose last two columns are class and visibility.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import NO_ID, BoolArray, FloatArray, IntArray, check_shape
from app.errors import ConfigError
from app.evaluation.detection_noise import NoisyBoxes

PEDESTRIAN = 1  # MOT16 class numbers, Milan et al. 2016, table 3
DISTRACTORS = (
    2,
    7,
    8,
    12,
)  # person on vehicle, static person, distractor, reflection: TrackEval mot_challenge_2d_box.py
CLASS_COLUMNS = 9  # frame,id,left,top,width,height,conf,class,visibility


@dataclass(frozen=True, slots=True, eq=False)
class BoxTable:
    """Boxes of one camera with identities, as parallel arrays of length N, ordered by frame.

    Attributes:
        frame: (N,) int64, 1-based.
        person: (N,) int64, global id.
        xyxy: (N, 4) pixels of the original frame: left, top, right, bottom.
        floor: (N, 2) metres, site frame; NaN where the file does not say.
        ignored: (N,) bool; a result on such a box is neither right nor wrong. Always False in results.
    """

    frame: IntArray
    person: IntArray
    xyxy: FloatArray
    floor: FloatArray
    ignored: BoolArray

    def __post_init__(self) -> None:
        n = len(self.frame)
        check_shape("person", self.person, (n,))
        check_shape("xyxy", self.xyxy, (n, 4))
        check_shape("floor", self.floor, (n, 2))
        check_shape("ignored", self.ignored, (n,))

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: BoolArray | IntArray | slice) -> "BoxTable":
        return BoxTable(self.frame[rows], self.person[rows], self.xyxy[rows], self.floor[rows], self.ignored[rows])


def read_results(path: Path) -> BoxTable:
    """Read one camera's results; rows without an identity (id -1) are no result and are left out.

    Raises:
        ConfigError: unreadable, not MOTChallenge text, or one id twice in a frame; names file and line.
    """
    columns, line = read_columns(path)
    named = columns[:, 1] != NO_ID
    return _box_table(columns[named], line[named], path, np.zeros(int(named.sum()), bool))


def read_truth_boxes(path: Path) -> BoxTable:
    """Read one camera's truth.

    `conf` 0 marks a row to ignore. In files with a class column only pedestrians count, and only the distractor classes
    are ignored rows; every other row is no truth at all, as in TrackEval's MotChallenge2DBox for MOT16, 17 and 20.

    Raises:
        ConfigError: unreadable, not MOTChallenge text, or one id twice in a frame; names file and line.
    """
    columns, line = read_columns(path)
    counts = columns[:, 6] != 0 if columns.shape[1] > 6 else np.ones(len(columns), bool)
    ignored = ~counts
    if columns.shape[1] == CLASS_COLUMNS:
        ignored = np.isin(columns[:, 7], DISTRACTORS)
        counts &= columns[:, 7] == PEDESTRIAN
    kept = counts | ignored
    return _box_table(columns[kept], line[kept], path, ignored[kept])


def read_columns(path: Path) -> tuple[FloatArray, IntArray]:
    """Read the numbers of a MOTChallenge file, checked: (N, columns) and the (N,) 1-based line of each row."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, "", "is not a text file; expected frame,id,left,top,width,height,conf,x,y,z") from error
    numbered = [(number, row) for number, row in enumerate(text.splitlines(), start=1) if row.strip()]
    if not numbered:
        return np.zeros((0, 10)), np.zeros(0, np.int64)
    rows = [row for _, row in numbered]
    line = np.array([number for number, _ in numbered], np.int64)
    try:
        columns = np.loadtxt(rows, delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        raise _first_bad_line(numbered, path) from error
    _check_columns(columns, line, path)
    return columns, line


def write_mot(path: Path, columns: FloatArray) -> None:
    """Write (N, 10) columns `frame,id,left,top,width,height,conf,x,y,z`, creating the folder."""
    check_shape("columns", columns, (len(columns), 10))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, columns, fmt="%d,%d,%.2f,%.2f,%.2f,%.2f,%g,%.6g,%.6g,%.6g")


def write_detections(folder: Path, boxes: NoisyBoxes) -> None:
    """Write `det.txt`, and `emb.npz` where the boxes have looks (array `embeddings`, row for row), to a folder."""
    columns = np.full((len(boxes), 10), -1.0)
    columns[:, 0], columns[:, 1], columns[:, 6] = boxes.frame, NO_ID, boxes.confidence
    columns[:, 2:6] = left_top_width_height(boxes.xyxy)
    write_mot(folder / "det.txt", columns)
    (folder / "emb.npz").unlink(missing_ok=True)
    if boxes.embedding.shape[1]:
        np.savez(folder / "emb.npz", embeddings=boxes.embedding)


def left_top_width_height(xyxy: FloatArray) -> FloatArray:
    """Return (N, 4) boxes as MOTChallenge writes them."""
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def _box_table(columns: FloatArray, line: IntArray, path: Path, ignored: NDArray[np.bool_]) -> BoxTable:
    order = np.argsort(columns[:, 0], kind="stable")
    columns, line, ignored = columns[order], line[order], ignored[order]
    frame, person = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    _check_unique(np.stack([frame, person], axis=1)[~ignored], line[~ignored], path)
    xyxy = np.concatenate([columns[:, 2:4], columns[:, 2:4] + columns[:, 4:6]], axis=1)
    floor = np.full((len(columns), 2), np.nan)
    if columns.shape[1] > CLASS_COLUMNS:
        known = (columns[:, 7:10] != -1).any(axis=1)  # -1,-1,-1 says unknown; (-1, -1) with another z is a place
        floor[known] = columns[known, 7:9]
    return BoxTable(frame, person, xyxy, floor, ignored)


def _check_unique(frame_and_person: IntArray, line: IntArray, path: Path) -> None:
    unique, first = np.unique(frame_and_person, axis=0, return_index=True)
    if len(unique) == len(frame_and_person):
        return
    repeated = np.setdiff1d(np.arange(len(frame_and_person)), first)[0]
    frame, person = frame_and_person[repeated]
    raise ConfigError(
        path, f"line {line[repeated]}", f"id {person} is in frame {frame} twice; an id names one box a frame"
    )


def _check_columns(columns: FloatArray, line: IntArray, path: Path) -> None:
    if columns.shape[1] < 6:
        problem = f"has {columns.shape[1]} columns; expected frame,id,left,top,width,height,conf,x,y,z"
        raise ConfigError(path, f"line {line[0]}", problem)
    whole = columns[:, :2] == np.round(columns[:, :2])
    for wrong, problem in (
        (~np.isfinite(columns).all(axis=1), "holds NaN or infinity; give finite numbers"),
        (~whole.all(axis=1), "frame and id must be whole numbers"),
        (columns[:, 0] < 1, "frames are numbered from 1"),
        ((columns[:, 4:6] <= 0).any(axis=1), "width and height must be above 0"),
    ):
        if wrong.any():
            raise ConfigError(path, f"line {line[np.argmax(wrong)]}", problem)


def _first_bad_line(numbered: list[tuple[int, str]], path: Path) -> ConfigError:
    expected = numbered[0][1].count(",") + 1
    for number, row in numbered:
        fields = row.split(",")
        if len(fields) != expected:
            return ConfigError(path, f"line {number}", f"has {len(fields)} columns where the first row has {expected}")
        for field in fields:
            try:
                float(field)
            except ValueError:
                return ConfigError(path, f"line {number}", f"{field.strip()[:40]!r} is not a number")
    return ConfigError(path, "", "is not MOTChallenge text: frame,id,left,top,width,height,conf,x,y,z")
