"""What is written in one transaction: rows of half a second as arrays, and the same as bytes. Knows no database."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domains.analytics.figures import Event, EventKind
from app.domains.vocabulary import Correction, GlobalId, Merge, Split

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
DOT_DECIMALS = 4  # of metres and certainty: a tenth of a millimetre is a thousandth of how sharply anybody is seen
INSTANTS: Columns = {"at": np.empty(0)}
FOOTAGE: Columns = {"camera_id": np.empty(0, np.int64), "begun": np.empty(0), "ended": np.empty(0)}
LOAD: Columns = {  # to be added to what is there
    "camera_id": np.empty(0, np.int64),
    "at": np.empty(0),
    "frames": np.empty(0, np.int64),
    "boxes": np.empty(0, np.int64),
    "confidence": np.empty(0),
}
STAYS: Columns = {
    "place": np.empty(0, np.str_),
    "person": np.empty(0, np.int64),
    "begun": np.empty(0),
    "ended": np.empty(0),
    "place_version": np.empty(0, np.int64),
    "ending": np.empty(0, np.str_),
}
OCCUPANCY: Columns = {  # to be added to what is there
    "place": np.empty(0, np.str_),
    "at": np.empty(0),
    **{name: np.empty(0) for name in ("observed_s", "watched_s", "person_s", "distance_m", "sigma_s", "certainty_s")},
    **{name: np.empty(0, np.int64) for name in ("peak", "entered", "gone")},
}
HEAT: Columns = {"at": np.empty(0), "cell": np.empty(0, np.int64), "seconds": np.empty(0)}  # the same
EMPTY = {
    "points": POINTS,
    "dots": DOTS,
    "seen": SEEN,
    "appearances": APPEARANCES,
    "instants": INSTANTS,
    "footage": FOOTAGE,
    "load": LOAD,
    "stays": STAYS,
    "occupancy": OCCUPANCY,
    "heat": HEAT,
}


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
        instants: capture times of the updates.
        footage: of cameras, that began or went on.
        load: of cameras, by minute.
        stays: that began, went on or ended.
        occupancy: of places, by minute.
        heat: person-seconds of cells, by minute.
        corrections: with the capture time of the update that brought each.
        states: of cameras.
        events: at places.
    """

    run_id: int
    number: int
    until: float
    updates: int
    points: Columns
    dots: Columns
    seen: Columns
    appearances: Columns
    instants: Columns
    footage: Columns
    load: Columns
    stays: Columns
    occupancy: Columns
    heat: Columns
    corrections: tuple[tuple[float, Correction], ...]
    states: tuple[StateChange, ...]
    events: tuple[Event, ...]

    def __len__(self) -> int:
        """Return the number of rows that grow the history."""
        return len(self.points["at"]) + len(self.dots["at"])

    @property
    def last_id(self) -> int:
        """The largest id of a person in it; 0 without any."""
        ids = [int(person) for _, correction in self.corrections for person in ids_of(correction)]
        return max([*self.seen["person"].tolist(), *ids], default=0)

    def pack(self) -> bytes:
        """Return it as bytes."""
        facts = {
            "run_id": self.run_id,
            "number": self.number,
            "until": self.until,
            "updates": self.updates,
            "corrections": [[at, _plain(correction)] for at, correction in self.corrections],
            "states": [[s.camera_id, s.at, s.state, s.reason] for s in self.states],
            "events": [asdict(event) for event in self.events],
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
        events=tuple(Event(**{**event, "kind": EventKind(event["kind"])}) for event in facts["events"]),
        **tables,
    )


def ids_of(correction: Correction) -> tuple[GlobalId, ...]:
    """Return the ids of all people whom a correction names."""
    if isinstance(correction, Merge):
        return correction.gone, correction.kept
    return correction.mixed, correction.apart, *correction.reported


def _plain(correction: Correction) -> dict[str, Any]:
    return {name: getattr(correction, name) for name in correction.__dataclass_fields__}


def _correction(plain: Mapping[str, Any]) -> Correction:
    return (
        Merge(**plain) if "gone" in plain else Split(**{**plain, "reported": tuple(map(GlobalId, plain["reported"]))})
    )
