"""The tables of the state of alerts, for SQLite and PostgreSQL alike. Migrations create them.

Times are run time in milliseconds unless the name says `wall`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()


def row_number() -> Column[int]:
    """Return the key of a table that counts its rows (SQLite: `sqlite_autoincrement`)."""
    return Column("row", Integer, primary_key=True, autoincrement=True)


def site_id() -> Column[str]:
    """Return the column that says whose a row is."""
    return Column("site", String(40), nullable=False)


# The row is a cache of the fold over the journal; `version` makes lost updates impossible.
incident = Table(
    "incident",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    site_id(),
    Column("zone", String(40), nullable=False),
    Column("hazard", String(20), nullable=False),
    # The drill that it belongs to, "" for an actual incident: part of its identity.
    Column("drill", String(40), nullable=False, server_default=""),
    Column("version", Integer, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    # Nothing is left to be done on the spot; a review may still be owed.
    Column("over_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    # One that is not over for each (site, zone, hazard), whoever tries; one of a drill beside it.
    Index(
        "one_open_incident",
        "site",
        "zone",
        "hazard",
        "drill",
        unique=True,
        sqlite_where=text("over_at = 0"),
        postgresql_where=text("over_at = 0"),
    ),
    sqlite_autoincrement=True,
)

# Append-only; triggers refuse UPDATE and DELETE. UNIQUE(prev): the chain can't fork. Without an
# incident it is an entry of the site.
journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("incident", Integer, ForeignKey("incident.number"), nullable=True, index=True),
    Column("body", Text, nullable=False),
    Column("prev", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    row_number(),
    Column("id", String(40), nullable=False, unique=True),
    Column("dedup", String(200), nullable=False, unique=True),
    # None for digests and tests: they belong to no single incident.
    Column("incident", Integer, ForeignKey("incident.number"), nullable=True),
    Column("seq", Integer, nullable=False),
    Column("grade", Integer, nullable=False),
    # The worst grade that this row has to tell: its own, or that of an unsent one it replaced.
    Column("urgency", Integer, nullable=False),
    Column("channel", String(80), nullable=False),
    Column("contact", String(40), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("payload", Text, nullable=False),
    # Channels to try next if this one refuses, as JSON.
    Column("fallback", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("deadline_at", BigInteger, nullable=False),
    Column("lease_until_wall", BigInteger, nullable=False),
    Column("owner", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("vendor_id", String(200), nullable=False),
    Column("vendor_code", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    # When the digest of a suppressed one is due (0 once it was told), and the id of the message
    # that tells what this row would have told: a digest, or the one message to a group.
    Column("digest_at", BigInteger, nullable=False, server_default="0"),
    Column("digest", String(40), nullable=False, server_default=""),
    # When its one-time link was used, wall; 0 if not.
    Column("used_at", BigInteger, nullable=False, server_default="0"),
    # 1 for a message of a drill: it goes after every actual one.
    Column("exercise", Integer, nullable=False, server_default="0"),
    Index("outbox_due", "state", "exercise", text("urgency DESC"), "row"),
    Index("outbox_recipient", "incident", "contact", "channel"),
    Index("outbox_contact", "contact", "created_at"),
    Index("outbox_digest", "digest_at"),
    sqlite_autoincrement=True,
)

# When each channel with a rate limit was used, so that the limit holds over restarts and workers.
spent = Table(
    "spent",
    metadata,
    row_number(),
    Column("channel", String(80), nullable=False),
    Column("at_wall", BigInteger, nullable=False),
    Index("spent_window", "channel", "at_wall"),
)

# Channels that refuse or don't answer rest for a while; what is not here is well. Times are wall.
breaker = Table(
    "breaker",
    metadata,
    Column("channel", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened_wall", BigInteger, nullable=False),
    Column("rest_until_wall", BigInteger, nullable=False),
    Column("probe_until_wall", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

# Few values that all programs on this database share: the key of one-time links.
setting = Table(
    "setting",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# What stations switched by themselves; `running` until the station has said that it is off.
local_act = Table(
    "local_act",
    metadata,
    row_number(),
    site_id(),
    Column("station", String(40), nullable=False),
    Column("id", String(80), nullable=False),
    Column("run", String(80), nullable=False),
    Column("state", String(12), nullable=False),
    Column("running", Integer, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("incident", Integer, ForeignKey("incident.number"), nullable=True),
    Column("body", Text, nullable=False),
    UniqueConstraint("site", "station", "id", name="one_local_act"),
    Index("local_act_state", "site", "state", "row"),
    sqlite_autoincrement=True,
)

# What people are not told for a while: a cache of the fold over its events.
withholding = Table(
    "withholding",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    site_id(),
    Column("ended_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    sqlite_autoincrement=True,
)

# Names and numbers that people gave; may be erased, everything else keeps only the id.
person = Table(
    "person",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False, server_default=""),
)

# The register of drills; `state` is the whole drill as JSON. At most one of a site runs at a time.
drill = Table(
    "drill",
    metadata,
    Column("id", String(40), primary_key=True),
    site_id(),
    Column("asked_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Index(
        "one_running_drill",
        "site",
        unique=True,
        sqlite_where=text("ended_at = 0"),
        postgresql_where=text("ended_at = 0"),
    ),
    Index("drill_asked", "site", "asked_at"),
)
