"""Where one person was, put together from what the history tells of them. Knows no database and no route."""

from dataclasses import dataclass

import numpy as np

from app.domains.analytics.figures import Period, Stays
from app.domains.analytics.ways import walked_m
from app.domains.vocabulary import FloatArray, GlobalId
from app.orchestration.archive import Archive
from app.orchestration.ports import Visit


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """Where one person was, corrections followed.

    Attributes:
        person: the identity that is in use now; another than was asked for where that one was merged.
        first_seen: capture time at which the person was seen for the first time ever.
        last_seen: and for the last.
        distance_m: metres walked within the time asked for, as far as somebody saw it.
        time_s: (N,) capture times within the time asked for, increasing.
        xy: (N, 2) metres, site frame.
        visits: which cameras saw the person within the time asked for, by begin.
        stays: at which places the person was then, the whole floor among them.
    """

    person: GlobalId
    first_seen: float
    last_seen: float
    distance_m: float
    time_s: FloatArray
    xy: FloatArray
    visits: tuple[Visit, ...]
    stays: Stays


async def journey_of(archive: Archive, asked: GlobalId, period: Period) -> Journey | None:
    """Return where somebody was, asked by any id that was reported for them; None for nobody.

    Raises:
        StoreError: the history cannot be read.
    """
    person = await archive.identity(asked)
    if person is None:
        return None
    parts = [dots async for dots in archive.dots(period, person.identity)]
    time_s = np.concatenate([np.empty(0), *(part.at for part in parts)])
    xy = np.concatenate([np.empty((0, 2)), *(part.xy for part in parts)])
    return Journey(
        person=person.identity,
        first_seen=person.first_seen,
        last_seen=person.last_seen,
        distance_m=walked_m(time_s, xy),
        time_s=time_s,
        xy=xy,
        visits=await archive.visits(person.identity, period),
        stays=await archive.stays((), period, person.identity),
    )
