"""The full cycle: an incident can be over but under review; the site itself has a journal.

* `incident.over_at`: at most one incident of each (site, zone, hazard) is not over;
* `journal.incident` may be empty: what happens to the site (withholding) is in the same chain;
* `withholding`: a cache of the fold over its events, as `incident` is.

Revision ID: 0003_cycle
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from alerts.migrations.folding import fold_again

revision = "0003_cycle"
down_revision: str | None = "0002_local_acts"
branch_labels = None
depends_on = None

_FORBIDDEN = "the journal is append-only"


def upgrade() -> None:
    """Change the tables, and fold every state again: stages follow from the evidence now."""
    op.drop_index("one_open_incident", "incident")
    op.add_column(
        "incident", sa.Column("over_at", sa.BigInteger, nullable=False, server_default="0")
    )
    op.execute("UPDATE incident SET over_at = closed_at")
    op.create_index(
        "one_open_incident",
        "incident",
        ["site", "zone", "hazard"],
        unique=True,
        sqlite_where=sa.text("over_at = 0"),
        postgresql_where=sa.text("over_at = 0"),
    )
    _open_journal()
    op.create_table(
        "withholding",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    fold_again(op.get_bind())


def _open_journal() -> None:
    """Let an entry be of no incident. SQLite can't change a column, so the table is copied."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("journal", "incident", nullable=True)
        return
    op.create_table(
        "journal_copy",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("incident", sa.Integer, sa.ForeignKey("incident.number"), nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("prev", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.execute("INSERT INTO journal_copy SELECT seq, incident, body, prev, hash FROM journal")
    op.execute("DROP TRIGGER journal_no_update")
    op.execute("DROP TRIGGER journal_no_delete")
    op.drop_table("journal")
    op.rename_table("journal_copy", "journal")
    op.create_index("ix_journal_incident", "journal", ["incident"])
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER journal_no_{verb.lower()} BEFORE {verb} ON journal "
            f"BEGIN SELECT RAISE(ABORT, '{_FORBIDDEN}'); END"
        )


def downgrade() -> None:
    """The journal is never made smaller by a tool."""
    raise NotImplementedError("the journal is append-only: move the database away instead")
