"""What is written in one transaction: rows of half a second as arrays, and the same as bytes. Knows no database."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domains.vocabulary import (
    NO_ID,
    CameraId,
    Correction,
    GlobalId,
    Merge,
    Sightings,
    Split,
    TrackingUpdate,
    TrackState,
)
from app.infrastructure.result_files import largest_sigma

Columns = dict[str, NDArray[Any]]  # by name, all of one length; NaN and NO_ID stand for NULL

VISIT_GAP_S = 3.0  # a camera that has not seen a person for longer begins a new visit
POINTS: Columns = {
    "at": np.empty(0),
    "run_id": np.empty(0, np.int32),
    "camera_id": np.empty(0, np.int32),
    "track": np.empty(0, np.int64),
    "person": np.empty(0, np.int64),
    **{name: np.empty(0, np.float32) for name in ("x_min", "y_min", "x_max", "y_max", "confidence", "certainty")},
    **{name: np.empty(0, np.float32) for name in ("x", "y", "sigma")},
}
DOTS: Columns = {
    "at": np.empty(0),
    "run_id": np.empty(0, np.int32),
    "person": np.empty(0, np.int64),
    "x": np.empty(0),
    "y": np.empty(0),
    "sigma": np.empty(0, np.float32),
    "certainty": np.empty(0, np.float32),
}
SEEN: Columns = {"person": np.empty(0, np.int64), "first_seen": np.empty(0), "last_seen": np.empty(0)}
APPEARANCES: Columns = {
    "person": np.empty(0, np.int64),
    "camera_id": np.empty(0, np.int64),
    "begun": np.empty(0),
    "ended": np.empty(0),
}
EMPTY = {"points": POINTS, "dots": DOTS, "seen": SEEN, "appearances": APPEARANCES}


@dataclass(frozen=True, slots=True)
class StateChange:
    """A camera changed at an instant from one state to another."""

    camera_id: int
    at: float
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Everything of a few updates, in order.

    Attributes:
        run_id: the start of the program that it belongs to.
        number: counts the run's batches from 1; written with them, so that each is written once.
        until: capture time of its last update.
        updates: how many.
        points: boxes of tracks.
        dots: places on the floor.
        seen: ids with the first and the last capture time that has them.
        appearances: visits that began or went on.
        corrections: with the capture time of the update that brought each.
        states: of cameras.
    """

    run_id: int
    number: int
    until: float
    updates: int
    points: Columns
    dots: Columns
    seen: Columns
    appearances: Columns
    corrections: tuple[tuple[float, Correction], ...]
    states: tuple[StateChange, ...]

    def __len__(self) -> int:
        """Return the number of rows that grow the history."""
        return len(self.points["at"]) + len(self.dots["at"])

    def pack(self) -> bytes:
        """Return it as bytes."""
        facts = {
            "run_id": self.run_id,
            "number": self.number,
            "until": self.until,
            "updates": self.updates,
            "corrections": [[at, _plain(correction)] for at, correction in self.corrections],
            "states": [[s.camera_id, s.at, s.state, s.reason] for s in self.states],
        }
        arrays = {f"{table}.{name}": c for table in EMPTY for name, c in getattr(self, table).items()}
        packed = io.BytesIO()
        np.savez(packed, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
        return packed.getvalue()


def unpack(packed: bytes) -> Batch:
    """Return the batch that was packed.

    Raises:
        ValueError: those bytes are none.
    """
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        tables = {table: {name: arrays[f"{table}.{name}"] for name in names} for table, names in EMPTY.items()}
    return Batch(
        run_id=facts["run_id"],
        number=facts["number"],
        until=facts["until"],
        updates=facts["updates"],
        corrections=tuple((at, _correction(plain)) for at, plain in facts["corrections"]),
        states=tuple(StateChange(*row) for row in facts["states"]),
        **tables,
    )


def _plain(correction: Correction) -> dict[str, Any]:
    return {name: getattr(correction, name) for name in correction.__dataclass_fields__}


def _correction(plain: Mapping[str, Any]) -> Correction:
    return (
        Merge(**plain) if "gone" in plain else Split(**{**plain, "reported": tuple(map(GlobalId, plain["reported"]))})
    )


class Batches:
    """Makes the batches of one run; remembers which visits go on.

    Args:
        run_id: of the run.
        cameras: the database's ids of the site's cameras.
    """

    def __init__(self, run_id: int, cameras: Mapping[CameraId, int]) -> None:
        self._run_id, self._cameras = run_id, cameras
        self._number = 0
        self._visits: dict[tuple[int, int], list[float]] = {}  # begin and end, by person and camera

    def join(self, updates: Sequence[TrackingUpdate], states: Sequence[StateChange]) -> Batch:
        """Return the next batch."""
        self._number += 1
        until = updates[-1].captured_at if updates else max(change.at for change in states)
        tracks = [
            self._points(sightings) for update in updates for sightings in update.sightings if len(sightings.tracks)
        ]
        dots = [self._dots(update) for update in updates if len(update.floor)]
        return Batch(
            run_id=self._run_id,
            number=self._number,
            until=until,
            updates=len(updates),
            points=_joined(tracks, POINTS),
            dots=_joined(dots, DOTS),
            seen=_seen(updates),
            appearances=self._appearances(updates, until),
            corrections=tuple((update.captured_at, c) for update in updates for c in update.corrections),
            states=tuple(states),
        )

    def _points(self, sightings: Sightings) -> Columns:
        """Return the rows of a frame: boxes that somebody has been seen in, or a track that is no mere attempt."""
        tracks, floor = sightings.tracks, sightings.floor
        kept = np.flatnonzero((sightings.global_id != NO_ID) | (tracks.state != TrackState.TENTATIVE))
        n, xyxy = len(kept), tracks.xyxy[kept]
        valid = floor.valid[kept]
        xy = np.where(valid[:, None], floor.xy[kept], np.nan)
        sigma = np.full(n, np.nan)
        sigma[valid] = largest_sigma(floor.covariance[kept][valid])
        values = (tracks.captured_at, self._run_id, self._cameras[tracks.camera_id])
        per_box = (sightings.global_id[kept], *xyxy.T, tracks.confidence[kept], sightings.certainty[kept], *xy.T, sigma)
        columns = [np.full(n, value) for value in values] + [tracks.track_id[kept], *per_box]
        return dict(zip(POINTS, columns, strict=True))

    def _dots(self, update: TrackingUpdate) -> Columns:
        floor, n = update.floor, len(update.floor)
        columns = (np.full(n, update.captured_at), np.full(n, self._run_id), floor.global_id, *floor.xy.T)
        return dict(zip(DOTS, (*columns, largest_sigma(floor.covariance), floor.certainty), strict=True))

    def _appearances(self, updates: Iterable[TrackingUpdate], until: float) -> Columns:
        """Lengthen the visits by what was seen, and return those that it concerns."""
        rows: dict[tuple[int, int, float], float] = {}
        for update in updates:
            for sightings in update.sightings:
                camera, at = self._cameras[sightings.tracks.camera_id], sightings.tracks.captured_at
                for person in sightings.global_id[sightings.global_id != NO_ID].tolist():
                    visit = self._visits.get((person, camera))
                    if visit is None or at - visit[1] > VISIT_GAP_S:
                        visit = self._visits[person, camera] = [at, at]
                    visit[1] = at
                    rows[person, camera, visit[0]] = at
        self._visits = {key: visit for key, visit in self._visits.items() if until - visit[1] <= VISIT_GAP_S}
        columns = [*zip(*rows, strict=True), tuple(rows.values())] if rows else [()] * 4
        return {name: np.array(c, like.dtype) for (name, like), c in zip(APPEARANCES.items(), columns, strict=True)}


def _joined(parts: Sequence[Columns], like: Columns) -> Columns:
    """Return the parts one below the other, in the types of `like`."""
    return {
        name: np.concatenate([part[name] for part in parts]).astype(empty.dtype) if parts else empty
        for name, empty in like.items()
    }


def _seen(updates: Iterable[TrackingUpdate]) -> Columns:
    """Return for each person of the updates the capture times of the first and the last that has them."""
    spans: dict[int, tuple[float, float]] = {}
    for update in updates:
        columns = [update.floor.global_id, *(sightings.global_id for sightings in update.sightings)]
        for person in np.unique(np.concatenate(columns)).tolist():
            if person != NO_ID:
                spans[person] = (spans.get(person, (update.captured_at,))[0], update.captured_at)
    times = np.array(list(spans.values()), dtype=np.float64).reshape(-1, 2)
    return {"person": np.array(list(spans), np.int64), "first_seen": times[:, 0], "last_seen": times[:, 1]}
