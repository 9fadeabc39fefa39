"""What is asked most of a place, in one go: figures and how far they can be trusted. Runs on SQLite and PostgreSQL."""

from collections.abc import Collection

import numpy as np
from sqlalchemy import Connection, func, select

from app.domains.analytics.figures import Ending, OccupancySeries, Period, Quality
from app.domains.analytics.places import PlaceId
from app.domains.analytics.presence import presence
from app.domains.vocabulary import CameraId, FloatArray
from app.infrastructure.sql_corrections import of_site
from app.infrastructure.sql_events import read_events
from app.infrastructure.sql_occupancy import (
    quality_of,
    read_occupancy,
    read_totals,
    series_of,
)
from app.infrastructure.sql_people import read_tagged
from app.infrastructure.sql_places import is_crossed
from app.infrastructure.sql_rollup import HOUR_S
from app.infrastructure.sql_schema import CAMERA_STATES, CAMERAS, DOTS
from app.infrastructure.sql_stays import read_pieces, read_stays, read_visitors
from app.infrastructure.sql_uptime import read_uptime
from app.orchestration.archive import CameraUptime, Dashboard, EventFilter, Page


def read_begin(connection: Connection, site_id: int) -> float | None:
    """Return the capture time of the oldest dot or state that is kept; None for an empty history."""
    dots = select(DOTS.c.at).where(of_site(DOTS.c.run_id, site_id)).order_by(DOTS.c.at).limit(1)
    cameras = select(CAMERAS.c.id).where(CAMERAS.c.site_id == site_id)
    states = select(func.min(CAMERA_STATES.c.at)).where(CAMERA_STATES.c.camera_id.in_(cameras))
    oldest = (connection.execute(query).scalar() for query in (dots, states))
    return min((at for at in oldest if at is not None), default=None)


def read_quality(connection: Connection, site_id: int, place: PlaceId, period: Period) -> Quality:
    """Return how far figures of a place can be trusted."""
    totals = read_totals(connection, site_id, place, period)
    return quality_of(totals, period, _out(read_uptime(connection, site_id, period)))


def read_series(
    connection: Connection,
    site_id: int,
    place: PlaceId,
    period: Period,
    bucket_s: float,
    without: Collection[str] = (),
) -> OccupancySeries:
    """Return how many people were at a place."""
    sums = _sums(connection, site_id, place, period, bucket_s, without)
    quality, crossed = read_quality(connection, site_id, place, period), is_crossed(connection, site_id, place)
    return series_of(sums, period, bucket_s, quality, crossed=crossed)


def read_dashboard(
    connection: Connection, site_id: int, place: PlaceId, period: Period, without: Collection[str], events: int
) -> Dashboard:
    """Return what is asked most; events are those of the whole site."""
    cameras = read_uptime(connection, site_id, period)
    totals = read_totals(connection, site_id, place, period)
    quality = quality_of(totals, period, _out(cameras))
    hours = Period(np.floor(period.since / HOUR_S) * HOUR_S, np.ceil(period.until / HOUR_S) * HOUR_S)
    crossed = is_crossed(connection, site_id, place)
    sums = _sums(connection, site_id, place, hours, HOUR_S, without)
    series = series_of(sums, hours, HOUR_S, quality, crossed=crossed)
    stays = read_stays(connection, site_id, [place], period, without=without)
    ended = np.array([ending != Ending.HERE for ending in stays.ending], dtype=np.bool_)
    seen = totals.watched_s > 0
    visitors = len(np.unique(stays.identity)) if seen else read_visitors(connection, site_id, place, period, without)
    entered, left = (totals.entered, totals.gone) if crossed else stays.passages(period)
    busiest = int(np.nanargmax(series.peak)) if np.isfinite(series.peak).any() else None
    return Dashboard(
        place_id=place,
        period=period,
        visitors=None if crossed else visitors,
        entered=entered if seen else None,
        left=left if seen else None,
        peak=None if busiest is None else (int(series.peak[busiest]), float(series.at[busiest])),
        mean_dwell_s=float(np.mean((stays.ended - stays.begun)[ended])) if ended.any() else None,
        hours=series,
        cameras=cameras,
        events=read_events(connection, site_id, EventFilter(period), Page(events)),
        quality=quality,
    )


def _sums(
    connection: Connection, site_id: int, place: PlaceId, period: Period, bucket_s: float, without: Collection[str]
) -> dict[str, FloatArray]:
    """Return the sums of each bucket; where some do not count, of the others by their share of the stays.

    How far some people walked and not others is in no sum.
    """
    sums = read_occupancy(connection, site_id, place, period, bucket_s)
    if not without:
        return sums
    stays = read_pieces(connection, site_id, [place], period)
    counted = ~np.isin(stays.identity, read_tagged(connection, site_id, without))
    everybody = presence(stays, period, bucket_s, np.ones(len(stays), np.bool_))
    others = presence(stays, period, bucket_s, counted)
    share = np.divide(others.person_s, everybody.person_s, out=np.ones_like(others.peak), where=everybody.person_s > 0)
    return {
        **sums,
        "person_s": sums["person_s"] * share,
        "distance_m": np.full(len(share), np.nan),
        "peak": np.minimum(sums["peak"], others.peak),
        "entered": others.entered,
        "gone": others.gone,
    }


def _out(cameras: tuple[CameraUptime, ...]) -> tuple[tuple[CameraId, float], ...]:
    return tuple((camera.camera_id, camera.out_s) for camera in cameras if camera.out_s > 0)
