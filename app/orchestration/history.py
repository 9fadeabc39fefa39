"""What is written down: each update once more, some seconds later, with what has become known meanwhile.

The dot on the map cannot wait; what is recorded can. An update is held until `lag_s` is over, and then given out as
if all that was learnt in between had been known at once:
- A dot that nobody saw again was a guess about somebody who had left; it is taken back. So is one that was seen for a
  moment only, and never before or after: mostly somebody's second dot.
- Whoever was out of sight for a little longer than the live dot waits, and then seen again, has a dot in between.
- A target or box that got its name late has had it from its first sighting on.
- A box that a camera's detector missed for a moment lies between the ones before and after, with confidence 0.
- Places and velocities are smoothed, by what was measured afterwards (Rauch, Tung and Striebel 1965).

Knows no files and no clock, and corrects no identities: those corrections travel on with their updates.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from app.domains.mapping.walking import Walk, look_back
from app.domains.vocabulary import (
    NO_ID,
    BoolArray,
    BoxArray,
    CameraId,
    FloatArray,
    FrameBatch,
    IntArray,
    NamedTargets,
    Sightings,
    TrackingUpdate,
    TrackState,
)
from app.orchestration.pipeline import dots

Output = Callable[[FrameBatch, TrackingUpdate], None]


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    """How long the record waits for what comes later."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    lag_s: float = 2.0
    rhythm_s: float = 0.5  # so much is settled at once
    least_s: float = (
        0.8  # a dot seen for less is taken back; 30 of 330 identities of WILDTRACK, and of people hardly any
    )
    gap_s: float = 1.6  # a dot has its place though nobody saw it for so long; offices with 60 % recall IDF1 + 1.3
    fill_s: float = 0.6  # boxes missing for no longer are filled in; PETS09: MOTA 89.4 without, 90.5 with

    def __post_init__(self) -> None:
        if min(self.lag_s, self.rhythm_s, self.least_s, self.gap_s, self.fill_s) < 0.0:
            raise ValueError("lag_s, rhythm_s, least_s, gap_s and fill_s must not be negative")


@dataclass(frozen=True, slots=True, eq=False)
class _Later:
    """What is known of M targets at one instant, looking back from the newest: rows ordered by target id.

    Attributes:
        seen_s: (M,) how long after its birth a camera saw each last, then or afterwards; -infinity for never, infinity
            for those whom the newest update still sees.
        shown: (M,) whether it had a dot then or afterwards.
        global_id: (M,) its name then, or else its first one afterwards.
        certainty: (M,) of that name.
        next_at: (M,) capture time at which a camera saw each next, then or afterwards; infinity for never.
    """

    captured_at: float
    target_id: IntArray
    mean: FloatArray
    covariance: FloatArray
    seen_s: FloatArray
    shown: BoolArray
    global_id: IntArray
    certainty: FloatArray
    next_at: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Glimpse:
    """One box of an identity, (4,) pixels, of which track, and how sure the identity."""

    captured_at: float
    xyxy: BoxArray
    track_id: int
    certainty: float


class History:
    """Holds updates for a while and gives them on as the record should have them.

    Args:
        config: how long.
        walk: the model by which the targets were followed.
        cameras: the columns of the targets' support.
        output: called with each batch, without pixels, and its settled update, in order of time.
    """

    def __init__(self, config: HistoryConfig, walk: Walk, cameras: Sequence[CameraId], output: Output) -> None:
        self.config = config
        self._walk = walk
        self._cameras = tuple(cameras)
        self._output = output
        self._born: dict[int, float] = {}  # capture time of the first update of each target in the held ones
        self._held: deque[tuple[FrameBatch, TrackingUpdate]] = deque()
        self._before: dict[CameraId, dict[int, _Glimpse]] = {}  # the last one of each identity that was given out

    def write(self, batch: FrameBatch, update: TrackingUpdate) -> None:
        """Take in an update; give out those that have waited long enough."""
        self._held.append((replace(batch, frames=tuple(replace(f, pixels=None) for f in batch.frames)), update))
        if update.named is not None:
            for target in update.named.targets.target_id.tolist():
                self._born.setdefault(target, update.captured_at)
        waited = update.captured_at - self._held[0][1].captured_at
        if waited >= self.config.lag_s + self.config.rhythm_s:
            self._settle(update.captured_at - self.config.lag_s)

    def finish(self) -> None:
        """Give out all that is held: nothing more will be learnt."""
        self._settle(np.inf)

    def _settle(self, until: float) -> None:
        """Look back from the newest update to the oldest, and give out those captured before `until`."""
        later: _Later | None = None
        names: dict[tuple[CameraId, int], tuple[int, float]] = {}
        after: dict[CameraId, dict[int, _Glimpse]] = {}
        settled: list[TrackingUpdate] = []
        coming: list[dict[CameraId, dict[int, _Glimpse]]] = []
        for _, update in reversed(self._held):
            if update.named is not None:
                later = self._look_back(update.captured_at, update.named, later)
            sightings = tuple(_named_since(s, names) for s in update.sightings)
            if update.captured_at < until:
                floor = update.floor
                if update.named is not None and later is not None:
                    floor = dots(_known_now(update.named, later, self.config), self._cameras)
                settled.append(replace(update, floor=floor, sightings=sightings))
                coming.append({s.tracks.camera_id: dict(after.get(s.tracks.camera_id, {})) for s in sightings})
            for s in sightings:
                glimpses, camera = _glimpses(s), s.tracks.camera_id
                names.update(((camera, glimpse.track_id), (g, glimpse.certainty)) for g, glimpse in glimpses.items())
                after.setdefault(camera, {}).update(glimpses)
        for update, ahead in zip(reversed(settled), reversed(coming), strict=True):
            batch, _ = self._held.popleft()
            sightings = tuple(self._fill(s, ahead[s.tracks.camera_id]) for s in update.sightings)
            self._output(batch, replace(update, sightings=sightings))
        if self._held and (named := self._held[0][1].named) is not None and len(named):
            oldest = int(named.targets.target_id[0])  # ids rise, so those below belong to nobody who is held
            self._born = {target: born for target, born in self._born.items() if target >= oldest}

    def _fill(self, sightings: Sightings, after: dict[int, _Glimpse]) -> Sightings:
        """Add the boxes of those whom the camera saw a moment before and a moment after, and not now."""
        camera, now = sightings.tracks.camera_id, sightings.tracks.captured_at
        before, seen = self._before.get(camera, {}), _glimpses(sightings)
        fresh = {g: glimpse for g, glimpse in before.items() if now - glimpse.captured_at < self.config.fill_s}
        missed = [
            (g, glimpse, after[g])
            for g, glimpse in fresh.items()
            if g not in seen and g in after and after[g].captured_at - glimpse.captured_at <= self.config.fill_s
        ]
        self._before[camera] = fresh | seen
        return _with_boxes_between(sightings, missed) if missed else sightings

    def _look_back(self, captured_at: float, named: NamedTargets, later: _Later | None) -> _Later:
        """Join what an instant's targets told with what became known of them later."""
        targets = named.targets
        mean, covariance = np.concatenate([targets.xy, targets.velocity], axis=1), targets.covariance
        born = np.array([self._born[target] for target in targets.target_id.tolist()], dtype=np.float64)
        age_s = captured_at - born if later is not None else np.full(len(targets), np.inf)
        seen_s = np.where(targets.unseen_s == 0.0, age_s, -np.inf)
        next_at = np.where(targets.unseen_s == 0.0, captured_at, np.inf)
        shown, global_id, certainty = named.shown, named.global_id, named.certainty
        if later is not None and len(later.target_id) and len(targets):
            at = np.minimum(np.searchsorted(later.target_id, targets.target_id), len(later.target_id) - 1)
            lives = later.target_id[at] == targets.target_id
            known = np.where(lives[:, None], later.mean[at], np.nan)
            dt = later.captured_at - captured_at
            mean, covariance = look_back(
                mean, covariance, known, later.covariance[at], dt, self._walk.acceleration, self._walk.fade_s
            )
            seen_s = np.where(lives, np.maximum(seen_s, later.seen_s[at]), seen_s)
            shown = shown | (lives & later.shown[at])
            next_at = np.minimum(next_at, np.where(lives, later.next_at[at], np.inf))
            late = (global_id == NO_ID) & lives
            global_id = np.where(late, later.global_id[at], global_id)
            certainty = np.where(late, later.certainty[at], certainty)
        return _Later(captured_at, targets.target_id, mean, covariance, seen_s, shown, global_id, certainty, next_at)


def _known_now(named: NamedTargets, later: _Later, config: HistoryConfig) -> NamedTargets:
    """Return the targets of an instant as they are known by now."""
    since_birth = (named.global_id == NO_ID) & later.shown
    missed_s = named.targets.unseen_s + later.next_at - later.captured_at
    between = named.targets.confirmed & (named.global_id != NO_ID) & (missed_s > 0.0) & (missed_s <= config.gap_s)
    more = (since_birth | between) & (later.global_id != NO_ID)
    more &= ~np.isin(later.global_id, named.global_id[named.shown])
    rows = np.flatnonzero(more)
    more[np.delete(rows, np.unique(later.global_id[rows], return_index=True)[1])] = False
    shown = named.watched & (later.seen_s >= config.least_s) & (named.shown | more)
    targets = replace(named.targets, xy=later.mean[:, :2], velocity=later.mean[:, 2:], covariance=later.covariance)
    return NamedTargets(targets, later.global_id, named.watched, shown, later.certainty)


def _named_since(sightings: Sightings, names: dict[tuple[CameraId, int], tuple[int, float]]) -> Sightings:
    """Give the nameless boxes of tracks that were named later their names, each name once in a frame."""
    nameless = np.flatnonzero(sightings.global_id == NO_ID)
    if not len(nameless):
        return sightings
    global_id, certainty = sightings.global_id.copy(), sightings.certainty.copy()
    taken = set(global_id.tolist())
    for row, track in zip(nameless.tolist(), sightings.tracks.track_id[nameless].tolist(), strict=True):
        name, sure = names.get((sightings.tracks.camera_id, track), (NO_ID, 0.0))
        if name not in taken:
            global_id[row], certainty[row] = name, sure
            taken.add(name)
    return replace(sightings, global_id=global_id, certainty=certainty)


def _glimpses(sightings: Sightings) -> dict[int, _Glimpse]:
    """Return the boxes of a frame by identity."""
    tracks = sightings.tracks
    columns = sightings.global_id.tolist(), tracks.xyxy, tracks.track_id.tolist(), sightings.certainty.tolist()
    return {g: _Glimpse(tracks.captured_at, *row) for g, *row in zip(*columns, strict=True) if g != NO_ID}


def _with_boxes_between(sightings: Sightings, missed: Sequence[tuple[int, _Glimpse, _Glimpse]]) -> Sightings:
    """Add a row for each identity, on the straight line between its glimpses; what nobody measured is nothing."""
    tracks, floor, n = sightings.tracks, sightings.floor, len(missed)
    boxes = []
    for _, first, last in missed:
        share = (tracks.captured_at - first.captured_at) / (last.captured_at - first.captured_at)
        boxes.append(first.xyxy + np.float32(share) * (last.xyxy - first.xyxy))
    more = replace(
        tracks,
        track_id=np.concatenate([tracks.track_id, [first.track_id for _, first, _ in missed]]),
        state=np.concatenate([tracks.state, np.full(n, int(TrackState.LOST))]),
        row=np.concatenate([tracks.row, np.full(n, NO_ID)]),
        xyxy=np.concatenate([tracks.xyxy, np.stack(boxes)]),
        confidence=np.concatenate([tracks.confidence, np.zeros(n, np.float32)]),
        appearance=np.concatenate([tracks.appearance, np.zeros((n, tracks.appearance.shape[1]), np.float32)]),
        certainty=np.concatenate([tracks.certainty, np.zeros(n)]),
    )
    nowhere = replace(
        floor,
        xy=np.concatenate([floor.xy, np.full((n, 2), np.nan)]),
        covariance=np.concatenate([floor.covariance, np.full((n, 2, 2), np.nan)]),
        valid=np.concatenate([floor.valid, np.zeros(n, np.bool_)]),
    )
    global_id = np.concatenate([sightings.global_id, [g for g, _, _ in missed]])
    certainty = np.concatenate(
        [sightings.certainty, [min(first.certainty, last.certainty) for _, first, last in missed]]
    )
    return Sightings(more, global_id, nowhere, certainty)
