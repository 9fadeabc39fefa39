"""Where people were, from hours that are packed, minutes that are not yet, and dots where a period cuts an hour.

Runs on SQLite and on PostgreSQL.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from app.domains.analytics.figures import Period
from app.domains.analytics.heat import CellArray, cell_of
from app.domains.vocabulary import FloatArray, GlobalId
from app.infrastructure.sql_columns import fetch, floats
from app.infrastructure.sql_dots import read_dots, read_dots_of
from app.infrastructure.sql_schema import HEAT, HEAT_CELLS
from app.orchestration.archive import Dots

HOUR_S = 3600.0
GAP_S = 1.0  # longer between two instants nobody watched
PACKED = np.dtype([("cell", "<i4"), ("seconds", "<f4")])
Cells = tuple[CellArray, FloatArray]


def pack_cells(cell: CellArray, seconds: NDArray[np.float64]) -> bytes:
    """Return the cells of an hour as one block: 32-bit numbers of cells, then 32-bit seconds, compressed."""
    order = np.argsort(cell)
    return zlib.compress(cell[order].astype("<i4").tobytes() + seconds[order].astype("<f4").tobytes())


def unpack_cells(packed: bytes) -> Cells:
    """Return cells (N,) and their person-seconds (N,)."""
    block = zlib.decompress(packed)
    n = len(block) // 8
    return np.frombuffer(block, "<i4", n), np.frombuffer(block, "<f4", n, offset=4 * n).astype(np.float64)


def read_cells(connection: Connection, site_id: int, period: Period) -> Cells:
    """Return cells, each as often as it comes, and the person-seconds that everybody was there within a period."""
    begin, end = np.ceil(period.since / HOUR_S) * HOUR_S, np.floor(period.until / HOUR_S) * HOUR_S
    if begin > end:
        return _ragged(connection, site_id, period)
    parts = [
        _packed(connection, site_id, Period(begin, end)),
        _fresh(connection, site_id, Period(begin, end)),
        _ragged(connection, site_id, Period(period.since, begin)),
        _ragged(connection, site_id, Period(end, period.until)),
    ]
    return _joined(parts)


def read_cells_of(connection: Connection, site_id: int, period: Period, asked: GlobalId) -> Cells:
    """Return cells, each as often as it comes, and the seconds that one person was there within a period."""
    parts = []
    since: float | None = period.since
    while since is not None:
        dots, since = read_dots_of(connection, site_id, Period(since, period.until), asked)
        parts.append(_of_dots(dots))
    return _joined(parts)


def _packed(connection: Connection, site_id: int, hours: Period) -> Cells:
    mine = HEAT.c.site_id == site_id, HEAT.c.at >= hours.since, HEAT.c.at < hours.until
    return _joined([unpack_cells(packed) for packed in connection.execute(select(HEAT.c.cells).where(*mine)).scalars()])


def _fresh(connection: Connection, site_id: int, period: Period) -> Cells:
    """Return what is not packed yet; of a minute that a period cuts, all counts or nothing."""
    cells = HEAT_CELLS.c
    mine = cells.site_id == site_id, cells.at >= period.since, cells.at < period.until
    query = select(cells.cell, func.sum(cells.seconds)).where(*mine).group_by(cells.cell)
    cell, seconds = fetch(connection, query)
    return np.array(cell, dtype=np.int32), floats(seconds)


def _ragged(connection: Connection, site_id: int, period: Period) -> Cells:
    """Return the part of an hour; of one that is packed, from its dots."""
    if period.since >= period.until:
        return _joined([])
    hour = np.floor(period.since / HOUR_S) * HOUR_S
    packed = select(HEAT.c.at).where(HEAT.c.site_id == site_id, HEAT.c.at == hour)
    if connection.execute(packed).first() is None:
        return _fresh(connection, site_id, period)
    parts = []
    since: float | None = period.since
    while since is not None:
        dots, since = read_dots(connection, site_id, Period(since, period.until))
        parts.append(_of_dots(dots))
    return _joined(parts)


def _of_dots(dots: Dots) -> Cells:
    """Return the cells of dots, and how long each stood for: since the instant before, as far as somebody watched."""
    instants, row = np.unique(dots.at, return_inverse=True)
    lasted = np.diff(instants, prepend=instants[:1])
    return cell_of(dots.xy), np.minimum(lasted, GAP_S)[row]


def _joined(parts: list[Cells]) -> Cells:
    cells = [part[0] for part in parts] or [np.empty(0, np.int32)]
    return np.concatenate(cells), np.concatenate([part[1] for part in parts] or [np.empty(0)])
