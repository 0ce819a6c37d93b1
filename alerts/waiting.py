"""What waits for a digest: low grades in somebody's quiet hours, or when they become too many.

Nothing is dropped: a row says `suppressed` and why, and is told in the next digest
(`alerts.digest`). Red always passes; orange is held only by quiet hours, where hub.toml says so.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from alerts import tables
from alerts.delivery import Delivery
from alerts.incident import Kind
from alerts.notification import Notification
from alerts.quiet import QuietHours, parse_quiet
from core.community import Community
from core.grade import Grade

# Morning digests of different people leave up to so long after the end of their quiet hours, and
# not at the full hour, when vendors are busiest (channels reference 1.5): run milliseconds.
_EARLIEST_MS, _SPREAD_MS = 120_000, 420_000
_o = tables.outbox.c


@dataclass(frozen=True, slots=True)
class Held:
    """Why a message waits, and when (run ms) its digest is due."""

    reason: str
    until: int


class Waiting:
    """Decides for one message to one contact.

    Args:
        community: Contacts, their quiet hours, and the time zone.
        delivery: What is held.
    """

    def __init__(self, community: Community, delivery: Delivery) -> None:
        self._timezone = community.site.timezone
        self._digest = delivery.digest
        self._hold = delivery.hold
        self._quiet: dict[str, QuietHours] = {
            contact.id: parse_quiet(contact.quiet) for contact in community.contact if contact.quiet
        }

    def check(
        self, connection: Connection, note: Notification, contact: str, urgency: Grade, now: int
    ) -> Held | None:
        """Return why a message waits, or None if it goes out now.

        Args:
            connection: The writing transaction.
            note: What is to be told.
            contact: Whom.
            urgency: The worst that it has to tell, unsent older messages included.
            now: Run time (ms).
        """
        worst = max(urgency, note.peak if note.kind in (Kind.UPDATE, Kind.CLEAR) else note.grade)
        if worst is Grade.RED:
            return None
        if worst <= self._hold and (until := self.quiet_until(contact, now)) is not None:
            return Held("quiet hours", until)
        if worst > (Grade.YELLOW if self._digest.yellow else Grade.BLUE):
            return None
        window_ms = round(self._digest.window_s * 1000)
        if self._lately(connection, contact, now - window_ms) < self._digest.after:
            return None
        passed_s = self._digest.window_s
        reason = f"more than {self._digest.after} messages in {passed_s / 60:g} min"
        return Held(reason, self._due(connection, contact, now, window_ms))

    def quiet_until(self, contact: str, now: int) -> int | None:
        """Return when the digest after somebody's quiet hours leaves; None outside of them."""
        quiet = self._quiet.get(contact)
        ends = quiet.until(now, self._timezone) if quiet is not None else None
        if ends is None:
            return None
        return ends + _EARLIEST_MS + zlib.crc32(contact.encode()) % _SPREAD_MS

    def _lately(self, connection: Connection, contact: str, since: int) -> int:
        """Return how many messages of low grade were written for a contact since then."""
        query = select(func.count()).where(
            _o.contact == contact,
            _o.created_at > since,
            _o.urgency <= int(Grade.YELLOW),
            _o.state != "suppressed",
            _o.kind != str(Kind.TEST),
        )
        return int(connection.execute(query).scalar_one())

    def _due(self, connection: Connection, contact: str, now: int, window_ms: int) -> int:
        """Return when the digest leaves: with what waits already, else a window from now."""
        query = select(func.min(_o.digest_at)).where(
            _o.contact == contact, _o.state == "suppressed", _o.digest == "", _o.digest_at > now
        )
        waiting = connection.execute(query).scalar()
        return int(waiting) if waiting is not None else now + window_ms
