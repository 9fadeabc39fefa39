"""The binary frame message, version 1: one camera's frame with the boxes of that very frame.

docs/frame-message.md describes the bytes; app/web/frame_message.js reads them too, and tests/api/vectors holds both to
one meaning. Knows no socket, no viewer and no picture codec.
"""

import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import CameraId, Frame, Sightings, check_shape

Scalar = TypeVar("Scalar", bound=np.generic)

MAGIC = b"SPOT"
VERSION = 1
# magic, version, length of a camera id, length of this header with the id, captured_at, index, width, height, count,
# length of the JPEG; the id follows, filled up with zeros to a multiple of 4
HEADER = struct.Struct("<4sBBHdIIIII")
ROW_BYTES = 4 + 4 + 16 + 4 + 8 + 1
ALIGNMENT = 4  # so that a browser can lay its typed arrays over the bytes without copying them


@dataclass(frozen=True, slots=True, eq=False)
class FrameMessage:
    """One camera's frame and the people in it, as parallel arrays of length N.

    Attributes:
        captured_at: seconds since epoch.
        index: number of the frame in its source.
        size: (width, height) pixels of the original frame, which the boxes refer to; the JPEG may be smaller.
        global_id: (N,) int32, -1 where nobody is sure who it is.
        track_id: (N,) int32, unique within the camera.
        xyxy: (N, 4) float32, pixels of the original frame: left, top, right, bottom.
        confidence: (N,) float32 in [0, 1].
        floor: (N, 2) float32 metres, site frame; NaN where the box has no place on the floor.
        state: (N,) uint8 of TrackState.
        jpeg: the picture; empty where the camera has boxes and no pixels.
    """

    camera_id: CameraId
    captured_at: float
    index: int
    size: tuple[int, int]
    global_id: NDArray[np.int32]
    track_id: NDArray[np.int32]
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    floor: NDArray[np.float32]
    state: NDArray[np.uint8]
    jpeg: bytes

    def __post_init__(self) -> None:
        n = len(self.global_id)
        check_shape("track_id", self.track_id, (n,))
        check_shape("xyxy", self.xyxy, (n, 4))
        check_shape("confidence", self.confidence, (n,))
        check_shape("floor", self.floor, (n, 2))
        check_shape("state", self.state, (n,))

    def __len__(self) -> int:
        return len(self.global_id)


def frame_message(frame: Frame, sightings: Sightings, jpeg: bytes) -> FrameMessage:
    """Join a frame, who was seen in it, and its picture."""
    tracks = sightings.tracks
    return FrameMessage(
        camera_id=frame.camera_id,
        captured_at=frame.captured_at,
        index=frame.index,
        size=frame.size,
        global_id=sightings.global_id.astype(np.int32),
        track_id=tracks.track_id.astype(np.int32),
        xyxy=tracks.xyxy,
        confidence=tracks.confidence,
        floor=np.where(sightings.floor.valid[:, None], sightings.floor.xy, np.nan).astype(np.float32),
        state=tracks.state.astype(np.uint8),
        jpeg=jpeg,
    )


def encode(message: FrameMessage) -> bytes:
    """Return the message's bytes."""
    name = message.camera_id.encode()
    header_bytes = _aligned(HEADER.size + len(name))
    header = HEADER.pack(
        MAGIC,
        VERSION,
        len(name),
        header_bytes,
        message.captured_at,
        message.index & 0xFFFFFFFF,
        *message.size,
        len(message),
        len(message.jpeg),
    )
    return b"".join(
        [
            (header + name).ljust(header_bytes, b"\0"),
            message.global_id.astype("<i4").tobytes(),
            message.track_id.astype("<i4").tobytes(),
            message.xyxy.astype("<f4").tobytes(),
            message.confidence.astype("<f4").tobytes(),
            message.floor.astype("<f4").tobytes(),
            message.state.astype("u1").tobytes(),
            message.jpeg,
        ]
    )


def decode(data: bytes) -> FrameMessage:
    """Read a message.

    Raises:
        ValueError: no frame message, another version, or not as long as its header says.
    """
    if len(data) < HEADER.size:
        raise ValueError(f"frame message: {len(data)} bytes are fewer than its header has")
    fields = HEADER.unpack_from(data)
    magic, version, name_bytes, header_bytes, captured_at, index, width, height, n, jpeg_bytes = fields
    if magic != MAGIC:
        raise ValueError("frame message: does not begin with SPOT")
    if version != VERSION:
        raise ValueError(f"frame message: version {version}; this decoder reads version {VERSION}")
    if header_bytes < HEADER.size + name_bytes or header_bytes % ALIGNMENT:
        raise ValueError(f"frame message: a header of {header_bytes} bytes cannot hold its fields")
    expected = header_bytes + ROW_BYTES * n + jpeg_bytes
    if len(data) != expected:
        raise ValueError(f"frame message: {len(data)} bytes, expected {expected}")
    columns = _Columns(data, header_bytes)
    return FrameMessage(
        camera_id=CameraId(data[HEADER.size : HEADER.size + name_bytes].decode()),
        captured_at=captured_at,
        index=index,
        size=(width, height),
        global_id=columns.take(np.int32, n),
        track_id=columns.take(np.int32, n),
        xyxy=columns.take(np.float32, 4 * n).reshape(n, 4),
        confidence=columns.take(np.float32, n),
        floor=columns.take(np.float32, 2 * n).reshape(n, 2),
        state=columns.take(np.uint8, n),
        jpeg=data[len(data) - jpeg_bytes :],
    )


class _Columns:
    """Takes arrays off a buffer, one behind the other, without copying."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset = data, offset

    def take(self, kind: type[Scalar], count: int) -> NDArray[Scalar]:
        column = np.frombuffer(self._data, np.dtype(kind).newbyteorder("<"), count, self._offset)
        self._offset += column.nbytes
        return column


def _aligned(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
