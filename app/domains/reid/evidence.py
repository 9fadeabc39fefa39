"""What speaks for a newcomer being somebody remembered: place, time and looks, as log-odds against a stranger.

Knows who is remembered and where they were last; decides nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from app.domains.reid.gallery import Gallery, GalleryConfig
from app.domains.reid.likelihood import CosineLikelihood, LikelihoodConfig
from app.domains.reid.person import OCTAVES, Person, Whereabouts, octave
from app.domains.vocabulary import FloatArray, GlobalId, VectorArray

STAY_CROPS = 4  # so many crops average out what makes a single one look unlike its person
MEMORY = 500.0  # newcomers after which older ones fade


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """How much evidence joins a newcomer to somebody remembered."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    accept: float = 1.0  # log-odds from which on a newcomer is taken for somebody remembered; without a look from 0 on
    return_log_odds: float = 2.0  # that a newcomer is somebody out of sight rather than a stranger, before it is learnt
    prior_absences: float = 30.0  # weight of that, in absent people whom newcomers were compared with
    prior_newcomers: float = 5.0  # and in newcomers
    merge_log_odds: float = 1.0  # log-odds from which on a young identity is merged into a remembered one
    split_log_odds: float = 2.0  # log-odds from which on somebody taken for a remembered one is taken for another
    part_log_odds: float = 3.0  # and from which on somebody who was in sight all the time is
    stranger_area_m2: float = 100.0  # strangers are expected to appear anywhere in an area of this size
    walk_m: float = 0.6  # standard deviation of how far from their last course people reappear at once
    drift_m_per_s: float = 0.7  # and by how much more for each second out of sight
    max_speed: float = 3.0  # m/s; nobody reappears farther away than this allows
    reach_m: float = 1.5  # metres added to that for errors of position
    double_s: float = 12.0  # two identities that were there together for so long in all may have been one person
    split_s: float = 1.0  # one person may be two targets for so long, if no camera sees both
    young_s: float = 30.0  # for so long after it was given an identity may still be corrected
    patience_s: float = 1.0  # a track whose feet are cut off waits so long for its feet before it gets an identity
    # Who leaves by the edge of the image and comes back; auto: new where the site has one camera, as in MOTChallenge.
    returning: Literal["auto", "same", "new"] = "auto"
    leave_s: float = 1.0  # who was last seen at the edge has left after so long
    track_memory_s: float = 2.0  # a track keeps its identity without support from the floor for so long
    affinity: float = 2.0  # squared distance that a log-likelihood ratio of 1 is worth to the floor association
    max_affinity: float = 8.0  # at most, either way
    learn_s: float = 0.5  # cosines are learnt from the crops of one instant each so often
    candidates: int = 32  # nearest identities that are looked at for a newcomer
    gallery: GalleryConfig = field(default_factory=GalleryConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)


class Returns:
    """How likely a newcomer is one particular absent person, by how long that one has been away; learnt on-line.

    Absences are counted in octaves of seconds. Of each newcomer it is known how many people were absent for how long,
    and in the end how probably each of them it was.
    """

    def __init__(self, config: IdentityConfig) -> None:
        self._share = 1.0 / (1.0 + np.exp(-config.return_log_odds))
        self._weight = config.prior_absences
        self._absent, self._returned = np.zeros(OCTAVES), np.zeros(OCTAVES)
        self._newcomers, self._strangers = config.prior_newcomers, config.prior_newcomers * (1.0 - self._share)

    def log_odds(self, away_s: FloatArray, absent: float) -> FloatArray:
        """Return (N,) the log-odds that a newcomer is each of the people who have been away for so long.

        Args:
            away_s: (N,) seconds.
            absent: how many people are absent altogether.
        """
        before = self._weight * self._share / max(absent, 1.0)
        probability = ((self._returned + before) / (self._absent + self._weight))[octave(away_s)]
        return np.asarray(np.log(probability) - np.log(self._strangers / self._newcomers))

    def learn(self, absent: FloatArray, returned: FloatArray) -> None:
        """Take in a newcomer: how many were absent, and the probability that it was one of them, (OCTAVES,) each."""
        fade = 1.0 - 1.0 / MEMORY
        self._absent, self._returned = fade * self._absent + absent, fade * self._returned + returned
        self._newcomers = fade * self._newcomers + 1.0
        self._strangers = fade * self._strangers + max(1.0 - float(returned.sum()), 0.0)


class Evidence:
    """Weighs newcomers against people remembered."""

    def __init__(self, gallery: Gallery, likelihood: CosineLikelihood, config: IdentityConfig) -> None:
        self.config = config
        self.returns = Returns(config)
        self._gallery = gallery
        self.crops = likelihood
        self.stays = likelihood.anew()

    def candidates(
        self, vectors: Sequence[VectorArray], people: Mapping[GlobalId, Person], present: Collection[GlobalId]
    ) -> list[GlobalId]:
        """List whom newcomers might be: those who look alike, and those who left from near by a moment ago."""
        found: dict[GlobalId, None] = {}
        if len(vectors):
            for alike in self._gallery.nearest(np.stack(vectors).astype(np.float32), self.config.candidates):
                found.update(dict.fromkeys(alike))
        near_s = self.config.stranger_area_m2**0.5 / self.config.drift_m_per_s
        latest = max((person.where.last_seen for person in people.values()), default=-np.inf)
        for identity, person in people.items():
            where = person.where
            if where.xy is not None and identity not in present and latest - where.last_seen <= near_s:
                found[identity] = None
        return sorted(found)

    def of_return(
        self, now: float, xy: FloatArray | None, where: Sequence[Whereabouts], absent: float, *, seen: bool
    ) -> FloatArray:
        """Return (M,) the log-odds by time and place that a newcomer is who was last there, rather than a stranger.

        Args:
            now: when the newcomer came.
            xy: (2,) metres, where; None without floor.
            where: everybody whom it may be.
            absent: how many people were absent altogether.
            seen: whether looks will be weighed, too; without them that people are used to return is no evidence.
        """
        if not where:
            return np.zeros(0)
        away = np.array([max(now - place.last_seen, 0.0) for place in where])
        places = np.array([self.of_place(xy, place, now) for place in where])
        prior = self.returns.log_odds(away, absent)
        unseen = np.minimum(prior, -np.log(max(absent, len(where))))
        return np.asarray((prior if seen else unseen) + places)

    def within_reach(self, xy: FloatArray | None, where: Whereabouts, now: float) -> bool:
        """Say whether somebody can have walked to a place (2,), and has not left for good."""
        if self.has_left(where, now):
            return False
        if xy is None or where.xy is None:
            return True
        reach = self.config.reach_m + self.config.max_speed * max(now - where.placed_at, 0.0)
        return bool(np.linalg.norm(xy - where.xy) <= reach)

    def has_left(self, where: Whereabouts, now: float) -> bool:
        """Say whether somebody has left by the edge of the image, where that is for good."""
        return self.config.returning == "new" and where.at_edge and now - where.last_seen > self.config.leave_s

    def of_place(self, xy: FloatArray | None, where: Whereabouts, now: float) -> float:
        """Return the log-likelihood ratio of a place (2,): half to people who go on, half to anywhere."""
        if xy is None or where.xy is None or where.velocity is None:
            return 0.0
        away = max(now - where.placed_at, 0.0)
        gap = xy - where.xy - where.velocity * min(away, 1.0)
        variance = (self.config.walk_m + self.config.drift_m_per_s * away) ** 2
        density = np.exp(-0.5 * float(gap @ gap) / variance) / (2.0 * np.pi * variance)
        return float(np.log(0.5 * density * self.config.stranger_area_m2 + 0.5))

    def of_looks(self, vector: VectorArray | None, identities: list[GlobalId], crops: int = 1) -> FloatArray:
        """Return (M,) the log-likelihood ratio of a look (D,) for each identity; 0 where either has none.

        Args:
            vector: the mean direction of so many crops.
            identities: whose looks are remembered.
            crops: how many.
        """
        if vector is None:
            return np.zeros(len(identities))
        return self._worth(crops).ratio(self._gallery.likeness(vector[None].astype(np.float32), identities)[0])

    def of_alike(self, vector: VectorArray, other: VectorArray | None, crops: int) -> float:
        """Return the log-likelihood ratio of two looks (D,), one of so many crops; 0 where there is no other."""
        return 0.0 if other is None else float(self._worth(crops).ratio(np.array([vector @ other]))[0])

    def _worth(self, crops: int) -> CosineLikelihood:
        return self.crops if crops < STAY_CROPS else self.stays


def share(odds: float, rivals: FloatArray) -> float:
    """Return the probability of a hypothesis with these log-odds against a stranger, its rivals and the stranger.

    Args:
        odds: of the hypothesis, 0 for the stranger.
        rivals: of everybody remembered, the hypothesis included if it is one of them; -infinity for nobody.
    """
    top = max(0.0, float(rivals.max(initial=0.0)))
    return float(np.exp(odds - top) / (np.exp(-top) + np.exp(rivals - top).sum()))
