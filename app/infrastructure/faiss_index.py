"""Stores unit vectors under integer keys on the CPU. Knows nothing of people.

Few vectors are compared one by one. Of many, faiss keeps copies of 4 bits a subspace, which its SIMD scan goes through
at about 0.7 ns a vector and query; the best of them are compared exactly. The codes need no training: after a random
rotation the coordinates of unit vectors look alike, so that one codebook made for Gaussian numbers serves every
subspace and any data. So there is nothing to rebuild while vectors come and go.

Product quantisation and the scan: Andre, Kermarrec, Le Scouarnec 2017, "Accelerated nearest neighbor search with Quick
ADC"; the rotation: Ge et al. 2013, "Optimized product quantization", its non-parametric case.
"""

import faiss
import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.domains.vocabulary import FloatArray, IntArray, VectorArray
from app.infrastructure.vector_keys import check_keys, check_vectors, nothing_found
from app.infrastructure.vector_rotation import RandomRotation

EXACT = 1024  # up to so many vectors, comparing all takes no longer than looking at codes first
SUBSPACES = 64  # a code each; 56 are a tenth faster, and lose 3 to 10 % where all look nearly alike
SHORTLIST = 16  # vectors that are compared exactly; as sure as 32 were before codes left out what all have in common
BLOCK = 16384  # vectors that get memory at once: growing never copies what is there, and untouched memory costs none


class FaissIndex:
    """Implements VectorIndex: exact up to EXACT vectors, and beyond that exact among a shortlist.

    Args:
        dimension: length D of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        if dimension < 1:
            raise ValueError(f"dimension is {dimension}, expected at least 1")
        self.dimension = dimension
        # faiss shares the cores with the networks; its threads wait for each other longer than a search takes
        # (MultiviewX with OpenVINO beside it: 75 ms a step for identities, 5 ms with one thread)
        faiss.omp_set_num_threads(1)
        self._slot_of: dict[int, int] = {}
        self._key_of = np.empty(0, np.int64)  # of each slot, -1 for a free one
        self._free: list[int] = []
        self._blocks: list[VectorArray] = []
        self._codes = _Codes(dimension)
        self._coded = False  # whether the codes have come into use
        self._end = 0  # behind the last slot that was ever taken
        self._rehearse()

    def __len__(self) -> int:
        return len(self._slot_of)

    def put(self, keys: IntArray, vectors: NDArray[np.float32]) -> None:
        """Store (N, D) unit vectors under (N,) keys, in place of what was there under keys in use.

        Raises:
            ValueError: a key is given twice or negative, or a shape is wrong; nothing is stored then.
        """
        check_vectors(vectors, self.dimension)
        asked = check_keys(keys, vectors)
        if not asked:
            return
        known = [self._slot_of[key] for key in asked if key in self._slot_of]
        if len(known) < len(asked):
            new = [key for key in asked if key not in self._slot_of]
            self._slot_of.update(zip(new, self._take_slots(len(new)), strict=True))
        slots = np.array([self._slot_of[key] for key in asked])
        self._key_of[slots] = keys
        for number, block in enumerate(self._blocks):
            mine = slots // BLOCK == number
            block[slots[mine] - BLOCK * number] = vectors[mine]
        if self._coded:
            if known:
                self._codes.remove(np.array(known, np.int64))
            self._codes.add(slots, vectors)
        elif len(self) > EXACT:
            every = np.flatnonzero(self._key_of >= 0)
            self._codes.add(every, self._vectors(every))
            self._coded = True

    def remove(self, keys: IntArray) -> None:
        """Delete the vectors of these keys; unknown keys are ignored."""
        slots = [self._slot_of.pop(key) for key in dict.fromkeys(keys.tolist()) if key in self._slot_of]
        if not slots:
            return
        self._key_of[slots] = -1
        self._free += slots
        if self._coded:
            self._codes.remove(np.array(slots, np.int64))

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[FloatArray, IntArray]:
        """Find the stored vectors nearest to (Q, D) unit vectors.

        Returns:
            Cosine (Q, k) float64 and key (Q, k) int64, best first; -inf and -1 where fewer than k are stored.
        """
        cosine, key = nothing_found(queries, self.dimension, k)
        if len(self) and len(queries):
            queries = np.require(queries, np.float32, ["C", "W"])  # the one layout that the compiled code knows
            slots, likeness = self._compare_best(queries, k) if self._coded else self._compare_all(queries)
            _keep_best(slots, likeness, self._key_of, cosine, key)
        return cosine, key

    def _compare_all(self, queries: VectorArray) -> tuple[IntArray, VectorArray]:
        """Return all slots (1, N), and their cosines (Q, N) to the queries."""
        return np.arange(self._end)[None], queries @ self._blocks[0][: self._end].T

    def _compare_best(self, queries: VectorArray, k: int) -> tuple[IntArray, VectorArray]:
        """Return the slots (Q, S) of those whose codes are most like the queries, and their cosines."""
        slots = self._codes.search(queries, min(len(self), max(SHORTLIST, 4 * k)))
        likeness = np.empty(slots.shape, np.float32)
        for number, block in enumerate(self._blocks):
            _compare(block, BLOCK * number, slots, queries, likeness)
        return slots, likeness

    def _rehearse(self) -> None:
        """Let the compiled code go over nothing, so that no step ever waits for the compiler."""
        nothing, nowhere = np.empty((0, self.dimension), np.float32), np.empty((0, 1), np.int64)
        _compare(nothing, 0, nowhere, nothing, np.empty((0, 1), np.float32))
        _keep_best(nowhere, np.empty((0, 1), np.float32), self._key_of, np.empty((0, 1)), nowhere)

    def _take_slots(self, count: int) -> list[int]:
        """Return free slots, and take memory for more where there are too few."""
        while len(self._free) < count:
            first = BLOCK * len(self._blocks)
            self._blocks.append(np.zeros((BLOCK, self.dimension), np.float32))
            self._key_of = np.concatenate([self._key_of, np.full(BLOCK, -1)])
            self._free = [*range(first + BLOCK - 1, first - 1, -1), *self._free]
        slots = [self._free.pop() for _ in range(count)]
        self._end = max([self._end, *(slot + 1 for slot in slots)])
        return slots

    def _vectors(self, slots: IntArray) -> VectorArray:
        """Return the vectors (S, D) of slots."""
        if len(self._blocks) == 1:
            return self._blocks[0][slots]
        vectors = np.empty((len(slots), self.dimension), np.float32)
        block, row = np.divmod(slots, BLOCK)
        for number in np.unique(block).tolist():
            mine = block == number
            vectors[mine] = self._blocks[number][row[mine]]
        return vectors


class _Codes:
    """Rough copies of vectors under numbers of the caller, to find those that are worth an exact comparison.

    Args:
        dimension: of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        self._rotation = RandomRotation(dimension)
        size = self._rotation.size
        length = max(size // SUBSPACES, 1)  # of a subspace
        nothing = np.zeros((1, size), np.float32)
        self._quantiser = faiss.IndexFlatIP(size)  # one cell holds everything; it is kept alive here
        self._quantiser.add(nothing)
        self._index = faiss.IndexIVFPQFastScan(self._quantiser, size, 1, size // length, 4, faiss.METRIC_INNER_PRODUCT)
        self._index.by_residual = False
        codebook = _gaussian_codebook(length) / np.float32(np.sqrt(size))
        faiss.copy_array_to_vector(np.tile(codebook.ravel(), size // length), self._index.pq.centroids)
        self._index.is_trained = True
        self._common: VectorArray | None = None  # (D,) the mean of the first vectors, and how far they lie from it
        self._spread = 1.0
        self._rotation.apply(np.zeros((0, dimension), np.float32))  # compiled now, not in the middle of a step

    def add(self, numbers: IntArray, vectors: VectorArray) -> None:
        """Take in (N, D) vectors, without what the first ones had in common: that tells nobody from anybody."""
        if self._common is None:
            self._common = np.asarray(vectors.mean(axis=0), np.float32)
            self._spread = max(float(np.sqrt(np.square(vectors - self._common).sum(axis=1).mean())), 1e-6)
        own = np.asarray((vectors - self._common) / self._spread, np.float32)
        self._index.add_with_ids(self._rotation.apply(own), numbers)

    def remove(self, numbers: IntArray) -> None:
        """Forget vectors."""
        before = self._index.ntotal
        self._index.remove_ids(faiss.IDSelectorBatch(numbers))
        self._clear(self._index.ntotal, before)

    def search(self, queries: VectorArray, count: int) -> IntArray:
        """Return the numbers (Q, count) of the vectors that seem most like the queries."""
        numbers: IntArray = self._index.search(self._rotation.apply(queries), count)[1]
        return numbers

    def _clear(self, first: int, end: int) -> None:
        """Blank the codes behind the last one: faiss joins new codes with what it finds there (1.15.1)."""
        packer = self._index.get_CodePacker()
        blocks = -(-first // packer.nvec)
        lists = self._index.invlists
        if blocks == 0 or lists is None:
            return
        packed = faiss.rev_swig_ptr(lists.get_codes(0), blocks * packer.block_size)
        last = packed.reshape(blocks, packer.block_size)[-1:]
        for position in range(first, min(end, blocks * packer.nvec)):
            packer.pack_1(np.zeros(packer.code_size, np.uint8), position % packer.nvec, last)


@njit(cache=True)
def _compare(block: VectorArray, first: int, slots: IntArray, queries: VectorArray, likeness: VectorArray) -> None:
    """Fill in the cosines (Q, S) of queries (Q, D) to those of the slots (Q, S) that lie in a block.

    Args:
        block: (B, D) vectors.
        first: slot of its first one.
        slots: those asked for, -1 for none.
        queries: unit vectors.
        likeness: filled in, in place.
    """
    for q in range(len(slots)):
        for s in range(slots.shape[1]):
            row = slots[q, s] - first
            if 0 <= row < len(block):
                likeness[q, s] = _product(block[row], queries[q])


@njit(cache=True, fastmath={"reassoc", "contract"})
def _product(a: VectorArray, b: VectorArray) -> np.float32:
    """Return the scalar product of two vectors (D,); added up in any order, so that it takes SIMD instructions."""
    total = np.float32(0.0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True)
def _keep_best(slots: IntArray, likeness: VectorArray, key_of: IntArray, cosine: FloatArray, key: IntArray) -> None:
    """Fill in the best of each query, best first.

    Args:
        slots: (Q, S) the slots that were compared, or (1, S) if they are the same for all queries; -1 for none.
        likeness: (Q, S) their cosines.
        key_of: key of every slot, -1 for those without.
        cosine: (Q, k) -inf, filled in, in place.
        key: (Q, k) -1, filled in, in place.
    """
    for q in range(len(likeness)):
        compared = slots[min(q, len(slots) - 1)]
        for s in range(likeness.shape[1]):
            if compared[s] < 0 or key_of[compared[s]] < 0 or not likeness[q, s] > cosine[q, -1]:
                continue
            to = cosine.shape[1] - 1
            while to > 0 and likeness[q, s] > cosine[q, to - 1]:
                cosine[q, to], key[q, to] = cosine[q, to - 1], key[q, to - 1]
                to -= 1
            cosine[q, to], key[q, to] = likeness[q, s], key_of[compared[s]]


def _gaussian_codebook(length: int) -> VectorArray:
    """Return 16 points (16, length) that stand for independent Gaussian numbers with little error; always the same."""
    clusters = faiss.Kmeans(length, 16, niter=25, seed=1)
    clusters.train(np.random.default_rng(1).normal(size=(8192, length)).astype(np.float32))
    return np.asarray(clusters.centroids, np.float32)
