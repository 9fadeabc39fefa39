"""What was corrected lately, and how things stood before: enough to take a correction back.

Keeps the books: decides nothing. Knows no targets and no tracks.
"""

from collections import deque
from dataclasses import dataclass

from app.domains.reid.gallery import Looks
from app.domains.reid.person import Person, Stay, Whereabouts
from app.domains.vocabulary import Correction, GlobalId, Merge, Split

ENTRIES = 200  # corrections that can be taken back; each keeps two people's looks, 30 kB of eight cameras
SAME_INSTANT_S = 1e-5  # capture times are kept to the microsecond


@dataclass(frozen=True, slots=True, eq=False)
class MergeEntry:
    """Two people were taken for one.

    Attributes:
        since: capture time from which on what was `gone` is reported as `kept`.
        late: who `gone` was.
        late_looks: of `gone`.
        looks: of `kept` until then.
        where: `kept` was until then.
        stays: of `kept` until then.
        in_sight: whether it was `gone` who was there and went on as `kept`.
        apart_from: of whom somebody who knows says that they are not `gone`.
    """

    gone: GlobalId
    kept: GlobalId
    since: float
    late: Person
    late_looks: Looks
    looks: Looks
    where: Whereabouts
    stays: tuple[Stay, ...]
    in_sight: bool
    apart_from: frozenset[GlobalId]


@dataclass(frozen=True, slots=True)
class SplitEntry:
    """What was one person goes on as another.

    Attributes:
        since: capture time from which on that one is reported as `apart`.
        fresh: whether nobody was known as `apart` before.
    """

    mixed: GlobalId
    apart: GlobalId
    since: float
    fresh: bool


class Ledger:
    """The newest corrections, each until it is taken back."""

    def __init__(self) -> None:
        self._entries: deque[MergeEntry | SplitEntry] = deque(maxlen=ENTRIES)

    def add(self, entry: MergeEntry | SplitEntry) -> None:
        """Enter a correction; the oldest is forgotten where there are too many."""
        self._entries.append(entry)

    def take(self, correction: Correction) -> MergeEntry | SplitEntry | None:
        """Return the newest entry of a correction and forget it; None where there is none any more."""
        found = next((entry for entry in reversed(self._entries) if _is_of(entry, correction)), None)
        if found is not None:
            self._entries.remove(found)
        return found

    def became(self, identity: GlobalId) -> GlobalId:
        """Return who somebody has turned out to be by merges; the same one without any."""
        for entry in self._entries:
            if isinstance(entry, MergeEntry) and entry.gone == identity:
                identity = entry.kept
        return identity


def _is_of(entry: MergeEntry | SplitEntry, correction: Correction) -> bool:
    """Say whether an entry tells of a correction; the two of one pair differ by when they came."""
    if isinstance(entry, MergeEntry):
        return isinstance(correction, Merge) and (entry.gone, entry.kept) == (correction.gone, correction.kept)
    return (
        isinstance(correction, Split)
        and (entry.mixed, entry.apart) == (correction.mixed, correction.apart)
        and abs(entry.since - correction.until) < SAME_INSTANT_S
    )
