"""What a site's history is asked, and what operators do to it. Knows no database and no route.

Times are capture times, and every period includes its begin and excludes its end. What is asked about identities
follows the corrections that stand at the moment of asking.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Protocol

from app.domains.analytics.figures import Event, EventKind, HeatMap, OccupancySeries, Period, Quality, Stays
from app.domains.analytics.places import Place, PlaceId, PlaceVersion
from app.domains.vocabulary import BoxArray, CameraId, Correction, FloatArray, GlobalId, IntArray
from app.orchestration.ports import Visit


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a long answer is wanted.

    Attributes:
        after: what `Paged.next` of the part before was; None for the first part.
        limit: items at most.
    """

    limit: int
    after: tuple[float, int] | None = None


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """A person of the history.

    Attributes:
        certainty: of the last correction that made the person what they are; None where none was made.
        reported: ids that were reported for the person, the identity's own among them.
    """

    identity: GlobalId
    first_seen: float
    last_seen: float
    certainty: float | None
    reported: tuple[GlobalId, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedCorrection:
    """A correction as the history keeps it.

    Attributes:
        correction_id: of the database.
        at: capture time of the update that brought it, or of the operator's order.
        taken_back_at: None while it stands.
    """

    correction_id: int
    at: float
    correction: Correction
    taken_back_at: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """Places on the floor, corrections followed: parallel arrays of length N, by time and then by identity.

    Attributes:
        at: (N,) capture times.
        identity: (N,) int64.
        xy: (N, 2) metres.
        sigma: (N,) metres.
        certainty: (N,) probability that the id is right.
    """

    at: FloatArray
    identity: IntArray
    xy: FloatArray
    sigma: FloatArray
    certainty: FloatArray

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of tracks, corrections followed: parallel arrays of length N, by time and then by camera.

    Attributes:
        at: (N,) capture times.
        camera: N camera ids.
        track: (N,) int64.
        identity: (N,) int64, NO_ID where nobody knows.
        xyxy: (N, 4) float32 pixels.
        confidence: (N,) in [0, 1]; 0 for a box that was filled in.
        xy: (N, 2) metres; NaN where the box has no floor point.
    """

    at: FloatArray
    camera: tuple[CameraId, ...]
    track: IntArray
    identity: IntArray
    xyxy: BoxArray
    confidence: FloatArray
    xy: FloatArray

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class CameraUptime:
    """How a camera did within a period.

    Attributes:
        states: (capture time, state, reason) of each change, the one that was in force at the begin first.
        running_s: seconds that it gave frames; out_s: that it did not; the rest nobody watched (the program was off).
        frames: None where the roll-ups do not tell; so the next two.
        boxes: in all frames.
        confidence: mean of all boxes.
    """

    camera_id: CameraId
    states: tuple[tuple[float, str, str | None], ...]
    running_s: float
    out_s: float
    frames: int | None
    boxes: int | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; empty collections mean all, and so does None."""

    period: Period
    places: Collection[PlaceId] = ()
    kinds: Collection[EventKind] = ()
    identity: GlobalId | None = None
    camera: CameraId | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What is asked most, of one place and period, read in one go.

    Attributes:
        visitors: different people; None of a line, at which nobody is.
        entered: stays that began, corrections followed; of a line, crossings inwards as they were seen; None where
            nothing was observed, and so the next two.
        left: stays that ended; of a line, crossings outwards.
        peak: the most people at once, and the begin of the hour in which they were.
        mean_dwell_s: of the stays that have ended; None without any.
        hours: whole hours of UTC, the one with the period's begin first.
        cameras: how each did.
        events: the newest, newest first.
    """

    place_id: PlaceId
    period: Period
    visitors: int | None
    entered: int | None
    left: int | None
    peak: tuple[int, float] | None
    mean_dwell_s: float | None
    hours: OccupancySeries
    cameras: tuple[CameraUptime, ...]
    events: tuple[Event, ...]
    quality: Quality


class Archive(Protocol):
    """The history of one site over all its runs. Asked by the event loop; every call may raise StoreError."""

    async def begin(self) -> float | None:
        """Return the capture time of the oldest dot or state that is kept; None for an empty history."""
        ...

    async def places(self) -> tuple[PlaceVersion, ...]:
        """Return every version of every place, by place and version."""
        ...

    async def draw(self, place: Place, at: float) -> PlaceVersion:
        """Enter a place, or a new version of it, in force from `at` on; returns the newest where it is drawn so."""
        ...

    async def erase(self, place: PlaceId, at: float) -> bool:
        """Take a place out of use; returns whether it was in use."""
        ...

    async def occupancy(
        self, place: PlaceId, period: Period, bucket_s: float, without: Collection[str] = ()
    ) -> OccupancySeries:
        """Return how many people were at a place; `bucket_s` is a multiple of 60, the period's ends of the bucket.

        With the tags of people who do not count, who came and went follows corrections, and nothing is known of speed.
        """
        ...

    async def dashboard(
        self, place: PlaceId, period: Period, without: Collection[str] = (), events: int = 10
    ) -> Dashboard:
        """Return what is asked most; events are those of the whole site.

        People with one of the tags `without` are left out.
        """
        ...

    async def quality(self, place: PlaceId, period: Period) -> Quality:
        """Return how far figures of a place can be trusted."""
        ...

    async def visitors(self, place: PlaceId, period: Period, without: Collection[str] = ()) -> int:
        """Count the different people at a place, those with one of the tags `without` left out."""
        ...

    async def stays(
        self,
        places: Collection[PlaceId],
        period: Period,
        identity: GlobalId | None = None,
        without: Collection[str] = (),
    ) -> Stays:
        """Return the stays that overlap a period, whole and not cut to it; no places means all that are drawn."""
        ...

    async def heat(
        self, period: Period, cell_m: float, identity: GlobalId | None = None, without: Collection[str] = ()
    ) -> HeatMap:
        """Return where people were, one or all but those with one of the tags; `cell_m` is a multiple of 0.25."""
        ...

    async def events(self, which: EventFilter, page: Page) -> tuple[Event, ...]:
        """Return events, newest first; a page goes on after (at, event_id) of the last."""
        ...

    async def identities(self, period: Period, page: Page, tag: str | None = None) -> tuple[IdentitySummary, ...]:
        """Return who was there, who was seen last first; a page goes on after (last_seen, identity) of the last."""
        ...

    async def tagged(self, tags: Collection[str]) -> IntArray:
        """Return the people (N,) that have one of some tags."""
        ...

    async def identity(self, identity: GlobalId) -> IdentitySummary | None:
        """Return one person, asked by any id that was reported for them; None for nobody."""
        ...

    async def visits(self, identity: GlobalId, period: Period) -> tuple[Visit, ...]:
        """Return which cameras saw a person, by begin."""
        ...

    def dots(self, period: Period, identity: GlobalId | None = None) -> AsyncIterator[Dots]:
        """Yield the places of a period in order, in parts of bounded size."""
        ...

    def boxes(self, period: Period, camera: CameraId | None = None) -> AsyncIterator[Boxes]:
        """Yield the boxes of a period in order, in parts of bounded size."""
        ...

    async def uptime(self, period: Period) -> tuple[CameraUptime, ...]:
        """Return how each camera did, by camera."""
        ...

    async def corrections(self, page: Page, *, standing: bool = False) -> tuple[RecordedCorrection, ...]:
        """Return corrections, newest first; a page goes on after (at, correction_id) of the last."""
        ...

    async def correct(self, correction: Correction, at: float) -> RecordedCorrection | None:
        """Enter an operator's correction, the ids in it being any that were reported for the people meant.

        A Split whose `apart` is NO_ID makes a new person, whose id the answer has.

        Returns:
            None where it names somebody unknown, or changes nothing.
        """
        ...

    async def take_back(self, correction_id: int, at: float) -> RecordedCorrection | None:
        """Take a correction back: the history reads as if it had never been made; None if it did not stand."""
        ...

    async def tag(self, identity: GlobalId, tags: Collection[str]) -> IdentitySummary | None:
        """Replace a person's tags; None for nobody."""
        ...
