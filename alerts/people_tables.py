"""Tables of people and what they bring: registers, stand-ins, hand-overs, roll-call, reports.

Who somebody is stands in `person` alone; these hold ids. Times are run time in milliseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from alerts.tables import metadata, row_number, site_id

# A row whose person was erased stays as a tombstone: no import brings them back.
volunteer = Table(
    "volunteer",
    metadata,
    site_id(),
    Column("id", String(40), nullable=False),
    Column("person", String(40), nullable=False),
    Column("skills", Text, nullable=False),
    Column("hours", Text, nullable=False),
    Column("zones", Text, nullable=False),
    Column("consent", String(10), nullable=False),
    PrimaryKeyConstraint("site", "id"),
)

supply = Table(
    "supply",
    metadata,
    site_id(),
    Column("id", String(40), nullable=False),
    Column("quantity", Float, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("changed_by", String(40), nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("site", "id"),
)

absence = Table(
    "absence",
    metadata,
    row_number(),
    site_id(),
    Column("contact", String(40), nullable=False),
    Column("stand_in", String(40), nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("noted_at", BigInteger, nullable=False),
    Column("noted_by", String(40), nullable=False),
    sqlite_autoincrement=True,
)

hand_over = Table(
    "hand_over",
    metadata,
    row_number(),
    site_id(),
    Column("at", BigInteger, nullable=False),
    Column("by", String(40), nullable=False),
    Column("shift", String(40), nullable=False),
    Column("text", Text, nullable=False),
    # The open incidents as they were then, as JSON.
    Column("incidents", Text, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("taken_by", String(40), nullable=False),
    Index("hand_over_newest", "site", "row"),
    sqlite_autoincrement=True,
)

roll_call = Table(
    "roll_call",
    metadata,
    Column("incident", Integer, ForeignKey("incident.number"), nullable=False),
    Column("zone", String(40), nullable=False),
    Column("door", String(20), nullable=False),
    Column("state", String(12), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(40), nullable=False),
    PrimaryKeyConstraint("incident", "zone", "door"),
)

# `text` is what the resident wrote: erased with the person, or by itself.
report = Table(
    "report",
    metadata,
    row_number(),
    site_id(),
    Column("nonce", String(40), nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("zone", String(40), nullable=False),
    Column("hazard", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("person", String(40), nullable=False),
    # Says only whether two reports come from one place: keyed anew at every start.
    Column("client", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("incident", Integer, ForeignKey("incident.number"), nullable=True),
    Column("decided_at", BigInteger, nullable=False),
    Column("decided_by", String(40), nullable=False),
    Column("grade", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Index("report_state", "site", "state", "row"),
    sqlite_autoincrement=True,
)
