"""Follows the record of a floor: what people draw and cameras do takes effect at its instant, not when it is told.

The record is some seconds behind, so that what happens now waits here until the record has come so far. Knows no store
and no clock: the same record, told in other pieces, gives the same findings.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from app.domains.analytics.figures import Event
from app.domains.analytics.places import PlaceId, PlaceVersion
from app.domains.analytics.watch import FloorWatch
from app.domains.analytics.watched import DotRows, Watched
from app.domains.vocabulary import CameraId, Correction, FloatArray, IntArray

PATIENCE_S = 5.0  # a record that has not come so far by then does not go on: `HistoryConfig.lag_s` is 2 s
SILENT = frozenset({"lost", "ended"})  # states of a camera
RUNNING = frozenset({"live", "late"})  # others say nothing about either


@dataclass(slots=True)
class Found:
    """What a part of the record amounts to."""

    watched: list[Watched] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def add(self, watched: Watched) -> None:
        """Put what was watched behind what was found before."""
        self.watched.append(watched)
        self.events += watched.events

    def join(self, later: "Found") -> None:
        """Put what was found later behind it."""
        self.watched += later.watched
        self.events += later.events


@dataclass(frozen=True, slots=True)
class Redraw:
    """From an instant on, these are the places in force."""

    at: float
    places: tuple[PlaceVersion, ...]


@dataclass(frozen=True, slots=True)
class CameraTurn:
    """From an instant on, a camera was in another state."""

    at: float
    camera_id: CameraId
    state: str


Turn = Redraw | CameraTurn


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of the record.

    Attributes:
        instants: (T,) capture times of its updates, increasing.
        dots: of all of them, by time.
        running: T sets of cameras.
        corrections: with the capture times of the updates that brought them, by time.
    """

    instants: FloatArray
    dots: DotRows
    running: Sequence[frozenset[CameraId]]
    corrections: Sequence[tuple[float, Correction]] = ()

    def __len__(self) -> int:
        return len(self.instants)

    def cut(self, begin: int, end: int) -> "Piece":
        """Return the updates from one number to another, exclusive."""
        instants = self.instants[begin:end]
        since, until = instants[0], instants[-1]
        rows = slice(*np.searchsorted(self.dots.at, [since, np.nextafter(until, np.inf)]))
        dots = DotRows(*(getattr(self.dots, column.name)[rows] for column in fields(DotRows)))
        corrections = [(at, correction) for at, correction in self.corrections if since <= at <= until]
        return Piece(instants, dots, self.running[begin:end], corrections)


class FloorRecord:
    """Feeds a FloorWatch. Used by one thread, but for `tell` and `people`.

    Args:
        watch: with the places in force at the record's begin.
    """

    def __init__(self, watch: FloorWatch) -> None:
        self._watch = watch
        self._told: deque[Turn] = deque()
        self._turns: list[Turn] = []  # by time
        self._people: Mapping[PlaceId, IntArray] = {}

    def tell(self, turn: Turn) -> None:
        """Have a turn take effect at its instant; any thread may say so."""
        self._told.append(turn)

    def people(self) -> Mapping[PlaceId, IntArray]:
        """Return the people (N,) at each place, where the record is now; any thread may ask."""
        return self._people

    def overdue(self, now: float) -> bool:
        """Say whether something waits for a record that does not go on."""
        self._listen()
        return bool(self._turns) and self._turns[0].at <= now - PATIENCE_S

    def advance(self, piece: Piece, now: float = -np.inf) -> Found:
        """Take in the next part of the record.

        Args:
            piece: which may be empty.
            now: capture time; what was told long before it takes effect without waiting for the record.
        """
        self._listen()
        found, begin = Found(), 0
        reached = max(piece.instants[-1] if len(piece) else -np.inf, now - PATIENCE_S)
        while self._turns and self._turns[0].at <= reached:
            turn = self._turns.pop(0)
            end = int(np.searchsorted(piece.instants, turn.at))
            if begin < end:
                self._update(found, piece.cut(begin, end))
            self._apply(found, turn)
            begin = max(begin, end)
        if begin < len(piece):
            self._update(found, piece if begin == 0 else piece.cut(begin, len(piece)))
        self._people = self._watch.now()
        return found

    def close(self, at: float) -> Found:
        """End the record at a capture time: whoever is there is lost from sight."""
        self._listen()
        found = Found()
        while self._turns and self._turns[0].at <= at:
            self._apply(found, self._turns.pop(0))
        found.add(self._watch.close(at))
        self._people = {}
        return found

    def _listen(self) -> None:
        """Take in what was told, in order of time."""
        while self._told:
            self._turns.append(self._told.popleft())
            self._turns.sort(key=lambda turn: turn.at)

    def _update(self, found: Found, piece: Piece) -> None:
        found.add(self._watch.update(piece.instants, piece.dots, piece.running, piece.corrections))

    def _apply(self, found: Found, turn: Turn) -> None:
        if isinstance(turn, Redraw):
            found.add(self._watch.redraw(turn.places, turn.at))
        elif turn.state in SILENT | RUNNING:
            found.events += self._watch.camera(turn.at, turn.camera_id, turn.state in RUNNING)
