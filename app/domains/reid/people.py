"""Who is remembered, where they were last, and which targets and tracks they have now.

Keeps the books: decides nothing, and knows looks only through the gallery.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from app.domains.reid.gallery import Gallery
from app.domains.reid.ledger import Ledger, MergeEntry, SplitEntry
from app.domains.reid.person import MOST_STAYS, OCTAVES, Claim, Person, Stay, TrackKey, Whereabouts, octave
from app.domains.vocabulary import BoolArray, FloatArray, GlobalId, IntArray, Merge


class People:
    """All people remembered.

    Attributes:
        remembered: by identity.
        claims: of the identities that may still be corrected.
        of_target: the identity of each floor target that has one.
        of_track: the identity that each camera's track had last, and when.
        told_apart: pairs of whom somebody who knows says that they are two.
        ledger: of the corrections that can be taken back.
        begin: capture time from which on people are reported as the books say.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self.remembered: dict[GlobalId, Person] = {}
        self.claims: dict[GlobalId, Claim] = {}
        self.of_target: dict[int, GlobalId] = {}
        self.of_track: dict[TrackKey, tuple[GlobalId, float]] = {}
        self.told_apart: set[frozenset[GlobalId]] = set()
        self.ledger = Ledger()
        self.begin = -np.inf

    def __getitem__(self, identity: GlobalId) -> Person:
        return self.remembered[identity]

    def __contains__(self, identity: GlobalId) -> bool:
        return identity in self.remembered

    def enrol(self, now: float, xy: FloatArray | None) -> GlobalId:
        """Mint an identity for somebody at a place (2,)."""
        identity = self._gallery.enrol(now)
        self.remembered[identity] = Person(Whereabouts(now, xy, None, -np.inf if xy is None else now))
        return identity

    def claim(self, identity: GlobalId, claim: Claim, certainty: float) -> None:
        """Note that an identity has been given, and may be corrected while evidence comes in."""
        self.claims[identity] = claim
        person = self[identity]
        person.certainty, person.lesson, person.vouched = certainty, None, False
        self._gallery.doubt(identity)

    def land(self, identity: GlobalId, now: float, xy: FloatArray) -> None:
        """Note that somebody who has been seen without a place on the floor stands at one (2,)."""
        claim = self.claims.get(identity)
        if claim is not None and claim.entered_at is None:
            claim.entered_at, claim.landed_at = xy, now

    def keep_targets(self, target_id: IntArray, in_sight: BoolArray) -> set[GlobalId]:
        """Let go of targets that are not among these (M,); return the identities of those in sight."""
        living = dict(zip(target_id.tolist(), in_sight.tolist(), strict=True))
        self.of_target = {target: identity for target, identity in self.of_target.items() if target in living}
        return {identity for target, identity in self.of_target.items() if living[target]}

    def rename_target(self, target: int, identity: GlobalId) -> None:
        """Give a target an identity, and take it from the unsupported target that has kept its place so far."""
        self.of_target = {t: i for t, i in self.of_target.items() if i != identity}
        self.of_target[target] = identity

    def absent(self, now: float) -> FloatArray:
        """Return (OCTAVES,) how many people of whom looks are remembered have been absent for how long."""
        away = [now - person.where.last_seen for i, person in self.remembered.items() if self._gallery.crops(i)]
        away_s = np.array([seconds for seconds in away if seconds > 0.0])
        return np.bincount(octave(away_s), minlength=OCTAVES).astype(np.float64)

    def merge(self, gone: GlobalId, kept: GlobalId, certainty: float) -> Merge:
        """Join an identity that is claimed, or one that stands, with another that is remembered."""
        self._enter_merge(gone, kept)
        claim, late = self.claims.pop(gone, None), self.remembered.pop(gone)
        old = self[kept]
        self._gallery.merge(gone, kept)
        if claim is not None:
            self.claims[kept] = replace(claim, before=old.where)
        old.stays, old.lesson = sorted(old.stays + late.stays), None
        for camera, at in late.cameras.items():
            old.cameras[camera] = max(at, old.cameras.get(camera, -np.inf))
        if late.where.last_seen >= old.where.last_seen:
            old.where, old.certainty = late.where, certainty
        self._take_over(gone, kept)
        pairs = (pair if gone not in pair else (pair - {gone}) | {kept} for pair in self.told_apart)
        self.told_apart = {pair for pair in pairs if len(pair) == 2}
        return Merge(gone, kept, certainty)

    def unmerge(self, entry: MergeEntry, until: float) -> None:
        """Let two people who were taken for one be two again, as they were then.

        Args:
            entry: of the merge.
            until: when somebody came who may be either, and stays who it is; infinity for nobody.
        """
        gone, person = entry.late, self[entry.kept]
        self.remembered[entry.gone] = gone
        since = [stay for stay in person.stays if stay[1] >= entry.since]
        before = until if entry.in_sight else -np.inf
        gone.stays = _joined(gone.stays, (stay for stay in since if stay[0] < before))
        person.stays = _joined(entry.stays, (stay for stay in since if stay[0] >= before))
        if entry.in_sight and until == np.inf:
            gone.where, person.where = person.where, entry.where
            gone.cameras.update(person.cameras)
            person.cameras = {camera: at for camera, at in person.cameras.items() if at < entry.since}
            self._take_over(entry.kept, entry.gone)
        self._gallery.restore(entry.gone, entry.late_looks, gone.where.last_seen)
        self._gallery.restore(entry.kept, entry.looks, person.where.last_seen)
        self.told_apart |= {frozenset((entry.gone, other)) for other in (*entry.apart_from, entry.kept)}
        self.stand(entry.gone)
        self.stand(entry.kept)

    def split(self, mixed: GlobalId, apart: GlobalId, before: Whereabouts, claim: Claim) -> None:
        """Take from an identity, last seen where it was before, what it has been since; another goes on."""
        self._enter_split(mixed, apart)
        self._gallery.split(mixed, apart)
        self.claims.pop(mixed, None)
        self.claims[apart] = claim
        person, other = self[mixed], self[apart]
        other.where, other.lesson = person.where, None
        other.cameras.update(person.cameras)
        other.stays += [(max(begin, claim.at), end) for begin, end in person.stays if end >= claim.at]
        person.stays = [(begin, min(end, claim.at)) for begin, end in person.stays if begin < claim.at]
        person.where, person.cameras = before, {c: at for c, at in person.cameras.items() if at < claim.at}
        self._take_over(mixed, apart)

    def part(self, mixed: GlobalId, apart: GlobalId, since: float) -> None:
        """Let whoever is there now as one identity go on as another, and both stand; looks of a claim go along."""
        claim = self.claims.get(mixed)
        if claim is not None and claim.before is not None:
            self.split(mixed, apart, claim.before, claim)
        else:
            self._enter_split(mixed, apart)
            person, other = self[mixed], self[apart]
            other.where = person.where
            other.cameras.update(person.cameras)
            other.stays = _joined(other.stays, (stay for stay in person.stays if stay[1] >= since))
            person.stays = [(begin, min(end, since)) for begin, end in person.stays if begin < since]
            person.cameras = {camera: at for camera, at in person.cameras.items() if at < since}
            person.where = replace(person.where, placed_at=min(person.where.placed_at, since))
            self._take_over(mixed, apart)
        self.stand(mixed)
        self.stand(apart)
        self.tell_apart(mixed, apart)

    def stand(self, identity: GlobalId) -> None:
        """Let an identity stand as it is: somebody who knows says so."""
        self.claims.pop(identity, None)
        self._gallery.trust(identity)
        person = self[identity]
        person.certainty, person.lesson, person.vouched = 1.0, None, True

    def now(self, identity: GlobalId) -> GlobalId:
        """Return who somebody has turned out to be, who may be remembered no more."""
        return identity if identity in self else self.ledger.became(identity)

    def tell_apart(self, one: GlobalId, other: GlobalId) -> None:
        """Note of two who are remembered that they are two: somebody who knows says so."""
        if one in self and other in self:
            self.told_apart.add(frozenset((one, other)))

    def are_two(self, one: GlobalId, other: GlobalId) -> bool:
        """Say whether somebody who knows has said that these are two."""
        return frozenset((one, other)) in self.told_apart

    def held(self, identity: GlobalId) -> bool:
        """Say whether a target or a track has the identity now."""
        return identity in self.of_target.values() or any(i == identity for i, _ in self.of_track.values())

    def forget(self, now: float, tracks_after_s: float) -> None:
        """Drop tracks that have not been seen for so long, and identities that the gallery has forgotten."""
        self.of_track = {key: entry for key, entry in self.of_track.items() if now - entry[1] <= tracks_after_s}
        for identity in self.followed():
            self._gallery.see(identity, now)  # somebody who still has a target or a track is not forgotten
        for identity in self._gallery.expire(now):
            del self.remembered[identity]
            self.claims.pop(identity, None)
            self.told_apart = {pair for pair in self.told_apart if identity not in pair}

    def followed(self) -> set[GlobalId]:
        """Return the identities that have a target or a track."""
        return {*self.of_target.values(), *(identity for identity, _ in self.of_track.values())}

    def let_go(self, gone: set[GlobalId]) -> None:
        """Take their targets and tracks from people; whoever comes there is a newcomer."""
        self.of_target = {target: identity for target, identity in self.of_target.items() if identity not in gone}
        self.of_track = {key: entry for key, entry in self.of_track.items() if entry[0] not in gone}

    def _enter_merge(self, gone: GlobalId, kept: GlobalId) -> None:
        person = self[kept]
        entry = MergeEntry(
            gone=gone,
            kept=kept,
            since=self.begin,
            late=self[gone],
            late_looks=self._gallery.looks(gone),
            looks=self._gallery.looks(kept),
            where=person.where,
            stays=tuple(person.stays),
            in_sight=self.held(gone),
            apart_from=frozenset(i for pair in self.told_apart if gone in pair for i in pair - {gone, kept}),
        )
        self.ledger.add(entry)

    def _enter_split(self, mixed: GlobalId, apart: GlobalId) -> None:
        fresh = not self[apart].stays and not self[apart].cameras
        self.ledger.add(SplitEntry(mixed, apart, self.begin, fresh))

    def _take_over(self, old: GlobalId, new: GlobalId) -> None:
        for target in [t for t, identity in self.of_target.items() if identity == old]:
            self.rename_target(target, new)
        self.of_track = {key: (new if i == old else i, seen) for key, (i, seen) in self.of_track.items()}


def _joined(stays: Iterable[Stay], more: Iterable[Stay]) -> list[Stay]:
    """Return the newest stays of both, in order of time; one that is in both lasts as long as the longer."""
    ends: dict[float, float] = {}
    for begin, end in (*stays, *more):
        ends[begin] = max(end, ends.get(begin, end))
    return sorted(ends.items())[-MOST_STAYS:]
