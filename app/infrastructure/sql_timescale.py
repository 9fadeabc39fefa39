"""What TimescaleDB does for the history where a PostgreSQL server has it: chunks, compression, retention, aggregates.

Every step may be repeated, so that a server which gets the extension later takes it up with the next upgrade.

Compression puts rows of one segment side by side. A person's dots are asked for by run and id (a journey), so that is
their segment; boxes are asked for by camera and time (a replay), and one person's boxes of a day in one camera are too
few to compress well. Late rows, such as those of an outage, may still go into compressed chunks.
"""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.infrastructure.sql_days import execute_long, keep_rights, partitions
from app.infrastructure.sql_schema import METADATA

EXTENSION = text("SELECT installed_version FROM pg_available_extensions WHERE name = 'timescaledb'")
HYPERTABLES = text("SELECT hypertable_name FROM timescaledb_information.hypertables")
DROPPED_AFTER = text(
    "SELECT CAST(config->>'drop_after' AS INTERVAL) = CAST(:age AS INTERVAL) FROM timescaledb_information.jobs"
    " WHERE hypertable_name = :table AND proc_name = 'policy_retention'"
)
# by table: segment, age from which on chunks are compressed, age at which they are dropped unless a site says otherwise
CHUNKED = {
    "points": ("camera_id", "1 day", "2 days"),
    "dots": ("run_id, person", "7 days", "90 days"),
}
LOOK_BACK_DAYS = 1  # that aggregates follow late rows; what is dropped sooner would be taken out of them again
LEAST_S = 86_400.0 * (LOOK_BACK_DAYS + 1)  # so chunks are kept for a day longer, at least
AGGREGATES = {
    "camera_minutes": """
        SELECT time_bucket('1 minute', at) AS minute, camera_id, count(*) AS boxes, avg(confidence) AS confidence
        FROM points GROUP BY 1, 2""",
    "floor_minutes": """
        SELECT time_bucket('1 minute', at) AS minute, run_id, person, count(*) AS dots, avg(sigma) AS sigma
        FROM dots GROUP BY 1, 2, 3""",
}


def installed(connection: Connection) -> bool:
    """Say whether the database has the extension."""
    return connection.dialect.name == "postgresql" and connection.execute(EXTENSION).scalar() is not None


def hypertables(connection: Connection) -> set[str]:
    """Return the tables that TimescaleDB keeps in chunks, and drops old chunks of by itself."""
    return set(connection.execute(HYPERTABLES).scalars()) if installed(connection) else set()


def follow(connection: Connection, keep_s: Mapping[str, float]) -> None:
    """Have chunks dropped at an age of so many seconds, by table; in the connection's transaction.

    Rows go by whole chunks of a day, so that some are kept for a day longer.
    """
    chunked = hypertables(connection)
    for table, seconds in keep_s.items():
        if table not in chunked:
            continue
        wanted = {"table": table, "age": timedelta(seconds=max(seconds, LEAST_S))}
        if connection.execute(DROPPED_AFTER, wanted).scalar() is not True:
            connection.execute(text("SELECT remove_retention_policy(:table, if_exists => true)"), {"table": table})
            connection.execute(text("SELECT add_retention_policy(:table, CAST(:age AS INTERVAL))"), wanted)


def apply(connection: Connection) -> None:
    """Set TimescaleDB up, where it is installed or may be; in the connection's transaction."""
    if connection.dialect.name != "postgresql" or connection.execute(EXTENSION).first() is None:
        return
    if not installed(connection):
        try:
            with connection.begin_nested():
                connection.execute(text("CREATE EXTENSION timescaledb"))
        except DBAPIError:  # not allowed to; `spoton db status` says so
            return
    chunked = hypertables(connection)
    for table, (segment, compress_after, drop_after) in CHUNKED.items():
        if table in chunked:
            continue
        _chunk(connection, table)
        for step in (
            f"ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_orderby = 'at',"
            f" timescaledb.compress_segmentby = '{segment}')",
            f"SELECT add_compression_policy('{table}', INTERVAL '{compress_after}')",
            f"SELECT add_retention_policy('{table}', INTERVAL '{drop_after}')",
        ):
            connection.execute(text(step))
    _aggregate(connection)


def _chunk(connection: Connection, name: str) -> None:
    """Make a hypertable of a table; of one by days, of which none can be made, by taking its rows over."""
    chunks = f"SELECT create_hypertable('{name}', by_range('at', INTERVAL '1 day'), migrate_data => true)"
    if partitions(connection, METADATA.tables[name]) is None:
        execute_long(connection, chunks)
        return
    for step in (
        f"ALTER TABLE {name} RENAME TO {name}_by_days",
        f"ALTER INDEX {name}_at RENAME TO {name}_by_days_at",
        f"CREATE TABLE {name} (LIKE {name}_by_days)",
        f"CREATE INDEX {name}_at ON {name} (at)",
        chunks,
        f"INSERT INTO {name} SELECT * FROM {name}_by_days",
    ):
        execute_long(connection, step)
    keep_rights(connection, f"{name}_by_days", name)
    execute_long(connection, f"DROP TABLE {name}_by_days")


def _aggregate(connection: Connection) -> None:
    """Make the continuous aggregates that are not there yet."""
    views = text("SELECT view_name FROM timescaledb_information.continuous_aggregates")
    there = set(connection.execute(views).scalars())
    for name, query in AGGREGATES.items():
        if name not in there:
            made = f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous) AS {query} WITH NO DATA"
            connection.execute(text(made))
            policy = (
                f"SELECT add_continuous_aggregate_policy('{name}', start_offset => INTERVAL '{LOOK_BACK_DAYS} days',"
                " end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute')"
            )
            connection.execute(text(policy))
