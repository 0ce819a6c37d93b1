"""Breakers, one-time links, digests; messages that belong to no single incident.

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
    """Create the tables and columns."""
    op.create_table(
        "breaker",
        sa.Column("channel", sa.String(80), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("opened_wall", sa.BigInteger, nullable=False),
        sa.Column("rest_until_wall", sa.BigInteger, nullable=False),
        sa.Column("probe_until_wall", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.alter_column("outbox", "incident", nullable=True)
    op.add_column("outbox", _whole("digest_at", sa.BigInteger()))
    op.add_column(
        "outbox", sa.Column("digest", sa.String(40), nullable=False, server_default=sa.text("''"))
    )
    op.add_column("outbox", _whole("used_at", sa.BigInteger()))
    op.create_index("outbox_contact", "outbox", ["contact", "created_at"])
    op.create_index("outbox_digest", "outbox", ["digest_at"])
    _reply_codes()


def _reply_codes() -> None:
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


def _whole(name: str, kind: sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))


def _rebuild() -> None:
    """SQLite can't drop NOT NULL: the rows move into a new table of the same name."""
    op.create_table(
        "outbox_new",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("dedup", sa.String(200), nullable=False, unique=True),
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("grade", sa.Integer, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("contact", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("fallback", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("deadline_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until_wall", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("vendor_id", sa.String(200), nullable=False),
        sa.Column("vendor_code", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    # Whatever columns the old table has got meanwhile, the new one has all that it needs.
    op.execute(
        'INSERT INTO outbox_new SELECT "row", id, dedup, incident, seq, grade, urgency, channel, '
        "contact, kind, payload, fallback, state, created_at, changed_at, next_at, deadline_at, "
        "lease_until_wall, owner, attempts, vendor_id, vendor_code, detail FROM outbox"
    )
    op.drop_table("outbox")
    op.rename_table("outbox_new", "outbox")
    op.create_index("outbox_due", "outbox", ["state", sa.text("urgency DESC"), "row"])
    op.create_index("outbox_recipient", "outbox", ["incident", "contact", "channel"])


def downgrade() -> None:
    """Drop them again; messages of no incident go with them."""
    op.drop_table("reply_code")
    op.drop_index("outbox_contact", "outbox")
    op.drop_index("outbox_digest", "outbox")
    op.execute("DELETE FROM outbox WHERE incident IS NULL")
    for name in ("digest_at", "digest", "used_at"):
        op.drop_column("outbox", name)
    op.drop_table("setting")
    op.drop_table("breaker")
