"""Watches the record of a floor: who is at which place since when, what happens there, and what it adds up to.

One engine for what happens now and for what is read again from the history: whether it is given the updates one by one
or thousands at once makes no difference to what it finds. Knows no store, no clock and no camera's image.

- A border is as wide as a dot is uncertain. Somebody has come in when the dot is farther inside than that, and has
  left when it is farther outside; the first dot of a person decides without doubt.
- Time counts between two dots of a person. What lies between two updates more than `gap_s` apart was not watched.
- Who has no dot for `lost_s` was there until the last one. So a stay ends with a dot and begins with one.
- Corrections rename people, who stay where they are: nobody comes or goes, and the stay goes on in a row of its own
  under the other id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from app.domains.analytics import tally
from app.domains.analytics.coverage import Coverage
from app.domains.analytics.figures import Ending, Event, EventKind
from app.domains.analytics.heat import cell_of
from app.domains.analytics.membership import follow
from app.domains.analytics.places import Line, PlaceId, PlaceVersion, Zone
from app.domains.analytics.polygon import depth_of
from app.domains.analytics.standing import Ended, Standing
from app.domains.analytics.tables import AREA, CLOCK, NOTE, RULES, TOTAL, Note, Table
from app.domains.analytics.tally import Names
from app.domains.analytics.watched import (
    DotRows,
    HeatRows,
    StayRows,
    Watched,
    no_heat,
    no_occupancy,
)
from app.domains.vocabulary import CameraId, Correction, FloatArray, GlobalId, IntArray, Merge

WIDEST_SHARE = 0.5  # of a zone's depth, that its border may be wide
LASTING, CROWDED = {EventKind.EXIT, EventKind.DWELL}, {EventKind.CAPACITY, EventKind.CALM}
KINDS = {  # by number, which is faster than by Note
    int(note): kind
    for note, kind in {
        Note.ENTER: EventKind.ENTER,
        Note.LEAVE: EventKind.EXIT,
        Note.LOSE: EventKind.EXIT,
        Note.INWARDS: EventKind.CROSS,
        Note.OUTWARDS: EventKind.CROSS,
        Note.DWELL: EventKind.DWELL,
        Note.CAPACITY: EventKind.CAPACITY,
        Note.CALM: EventKind.CALM,
    }.items()
}


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """When somebody is at a place."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    lost_s: float = 3.0  # without a dot; as long as a camera's visit may be interrupted
    gap_s: float = 1.0  # between updates; what is beyond was not watched
    stride_s: float = 1.0  # ways are taken between places so far apart in time, so that noise does not walk
    border_sigmas: float = 1.0  # half width of a border, in standard deviations of the dot
    least_sigma_m: float = 0.05
    most_sigma_m: float = 0.5
    report_s: float = 1.0  # a stay that goes on is reported no more often

    def __post_init__(self) -> None:
        if not min(self.lost_s, self.gap_s, self.stride_s) > 0.0:
            raise ValueError("lost_s, gap_s and stride_s must be positive")
        if self.lost_s > tally.MINUTE_S:
            raise ValueError("lost_s must be at most 60")
        if min(self.border_sigmas, self.report_s) < 0.0 or not 0.0 <= self.least_sigma_m <= self.most_sigma_m:
            raise ValueError("border_sigmas, report_s and least_sigma_m <= most_sigma_m must not be negative")


class FloorWatch:
    """Watches one site's floor from some instant on.

    Args:
        places: the newest version of each place that is in use, or all of them; zones and lines may be mixed.
        coverage: what each camera sees, of whatever places.
        config: when somebody is at a place.
    """

    def __init__(self, places: Sequence[PlaceVersion], coverage: Coverage, config: WatchConfig | None = None) -> None:
        self.config = config or WatchConfig()
        self._coverage = coverage
        self._rules = np.array([tuple(getattr(self.config, name) for name in RULES.names or ())], RULES)
        self._clock = np.array([(np.nan, 0.0, np.nan, 0.0)], CLOCK)
        self._running: dict[CameraId, bool] = {}
        self._draw(places)
        self._standing = Standing(len(self._areas), len(self._ends))

    def update(
        self,
        instants: FloatArray,
        dots: DotRows,
        running: Sequence[frozenset[CameraId]],
        corrections: Sequence[tuple[float, Correction]] = (),
    ) -> Watched:
        """Take in what was recorded at some instants.

        Args:
            instants: (T,) capture times of the updates, not decreasing, whether or not they have dots.
            dots: of these instants; a dot between two of them belongs to the later one.
            running: T sets, the cameras that gave frames lately.
            corrections: with the capture time of the update that brought each, which follows it already; in order.

        Raises:
            ValueError: times go back, or dots lie behind the last instant.
        """
        instants = np.array(instants, np.float64)  # compiled code knows arrays by whether they can be written into
        self._check(instants, dots, running)
        somewhere = np.isfinite(dots.x) & np.isfinite(dots.y)  # a dot that is nowhere says nothing
        person, xy = dots.person[somewhere], np.stack([dots.x, dots.y], axis=1)[somewhere]
        # in single precision, as they are stored, so that what is read again is what was seen
        trust = np.stack([dots.sigma, dots.certainty], axis=1)[somewhere].astype(np.float32).astype(np.float64)
        renamed = [renamed for _, correction in corrections for renamed in _names(correction)]
        self._standing.admit(np.concatenate([np.unique(person), np.array(renamed, np.int64)]))
        row, first = self._standing.rows(person), np.zeros(len(instants) + 1, np.int64)
        first[1:] = np.searchsorted(dots.at[somewhere], instants, side="right")
        shares, (minutes, minute) = self._shares(running), tally.minutes_of(instants)
        totals = np.zeros((len(minutes), shares.shape[1]), TOTAL)
        notes, credit, ended = [np.zeros(0, NOTE)], [np.zeros((0, 2))], []
        for steps, correction in _parts(instants, corrections):
            if correction is not None:
                ended += self._follow(correction)
            rows = slice(first[steps.start], first[steps.stop])
            found, time = follow(
                (instants[steps], minute[steps], shares[steps], first[steps.start : steps.stop + 1] - rows.start),
                (row[rows], xy[rows], trust[rows]),
                (self._standing.people, self._standing.stays, self._standing.passages),
                (self._areas, self._corners, self._ends),
                (self._clock, self._rules),
                totals,
            )
            notes.append(found)
            credit.append(time)
        of_dot = np.repeat(minute, np.diff(first))
        heat = tally.heat(minutes, of_dot, cell_of(xy), np.concatenate(credit))
        return self._watched(np.concatenate(notes), ended, (minutes, totals), heat)

    def redraw(self, places: Sequence[PlaceVersion], at: float) -> Watched:
        """Take up new versions of places from a capture time on, or from the last instant if that is later.

        Stays at places that were changed or removed end with the last dot, as of somebody who was lost, and a crowd in
        them is over. Who is inside a new outline has not come in: the stay begins with the next dot, and no event.
        """
        zones, over = len(self._areas), self._areas["over"]
        before, people = self._names, self._standing.inside().sum(axis=0)
        drawn = {key: place for place, key in enumerate(before.versioned())}
        self._draw(places)
        kept = np.array([drawn.get(key, 0) for key in self._names.versioned()], np.int64)
        kept_zones, kept_lines = np.split(kept[1:] - 1, [len(self._areas)])
        ended = self._standing.redraw(kept_zones, np.where(kept_lines >= 0, kept_lines - zones, -1))
        self._areas["over"][kept_zones >= 0] = over[kept_zones[kept_zones >= 0]]
        since = float(np.fmax(at, self._clock["at"][0]))
        calm = tuple(
            Event(0, since, before.ids[place], int(before.versions[place]), EventKind.CALM, people=int(people[place]))
            for place in np.setdiff1d(np.flatnonzero(over), kept_zones) + 1
        )
        return Watched(calm, tally.cut_off(ended, before), no_occupancy(), no_heat())

    def camera(self, at: float, camera: CameraId, running: bool) -> tuple[Event, ...]:
        """Take note whether a camera runs; return an event for the floor and each place that it sees, if that changes.

        A camera that has never been heard of is taken to have run.
        """
        if self._running.get(camera, True) == running:
            return ()
        self._running[camera] = running
        kind = EventKind.HEARD if running else EventKind.SILENT
        seen = self._coverage.sees(camera)
        seen[0] = True
        return tuple(
            Event(0, at, self._names.ids[place], int(self._names.versions[place]), kind, camera_id=camera)
            for place in np.flatnonzero(seen)
        )

    def close(self, at: float) -> Watched:
        """Stop watching until a capture time: stays end with their last dot, as of people who were lost.

        Nobody has left, so that there are no events.
        """
        self._clock["at"] = np.fmax(at, self._clock["at"])
        ended = self._standing.empty()
        return Watched((), tally.cut_off(ended, self._names), no_occupancy(), no_heat())

    def now(self) -> Mapping[PlaceId, IntArray]:
        """Return the people (N,) with a dot within the last `gap_s` on the floor and in each zone, in order."""
        lately = self._standing.people["seen"] >= self._clock["at"][0] - self.config.gap_s
        inside, people = self._standing.inside()[lately], self._standing.people["id"][lately]
        places = zip(self._names.ids, inside.T, strict=False)  # lines have no people
        return {place: people[there].astype(np.int64) for place, there in places}

    def _draw(self, places: Sequence[PlaceVersion]) -> None:
        """Put the newest versions of the places that are in use into arrays."""
        newest = {version.place_id: version for version in sorted(places, key=lambda version: version.version)}
        drawn = sorted((v for v in newest.values() if v.place is not None), key=lambda v: isinstance(v.place, Line))
        zones = [v.place for v in drawn if isinstance(v.place, Zone)]
        lines = [v.place for v in drawn if isinstance(v.place, Line)]
        self._coverage = self._coverage.redrawn([*zones, *lines])
        self._names = Names(self._coverage.place_ids, np.array([0, *(v.version for v in drawn)], np.int64))
        self._restricted = np.array([False, *(z.restricted for z in zones), *(False for _ in lines)])
        self._areas, self._corners = _areas(zones)
        self._ends = np.array([line.ends for line in lines], np.float64).reshape(-1, 2, 2)

    def _check(self, instants: FloatArray, dots: DotRows, running: Sequence[frozenset[CameraId]]) -> None:
        if len(running) != len(instants):
            raise ValueError(f"running has {len(running)} sets, expected {len(instants)}")
        last = self._clock["at"][0]
        times = instants if np.isnan(last) else np.concatenate([[last], instants])
        if not np.isfinite(times).all() or (np.diff(times) < 0.0).any():
            raise ValueError("instants must be finite and must not decrease, from one call to the next either")
        if len(dots) and ((np.diff(dots.at) < 0.0).any() or not len(instants) or not dots.at[-1] <= instants[-1]):
            raise ValueError("dots must be in order of time, and none behind the last instant")

    def _shares(self, running: Sequence[frozenset[CameraId]]) -> FloatArray:
        """Return the share of each place that is seen at each instant, (T, P)."""
        number: dict[frozenset[CameraId], int] = {}
        numbers = [number.setdefault(cameras, len(number)) for cameras in running]
        shares = np.array([self._coverage.share(cameras) for cameras in number]).reshape(-1, len(self._names.ids))
        found: FloatArray = shares[np.array(numbers, np.int64)]
        return found

    def _follow(self, correction: Correction) -> list[Ended]:
        """Let the people whom a correction concerns now go on under their new ids."""
        if isinstance(correction, Merge):
            return self._standing.rename(correction.gone, correction.kept)
        mixed = self._standing.rows(np.array([correction.mixed]))[0]
        whole = not correction.reported or correction.mixed in correction.reported
        if whole and correction.since <= self._standing.people["seen"][mixed] < correction.until:
            return self._standing.rename(correction.mixed, correction.apart)
        return []  # of what is past; who has been apart now begins with a dot of their own

    def _watched(self, notes: Table, ended: list[Ended], totals: tuple[IntArray, Table], heat: HeatRows) -> Watched:
        """Put together what was found, and forget those who are not there any more."""
        people = self._standing.people["id"]
        events = tuple(event for note in notes[notes["place"] > 0] for event in self._events(note, people))
        stays = self._stays(notes, ended)
        self._standing.leave_out_absent()
        return Watched(events, stays, tally.occupancy(notes, *totals, self._names.ids), heat)

    def _events(self, note: np.record, people: IntArray) -> tuple[Event, ...]:
        number, at, place, row, figure, _ = note.item()
        kind = KINDS[number]
        event = Event(
            event_id=0,
            at=at,
            place_id=self._names.ids[place],
            place_version=int(self._names.versions[place]),
            kind=kind,
            identity=GlobalId(int(people[row])) if row >= 0 else None,
            inwards=number == Note.INWARDS if kind == EventKind.CROSS else None,
            dwell_s=figure if kind in LASTING else None,
            people=int(figure) if kind in CROWDED else None,
        )
        if kind == EventKind.ENTER and self._restricted[place]:
            return event, replace(event, kind=EventKind.RESTRICTED)
        return (event,)

    def _stays(self, notes: Table, ended: list[Ended]) -> StayRows:
        """Return the stays that ended, by themselves and by corrections, and of those that go on the ones due."""
        people = self._standing.people["id"]
        over = notes[np.isin(notes["kind"], [Note.LEAVE, Note.LOSE]) & ~np.isnan(notes["row"])]
        how = [Ending.LEFT if kind == Note.LEAVE else Ending.LOST for kind in over["kind"]]
        by_itself = over["place"], people[over["person"]], over["row"], over["at"]
        row, place, begun, until = self._standing.to_report(self.config.report_s)
        there = place, people[row], begun, until
        return tally.joined(
            tally.stay_rows(by_itself, how, self._names),
            tally.cut_off(ended, self._names),
            tally.stay_rows(there, [Ending.HERE] * len(row), self._names),
        )


def _names(correction: Correction) -> tuple[GlobalId, GlobalId]:
    if isinstance(correction, Merge):
        return correction.gone, correction.kept
    return correction.mixed, correction.apart


def _parts(
    instants: FloatArray, corrections: Sequence[tuple[float, Correction]]
) -> Iterator[tuple[slice, Correction | None]]:
    """Yield the instants in parts, each behind the correction that comes before it."""
    begin, before = 0, None
    for at, correction in corrections:
        until = max(int(np.searchsorted(instants, at)), begin)
        yield slice(begin, until), before
        begin, before = until, correction
    yield slice(begin, len(instants)), before


def _areas(zones: Sequence[Zone]) -> tuple[Table, FloatArray]:
    """Return the zones as a table of type AREA, and the corners of all of them, (V, 2)."""
    corners = np.concatenate([np.zeros((0, 2)), *(zone.polygon for zone in zones)])
    ends = np.cumsum([0, *(len(zone.polygon) for zone in zones)])
    areas = np.zeros(len(zones), AREA)
    areas["begin"], areas["end"] = ends[:-1], ends[1:]
    areas["capacity"] = [-1 if zone.capacity is None else zone.capacity for zone in zones]
    areas["max_dwell_s"] = [np.inf if zone.max_dwell_s is None else zone.max_dwell_s for zone in zones]
    for area in areas:
        polygon = corners[area["begin"] : area["end"]]
        area["x_min"], area["y_min"] = polygon.min(axis=0)
        area["x_max"], area["y_max"] = polygon.max(axis=0)
        area["widest"] = WIDEST_SHARE * depth_of(polygon)
    return areas, corners
