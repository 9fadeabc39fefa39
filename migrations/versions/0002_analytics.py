"""Add places, stays, tags and roll-ups."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.Double().with_variant(TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "camera_load",
        sa.Column("camera_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("boxes", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "step", "at", name="camera_load_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "footage",
        sa.Column("camera_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begun", INSTANT, nullable=False),
        sa.Column("ended", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "begun", name="footage_pkey"),
    )
    op.create_table(
        "heat",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "at", name="heat_pkey"),
    )
    op.create_table(
        "heat_cells",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("cell", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.REAL(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "at", "cell", name="heat_cells_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "heat_minutes",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "at", name="heat_minutes_pkey"),
    )
    op.create_table(
        "instants",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "at", name="instants_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "occupancy",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("watched_s", sa.Double(), nullable=False),
        sa.Column("observed_s", sa.Double(), nullable=False),
        sa.Column("person_s", sa.Double(), nullable=False),
        sa.Column("distance_m", sa.Double(), nullable=False),
        sa.Column("sigma_s", sa.Double(), nullable=False),
        sa.Column("certainty_s", sa.Double(), nullable=False),
        sa.Column("peak", sa.Integer(), nullable=False),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "place", "step", "at", name="occupancy_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "places",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="places_site_id_fkey"),
        sa.PrimaryKeyConstraint("site_id", "place", "version", name="places_pkey"),
    )
    op.create_table(
        "stays",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("person", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("begun", INSTANT, nullable=False),
        sa.Column("ended", INSTANT, nullable=False),
        sa.Column("place_version", sa.Integer(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="stays_run_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", "place", "person", "begun", name="stays_pkey"),
    )
    op.create_index("stays_place_ended", "stays", ["place", "ended"], unique=False)
    op.create_index(
        "stays_long",
        "stays",
        ["place", "ended"],
        unique=False,
        postgresql_where=sa.text("ended - begun > INTERVAL '1 day'"),
        sqlite_where=sa.text("ended - begun > 86400.0"),
    )
    op.create_index("stays_run_id_person", "stays", ["run_id", "person"], unique=False)
    op.create_table(
        "tags",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("identity", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="tags_run_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", "identity", "tag", name="tags_pkey"),
    )
    op.create_table(
        "ways",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("dots", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "person", "at", name="ways_pkey"),
    )
    op.create_index("ways_at", "ways", ["at"], unique=False)
    op.add_column("events", sa.Column("people", sa.Integer(), nullable=True))
    op.add_column("events", sa.Column("camera_id", sa.Integer(), nullable=True))
    op.create_index("events_site_id_at", "events", ["site_id", "at"], unique=False)
    op.add_column("calibrations", sa.Column("footprint", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("bounds", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("last_id", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE runs SET last_id = coalesce((SELECT max(person) FROM identities WHERE run_id = runs.id), 0)")
    op.create_index("events_person_at", "events", ["person", "at"], unique=False)
    op.add_column("runs", sa.Column("ended", INSTANT, nullable=True))
    op.add_column("runs", sa.Column("ways_until", INSTANT, nullable=True))
    op.drop_index("spans_run_id_identity", "spans")
    op.drop_index("spans_run_id_last_seen", "spans")
    op.create_index("spans_identity", "spans", ["identity"], unique=False)
    op.create_index("spans_last_seen", "spans", ["last_seen"], unique=False)
