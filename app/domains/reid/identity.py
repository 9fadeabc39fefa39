"""Gives floor targets and camera tracks their identity. Knows appearance, and floor positions only as arrays.

A floor target is one person by geometry; a track without floor point is one person within its camera. Each gets an
identity once: somebody remembered, if place, time and appearance make that likelier than a stranger, else a new one.
A young identity is asked again while evidence comes in, and merged into the remembered one when that proves right.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from app.domains.assignment import assign
from app.domains.reid.evidence import Evidence, IdentityConfig, share
from app.domains.reid.gallery import Gallery, rows_with_looks
from app.domains.reid.likelihood import CosineLikelihood
from app.domains.reid.orders import follow, take_back
from app.domains.reid.people import People
from app.domains.reid.person import Claim, Key, Newcomer, TrackKey, Whereabouts
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

CONFIRMED = int(TrackState.CONFIRMED)
EDGE = 0.15  # share of a box's height; who is no farther from the image's edge, left or right, may be leaving
CUT_PX = 2.0  # a box so near the upper or lower edge is cut by it


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


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The N rows of all cameras' tracks in one step, one camera behind the other.

    Attributes:
        ends: behind which row each camera's end.
        camera: (N,) of each row.
        track: (N,) the camera's own id of its track.
        target: (N,) the floor target; NO_ID, NO_FLOOR or NO_CALIBRATION.
        confirmed: (N,) whether the track is.
        looks: appearance (D,) by row, of those that had a crop taken.
        at_edge: rows whose box is at an edge of its image; none where nobody leaves for good.
    """

    ends: list[int]
    camera: list[CameraId]
    track: list[int]
    target: list[int]
    confirmed: list[bool]
    looks: dict[int, VectorArray]
    at_edge: set[int]

    def key(self, row: int) -> Key:
        """Return whom a row belongs to as far as geometry knows: its target, or else its track."""
        return self.target[row] if self.target[row] >= 0 else (self.camera[row], self.track[row])

    def cameras_of(self, target: int) -> tuple[CameraId, ...]:
        """Return the cameras that see a target."""
        return tuple(camera for camera, its in zip(self.camera, self.target, strict=True) if its == target)

    def leaving(self, ids: list[int]) -> set[int]:
        """Return who is seen at edges of images alone, given the identity of each row."""
        at_edge = {ids[row] for row in self.at_edge}
        return at_edge - {i for row, i in enumerate(ids) if row not in self.at_edge} if at_edge else at_edge

    def frames(self) -> list[range]:
        """Return the rows of each camera."""
        return [range(begin, end) for begin, end in pairwise([0, *self.ends])]


def _stack(tracks: Sequence[Tracks], target_of: Sequence[IntArray]) -> _Rows:
    rows = _Rows([], [], [], [], [], {}, set())
    if not tracks:
        return rows
    for t in tracks:
        rows.camera.extend([t.camera_id] * len(t))
        rows.ends.append(len(rows.camera))
    rows.track.extend(np.concatenate([t.track_id for t in tracks]).tolist())
    rows.target.extend(np.concatenate(target_of).tolist())
    rows.confirmed.extend((np.concatenate([t.state for t in tracks]) == CONFIRMED).tolist())
    looks = np.concatenate([t.appearance for t in tracks])
    looked = rows_with_looks(looks)
    rows.looks.update(zip(looked.tolist(), looks[looked], strict=True))
    return rows


def at_edge(tracks: Tracks, size: tuple[int, int]) -> BoolArray:
    """Return (N,) whether each box of a camera is at an edge of its image of (width, height) pixels."""
    left, top, right, bottom = tracks.xyxy.astype(np.float64).T
    beside = EDGE * (bottom - top)
    across = (left <= beside) | (right >= size[0] - beside)
    return np.asarray(across | (top <= CUT_PX) | (bottom >= size[1] - CUT_PX))


class IdentityResolver:
    """Identities of one site: who is whom now, and who has been seen before.

    Args:
        gallery: how people look.
        likelihood: what a cosine is worth.
        config: how much evidence is enough.
        sizes: (width, height) in pixels of each camera's image.
    """

    def __init__(
        self,
        gallery: Gallery,
        likelihood: CosineLikelihood,
        config: IdentityConfig,
        sizes: Mapping[CameraId, tuple[int, int]],
    ) -> None:
        if config.returning == "auto":
            config = replace(config, returning="new" if len(sizes) == 1 else "same")
        self.config = config
        self._sizes = sizes
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
        self._ordered: list[Correction] = []  # followed already, and to leave with the next step

    def affinity(self, tracks: Sequence[Tracks], target_id: IntArray) -> FloatArray:
        """Return how much appearance speaks for each pair of a row of `tracks` and a floor target.

        Returns:
            (rows of all tracks, M) in squared distance, positive for alike; 0 where either has no appearance.
        """
        if not tracks:
            return np.zeros((0, len(target_id)))
        vectors = np.concatenate([t.appearance for t in tracks])
        result = np.zeros((len(vectors), len(target_id)))
        rows = rows_with_looks(vectors)
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
        self._people.begin = self._begin
        in_sight = targets.unseen_s == 0.0
        self._supported = self._people.keep_targets(targets.target_id, in_sight)
        self._people.forget(now, self.config.track_memory_s)
        rows = _stack(tracks, target_of)
        if self.config.returning == "new":
            self._let_go(now, tracks, rows)
        appearance = self._appearance(rows)
        nameable = targets.confirmed & watched & in_sight
        self._inherit(now, rows, targets, nameable)
        newcomers = self._new_targets(rows, targets, nameable, appearance) + self._new_tracks(now, rows, appearance)
        if newcomers:
            self._name(now, newcomers, self._present(now, rows))
        ids = self._name_rows(now, rows)
        self._learn(now, rows, ids)
        of_target = self._identities_of(targets)
        self._note(now, rows, ids, targets, of_target)
        looked_at = {GlobalId(ids[row]) for row in rows.looks if ids[row] != NO_ID}
        reviewed = self._reviewer.review(now, self._begin, looked_at, self._supported)
        if reviewed:
            ids, of_target = self._name_rows(now, rows), self._identities_of(targets)
        of_row, certainty = np.array(ids, dtype=np.int64), self._certainty_of(ids)
        frames = [slice(frame.start, frame.stop) for frame in rows.frames()]
        corrections, self._ordered = (*self._ordered, *reviewed), []
        return Resolution(
            of_row=[of_row[its] for its in frames],
            row_certainty=[certainty[its] for its in frames],
            of_target=of_target,
            target_certainty=self._certainty_of(of_target.tolist()),
            corrections=corrections,
        )

    def correct(self, ordered: Correction) -> Correction | None:
        """Follow an operator's correction between two steps, as `follow` does; it leaves with those of the next one."""
        found = follow(ordered, self._people, self._stepped_at)
        self._ordered.extend(found)
        return found[0] if found else None

    def take_back(self, undone: Correction) -> Correction | None:
        """Take a correction back between two steps, as `orders.take_back` does; what follows leaves with the next."""
        found = take_back(undone, self._people, self._stepped_at)
        self._ordered.extend(found)
        return found[0] if found else None

    def waiting(self) -> tuple[float, tuple[Correction, ...]]:
        """Return the corrections that wait for the next step, and the capture time at which all were followed."""
        return self._people.begin, tuple(self._ordered)

    def _let_go(self, now: float, tracks: Sequence[Tracks], rows: _Rows) -> None:
        """Forget which targets and tracks those had who have left, and note which rows are at edges."""
        people, evidence = self._people, self._evidence
        people.let_go({i for i in people.followed() if evidence.has_left(people[i].where, now)})
        edges = [at_edge(t, self._sizes[t.camera_id]) for t in tracks]
        rows.at_edge.update(np.flatnonzero(np.concatenate(edges)).tolist() if edges else ())

    def resembling(self, vector: VectorArray, most: int) -> list[tuple[GlobalId, float]]:
        """Return who of those remembered looks most like a unit vector (D,), with their cosines, best first."""
        return self._gallery.resembling(vector, most)

    def _certainty_of(self, ids: list[int]) -> FloatArray:
        """Return the probability that each identity (N,) is right; 0 for NO_ID."""
        people = self._people.remembered
        return np.array([0.0 if i == NO_ID else people[GlobalId(i)].certainty for i in ids], dtype=np.float64)

    def _identities_of(self, targets: FloorTargets) -> IntArray:
        """Return the global id of each target, (M,), NO_ID for none."""
        return np.array([self._people.of_target.get(t, NO_ID) for t in targets.target_id.tolist()], dtype=np.int64)

    def _appearance(self, rows: _Rows) -> dict[Key, VectorArray]:
        """Return the appearance (D,) of each target or track that had crops taken: their mean direction."""
        found: dict[Key, VectorArray] = {}
        for row, look in rows.looks.items():
            key = rows.key(row)
            found[key] = found[key] + look if key in found else look
        return {key: total / max(math.sqrt(total @ total), 1e-12) for key, total in found.items()}

    def _inherit(self, now: float, rows: _Rows, targets: FloorTargets, nameable: BoolArray) -> None:
        """Give a nameless target the identity that its camera track has had, unless a target in sight holds it."""
        held = set(self._supported)
        of_target = self._people.of_target
        nameless = {
            target: m for m, target in enumerate(targets.target_id.tolist()) if nameable[m] and target not in of_target
        }
        if not nameless:
            return
        for camera_id, track, target in zip(rows.camera, rows.track, rows.target, strict=True):
            if target not in nameless:
                continue
            identity = self._remembered(camera_id, track, now)
            if identity is not None and identity not in held:
                self._people.rename_target(target, identity)
                self._people.land(identity, now, targets.xy[nameless.pop(target)])
                held.add(identity)

    def _remembered(self, camera_id: CameraId, track_id: int, now: float) -> GlobalId | None:
        """Return the identity that a camera's track has had lately, None for none."""
        identity, seen = self._people.of_track.get((camera_id, track_id), (None, -np.inf))
        return identity if now - seen <= self.config.track_memory_s else None

    def _new_targets(
        self, rows: _Rows, targets: FloorTargets, nameable: BoolArray, appearance: dict[Key, VectorArray]
    ) -> list[Newcomer]:
        return [
            Newcomer(key, rows.cameras_of(key), targets.xy[m], appearance.get(key), True)
            for m, key in enumerate(targets.target_id.tolist())
            if nameable[m] and key not in self._people.of_target
        ]

    def _new_tracks(self, now: float, rows: _Rows, appearance: dict[Key, VectorArray]) -> list[Newcomer]:
        """List the confirmed tracks that have no floor point and no identity."""
        newcomers = []
        waiting = {}
        for row, target in enumerate(rows.target):
            if target > NO_FLOOR or not rows.confirmed[row]:
                continue
            key = (rows.camera[row], rows.track[row])
            if key in self._people.of_track:
                continue
            waiting[key] = self._waiting_since.get(key, now)
            ripe = target == NO_CALIBRATION or now - waiting[key] >= self.config.patience_s
            newcomers.append(Newcomer(key, (rows.camera[row],), None, appearance.get(key), ripe))
        self._waiting_since = waiting
        return newcomers

    def _present(self, now: float, rows: _Rows) -> dict[GlobalId, set[CameraId]]:
        """Return the identities that are somewhere at this instant, with the cameras that see them."""
        present: dict[GlobalId, set[CameraId]] = {identity: set() for identity in self._supported}
        for camera_id, track, target in zip(rows.camera, rows.track, rows.target, strict=True):
            identity = self._people.of_target.get(target) or self._remembered(camera_id, track, now)
            if identity is not None:
                present.setdefault(identity, set()).add(camera_id)
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
            if identity not in present or newcomer.xy is not None:
                before = self._people[identity].where if n in matched else None
                own = float(score[n, matched[n]]) if n in matched else 0.0
                landed_at = np.inf if newcomer.xy is None else now
                claim = Claim(now, self._begin, newcomer.xy, landed_at, before, absent=absent)
                self._people.claim(identity, claim, share(own, score[n]))
            if isinstance(newcomer.key, int):
                self._people.rename_target(newcomer.key, identity)
            else:
                self._people.of_track[newcomer.key] = (identity, now)

    def _may_be(
        self, newcomer: Newcomer, identity: GlobalId, now: float, present: dict[GlobalId, set[CameraId]]
    ) -> bool:
        """Say whether place and time allow that the newcomer is this person."""
        if not present.get(identity, set()).isdisjoint(newcomer.cameras):
            return False
        if newcomer.xy is None:  # one camera's track: the person may be seen by others meanwhile, not by this one
            free = self._people[identity].cameras.get(newcomer.cameras[0], -np.inf) < now
        else:
            free = identity not in self._supported
        return free and self._evidence.within_reach(newcomer.xy, self._people[identity].where, now)

    def _log_odds(self, now: float, newcomer: Newcomer, identities: list[GlobalId], absent: float) -> FloatArray:
        """Return (M,) the log-odds that the newcomer is each of these people rather than a stranger."""
        where = [self._people[identity].where for identity in identities]
        odds = self._evidence.of_return(now, newcomer.xy, where, absent, seen=newcomer.vector is not None)
        return odds + self._evidence.of_looks(newcomer.vector, identities)

    def _name_rows(self, now: float, rows: _Rows) -> list[int]:
        """Name each row by its target, or by what its track has been; nobody twice in one camera."""
        of_target = self._people.of_target
        ids: list[int] = [of_target.get(target, NO_ID) for target in rows.target]
        if NO_ID not in ids:
            return ids
        for frame in rows.frames():
            used = set(ids[frame.start : frame.stop])
            for row in frame:
                if ids[row] != NO_ID:
                    continue
                identity = self._remembered(rows.camera[row], rows.track[row], now)
                if identity is not None and identity not in used:
                    ids[row] = identity
                    used.add(identity)
        return ids

    def _note(self, now: float, rows: _Rows, ids: list[int], targets: FloorTargets, of_target: IntArray) -> None:
        """Remember where everybody is, which track is whom, and how they look."""
        people = self._people.remembered
        everybody = set(map(GlobalId, ids)) - {GlobalId(NO_ID)}
        self._note_rows(now, rows, ids)
        self._note_neighbours(rows, ids, everybody)
        leaving = rows.leaving(ids)
        for m in ((of_target != NO_ID) & (targets.unseen_s == 0.0)).nonzero()[0].tolist():
            identity = GlobalId(int(of_target[m]))
            person = people[identity]
            last_seen = now if identity in everybody else person.where.last_seen
            person.where = Whereabouts(last_seen, targets.xy[m], targets.velocity[m], now, identity in leaving)
            person.is_seen(now, self.config.split_s)
            everybody.discard(identity)
        for identity in everybody:
            where = people[identity].where
            people[identity].where = Whereabouts(now, where.xy, where.velocity, where.placed_at, identity in leaving)
        if NO_CALIBRATION in rows.target:
            named = zip(ids, rows.target, strict=True)
            for identity in {GlobalId(i) for i, t in named if t == NO_CALIBRATION and i != NO_ID}:
                people[identity].is_seen(now, self.config.split_s)

    def _note_rows(self, now: float, rows: _Rows, ids: list[int]) -> None:
        """Remember which track is whom, who is in which camera, and how they look."""
        people, of_track = self._people.remembered, self._people.of_track
        for camera_id, track, identity in zip(rows.camera, rows.track, map(GlobalId, ids), strict=True):
            if identity != NO_ID:
                of_track[camera_id, track] = identity, now
                people[identity].cameras[camera_id] = now
        for row, look in rows.looks.items():
            if ids[row] != NO_ID:
                self._gallery.refresh(GlobalId(ids[row]), rows.camera[row], look)

    def _note_neighbours(self, rows: _Rows, ids: list[int], everybody: set[GlobalId]) -> None:
        """Remember of those whose identity is young whom one camera sees beside them: nobody is there twice."""
        claims = self._people.claims
        if claims.keys().isdisjoint(everybody):
            return
        for frame in rows.frames():
            seen = set(map(GlobalId, ids[frame.start : frame.stop])) - {GlobalId(NO_ID)}
            for identity in claims.keys() & seen:
                claims[identity].beside |= seen

    def _learn(self, now: float, rows: _Rows, ids: list[int]) -> None:
        """Learn what cosines are worth from the crops of this instant: who is whom is known by geometry.

        A crop against its own identity in the other cameras is one person; against anybody else present, two.
        """
        if now - self._learnt_at < self.config.learn_s:
            return
        self._learnt_at = now
        present = sorted({GlobalId(identity) for identity in ids} - {NO_ID})
        column = {identity: m for m, identity in enumerate(present)}
        for frame in rows.frames():
            taken = [row for row in frame if row in rows.looks and ids[row] != NO_ID]
            if not taken:
                continue
            own = [GlobalId(ids[row]) for row in taken]
            other = self._gallery.likeness(np.stack([rows.looks[row] for row in taken]), present)
            other[np.arange(len(taken)), [column[identity] for identity in own]] = np.nan
            camera_id = rows.camera[frame.start]
            elsewhere = [self._gallery.seen_elsewhere(identity, camera_id) for identity in own]
            same = [float(rows.looks[row] @ b) for row, b in zip(taken, elsewhere, strict=True) if b is not None]
            self._evidence.crops.learn(np.array(same), other.ravel())
        self._reviewer.learn(now, self._begin, present)
