"""The digest: what was withheld from somebody, in one message, with how it stands by now."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from alerts import journal, tables
from alerts.incident import Event, Incident, Kind
from alerts.notification import DigestItem, Notification
from alerts.outbox import FAILED, PENDING, SUPERSEDED, SUPPRESSED, Times, new_row
from alerts.routing import Address
from alerts.waiting import Waiting
from core.community import Community
from core.grade import GRADE_FACTS

# More in one digest would not fit any vendor's message; the rest comes with the next one.
MOST_ITEMS = 100
_NOTE = msgspec.json.Decoder(Notification)
_INCIDENT = msgspec.json.Decoder(Incident)
_o = tables.outbox.c


class Digests:
    """Writes the digests that are due: a chore of the outbox worker.

    Args:
        community: For names.
        base_url: Of the console.
        waiting: Knows whose quiet hours it is.
    """

    def __init__(self, community: Community, base_url: str, waiting: Waiting) -> None:
        self._community = community
        self._url = f"{base_url.rstrip('/')}/incidents" if base_url else ""
        self._waiting = waiting

    def __call__(self, connection: Connection, times: Times) -> list[tuple[int, Event]]:
        """Write what is due; what it tells is journalled when a channel accepts it."""
        due = (
            select(tables.outbox)
            .where(
                _o.state == SUPPRESSED,
                _o.digest == "",
                _o.digest_at > 0,
                _o.digest_at <= times.now,
            )
            .order_by(_o.row)
        )
        # What belongs to a drill never stands beside the real thing.
        by_contact: dict[tuple[str, bool], list[RowMapping]] = defaultdict(list)
        unreadable: list[RowMapping] = []
        for row in connection.execute(due).mappings():
            known = _is_readable(row)
            (by_contact[row["contact"], bool(row["exercise"])] if known else unreadable).append(row)
        why = "can't be read by this version"
        _mark(connection, unreadable, state=FAILED, digest_at=0, detail=why)
        for (contact, _), rows in by_contact.items():
            self._write(connection, contact, rows, times)
        return []

    def _write(
        self, connection: Connection, contact: str, rows: Sequence[RowMapping], times: Times
    ) -> None:
        until = self._waiting.quiet_until(contact, times.now)
        if until is not None:
            _mark(connection, rows, digest_at=until)
            return
        newest: dict[int, RowMapping] = {row["incident"]: row for row in rows}
        told = self._told_since(connection, contact, newest)
        items = [
            self._item(connection, row)
            for number, row in list(newest.items())[:MOST_ITEMS]
            if number not in told
        ]
        overtaken = [row for row in rows if row["incident"] in told]
        _mark(
            connection, overtaken, state=SUPERSEDED, digest_at=0, detail="a newer message was sent"
        )
        if not items:
            return
        told_of = {item.incident for item in items}
        covered = [row for row in rows if row["incident"] in told_of]
        note = self._note(connection, items, covered[-1], times)
        # First what they were meant for, then what each would have fallen back to.
        names = [row["channel"] for row in covered]
        names += [name for row in covered for name in json.loads(row["fallback"])]
        channels = list(dict.fromkeys(names))
        address = Address(contact, channels[0], tuple(channels[1:]))
        row = new_row(note, address, note.grade, times)
        row["dedup"] = f"digest:{row['id']}"
        connection.execute(insert(tables.outbox), [row])
        _mark(connection, covered, digest=str(row["id"]), digest_at=0)

    def _told_since(
        self, connection: Connection, contact: str, newest: dict[int, RowMapping]
    ) -> set[int]:
        """Return the incidents of which a newer message went out, or is about to."""
        query = select(_o.incident, _o.seq).where(
            _o.contact == contact,
            _o.incident.in_(list(newest)),
            _o.state.in_((PENDING, "accepted")),
        )
        return {
            row.incident
            for row in connection.execute(query)
            if row.seq > newest[row.incident]["seq"]
        }

    def _item(self, connection: Connection, row: RowMapping) -> DigestItem:
        state = connection.execute(
            select(tables.incident.c.state).where(tables.incident.c.number == row["incident"])
        ).scalar_one()
        incident, held = _INCIDENT.decode(state), _NOTE.decode(row["payload"])
        return DigestItem(
            incident=incident.number,
            grade=incident.grade,
            peak=incident.peak,
            place=held.place,
            headline=incident.judgement.headline,
            since=incident.judgement.since,
            over=bool(incident.cleared_at) or not incident.open,
            zone=incident.zone,
            hazard=incident.hazard,
            opened_at=incident.opened_at,
        )

    def _note(
        self, connection: Connection, items: list[DigestItem], row: RowMapping, times: Times
    ) -> Notification:
        items.sort(key=lambda item: (item.over, -item.peak, item.incident))
        held, worst = _NOTE.decode(row["payload"]), max(item.peak for item in items)
        return msgspec.structs.replace(
            held,
            id=uuid.uuid4().hex,
            incident=0,
            seq=0,
            kind=Kind.DIGEST,
            grade=worst,
            peak=worst,
            opened_at=0,
            zone=self._community.site.id,
            place=self._community.site.name,
            since=min(item.since for item in items),
            at=times.now,
            severity=GRADE_FACTS[worst].cap_severity,
            urgency="Past" if all(item.over for item in items) else "Expected",
            url=self._url,
            journal=journal.head(connection),
            items=tuple(items),
        )


def _is_readable(row: RowMapping) -> bool:
    """Tell whether a row is of a version that this program knows; another must hold up nobody."""
    try:
        _NOTE.decode(row["payload"])
    except msgspec.MsgspecError:
        return False
    return True


def _mark(connection: Connection, rows: Sequence[RowMapping], **values: object) -> None:
    if rows:
        connection.execute(
            update(tables.outbox).where(_o.row.in_([row["row"] for row in rows])).values(**values)
        )
