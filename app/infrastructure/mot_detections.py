"""Recorded detections in place of pixels: MOTChallenge text, optionally with one embedding per line.

One file serves three ports: DetectionsSource gives the frames, RecordedDetector their boxes, RecordedEmbedder the
appearance of the boxes. Knows nothing of networks, truth or results; what comes from other cameras goes to the detector
and embedder that were given beside it.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from app.domains.detection.ports import Detector
from app.domains.reid.ports import Embedder
from app.domains.vocabulary import (
    BoolArray,
    BoxArray,
    CameraId,
    Crops,
    Detections,
    Embeddings,
    FloatArray,
    Frame,
    FrameBatch,
    IntArray,
    check_shape,
)
from app.errors import ConfigError

COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence")  # the first of MOTChallenge's ten
EMBEDDING_NAMES = ("embeddings", "emb", "arr_0")  # tried in this order where an .npz holds several arrays
LARGEST = 1e15  # fits float32, holds every time stamp; anything beyond is garbage
LAST_FRAME = 10**8  # 46 days at 25 frames per second: a larger number is a time stamp in the frame column


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The recorded detections of one camera, as parallel arrays of length N, in the order of the file.

    Attributes:
        path: the file that they came from.
        frame: (N,) int64, 1-based, never decreasing.
        xyxy: (N, 4) float32, pixels as the file has them: left, top, left + width, top + height.
        confidence: (N,) float32 in [0, 1].
        embeddings: (N, D) float32, L2-normalised, or None where none were recorded.
        lost: numbers of the frames that never came, 1-based; other frames without rows show nobody.
    """

    path: Path
    frame: IntArray
    xyxy: BoxArray
    confidence: BoxArray
    embeddings: NDArray[np.float32] | None
    lost: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_shape("xyxy", self.xyxy, (len(self.frame), 4))
        check_shape("confidence", self.confidence, (len(self.frame),))
        if self.embeddings is not None:
            check_shape("embeddings", self.embeddings, (len(self.frame), self.embeddings.shape[-1]))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def last_frame(self) -> int:
        """Number of the last frame that has a detection, 1-based."""
        return int(self.frame[-1])

    def without(self, spans: Sequence[tuple[int, int]]) -> "Recording":
        """Return the recording of which the frames in spans of first and last number never came."""
        return replace(self, lost=frozenset(chain.from_iterable(range(a, b + 1) for a, b in spans)))

    def rows(self, index: int) -> slice:
        """Return the rows of the frame with this 0-based index; empty where nobody was seen."""
        first, last = np.searchsorted(self.frame, (index + 1, index + 2))
        return slice(int(first), int(last))


def read_recording(path: Path, embeddings: Path | None = None) -> Recording:
    """Read MOTChallenge detections, comma or white space between columns, and their embeddings.

    Columns behind the seventh are passed over, and so are empty lines. Boxes are taken as they stand, also empty ones
    and those beyond the image.

    Args:
        path: text, `frame,id,left,top,width,height,conf,...`.
        embeddings: .npz with one (N, D) array, one row per line of the text.

    Raises:
        ConfigError: unreadable, empty, too few columns, not a number, NaN or infinite, frame below 1 or not a whole
            number or lower than the line before, negative width or height, confidence outside [0, 1]; embeddings of
            another length. Names the line.
    """
    text = _read_text(path)
    table = _parse(text, path)
    _check_rows(table, text, path)
    left, top, width, height = table[:, 2:6].T
    xyxy = np.stack([left, top, left + width, top + height], axis=1).astype(np.float32)
    vectors = None if embeddings is None else _read_embeddings(embeddings, len(table), path)
    return Recording(path, table[:, 0].astype(np.int64), xyxy, table[:, 6].astype(np.float32), vectors)


class DetectionsSource:
    """A FrameSource without pixels: every frame that came, up to the recording's last, also those without boxes.

    Args:
        camera_id: whose detections these are.
        recording: what was seen.
        size: (width, height) of the frames in pixels.
        fps: frames per second.
        start_s: capture time of frame 1, seconds.
    """

    def __init__(
        self, camera_id: CameraId, recording: Recording, size: tuple[int, int], fps: float, start_s: float = 0.0
    ) -> None:
        self.camera_id = camera_id
        self.fps = fps
        lost = sum(number <= recording.last_frame for number in recording.lost)
        self.frame_count: int | None = recording.last_frame - lost
        self._lost = recording.lost
        self._last = recording.last_frame
        self._size = size
        self._start_s = start_s
        self._index = 0

    def read(self) -> Frame | None:
        """Return the next frame, with `pixels` None, or None at the end."""
        while self._index + 1 in self._lost:
            self._index += 1
        if self._index >= self._last:
            return None
        index = self._index
        self._index += 1
        return Frame(self.camera_id, self._start_s + index / self.fps, index, self._size, None)

    def close(self) -> None:
        """Hold nothing, release nothing."""


class RecordedDetector:
    """A Detector that looks boxes up, and asks another one for the cameras that have pixels.

    Args:
        recordings: what was seen, by camera.
        fallback: finds people in the frames of all other cameras; None where there are none.
    """

    def __init__(self, recordings: Mapping[CameraId, Recording], fallback: Detector | None = None) -> None:
        self._recordings = dict(recordings)
        self._fallback = fallback

    def detect(self, batch: FrameBatch) -> list[Detections]:
        """Return the boxes of each frame, in the order of the file; one call to the fallback for all other frames."""
        others = tuple(frame for frame in batch.frames if frame.camera_id not in self._recordings)
        found = iter(self._detect_others(FrameBatch(batch.captured_at, others)) if others else ())
        return [self._look_up(frame) if frame.camera_id in self._recordings else next(found) for frame in batch.frames]

    def _look_up(self, frame: Frame) -> Detections:
        recording = self._recordings[frame.camera_id]
        rows = recording.rows(frame.index)
        return Detections(frame.camera_id, frame.captured_at, recording.xyxy[rows], recording.confidence[rows])

    def _detect_others(self, batch: FrameBatch) -> list[Detections]:
        if self._fallback is None:
            raise ValueError(
                f"camera {batch.frames[0].camera_id} has no recorded detections, and no detector was given"
            )
        return self._fallback.detect(batch)


class RecordedEmbedder:
    """An Embedder that looks vectors up, and asks another one for the cameras that have pixels.

    Boxes of a camera with recorded detections but no recorded embeddings get rows of zeros: no appearance.

    Args:
        recordings: what was seen, by camera.
        fallback: embeds the crops of all other cameras; None where there are none. It is asked once for no crops at
            all, which tells the dimension of its vectors.

    Raises:
        ConfigError: embeddings of two cameras, or of a camera and the fallback, differ in dimension; they cannot be
            compared with each other.
    """

    def __init__(self, recordings: Mapping[CameraId, Recording], fallback: Embedder | None = None) -> None:
        self._recordings = dict(recordings)
        self._fallback = fallback
        self._dimension = self._agreed_dimension()

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        """Return one vector per crop, row for row; one call to the fallback for all crops of other cameras."""
        vectors = np.zeros((len(crops), self._dimension), dtype=np.float32)
        recorded = np.array([frame.camera_id in self._recordings for frame in batch.frames], dtype=bool)
        for position in np.unique(crops.frame).tolist():
            frame = batch.frames[position]
            recording = self._recordings.get(frame.camera_id)
            if recording is not None and recording.embeddings is not None:
                asked = crops.frame == position
                vectors[asked] = recording.embeddings[recording.rows(frame.index)][crops.row[asked]]
        others = ~recorded[crops.frame]
        if others.any():
            vectors[others] = self._embed_others(batch, crops, recorded, others)
        return Embeddings(vectors)

    def _embed_others(
        self, batch: FrameBatch, crops: Crops, recorded: BoolArray, others: BoolArray
    ) -> NDArray[np.float32]:
        """Ask the fallback for the crops marked in `others`, in a batch of the frames that are not `recorded`."""
        if self._fallback is None:
            camera_id = batch.frames[int(crops.frame[others][0])].camera_id
            raise ValueError(f"camera {camera_id} has no recorded detections, and no embedder was given")
        frames = tuple(frame for frame, known in zip(batch.frames, recorded.tolist(), strict=True) if not known)
        position = np.cumsum(~recorded) - 1  # from the place in the batch to the place among `frames`
        wanted = Crops(position[crops.frame[others]].astype(np.int64), crops.row[others], crops.xyxy[others])
        vectors = self._fallback.embed(FrameBatch(batch.captured_at, frames), wanted).vectors
        check_shape("fallback's embeddings", vectors, (len(wanted), self._dimension))
        return vectors

    def _agreed_dimension(self) -> int:
        """Return the dimension of every vector, 0 where no camera has an appearance."""
        known = [(r.path, int(r.embeddings.shape[1])) for r in self._recordings.values() if r.embeddings is not None]
        for path, dimension in known[1:]:
            if dimension != known[0][1]:
                raise ConfigError(
                    path, "", f"its embeddings have {dimension} dimensions, those of {known[0][0]} have {known[0][1]}"
                )
        if self._fallback is None:
            return known[0][1] if known else 0
        nothing = Crops(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
        dimension = int(self._fallback.embed(FrameBatch(0.0, ()), nothing).vectors.shape[1])
        if known and dimension != known[0][1]:
            raise ConfigError(
                known[0][0],
                "",
                f"its embeddings have {known[0][1]} dimensions, the embedder of the other cameras gives {dimension}; "
                "choose the embedder that made them",
            )
        return dimension


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise ConfigError(path, "", f"cannot be read: {reason}") from error


def _parse(text: str, path: Path) -> FloatArray:
    """Return (N, 7) float64, the first seven columns of the lines that are not empty."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigError(path, "", "holds no detections; leave the camera out, or give its file")
    delimiter = "," if "," in lines[0] else None
    try:
        return np.loadtxt(lines, delimiter=delimiter, usecols=range(len(COLUMNS)), ndmin=2, comments=None)
    except ValueError as error:
        raise _explain(text, delimiter, path) from error


def _explain(text: str, delimiter: str | None, path: Path) -> ConfigError:
    """Return the first line that is no row of numbers, as an error; slow and only for files that are broken."""
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split(delimiter)
        if line.strip() and len(cells) < len(COLUMNS):
            return ConfigError(path, f"line {number}", f"has {len(cells)} columns, expected {','.join(COLUMNS)},...")
        for name, cell in zip(COLUMNS, cells, strict=False):
            if line.strip() and not _is_number(cell):
                return ConfigError(path, f"line {number}", f"{name} is {cell.strip()!r}, expected a number")
    return ConfigError(path, "", f"expected lines of {','.join(COLUMNS)},...")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_rows(table: FloatArray, text: str, path: Path) -> None:
    """Raise ConfigError for the first row of (N, 7) that breaks a rule; rules are tried in this order."""
    frame, width, height, confidence = table[:, 0], table[:, 4], table[:, 5], table[:, 6]
    before = np.concatenate([frame[:1], frame[:-1]])
    rules = (
        (~(np.abs(table) < LARGEST).all(axis=1), f"holds NaN, infinity or a number beyond {LARGEST:g}"),
        (frame != np.floor(frame), "frame {0:g} is not a whole number"),
        (frame < 1, "frame {0:.0f}, expected 1 or more: frames are counted from 1"),
        (frame > LAST_FRAME, "frame {0:.0f} is too large for a frame number; is it a time stamp?"),
        (frame < before, "detections out of order: frame {0:.0f} comes after frame {1:.0f}; sort the file by frame"),
        ((width < 0) | (height < 0), "width {2:g} and height {3:g} must not be negative"),
        ((confidence < 0) | (confidence > 1), "confidence {4:g} is outside 0 to 1; rescale the detector's scores"),
    )
    broken = np.stack([rule[0] for rule in rules])
    if not broken.any():
        return
    row = int(broken.any(axis=0).argmax())
    facts = (frame[row], before[row], width[row], height[row], confidence[row])
    problem = rules[int(broken[:, row].argmax())][1].format(*facts)
    numbers = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    raise ConfigError(path, f"line {numbers[row]}", problem)


def _read_embeddings(path: Path, n: int, detections: Path) -> NDArray[np.float32]:
    """Return (n, D) unit vectors; rows of zeros stay what they are."""
    vectors = _load_array(path)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise ConfigError(path, "", f"shape {vectors.shape} of {vectors.dtype}, expected (N, D) numbers")
    if len(vectors) != n:
        raise ConfigError(
            path, "", f"has {len(vectors)} rows, but {detections} has {n} lines; they must match one to one"
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ConfigError(path, f"row {int(finite.argmin()) + 1}", "holds NaN or infinity")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def _load_array(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files} if isinstance(archive, NpzFile) else {}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "not an .npz file of numbers"
        raise ConfigError(path, "", f"cannot be read: {reason}") from error
    names = list(arrays) if len(arrays) == 1 else [name for name in EMBEDDING_NAMES if name in arrays]
    if not names:
        held = ", ".join(sorted(arrays)) or "no named array"
        raise ConfigError(path, "", f"holds {held}; expected one array, or one named {' or '.join(EMBEDDING_NAMES)}")
    vectors: NDArray[Any] = arrays[names[0]]
    return vectors
