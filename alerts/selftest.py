"""The daily test of each channel: a message that must come back accepted, while nothing happens.

A channel that has lost its key is found out at ten in the morning, not in the night of the flood.
Tests are of kind `test` and of no incident: no figure about alarms counts them.
"""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Callable, Collection

from sqlalchemy import Connection, insert, select

from alerts import journal, tables
from alerts.delivery import SelfTestEntry
from alerts.incident import Event, Kind
from alerts.journal import Head
from alerts.message import local_time
from alerts.notification import Notification
from alerts.outbox import ACCEPTED, DEAD, FAILED, Times, new_row
from alerts.routing import Address, channel_name
from core.community import Community, Name, Site
from core.finding import Certainty, Hazard
from core.grade import Grade

# A test that was missed (the hub was down) is made up for within so long, run milliseconds.
_LATEST_MS = 3_600_000
# A test that has not been accepted by then has failed, run and wall milliseconds.
DEADLINE_MS, DEADLINE_WALL_MS = 1_800_000, 60_000
_o = tables.outbox.c


class SelfTests:
    """Writes the tests that are due and reads how they went: a chore of the outbox worker.

    Args:
        community: Contacts: a channel is tested with a message to one of its own.
        entry: When, and which.
        configured: Names of the channels.
        tested: Called with a channel and whether its last test was accepted.
    """

    def __init__(
        self,
        community: Community,
        entry: SelfTestEntry,
        configured: Collection[str],
        tested: Callable[[str, bool], None],
    ) -> None:
        self._community = community
        self._time = entry.time
        self._zone = zoneinfo.ZoneInfo(community.site.timezone)
        self._tested = tested
        wanted = [name for name in configured if not entry.channels or name in entry.channels]
        self._contacts = {
            name: contact.id
            for name in wanted
            for contact in reversed(community.contact)
            if name in {channel_name(own) for own in contact.channels}
        }

    def __call__(self, connection: Connection, times: Times) -> list[tuple[int, Event]]:
        """Write and read."""
        if self._time is None:
            return []
        day = dt.datetime.fromtimestamp(times.now / 1000, self._zone).date()
        at = round(dt.datetime.combine(day, self._time, self._zone).timestamp() * 1000)
        keys = {f"test:{day}:{name}": name for name in self._contacts}
        query = select(_o.dedup, _o.state).where(_o.dedup.in_(list(keys)))
        known: dict[str, str] = dict(connection.execute(query).all())
        for key, name in keys.items():
            if key in known:
                self._read(name, known[key])
            elif at <= times.now < at + _LATEST_MS:
                self._write(connection, key, name, times)
        return []

    def _read(self, name: str, state: str) -> None:
        if state in (FAILED, DEAD):
            self._tested(name, False)
        elif state == ACCEPTED:
            self._tested(name, True)

    def _write(self, connection: Connection, key: str, name: str, times: Times) -> None:
        row = new_row(
            message_of_test(
                self._community.site, self._contacts[name], times.now, journal.head(connection)
            ),
            Address(self._contacts[name], name),
            Grade.BLUE,
            times,
        )
        row["dedup"] = key
        row["deadline_at"] = times.now + max(DEADLINE_MS, round(DEADLINE_WALL_MS * times.speed))
        connection.execute(insert(tables.outbox), [row])


def message_of_test(site: Site, contact: str, at: int, head: Head, by: str = "") -> Notification:
    """Return a test of a channel; its text says whether the clock or a person has asked for it.

    Args:
        site: Whose.
        contact: Id of who gets it.
        at: Run time (ms).
        head: End of the journal.
        by: Who tries it by hand, as they are called; "" for the daily one.
    """
    daily = Name("通道每日自检，无需处理。", "Daily self-test; nothing to do.")
    return Notification(
        id=uuid.uuid4().hex,
        incident=0,
        seq=0,
        kind=Kind.TEST,
        grade=Grade.GREEN,
        peak=Grade.GREEN,
        zone=site.id,
        hazard=Hazard.EQUIPMENT,
        place=site.name,
        hazard_name=site.name,
        headline=site.name,
        why=_by_hand(by, at, site.timezone) if by else daily,
        since=0,
        at=at,
        severity="Unknown",
        urgency="Unknown",
        certainty=Certainty.OBSERVED,
        url="",
        timezone=site.timezone,
        language=site.language,
        contact=contact,
        journal=head,
    )


def _by_hand(by: str, at: int, timezone: str) -> Name:
    zh, en = (local_time(at, timezone, language) for language in ("zh", "en"))
    return Name(f"{by} {zh} 手动测试，无需处理。", f"By hand: {by}, {en}. Nothing to do.")
