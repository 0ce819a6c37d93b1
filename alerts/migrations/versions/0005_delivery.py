"""Room for breakers, one-time links, digests.

Revision ID: 0005_delivery
"""

from __future__ import annotations

revision = "0005_delivery"
down_revision: str | None = "0004_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them again."""
