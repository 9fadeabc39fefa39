"""Adds up what was found at places to rows for the history. Knows nobody's whereabouts and no place's shape.

Places are numbers here, 0 for the whole floor, and get their names at last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Ending
from app.domains.analytics.heat import CellArray
from app.domains.analytics.places import PlaceId
from app.domains.analytics.standing import Ended
from app.domains.analytics.tables import TOTAL, Note, Table
from app.domains.analytics.watched import HeatRows, OccupancyRows, StayRows
from app.domains.vocabulary import FloatArray, IntArray

MINUTE_S = 60.0
COMINGS, GOINGS = [Note.ENTER, Note.INWARDS], [Note.LEAVE, Note.LOSE, Note.OUTWARDS]


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """What P places are called, the whole floor first.

    Attributes:
        ids: P place ids.
        versions: (P,) int64 that are in force.
    """

    ids: tuple[PlaceId, ...]
    versions: IntArray

    def versioned(self) -> list[tuple[PlaceId, int]]:
        """Return id and version of each."""
        return list(zip(self.ids, self.versions.tolist(), strict=True))


def minutes_of(instants: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the minutes of the instants and those before each, (M,) numbers, and which of them each is in, (T,)."""
    minute = np.floor(instants / MINUTE_S).astype(np.int64)
    minutes = np.unique(np.concatenate([minute, minute - 1]))
    return minutes, np.searchsorted(minutes, minute)


def heat(minutes: IntArray, minute: IntArray, cell: CellArray, credit: FloatArray) -> HeatRows:
    """Add up the seconds of dots, (N, 2) before the minute of each and within, by minute and cell."""
    seconds = np.concatenate([credit[:, 0], credit[:, 1]])
    key = np.concatenate([minute - 1, minute]) << 32 | (np.concatenate([cell, cell]).astype(np.int64) + (1 << 31))
    spent = seconds > 0.0
    each, which = np.unique(key[spent], return_inverse=True)
    sums = np.bincount(which, weights=seconds[spent], minlength=len(each))
    cells = ((each & 0xFFFFFFFF) - (1 << 31)).astype(np.int32)
    return HeatRows(MINUTE_S * minutes[each >> 32].astype(np.float64), cells, sums.astype(np.float64))


def occupancy(notes: Table, minutes: IntArray, totals: Table, ids: tuple[PlaceId, ...]) -> OccupancyRows:
    """Add entries and exits to the totals, (M, P), and return those of them that say anything."""
    counted = notes[np.isin(notes["kind"], [*COMINGS, *GOINGS])]
    of_note = np.floor(counted["at"] / MINUTE_S).astype(np.int64)
    every = np.union1d(minutes, of_note)
    all_totals = np.zeros((len(every), totals.shape[1]), TOTAL)
    all_totals[np.searchsorted(every, minutes)] = totals
    moved = np.zeros((2, *all_totals.shape), np.int64)
    way = np.isin(counted["kind"], GOINGS).astype(np.int64)
    np.add.at(moved, (way, np.searchsorted(every, of_note), counted["place"]), 1)
    says = moved.any(axis=0)
    for name in TOTAL.names or ():
        says |= all_totals[name] > 0
    row, place = np.nonzero(says)
    sums = {name: all_totals[name][row, place] for name in TOTAL.names or ()}
    entered, gone = moved[:, row, place]
    places = tuple(ids[p] for p in place)
    return OccupancyRows(
        place=places, minute=MINUTE_S * every[row].astype(np.float64), entered=entered, gone=gone, **sums
    )


def cut_off(ended: Sequence[Ended], names: Names) -> StayRows:
    """Return the rows of stays that did not end by themselves."""
    place, person, begun, until = zip(*ended, strict=True) if ended else ((), (), (), ())
    columns = np.array(place, np.int64), np.array(person, np.int64), np.array(begun, float), np.array(until, float)
    return stay_rows(columns, [Ending.LOST] * len(ended), names)


def stay_rows(
    columns: tuple[IntArray, IntArray, FloatArray, FloatArray],
    endings: Sequence[Ending],
    names: Names,
) -> StayRows:
    """Return the rows of stays: place, person, begin and end, (N,) each, and how they ended."""
    place, person, begun, ended = columns
    return StayRows(tuple(names.ids[p] for p in place), names.versions[place], person, begun, ended, tuple(endings))


def joined(*parts: StayRows) -> StayRows:
    """Return the rows one below the other."""
    return StayRows(
        place=tuple(place for part in parts for place in part.place),
        place_version=np.concatenate([part.place_version for part in parts]),
        person=np.concatenate([part.person for part in parts]),
        begun=np.concatenate([part.begun for part in parts]),
        ended=np.concatenate([part.ended for part in parts]),
        ending=tuple(ending for part in parts for ending in part.ending),
    )
