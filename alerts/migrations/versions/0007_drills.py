"""Drills: an incident of a drill is another one than the actual one of the same place and hazard.

Revision ID: 0007_drills
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_drills"
down_revision: str | None = "0006_standards"
branch_labels = None
depends_on = None

_OPEN = sa.text("over_at = 0")


def upgrade() -> None:
    """Put the drill into the identity of an incident; create the register of drills."""
    op.add_column("incident", sa.Column("drill", sa.String(40), nullable=False, server_default=""))
    op.drop_index("one_open_incident", "incident")
    _index("site", "zone", "hazard", "drill")
    _drill()
    op.add_column("outbox", sa.Column("exercise", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("outbox_due", "outbox")
    op.create_index("outbox_due", "outbox", ["state", "exercise", sa.text("urgency DESC"), "row"])


def _index(*columns: str) -> None:
    op.create_index(
        "one_open_incident",
        "incident",
        list(columns),
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def _drill() -> None:
    op.create_table(
        "drill",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        # 0 while it prepares or runs: at most one of a site at a time.
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index(
        "one_running_drill",
        "drill",
        ["site"],
        unique=True,
        sqlite_where=sa.text("ended_at = 0"),
        postgresql_where=sa.text("ended_at = 0"),
    )
    op.create_index("drill_asked", "drill", ["site", "asked_at"])


def downgrade() -> None:
    """Not possible: with the column an exercise would lose what tells it from an actual one."""
    raise NotImplementedError("incidents of drills would become actual ones: restore a copy")
