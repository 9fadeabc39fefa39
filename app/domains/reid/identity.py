"""Gives floor targets and camera tracks their identity. Knows appearance, and floor positions only as arrays.

A floor target is one person by geometry; a track without floor point is one person within its camera. Each gets an
identity once: somebody remembered, if place, time and appearance make that likelier than a stranger, else a new one.
A young identity is asked again while evidence comes in, and merged into the remembered one when that proves right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.assignment import assign
from app.domains.reid.gallery import Gallery, GalleryConfig
from app.domains.reid.likelihood import CosineLikelihood, LikelihoodConfig
from app.domains.vocabulary import (
    NO_CALIBRATION,
    NO_FLOOR,
    NO_ID,
    BoolArray,
    CameraId,
    FloatArray,
    FloorTargets,
    GlobalId,
    IntArray,
    Merge,
    Tracks,
    TrackState,
    VectorArray,
)

TrackKey = tuple[CameraId, int]  # a camera and the id of one of its tracks
Key = int | TrackKey  # or a floor target's id


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """How much evidence joins a newcomer to somebody remembered."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    accept: float = 0.0  # log-odds from which on a newcomer is taken for somebody remembered
    return_log_odds: float = 0.0  # prior that a newcomer is somebody out of sight rather than a stranger
    merge_log_odds: float = 2.0  # log-odds from which on a young identity is merged into a remembered one
    stranger_area_m2: float = 100.0  # strangers are expected to appear anywhere in an area of this size
    walk_m: float = 0.6  # standard deviation of how far from their last course people reappear at once
    drift_m_per_s: float = 0.7  # and by how much more for each second out of sight
    max_speed: float = 3.0  # m/s; nobody reappears farther away than this allows
    reach_m: float = 1.5  # metres added to that for errors of position
    split_s: float = 1.0  # one person may be two targets for so long, if no camera sees both
    young_s: float = 5.0  # an identity so young may still be merged into a remembered one
    patience_s: float = 1.0  # a track whose feet are cut off waits so long for its feet before it gets an identity
    track_memory_s: float = 2.0  # a track keeps its identity without support from the floor for so long
    affinity: float = 2.0  # squared distance that a log-likelihood ratio of 1 is worth to the floor association
    max_affinity: float = 8.0  # at most, either way
    learn_s: float = 0.5  # cosines are learnt from the crops of one instant each so often
    candidates: int = 32  # nearest identities that are looked at for a newcomer
    gallery: GalleryConfig = field(default_factory=GalleryConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)


@dataclass(slots=True)
class _Person:
    """Where an identity was last."""

    born: float
    last_seen: float
    entered_at: FloatArray | None  # (2,) metres, where it was first; None without floor
    xy: FloatArray | None = None  # (2,) metres
    velocity: FloatArray | None = None
    cameras: dict[CameraId, float] = field(default_factory=dict)  # when each camera saw the person last
    beside: set[GlobalId] = field(default_factory=set)  # whom one camera saw at one instant with the person when young


@dataclass(frozen=True, slots=True, eq=False)
class _Newcomer:
    """A target, or a track without floor point, that wants an identity in this step."""

    key: Key
    cameras: tuple[CameraId, ...]
    xy: FloatArray | None
    vector: VectorArray | None
    may_enrol: bool


class IdentityResolver:
    """Identities of one site: who is whom now, and who has been seen before."""

    def __init__(self, gallery: Gallery, likelihood: CosineLikelihood, config: IdentityConfig) -> None:
        self.config = config
        self._gallery = gallery
        self._likelihood = likelihood
        self._people: dict[GlobalId, _Person] = {}
        self._of_target: dict[int, GlobalId] = {}
        self._supported: set[GlobalId] = set()
        self._of_track: dict[TrackKey, tuple[GlobalId, float]] = {}
        self._waiting_since: dict[TrackKey, float] = {}
        self._learnt_at = -np.inf

    def affinity(self, tracks: Sequence[Tracks], target_id: IntArray) -> FloatArray:
        """Return how much appearance speaks for each pair of a row of `tracks` and a floor target.

        Returns:
            (rows of all tracks, M) in squared distance, positive for alike; 0 where either has no appearance.
        """
        if not tracks:
            return np.zeros((0, len(target_id)))
        vectors = np.concatenate([t.appearance for t in tracks])
        result = np.zeros((len(vectors), len(target_id)))
        rows = np.flatnonzero(vectors.any(axis=1))
        named = [m for m, target in enumerate(target_id.tolist()) if target in self._of_target]
        if len(rows) and named:
            identities = [self._of_target[target] for target in target_id[named].tolist()]
            ratio = self._likelihood.ratio(self._gallery.likeness(vectors[rows], identities))
            limit = self.config.max_affinity
            result[rows[:, None], np.array(named)] = np.clip(self.config.affinity * ratio, -limit, limit)
        return result

    def resolve(
        self,
        now: float,
        tracks: Sequence[Tracks],
        target_of: Sequence[IntArray],
        targets: FloorTargets,
        watched: BoolArray,
    ) -> tuple[list[IntArray], IntArray, tuple[Merge, ...]]:
        """Give every target and every row its identity.

        Args:
            now: seconds.
            tracks: of each camera that has a frame in this step.
            target_of: for each of them, the floor target of each row; NO_ID for a floor point that belongs to none,
                NO_FLOOR for a box without floor point.
            targets: the living floor targets.
            watched: (M,) whether each target stands where people are of interest; elsewhere nobody gets an identity.

        Returns:
            For each of `tracks` the global id of each row, NO_ID where nobody is sure; the global id of each target
            (M,), NO_ID for those never confirmed; and the corrections made.
        """
        living = set(targets.target_id.tolist())
        self._of_target = {target: identity for target, identity in self._of_target.items() if target in living}
        self._supported = {
            self._of_target[t] for t in targets.target_id[targets.unseen_s == 0.0].tolist() if t in self._of_target
        }
        self._forget(now)
        appearance = self._appearance(tracks, target_of)
        nameable = targets.confirmed & watched & (targets.unseen_s == 0.0)
        self._inherit(now, tracks, target_of, targets.target_id[nameable])
        newcomers = self._new_targets(targets, nameable, appearance) + self._new_tracks(
            now, tracks, target_of, appearance
        )
        if newcomers:
            self._name(now, newcomers, self._present(now, tracks, target_of))
        rows = self._name_rows(now, tracks, target_of)
        self._learn(now, tracks, rows)
        self._note(now, tracks, rows, targets, self._identities_of(targets))
        merges = self._reconsider(now, tracks, rows)
        return [self._follow(merges, ids) for ids in rows], self._identities_of(targets), merges

    def _identities_of(self, targets: FloorTargets) -> IntArray:
        """Return the global id of each target, (M,), NO_ID for none."""
        return np.array([self._of_target.get(t, NO_ID) for t in targets.target_id.tolist()], dtype=np.int64)

    def _appearance(self, tracks: Sequence[Tracks], target_of: Sequence[IntArray]) -> dict[Key, VectorArray]:
        """Return the appearance (D,) of each target or track that had crops taken: their mean direction."""
        found: dict[Key, VectorArray] = {}
        for t, target in zip(tracks, target_of, strict=True):
            for row in np.flatnonzero(t.appearance.any(axis=1)).tolist():
                key = int(target[row]) if target[row] >= 0 else (t.camera_id, int(t.track_id[row]))
                found[key] = found[key] + t.appearance[row] if key in found else t.appearance[row]
        return {key: total / max(float(np.linalg.norm(total)), 1e-12) for key, total in found.items()}

    def _inherit(
        self, now: float, tracks: Sequence[Tracks], target_of: Sequence[IntArray], target_id: IntArray
    ) -> None:
        """Give a nameless target the identity that its camera track has had, unless a target in sight holds it."""
        held = set(self._supported)
        nameless = set(target_id.tolist()) - self._of_target.keys()
        if not nameless:
            return
        for t, target in zip(tracks, target_of, strict=True):
            for row in np.flatnonzero(np.isin(target, list(nameless))).tolist():
                identity = self._remembered(t.camera_id, int(t.track_id[row]), now)
                if identity is not None and identity not in held and int(target[row]) not in self._of_target:
                    self._rename_target(int(target[row]), identity)
                    held.add(identity)

    def _remembered(self, camera_id: CameraId, track_id: int, now: float) -> GlobalId | None:
        """Return the identity that a camera's track has had lately, None for none."""
        identity, seen = self._of_track.get((camera_id, track_id), (None, -np.inf))
        return identity if now - seen <= self.config.track_memory_s else None

    def _new_targets(
        self, targets: FloorTargets, nameable: BoolArray, appearance: dict[Key, VectorArray]
    ) -> list[_Newcomer]:
        return [
            _Newcomer(key, (), targets.xy[m], appearance.get(key), True)
            for m, key in enumerate(targets.target_id.tolist())
            if nameable[m] and key not in self._of_target
        ]

    def _new_tracks(
        self,
        now: float,
        tracks: Sequence[Tracks],
        target_of: Sequence[IntArray],
        appearance: dict[Key, VectorArray],
    ) -> list[_Newcomer]:
        """List the confirmed tracks that have no floor point and no identity."""
        newcomers = []
        waiting = {}
        for t, target in zip(tracks, target_of, strict=True):
            for row in np.flatnonzero((target <= NO_FLOOR) & (t.state == TrackState.CONFIRMED)).tolist():
                key = (t.camera_id, int(t.track_id[row]))
                if key in self._of_track:
                    continue
                waiting[key] = self._waiting_since.get(key, now)
                ripe = target[row] == NO_CALIBRATION or now - waiting[key] >= self.config.patience_s
                newcomers.append(_Newcomer(key, (t.camera_id,), None, appearance.get(key), ripe))
        self._waiting_since = waiting
        return newcomers

    def _present(
        self, now: float, tracks: Sequence[Tracks], target_of: Sequence[IntArray]
    ) -> dict[GlobalId, set[CameraId]]:
        """Return the identities that are somewhere at this instant, with the cameras that see them."""
        present: dict[GlobalId, set[CameraId]] = {identity: set() for identity in self._supported}
        for t, target in zip(tracks, target_of, strict=True):
            for track, key in zip(t.track_id.tolist(), target.tolist(), strict=True):
                identity = self._of_target.get(key) or self._remembered(t.camera_id, track, now)
                if identity is not None:
                    present.setdefault(identity, set()).add(t.camera_id)
        return present

    def _name(self, now: float, newcomers: list[_Newcomer], present: dict[GlobalId, set[CameraId]]) -> None:
        """Join newcomers to people remembered, all at once, and enrol the rest."""
        people = self._candidates(newcomers, present)
        score = np.full((len(newcomers), len(people)), -np.inf)
        for n, newcomer in enumerate(newcomers):
            allowed = [m for m, p in enumerate(people) if self._may_be(newcomer, p, now, present)]
            score[n, allowed] = self._log_odds(now, newcomer, [people[m] for m in allowed])
        cost = np.where(np.isfinite(score), self.config.accept - score, 0.0)
        matched = dict(zip(*(index.tolist() for index in assign(cost)), strict=True)) if len(people) else {}
        for n, newcomer in enumerate(newcomers):
            if n in matched:
                identity = people[matched[n]]
            elif newcomer.may_enrol:
                identity = self._gallery.enrol(now)
                self._people[identity] = _Person(now, now, newcomer.xy)
            else:
                continue
            if isinstance(newcomer.key, int):
                self._rename_target(newcomer.key, identity)
            else:
                self._of_track[newcomer.key] = (identity, now)

    def _rename_target(self, target: int, identity: GlobalId) -> None:
        """Give a target an identity, and take it from the unsupported target that has kept its place so far."""
        self._of_target = {t: i for t, i in self._of_target.items() if i != identity}
        self._of_target[target] = identity

    def _candidates(self, newcomers: list[_Newcomer], present: dict[GlobalId, set[CameraId]]) -> list[GlobalId]:
        """List whom newcomers might be: those who look alike, and those who left from near by a moment ago."""
        if not newcomers:
            return []
        vectors = [newcomer.vector for newcomer in newcomers if newcomer.vector is not None]
        found: dict[GlobalId, None] = {}
        if vectors:
            for alike in self._gallery.nearest(np.stack(vectors).astype(np.float32), self.config.candidates):
                found.update(dict.fromkeys(alike))
        near_s = self.config.stranger_area_m2**0.5 / self.config.drift_m_per_s
        latest = max((person.last_seen for person in self._people.values()), default=-np.inf)
        for identity, person in self._people.items():
            if person.xy is not None and identity not in present and latest - person.last_seen <= near_s:
                found[identity] = None
        return sorted(found)

    def _may_be(
        self, newcomer: _Newcomer, identity: GlobalId, now: float, present: dict[GlobalId, set[CameraId]]
    ) -> bool:
        """Say whether place and time allow that the newcomer is this person."""
        if newcomer.xy is None:  # one camera's track: the person may be seen by others meanwhile, not by this one
            seen = self._people[identity].cameras.get(newcomer.cameras[0], -np.inf)
            return newcomer.cameras[0] not in present.get(identity, set()) and seen < now
        if identity in present:
            return False
        return self._within_reach(newcomer, self._people[identity], now)

    def _within_reach(self, newcomer: _Newcomer, person: _Person, now: float) -> bool:
        """Say whether the person can have walked to where the newcomer is."""
        if newcomer.xy is None or person.xy is None:
            return True
        reach = self.config.reach_m + self.config.max_speed * max(now - person.last_seen, 0.0)
        return bool(np.linalg.norm(newcomer.xy - person.xy) <= reach)

    def _log_odds(self, now: float, newcomer: _Newcomer, identities: list[GlobalId]) -> FloatArray:
        """Return (M,) the log-odds that the newcomer is each of these people rather than a stranger.

        The prior is shared among them: the more people could come back, the less likely is it a particular one.
        """
        prior = self.config.return_log_odds - np.log(max(len(identities), 1))
        place = prior + np.array([self._place_ratio(now, newcomer, self._people[identity]) for identity in identities])
        if newcomer.vector is None:
            return np.asarray(place)
        cosine = self._gallery.likeness(newcomer.vector[None].astype(np.float32), identities)[0]
        return np.asarray(place + self._likelihood.ratio(cosine))

    def _place_ratio(self, now: float, newcomer: _Newcomer, person: _Person) -> float:
        """Return the log-likelihood ratio of the newcomer's place: half to people who go on, half to anywhere."""
        if newcomer.xy is None:
            return 0.0
        if person.xy is None or person.velocity is None:
            return 0.0
        away = max(now - person.last_seen, 0.0)
        gap = newcomer.xy - person.xy - person.velocity * min(away, 1.0)
        variance = (self.config.walk_m + self.config.drift_m_per_s * away) ** 2
        density = np.exp(-0.5 * float(gap @ gap) / variance) / (2.0 * np.pi * variance)
        return float(np.log(0.5 * density * self.config.stranger_area_m2 + 0.5))

    def _name_rows(self, now: float, tracks: Sequence[Tracks], target_of: Sequence[IntArray]) -> list[IntArray]:
        """Name each row by its target, or by what its track has been; nobody twice in one camera."""
        named = []
        for t, target in zip(tracks, target_of, strict=True):
            ids = np.array([self._of_target.get(int(m), NO_ID) for m in target], dtype=np.int64)
            used = set(ids.tolist())
            for row in np.flatnonzero(ids == NO_ID).tolist():
                identity = self._remembered(t.camera_id, int(t.track_id[row]), now)
                if identity is not None and identity not in used:
                    ids[row] = identity
                    used.add(identity)
            named.append(ids)
        return named

    def _note(
        self,
        now: float,
        tracks: Sequence[Tracks],
        rows: Sequence[IntArray],
        targets: FloorTargets,
        of_target: IntArray,
    ) -> None:
        """Remember where everybody is, which track is whom, and how they look."""
        for t, ids in zip(tracks, rows, strict=True):
            taken = np.asarray(t.appearance.any(axis=1)).tolist()
            for row, (number, track) in enumerate(zip(ids.tolist(), t.track_id.tolist(), strict=True)):
                if number == NO_ID:
                    continue
                identity = GlobalId(number)
                self._of_track[t.camera_id, track] = (identity, now)
                self._people[identity].cameras[t.camera_id] = now
                if now - self._people[identity].born <= self.config.young_s:
                    self._people[identity].beside.update(ids.tolist())
                if taken[row]:
                    self._gallery.refresh(identity, t.camera_id, t.appearance[row])
        for number in {number for ids in rows for number in ids.tolist()} - {NO_ID}:
            self._people[GlobalId(number)].last_seen = now
        for m in np.flatnonzero((of_target != NO_ID) & (targets.unseen_s == 0.0)).tolist():
            person = self._people[GlobalId(int(of_target[m]))]
            person.xy, person.velocity = targets.xy[m], targets.velocity[m]

    def _learn(self, now: float, tracks: Sequence[Tracks], rows: Sequence[IntArray]) -> None:
        """Learn what cosines are worth from the crops of this instant: who is whom is known by geometry.

        A crop against its own identity in the other cameras is one person; against anybody else present, two.
        """
        if now - self._learnt_at < self.config.learn_s:
            return
        self._learnt_at = now
        present = sorted({GlobalId(int(identity)) for ids in rows for identity in ids.tolist() if identity != NO_ID})
        column = {identity: m for m, identity in enumerate(present)}
        for t, ids in zip(tracks, rows, strict=True):
            taken = np.flatnonzero(t.appearance.any(axis=1) & (ids != NO_ID))
            if not len(taken):
                continue
            other = self._gallery.likeness(t.appearance[taken], present)
            own = [GlobalId(int(identity)) for identity in ids[taken]]
            other[np.arange(len(taken)), [column[identity] for identity in own]] = np.nan
            elsewhere = [self._gallery.seen_elsewhere(identity, t.camera_id) for identity in own]
            same = [
                float(t.appearance[row] @ mean) for row, mean in zip(taken, elsewhere, strict=True) if mean is not None
            ]
            self._likelihood.learn(np.array(same), other.ravel())

    def _reconsider(self, now: float, tracks: Sequence[Tracks], rows: Sequence[IntArray]) -> tuple[Merge, ...]:
        """Merge young identities into remembered ones that were gone when they came, where looks say so by now."""
        fresh = {
            GlobalId(int(ids[row]))
            for t, ids in zip(tracks, rows, strict=True)
            for row in np.flatnonzero(t.appearance.any(axis=1) & (ids != NO_ID)).tolist()
        }
        looks = [
            (young, vector)
            for young in sorted(fresh)
            if 0.0 < now - self._people[young].born <= self.config.young_s
            and (vector := self._gallery.prototype(young)) is not None
        ]
        if not looks:
            return ()
        alike = self._gallery.nearest(np.stack([vector for _, vector in looks]), self.config.candidates)
        merges = []
        for (young, vector), candidates in zip(looks, alike, strict=True):
            person = self._people[young]
            newcomer = _Newcomer(0, (), person.entered_at, vector, False)
            known = [
                other
                for other in candidates
                if other in self._people
                and other not in person.beside
                and other not in self._supported
                and self._people[other].last_seen <= person.born + self.config.split_s
                and self._within_reach(newcomer, self._people[other], person.born)
            ]
            odds = self._log_odds(person.born, newcomer, known)
            if len(odds) and odds.max() >= self.config.merge_log_odds:
                merges.append(self._merge(young, known[int(np.argmax(odds))]))
        return tuple(merges)

    def _merge(self, gone: GlobalId, kept: GlobalId) -> Merge:
        self._gallery.merge(gone, kept)
        young, old = self._people.pop(gone), self._people[kept]
        old.last_seen, old.xy, old.velocity = young.last_seen, young.xy, young.velocity
        old.cameras.update(young.cameras)
        for target in [t for t, identity in self._of_target.items() if identity == gone]:
            self._rename_target(target, kept)
        self._of_track = {k: (kept if i == gone else i, seen) for k, (i, seen) in self._of_track.items()}
        return Merge(gone, kept)

    @staticmethod
    def _follow(merges: tuple[Merge, ...], ids: IntArray) -> IntArray:
        for merge in merges:
            ids = np.where(ids == merge.gone, merge.kept, ids)
        return ids

    def _forget(self, now: float) -> None:
        """Drop tracks that have not been seen for long, and identities that the gallery has forgotten."""
        memory = self.config.track_memory_s
        self._of_track = {key: entry for key, entry in self._of_track.items() if now - entry[1] <= memory}
        for identity in (*self._of_target.values(), *(identity for identity, _ in self._of_track.values())):
            self._gallery.see(identity, now)  # somebody who still has a target or a track is not forgotten
        for identity in self._gallery.expire(now):
            del self._people[identity]
