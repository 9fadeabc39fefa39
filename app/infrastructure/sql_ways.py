"""The ways of people: the dots that one id had in five minutes, packed into one row.

Dots lie in the order of time, and so the dots of one person lie everywhere: a day of theirs is thousands of pages to
read. What this module packs lies together. It is made of dots that are there already, in a transaction of its own, and
says the same as they do, so that a way may always be made again. Runs on SQLite and on PostgreSQL; knows no people: ids
are those that were reported.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from app.domains.analytics.figures import Period
from app.domains.vocabulary import FloatArray, GlobalId
from app.infrastructure.sql_batch import DOT_DECIMALS, Columns
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_corrections import of_site
from app.infrastructure.sql_schema import DOTS, IDENTITIES, RUNS, SPANS, WAYS

Id = tuple[int, int]  # run, and id that was reported in it
WAY_S = 300  # of one row: a day of one person is 288 of them, and 3,000 dots at 10 a second are not packed yet
PARTS = ("at", "x", "y", "sigma", "certainty")
UNITS = np.array([1e6, *[10.0**DOT_DECIMALS] * 4])[:, None]  # in which they are whole numbers, so that nothing is lost
LEVEL = 1  # of zlib: 10 bytes a dot of made-up walkers; the best level has 9 and takes ten times as long
MOST = 200_000  # dots after which the writer goes on, less than a second later; 50 people at 10 a second have 150,000


def pack_ways(connection: Connection) -> int:
    """Pack the dots of times that are over, for every run; returns how many dots.

    Of a long history that was never packed it does a part; the next call goes on.
    """
    done = 0
    for run_id in _with_times_over(connection):
        # a run that another program writes or packs now is left to it; SQLite lets one program write at a time
        mine = select(RUNS.c.ways_until, RUNS.c.ended).where(RUNS.c.id == run_id)
        found = connection.execute(mine.with_for_update(skip_locked=True, key_share=True)).first()
        since = None if found is None else found.ways_until or _first_seen(connection, run_id)
        if found is None or since is None:
            continue
        since -= since % WAY_S
        while since + WAY_S <= found.ended and done < MOST:
            first = connection.execute(select(func.min(DOTS.c.at)).where(DOTS.c.at >= since)).scalar()
            since = found.ended if first is None else min(max(since, first), found.ended)
            since -= since % WAY_S
            if since + WAY_S <= found.ended:
                done += _pack(connection, run_id, since)
                since += WAY_S
        connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(ways_until=since))
    return done


def unpack_ways(connection: Connection, run_id: int, at: float) -> None:
    """Take the ways of a run from an instant on as not packed, because dots of before them still come."""
    since = at - at % WAY_S
    connection.execute(delete(WAYS).where(WAYS.c.run_id == run_id, WAYS.c.at >= since))
    connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(ways_until=since))


def ways_of(dots: Columns, since: float) -> list[dict[str, Any]]:
    """Return dots of one run within WAY_S from an instant on as rows of WAYS, one a person.

    Args:
        dots: columns as the table DOTS has them, in any order.
        since: capture time, a multiple of WAY_S.
    """
    order = np.lexsort((dots["at"], dots["person"]))
    person, first = np.unique(dots["person"][order], return_index=True)
    table = np.stack([dots[name][order] for name in PARTS]).astype(np.float64)
    table[0] -= since
    return [
        {"run_id": int(dots["run_id"][0]), "person": one, "at": since, "dots": _packed(part)}
        for one, part in zip(person.tolist(), np.split(table, first[1:], axis=1), strict=False)
    ]


def read_ways(connection: Connection, site_id: int, identity: GlobalId, period: Period) -> dict[Id, list[FloatArray]]:
    """Return the ways of which some belong to a person and period: by run and reported id the parts, each (N, 5)."""
    ways, spans = WAYS.c, SPANS.c
    same = and_(ways.run_id == spans.run_id, ways.person == spans.person)
    mine = spans.identity == identity, of_site(spans.run_id, site_id)
    within = ways.at > period.since - WAY_S, ways.at < period.until
    query = select(ways.run_id, ways.person, Seconds(ways.at), ways.dots).join(SPANS, same).where(*mine, *within)
    found = {row[:3]: row[3] for row in zip(*fetch(connection, query), strict=True)}  # once, of however many spans
    parts: dict[Id, list[FloatArray]] = {}
    for (run_id, person, since), packed in found.items():
        parts.setdefault((run_id, person), []).append(_unpacked(packed, since))
    return parts


def _packed(table: FloatArray) -> bytes:
    """Return (5, N) numbers as bytes: differences as little-endian int64, the lowest bytes of all first, deflated."""
    steps = np.diff(np.rint(table * UNITS).astype(np.int64), axis=1, prepend=0).astype("<i8")
    return zlib.compress(np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 8).T).tobytes(), LEVEL)


def _unpacked(packed: bytes, since: float) -> FloatArray:
    """Return the dots of a row: (N, 5) capture time, x and y in metres, sigma in metres and certainty, by time."""
    planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(8, -1)
    steps = np.ascontiguousarray(planes.T).view("<i8").reshape(len(UNITS), -1)
    table: FloatArray = (np.cumsum(steps, axis=1) / UNITS).T
    table[:, 0] = np.round(table[:, 0] + since, 6)
    table[:, 3:] = table[:, 3:].astype(np.float32)  # as the table of dots has them
    return table


def _with_times_over(connection: Connection) -> Iterator[int]:
    """Yield the runs that may have dots to pack."""
    query = select(RUNS.c.id, RUNS.c.ways_until, RUNS.c.ended).where(RUNS.c.ended.is_not(None)).order_by(RUNS.c.id)
    for run_id, until, ended in connection.execute(query).all():
        if until is None or until + WAY_S <= ended:
            yield run_id


def _first_seen(connection: Connection, run_id: int) -> float | None:
    """Return when the first of a run's people was seen; None where nobody was."""
    first = select(func.min(IDENTITIES.c.first_seen)).where(IDENTITIES.c.run_id == run_id)
    seen: float | None = connection.execute(first).scalar()
    return seen


def _pack(connection: Connection, run_id: int, since: float) -> int:
    """Pack WAY_S of a run; returns how many dots."""
    dots = DOTS.c
    # by the bare column SQLite would look through all of the run
    mine = dots.run_id + 0 == run_id, dots.at >= since, dots.at < since + WAY_S
    at, person, *rest = fetch(
        connection, select(Seconds(dots.at), dots.person, *(dots[p] for p in PARTS[1:])).where(*mine)
    )
    columns = {"run_id": np.full(len(at), run_id), "at": floats(at), "person": integers(person)}
    rows = ways_of(columns | dict(zip(PARTS[1:], map(floats, rest), strict=True)), since) if len(at) else []
    if rows:
        connection.execute(insert(WAYS), rows)
    return len(at)
