"""What speaks for a newcomer being somebody remembered: place, time and looks, as log-odds against a stranger.

Knows who is remembered and where they were last; decides nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.reid.gallery import Gallery, GalleryConfig
from app.domains.reid.likelihood import CosineLikelihood, LikelihoodConfig
from app.domains.vocabulary import CameraId, FloatArray, GlobalId, VectorArray

TrackKey = tuple[CameraId, int]  # a camera and the id of one of its tracks
Key = int | TrackKey  # or a floor target's id


@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """How much evidence joins a newcomer to somebody remembered."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    accept: float = 0.0  # log-odds from which on a newcomer is taken for somebody remembered
    return_log_odds: float = 0.0  # prior that a newcomer is somebody out of sight rather than a stranger
    merge_log_odds: float = 2.0  # log-odds from which on a young identity is merged into a remembered one
    split_log_odds: float = 2.0  # log-odds from which on somebody taken for a remembered one is taken for another
    stranger_area_m2: float = 100.0  # strangers are expected to appear anywhere in an area of this size
    walk_m: float = 0.6  # standard deviation of how far from their last course people reappear at once
    drift_m_per_s: float = 0.7  # and by how much more for each second out of sight
    max_speed: float = 3.0  # m/s; nobody reappears farther away than this allows
    reach_m: float = 1.5  # metres added to that for errors of position
    split_s: float = 1.0  # one person may be two targets for so long, if no camera sees both
    young_s: float = 5.0  # for so long after it was given an identity may still be corrected
    patience_s: float = 1.0  # a track whose feet are cut off waits so long for its feet before it gets an identity
    track_memory_s: float = 2.0  # a track keeps its identity without support from the floor for so long
    affinity: float = 2.0  # squared distance that a log-likelihood ratio of 1 is worth to the floor association
    max_affinity: float = 8.0  # at most, either way
    learn_s: float = 0.5  # cosines are learnt from the crops of one instant each so often
    candidates: int = 32  # nearest identities that are looked at for a newcomer
    gallery: GalleryConfig = field(default_factory=GalleryConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Where somebody was last.

    Attributes:
        xy: (2,) metres; None without floor.
        velocity: (2,) metres per second.
    """

    last_seen: float
    xy: FloatArray | None = None
    velocity: FloatArray | None = None


@dataclass(slots=True)
class Claim:
    """That a newcomer is the identity that was given, for as long as it may be corrected.

    Attributes:
        at: when it was given.
        since: capture time from which on rows belong to it.
        entered_at: (2,) metres, where the newcomer was; None without floor.
        before: where the identity was before, if somebody remembered; None for a new one.
        beside: whom one camera has seen at one instant with the newcomer since.
    """

    at: float
    since: float
    entered_at: FloatArray | None
    before: Whereabouts | None = None
    beside: set[GlobalId] = field(default_factory=set)


@dataclass(slots=True)
class Person:
    """Where an identity is, and how sure.

    Attributes:
        where: at last.
        cameras: when each camera saw the person last.
        certainty: probability that the identity is right, given whom else the person may be.
    """

    where: Whereabouts
    cameras: dict[CameraId, float] = field(default_factory=dict)
    certainty: float = 1.0


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


class Evidence:
    """Weighs newcomers against people remembered."""

    def __init__(self, gallery: Gallery, likelihood: CosineLikelihood, config: IdentityConfig) -> None:
        self.config = config
        self._gallery = gallery
        self._likelihood = likelihood

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

    def within_reach(self, xy: FloatArray | None, where: Whereabouts, now: float) -> bool:
        """Say whether somebody can have walked to a place (2,)."""
        if xy is None or where.xy is None:
            return True
        reach = self.config.reach_m + self.config.max_speed * max(now - where.last_seen, 0.0)
        return bool(np.linalg.norm(xy - where.xy) <= reach)

    def prior(self, hypotheses: int) -> float:
        """Return the log-odds that a newcomer is one of so many: the more could come back, the less likely is each."""
        return self.config.return_log_odds - float(np.log(max(hypotheses, 1)))

    def of_place(self, xy: FloatArray | None, where: Whereabouts, now: float) -> float:
        """Return the log-likelihood ratio of a place (2,): half to people who go on, half to anywhere."""
        if xy is None or where.xy is None or where.velocity is None:
            return 0.0
        away = max(now - where.last_seen, 0.0)
        gap = xy - where.xy - where.velocity * min(away, 1.0)
        variance = (self.config.walk_m + self.config.drift_m_per_s * away) ** 2
        density = np.exp(-0.5 * float(gap @ gap) / variance) / (2.0 * np.pi * variance)
        return float(np.log(0.5 * density * self.config.stranger_area_m2 + 0.5))

    def of_looks(self, vector: VectorArray | None, identities: list[GlobalId]) -> FloatArray:
        """Return (M,) the log-likelihood ratio of a look (D,) for each identity; 0 where either has none."""
        if vector is None:
            return np.zeros(len(identities))
        return self._likelihood.ratio(self._gallery.likeness(vector[None].astype(np.float32), identities)[0])

    def of_alike(self, vector: VectorArray, other: VectorArray | None) -> float:
        """Return the log-likelihood ratio of two looks (D,); 0 where there is no other."""
        return 0.0 if other is None else float(self._likelihood.ratio(np.array([vector @ other]))[0])
