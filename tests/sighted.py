"""Makes what the frame path gives out from rows of numbers, for the tests of those who take it in."""

from collections.abc import Sequence

import numpy as np

from app.domains.vocabulary import NO_ID, CameraId, FloorPoints, Sightings, Tracks, TrackState


def sighted(
    camera: str,
    time: float,
    people: Sequence[Sequence[float]],
    *,
    tracks: Sequence[int] | None = None,
    confidence: float = 1.0,
) -> Sightings:
    """Make a frame's sightings without floor points, from rows of global id, left, top, right, bottom."""
    table = np.array(people, dtype=np.float64).reshape(-1, 5)
    n = len(table)
    boxes = Tracks(
        camera_id=CameraId(camera),
        captured_at=time,
        track_id=np.arange(n) + 1 if tracks is None else np.array(tracks, dtype=np.int64),
        state=np.full(n, int(TrackState.CONFIRMED)),
        row=np.arange(n),
        xyxy=table[:, 1:].astype(np.float32),
        confidence=np.full(n, confidence, np.float32),
        appearance=np.zeros((n, 0), np.float32),
        certainty=np.ones(n),
    )
    nowhere = FloorPoints(CameraId(camera), np.full((n, 2), np.nan), np.full((n, 2, 2), np.nan), np.zeros(n, np.bool_))
    global_id = table[:, 0].astype(np.int64)
    return Sightings(boxes, global_id, nowhere, (global_id != NO_ID).astype(np.float64))
