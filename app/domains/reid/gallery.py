"""The appearance of every identity that is remembered. Mints identities; knows no cameras, floor or network.

An identity keeps a few prototypes: embeddings of different views, the most redundant of which gives way to a new one.
They live in a vector index under keys of their own, and leave it when the identity is merged or forgotten.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from app.domains.reid.ports import VectorIndex
from app.domains.vocabulary import FloatArray, GlobalId, IntArray, VectorArray


@dataclass(frozen=True, slots=True)
class GalleryConfig:
    """How much is remembered of each identity."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    prototypes: int = 6  # embeddings kept per identity
    novelty: float = 0.1  # a view whose cosine to a prototype is within this of 1 renews it instead of joining
    blend: float = 0.7  # share of the prototype kept when it is renewed
    forget_s: float = 3600.0  # an identity not seen for longer is dropped


@dataclass(slots=True)
class GalleryEntry:
    """What is remembered of one identity."""

    last_seen: float
    keys: list[int] = field(default_factory=list)
    vectors: list[VectorArray] = field(default_factory=list)


class Gallery:
    """Identities and their prototypes. The only place where a GlobalId is minted."""

    def __init__(self, index: VectorIndex, config: GalleryConfig) -> None:
        self.config = config
        self._index = index
        self._entries: dict[GlobalId, GalleryEntry] = {}
        self._owner: dict[int, GlobalId] = {}
        self._next_id = 1
        self._next_key = 1

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, identity: GlobalId) -> bool:
        return identity in self._entries

    def enrol(self, now: float) -> GlobalId:
        """Mint an identity that has no appearance yet."""
        identity = GlobalId(self._next_id)
        self._next_id += 1
        self._entries[identity] = GalleryEntry(now)
        return identity

    def see(self, identity: GlobalId, now: float) -> None:
        """Note that the identity is alive."""
        self._entries[identity].last_seen = now

    def refresh(self, identity: GlobalId, vector: VectorArray) -> None:
        """Add one unit vector (D,) to what is remembered of the identity."""
        entry = self._entries[identity]
        if entry.vectors:
            stored = np.stack(entry.vectors)
            cosine = stored @ vector
            nearest = int(np.argmax(cosine))
            if cosine[nearest] >= 1.0 - self.config.novelty:
                blended = self.config.blend * stored[nearest] + (1.0 - self.config.blend) * vector
                self._replace(entry, nearest, (blended / np.linalg.norm(blended)).astype(np.float32))
                return
            if len(entry.vectors) >= self.config.prototypes:
                likeness = stored @ stored.T - 2.0 * np.eye(len(stored))
                self._replace(entry, int(np.argmax(likeness.max(axis=1))), vector)
                return
        self._add(identity, entry, vector)

    def likeness(self, vectors: VectorArray, identities: list[GlobalId]) -> FloatArray:
        """Return the best cosine (N, M) of each vector to each identity's prototypes; NaN where either has none."""
        result = np.full((len(vectors), len(identities)), np.nan)
        rows = np.flatnonzero(vectors.any(axis=1))
        prototypes = [self._entries[identity].vectors for identity in identities]
        columns = [i for i, stored in enumerate(prototypes) if stored]
        if not len(rows) or not columns:
            return result
        stacked = np.stack([vector for i in columns for vector in prototypes[i]])
        starts = np.cumsum([0] + [len(prototypes[i]) for i in columns[:-1]])
        result[np.ix_(rows, np.array(columns))] = np.maximum.reduceat(vectors[rows] @ stacked.T, starts, axis=1)
        return result

    def mean(self, identity: GlobalId) -> VectorArray:
        """Return the mean direction (D,) of an identity's prototypes; it must have some."""
        total = np.sum(self._entries[identity].vectors, axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), dtype=np.float32)

    def nearest(self, vectors: VectorArray, k: int) -> list[list[GlobalId]]:
        """Return for each vector (N, D) the identities of its k nearest prototypes, best first, each once."""
        if not len(self._owner) or not vectors.shape[1]:
            return [[] for _ in vectors]
        _, keys = self._index.search(vectors, k)
        return [list(dict.fromkeys(self._owner[key] for key in row.tolist() if key in self._owner)) for row in keys]

    def merge(self, gone: GlobalId, kept: GlobalId) -> None:
        """Give the prototypes of one identity to another and drop the first."""
        entry = self._drop(gone)
        for vector in entry.vectors:
            self.refresh(kept, vector)
        self._entries[kept].last_seen = max(self._entries[kept].last_seen, entry.last_seen)

    def expire(self, now: float) -> list[GlobalId]:
        """Drop the identities that have not been seen for `forget_s`; returns them."""
        old = [identity for identity, e in self._entries.items() if now - e.last_seen > self.config.forget_s]
        for identity in old:
            self._drop(identity)
        return old

    def _add(self, identity: GlobalId, entry: GalleryEntry, vector: VectorArray) -> None:
        entry.keys.append(self._next_key)
        entry.vectors.append(vector)
        self._owner[self._next_key] = identity
        self._index.add(_one_key(self._next_key), vector[None])
        self._next_key += 1

    def _replace(self, entry: GalleryEntry, position: int, vector: VectorArray) -> None:
        key = _one_key(entry.keys[position])
        self._index.remove(key)
        self._index.add(key, vector[None])
        entry.vectors[position] = vector

    def _drop(self, identity: GlobalId) -> GalleryEntry:
        entry = self._entries.pop(identity)
        self._index.remove(np.array(entry.keys, dtype=np.int64))
        for key in entry.keys:
            del self._owner[key]
        return entry


def _one_key(key: int) -> IntArray:
    return np.array([key], dtype=np.int64)
