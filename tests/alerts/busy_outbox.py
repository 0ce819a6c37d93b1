"""A program with a busy outbox, to be killed.

Sends from the first moment and meanwhile opens incidents (whatever of them is not open yet), so
that a kill hits writing, sending and settling alike.
"""

from __future__ import annotations

import threading
from multiprocessing.synchronize import Event

from alerts.channels import open_channels
from alerts.channels.entry import ChannelEntry
from alerts.database import open_database
from alerts.decisions import opening
from alerts.metrics import Metrics
from alerts.store import Store
from alerts.worker import Worker
from core.clock import RunClock
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.scenery import judged, level, place


def main(url: str, receiver: str, secret: str, incidents: int, ready: Event) -> None:
    """Fill the outbox and send, until killed."""
    clock = RunClock()
    channels = open_channels(
        ChannelEntry(
            name=name, kind="webhook", url=receiver, secret_file=secret, allow_private=True
        )
        for name in ("hook", "second")
    )
    database = open_database(url)
    store = Store(database, place(), "http://hub", channels)
    worker = Worker(
        database, channels, clock, Metrics(), owner="busy",
        told=lambda _numbers: None, health=lambda _name, _outcome: None,
    )  # fmt: skip
    judgement = judged(level(Grade.RED))
    known = {kept.incident.zone for kept in store.open_incidents()}
    worker.start()
    ready.set()
    for index in range(incidents):
        if f"zone-{index}" not in known:
            events = opening(f"zone-{index}", Hazard.FLOOD, judgement, clock.now_ms())
            store.commit(None, events, worker.times())
            worker.wake()
    threading.Event().wait(120)
