"""One-time links: whoever holds the message may take the incident over, without signing in.

`/a/<row>-<signature>`: the signature is HMAC-SHA256 over the row of the outbox, its id, incident
and contact, so a link is bound to one message, one incident and one person, and can't be made up.
It is short enough for an SMS. Opening it shows a page; only the button on it acts (programs that
preview links open them, channels reference 2.2). It works once, and for a day.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec
from sqlalchemy import RowMapping, select, update

from alerts import tables
from alerts.database import Database
from alerts.dispatch import Claimed
from alerts.incident import Kind
from alerts.notification import Audience, Notification
from alerts.shared_key import shared_key
from core.clock import Clock

# How long a link works, run milliseconds: longer than a shift, short of the next night.
LIFE_MS = 86_400_000
# 96 bits of the signature: nobody guesses that, and the link stays short.
_SIGNATURE_BYTES = 12
_KINDS = frozenset({Kind.ALERT, Kind.UPDATE, Kind.ESCALATION, Kind.REMINDER})
_NOTE = msgspec.json.Decoder(Notification)
_o = tables.outbox.c


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is genuine.

    Attributes:
        row: Of the outbox.
        incident, contact, kind: What it is about, and whose it is.
        note: The message that it came with.
        expired: True if it is too old.
        used: True if it has acted already.
    """

    row: int
    incident: int
    contact: str
    kind: str
    note: Notification
    expired: bool
    used: bool


class Links:
    """Makes and reads links. Safe to call from any thread.

    Args:
        database: State of alerts: it holds the key, so that all programs on it agree.
        base_url: Of the console as people's phones reach it; "" makes no links.
        clock: Clock of the run.
    """

    def __init__(self, database: Database, base_url: str, clock: Clock) -> None:
        self._database = database
        self._base = base_url.rstrip("/")
        self._clock = clock
        self._key = shared_key(database, "link-key")

    def url(self, row: Claimed) -> str:
        """Return the link of a message; "" if it has nothing to take over."""
        note = row.note
        if not self._base or note.kind not in _KINDS or note.audience is not Audience.DUTY:
            return ""
        signature = self._signature(row.row, note.id, note.incident, note.contact)
        return f"{self._base}/a/{row.row}-{signature}"

    def read(self, token: str) -> Link | None:
        """Return what a token of a link means; None if it is not genuine."""
        number, _, given = token.partition("-")
        if not (number.isascii() and number.isdigit()) or len(number) > 10 or len(given) > 40:
            return None
        with self._database.read() as connection:
            query = select(tables.outbox).where(_o.row == int(number))
            found = connection.execute(query).mappings().first()
        return self._genuine(found, given) if found is not None else None

    def spend(self, link: Link) -> bool:
        """Use a link up; False if somebody was faster."""
        with self._database.write() as connection:
            result = connection.execute(
                update(tables.outbox)
                .where(_o.row == link.row, _o.used_at == 0)
                .values(used_at=self._clock.wall_ms())
            )
            return bool(result.rowcount)

    def _genuine(self, row: RowMapping, given: str) -> Link | None:
        number, incident, contact = row["row"], row["incident"] or 0, row["contact"]
        expected = self._signature(number, row["id"], incident, contact)
        if not hmac.compare_digest(expected.encode(), given.encode()) or not incident:
            return None
        return Link(
            row=number,
            incident=incident,
            contact=contact,
            kind=row["kind"],
            note=_NOTE.decode(row["payload"]),
            expired=self._clock.now_ms() - row["created_at"] > LIFE_MS,
            used=bool(row["used_at"]),
        )

    def _signature(self, row: int, note: str, incident: int, contact: str) -> str:
        text = f"take-over\n{row}\n{note}\n{incident}\n{contact}"
        digest = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
