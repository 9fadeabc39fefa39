"""The floor as it was: dots of the history as the updates that they came in, at one instant or played again at a pace.

Corrections are followed, so everybody has the id that they have turned out to have. Knows no socket and no JSON.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Period
from app.domains.vocabulary import BoolArray, FloatArray, FloorTracks, IntArray, TrackingUpdate
from app.orchestration.archive import Archive, Dots
from app.orchestration.pipeline import NOBODY

HOLD_S = 2.0  # a dot is shown for so long at most; sites record at least every half second
SLOPE_S = 0.5  # velocities are taken between places so much before and after
TICK_S = 0.04  # between two updates that are played, at least
READ_AHEAD_S = 1.0  # of the viewer's time
EVERY_INSTANT = 16.0  # the fastest pace at which none is left out; above it, one is looked up every SAMPLE_S
SAMPLE_S = 0.1
EMPTY_EVERY_S = 1.0  # how often a viewer is told that nobody is there
SLOWEST, FASTEST = 0.1, 600.0

NO_DOTS = Dots(np.empty(0), np.empty(0, np.int64), np.empty((0, 2)), np.empty(0), np.empty(0))

Give = Callable[[TrackingUpdate], None]


async def floor_at(archive: Archive, at: float) -> TrackingUpdate:
    """Return the floor as it was at an instant; without dots where nobody was there or nobody watched.

    Raises:
        StoreError: the history cannot be read.
    """
    parts = [part async for part in archive.dots(Period(at - HOLD_S, np.nextafter(at, np.inf)))]
    updates = [update for part in parts[-2:] for update in _updates(part)]
    return updates[-1] if updates else nobody(at)


async def played(archive: Archive, period: Period) -> AsyncIterator[TrackingUpdate]:
    """Yield the updates of a period in order.

    Raises:
        StoreError: the history cannot be read.
    """
    held, given = NO_DOTS, float(np.nextafter(period.since, -np.inf))
    wide = Period(period.since - SLOPE_S, period.until + SLOPE_S)  # for the velocities of the first and the last
    async for part in archive.dots(wide):
        held = _joined(held, part)
        last = min(float(held.at[-1]) - SLOPE_S, np.nextafter(period.until, -np.inf))
        for update in await asyncio.to_thread(_updates, held):
            if given < update.captured_at <= last:
                yield update
        given = max(given, last)
        held = _rows(held, held.at > given - SLOPE_S)
    for update in _updates(held):
        if given < update.captured_at < period.until:
            yield update


def nobody(at: float) -> TrackingUpdate:
    """Return an update without dots."""
    return TrackingUpdate(at, (), NOBODY, ())


def _updates(dots: Dots) -> list[TrackingUpdate]:
    """Return one update an instant; dots come by time."""
    velocity = _velocity(dots.at, dots.identity, dots.xy)
    begins = np.flatnonzero(np.diff(dots.at, prepend=-np.inf) > 0.0)
    ends = np.append(begins[1:], len(dots))
    return [
        TrackingUpdate(float(dots.at[begin]), (), _floor(_rows(dots, slice(begin, end)), velocity[begin:end]), ())
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def _velocity(at: FloatArray, identity: IntArray, xy: FloatArray) -> FloatArray:
    """Return (N, 2) metres per second: the way from SLOPE_S before to SLOPE_S after, as far as there is one; else 0."""
    velocity = np.zeros((len(at), 2))
    for person in np.unique(identity).tolist():
        rows = np.flatnonzero(identity == person)
        times = at[rows]
        before = np.searchsorted(times, times - SLOPE_S)
        after = np.searchsorted(times, times + SLOPE_S, side="right") - 1
        dt = times[after] - times[before]
        way = xy[rows[after]] - xy[rows[before]]
        velocity[rows] = np.divide(way, dt[:, None], out=np.zeros_like(way), where=dt[:, None] > 0.0)
    return velocity


def _floor(dots: Dots, velocity: FloatArray) -> FloorTracks:
    """Return the dots of one instant; which cameras saw each, the history does not keep."""
    unique = np.unique(dots.identity, return_index=True)[1]  # two ids of one person may both have been reported
    return FloorTracks(
        global_id=dots.identity[unique],
        xy=dots.xy[unique],
        velocity=velocity[unique],
        covariance=dots.sigma[unique, None, None] ** 2 * np.eye(2),
        cameras=((),) * len(unique),
        certainty=dots.certainty[unique],
    )


def _rows(dots: Dots, rows: slice | BoolArray | IntArray) -> Dots:
    return Dots(dots.at[rows], dots.identity[rows], dots.xy[rows], dots.sigma[rows], dots.certainty[rows])


def _joined(first: Dots, then: Dots) -> Dots:
    columns = ("at", "identity", "xy", "sigma", "certainty")
    return Dots(*(np.concatenate([getattr(first, name), getattr(then, name)]) for name in columns))


@dataclass(frozen=True, slots=True)
class Playback:
    """How a replay does.

    Attributes:
        at: capture time that is shown.
        speed: seconds of the record a second.
        ended: whether the end of the period is reached.
    """

    at: float
    speed: float
    paused: bool
    ended: bool


class Replay:
    """Plays a period again for one viewer, who may seek, pause, and change the pace. Used by one event loop.

    Args:
        archive: the history.
        period: that is played; seeking goes no farther.
        speed: seconds of the record a second, SLOWEST to FASTEST.
        give: called with each update that is due.
        changed: called when it starts, stops, seeks, or has come to the end.
    """

    def __init__(
        self, archive: Archive, period: Period, speed: float, give: Give, changed: Callable[[Playback], None]
    ) -> None:
        self._archive, self._period, self._give, self._changed = archive, period, give, changed
        self._speed = speed
        self._paused = False
        self._at, self._since = period.since, asyncio.get_running_loop().time()  # where it was, and when
        self._turn = asyncio.Event()  # something was asked of it

    def seek(self, at: float) -> None:
        """Go to an instant, or the nearest end of the period."""
        self._set(min(max(at, self._period.since), self._period.until))

    def pace(self, speed: float) -> None:
        """Go on at another pace."""
        self._set(self._position())
        self._speed = min(max(speed, SLOWEST), FASTEST)

    def pause(self, *, paused: bool) -> None:
        """Stand still, or go on."""
        self._set(self._position())
        self._paused = paused

    def state(self) -> Playback:
        """Return how it does."""
        at = self._position()
        return Playback(at, self._speed, self._paused, at >= self._period.until)

    async def run(self) -> None:
        """Play until cancelled; at the end of the period, wait for what is asked next.

        Raises:
            StoreError: the history cannot be read.
        """
        while True:
            self._turn.clear()
            self._changed(self.state())
            begin = self._position()
            self._give(await floor_at(self._archive, begin))
            if not self._paused and begin < self._period.until:
                await (self._play(begin) if self._speed <= EVERY_INSTANT else self._sample())
            if not self._turn.is_set():
                self._changed(self.state())
                await self._turn.wait()

    def _set(self, at: float) -> None:
        self._at, self._since = at, asyncio.get_running_loop().time()
        self._turn.set()

    def _position(self) -> float:
        """Return the capture time that is due now."""
        if self._paused:
            return self._at
        passed_s = asyncio.get_running_loop().time() - self._since
        return min(self._at + passed_s * self._speed, self._period.until)

    async def _play(self, begin: float) -> None:
        """Give every update when it is due, to the end of the period or until something is asked."""
        given = -np.inf
        async for update in self._updates_from(np.nextafter(begin, np.inf)):
            if await self._wait((update.captured_at - self._position()) / self._speed):
                return
            now = asyncio.get_running_loop().time()
            if now - given >= TICK_S:
                self._give(update)
                given = now
        await self._wait((self._period.until - self._position()) / self._speed)

    async def _updates_from(self, begin: float) -> AsyncIterator[TrackingUpdate]:
        """Yield the updates up to the end of the period, empty ones where nobody was there; reads a little ahead."""
        last = begin
        while begin < self._period.until:
            until = min(begin + READ_AHEAD_S * self._speed, self._period.until)
            async for update in played(self._archive, Period(begin, until)):
                for at in self._empty_between(last, update.captured_at):
                    yield nobody(at)
                yield update
                last = update.captured_at
            for at in self._empty_between(last, until):
                yield nobody(at)
                last = at - HOLD_S + EMPTY_EVERY_S * self._speed
            begin = until

    def _empty_between(self, last: float, until: float) -> list[float]:
        """Return when to tell that nobody is there any more, between an update and the next."""
        return np.arange(last + HOLD_S, until, EMPTY_EVERY_S * self._speed).tolist()

    async def _sample(self) -> None:
        """Look up the floor time and again, to the end of the period or until something is asked."""
        while not self._turn.is_set():
            at = self._position()
            self._give(await floor_at(self._archive, at))
            if at >= self._period.until or await self._wait(SAMPLE_S):
                return

    async def _wait(self, seconds: float) -> bool:
        """Wait so long; returns, at once, whether something was asked meanwhile."""
        if seconds <= 0.0:
            return self._turn.is_set()
        try:
            await asyncio.wait_for(self._turn.wait(), seconds)
        except TimeoutError:
            return False
        return True
