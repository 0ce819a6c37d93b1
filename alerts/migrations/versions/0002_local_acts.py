"""What stations switched by themselves: one row an act, so that each is taken once.

Revision ID: 0002_local_acts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_local_acts"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "local_act",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("station", sa.String(40), nullable=False),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("site", "station", "id", name="one_local_act"),
        sqlite_autoincrement=True,
    )
    op.create_index("local_act_state", "local_act", ["site", "state", "row"])


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("local_act")
