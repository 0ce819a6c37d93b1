"""Room for drills and their reports.

Revision ID: 0007_drills
"""

from __future__ import annotations

revision = "0007_drills"
down_revision: str | None = "0006_standards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them again."""
