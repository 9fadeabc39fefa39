"""Recorded walks of real people, played again on a simulated square. Reads `obsmat.txt` as ETH and UCY have it.

Columns: frame, person, x, z, y, and three of velocity, which are not needed: metres and seconds tell them. Knows no
camera. Pellegrini et al. 2009 annotated every 0.4 s.
"""

import math
from pathlib import Path

import numpy as np

from app.domains.vocabulary import FloatArray, IntArray
from app.simulation.crowd import STEP_S
from app.simulation.floor_plan import Bounds
from app.simulation.gait import stride_m

PERIOD_S = 0.4  # between two rows of one person
MARGIN_M = 1.5  # of floor around the walks
MOST_PEOPLE = 2000
SMOOTH_S = 0.8  # headings follow the way over this time, since annotations jump by a few centimetres


class Walks:
    """The ways of real people, from the first row on; the recording begins again when it has ended.

    Attributes:
        state: (N, 6) x, y, heading, speed, phase, gesture of everybody.
        present: (N,) who is there.
        bounds: the floor that they need, which begins at (0, 0).

    Args:
        path: the file.
        pace: factor on the speed of time.

    Raises:
        ValueError: not readable, or not such a file; names what is wrong.
    """

    def __init__(self, path: Path, pace: float = 1.0) -> None:
        rows = _read(path)
        people, number = np.unique(rows[:, 1], return_inverse=True)
        if len(people) > MOST_PEOPLE:
            raise ValueError(f"{path} has {len(people)} people, more than {MOST_PEOPLE}")
        place = rows[:, [2, 4]] - rows[:, [2, 4]].min(axis=0) + MARGIN_M
        width, height = (math.ceil(high + MARGIN_M) for high in place.max(axis=0))
        self.bounds: Bounds = (0.0, 0.0, float(width), float(height))
        frames = rows[:, 0] - rows[:, 0].min()
        time_s = frames * PERIOD_S / _frame_step(rows, number) / pace
        self._ways = []
        for i in range(len(people)):
            mine = np.flatnonzero(number == i)
            order = mine[np.argsort(time_s[mine])]
            self._ways.append(np.column_stack([time_s[order], place[order]]))
        self._begin = np.array([way[0, 0] for way in self._ways])
        self._end = np.array([way[-1, 0] for way in self._ways])
        self._duration_s = float(self._end.max()) + PERIOD_S
        self.state = np.zeros((len(people), 6))
        self.present = np.zeros(len(people), dtype=np.bool_)
        self._steps = 0

    def step(self) -> None:
        """Move everybody on by STEP_S."""
        self._steps += 1
        now = (self._steps * STEP_S) % self._duration_s
        self.present = (self._begin <= now) & (now <= self._end) & (self._end > self._begin)
        for i in np.flatnonzero(self.present).tolist():
            way = self._ways[i]
            place = _at(way, now)
            moved = _at(way, now + 0.5 * SMOOTH_S) - _at(way, now - 0.5 * SMOOTH_S)
            span = min(now + 0.5 * SMOOTH_S, way[-1, 0]) - max(now - 0.5 * SMOOTH_S, way[0, 0])
            speed = float(np.linalg.norm(moved)) / max(span, STEP_S)
            if speed > 0.15:
                heading = math.atan2(moved[1], moved[0])
                turn = (heading - self.state[i, 2] + math.pi) % (2.0 * math.pi) - math.pi
                self.state[i, 2] += turn
            self.state[i, :2] = place
            self.state[i, 3] = speed
            self.state[i, 4] += 2.0 * math.pi * speed * STEP_S / float(stride_m(np.array(speed)))


def _at(way: FloatArray, time_s: float) -> FloatArray:
    """Return the (2,) place on a (K, 3) way of time, x, y."""
    return np.array([np.interp(time_s, way[:, 0], way[:, 1]), np.interp(time_s, way[:, 0], way[:, 2])])


def _read(path: Path) -> FloatArray:
    try:
        rows = np.loadtxt(path, ndmin=2)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or 'no such file'}") from error
    except ValueError as error:
        raise ValueError(f"{path} is no table of numbers; expected obsmat.txt of ETH or UCY") from error
    if rows.shape[0] == 0 or rows.shape[1] < 5 or not np.isfinite(rows).all():
        raise ValueError(f"{path} has no walks; expected rows of frame, person, x, z, y as in obsmat.txt of ETH or UCY")
    return np.asarray(rows, dtype=np.float64)


def _frame_step(rows: FloatArray, number: IntArray) -> float:
    """Return by how many frames two rows of one person usually differ."""
    order = np.lexsort((rows[:, 0], number))
    steps = np.diff(rows[order, 0])[np.diff(number[order]) == 0]
    return float(np.median(steps)) if len(steps) else 1.0
