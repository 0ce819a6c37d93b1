"""Room for roster, registers and reports of residents.

Revision ID: 0004_people
"""

from __future__ import annotations

revision = "0004_people"
down_revision: str | None = "0003_cycle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them again."""
