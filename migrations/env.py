"""What Alembic runs revisions with: the connection that `spoton` opened, in the transaction that it began."""

from alembic import context

from app.infrastructure.sql_schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
