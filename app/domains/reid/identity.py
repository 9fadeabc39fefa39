"""Gives floor targets and camera tracks their identity. Knows appearance, and floor positions only as arrays.

A floor target is one person by geometry; a track without floor point is one person within its camera. Each gets an
identity once: somebody remembered, if place, time and appearance make that likelier than a stranger, else a new one.
A young identity is asked again while evidence comes in, and merged into the remembered one when that proves right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.assignment import assign
from app.domains.reid.evidence import Evidence, IdentityConfig, share
from app.domains.reid.gallery import Gallery
from app.domains.reid.likelihood import CosineLikelihood
from app.domains.reid.people import Claim, Key, Newcomer, People, TrackKey, Whereabouts
from app.domains.reid.review import Reviewer
from app.domains.vocabulary import (
    NO_CALIBRATION,
    NO_FLOOR,
    NO_ID,
    BoolArray,
    CameraId,
    Correction,
    FloatArray,
    FloorTargets,
    GlobalId,
    IntArray,
    Tracks,
    TrackState,
    VectorArray,
)


@dataclass(frozen=True, slots=True, eq=False)
class Resolution:
    """Who everybody is after one step.

    Attributes:
        of_row: for each camera the global id of each row, NO_ID where nobody is sure.
        row_certainty: for each camera the probability of each row that its id is right, 0 without one.
        of_target: (M,) the global id of each target, NO_ID for those never confirmed.
        target_certainty: (M,) the same probability.
        corrections: of earlier steps.
    """

    of_row: list[IntArray]
    row_certainty: list[FloatArray]
    of_target: IntArray
    target_certainty: FloatArray
    corrections: tuple[Correction, ...]


class IdentityResolver:
    """Identities of one site: who is whom now, and who has been seen before."""

    def __init__(self, gallery: Gallery, likelihood: CosineLikelihood, config: IdentityConfig) -> None:
        self.config = config
        self._gallery = gallery
        self._likelihood = likelihood
        self._evidence = Evidence(gallery, likelihood, config)
        self._people = People(gallery)
        self._reviewer = Reviewer(self._people, gallery, self._evidence, config)
        self._supported: set[GlobalId] = set()
        self._waiting_since: dict[TrackKey, float] = {}
        self._learnt_at = -np.inf
        self._stepped_at = -np.inf
        self._begin = -np.inf  # capture time from which on rows belong to this step

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
        named = [m for m, target in enumerate(target_id.tolist()) if target in self._people.of_target]
        if len(rows) and named:
            identities = [self._people.of_target[target] for target in target_id[named].tolist()]
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
    ) -> Resolution:
        """Give every target and every row its identity.

        Args:
            now: seconds.
            tracks: of each camera that has a frame in this step.
            target_of: for each of them, the floor target of each row; NO_ID for a floor point that belongs to none,
                NO_FLOOR for a box without floor point.
            targets: the living floor targets.
            watched: (M,) whether each target stands where people are of interest; elsewhere nobody gets an identity.
        """
        earliest = min((t.captured_at for t in tracks), default=now)
        self._begin, self._stepped_at = max(earliest, float(np.nextafter(self._stepped_at, np.inf))), now
        in_sight = targets.unseen_s == 0.0
        self._supported = self._people.keep_targets(targets.target_id, in_sight)
        self._people.forget(now, self.config.track_memory_s)
        appearance = self._appearance(tracks, target_of)
        nameable = targets.confirmed & watched & in_sight
        self._inherit(now, tracks, target_of, targets.target_id[nameable])
        newcomers = self._new_targets(targets, nameable, appearance) + self._new_tracks(
            now, tracks, target_of, appearance
        )
        if newcomers:
            self._name(now, newcomers, self._present(now, tracks, target_of))
        rows = self._name_rows(now, tracks, target_of)
        self._learn(now, tracks, rows)
        of_target = self._identities_of(targets)
        self._note(now, tracks, rows, targets, of_target)
        looked_at = {
            GlobalId(i)
            for t, ids in zip(tracks, rows, strict=True)
            for i in ids[t.appearance.any(axis=1) & (ids != NO_ID)].tolist()
        }
        corrections = self._reviewer.review(now, self._begin, looked_at, self._supported)
        if corrections:
            rows, of_target = self._name_rows(now, tracks, target_of), self._identities_of(targets)
        certainty = [self._certainty_of(ids) for ids in rows]
        return Resolution(rows, certainty, of_target, self._certainty_of(of_target), corrections)

    def _certainty_of(self, ids: IntArray) -> FloatArray:
        """Return the probability that each identity (N,) is right; 0 for NO_ID."""
        people = self._people.remembered
        return np.array([0.0 if i == NO_ID else people[GlobalId(i)].certainty for i in ids.tolist()])

    def _identities_of(self, targets: FloorTargets) -> IntArray:
        """Return the global id of each target, (M,), NO_ID for none."""
        return np.array([self._people.of_target.get(t, NO_ID) for t in targets.target_id.tolist()], dtype=np.int64)

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
        nameless = set(target_id.tolist()) - self._people.of_target.keys()
        if not nameless:
            return
        for t, target in zip(tracks, target_of, strict=True):
            for row in np.flatnonzero(np.isin(target, list(nameless))).tolist():
                identity = self._remembered(t.camera_id, int(t.track_id[row]), now)
                if identity is not None and identity not in held and int(target[row]) not in self._people.of_target:
                    self._people.rename_target(int(target[row]), identity)
                    held.add(identity)

    def _remembered(self, camera_id: CameraId, track_id: int, now: float) -> GlobalId | None:
        """Return the identity that a camera's track has had lately, None for none."""
        identity, seen = self._people.of_track.get((camera_id, track_id), (None, -np.inf))
        return identity if now - seen <= self.config.track_memory_s else None

    def _new_targets(
        self, targets: FloorTargets, nameable: BoolArray, appearance: dict[Key, VectorArray]
    ) -> list[Newcomer]:
        return [
            Newcomer(key, (), targets.xy[m], appearance.get(key), True)
            for m, key in enumerate(targets.target_id.tolist())
            if nameable[m] and key not in self._people.of_target
        ]

    def _new_tracks(
        self,
        now: float,
        tracks: Sequence[Tracks],
        target_of: Sequence[IntArray],
        appearance: dict[Key, VectorArray],
    ) -> list[Newcomer]:
        """List the confirmed tracks that have no floor point and no identity."""
        newcomers = []
        waiting = {}
        for t, target in zip(tracks, target_of, strict=True):
            for row in np.flatnonzero((target <= NO_FLOOR) & (t.state == TrackState.CONFIRMED)).tolist():
                key = (t.camera_id, int(t.track_id[row]))
                if key in self._people.of_track:
                    continue
                waiting[key] = self._waiting_since.get(key, now)
                ripe = target[row] == NO_CALIBRATION or now - waiting[key] >= self.config.patience_s
                newcomers.append(Newcomer(key, (t.camera_id,), None, appearance.get(key), ripe))
        self._waiting_since = waiting
        return newcomers

    def _present(
        self, now: float, tracks: Sequence[Tracks], target_of: Sequence[IntArray]
    ) -> dict[GlobalId, set[CameraId]]:
        """Return the identities that are somewhere at this instant, with the cameras that see them."""
        present: dict[GlobalId, set[CameraId]] = {identity: set() for identity in self._supported}
        for t, target in zip(tracks, target_of, strict=True):
            for track, key in zip(t.track_id.tolist(), target.tolist(), strict=True):
                identity = self._people.of_target.get(key) or self._remembered(t.camera_id, track, now)
                if identity is not None:
                    present.setdefault(identity, set()).add(t.camera_id)
        return present

    def _name(self, now: float, newcomers: list[Newcomer], present: dict[GlobalId, set[CameraId]]) -> None:
        """Join newcomers to people remembered, all at once, and enrol the rest."""
        vectors = [newcomer.vector for newcomer in newcomers if newcomer.vector is not None]
        absent = self._people.absent(now)
        people = self._evidence.candidates(vectors, self._people.remembered, present)
        score = np.full((len(newcomers), len(people)), -np.inf)
        for n, newcomer in enumerate(newcomers):
            allowed = [m for m, p in enumerate(people) if self._may_be(newcomer, p, now, present)]
            score[n, allowed] = self._log_odds(now, newcomer, [people[m] for m in allowed], absent.sum())
        accept = np.array([0.0 if newcomer.vector is None else self.config.accept for newcomer in newcomers])
        cost = np.where(np.isfinite(score), accept[:, None] - score, 0.0)
        matched = dict(zip(*(index.tolist() for index in assign(cost)), strict=True)) if len(people) else {}
        for n, newcomer in enumerate(newcomers):
            if n in matched:
                identity = people[matched[n]]
            elif newcomer.may_enrol:
                identity = self._people.enrol(now, newcomer.xy)
            else:
                continue
            if identity not in present:
                before = self._people[identity].where if n in matched else None
                own = float(score[n, matched[n]]) if n in matched else 0.0
                claim = Claim(now, self._begin, newcomer.xy, before, absent=absent)
                self._people.claim(identity, claim, share(own, score[n]))
            if isinstance(newcomer.key, int):
                self._people.rename_target(newcomer.key, identity)
            else:
                self._people.of_track[newcomer.key] = (identity, now)

    def _may_be(
        self, newcomer: Newcomer, identity: GlobalId, now: float, present: dict[GlobalId, set[CameraId]]
    ) -> bool:
        """Say whether place and time allow that the newcomer is this person."""
        if newcomer.xy is None:  # one camera's track: the person may be seen by others meanwhile, not by this one
            seen = self._people[identity].cameras.get(newcomer.cameras[0], -np.inf)
            return newcomer.cameras[0] not in present.get(identity, set()) and seen < now
        if identity in present:
            return False
        return self._evidence.within_reach(newcomer.xy, self._people[identity].where, now)

    def _log_odds(self, now: float, newcomer: Newcomer, identities: list[GlobalId], absent: float) -> FloatArray:
        """Return (M,) the log-odds that the newcomer is each of these people rather than a stranger."""
        where = [self._people[identity].where for identity in identities]
        odds = self._evidence.of_return(now, newcomer.xy, where, absent, seen=newcomer.vector is not None)
        return odds + self._evidence.of_looks(newcomer.vector, identities)

    def _name_rows(self, now: float, tracks: Sequence[Tracks], target_of: Sequence[IntArray]) -> list[IntArray]:
        """Name each row by its target, or by what its track has been; nobody twice in one camera."""
        named = []
        for t, target in zip(tracks, target_of, strict=True):
            ids = np.array([self._people.of_target.get(int(m), NO_ID) for m in target], dtype=np.int64)
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
        people, claims, of_track = self._people.remembered, self._people.claims, self._people.of_track
        everybody: set[GlobalId] = set()
        for t, ids in zip(tracks, rows, strict=True):
            known = np.flatnonzero(ids != NO_ID)
            here = [GlobalId(identity) for identity in ids[known].tolist()]
            taken = np.asarray(t.appearance[known].any(axis=1)).tolist()
            for identity, track, row, look in zip(here, t.track_id[known].tolist(), known.tolist(), taken, strict=True):
                of_track[t.camera_id, track] = (identity, now)
                people[identity].cameras[t.camera_id] = now
                if look:
                    self._gallery.refresh(identity, t.camera_id, t.appearance[row])
            everybody.update(here)
            for identity in claims.keys() & here:
                claims[identity].beside.update(here)
        for identity in everybody:
            person = people[identity]
            person.where = Whereabouts(now, person.where.xy, person.where.velocity)
            person.is_seen(now, self.config.split_s)
        for m in np.flatnonzero((of_target != NO_ID) & (targets.unseen_s == 0.0)).tolist():
            person = self._people[GlobalId(int(of_target[m]))]
            person.where = Whereabouts(person.where.last_seen, targets.xy[m], targets.velocity[m])

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
            same = [float(t.appearance[row] @ b) for row, b in zip(taken, elsewhere, strict=True) if b is not None]
            self._evidence.crops.learn(np.array(same), other.ravel())
        self._reviewer.learn(present)
