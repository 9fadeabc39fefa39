"""Figures from the roll-ups: sums over minutes and hours that the writer keeps. Runs on SQLite and on PostgreSQL.

Periods are read in whole minutes; of a minute that a period begins or ends in, all counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Double, Table, func, literal, select

from app.domains.analytics.figures import OccupancySeries, Period, Quality
from app.domains.analytics.places import PlaceId
from app.domains.vocabulary import CameraId, FloatArray
from app.infrastructure.sql_columns import Bucket, Seconds, fetch, floats
from app.infrastructure.sql_rollup import HOUR_S, MINUTE_S, QUARTER_S
from app.infrastructure.sql_schema import OCCUPANCY

SUMS = ("watched_s", "observed_s", "person_s", "distance_m", "sigma_s", "certainty_s", "entered", "gone")
STEPS_S = (HOUR_S, QUARTER_S)  # of the roll-up, those of fewer rows first; else minutes


@dataclass(frozen=True, slots=True)
class Totals:
    """What the roll-ups of a place add up to within a period; as the columns of the table are."""

    watched_s: float
    observed_s: float
    person_s: float
    distance_m: float
    sigma_s: float
    certainty_s: float
    entered: int
    gone: int


def parts_of(period: Period) -> list[tuple[int, Period]]:
    """Return the steps and parts of them that make up a period from the fewest rows: hours, and minutes at its ends.

    Each is to be asked for by itself: of several in one question SQLite would read all rows of the place.
    """
    first, last = np.floor(period.since / MINUTE_S) * MINUTE_S, np.ceil(period.until / MINUTE_S) * MINUTE_S
    begin, end = np.ceil(first / HOUR_S) * HOUR_S, np.floor(last / HOUR_S) * HOUR_S
    if begin >= end:
        parts = [(MINUTE_S, Period(first, last))]
    else:
        parts = [(MINUTE_S, Period(first, begin)), (HOUR_S, Period(begin, end)), (MINUTE_S, Period(end, last))]
    return [(step, part) for step, part in parts if part.seconds > 0]


def within(table: Table, step: int, part: Period) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the rows of a roll-up's step in a part of time."""
    return table.c.step == step, table.c.at >= part.since, table.c.at < part.until


def read_totals(connection: Connection, site_id: int, place: PlaceId, period: Period) -> Totals:
    """Return what is known of a place within a period."""
    columns = [func.coalesce(func.sum(OCCUPANCY.c[name]), 0) for name in SUMS]
    query = select(*columns).where(OCCUPANCY.c.site_id == site_id, OCCUPANCY.c.place == place)
    rows = [connection.execute(query.where(*within(OCCUPANCY, *part))).one() for part in parts_of(period)]
    return Totals(*(sum(column) for column in zip(*rows, strict=True))) if rows else Totals(*[0] * len(SUMS))


def read_occupancy(
    connection: Connection, site_id: int, place: PlaceId, period: Period, bucket_s: float
) -> dict[str, FloatArray]:
    """Return the sums of each bucket of a period, and `peak`; all 0 where nothing is known."""
    rollup = OCCUPANCY.c
    step = next((s for s in STEPS_S if bucket_s % s == 0 and period.since % s == 0), MINUTE_S)
    bucket = Bucket(rollup.at, literal(bucket_s, Double()), literal(period.since, Double()))
    mine = rollup.site_id == site_id, rollup.place == place, rollup.step == step
    within_period = rollup.at >= period.since, rollup.at < period.until
    sums = [func.sum(rollup[name]) for name in SUMS]
    wanted: list[ColumnElement[Any]] = [Seconds(bucket), *sums, func.max(rollup.peak)]
    query = select(*wanted).where(*mine, *within_period).group_by(bucket)
    begin, *columns = (floats(column) for column in fetch(connection, query))
    row = np.rint((begin - period.since) / bucket_s).astype(np.int64)
    buckets = round(period.seconds / bucket_s)
    series = {name: np.zeros(buckets) for name in (*SUMS, "peak")}
    for filled, column in zip(series.values(), columns, strict=True):
        filled[row] = column
    return series


def series_of(
    sums: dict[str, FloatArray], period: Period, bucket_s: float, quality: Quality, *, crossed: bool
) -> OccupancySeries:
    """Return what the sums of buckets say; nothing of those that nobody watched, and of a line no people at it."""
    watched, person = sums["watched_s"], sums["person_s"]

    def seen(column: FloatArray) -> FloatArray:
        return np.where(watched > 0, column, np.nan)

    return OccupancySeries(
        at=period.since + bucket_s * np.arange(len(watched), dtype=np.float64),
        bucket_s=bucket_s,
        mean=np.full(len(watched), np.nan) if crossed else _ratio(person, watched),
        peak=np.full(len(watched), np.nan) if crossed else seen(sums["peak"]),
        entered=seen(sums["entered"]),
        left=seen(sums["gone"]),
        speed=_ratio(sums["distance_m"], person),
        observed=np.clip(sums["observed_s"] / bucket_s, 0.0, 1.0),
        quality=quality,
    )


def quality_of(totals: Totals, period: Period, cameras_out: tuple[tuple[CameraId, float], ...]) -> Quality:
    """Return how far figures can be trusted that were made from these sums."""
    observed = min(totals.observed_s / period.seconds, 1.0) if period.seconds > 0 else 0.0
    sigma_m = certainty = None
    if totals.person_s > 0:
        sigma_m, certainty = totals.sigma_s / totals.person_s, totals.certainty_s / totals.person_s
    return Quality(observed, cameras_out, sigma_m, certainty, totals.watched_s)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return part / whole (N,), NaN where there is no whole."""
    ratio: FloatArray = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
