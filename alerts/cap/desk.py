"""Our CAP messages, as others ask for them: one by its identifier, or all that hold now."""

from __future__ import annotations

from sqlalchemy import or_, select

from alerts import tables
from alerts.cap.document import encode
from alerts.cap.feed import feed
from alerts.cap.message import CapMessage, MessageType, Status
from alerts.cap.outgoing import LIFE_MS, messages
from alerts.cap.settings import CapSettings, sender_of
from alerts.store import Store
from core.clock import Clock
from core.community import Community

# More incidents than a community has in a day; the newest are kept.
_MOST_INCIDENTS = 200
LARGEST_NUMBER = (1 << 31) - 1


class CapDesk:
    """Derives messages from the journal when somebody asks. Safe to call from any thread.

    Args:
        store: Where the journal is.
        community: The profile.
        settings: How messages present themselves.
        base_url: Of the console.
        clock: Clock of the run.
    """

    def __init__(
        self,
        store: Store,
        community: Community,
        settings: CapSettings,
        base_url: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._community = community
        self._settings = settings
        self._base_url = base_url
        self._clock = clock

    def of_incident(self, number: int) -> list[CapMessage]:
        """Return the messages of one incident, oldest first; none if there is no such incident."""
        events = self._store.events(number)
        if not events:
            return []
        return messages(
            events,
            number,
            community=self._community,
            settings=self._settings,
            base_url=self._base_url,
            now=self._clock.now_ms(),
        )

    def document(self, identifier: str) -> bytes | None:
        """Return the XML of one message; None if there is none of this name."""
        site, _, rest = identifier.partition(".")
        number = rest.partition(".")[0]
        if site != self._community.site.id or not number.isascii() or not number.isdigit():
            return None
        if int(number) > LARGEST_NUMBER or self._store.kept(int(number)) is None:
            return None
        for message in self.of_incident(int(number)):
            if message.identifier == identifier:
                return encode(message, self._community.site.timezone)
        return None

    def active(self, *, exercises: bool = False) -> list[CapMessage]:
        """Return the newest message of each incident that has not expired, newest first.

        Args:
            exercises: True for those of drills, False for real ones; never both in one answer.
        """
        now = self._clock.now_ms()
        return [
            message
            for message in self._newest(now - LIFE_MS, _MOST_INCIDENTS)
            if now < message.sent + LIFE_MS
            and message.kind is not MessageType.CANCEL
            and (message.status is Status.EXERCISE) is exercises
        ]

    def feed(self, *, exercises: bool = False) -> bytes:
        """Return the Atom feed of what holds now."""
        found = self.active(exercises=exercises)
        sender = sender_of(self._settings, self._community)
        site = self._community.site
        return feed(
            found,
            title=f"{site.name.in_language(site.language)} · 本点位等级 / site levels (CAP 1.2)",
            sender=sender,
            base_url=self._base_url,
            updated=max((message.sent for message in (*found, *self._newest(0, 1))), default=0),
        )

    def _newest(self, since: int, limit: int) -> list[CapMessage]:
        """Return the newest message of each incident that was open after *since*."""
        columns = tables.incident.c
        query = (
            select(columns.number)
            .where(columns.site == self._community.site.id)
            .where(or_(columns.over_at == 0, columns.over_at >= since))
            .order_by(columns.number.desc())
            .limit(limit)
        )
        with self._store.database.read() as connection:
            numbers = [int(number) for number in connection.execute(query).scalars()]
        found = []
        for number in numbers:
            told = [one for one in self.of_incident(number) if one.kind is not MessageType.ACK]
            found += told[-1:]
        return sorted(found, key=lambda message: (message.sent, message.identifier), reverse=True)
