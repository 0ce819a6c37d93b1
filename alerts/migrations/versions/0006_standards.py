"""Room for messages by CAP and Atom, erased people.

Revision ID: 0006_standards
"""

from __future__ import annotations

revision = "0006_standards"
down_revision: str | None = "0005_delivery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them again."""
