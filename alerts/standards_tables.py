"""Tables of what others sent us, and of who was erased. Migration 0006 creates them.

Times are run time in milliseconds unless the name says `wall`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from alerts.tables import metadata, row_number, site_id

# One row for each CAP message that we took; `ended` once a later one has replaced or withdrawn it.
upstream = Table(
    "upstream",
    metadata,
    row_number(),
    site_id(),
    Column("sender", String(200), nullable=False),
    Column("identifier", String(200), nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("status", String(12), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("refers", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("headline", Text, nullable=False),
    UniqueConstraint("site", "sender", "identifier", name="one_upstream"),
    Index("upstream_standing", "site", "ended", "expires_at"),
    sqlite_autoincrement=True,
)

# How each alert of another system stands, as its newest notification said.
hook_alert = Table(
    "hook_alert",
    metadata,
    row_number(),
    site_id(),
    Column("hook", String(40), nullable=False),
    Column("fingerprint", String(80), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("signed_wall_s", BigInteger, nullable=False),
    Column("firing", Integer, nullable=False),
    Column("heard_at", BigInteger, nullable=False),
    Column("claim", Text, nullable=False),
    UniqueConstraint("site", "hook", "fingerprint", name="one_hook_alert"),
    Index("hook_alert_firing", "site", "firing"),
    sqlite_autoincrement=True,
)

# That somebody's data were erased, and what that touched; ids and counts only.
erasure = Table(
    "erasure",
    metadata,
    row_number(),
    Column("person", String(40), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("statement", Text, nullable=False),
    sqlite_autoincrement=True,
)
