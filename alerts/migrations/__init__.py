"""Alembic migrations of the state of alerts; `alerts.database.open_database` runs them at start."""
