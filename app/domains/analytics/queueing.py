"""Who waits in a queue, and for how long. Knows no store and no server: whoever leaves the zone has been served."""

from dataclasses import dataclass

import numpy as np

from app.domains.analytics.dwell import Dwell, distribution
from app.domains.analytics.figures import Ending, Period, Stays

LEAST_WAIT_S = 5.0  # who stays for less only passes


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue over some time.

    Attributes:
        mean: people who wait, over the time that was watched; None where nothing was.
        peak: people who wait at once; None as above.
        wait: of those who came to wait within the time; its quantiles are the ones asked for.
    """

    mean: float | None
    peak: int | None
    wait: Dwell


def queue(
    stays: Stays,
    period: Period,
    watched_s: float,
    quantiles: tuple[float, ...] = (0.5, 0.9),
    least_s: float = LEAST_WAIT_S,
) -> Queue:
    """Return how long a queue was, and how long people waited.

    Args:
        stays: at the zone, all that overlap the period.
        period: of time.
        watched_s: seconds of it in which the zone was watched.
        quantiles: of the wait, shares in (0, 1).
        least_s: who stays for less does not wait; those who are there now may yet.
    """
    wait = distribution(stays, period, quantiles, least_s)
    if watched_s <= 0.0:
        return Queue(None, None, wait)
    going_on = np.array([ending == Ending.HERE for ending in stays.ending], np.bool_)
    waits = (stays.ended - stays.begun >= least_s) | going_on
    begin, end = np.maximum(stays.begun[waits], period.since), np.minimum(stays.ended[waits], period.until)
    begin, end = begin[end >= begin], end[end >= begin]
    change = np.concatenate([np.ones(len(begin)), -np.ones(len(end))])
    order = np.lexsort([change, np.concatenate([begin, end])])  # who leaves makes room for who comes
    peak = int(np.cumsum(change[order]).max(initial=0))
    return Queue(float((end - begin).sum()) / watched_s, peak, wait)
