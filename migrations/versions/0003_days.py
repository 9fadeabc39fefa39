"""Keep boxes by days where PostgreSQL is without TimescaleDB; elsewhere nothing changes.

What is there becomes the partition of all days up to the last one that it has, so that no row is copied.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from app.errors import ConfigError
from app.infrastructure.sql_days import execute_long, keep_rights

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VIEWS = """
    SELECT DISTINCT c.relname
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = CAST('pg_rewrite' AS regclass) AND d.refobjid = CAST('points' AS regclass)"""


def upgrade() -> None:
    """Make the partitioned table around the one that is there."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql" or _in_chunks(connection):
        return
    connection.execute(sa.text("LOCK TABLE points IN ACCESS EXCLUSIVE MODE"))
    views = connection.execute(sa.text(VIEWS)).scalars().all()
    if views:
        raise ConfigError("points", "", f"views read it, which are to be dropped and made anew: {', '.join(views)}")
    last = connection.execute(sa.text("SELECT max(at) FROM points")).scalar()
    op.execute("ALTER TABLE points RENAME TO points_before")
    op.execute("ALTER INDEX points_at RENAME TO points_before_at")
    op.execute("CREATE TABLE points (LIKE points_before) PARTITION BY RANGE (at)")
    keep_rights(connection, "points_before", "points")
    op.execute("CREATE INDEX points_at ON points USING brin (at) WITH (autosummarize = on)")
    if last is None:
        op.execute("DROP TABLE points_before")
        return
    end = datetime.combine(last.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    name = f"points_until_{end:%Y%m%d}"
    op.execute(f"ALTER TABLE points_before RENAME TO {name}")
    attach = f"ALTER TABLE points ATTACH PARTITION {name} FOR VALUES FROM (MINVALUE) TO ('{end.isoformat()}')"
    execute_long(connection, attach)


def _in_chunks(connection: sa.Connection) -> bool:
    """Say whether TimescaleDB keeps the boxes."""
    if connection.execute(sa.text("SELECT to_regclass('timescaledb_information.hypertables')")).scalar() is None:
        return False
    asked = "SELECT EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_name = 'points')"
    return bool(connection.execute(sa.text(asked)).scalar())
