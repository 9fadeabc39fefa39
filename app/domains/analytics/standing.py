"""Who stands where at the moment: its tables, as people come, are renamed, and go.

Knows no dots, and of places only how many there are.
"""

import numpy as np

from app.domains.analytics.tables import PASSAGE, PERSON, STAY, Where
from app.domains.vocabulary import BoolArray, FloatArray, IntArray

Ended = tuple[int, int, float, float]  # place by number, person by id, begin and end of a stay that was cut off


class Standing:
    """Rows of people by id, the columns of their stays by place (the whole floor first) and of lines that they pass.

    Args:
        zones: how many.
        lines: how many.
    """

    def __init__(self, zones: int, lines: int) -> None:
        self.people = np.zeros(0, PERSON)
        self.stays = np.zeros((0, 1 + zones), STAY)
        self.passages = np.zeros((0, lines), PASSAGE)

    def admit(self, ids: IntArray) -> None:
        """Have a row for each of the ids, (N,), in their order; people without dots yet are not there."""
        known = self.people["id"]
        everybody = np.union1d(known, ids)
        if len(everybody) > len(known):
            rows, old = np.searchsorted(everybody, known), (self.people, self.stays, self.passages)
            tables = [np.zeros((len(everybody), *table.shape[1:]), table.dtype) for table in old]
            for table, before in zip(tables, old, strict=True):
                table[rows] = before
            self.people, self.stays, self.passages = tables
            self.people["id"] = everybody

    def leave_out_absent(self) -> None:
        """Drop the rows of those who are not there."""
        here = self.people["here"]
        if not here.all():
            self.people, self.stays, self.passages = self.people[here], self.stays[here], self.passages[here]

    def rows(self, ids: IntArray) -> IntArray:
        """Return the rows of ids that have one."""
        found: IntArray = np.searchsorted(self.people["id"], ids)
        return found

    def inside(self) -> BoolArray:
        """Tell who is at which place, (S, 1 + zones) bool."""
        there: BoolArray = (self.stays["where"] == Where.INSIDE) & self.people["here"][:, None]
        return there

    def rename(self, source: int, target: int) -> list[Ended]:
        """Let somebody go on under another id, both of which have a row; return the stays that end under the old one.

        Where both are, the one of the target goes on, as if begun when the earlier of them was.
        """
        old, new = self.rows(np.array([source, target]))
        if not self.people["here"][old] or source == target:
            return []
        ended = self._cut_off(int(old), np.flatnonzero(self.inside()[old]))
        stays, gone = self.stays[new], self.stays[old]
        if self.people["here"][new]:
            both = (stays["where"] == Where.INSIDE) & (gone["where"] == Where.INSIDE)
            stays["begun"][both] = np.minimum(stays["begun"], gone["begun"])[both]
            stays["told"][both] |= gone["told"][both]
            taken = (stays["where"] != Where.INSIDE) & (gone["where"] == Where.INSIDE)
        else:
            taken = np.ones(len(stays), np.bool_)
        if not self.people["here"][new] or self.people["seen"][new] < self.people["seen"][old]:
            self.people[new], self.passages[new] = self.people[old], self.passages[old]
            self.people["id"][new] = target
        stays[taken] = gone[taken]
        stays["row"][taken], stays["reported"][taken] = np.nan, -np.inf
        self.people["here"][old] = False
        return ended

    def redraw(self, zones: IntArray, lines: IntArray) -> list[Ended]:
        """Have other places: for each, (Z,) and (L,), which zone or line it was, from 0 on; -1 for a new one.

        Returns:
            the stays that end because their zone is no more, by its old number.
        """
        ended: list[Ended] = []
        gone = np.setdiff1d(np.arange(self.stays.shape[1] - 1), zones) + 1
        for row in range(len(self.people)):
            ended += self._cut_off(row, gone[self.inside()[row, gone]])
        stays = np.zeros((len(self.people), 1 + len(zones)), STAY)
        stays[:, 0] = self.stays[:, 0]
        stays["where"][:, 1:] = Where.UNKNOWN
        stays[:, 1:][:, zones >= 0] = self.stays[:, 1 + zones[zones >= 0]]
        passages = np.zeros((len(self.people), len(lines)), PASSAGE)
        passages[:, lines >= 0] = self.passages[:, lines[lines >= 0]]
        self.stays, self.passages = stays, passages
        return ended

    def empty(self) -> list[Ended]:
        """Let everybody go; return the stays that end."""
        there = self.inside()
        ended = [end for row in range(len(there)) for end in self._cut_off(row, np.flatnonzero(there[row]))]
        self.people["here"] = False
        self.stays["where"] = Where.OUTSIDE
        return ended

    def to_report(self, rhythm_s: float) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Return the stays that go on and have not been reported lately, as reported now: row, place, begin and end."""
        seen = self.people["seen"][:, None]
        due = self.inside() & ~np.isnan(self.stays["row"]) & (seen - self.stays["reported"] >= rhythm_s)
        row, place = np.nonzero(due)
        ended = self.people["seen"][row]
        self.stays["reported"][row, place] = ended
        return row, place, self.stays["row"][row, place], ended

    def _cut_off(self, row: int, places: IntArray) -> list[Ended]:
        person, seen = int(self.people["id"][row]), float(self.people["seen"][row])
        begun = {int(place): float(self.stays["row"][row, place]) for place in places}
        return [(place, person, begin, seen) for place, begin in begun.items() if not np.isnan(begin)]
