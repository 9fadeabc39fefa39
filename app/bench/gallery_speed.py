"""How fast, and how rightly, a look finds the person it belongs to among many, beside faiss' own indices and NumPy.

The looks are made up like those of a network that tells people apart: all have something in common, clothes that many
wear, and something of one's own, so that two people's looks have a cosine of 0.33 +- 0.09. A query is a noisy view of
somebody who is stored, at three levels of noise, or a stranger, who resembles many a little.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import faiss
import numpy as np

from app.bench.speed import Say, Section, Table, timed, verdict
from app.domains.vocabulary import IntArray, VectorArray
from app.infrastructure.faiss_index import FaissIndex

DIMENSION = 512
BATCH = 16  # queries at once: the people of a busy step
QUERIES = 512
COMMON, CLOTHES, OWN = 0.35, 0.35, 0.30  # shares of a look's square length
OUTFITS = 24  # directions that clothes differ in
COSINES = (0.9, 0.75, 0.6)  # of a noisy view with the look that it is of
PROTOTYPE_COSINE = 0.85  # of one prototype of a person with the person's look
GOAL_MS = {(10_000, 1): 0.5, (10_000, 3): 0.5, (100_000, 1): 5.0}  # by identities and prototypes of each
GOAL_RECALL, GOAL_PAUSE_MS = 0.99, 50.0
CHURN = 200  # batches that go and come back while searches go on


class Gallery(Protocol):
    """What is compared."""

    def put(self, keys: IntArray, vectors: VectorArray) -> None:
        """Store vectors under keys."""
        ...

    def remove(self, keys: IntArray) -> None:
        """Delete them."""
        ...

    def search(self, queries: VectorArray, k: int) -> tuple[object, IntArray]:
        """Return likeness and key, (Q, k) each."""
        ...


@dataclass(frozen=True, slots=True)
class GalleryTimes:
    """What one contender came to.

    Attributes:
        search_ms: median for a batch of queries.
        recall: share of queries whose nearest is the exact one, by the view's cosine; strangers apart.
        change_ms: median to delete a batch and store it again.
        pause_ms: the longest that one call took of a core, from empty to full and through all changes.
    """

    identities: int
    prototypes: int
    contender: str
    search_ms: float
    recall: dict[str, float]
    change_ms: float
    pause_ms: float


class _Product:
    """All vectors in one matrix, multiplied with NumPy; the exact answer."""

    def __init__(self, size: int) -> None:
        self._vectors = np.zeros((size, DIMENSION), np.float32)

    def put(self, keys: IntArray, vectors: VectorArray) -> None:
        self._vectors[keys] = vectors

    def remove(self, keys: IntArray) -> None:
        self._vectors[keys] = 0.0

    def search(self, queries: VectorArray, k: int) -> tuple[object, IntArray]:
        likeness = queries @ self._vectors.T
        return likeness, np.argpartition(-likeness, k - 1, axis=1)[:, :k]


class _Cells:
    """faiss' inverted file, trained on the first vectors once they are enough."""

    def __init__(self, cells: int, visited: int) -> None:
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIMENSION), DIMENSION, cells, faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = visited
        self._waiting: list[tuple[IntArray, VectorArray]] = []

    def put(self, keys: IntArray, vectors: VectorArray) -> None:
        if self._index.is_trained:
            self._index.add_with_ids(vectors, keys)
            return
        self._waiting.append((keys, vectors))
        if sum(len(keys) for keys, _ in self._waiting) >= 40 * self._index.nlist:  # faiss warns below 39 a cell
            keys, vectors = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
            self._index.train(vectors)
            self._index.add_with_ids(vectors, keys)

    def remove(self, keys: IntArray) -> None:
        self._index.remove_ids(faiss.IDSelectorBatch(keys))

    def search(self, queries: VectorArray, k: int) -> tuple[object, IntArray]:
        likeness, keys = self._index.search(queries, k)
        return likeness, np.asarray(keys)


class _Flat:
    """faiss' exact index."""

    def __init__(self) -> None:
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSION))

    def put(self, keys: IntArray, vectors: VectorArray) -> None:
        self._index.add_with_ids(vectors, keys)

    def remove(self, keys: IntArray) -> None:
        self._index.remove_ids(faiss.IDSelectorBatch(keys))

    def search(self, queries: VectorArray, k: int) -> tuple[object, IntArray]:
        likeness, keys = self._index.search(queries, k)
        return likeness, np.asarray(keys)


def measure(quick: bool, say: Say) -> Section:
    """Measure all sizes; `quick` leaves out the largest."""
    results: list[GalleryTimes] = []
    for identities, prototypes in GOAL_MS:
        if quick and identities > 10_000:
            continue
        say(f"gallery: {identities:,} identities, {prototypes} {'prototype' if prototypes == 1 else 'prototypes'} each")
        results += _measure(identities, prototypes)
    return _section(results)


def _measure(identities: int, prototypes: int) -> list[GalleryTimes]:
    rng = np.random.default_rng(0)
    people = _People(rng)
    looks = people.looks(identities)
    stored = looks if prototypes == 1 else _view(np.repeat(looks, prototypes, axis=0), PROTOTYPE_COSINE, rng)
    queries = {f"{c:g}": _view(looks[rng.integers(0, identities, QUERIES)], c, rng) for c in COSINES}
    queries["strangers"] = people.looks(QUERIES)
    exact = {name: (asked @ stored.T).argmax(axis=1) // prototypes for name, asked in queries.items()}
    cells = 128 if len(stored) < 50_000 else 512
    contenders: list[tuple[str, Callable[[], Gallery]]] = [
        ("SpotOn", lambda: FaissIndex(DIMENSION)),
        ("NumPy product", lambda: _Product(len(stored))),
        ("faiss Flat", _Flat),
        (f"faiss IVF{cells}, 8 visited", lambda: _Cells(cells, 8)),
    ]
    results = []
    for name, build in contenders:
        gallery = build()
        filling = [timed(gallery.put, keys, stored[keys])[0] for keys in _batches(len(stored))]
        searches, recall = [], {}
        for query, asked in queries.items():
            answers = [timed(gallery.search, asked[rows], 1) for rows in _batches(QUERIES)]
            searches += [milliseconds for milliseconds, _ in answers]
            found = np.concatenate([keys[:, 0] for _, (_, keys) in answers]) // prototypes
            recall[query] = float((found == exact[query]).mean())
        changes, used = _change(gallery, stored, rng)
        results.append(
            GalleryTimes(
                identities,
                prototypes,
                name,
                float(np.median(searches)),
                recall,
                float(np.median(changes)),
                max(*filling, *used),
            )
        )
    return results


def _change(gallery: Gallery, stored: VectorArray, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """Delete and store again, searching meanwhile; returns the milliseconds of each change, and of each call."""
    changes, used = [], []
    for _ in range(CHURN):
        keys = rng.choice(len(stored), BATCH, replace=False)
        gone, _ = timed(gallery.remove, keys)
        back, _ = timed(gallery.put, keys, stored[keys])
        searched, _ = timed(gallery.search, stored[keys], 1)
        changes.append(gone + back)
        used += [gone, back, searched]
    return changes, used


def _batches(count: int) -> list[IntArray]:
    return [np.arange(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]


class _People:
    """Draws the looks of people who have nothing to do with each other."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._common = _unit(rng.normal(size=DIMENSION))
        self._outfits = rng.normal(size=(OUTFITS, DIMENSION)) / np.sqrt(OUTFITS * DIMENSION)

    def looks(self, people: int) -> VectorArray:
        """Return (people, DIMENSION) unit vectors."""
        clothes = self._rng.normal(size=(people, OUTFITS)) @ self._outfits
        own = self._rng.normal(size=(people, DIMENSION)) / np.sqrt(DIMENSION)
        return _unit(np.sqrt(COMMON) * self._common + np.sqrt(CLOTHES) * clothes + np.sqrt(OWN) * own)


def _view(looks: VectorArray, cosine: float, rng: np.random.Generator) -> VectorArray:
    """Return noisy views of looks."""
    return _unit(cosine * looks + np.sqrt(1.0 - cosine**2) * _unit(rng.normal(size=looks.shape)))


def _unit(vectors: np.ndarray) -> VectorArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def _section(results: Sequence[GalleryTimes]) -> Section:
    tables = []
    for identities, prototypes in dict.fromkeys((r.identities, r.prototypes) for r in results):
        rows = []
        for r in (r for r in results if (r.identities, r.prototypes) == (identities, prototypes)):
            ours = r.contender == "SpotOn"
            recalled = [f"{100 * share:.1f}" for share in r.recall.values()]
            goal = verdict(r.search_ms, GOAL_MS[identities, prototypes]) if ours else ""
            recall = verdict(min(r.recall[f"{c:g}"] for c in COSINES), GOAL_RECALL, at_most=False) if ours else ""
            pause = verdict(r.pause_ms, GOAL_PAUSE_MS) if ours else ""
            times = [f"{r.change_ms:.2f}", f"{r.pause_ms:.1f}", pause]
            rows.append([r.contender, f"{r.search_ms:.2f}", goal, *recalled, recall, *times])
        views = [*(f"view {c:g}" for c in COSINES), "strangers"]
        headings = ["", "search", "goal", *views, "goal", "change", "longest", "goal"]
        each = "1 prototype" if prototypes == 1 else f"{prototypes} prototypes"
        tables.append(
            Table(f"Gallery, {identities:,} identities with {each} each: ms, and recall@1, %", headings, rows)
        )
    notes = [
        f"search: {BATCH} queries of {DIMENSION} dimensions; change: {BATCH} vectors deleted and stored again;",
        "longest: what one call took of a core, from empty to full and through all changes;",
        "view c: noisy views with cosine c to the person's look; right is what the exact search finds.",
        "Strangers resemble many a little; whom most hangs on the third decimal.",
    ]
    return Section(tables, notes, {"gallery": [asdict(result) for result in results]})
