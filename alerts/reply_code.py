"""Codes by which a person takes an incident over without a screen: by SMS, or by a key of a call.

A code belongs to one notification: one contact, one channel, one incident, at the grade that was
told. It is good once, until it expires, or until a newer notification of the same incident goes to
the same contact over the same channel. Who sends it is checked by the channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    insert,
    select,
    update,
)

from alerts.incident import Kind
from alerts.message import Audience, Notification
from alerts.tables import metadata
from core.grade import Grade

# A night and a day: who answers later looks at the console.
LIFE_MS = 24 * 3_600_000
# So many wrong codes of one contact, then none is taken until a new message is sent.
MOST_WRONG = 5
_TAKEN_OVER = (Kind.ALERT, Kind.ESCALATION, Kind.REMINDER)

reply_code = Table(
    "reply_code",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("code", String(64), nullable=False),
    Column("channel", String(80), nullable=False),
    Column("contact", String(40), nullable=False),
    Column("notification", String(40), nullable=False, unique=True),
    Column("incident", Integer, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("wrong", Integer, nullable=False),
    Index("reply_code_contact", "channel", "contact", "used_at"),
    sqlite_autoincrement=True,
)
_c = reply_code.c


class Said(StrEnum):
    """What became of a code that somebody sent."""

    TAKEN = "taken"
    WRONG = "wrong"
    USED = "used"
    WORSE = "worse"  # the danger has become worse than that message told
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Known:
    """A code that fits, and what it stands for."""

    row: int
    contact: str
    incident: int
    grade: Grade
    used: bool


def wanted(note: Notification) -> bool:
    """Tell whether a notification asks somebody to take something over."""
    return note.kind in _TAKEN_OVER and note.audience is Audience.DUTY and note.incident > 0


def issue(
    connection: Connection, note: Notification, channel: str, now: int, *, digits: int
) -> str:
    """Return the code of a notification: the same one on every attempt.

    Args:
        connection: The writing transaction.
        note: Whose.
        channel: Over which it goes out.
        now: Run time (ms).
        digits: Length of a code that people type; 0 gives 128 bits that programs carry.
    """
    known = connection.execute(select(_c.code).where(_c.notification == note.id)).scalar()
    if known is not None:
        return str(known)
    connection.execute(reply_code.delete().where(_c.expires_at < now - LIFE_MS))
    mine = (_c.channel == channel) & (_c.contact == note.contact)
    # Older ones of this incident told less; whoever answers has read this one.
    connection.execute(
        update(reply_code)
        .where(mine, _c.incident == note.incident, _c.used_at == 0)
        .values(expires_at=now)
    )
    taken = set(connection.execute(select(_c.code).where(mine)).scalars())
    code = _new(digits)
    while code in taken:
        code = _new(digits)
    connection.execute(
        insert(reply_code).values(
            code=code, channel=channel, contact=note.contact, notification=note.id,
            incident=note.incident, grade=int(note.grade), expires_at=now + LIFE_MS, used_at=0,
            wrong=0,
        )
    )  # fmt: skip
    return code


def find(
    connection: Connection, channel: str, contacts: Collection[str], code: str, now: int
) -> Known | None:
    """Return what a code stands for, None if it is wrong or comes after too many wrong ones."""
    mine = (_c.channel == channel) & _c.contact.in_(contacts) & (_c.expires_at > now)
    rows = connection.execute(select(reply_code).where(mine).order_by(_c.row.desc())).mappings()
    for row in rows:
        if secrets.compare_digest(row["code"].encode(), code.encode()):
            if row["wrong"] >= MOST_WRONG and not row["used_at"]:
                return None
            return Known(
                row["row"], row["contact"], row["incident"], Grade(row["grade"]),
                bool(row["used_at"]),
            )  # fmt: skip
    connection.execute(update(reply_code).where(mine).values(wrong=_c.wrong + 1))
    return None


def use(connection: Connection, row: int, now: int) -> None:
    """A code has done its work."""
    connection.execute(update(reply_code).where(_c.row == row).values(used_at=now))


def _new(digits: int) -> str:
    if not digits:
        return secrets.token_hex(16)
    return "".join(secrets.choice("0123456789") for _ in range(digits))
