"""The appearance of every identity that is remembered. Mints identities; knows no floor and no network.

An identity is remembered by one prototype: the mean direction of its embeddings, each camera's views weighing the same.
Against the best of six single embeddings the mean tells people apart as well or better (area under the ROC curve,
PETS09 over time .998 for .999, MultiviewX across cameras .957 for .959 with retail-0287, .966 for .961 with OSNet, .934
for .927 with HSV stripes, .999 for .990 with heavily noisy vectors), and costs one vector in the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numba import njit

from app.domains.reid.ports import VectorIndex
from app.domains.vocabulary import CameraId, FloatArray, GlobalId, IntArray, VectorArray

Looks = dict[CameraId, tuple[VectorArray, int]]  # per camera the mean of the embeddings (D,), and how many they are


@dataclass(frozen=True, slots=True)
class GalleryConfig:
    """How much is remembered of each identity."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    memory: int = 50  # embeddings of one camera after which older ones fade
    growth: float = 0.1  # a prototype is computed anew when its embeddings have become more by this share
    forget_s: float = 3600.0  # an identity not seen for longer is dropped


@dataclass(slots=True)
class GalleryEntry:
    """What is remembered of one identity.

    Attributes:
        means: of all embeddings, older ones fading.
        prototype: (D,) unit vector, their mean direction; None before the first.
        before: what `means` was when somebody was taken for this identity, while that may still turn out wrong.
        fresh: what came since, `means` itself where nothing was before; None when there is no such doubt.
        earlier: what `means` was when the doubt before this one began.
        news: how many embeddings came since the prototype was computed.
        patience: how many come until it is computed anew.
    """

    last_seen: float
    means: Looks = field(default_factory=dict)
    prototype: VectorArray | None = None
    before: Looks = field(default_factory=dict)
    fresh: Looks | None = None
    earlier: Looks = field(default_factory=dict)
    news: int = 0
    patience: int = 1


class Gallery:
    """Identities and their prototypes. The only place where a GlobalId is minted.

    Args:
        index: of the prototypes.
        config: how much is remembered.
        last_id: the largest id that was ever minted for the site.
    """

    def __init__(self, index: VectorIndex, config: GalleryConfig, last_id: int = 0) -> None:
        self.config = config
        self._index = index
        self._entries: dict[GlobalId, GalleryEntry] = {}
        self._changed: set[GlobalId] = set()  # identities whose prototype is out of date
        self._unindexed: set[GlobalId] = set()  # identities whose prototype the index does not have yet
        self._next_id = last_id + 1
        self._none_before = -np.inf  # nobody was seen last before this time

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, identity: GlobalId) -> bool:
        return identity in self._entries

    def enrol(self, now: float) -> GlobalId:
        """Mint an identity that has no appearance yet."""
        identity = GlobalId(self._next_id)
        self._next_id += 1
        self._none_before = min(self._none_before, now)
        self._entries[identity] = GalleryEntry(now)
        return identity

    def see(self, identity: GlobalId, now: float) -> None:
        """Note that the identity is alive."""
        self._entries[identity].last_seen = now

    def refresh(self, identity: GlobalId, camera_id: CameraId, vector: VectorArray) -> None:
        """Add one unit vector (D,), taken by one camera, to what is remembered of the identity."""
        entry = self._entries[identity]
        entry.news += entry.patience if camera_id not in entry.means else 1
        self._blend(entry.means, camera_id, vector, 1)
        if entry.fresh is not None and entry.fresh is not entry.means:
            self._blend(entry.fresh, camera_id, vector, 1)
        if entry.news >= entry.patience:
            self._changed.add(identity)

    def doubt(self, identity: GlobalId) -> None:
        """Keep apart from now on what is added to the identity, so that it can be taken away again."""
        entry = self._entries[identity]
        entry.before, entry.fresh = dict(entry.means), {} if entry.means else entry.means

    def settle(self, identity: GlobalId) -> None:
        """End the doubt: what was added stays."""
        entry = self._entries[identity]
        entry.earlier, entry.before, entry.fresh = entry.before, {}, None

    def trust(self, identity: GlobalId) -> None:
        """End the doubt for good: all looks are the identity's, and none of before are held against later ones."""
        self.settle(identity)
        self._entries[identity].earlier = {}

    def in_doubt(self, identity: GlobalId) -> bool:
        """Say whether what is added to the identity is kept apart."""
        return self._entries[identity].fresh is not None

    def looks_since_doubt(self, identity: GlobalId) -> tuple[VectorArray | None, int]:
        """Return the direction (D,) of what was added since the doubt began, None for nothing; and how much it was."""
        fresh = self._entries[identity].fresh or {}
        return _direction(fresh), sum(count for _, count in fresh.values())

    def looks_before_doubt(self, identity: GlobalId) -> VectorArray | None:
        """Return the direction (D,) of what was remembered when the doubt began; None for nothing."""
        entry = self._entries[identity]
        return self.prototype(identity) if entry.fresh is None else _direction(entry.before)

    def looks_long_before(self, identity: GlobalId) -> VectorArray | None:
        """Return the direction (D,) of what was remembered one doubt earlier; None for nothing."""
        return _direction(self._entries[identity].earlier)

    def recall_earlier(self, identity: GlobalId) -> None:
        """Take what was remembered one doubt earlier for what was known when this doubt began."""
        entry = self._entries[identity]
        entry.before = entry.earlier or entry.before

    def split(self, mixed: GlobalId, apart: GlobalId) -> None:
        """Give another identity what was added since the doubt began; the doubt goes with it."""
        entry, other = self._entries[mixed], self._entries[apart]
        fresh = entry.fresh or {}
        entry.means = dict(entry.before)
        self.settle(mixed)
        self.doubt(apart)
        self._absorb(other, fresh)
        entry.prototype = None
        self._changed |= {identity for identity in (mixed, apart) if self._entries[identity].means}
        if not entry.means:
            self._forget_prototype(mixed)

    def looks(self, identity: GlobalId) -> Looks:
        """Return what is remembered of the identity."""
        return dict(self._entries[identity].means)

    def restore(self, identity: GlobalId, looks: Looks, now: float) -> None:
        """Let exactly this be remembered of an identity, which may have been dropped."""
        self._forget_prototype(identity)
        self._entries[identity] = GalleryEntry(now, dict(looks))
        self._none_before = min(self._none_before, now)
        if looks:
            self._changed.add(identity)

    def prototype(self, identity: GlobalId) -> VectorArray | None:
        """Return the unit vector (D,) that stands for the identity; None if it has no appearance."""
        self._update_prototypes()
        return self._entries[identity].prototype

    def crops(self, identity: GlobalId) -> int:
        """Return how many looks are remembered."""
        return sum(count for _, count in self._entries[identity].means.values())

    def recognition(self, identity: GlobalId, crops: int) -> FloatArray:
        """Return the cosines (N,) of looks since the doubt began, one a camera, to those before of the other cameras.

        Args:
            identity: whose.
            crops: how many there must be on either side.
        """
        entry = self._entries[identity]
        cosines = []
        for camera, (mean, count) in (entry.fresh or {}).items():
            before = {c: look for c, look in entry.before.items() if c != camera}
            other = _direction(before)
            if other is not None and min(count, sum(n for _, n in before.values())) >= crops:
                cosines.append(float(mean @ other) / max(float(np.linalg.norm(mean)), 1e-12))
        return np.array(cosines)

    def seen_elsewhere(self, identity: GlobalId, camera_id: CameraId) -> VectorArray | None:
        """Return the mean direction (D,) of the identity in all cameras but one; None if it has none there."""
        return _direction({c: look for c, look in self._entries[identity].means.items() if c != camera_id})

    def likeness(self, vectors: VectorArray, identities: list[GlobalId]) -> FloatArray:
        """Return the cosine (N, M) of each vector to each identity's prototype; NaN where either has none."""
        self._update_prototypes()
        result = np.full((len(vectors), len(identities)), np.nan)
        rows = rows_with_looks(vectors)
        prototypes = [self._entries[identity].prototype for identity in identities]
        known = [prototype for prototype in prototypes if prototype is not None]
        if len(rows) and known:
            cosine = vectors[rows] @ _stacked(known).T
            if cosine.shape == result.shape:
                return cosine.astype(np.float64)
            columns = np.array([m for m, prototype in enumerate(prototypes) if prototype is not None])
            result[rows[:, None], columns] = cosine
        return result

    def nearest(self, vectors: VectorArray, k: int) -> list[list[GlobalId]]:
        """Return for each vector (N, D) the k identities whose prototypes are nearest, best first."""
        if not len(vectors) or not vectors.shape[1]:
            return [[] for _ in vectors]
        self._update_index()
        _, keys = self._index.search(vectors, k)
        return [[GlobalId(key) for key in row.tolist() if key >= 0] for row in keys]

    def resembling(self, vector: VectorArray, most: int) -> list[tuple[GlobalId, float]]:
        """Return the identities whose prototypes are most like a unit vector (D,), with their cosines, best first."""
        identities = list(self._entries)
        cosine = self.likeness(vector[None], identities)[0]
        order = np.argsort(-cosine, kind="stable")[:most]  # NaN, of those without looks, comes last
        return [(identities[i], float(cosine[i])) for i in order.tolist() if not np.isnan(cosine[i])]

    def merge(self, gone: GlobalId, kept: GlobalId) -> None:
        """Give the appearance of one identity to another, whom that puts in doubt, and drop the first."""
        dropped, entry = self._drop(gone), self._entries[kept]
        self.doubt(kept)
        self._absorb(entry, dropped.means)
        entry.last_seen = max(entry.last_seen, dropped.last_seen)
        if dropped.means:
            self._changed.add(kept)

    def expire(self, now: float) -> list[GlobalId]:
        """Drop the identities that have not been seen for `forget_s`; returns them."""
        if now - self._none_before <= self.config.forget_s:
            return []
        old = [identity for identity, e in self._entries.items() if now - e.last_seen > self.config.forget_s]
        for identity in old:
            self._drop(identity)
        self._none_before = min((entry.last_seen for entry in self._entries.values()), default=now)
        return old

    def _absorb(self, entry: GalleryEntry, looks: Looks) -> None:
        """Add looks to an entry in doubt."""
        for camera, (mean, count) in looks.items():
            self._blend(entry.means, camera, mean, count)
            if entry.fresh is not None and entry.fresh is not entry.means:
                self._blend(entry.fresh, camera, mean, count)

    def _blend(self, looks: Looks, camera_id: CameraId, mean: VectorArray, count: int) -> None:
        own, own_count = looks.get(camera_id, (np.zeros_like(mean), 0))
        share = np.float32(count / (own_count + count))
        looks[camera_id] = own + share * (mean - own), min(own_count + count, self.config.memory)

    def _update_prototypes(self) -> None:
        """Compute the prototypes of all identities that have changed: the directions of their cameras' directions."""
        if not self._changed:
            return
        changed = sorted(self._changed)
        means = [mean for identity in changed for mean, _ in self._entries[identity].means.values()]
        counts = [len(self._entries[identity].means) for identity in changed]
        directions = _unit(_stacked(means))
        prototypes = _unit(np.add.reduceat(directions, np.cumsum([0, *counts[:-1]])))
        for identity, prototype in zip(changed, prototypes, strict=True):
            entry = self._entries[identity]
            entry.prototype, entry.news = prototype, 0
            entry.patience = 1 + int(self.config.growth * self.crops(identity))
        self._unindexed |= self._changed
        self._changed.clear()

    def _update_index(self) -> None:
        """Bring the index up to date, all at once; prototypes change far more often than they are searched for."""
        self._update_prototypes()
        fresh = [(identity, self._entries[identity].prototype) for identity in sorted(self._unindexed)]
        known = [(identity, prototype) for identity, prototype in fresh if prototype is not None]
        self._unindexed.clear()
        if known:
            keys = np.array([identity for identity, _ in known], dtype=np.int64)
            self._index.put(keys, _stacked([prototype for _, prototype in known]))

    def _drop(self, identity: GlobalId) -> GalleryEntry:
        self._forget_prototype(identity)
        return self._entries.pop(identity)

    def _forget_prototype(self, identity: GlobalId) -> None:
        self._changed.discard(identity)
        self._unindexed.discard(identity)
        self._index.remove(np.array([identity], dtype=np.int64))


@njit(cache=True)
def rows_with_looks(vectors: VectorArray) -> IntArray:
    """Return which rows of vectors (N, D) are looks: not all zeros. A look's first number tells, most often."""
    found, count = np.empty(len(vectors), np.int64), 0
    for row in range(len(vectors)):
        for number in vectors[row]:
            if number != 0.0:
                found[count] = row
                count += 1
                break
    return found[:count]


def _direction(looks: Looks) -> VectorArray | None:
    """Return the direction (D,) of the directions of all cameras' looks; None without looks."""
    if not looks:
        return None
    directions = _unit(_stacked([mean for mean, _ in looks.values()]))
    return np.asarray(_unit(directions.sum(axis=0, keepdims=True))[0])


def _stacked(vectors: Sequence[VectorArray]) -> VectorArray:
    """Return vectors (D,) as rows (N, D), at least one; in a quarter of the time of np.stack."""
    return np.concatenate(vectors).reshape(len(vectors), -1)


def _unit(vectors: VectorArray) -> VectorArray:
    """Return the rows (N, D) scaled to length 1; rows of zeros stay."""
    norm = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)
