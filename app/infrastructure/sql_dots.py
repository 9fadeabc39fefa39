"""Dots and boxes of a site's history in parts of bounded size, corrections followed.

Each part is a question of its own, so that a long answer holds up nobody and lasts as long as its reader likes. Runs
on SQLite and on PostgreSQL.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Column, Connection, Select, func, select

from app.domains.analytics.figures import Period
from app.domains.vocabulary import NO_ID, CameraId, FloatArray, GlobalId, IntArray
from app.infrastructure.sql_columns import Seconds, fetch, floats, integers
from app.infrastructure.sql_corrections import of_site
from app.infrastructure.sql_people import Piece, corrections_within, identity_of, pieces_of
from app.infrastructure.sql_schema import CAMERAS, DOTS, POINTS
from app.infrastructure.sql_ways import read_ways
from app.orchestration.archive import Boxes, Dots

PART = 50_000  # rows of a part at most, but for those of its last instant
PART_S = 4 * 3600.0  # that a part of one person lasts: 28,800 rows at 2 a second
LOOK_S = 60.0  # in which boxes are looked for at first: PostgreSQL has to sort them
TICK_S = 1e-6  # instants are kept to the microsecond


def read_dots(connection: Connection, site_id: int, period: Period) -> tuple[Dots, float | None]:
    """Return the first dots of a period, and where the next part begins; None where there is none."""
    dots = DOTS.c
    query = select(Seconds(dots.at), dots.person, dots.x, dots.y, dots.sigma, dots.certainty)
    query = query.where(of_site(dots.run_id, site_id))
    columns, after = _part(connection, query, dots.at, period, period.seconds)
    at, sigma = floats(columns[0]), floats(columns[4])
    read = Period(period.since, period.until if after is None else after)
    history = corrections_within(connection, site_id, read)
    identity, certainty = history.read(integers(columns[1]), at, floats(columns[5]))
    return _dots(at, identity, np.stack([floats(columns[2]), floats(columns[3])], axis=1), sigma, certainty), after


def read_dots_of(connection: Connection, site_id: int, period: Period, asked: GlobalId) -> tuple[Dots, float | None]:
    """Return the first dots of one person within a period, and where the next part begins."""
    identity = identity_of(connection, site_id, asked)
    pieces = [] if identity is None else pieces_of(connection, site_id, identity, period)
    until = min(pieces[0].since + PART_S, period.until) if pieces else period.until
    ways: dict[tuple[int, int], list[FloatArray]] = {}
    if pieces and identity is not None:
        ways = read_ways(connection, site_id, identity, Period(pieces[0].since, until))
    rows = [np.empty((0, 5))]
    for piece in (piece for piece in pieces if piece.since < until):
        own = [*ways.get((piece.run_id, piece.person), ()), *_not_packed(connection, piece, until)]
        table = np.concatenate([np.empty((0, 5)), *own])
        table = table[(table[:, 0] >= piece.since) & (table[:, 0] < min(piece.until, until))]
        if piece.certainty is not None:
            table[:, 4] = piece.certainty
        rows.append(table)
    table = np.concatenate(rows)
    ids = np.full(len(table), identity or NO_ID)
    more = any(piece.until > until and piece.last_seen >= until for piece in pieces)
    return _dots(table[:, 0], ids, table[:, 1:3], table[:, 3], table[:, 4]), until if more else None


def read_boxes(
    connection: Connection, site_id: int, period: Period, camera: CameraId | None
) -> tuple[Boxes, float | None]:
    """Return the first boxes of a period, of one camera or of all, and where the next part begins."""
    cameras = select(CAMERAS.c.id, CAMERAS.c.name).where(CAMERAS.c.site_id == site_id)
    names = {row.id: CameraId(row.name) for row in connection.execute(cameras) if camera in {None, row.name}}
    points = POINTS.c
    box = points.x_min, points.y_min, points.x_max, points.y_max
    who = points.camera_id, points.track, func.coalesce(points.person, NO_ID)
    query = select(Seconds(points.at), *who, *box, points.confidence, points.x, points.y, points.certainty)
    query = query.where(points.camera_id.in_(names))
    columns, after = _part(connection, query, points.at, period, LOOK_S)
    table = np.stack([floats(column) for column in (columns[0], *columns[4:])], axis=1)
    seen_by, track, person = (integers(column) for column in columns[1:4])
    history = corrections_within(connection, site_id, Period(period.since, period.until if after is None else after))
    identity, _ = history.read(person, table[:, 0], table[:, 8])
    ids = [names[number] for number in seen_by.tolist()]
    order = np.lexsort((track, np.array(ids, dtype=np.str_), table[:, 0]))
    table = table[order]
    boxes = Boxes(
        at=table[:, 0],
        camera=tuple(ids[row] for row in order),
        track=track[order],
        identity=identity[order],
        xyxy=table[:, 1:5].astype(np.float32),
        confidence=table[:, 5],
        xy=table[:, 6:8],
    )
    return boxes, after


def _not_packed(connection: Connection, piece: Piece, until: float) -> list[FloatArray]:
    """Return the dots (N, 5) of a piece, up to an instant, that are in no way yet."""
    dots = DOTS.c
    since = piece.since if piece.ways_until is None else max(piece.since, piece.ways_until)
    if since >= min(piece.until, until) or since > piece.last_seen:
        return []
    mine = dots.run_id == piece.run_id, dots.person == piece.person
    within = dots.at >= since, dots.at < min(piece.until, until)
    query = select(Seconds(dots.at), dots.x, dots.y, dots.sigma, dots.certainty).where(*mine, *within)
    return [np.stack([floats(column) for column in fetch(connection, query)], axis=1)]


def _part(
    connection: Connection, query: Select[Any], at: Column[float], period: Period, look_s: float
) -> tuple[list[Sequence[Any]], float | None]:
    """Return the columns of a part of whole instants, and where the next begins; the first column is the instant.

    What is looked through at once is `look_s` long, and then four times as long each time until enough is found.
    """
    columns: list[Sequence[Any]] = [() for _ in query.selected_columns]
    begin = period.since
    while begin < period.until and len(columns[0]) < PART:
        end = min(begin + look_s, period.until)
        found = fetch(connection, query.where(at >= begin, at < end).order_by(at).limit(PART - len(columns[0])))
        columns = [(*column, *more) for column, more in zip(columns, found, strict=True)]
        begin, look_s = end, 4.0 * look_s
    if len(columns[0]) < PART:
        return columns, None
    last = columns[0][-1]
    if columns[0][0] < last:
        kept = int(np.searchsorted(floats(columns[0]), last))
        return [column[:kept] for column in columns], last
    return fetch(connection, query.where(at >= last, at < last + TICK_S)), last + TICK_S


def _dots(at: FloatArray, identity: IntArray, xy: FloatArray, sigma: FloatArray, certainty: FloatArray) -> Dots:
    """Put dots in order; where several ids of one person were reported at an instant, the surest place is theirs."""
    order = np.lexsort((sigma, identity, at))
    fresh = (np.diff(at[order], prepend=-np.inf) > 0) | (np.diff(identity[order], prepend=NO_ID) != 0)
    rows = order[fresh]
    return Dots(at[rows], identity[rows], xy[rows], sigma[rows], certainty[rows])
