"""Who is remembered, where they were last, and which targets and tracks they have now.

Keeps the books: decides nothing, and knows looks only through the gallery.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from app.domains.reid.gallery import Gallery
from app.domains.vocabulary import BoolArray, CameraId, FloatArray, GlobalId, IntArray, Merge, VectorArray

TrackKey = tuple[CameraId, int]  # a camera and the id of one of its tracks
Key = int | TrackKey  # or a floor target's id
OCTAVES = 12  # of seconds of absence: up to an hour
MOST_STAYS = 100  # that are remembered of a person


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Where somebody was last.

    Attributes:
        last_seen: by any camera.
        xy: (2,) metres; None without floor.
        velocity: (2,) metres per second.
        placed_at: when that was known; later only boxes without floor point were seen. -infinity for never.
        at_edge: whether every box of that last sighting was at an edge of its image.
    """

    last_seen: float
    xy: FloatArray | None = None
    velocity: FloatArray | None = None
    placed_at: float = -np.inf
    at_edge: bool = False


@dataclass(slots=True)
class Claim:
    """That a newcomer is the identity that was given, for as long as it may be corrected.

    Attributes:
        at: when it was given.
        since: capture time from which on rows belong to it.
        entered_at: (2,) metres, where the newcomer first stood on the floor; None as long as that is nowhere.
        landed_at: when that was; infinity for not yet.
        before: where the identity was before, if somebody remembered; None for a new one.
        beside: whom one camera has seen at one instant with the newcomer since.
        absent: (OCTAVES,) how many people were absent for how long then.
        returned: (OCTAVES,) the probability that it was one of them; None before looks have been weighed.
        review_at: when looks are weighed next.
    """

    at: float
    since: float
    entered_at: FloatArray | None
    landed_at: float
    before: Whereabouts | None = None
    beside: set[GlobalId] = field(default_factory=set)
    absent: FloatArray = field(default_factory=lambda: np.zeros(OCTAVES))
    returned: FloatArray | None = None
    review_at: float = -np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """That the looks of somebody in sight are gathered anew.

    Attributes:
        at: when that began.
        since: capture time from which on rows belong to it.
        where: the person was then.
    """

    at: float
    since: float
    where: Whereabouts


@dataclass(slots=True)
class Person:
    """Where an identity is, and how sure.

    Attributes:
        where: at last.
        cameras: when each camera saw the person last.
        certainty: probability that the identity is right, given whom else the person may be.
        stays: when the person was on the floor, or seen by cameras without one, from and to, in order of time.
        lesson: while looks are gathered anew without a claim.
    """

    where: Whereabouts
    cameras: dict[CameraId, float] = field(default_factory=dict)
    certainty: float = 1.0
    stays: list[tuple[float, float]] = field(default_factory=list)
    lesson: Lesson | None = None

    def is_seen(self, now: float, gap_s: float) -> None:
        """Note that the person is there; a gap that is longer begins another stay."""
        begin = self.stays.pop()[0] if self.stays and now - self.stays[-1][1] <= gap_s else now
        self.stays.append((begin, now))
        del self.stays[:-MOST_STAYS]

    def seen_s(self) -> float:
        """Return for how many seconds the person was there in all."""
        return sum(end - begin for begin, end in self.stays)

    def beside_s(self, other: "Person") -> float:
        """Return for how many seconds both were there at one time."""
        return sum(
            max(min(end, its_end) - max(begin, its_begin), 0.0)
            for begin, end in self.stays
            for its_begin, its_end in other.stays
        )


@dataclass(frozen=True, slots=True, eq=False)
class Newcomer:
    """A target, or a track without floor point, that wants an identity in this step.

    Attributes:
        xy: (2,) metres; None without floor.
        vector: (D,) its look; None for none.
    """

    key: Key
    cameras: tuple[CameraId, ...]
    xy: FloatArray | None
    vector: VectorArray | None
    may_enrol: bool


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

    def let_go(self, gone: set[GlobalId]) -> None:
        """Take their targets and tracks from people; whoever comes there is a newcomer."""
        self.of_target = {target: identity for target, identity in self.of_target.items() if identity not in gone}
        self.of_track = {key: entry for key, entry in self.of_track.items() if entry[0] not in gone}

    def _take_over(self, old: GlobalId, new: GlobalId) -> None:
        for target in [t for t, identity in self.of_target.items() if identity == old]:
            self.rename_target(target, new)
        self.of_track = {key: (new if i == old else i, seen) for key, (i, seen) in self.of_track.items()}


def octave(away_s: FloatArray) -> IntArray:
    """Return the octave of each absence, (N,)."""
    return np.clip(np.log2(np.maximum(away_s, 1.0)), 0, OCTAVES - 1).astype(np.int64)
