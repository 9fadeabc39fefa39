"""Operators' corrections, followed by whoever is remembered. Knows no tracks, no looks and no history."""

from dataclasses import replace

from app.domains.reid.people import People
from app.domains.vocabulary import NO_ID, Correction, Merge, Split

IN_SIGHT_S = 1.0  # whose place was known so lately is on the floor
STEP_END_S = 1e-3  # so long after a step nothing of it is captured, and nothing of the next one yet


def follow(ordered: Correction, people: People, stepped_at: float) -> Correction | None:
    """Follow a correction between two steps.

    Args:
        ordered: by the ids that people have now. A Split without end, of all ids, concerns whoever is there now as
            `mixed`, who goes on as `apart`; NO_ID mints one.
        people: who is remembered.
        stepped_at: capture time of the last step.

    Returns:
        The correction as it leaves; None where it concerns nobody who is remembered, but the history alone.

    Raises:
        ValueError: two people who are in sight at one time cannot be one.
    """
    one = ordered.gone if isinstance(ordered, Merge) else ordered.mixed
    other = ordered.kept if isinstance(ordered, Merge) else ordered.apart
    if one not in people or one == other or not (other in people or (other == NO_ID and isinstance(ordered, Split))):
        return None
    if isinstance(ordered, Split) and (ordered.reported or ordered.until <= stepped_at):
        return None
    placed_at = [people[identity].where.placed_at for identity in (one, other) if identity != NO_ID]
    if len(placed_at) == 2 and min(placed_at) >= stepped_at - IN_SIGHT_S:
        raise ValueError(f"{one} and {other} are both in sight now, at different places")
    if isinstance(ordered, Merge):
        merge = people.merge(one, other, ordered.certainty)
        people.stand(other)
        return merge
    apart = people.enrol(stepped_at, None) if other == NO_ID else other
    people.part(one, apart, ordered.since)
    # what comes is named anew: the correction ends behind the last step
    return replace(ordered, apart=apart, until=stepped_at + STEP_END_S)
