"""Room for breakers, one-time links, digests.

Revision ID: 0005_delivery
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_delivery"
down_revision: str | None = "0004_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "reply_code",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("contact", sa.String(40), nullable=False),
        sa.Column("notification", sa.String(40), nullable=False, unique=True),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
        sa.Column("wrong", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("reply_code_contact", "reply_code", ["channel", "contact", "used_at"])


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("reply_code")
