"""What others sent us by CAP and webhook, and which people were erased.

Revision ID: 0006_standards
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_standards"
down_revision: str | None = "0005_delivery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "upstream",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("sender", sa.String(200), nullable=False),
        sa.Column("identifier", sa.String(200), nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("refers", sa.Text, nullable=False),
        sa.Column("claims", sa.Text, nullable=False),
        sa.Column("headline", sa.Text, nullable=False),
        sa.UniqueConstraint("site", "sender", "identifier", name="one_upstream"),
        sqlite_autoincrement=True,
    )
    op.create_index("upstream_standing", "upstream", ["site", "ended", "expires_at"])
    op.create_table(
        "hook_alert",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("hook", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(80), nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("signed_wall_s", sa.BigInteger, nullable=False),
        sa.Column("firing", sa.Integer, nullable=False),
        sa.Column("heard_at", sa.BigInteger, nullable=False),
        sa.Column("claim", sa.Text, nullable=False),
        sa.UniqueConstraint("site", "hook", "fingerprint", name="one_hook_alert"),
        sqlite_autoincrement=True,
    )
    op.create_index("hook_alert_firing", "hook_alert", ["site", "firing"])
    op.create_table(
        "erasure",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("person", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop them again."""
    for table in ("erasure", "hook_alert", "upstream"):
        op.drop_table(table)
