"""A notification as the service makes it, and keys that belong to nobody."""

from __future__ import annotations

import base64

import msgspec

from alerts.decisions import opening
from alerts.incident import Event, Kind
from alerts.journal import Head, fold
from alerts.message import Notification, notification
from core.grade import Grade
from tests.alerts.scenery import FLOOD, judged, level, place

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BOT_KEY = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"


def note(grade: Grade = Grade.RED, kind: Kind = Kind.ALERT, **changes: object) -> Notification:
    """One notification of the flood in the underpass."""
    events: list[Event] = opening(FLOOD.zone, FLOOD.hazard, judged(level(grade)), 1_764_500_003_000)
    made = notification(
        fold(events, 12),
        msgspec.structs.replace(events[-1], kind=kind, seq=3),
        community=place(),
        base_url="http://hub:8765/",
        journal=Head(7, "ab" * 32),
    )
    whole = {"id": "0123456789abcdef0123456789abcdef", "contact": "duty-1", **changes}
    return msgspec.structs.replace(made, **whole)
