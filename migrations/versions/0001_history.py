"""Make the tables of the history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.Double().with_variant(TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "dots",
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("sigma", sa.REAL(), nullable=False),
        sa.Column("certainty", sa.REAL(), nullable=False),
    )
    op.create_index("dots_at", "dots", ["at"], unique=False)
    op.create_index("dots_run_id_person_at", "dots", ["run_id", "person", "at"], unique=False)
    op.create_table(
        "points",
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("camera_id", sa.Integer(), nullable=False),
        sa.Column("track", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=True),
        sa.Column("x_min", sa.REAL(), nullable=False),
        sa.Column("y_min", sa.REAL(), nullable=False),
        sa.Column("x_max", sa.REAL(), nullable=False),
        sa.Column("y_max", sa.REAL(), nullable=False),
        sa.Column("confidence", sa.REAL(), nullable=False),
        sa.Column("certainty", sa.REAL(), nullable=False),
        sa.Column("x", sa.REAL(), nullable=True),
        sa.Column("y", sa.REAL(), nullable=True),
        sa.Column("sigma", sa.REAL(), nullable=True),
    )
    op.create_index("points_at", "points", ["at"], unique=False)
    op.create_table(
        "sites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="sites_pkey"),
        sa.UniqueConstraint("name", name="sites_name_key"),
    )
    op.create_table(
        "cameras",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="cameras_site_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="cameras_pkey"),
        sa.UniqueConstraint("site_id", "name", name="cameras_site_id_name_key"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("begun", INSTANT, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="runs_site_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="runs_pkey"),
    )
    op.create_table(
        "appearances",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("camera_id", sa.Integer(), nullable=False),
        sa.Column("begun", INSTANT, nullable=False),
        sa.Column("ended", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="appearances_camera_id_fkey"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="appearances_run_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", "person", "camera_id", "begun", name="appearances_pkey"),
    )
    op.create_index("appearances_ended", "appearances", ["ended"], unique=False)
    op.create_table(
        "calibrations",
        sa.Column("camera_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="calibrations_camera_id_fkey"),
        sa.PrimaryKeyConstraint("camera_id", "version", name="calibrations_pkey"),
    )
    op.create_table(
        "camera_states",
        sa.Column("camera_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="camera_states_camera_id_fkey"),
        sa.PrimaryKeyConstraint("camera_id", "at", name="camera_states_pkey"),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("reported", sa.Text(), nullable=False),
        sa.Column("certainty", sa.Double(), nullable=False),
        sa.Column("taken_back_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="corrections_run_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="corrections_pkey"),
    )
    op.create_index("corrections_run_id", "corrections", ["run_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("place_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=True),
        sa.Column("inwards", sa.Boolean(), nullable=True),
        sa.Column("dwell_s", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="events_run_id_fkey"),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="events_site_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="events_pkey"),
    )
    op.create_index("events_site_id_place_at", "events", ["site_id", "place", "at"], unique=False)
    op.create_table(
        "identities",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="identities_run_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", "person", name="identities_pkey"),
    )
    op.create_table(
        "spans",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("identity", sa.BigInteger(), nullable=False),
        sa.Column("certainty", sa.Double(), nullable=True),
        sa.Column("first_seen", INSTANT, nullable=True),
        sa.Column("last_seen", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id", "person"], ["identities.run_id", "identities.person"], name="spans_run_id_person_fkey"
        ),
        sa.PrimaryKeyConstraint("run_id", "person", "since", name="spans_pkey"),
    )
    op.create_index("spans_run_id_identity", "spans", ["run_id", "identity"], unique=False)
    op.create_index("spans_run_id_last_seen", "spans", ["run_id", "last_seen"], unique=False)
