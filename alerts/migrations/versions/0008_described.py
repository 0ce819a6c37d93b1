"""Incidents know when their headline was true: their states are folded again.

Without it the audit would take every row that an earlier program wrote for a changed one.

Revision ID: 0008_described
"""

from __future__ import annotations

from alembic import op

from alerts.migrations.folding import fold_again

revision = "0008_described"
down_revision: str | None = "0007_drills"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fold every state again: `Incident.described_at` follows from the journal."""
    fold_again(op.get_bind())


def downgrade() -> None:
    """The journal is never made smaller by a tool."""
    raise NotImplementedError("an older program can't read these states: restore a copy")
