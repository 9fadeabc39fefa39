"""Who is remembered, where they were last, and which targets and tracks they have now.

Keeps the books: decides nothing, and knows looks only through the gallery.
"""

from dataclasses import replace

import numpy as np

from app.domains.reid.gallery import Gallery
from app.domains.reid.person import MOST_STAYS, OCTAVES, Claim, Person, TrackKey, Whereabouts, octave
from app.domains.vocabulary import BoolArray, FloatArray, GlobalId, IntArray, Merge


class People:
    """All people remembered.

    Attributes:
        remembered: by identity.
        claims: of the identities that may still be corrected.
        of_target: the identity of each floor target that has one.
        of_track: the identity that each camera's track had last, and when.
        told_apart: pairs of whom somebody who knows says that they are two.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self.remembered: dict[GlobalId, Person] = {}
        self.claims: dict[GlobalId, Claim] = {}
        self.of_target: dict[int, GlobalId] = {}
        self.of_track: dict[TrackKey, tuple[GlobalId, float]] = {}
        self.told_apart: set[frozenset[GlobalId]] = set()

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
        self[identity].certainty, self[identity].lesson = certainty, None
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
        return Merge(gone, kept, certainty)

    def split(self, mixed: GlobalId, apart: GlobalId, before: Whereabouts, claim: Claim) -> None:
        """Take from an identity, last seen where it was before, what it has been since; another goes on."""
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
            person, other = self[mixed], self[apart]
            other.where = person.where
            other.cameras.update(person.cameras)
            other.stays = sorted(other.stays + [stay for stay in person.stays if stay[1] >= since])[-MOST_STAYS:]
            self._take_over(mixed, apart)
        self.stand(mixed)
        self.stand(apart)
        self.told_apart.add(frozenset((mixed, apart)))

    def stand(self, identity: GlobalId) -> None:
        """Let an identity stand as it is: somebody who knows says so."""
        self.claims.pop(identity, None)
        self._gallery.trust(identity)
        self[identity].certainty, self[identity].lesson = 1.0, None

    def forget(self, now: float, tracks_after_s: float) -> None:
        """Drop tracks that have not been seen for so long, and identities that the gallery has forgotten."""
        self.of_track = {key: entry for key, entry in self.of_track.items() if now - entry[1] <= tracks_after_s}
        for identity in {*self.of_target.values(), *(identity for identity, _ in self.of_track.values())}:
            self._gallery.see(identity, now)  # somebody who still has a target or a track is not forgotten
        for identity in self._gallery.expire(now):
            del self.remembered[identity]
            self.claims.pop(identity, None)
            self.told_apart = {pair for pair in self.told_apart if identity not in pair}

    def _take_over(self, old: GlobalId, new: GlobalId) -> None:
        for target in [t for t, identity in self.of_target.items() if identity == old]:
            self.rename_target(target, new)
        self.of_track = {key: (new if i == old else i, seen) for key, (i, seen) in self.of_track.items()}
