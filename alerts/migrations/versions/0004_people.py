"""Roster, registers, hand-overs, roll-call and reports of residents; numbers of people.

Revision ID: 0004_people
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_people"
down_revision: str | None = "0003_cycle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.add_column("person", sa.Column("phone", sa.Text, nullable=False, server_default=""))
    _create_registers()
    _create_duty()
    op.create_table(
        "report",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("nonce", sa.String(40), nullable=False, unique=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("zone", sa.String(40), nullable=False),
        sa.Column("hazard", sa.String(20), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("person", sa.String(40), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=True),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.String(40), nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("report_state", "report", ["site", "state", "row"])


def _create_registers() -> None:
    op.create_table(
        "volunteer",
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("person", sa.String(40), nullable=False),
        sa.Column("skills", sa.Text, nullable=False),
        sa.Column("hours", sa.Text, nullable=False),
        sa.Column("zones", sa.Text, nullable=False),
        sa.Column("consent", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("site", "id"),
    )
    op.create_table(
        "supply",
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("quantity", sa.Float, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("site", "id"),
    )


def _create_duty() -> None:
    op.create_table(
        "absence",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("contact", sa.String(40), nullable=False),
        sa.Column("stand_in", sa.String(40), nullable=False),
        sa.Column("begin", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.Column("noted_by", sa.String(40), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "hand_over",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("shift", sa.String(40), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("incidents", sa.Text, nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("taken_by", sa.String(40), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("hand_over_newest", "hand_over", ["site", "row"])
    op.create_table(
        "roll_call",
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=False),
        sa.Column("zone", sa.String(40), nullable=False),
        sa.Column("door", sa.String(20), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("incident", "zone", "door"),
    )


def downgrade() -> None:
    """Drop them again."""
    for name in ("report", "roll_call", "hand_over", "absence", "supply", "volunteer"):
        op.drop_table(name)
    op.drop_column("person", "phone")
