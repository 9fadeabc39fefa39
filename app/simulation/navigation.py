"""Shortest ways for people between the places of a scene, around its solids. Knows no crowd and no time.

A visibility graph: the corners of all solids, kept away from by a body's radius, joined where nothing stands between.
Lozano-Perez and Wesley 1979. Ways between named places are found once, by Dijkstra's algorithm.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from app.domains.vocabulary import BoolArray, FloatArray
from app.simulation.floor_plan import Point, Scene

BODY_M = 0.30  # people keep the middle of their body so far from solids
CORNER_M = 0.42  # and walk around corners at this distance
HEAD_M = 1.9  # solids that begin higher up are in nobody's way


class Ways:
    """The ways between the places of one scene.

    Args:
        scene: whose solids stand in the way.
        places: where people start and go; each must be at least BODY_M from all solids.

    Raises:
        ValueError: a place that is inside a solid, or that cannot be reached.
    """

    def __init__(self, scene: Scene, places: list[Point]) -> None:
        solids = [s for s in scene.solids if s.blocks and s.low[2] < HEAD_M]
        self.footprints = np.array([[*s.low[:2], *s.high[:2]] for s in solids], dtype=np.float64).reshape(-1, 4)
        kept = self.footprints + BODY_M * np.array([-1.0, -1.0, 1.0, 1.0])
        start = np.array(places, dtype=np.float64).reshape(-1, 2)
        if (stuck := _inside(start, kept)).any():
            raise ValueError(f"scene {scene.name}: the place {places[int(stuck.argmax())]} is inside a solid")
        wide = self.footprints + CORNER_M * np.array([-1.0, -1.0, 1.0, 1.0])
        corners = np.concatenate([wide[:, [0, 1]], wide[:, [2, 1]], wide[:, [2, 3]], wide[:, [0, 3]]])
        self._nodes = np.concatenate([start, corners[~_inside(corners, kept)]])
        lengths = _visible_lengths(self._nodes, kept)
        distance, self._before = dijkstra(
            csr_array(lengths), directed=False, indices=range(len(start)), return_predecessors=True
        )
        self.metres: FloatArray = distance[:, : len(start)]
        if not np.isfinite(self.metres).all():
            lost = int(np.argmin(np.isfinite(self.metres).mean(axis=1)))
            raise ValueError(f"scene {scene.name}: no way leads to the place {places[lost]}")

    def between(self, start: int, end: int) -> FloatArray:
        """Return the (K, 2) points of the way from place `start` to place `end`, both included."""
        points, node = [end], end
        while node != start:
            node = int(self._before[start, node])
            points.append(node)
        return self._nodes[points[::-1]]


def _inside(points: FloatArray, boxes: FloatArray) -> BoolArray:
    """Tell which (N, 2) points lie inside some of the (M, 4) boxes; on the edge is outside."""
    x, y = points[:, :1], points[:, 1:]
    within = (x > boxes[:, 0]) & (y > boxes[:, 1]) & (x < boxes[:, 2]) & (y < boxes[:, 3])
    result: BoolArray = np.asarray(within.any(axis=1))
    return result


def _visible_lengths(nodes: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return (N, N) metres between nodes that see each other, upper triangle; 0 between those that do not."""
    first, second = np.triu_indices(len(nodes), 1)
    start, step = nodes[first], nodes[second] - nodes[first]
    slope = np.where(np.abs(step) < 1e-9, 1e-9, step)
    blocked = np.zeros(len(first), dtype=np.bool_)
    for box in boxes:
        low, high = (box[:2] - start) / slope, (box[2:] - start) / slope
        near = np.maximum(np.minimum(low, high).max(axis=1), 0.0)
        far = np.minimum(np.maximum(low, high).min(axis=1), 1.0)
        blocked[near <= far - 1e-6] = True
    clear = ~blocked
    lengths = np.zeros((len(nodes), len(nodes)))
    lengths[first[clear], second[clear]] = np.linalg.norm(step[clear], axis=1) + 1e-9
    return lengths
