"""Operators' corrections, followed by whoever is remembered. Knows no tracks, no looks and no history."""

from dataclasses import replace

import numpy as np

from app.domains.reid.ledger import MergeEntry, SplitEntry
from app.domains.reid.people import People
from app.domains.vocabulary import NO_ID, Correction, GlobalId, Merge, Split

IN_SIGHT_S = 1.0  # whose place was known so lately is on the floor
STEP_END_S = 1e-3  # so long after a step nothing of it is captured, and nothing of the next one yet
GOES_ON_S = 30.0  # who comes back so soon is still the one whom a correction was about


def follow(ordered: Correction, people: People, stepped_at: float) -> tuple[Correction, ...]:
    """Follow a correction between two steps.

    Args:
        ordered: by any ids that people have or had. A Split that goes on, of what is reported now, concerns whoever is
            there now as `mixed`, who goes on as `apart`; NO_ID mints one. Who is there and turns out to be somebody
            who is remembered no more keeps the own id, and the other's past is given to it.
        people: who is remembered.
        stepped_at: capture time of the last step.

    Returns:
        The corrections as they leave, the one that was ordered first; none where it concerns nobody who is remembered,
        but the history alone.

    Raises:
        ValueError: two people who are in sight at one time cannot be one.
    """
    people.begin = stepped_at + STEP_END_S
    if isinstance(ordered, Merge):
        return _follow_merge(ordered, people, stepped_at)
    return _follow_split(ordered, people, stepped_at)


def take_back(undone: Correction, people: People, stepped_at: float) -> tuple[Correction, ...]:
    """Let things be, from now on, as if a correction had never been followed, and never follow it by oneself again.

    What was reported by it since has to be corrected; what was reported before, who takes it back in the history does.
    Where people have been corrected otherwise since, the later word stands.

    Args:
        undone: as it left.
        people: who is remembered.
        stepped_at: capture time of the last step.

    Returns:
        The corrections of what was reported since; none where nobody is concerned who is remembered.
    """
    people.begin = stepped_at + STEP_END_S
    entry = people.ledger.take(undone)
    if isinstance(entry, MergeEntry):
        return _take_merge_back(entry, people)
    return () if entry is None else _take_split_back(entry, people, stepped_at)


def _follow_merge(ordered: Merge, people: People, stepped_at: float) -> tuple[Correction, ...]:
    gone, kept = people.now(ordered.gone), people.now(ordered.kept)
    if gone not in people or gone == kept:
        return ()
    if kept not in people:
        people.stand(gone)
        return (Merge(kept, gone, ordered.certainty),)
    if _both_in_sight(people, gone, kept, stepped_at):
        raise ValueError(f"{gone} and {kept} are both in sight now, at different places")
    merge = people.merge(gone, kept, ordered.certainty)
    people.stand(kept)
    return (merge,)


def _follow_split(ordered: Split, people: People, stepped_at: float) -> tuple[Correction, ...]:
    mixed, named = people.now(ordered.mixed), ordered.apart != NO_ID
    other = people.now(ordered.apart) if named else GlobalId(NO_ID)
    if mixed not in people or mixed == other:
        return ()
    if ordered.until <= stepped_at or (ordered.reported and mixed not in ordered.reported):
        people.tell_apart(mixed, other)  # of what is past; yet it says that they are two
        return ()
    if other in people and _both_in_sight(people, mixed, other, stepped_at):
        raise ValueError(f"{mixed} and {other} are both in sight now, at different places")
    apart = other if other in people else people.enrol(stepped_at, None)
    people.part(mixed, apart, ordered.since)
    # what comes is named anew: the correction ends behind the last step
    split = replace(ordered, mixed=mixed, apart=apart, until=people.begin)
    return (split,) if apart == other or not named else (split, Merge(other, apart, ordered.certainty))


def _take_merge_back(entry: MergeEntry, people: People) -> tuple[Correction, ...]:
    if entry.kept not in people or entry.gone in people:
        return ()
    stays, until = people[entry.kept].goes_on(entry.since, GOES_ON_S)
    people.unmerge(entry, until)
    if not entry.in_sight:
        return ()
    end = people.begin if until == np.inf else stays[-1][1] + STEP_END_S if stays else entry.since
    return _of_time(entry.kept, entry.gone, entry.since, end)


def _take_split_back(entry: SplitEntry, people: People, stepped_at: float) -> tuple[Correction, ...]:
    if entry.mixed not in people or entry.apart not in people:
        return ()
    if _both_in_sight(people, entry.mixed, entry.apart, stepped_at):
        return ()
    stays, until = people[entry.apart].goes_on(entry.since, GOES_ON_S)
    if until < np.inf:
        return _of_time(entry.apart, entry.mixed, entry.since, stays[-1][1] + STEP_END_S if stays else entry.since)
    if entry.fresh:
        merge = people.merge(entry.apart, entry.mixed, 1.0)
        people.stand(entry.mixed)
        return (merge,)
    people.part(entry.apart, entry.mixed, entry.since)
    people.told_apart.discard(frozenset((entry.apart, entry.mixed)))
    return _of_time(entry.apart, entry.mixed, entry.since, people.begin)


def _of_time(mixed: GlobalId, apart: GlobalId, since: float, until: float) -> tuple[Correction, ...]:
    """Return the correction of what was reported under one id from one capture time to another, if any was."""
    return (Split(mixed, apart, since, until, (mixed,)),) if since < until else ()


def _both_in_sight(people: People, one: GlobalId, other: GlobalId, stepped_at: float) -> bool:
    """Say whether two people are at two places now, or were in one camera's image lately."""
    lately, a, b = stepped_at - IN_SIGHT_S, people[one], people[other]
    if min(a.where.placed_at, b.where.placed_at) >= lately:
        return True
    return any(at >= lately and b.cameras.get(camera) == at for camera, at in a.cameras.items())
