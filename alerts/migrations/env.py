"""Alembic's entry: runs the migrations on the connection that `alerts.database` hands over."""

from __future__ import annotations

from alembic import context

from alerts.tables import metadata


def run() -> None:
    """Run the migrations in the transaction of the given connection."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # imported by Alembic, not by a tool that looks at modules
    run()
