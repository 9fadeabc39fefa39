"""The tables of whoever watches a floor: people, where they stand, places as numbers, and what was found. Does nothing.

Tables are arrays of records, because compiled code reads their fields by name. Times are capture times, in seconds.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Note(IntEnum):
    """What is worth a note; integers, because it is a column of an array."""

    ENTER = 0
    LEAVE = 1
    LOSE = 2
    INWARDS = 3
    OUTWARDS = 4
    DWELL = 5
    CAPACITY = 6
    CALM = 7


class Where(IntEnum):
    """Where somebody is, as far as a place is concerned."""

    OUTSIDE = 0
    INSIDE = 1
    UNKNOWN = 2  # the place is new, and there has been no dot since


# Fields of the tables; `at`, `begun` and the like are capture times.
PERSON = np.dtype(
    [
        ("id", np.int64),
        ("here", np.bool_),  # else not seen for too long
        ("seen", np.float64),
        ("watched", np.float64),  # seconds that had been watched by then
        ("x", np.float64),
        ("y", np.float64),
        ("stride_at", np.float64),  # when and where the stride began that goes on
        ("stride_x", np.float64),
        ("stride_y", np.float64),
    ]
)
STAY = np.dtype(
    [
        ("where", np.int8),  # Where
        ("begun", np.float64),
        ("row", np.float64),  # begin under the id that it has now; NaN before there was a dot under it
        ("told", np.bool_),  # that it is too long
        ("reported", np.float64),  # up to which it has been reported
    ]
)
PASSAGE = np.dtype(
    [
        ("side", np.int8),  # of the line, beyond doubt: 1 right, -1 left, 0 not yet
        ("near", np.int8),  # by the last dot alone
        ("between", np.bool_),  # whether the last change of `near` was between the line's ends
    ]
)
AREA = np.dtype(
    [
        ("begin", np.int64),  # its first corner, and the first one behind
        ("end", np.int64),
        ("x_min", np.float64),
        ("y_min", np.float64),
        ("x_max", np.float64),
        ("y_max", np.float64),
        ("widest", np.float64),  # metres: the border may be so wide, or nobody would ever be inside
        ("capacity", np.int64),
        ("max_dwell_s", np.float64),
        ("over", np.bool_),  # whether more people were there than it has room for
    ]
)
TOTAL = np.dtype(
    [
        ("observed_s", np.float64),
        ("watched_s", np.float64),
        ("person_s", np.float64),
        ("distance_m", np.float64),
        ("sigma_s", np.float64),
        ("certainty_s", np.float64),
        ("peak", np.int64),
    ]
)
NOTE = np.dtype(
    [
        ("kind", np.int8),  # Note
        ("at", np.float64),
        ("place", np.int64),
        ("person", np.int64),  # row; -1 for nobody in particular
        ("number", np.float64),  # seconds that the stay has lasted, or people
        ("row", np.float64),  # of the stay
    ]
)
CLOCK = np.dtype(
    [
        ("at", np.float64),  # the last instant; NaN before the first
        ("watched", np.float64),  # seconds up to then, gaps left out
        ("minute_at", np.float64),  # begin of its minute
        ("minute_watched", np.float64),  # seconds up to the minute's begin
    ]
)
RULES = np.dtype(
    [
        ("lost_s", np.float64),
        ("gap_s", np.float64),
        ("stride_s", np.float64),
        ("border_sigmas", np.float64),
        ("least_sigma_m", np.float64),
        ("most_sigma_m", np.float64),
    ]
)
Table = NDArray[Any]  # of one of these types
