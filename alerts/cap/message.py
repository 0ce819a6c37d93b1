"""A CAP 1.2 message as data, and the rules of the specification's prose. Pure.

The schema enforces order, cardinality and words; what it lets through although the prose forbids
it (channels reference 3.1: measured) is checked here. Times are milliseconds since the epoch, whole
seconds, because CAP knows no fractions.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from enum import StrEnum

import msgspec

# The specification calls 160 characters a useful target: some displays show nothing else.
MAX_HEADLINE = 160
# Who says 9999 means *without end*; in some time zone it would be a year that no calendar has.
_LAST_MS = round(dt.datetime(9999, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
_FIRST_YEAR = 1970
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([+-]\d\d:\d\d)")
# Section 3.2.1 of the specification: identifier and sender hold none of these.
_FORBIDDEN = re.compile(r"[\s,<&]")


class Status(StrEnum):
    """How the message is to be taken; only `ACTUAL` calls for action."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class MessageType(StrEnum):
    """What the message does to earlier ones."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


class Scope(StrEnum):
    """For whom it is."""

    PUBLIC = "Public"
    RESTRICTED = "Restricted"
    PRIVATE = "Private"


class Reference(msgspec.Struct, frozen=True):
    """Which message is meant: sender, identifier and time of sending together."""

    sender: str
    identifier: str
    sent: int


class Value(msgspec.Struct, frozen=True):
    """A named value: event code, parameter or geocode."""

    name: str
    value: str


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where it holds."""

    description: str
    geocodes: tuple[Value, ...] = ()


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What is the matter, in one language. Times are ms, 0 where not stated.

    Attributes are the elements of the specification under the names of this project.
    """

    language: str = "en-US"
    categories: tuple[str, ...]
    event: str
    responses: tuple[str, ...] = ()
    urgency: str
    severity: str
    certainty: str
    event_codes: tuple[Value, ...] = ()
    effective: int = 0
    onset: int = 0
    expires: int = 0
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    parameters: tuple[Value, ...] = ()
    areas: tuple[Area, ...] = ()


class CapMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message.

    Attributes:
        identifier, sender, sent: Together its name in the world.
        status, kind, scope: How to take it, what it does, for whom.
        source, restriction, addresses, note: Text, "" where absent.
        references: Which earlier messages it is about.
        incidents: Names of the incident.
        infos: One block for each language (and event, in those of others).
    """

    identifier: str
    sender: str
    sent: int
    status: Status = Status.ACTUAL
    kind: MessageType
    scope: Scope = Scope.RESTRICTED
    source: str = ""
    restriction: str = ""
    addresses: str = ""
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: str = ""
    infos: tuple[Info, ...] = ()

    @property
    def reference(self) -> Reference:
        """How other messages refer to this one."""
        return Reference(self.sender, self.identifier, self.sent)


def problems(message: CapMessage) -> list[str]:
    """Return which rules of the prose a message breaks; empty for a good one."""
    found = [
        f"{name}: 1 or more characters without blanks, commas, < or & are expected"
        for name in ("identifier", "sender")
        if not getattr(message, name) or _FORBIDDEN.search(getattr(message, name))
    ]
    if message.scope is Scope.RESTRICTED and not message.restriction.strip():
        found.append("restriction: it must say for whom a Restricted message is")
    if message.scope is Scope.PRIVATE and not message.addresses.strip():
        found.append("addresses: a Private message must name its recipients")
    if message.kind is not MessageType.ALERT and not message.references:
        found.append(f"references: {message.kind} must say which message it is about")
    if message.kind is MessageType.ERROR and not message.note.strip():
        found.append("note: an Error must say what is wrong")
    for number, info in enumerate(message.infos, 1):
        if not info.event.strip():
            found.append(f"info {number}: event: it is empty")
        if any(not area.description.strip() for area in info.areas):
            found.append(f"info {number}: areaDesc: it is empty")
    return found


def own_problems(message: CapMessage) -> list[str]:
    """Return what we ask of our own messages beyond the rules: what the prose recommends."""
    found = problems(message)
    if message.status is Status.EXERCISE and not message.note.strip():
        found.append("note: an Exercise should say that it is one")
    if message.kind in (MessageType.ALERT, MessageType.UPDATE) and not message.infos:
        found.append(f"info: {message.kind} should say what is the matter")
    for number, info in enumerate(message.infos, 1):
        if len(info.headline) > MAX_HEADLINE:
            found.append(f"info {number}: headline: more than {MAX_HEADLINE} characters")
        if info.expires <= message.sent:
            found.append(f"info {number}: expires: it should end after it was sent")
        if not info.areas:
            found.append(f"info {number}: area: it should say where")
    return found


def write_time(at_ms: int, timezone: str) -> str:
    """Return a time as CAP wants it: an offset, no fraction, and `-00:00` for UTC.

    >>> write_time(1_764_500_000_000, "Asia/Shanghai"), write_time(1_764_500_000_000, "UTC")
    ('2025-11-30T18:53:20+08:00', '2025-11-30T10:53:20-00:00')
    """
    when = dt.datetime.fromtimestamp(at_ms // 1000, zoneinfo.ZoneInfo(timezone))
    text = when.isoformat(timespec="seconds")
    return text[:-6] + "-00:00" if text.endswith("+00:00") else text


def read_time(text: str) -> int:
    """Return the time (ms) of a CAP text.

    Raises:
        ValueError: It is none, or before 1970.

    >>> read_time("2025-11-30T18:53:20+08:00")
    1764500000000
    """
    if _TIME.fullmatch(text.strip()) is None:
        raise ValueError(f"time {text!r}: expected the form 2026-05-01T08:00:00+08:00")
    when = dt.datetime.fromisoformat(text.strip())
    if when.year < _FIRST_YEAR:
        raise ValueError(f"time {text!r}: expected one since {_FIRST_YEAR}")
    return min(round(when.timestamp() * 1000), _LAST_MS)


def write_reference(reference: Reference, timezone: str) -> str:
    """Return `sender,identifier,sent`."""
    return f"{reference.sender},{reference.identifier},{write_time(reference.sent, timezone)}"


def read_references(text: str) -> tuple[Reference, ...]:
    """Return the messages that a `references` element names.

    Raises:
        ValueError: One of them is not `sender,identifier,sent`.
    """
    found = []
    for word in text.split():
        parts = word.split(",")
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"references: {word[:80]!r} is not sender,identifier,sent")
        found.append(Reference(parts[0], parts[1], read_time(parts[2])))
    return tuple(found)
