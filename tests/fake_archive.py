"""An Archive in memory: a day's history of a small shop, with real arrays."""

from dataclasses import replace

import numpy as np

from app.domains.analytics.figures import Ending, Event, EventKind, HeatMap, OccupancySeries, Period, Quality, Stays
from app.domains.analytics.places import FLOOR, Line, PlaceId, PlaceVersion, Zone
from app.domains.vocabulary import CameraId, GlobalId, Merge
from app.errors import StoreError
from app.orchestration.archive import (
    Boxes,
    CameraUptime,
    Dashboard,
    Dots,
    IdentitySummary,
    RecordedCorrection,
)
from app.orchestration.ports import Visit

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
TILL = Zone(PlaceId("till"), "Till", np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]]), capacity=3, queue=True)
DOOR = Line(PlaceId("door"), "Door", np.array([[4.0, 0.0], [6.0, 0.0]]))
QUALITY = Quality(0.75, ((CameraId("west"), 900.0),), 0.1234567, 0.98765, 2700.0)
UNSEEN = Quality(0.0, (), None, None, 0.0)


class FakeArchive:
    """What happened between NOON and an hour later; `broken` makes every question fail."""

    def __init__(self):
        self.broken, self.asked = False, []
        self.versions = [PlaceVersion(place.place_id, 1, NOON - 3600.0, place) for place in (DOOR, TILL)]
        self.people = {
            GlobalId(i): IdentitySummary(
                GlobalId(i), NOON + 10.0 * i, NOON + 60.0 * i, None if i > 1 else 0.97654, (GlobalId(i),), ()
            )
            for i in range(1, 8)
        }
        self.kept = [
            Event(
                i, NOON + i, TILL.place_id, 1, EventKind.ENTER if i % 2 else EventKind.EXIT, GlobalId(1), dwell_s=None
            )
            for i in range(1, 8)
        ]
        self.made = [RecordedCorrection(1, NOON, Merge(GlobalId(9), GlobalId(2), 0.9), None)]

    def _ask(self, *question):
        self.asked.append(question)
        if self.broken:
            raise StoreError("/secret/history.sqlite", "disk I/O error")

    async def begin(self):
        return NOON

    async def places(self):
        self._ask("places")
        return tuple(sorted(self.versions, key=lambda version: (version.place_id, version.version)))

    async def draw(self, place, at):
        version = PlaceVersion(place.place_id, 1 + self._newest(place.place_id), at, place)
        self.versions.append(version)
        return version

    async def erase(self, place, at):
        newest = [v for v in self.versions if v.place_id == place][-1:]
        if not newest or newest[0].place is None:
            return False
        self.versions.append(PlaceVersion(place, newest[0].version + 1, at, None))
        return True

    def _newest(self, place):
        return max((v.version for v in self.versions if v.place_id == place), default=0)

    async def occupancy(self, place, period, bucket_s, without=()):
        self._ask("occupancy", place, period, bucket_s, *without)
        at = np.arange(period.since, period.until, bucket_s)
        observed = np.where((at >= NOON) & (at < NOON + 3600.0), 1.0, 0.0)
        people = np.where(observed > 0, 2.0, np.nan)
        return OccupancySeries(at, bucket_s, people, people + 1, people, people - 1, people / 4, observed, QUALITY)

    async def dashboard(self, place, period, without=(), events=10):
        self._ask("dashboard", place, period, tuple(without))
        hours = Period(np.floor(period.since / 3600) * 3600, np.ceil(period.until / 3600) * 3600)
        series = await self.occupancy(place, hours, 3600.0)
        seen = np.isfinite(series.peak).any()
        return Dashboard(
            place,
            period,
            5 - len(without),
            6 if seen else None,
            4 if seen else None,
            (3, NOON) if seen else None,
            61.25 if seen else None,
            series,
            await self.uptime(period),
            tuple(self.kept[::-1][:events]),
            await self.quality(place, period),
        )

    async def quality(self, _place, period):
        return (
            QUALITY
            if period.until > NOON
            else replace(QUALITY, observed=0.0, sigma_m=None, certainty=None, watched_s=0.0)
        )

    async def visitors(self, place, period, without=()):
        self._ask("visitors", place, period, tuple(without))
        return 5 - len(without)

    async def stays(self, places, period, identity=None, without=()):
        self._ask("stays", tuple(places), period, identity, tuple(without))
        rows = [
            (TILL.place_id, 1, NOON, NOON + 60.0, Ending.LEFT),
            (TILL.place_id, 2, NOON + 10.0, NOON + 130.0, Ending.LEFT),
            (FLOOR, 1, NOON - 5.0, NOON + 80.0, Ending.LOST),
            (TILL.place_id, 1, NOON + 100.0, NOON + 400.0, Ending.HERE),
        ]
        rows = [row for row in rows if (not places or row[0] in places) and identity in {None, row[1]}]
        place, who, begun, ended, ending = zip(*rows, strict=True) if rows else ((),) * 5
        return Stays(place, np.array(who, np.int64), np.array(begun, float), np.array(ended, float), ending)

    async def heat(self, period, cell_m, identity=None, without=()):
        self._ask("heat", period, cell_m, identity, *without)
        return HeatMap((1.0, 2.0), cell_m, np.array([[1.0, 2.5, 0.0], [0.0, 0.0, 7.123]]), QUALITY)

    async def events(self, which, page):
        self._ask("events", which, page)
        found = [e for e in self.kept if which.period.since <= e.at < which.period.until]
        found = [e for e in found if (not which.kinds or e.kind in which.kinds)]
        found = [e for e in found if (not which.places or e.place_id in which.places)]
        return _page(found, page, lambda e: (e.at, e.event_id))

    async def identities(self, period, page, tag=None):
        found = [p for p in self.people.values() if tag is None or tag in p.tags]
        found = [p for p in found if p.last_seen >= period.since and p.first_seen < period.until]
        return _page(found, page, lambda p: (p.last_seen, p.identity))

    async def tagged(self, tags):
        return np.array([person.identity for person in self.people.values() if set(tags) & set(person.tags)], np.int64)

    async def identity(self, identity):
        self._ask("identity", identity)
        return self.people.get(GlobalId(2 if identity == 9 else identity))

    async def visits(self, _identity, _period):
        return (Visit(CameraId("west"), NOON, NOON + 90.0),)

    async def dots(self, period, identity=None):
        """Two people walk along x, a dot each every half second; in two parts."""
        self._ask("dots", period, identity)
        for part in (np.arange(0.0, 600.0, 0.5), np.arange(600.0, 1200.0, 0.5)):
            at, who = np.repeat(NOON + part, 2), np.tile([1, 2], len(part))
            xy = np.stack([np.repeat(part, 2) / 10, who.astype(float)], axis=1)
            rows = (at >= period.since) & (at < period.until) & ((who == identity) if identity else True)
            if rows.any():
                n = int(rows.sum())
                yield Dots(at[rows], who[rows], xy[rows], np.full(n, 0.1), np.full(n, 0.9))

    async def boxes(self, period, camera=None):
        self._ask("boxes", period, camera)
        names = ["east", "west"] if camera is None else [camera]
        at = np.repeat(NOON + np.arange(4.0) / 5, len(names))
        rows = (at >= period.since) & (at < period.until)
        at, names = at[rows], (names * 4)[: int(rows.sum())]
        n = len(at)
        if n:
            xyxy = np.tile(np.array([10.0, 20.0, 30.0, 60.5], np.float32), (n, 1))
            where = np.tile([[1.5, np.nan]], (n, 1)).copy()
            where[0] = 1.5, 2.5
            yield Boxes(
                at, tuple(map(CameraId, names)), np.arange(n), np.full(n, 1), xyxy, np.full(n, 0.5), np.array(where)
            )

    async def uptime(self, period):
        states = ((period.since, "live", None), (NOON + 100.0, "lost", "cannot be opened"))
        return (CameraUptime(CameraId("west"), states, 2700.0, 900.0, 13_500, 27_000, 0.81234),)

    async def corrections(self, page, *, standing=False):
        found = [c for c in self.made if not standing or c.taken_back_at is None]
        return _page(found, page, lambda c: (c.at, c.correction_id))

    async def correct(self, correction, at):
        made = RecordedCorrection(len(self.made) + 1, at, correction, None)
        self.made.append(made)
        return made

    async def take_back(self, correction_id, at):
        for i, made in enumerate(self.made):
            if made.correction_id == correction_id and made.taken_back_at is None:
                self.made[i] = replace(made, taken_back_at=at)
                return self.made[i]
        return None

    async def tag(self, identity, tags):
        if identity not in self.people:
            return None
        self.people[identity] = replace(self.people[identity], tags=tuple(tags))
        return self.people[identity]


def _page(found, page, key):
    newest = sorted(found, key=key, reverse=True)
    return tuple([item for item in newest if page.after is None or key(item) < page.after][: page.limit])
