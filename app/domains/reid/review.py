"""Reviews identities: corrects them by merges and splits as looks come in, and says how sure they are.

Knows people, their looks and what speaks for whom; knows no tracks and no targets.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from app.domains.reid.evidence import STAY_CROPS, Evidence, IdentityConfig, share
from app.domains.reid.gallery import Gallery
from app.domains.reid.people import People
from app.domains.reid.person import OCTAVES, Claim, Lesson, Person, Whereabouts, octave
from app.domains.vocabulary import Correction, FloatArray, GlobalId, Split, VectorArray

SETTLED = 0.95  # probability from which on an identity teaches how alike people look when they return
DOUBLE_SHARE = 0.1  # of the time of the one who was there for less, at most, both were there
LESSON_CROPS = 12  # so many looks, of all cameras, are one lesson in how alike a person's looks are
TAKEN_UP_S = 5.0  # a target dies out for so long while another takes up its person
REVIEW_GROWTH = 0.15  # looks are weighed again when a claim is older by this share


class Reviewer:
    """Second thoughts about who is whom."""

    def __init__(self, people: People, gallery: Gallery, evidence: Evidence, config: IdentityConfig) -> None:
        self.config = config
        self._people, self._gallery, self._evidence = people, gallery, evidence
        self._compared_at, self._compared = -np.inf, GlobalId(0)  # when identities were compared last, and which
        self._taught = GlobalId(0)  # who began a lesson last
        self._unlike: list[GlobalId] = []  # those who in this step's lessons looked like somebody else

    def review(
        self, now: float, begin: float, seen: Collection[GlobalId], supported: Collection[GlobalId]
    ) -> tuple[Correction, ...]:
        """Weigh anew who everybody is whose identity is young and who has been looked at; correct what was wrong.

        Args:
            now: seconds.
            begin: capture time from which on rows belong to this step.
            seen: identities of whom a look was taken in this step.
            supported: identities whose floor target a camera sees in this step.
        """
        claims = self._people.claims
        for identity in [i for i, claim in claims.items() if now - claim.at > self.config.young_s]:
            self._settle(identity)
        due = [identity for identity in sorted(claims.keys() & seen) if now >= claims[identity].review_at]
        fresh = [(identity, *self._gallery.looks_since_doubt(identity)) for identity in due]
        looks = [(identity, vector, crops) for identity, vector, crops in fresh if vector is not None]
        corrections: list[Correction] = []
        standing = set(self._people.of_target.values())
        if looks:
            alike = self._gallery.nearest(np.stack([vector for _, vector, _ in looks]), self.config.candidates)
            for (identity, look, crops), candidates in zip(looks, alike, strict=True):
                claim = claims[identity]
                claim.review_at = now + REVIEW_GROWTH * (now - claim.at)
                apart = supported if identity in standing else ()
                known = [
                    i for i in candidates if i != identity and i not in apart and self._might_be(identity, claim, i)
                ]
                corrections += self._weigh(identity, (look, crops), known, begin)
        for identity in self._unlike:
            corrections += self._part(identity, supported, begin)
        self._unlike.clear()
        return (*corrections, *self._compare(now))

    def learn(self, now: float, begin: float, identities: list[GlobalId]) -> None:
        """Learn from people in sight, as if the last looks were a newcomer's; one more begins a lesson each time.

        Args:
            now: seconds.
            begin: capture time from which on rows belong to this step.
            identities: of everybody in sight, ascending.
        """
        standing = [identity for identity in identities if identity not in self._people.claims]
        for identity in standing:
            if not self._gallery.in_doubt(identity):
                continue
            look, crops = self._gallery.looks_since_doubt(identity)
            if look is None or crops < LESSON_CROPS:
                continue
            if self._people[identity].lesson is not None and self._own_odds(identity, look) < 0.0:
                self._unlike.append(identity)
                continue
            others = [other for other in identities if other != identity]
            same = self._gallery.recognition(identity, STAY_CROPS)
            self._evidence.stays.learn(same, self._gallery.likeness(look[None], others)[0])
            self._end_lesson(identity)
        idle = [i for i in standing if not self._gallery.in_doubt(i) and not self._people[i].vouched]
        if idle:
            self._taught = next((identity for identity in idle if identity > self._taught), idle[0])
            person = self._people[self._taught]
            person.lesson = Lesson(now, begin, person.where)
            self._gallery.doubt(self._taught)

    def _end_lesson(self, identity: GlobalId) -> None:
        self._people[identity].lesson = None
        self._gallery.settle(identity)

    def _own_odds(self, identity: GlobalId, look: VectorArray) -> float:
        """Return how much a look speaks for somebody by what was known before the last lesson, this one left out."""
        return self._evidence.of_alike(look, self._gallery.looks_long_before(identity), STAY_CROPS)

    def _part(self, identity: GlobalId, supported: Collection[GlobalId], begin: float) -> list[Correction]:
        """Split an identity from whom its target has taken up since a lesson began, if looks are sure of that."""
        people, gallery = self._people, self._gallery
        lesson = people[identity].lesson if identity in people else None
        if lesson is None:  # a correction in this step has settled it
            return []
        look, crops = gallery.looks_since_doubt(identity)
        if look is None or (identity not in supported and not self._in_one_camera(identity, lesson.at)):
            self._end_lesson(identity)
            return []
        (alike,) = gallery.nearest(look[None], self.config.candidates)
        known = [i for i in alike if i != identity and i not in supported and self._was_away(i, lesson)]
        odds = self._evidence.of_looks(look, known, crops)
        own = self._own_odds(identity, look)
        best = int(np.argmax(odds)) if known else -1
        rival = float(odds[best]) if known else -np.inf
        if max(rival, 0.0) - own < self.config.part_log_odds:
            self._end_lesson(identity)
            return []
        claim = Claim(lesson.at, lesson.since, lesson.where.xy, lesson.at)
        if rival >= self.config.merge_log_odds:
            apart, claim.before = known[best], people[known[best]].where
        else:
            apart, rival = people.enrol(lesson.at, lesson.where.xy), 0.0
        gallery.recall_earlier(identity)
        people.split(identity, apart, lesson.where, claim)
        people[apart].certainty = share(rival, np.append(odds, own))
        return [Split(identity, apart, lesson.since, begin, (), people[apart].certainty)]

    def _in_one_camera(self, identity: GlobalId, since: float) -> bool:
        return sum(at >= since for at in self._people[identity].cameras.values()) == 1

    def _was_away(self, other: GlobalId, lesson: Lesson) -> bool:
        """Say whether somebody remembered stood nowhere else since a lesson began, and can have walked there."""
        if other not in self._people:
            return False
        where, at = self._people[other].where, lesson.at + TAKEN_UP_S
        return where.placed_at <= at and self._evidence.within_reach(lesson.where.xy, where, at)

    def _might_be(self, identity: GlobalId, claim: Claim, other: GlobalId) -> bool:
        """Say whether somebody remembered was gone when a newcomer came to the floor, and can have walked there.

        Until then it may be anybody whom no camera has seen at the same instant: one camera sees the feet, another not.
        Two of whom somebody who knows has said that they are two are never joined.
        """
        if claim.before is None and self._people.are_two(identity, other):
            return False
        its_claim = self._people.claims.get(other)
        if other not in self._people or other in claim.beside or (its_claim is not None and its_claim.at > claim.at):
            return False
        where = self._people[other].where
        return where.placed_at <= claim.landed_at + self.config.split_s and self._evidence.within_reach(
            claim.entered_at, where, claim.landed_at
        )

    def _weigh(
        self, identity: GlobalId, looks: tuple[VectorArray, int], known: list[GlobalId], begin: float
    ) -> list[Correction]:
        """Correct an identity where its looks so far say that it is another; else say how sure it is."""
        (look, crops), people, claim = looks, self._people, self._people.claims[identity]
        where = [people[other].where for other in known] + ([] if claim.before is None else [claim.before])
        returns = self._evidence.of_return(claim.at, claim.entered_at, where, claim.absent.sum(), seen=True)
        odds = returns[: len(known)] + self._evidence.of_looks(look, known, crops)
        own = 0.0
        if claim.before is not None:
            own = float(returns[-1])
            own += self._evidence.of_alike(look, self._gallery.looks_before_doubt(identity), crops)
        hypotheses = odds if claim.before is None else np.append(odds, own)
        claim.returned = _returned(claim, where, hypotheses)
        people[identity].certainty = share(own, hypotheses)
        best = int(np.argmax(odds)) if len(odds) else -1
        rival = float(odds[best]) if len(odds) else -np.inf
        if claim.before is None:
            if rival < self.config.merge_log_odds:
                return []
            return [people.merge(identity, known[best], share(rival, odds))]
        if max(rival, 0.0) - own < self.config.split_log_odds:
            return []
        if rival >= self.config.merge_log_odds:
            apart, moved = known[best], replace(claim, before=people[known[best]].where)
        else:
            apart, moved = people.enrol(claim.at, claim.entered_at), replace(claim, before=None)
        people.split(identity, apart, claim.before, moved)
        people[apart].certainty = share(0.0 if moved.before is None else rival, hypotheses)
        return [Split(identity, apart, claim.since, begin, (), people[apart].certainty)]

    def _settle(self, identity: GlobalId) -> None:
        """Let an identity stand, and learn from it how often people return and how they look then."""
        claim = self._people.claims.pop(identity)
        if claim.returned is not None and claim.absent.any():
            self._evidence.returns.learn(claim.absent, claim.returned)
        before = self._gallery.looks_before_doubt(identity)
        look, crops = self._gallery.looks_since_doubt(identity)
        sure = self._people[identity].certainty > SETTLED and crops >= STAY_CROPS
        if sure and look is not None and before is not None:
            self._evidence.stays.learn(np.array([look @ before]), np.zeros(0))
        self._gallery.settle(identity)

    def _compare(self, now: float) -> list[Correction]:
        """Compare one identity that stands, the next one in turn, with all who never were there at the same time."""
        if now - self._compared_at < self.config.learn_s or not self._people.remembered:
            return []
        self._compared_at = now
        everybody = self._people.remembered
        identity = next((i for i in everybody if i > self._compared), next(iter(everybody)))
        self._compared = identity
        look = self._gallery.prototype(identity)
        if look is None or not self._stands(identity):
            return []
        (alike,) = self._gallery.nearest(look[None], self.config.candidates)
        known = [i for i in alike if i != identity and self._stands(i) and self._never_met(identity, i)]
        if not known:
            return []
        away = np.array([gap_s(everybody[identity], everybody[other]) for other in known])
        odds = self._evidence.of_looks(look, known, STAY_CROPS) + self._evidence.returns.log_odds(away, len(everybody))
        best = int(np.argmax(odds))
        if odds[best] < self.config.merge_log_odds:
            return []
        gone, kept = max(identity, known[best]), min(identity, known[best])
        return [self._people.merge(gone, kept, share(float(odds[best]), odds))]

    def _stands(self, identity: GlobalId) -> bool:
        """Say whether an identity is beyond review, and enough is known of its looks."""
        people = self._people
        return identity in people and identity not in people.claims and self._gallery.crops(identity) >= STAY_CROPS

    def _never_met(self, one: GlobalId, other: GlobalId) -> bool:
        """Say whether two identities were never there together, but for moments in which one person was two targets."""
        a, b = self._people[one], self._people[other]
        if self._people.are_two(one, other):
            return False
        first, later = (a, b) if a.where.last_seen <= b.where.last_seen else (b, a)
        if later.stays and self._evidence.has_left(first.where, later.stays[0][0]):
            return False
        return a.beside_s(b) <= min(self.config.double_s, DOUBLE_SHARE * min(a.seen_s(), b.seen_s()))


def gap_s(one: Person, other: Person) -> float:
    """Return the shortest time in seconds between stays of two people."""
    gaps = [max(begin - its_end, its_begin - end) for begin, end in one.stays for its_begin, its_end in other.stays]
    return max(min(gaps, default=0.0), 0.0)


def _returned(claim: Claim, where: list[Whereabouts], odds: FloatArray) -> FloatArray:
    """Return (OCTAVES,) the probability that a newcomer was somebody absent for so long."""
    if not where:
        return np.zeros(OCTAVES)
    shares = np.exp(odds - np.logaddexp.reduce(np.append(odds, 0.0)))
    away_s = np.array([claim.at - place.last_seen for place in where])
    return np.bincount(octave(away_s), shares, OCTAVES).astype(np.float64)
