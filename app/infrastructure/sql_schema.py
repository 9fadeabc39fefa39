"""The tables of the history, the same in SQLite and in PostgreSQL. Knows no rows, no connection and no migration.

Times are capture times: TIMESTAMPTZ in PostgreSQL, seconds since epoch in SQLite, and seconds since epoch (float) to
whoever reads or writes through these tables. Rows keep the id that was reported; `spans` say whom it has turned out to
be, and `corrections` why. A run is one start of the program; its ids of people follow the largest of the runs before.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

HEAD = "0003"  # the newest revision in migrations/versions
NEVER, ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)  # stand for -infinity and infinity


class Instant(TypeDecorator[float]):
    """A capture time in seconds since epoch, kept as TIMESTAMPTZ by PostgreSQL; may be infinite."""

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type."""
        from sqlalchemy.dialects.postgresql import TIMESTAMP

        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == "postgresql" else Double())

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | datetime | None:
        """Return what the driver takes."""
        if value is None or dialect.name != "postgresql":
            return value
        if np.isinf(value):
            return NEVER if value < 0 else ALWAYS
        return datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: float | datetime | None, _dialect: Dialect) -> float | None:
        """Return seconds since epoch."""
        if not isinstance(value, datetime):
            return value
        if value.year in {NEVER.year, ALWAYS.year}:
            return -np.inf if value.year == NEVER.year else np.inf
        return float(value.timestamp())


METADATA = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

SITES = Table(
    "sites",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)
CAMERAS = Table(
    "cameras",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey(SITES.c.id), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("site_id", "name"),
)
CALIBRATIONS = Table(  # a row for each change
    "calibrations",
    METADATA,
    Column("camera_id", ForeignKey(CAMERAS.c.id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("since", Instant, nullable=False),
    Column("model", Text, nullable=False),  # JSON, as the site file has it; the word null without calibration
    Column("footprint", Text),  # JSON, the corners of the floor that the camera sees; NULL where nobody knows
)
CAMERA_STATES = Table(  # a row for each change
    "camera_states",
    METADATA,
    Column("camera_id", ForeignKey(CAMERAS.c.id), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
)
FOOTAGE = Table(  # a camera gave frames from one instant to another, without a longer gap
    "footage",
    METADATA,
    Column("camera_id", Integer, primary_key=True, autoincrement=False),
    Column("begun", Instant, primary_key=True),
    Column("ended", Instant, nullable=False),
)
RUNS = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("site_id", ForeignKey(SITES.c.id), nullable=False),
    Column("begun", Instant, nullable=False),
    Column("batch", BigInteger, nullable=False),  # the last one that was written, in the same transaction
    Column("last_id", BigInteger, nullable=False, server_default=text("0")),  # the largest id of a person so far
    Column("ended", Instant),  # capture time of that batch's last update; NULL before the first
    Column("bounds", Text),  # JSON, x_min, y_min, x_max and y_max of the floor; NULL without floor
    Column("ways_until", Instant),  # capture time up to which its dots are in `ways`, too; NULL before the first are
)
INSTANTS = Table(  # capture times of a run's updates, also of those in which nobody was on the floor
    "instants",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),
    sqlite_with_rowid=False,
)
IDENTITIES = Table(  # ids that were reported
    "identities",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.id), primary_key=True),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seen", Instant, nullable=False),
)
CORRECTIONS = Table(
    "corrections",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(RUNS.c.id), nullable=False, index=True),
    Column("at", Instant, nullable=False),  # capture time of the update that brought it
    Column("kind", Text, nullable=False),  # merge, split
    Column("source", BigInteger, nullable=False),  # the identity that something is taken of: gone, mixed
    Column("target", BigInteger, nullable=False),  # the one that it is given to: kept, apart
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("reported", Text, nullable=False),  # JSON list of the reported ids that a split is limited to
    Column("certainty", Double, nullable=False),
    Column("taken_back_at", Instant),
)
SPANS = Table(  # what the identities and the corrections that stand amount to
    "spans",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("since", Instant, primary_key=True),
    Column("until", Instant, nullable=False),
    Column("identity", BigInteger, nullable=False),
    Column("certainty", Double),  # of the last correction; NULL where none was made
    Column("first_seen", Instant),
    Column("last_seen", Instant),
    ForeignKeyConstraint(["run_id", "person"], [IDENTITIES.c.run_id, IDENTITIES.c.person]),
    Index(None, "identity"),
    Index(None, "last_seen"),
)
APPEARANCES = Table(  # a camera saw a person from one instant to another, without a longer gap
    "appearances",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.id), primary_key=True),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("camera_id", ForeignKey(CAMERAS.c.id), primary_key=True),
    Column("begun", Instant, primary_key=True),
    Column("ended", Instant, nullable=False, index=True),
)
EVENTS = Table(  # of zones and lines
    "events",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("site_id", ForeignKey(SITES.c.id), nullable=False),
    Column("run_id", ForeignKey(RUNS.c.id)),
    Column("at", Instant, nullable=False),
    Column("place", Text, nullable=False),
    Column("place_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person", BigInteger),
    Column("inwards", Boolean),
    Column("dwell_s", Double),
    Column("people", Integer),  # how many were there
    Column("camera_id", Integer),  # that fell silent
    Index(None, "site_id", "place", "at"),
    Index(None, "site_id", "at"),
    Index(None, "person", "at"),
)
PLACES = Table(  # zones and lines, a row for each time that one was drawn anew or removed
    "places",
    METADATA,
    Column("site_id", ForeignKey(SITES.c.id), primary_key=True),
    Column("place", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("since", Instant, nullable=False),
    Column("definition", Text),  # JSON; NULL where it was removed
)
STAYS = Table(  # a person was at a place from one instant to another
    "stays",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.id), primary_key=True),
    Column("place", Text, primary_key=True),  # empty for the whole floor
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("begun", Instant, primary_key=True),
    Column("ended", Instant, nullable=False),
    Column("place_version", Integer, nullable=False),
    Column("ending", Text, nullable=False),  # here, left, lost
    Index(None, "place", "ended"),
    # the few that are found neither near their begin nor near their end; the condition is that of `sql_stays.Long`
    Index(
        "stays_long",
        "place",
        "ended",
        postgresql_where=text("ended - begun > INTERVAL '1 day'"),
        sqlite_where=text("ended - begun > 86400.0"),
    ),
    Index(None, "run_id", "person"),
)
TAGS = Table(  # what operators say about identities, such as staff
    "tags",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.id), primary_key=True),
    Column("identity", BigInteger, primary_key=True, autoincrement=False),
    Column("tag", Text, primary_key=True),
)
# Tables without a rowid lie in the order of their key, by which alone their rows are looked up and added to.
# Roll-ups: sums over minutes (step 60), quarters (900) and hours (3600), which every batch adds to in its own
# transaction; of cameras over minutes and hours.
OCCUPANCY = Table(
    "occupancy",
    METADATA,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("place", Text, primary_key=True),  # empty for the whole floor
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),
    Column("watched_s", Double, nullable=False),  # seconds in which running cameras saw anything of the area
    Column("observed_s", Double, nullable=False),  # those seconds times the share of the area that running cameras saw
    Column("person_s", Double, nullable=False),
    Column("distance_m", Double, nullable=False),  # walked by everybody together
    Column("sigma_s", Double, nullable=False),  # sum of sigma in metres times seconds
    Column("certainty_s", Double, nullable=False),  # sum of certainty times seconds
    Column("peak", Integer, nullable=False),
    Column("entered", Integer, nullable=False),
    Column("gone", Integer, nullable=False),
    sqlite_with_rowid=False,
)
# Person-seconds by cells of the floor: of the hour that goes on cell by cell, of those before packed.
HEAT = Table(
    "heat",
    METADATA,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),  # begin of the hour
    Column("cells", LargeBinary, nullable=False),
)
HEAT_MINUTES = Table(  # the same hours minute by minute, for periods that cut them
    "heat_minutes",
    METADATA,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),  # begin of the hour
    Column("cells", LargeBinary, nullable=False),
)
HEAT_CELLS = Table(
    "heat_cells",
    METADATA,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),  # begin of the minute
    Column("cell", Integer, primary_key=True, autoincrement=False),
    Column("seconds", REAL, nullable=False),
    sqlite_with_rowid=False,
)
CAMERA_LOAD = Table(
    "camera_load",
    METADATA,
    Column("camera_id", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True),
    Column("frames", Integer, nullable=False),
    Column("boxes", Integer, nullable=False),
    Column("confidence", Double, nullable=False),  # sum over boxes
    sqlite_with_rowid=False,
)
# The two that grow: no foreign keys, and no more indices than questions need.
POINTS = Table(  # tracks of cameras; PostgreSQL has a partition for each day (`sql_days`), or TimescaleDB's chunks
    "points",
    METADATA,
    Column("at", Instant, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("camera_id", Integer, nullable=False),
    Column("track", BigInteger, nullable=False),
    Column("person", BigInteger),
    Column("x_min", REAL, nullable=False),
    Column("y_min", REAL, nullable=False),
    Column("x_max", REAL, nullable=False),
    Column("y_max", REAL, nullable=False),
    Column("confidence", REAL, nullable=False),
    Column("certainty", REAL, nullable=False),
    Column("x", REAL),  # metres, site frame; NULL where the box has no floor point
    Column("y", REAL),
    Column("sigma", REAL),  # metres: the larger half axis of the one-sigma ellipse
    Index(None, "at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    postgresql_partition_by="RANGE (at)",
)
DOTS = Table(  # one a person and instant
    "dots",
    METADATA,
    Column("at", Instant, nullable=False, index=True),
    Column("run_id", Integer, nullable=False),
    Column("person", BigInteger, nullable=False),
    Column("x", Double, nullable=False),
    Column("y", Double, nullable=False),
    Column("sigma", REAL, nullable=False),
    Column("certainty", REAL, nullable=False),
    Index(None, "run_id", "person", "at"),
)
WAYS = Table(  # the same dots once more, those of a person and five minutes together in one row
    "ways",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, primary_key=True, index=True),  # begin of the five minutes
    Column("dots", LargeBinary, nullable=False),
)


def time_of(table: Table) -> Column[float] | None:
    """Return the column by which the rows of a table are old or new; None for a table without time."""
    return next((table.c[name] for name in ("at", "begun", "first_seen") if name in table.c), None)
