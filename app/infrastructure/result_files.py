"""Writes the results of a run: MOTChallenge text per camera, floor.csv, run.json; all of them or none.

Rows wait as binary in a hidden folder beside the target until `commit`, which applies the corrections of identities
that came late, writes the text and moves the whole folder into place. Knows nothing of how people are tracked.
"""

import contextlib
import fcntl
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.domains.corrections import CorrectedHistory
from app.domains.vocabulary import NO_ID, CameraId, FloatArray, FrameBatch, IntArray, Sightings, TrackingUpdate
from app.errors import ConfigError

MADE_BY = "spoton track"  # in run.json: tells a folder that may be replaced from someone's own
FLOOR_HEADER = "time_s,global_id,x_m,y_m,vx,vy,sigma_m,cameras,certainty"
# Import name in the record and the distributions that may provide it.
LIBRARIES = (
    ("spoton", ("spoton",)),
    ("numpy", ("numpy",)),
    ("openvino", ("openvino",)),
    ("opencv", ("opencv-python-headless", "opencv-python")),
    ("av", ("av",)),
    ("faiss", ("faiss-cpu", "faiss-gpu")),
)
LINES_A_BLOCK = 100_000  # formatted at once: about 10 MB of text

_BOX_ROW = np.dtype(
    [
        ("time_s", "f8"),  # of the update
        ("frame", "i4"),
        ("id", "i8"),
        ("xyxy", "f4", (4,)),
        ("confidence", "f4"),
        ("xy", "f8", (2,)),
        ("valid", "?"),
        ("certainty", "f4"),
    ]
)
_FLOOR_ROW = np.dtype(
    [
        ("time_s", "f8"),
        ("id", "i8"),
        ("xy", "f8", (2,)),
        ("velocity", "f8", (2,)),
        ("sigma_m", "f4"),
        ("seen_by", "i4"),
        ("certainty", "f4"),
    ]
)


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """What run.json says of one camera beside what the writer counts itself.

    Attributes:
        fps: nominal frames a second of capture time.
        start_s: capture time of its first frame, seconds.
        faults: one line for each frame that was skipped or each failure of the source.
    """

    fps: float
    start_s: float
    faults: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the run knows of itself at its end; everything must be fit for JSON.

    Attributes:
        site: the site's name.
        settings: the settings in force.
        timings: per stage of the frame path.
        cameras: per camera.
        floor_bounds: x_min, y_min, x_max, y_max in metres; None for a site without a floor.
    """

    site: str
    settings: Mapping[str, Any]
    timings: Mapping[str, Any]
    cameras: Mapping[CameraId, CameraRecord]
    floor_bounds: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """Every position of everyone on the floor, row for row, in order of time.

    Attributes:
        time_s: (N,) seconds.
        global_id: (N,) int64.
        xy: (N, 2) metres, site frame.
    """

    time_s: FloatArray
    global_id: IntArray
    xy: FloatArray

    def __len__(self) -> int:
        return len(self.global_id)


class ResultWriter:
    """Collects the rows of a run and moves them into place at `commit`; leaving the context without it leaves nothing.

    Args:
        out: the folder of the results. It may be absent, empty, or hold an earlier run, which commit replaces.
        cameras: every camera of the site; each gets a file, also if nobody walks by.
        has_floor: whether some camera is calibrated; without a floor there is no floor.csv.

    Raises:
        ConfigError: the folder holds other files, cannot be made, or another run is writing to it.
    """

    def __init__(self, out: Path, cameras: Sequence[CameraId], has_floor: bool) -> None:
        self._out = _checked_target(out)
        self._has_floor = has_floor
        self.folder = self._out.parent / f".{self._out.name}.partial"  # for the run's other files: video, pictures
        self._lock = _claim(self.folder, self._out)
        self._spools: dict[CameraId, BinaryIO] = {
            camera_id: (self.folder / f"{camera_id}.boxes").open("w+b") for camera_id in cameras
        }
        self._floor_spool: BinaryIO = (self.folder / "floor.points").open("w+b")
        self._camera_sets: dict[tuple[CameraId, ...], int] = {}
        self._frames = dict.fromkeys(cameras, 0)
        self._sizes: dict[CameraId, tuple[int, int]] = {}
        self._batches = 0
        self._history = CorrectedHistory()
        self._committed = False

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._committed:
            self._discard()
        os.close(self._lock)

    def write(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Take one batch of frames and what became of it."""
        self._batches += 1
        self._history.follow(update.captured_at, update.corrections)
        index = {}
        for frame in batch.frames:
            index[frame.camera_id] = frame.index
            self._frames[frame.camera_id] += 1
            self._sizes[frame.camera_id] = frame.size
        for sightings in update.sightings:
            camera_id = sightings.tracks.camera_id
            self._spools[camera_id].write(_box_rows(update.captured_at, index[camera_id] + 1, sightings).tobytes())
        if self._has_floor:
            self._floor_spool.write(self._floor_rows(update).tobytes())

    def trajectories(self) -> Trajectories:
        """Return the floor positions so far under the identities that `commit` would write."""
        rows = self._corrected_floor()
        return Trajectories(rows["time_s"].copy(), rows["id"].copy(), rows["xy"].copy())

    def commit(self, record: RunRecord) -> dict[str, int]:
        """Write all files and move them into place, instead of an earlier run's.

        The corrections that the updates reported reach back to the first row; where that gives two rows of one instant
        to one identity, the surer one stays.

        Args:
            record: what the run knows of itself.

        Returns:
            How many batches, frames, boxes, floor points, identities and corrections there are.
        """
        identities: set[int] = set()
        boxes: dict[CameraId, int] = {}
        for camera_id, spool in self._spools.items():
            rows = self._corrected_boxes(spool)
            _write_lines(self.folder / f"{camera_id}.txt", "", _box_lines(rows))
            boxes[camera_id] = len(rows)
            identities.update(np.unique(rows["id"]).tolist())
        floor_rows = self._corrected_floor()
        if self._has_floor:
            lines = _floor_lines(floor_rows, ["|".join(cameras) for cameras in self._camera_sets])
            _write_lines(self.folder / "floor.csv", FLOOR_HEADER + "\n", lines)
        identities.update(np.unique(floor_rows["id"]).tolist())
        counts = {
            "batches": self._batches,
            "frames": sum(self._frames.values()),
            "boxes": sum(boxes.values()),
            "floor_points": len(floor_rows),
            "identities": len(identities),
            "corrections": self._history.corrections,
        }
        self._write_record(record, counts, boxes)
        self._close()
        for spool in (*self._spools.values(), self._floor_spool):
            Path(spool.name).unlink()
        _replace(_checked_target(self._out), self.folder)
        self._committed = True
        return counts

    def _floor_rows(self, update: TrackingUpdate) -> NDArray[np.void]:
        floor = update.floor
        rows = np.empty(len(floor), _FLOOR_ROW)
        rows["time_s"], rows["id"] = update.captured_at, floor.global_id
        rows["xy"], rows["velocity"] = floor.xy, floor.velocity
        rows["sigma_m"] = largest_sigma(floor.covariance)
        rows["certainty"] = floor.certainty
        rows["seen_by"] = [self._camera_sets.setdefault(seen_by, len(self._camera_sets)) for seen_by in floor.cameras]
        return rows

    def _corrected_boxes(self, spool: BinaryIO) -> NDArray[np.void]:
        """Return the rows under their final ids, no id twice in a frame: MOTChallenge's metrics refuse that."""
        rows = self._corrected(_read_rows(spool, _BOX_ROW))
        return rows[_surest(rows["frame"], rows["id"], -rows["confidence"])]

    def _corrected_floor(self) -> NDArray[np.void]:
        """Return the rows under their final ids, no id twice at one time."""
        rows = self._corrected(_read_rows(self._floor_spool, _FLOOR_ROW))
        return rows[_surest(rows["time_s"], rows["id"], rows["sigma_m"])]

    def _corrected(self, rows: NDArray[np.void]) -> NDArray[np.void]:
        rows["id"], rows["certainty"] = self._history.read(rows["id"], rows["time_s"], rows["certainty"])
        return rows

    def _write_record(self, record: RunRecord, counts: Mapping[str, int], boxes: Mapping[CameraId, int]) -> None:
        cameras = {
            camera_id: {
                **asdict(of_camera),
                "faults": list(of_camera.faults),
                "frames": self._frames[camera_id],
                "size": self._sizes.get(camera_id),
                "boxes": boxes[camera_id],
            }
            for camera_id, of_camera in record.cameras.items()
        }
        content = {
            "made_by": MADE_BY,
            "site": record.site,
            "versions": versions(),
            "settings": record.settings,
            "floor_bounds": record.floor_bounds,
            "cameras": cameras,
            "counts": counts,
            "timings": record.timings,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        (self.folder / "run.json").write_text(text + "\n", encoding="utf-8")

    def _discard(self) -> None:
        for spool in (*self._spools.values(), self._floor_spool):
            with contextlib.suppress(OSError):  # a full disk; what could not be written is thrown away anyway
                spool.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _close(self) -> None:
        for spool in (*self._spools.values(), self._floor_spool):
            spool.close()


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that results depend on; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name, distributions in LIBRARIES:
        found[name] = next(filter(None, map(_version, distributions)), None)
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _checked_target(out: Path) -> Path:
    """Return the absolute folder for the results, after making sure that nothing but a run is there to replace."""
    out = out.expanduser().resolve()
    previous = _previous(out)
    if not out.exists() and previous.exists():  # the machine stopped between the two renames of a commit
        previous.rename(out)
    if not out.exists():
        return out
    if not out.is_dir():
        raise ConfigError(out, "", "is a file; results need a folder, give another --out")
    if os.path.ismount(out):
        raise ConfigError(out, "", "is a mount point and cannot be replaced as a whole; give a folder inside it")
    if any(out.iterdir()) and not _is_run(out):
        raise ConfigError(out, "", "holds files that are no earlier run's results; give an empty or a new folder")
    return out


def _previous(out: Path) -> Path:
    return out.parent / f".{out.name}.previous"


def _is_run(folder: Path) -> bool:
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("made_by") == MADE_BY


def _claim(folder: Path, out: Path) -> int:
    """Make the folder of the unfinished results and lock it; what a run that was killed left there goes away.

    Returns:
        The file descriptor that holds the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(out, "", f"no results can be written beside it: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(out, "", "another run is writing to it; wait for its end or give another --out") from error
    for left_over in folder.iterdir():
        if left_over.is_dir():
            shutil.rmtree(left_over)
        else:
            left_over.unlink()
    return lock


def _replace(out: Path, folder: Path) -> None:
    """Put `folder` in the place of `out`; a fault in between leaves the old one there."""
    previous = _previous(out)
    shutil.rmtree(previous, ignore_errors=True)
    if out.exists():
        out.rename(previous)
    try:
        folder.rename(out)
    except OSError:
        if previous.exists():
            previous.rename(out)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _box_rows(captured_at: float, frame: int, sightings: Sightings) -> NDArray[np.void]:
    known = sightings.global_id != NO_ID
    rows = np.empty(int(known.sum()), _BOX_ROW)
    rows["time_s"], rows["frame"], rows["id"] = captured_at, frame, sightings.global_id[known]
    rows["certainty"] = sightings.certainty[known]
    rows["xyxy"], rows["confidence"] = sightings.tracks.xyxy[known], sightings.tracks.confidence[known]
    rows["xy"], rows["valid"] = sightings.floor.xy[known], sightings.floor.valid[known]
    return rows


def largest_sigma(covariance: FloatArray) -> FloatArray:
    """Return (N,) the root of the larger eigenvalue of (N, 2, 2) covariances: the deviation along the longest axis."""
    mean = (covariance[:, 0, 0] + covariance[:, 1, 1]) / 2
    spread = np.hypot((covariance[:, 0, 0] - covariance[:, 1, 1]) / 2, covariance[:, 0, 1])
    return np.sqrt(mean + spread)


def _read_rows(spool: BinaryIO, row: np.dtype[np.void]) -> NDArray[np.void]:
    spool.flush()
    return np.fromfile(spool.name, dtype=row)


def _surest(instant: NDArray[Any], ids: IntArray, doubt: NDArray[Any]) -> IntArray:
    """Return the rows to keep, ordered by instant and id: of those with the same of both the one of least doubt."""
    order = np.lexsort((doubt, ids, instant))
    fresh = (np.diff(instant[order], prepend=np.nan) != 0) | (np.diff(ids[order], prepend=NO_ID) != 0)
    return np.asarray(order[fresh], dtype=np.int64)


def _box_lines(rows: NDArray[np.void]) -> Iterator[str]:
    """Yield blocks of MOTChallenge text."""
    for block in _blocks(rows):
        xy = np.where(block["valid"][:, None], block["xy"], np.nan)
        yield mot_lines(block["frame"], block["id"], block["xyxy"].astype(np.float64), block["confidence"], xy)


def mot_lines(
    frame: IntArray, person: IntArray, xyxy: FloatArray, confidence: NDArray[np.floating[Any]], xy: FloatArray
) -> str:
    """Return `frame,id,left,top,width,height,conf,x,y,z` a line; x,y,z are -1,-1,-1 where the floor is unknown.

    Args:
        frame: (N,) from 1.
        person: (N,) global ids.
        xyxy: (N, 4) pixels.
        confidence: (N,) in [0, 1].
        xy: (N, 2) metres, NaN where nobody knows.
    """
    columns = (
        frame.tolist(),
        person.tolist(),
        *xyxy[:, :2].T.tolist(),
        *(xyxy[:, 2:] - xyxy[:, :2]).T.tolist(),
        confidence.tolist(),
    )
    boxes = map("%d,%d,%.2f,%.2f,%.2f,%.2f,%.4f".__mod__, zip(*columns, strict=True))
    known, unknown = ",%.3f,%.3f,0\n", ",-1,-1,-1\n"
    valid: list[bool] = np.isfinite(xy.sum(axis=1)).tolist()
    places = (known % (x, y) if there else unknown for (x, y), there in zip(xy.tolist(), valid, strict=True))
    return "".join(itertools.chain.from_iterable(zip(boxes, places, strict=True)))


def _floor_lines(rows: NDArray[np.void], camera_sets: Sequence[str]) -> Iterator[str]:
    line = "%.3f,%d,%.3f,%.3f,%.3f,%.3f,%.3f,%s,%.3f\n"
    for block in _blocks(rows):
        columns = (
            block["time_s"].tolist(),
            block["id"].tolist(),
            *block["xy"].T.tolist(),
            *block["velocity"].T.tolist(),
            block["sigma_m"].tolist(),
            [camera_sets[seen_by] for seen_by in block["seen_by"].tolist()],
            block["certainty"].tolist(),
        )
        yield "".join(map(line.__mod__, zip(*columns, strict=True)))


def _blocks(rows: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    for start in range(0, len(rows), LINES_A_BLOCK):
        yield rows[start : start + LINES_A_BLOCK]


def _write_lines(path: Path, header: str, blocks: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(header)
        file.writelines(blocks)
