"""Makes batches of updates: what they hold as rows, and what it amounts to at places. Knows no database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.domains.analytics.watched import DotRows, OccupancyRows, Watched
from app.domains.vocabulary import (
    CameraId,
    Correction,
    FloatArray,
    IntArray,
    Merge,
    TrackingUpdate,
)
from app.infrastructure.result_files import largest_sigma
from app.infrastructure.sql_batch import (
    DOT_DECIMALS,
    DOTS,
    FOOTAGE,
    HEAT,
    OCCUPANCY,
    STAYS,
    Batch,
    Columns,
    StateChange,
)
from app.infrastructure.sql_boxes import Visits, moment, stack
from app.orchestration.floor_record import CameraTurn, FloorRecord, Found, Piece

FOOTAGE_GAP_S = 2.0  # a camera that gave no frame for longer does not run
MINUTE_S = 60.0


class Batches:
    """Makes the batches of one run; remembers which visits and whose footage go on.

    Args:
        run_id: of the run.
        cameras: the database's ids of the site's cameras.
        floor: what watches the floor's places; None for a site without floor.
    """

    def __init__(self, run_id: int, cameras: Mapping[CameraId, int], floor: FloorRecord | None = None) -> None:
        self._run_id, self._cameras, self._floor = run_id, cameras, floor
        self._names = {number: name for name, number in cameras.items()}
        self._number, self._until = 0, -np.inf  # capture time of the latest update
        self._visits = Visits()
        self._footage: dict[CameraId, list[float]] = {}  # begin and end of the latest

    def join(
        self, updates: Sequence[TrackingUpdate], states: Sequence[StateChange] = (), now: float = -np.inf
    ) -> Batch:
        """Return the next batch.

        Args:
            updates: in order of time.
            states: how cameras changed.
            now: capture time.
        """
        return self._join(updates, states, now, last=False)

    def finish(self, updates: Sequence[TrackingUpdate], states: Sequence[StateChange]) -> Batch | None:
        """Return the last batch, after which nobody is there; None where nothing ever happened."""
        watched = self._floor is not None and self._until > -np.inf
        return self._join(updates, states, self._until, last=True) if updates or states or watched else None

    def _join(
        self, updates: Sequence[TrackingUpdate], states: Sequence[StateChange], now: float, *, last: bool
    ) -> Batch:
        self._number += 1
        until = moment(updates[-1].captured_at) if updates else max((change.at for change in states), default=now)
        boxes = stack(updates, self._cameras)
        dots = _joined([self._dots(update) for update in updates if len(update.floor)], DOTS)
        dots |= {name: dots[name].round(DOT_DECIMALS) for name in ("x", "y", "sigma", "certainty")}
        instants = np.array([moment(update.captured_at) for update in updates], np.float64)
        corrections = tuple((moment(u.captured_at), _to_the_microsecond(c)) for u in updates for c in u.corrections)
        footage, running = self._run(updates)
        self._until = max(self._until, moment(updates[-1].captured_at) if updates else -np.inf)
        found = self._watch(Piece(instants, dot_rows(dots), running, corrections), states, now)
        if last and self._floor is not None and self._until > -np.inf:
            found.join(self._floor.close(self._until))
        return Batch(
            run_id=self._run_id,
            number=self._number,
            until=until,
            updates=len(updates),
            points=boxes.points(self._run_id),
            dots=dots,
            seen=boxes.seen(updates),
            appearances=self._visits.lengthen(boxes, until),
            instants={"at": instants},
            footage=footage,
            load=boxes.load(),
            **rows_of(found.watched),
            corrections=corrections,
            states=tuple(states),
            events=tuple(found.events),
        )

    def overdue(self, now: float) -> bool:
        """Say whether a batch should be made although nothing came."""
        return self._floor is not None and self._floor.overdue(now)

    def _watch(self, piece: Piece, states: Iterable[StateChange], now: float) -> Found:
        """Find what happens at places."""
        if self._floor is None:
            return Found()
        for change in states:
            self._floor.tell(CameraTurn(change.at, self._names[change.camera_id], change.state))
        return self._floor.advance(piece, now)

    def _dots(self, update: TrackingUpdate) -> Columns:
        floor, n = update.floor, len(update.floor)
        columns = (np.full(n, moment(update.captured_at)), np.full(n, self._run_id), floor.global_id, *floor.xy.T)
        return dict(zip(DOTS, (*columns, largest_sigma(floor.covariance), floor.certainty), strict=True))

    def _run(self, updates: Iterable[TrackingUpdate]) -> tuple[Columns, list[frozenset[CameraId]]]:
        """Lengthen the cameras' footage by the frames of updates.

        Returns:
            Which footage it concerns, and which cameras run at each update.
        """
        rows: dict[tuple[CameraId, float], float] = {}
        running = []
        for update in updates:
            at = moment(update.captured_at)
            for sightings in update.sightings:
                camera = sightings.tracks.camera_id
                footage = self._footage.get(camera)
                if footage is None or at - footage[1] > FOOTAGE_GAP_S:
                    footage = self._footage[camera] = [at, at]
                footage[1] = rows[camera, footage[0]] = at
            running.append(frozenset(c for c, (_, last) in self._footage.items() if at - last <= FOOTAGE_GAP_S))
        lengthened = [(self._cameras[camera], begun, ended) for (camera, begun), ended in rows.items()]
        return _columns(lengthened, FOOTAGE), running


def dot_rows(dots: Columns) -> DotRows:
    """Return dots as they are watched: what the live watch sees is what a later one reads."""
    return DotRows(*(dots[name] for name in ("at", "person", "x", "y", "sigma", "certainty")))


def rows_of(watched: Iterable[Watched]) -> dict[str, Columns]:
    """Return stays, occupancy and heat as rows, each key once."""
    stays: dict[tuple[str, int, float], tuple[float, int, str]] = {}
    occupancy: dict[tuple[str, float], list[float]] = {}
    minutes, cells, seconds = [HEAT["at"]], [HEAT["cell"]], [HEAT["seconds"]]
    for part in watched:
        found = part.stays
        keys = zip(found.place, found.person.tolist(), found.begun.tolist(), strict=True)
        rest = zip(found.ended.tolist(), found.place_version.tolist(), map(str, found.ending), strict=True)
        stays.update(zip(keys, rest, strict=True))
        _add(occupancy, part.occupancy)
        minutes.append(part.heat.minute)
        cells.append(part.heat.cell.astype(np.int64))
        seconds.append(part.heat.seconds)
    return {
        "stays": _columns([(*key, *rest) for key, rest in stays.items()], STAYS),
        "occupancy": _columns([(*key, *sums) for key, sums in occupancy.items()], OCCUPANCY),
        "heat": _heat(np.concatenate(minutes), np.concatenate(cells), np.concatenate(seconds)),
    }


def _add(sums: dict[tuple[str, float], list[float]], rows: OccupancyRows) -> None:
    """Add rows to what is known of their place and minute; of peaks the larger one counts."""
    names = [name for name in OCCUPANCY if name not in {"place", "at"}]
    peak = names.index("peak")
    values = zip(*(getattr(rows, name).tolist() for name in names), strict=True)
    for key, row in zip(zip(rows.place, rows.minute.tolist(), strict=True), values, strict=True):
        before = sums.get(key)
        if before is None:
            sums[key] = list(row)
            continue
        most = max(before[peak], row[peak])
        sums[key] = [a + b for a, b in zip(before, row, strict=True)]
        sums[key][peak] = most


def _heat(minute: FloatArray, cell: IntArray, seconds: FloatArray) -> Columns:
    """Add up the seconds of each minute and cell."""
    keys, row = np.unique(np.stack([minute, cell], axis=1), axis=0, return_inverse=True)
    return {
        "at": keys[:, 0],
        "cell": keys[:, 1].astype(np.int64),
        "seconds": np.bincount(row, weights=seconds, minlength=len(keys)),
    }


def _columns(rows: Sequence[tuple[Any, ...]], like: Columns) -> Columns:
    """Return rows as columns in the types of `like`."""
    columns = zip(*rows, strict=True) if rows else [()] * len(like)
    return {name: np.array(c, empty.dtype.type) for (name, empty), c in zip(like.items(), columns, strict=True)}


def _to_the_microsecond(correction: Correction) -> Correction:
    if isinstance(correction, Merge):
        return correction
    return replace(correction, since=moment(correction.since), until=moment(correction.until))


def _joined(parts: Sequence[Columns], like: Columns) -> Columns:
    """Return the parts one below the other, in the types of `like`."""
    return {
        name: np.concatenate([part[name] for part in parts]).astype(empty.dtype) if parts else empty
        for name, empty in like.items()
    }
