"""Places as rows: a row for each time that one was drawn anew or removed. Runs on SQLite and on PostgreSQL."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np
from sqlalchemy import Connection, insert, select

from app.domains.analytics.places import Line, Place, PlaceId, PlaceVersion, Zone
from app.infrastructure.sql_schema import PLACES


def read_places(connection: Connection, site_id: int) -> tuple[PlaceVersion, ...]:
    """Return every version of every place of a site, by place and version."""
    query = select(PLACES).where(PLACES.c.site_id == site_id).order_by(PLACES.c.place, PLACES.c.version)
    return tuple(
        PlaceVersion(PlaceId(row.place), row.version, row.since, place_of(PlaceId(row.place), row.definition))
        for row in connection.execute(query)
    )


def is_crossed(connection: Connection, site_id: int, place_id: PlaceId) -> bool:
    """Tell whether a place has only ever been a line, which people cross and at which nobody is."""
    mine = PLACES.c.site_id == site_id, PLACES.c.place == place_id, PLACES.c.definition.is_not(None)
    definitions = connection.execute(select(PLACES.c.definition).where(*mine)).scalars().all()
    return bool(definitions) and all(isinstance(place_of(place_id, told), Line) for told in definitions)


def in_force(versions: Iterable[PlaceVersion]) -> tuple[PlaceVersion, ...]:
    """Return the newest version of each place that has not been removed, by place."""
    newest = {version.place_id: version for version in sorted(versions, key=lambda v: (v.place_id, v.version))}
    return tuple(version for version in newest.values() if version.place is not None)


def draw(connection: Connection, site_id: int, place: Place, at: float) -> PlaceVersion:
    """Enter a place, or a new version of it, in force from a capture time on; none where it is drawn so already."""
    newest = _newest(connection, site_id, place.place_id)
    if newest is not None and definition_of(newest.place) == definition_of(place):
        return newest
    return _enter(connection, site_id, PlaceVersion(place.place_id, 0, at, place))


def erase(connection: Connection, site_id: int, place_id: PlaceId, at: float) -> PlaceVersion | None:
    """Take a place out of use; returns the version that says so, None where it was not in use."""
    newest = _newest(connection, site_id, place_id)
    if newest is None or newest.place is None:
        return None
    return _enter(connection, site_id, PlaceVersion(place_id, 0, at, None))


def draw_described(connection: Connection, site_id: int, places: Sequence[Place], at: float) -> None:
    """Enter what a site file says of places, where it says something that it never said before.

    What users have drawn or removed since it was entered stays as they left it.
    """
    known = {(version.place_id, definition_of(version.place)) for version in read_places(connection, site_id)}
    for place in places:
        if (place.place_id, definition_of(place)) not in known:
            draw(connection, site_id, place, at)


def definition_of(place: Place | None) -> str | None:
    """Return all but the id of a place as JSON; None for none."""
    if place is None:
        return None
    told = {field.name: getattr(place, field.name) for field in fields(place) if field.name != "place_id"}
    return json.dumps(told, default=np.ndarray.tolist, allow_nan=False)


def place_of(place_id: PlaceId, definition: str | None) -> Place | None:
    """Return the place that a definition describes; None for none."""
    if definition is None:
        return None
    told = json.loads(definition)
    if "ends" in told:
        return Line(place_id, told["name"], np.array(told["ends"], np.float64))
    return Zone(place_id, **{**told, "polygon": np.array(told["polygon"], np.float64)})


def _newest(connection: Connection, site_id: int, place_id: PlaceId) -> PlaceVersion | None:
    mine = PLACES.c.site_id == site_id, PLACES.c.place == place_id
    row = connection.execute(select(PLACES).where(*mine).order_by(PLACES.c.version.desc()).limit(1)).first()
    return None if row is None else PlaceVersion(place_id, row.version, row.since, place_of(place_id, row.definition))


def _enter(connection: Connection, site_id: int, drawn: PlaceVersion) -> PlaceVersion:
    """Enter a version with the number that follows the newest; no version begins before the one before it."""
    newest = _newest(connection, site_id, drawn.place_id)
    version = 1 if newest is None else newest.version + 1
    since = drawn.since if newest is None else max(drawn.since, newest.since)
    definition = definition_of(drawn.place)
    row = {"site_id": site_id, "place": drawn.place_id, "version": version, "since": since, "definition": definition}
    connection.execute(insert(PLACES), row)
    return PlaceVersion(drawn.place_id, version, since, drawn.place)
