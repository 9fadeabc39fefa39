"""One stand-in per port, which keeps the port's contract without network, index library or file."""

import numpy as np
from world import DIMENSION, World

from app.domains.vocabulary import CameraId, Crops, Detections, Embeddings, FloatArray, Frame, FrameBatch, IntArray


class FakeDetector:
    """A Detector that asks the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def detect(self, batch: FrameBatch) -> list[Detections]:
        return [self._world.look(frame.camera_id, frame.captured_at).detections for frame in batch.frames]


class FakeEmbedder:
    """An Embedder that asks the world; a crop is known by the row of its detection."""

    cosines = (0.7, 0.1, 0.3, 0.1)

    def __init__(self, world: World) -> None:
        self._world = world

    def embed(self, batch: FrameBatch, crops: Crops) -> Embeddings:
        vectors = np.zeros((len(crops), DIMENSION), dtype=np.float32)
        for i, (frame, row) in enumerate(zip(crops.frame.tolist(), crops.row.tolist(), strict=True)):
            seen = batch.frames[frame]
            vectors[i] = self._world.look(seen.camera_id, seen.captured_at).appearance[row]
        return Embeddings(vectors)


class FakeIndex:
    """A VectorIndex in a dictionary.

    Attributes:
        stored: what is in it now, by key.
    """

    def __init__(self) -> None:
        self.stored: dict[int, np.ndarray] = {}

    def put(self, keys: IntArray, vectors: np.ndarray) -> None:
        if len(keys) != len(vectors) or len(set(keys.tolist())) < len(keys):
            raise ValueError(f"keys {keys.tolist()}: one per vector, and none twice")
        self.stored |= dict(zip(keys.tolist(), vectors.copy(), strict=True))

    def remove(self, keys: IntArray) -> None:
        for key in keys.tolist():
            self.stored.pop(key, None)

    def search(self, queries: np.ndarray, k: int) -> tuple[FloatArray, IntArray]:
        cosine = np.full((len(queries), k), -np.inf)
        key = np.full((len(queries), k), -1, dtype=np.int64)
        if self.stored and len(queries):
            keys = np.array(list(self.stored))
            likeness = queries @ np.stack(list(self.stored.values())).T
            order = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
            found = order.shape[1]
            cosine[:, :found], key[:, :found] = np.take_along_axis(likeness, order, axis=1), keys[order]
        return cosine, key


class FakeSource:
    """A FrameSource of frames without pixels.

    Args:
        camera_id: whose frames these are.
        times: their capture times.
        size: (width, height) pixels.
        fps: nominal rate.
    """

    def __init__(self, camera_id: str, times: list[float], size: tuple[int, int], fps: float) -> None:
        self.camera_id = CameraId(camera_id)
        self.fps = fps
        self.frame_count: int | None = len(times)
        self._times, self._size = times, size
        self._index = 0

    def read(self) -> Frame | None:
        if self._index >= len(self._times):
            return None
        index = self._index
        self._index += 1
        return Frame(self.camera_id, self._times[index], index, self._size, None)

    def close(self) -> None:
        self._index = len(self._times)
