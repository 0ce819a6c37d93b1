"""A program with a busy outbox, to be killed: `python busy_outbox.py STATE_URL RECEIVER SECRET N`.

Opens N incidents (whatever of them is not open yet), prints `ready`, then sends until killed.
"""

from __future__ import annotations

import sys
import threading

from alerts.channels import open_channels
from alerts.channels.base import ChannelEntry
from alerts.database import open_database
from alerts.decisions import opening
from alerts.metrics import Metrics
from alerts.store import Store
from alerts.worker import Worker
from core.clock import RunClock
from core.finding import Hazard
from core.grade import Grade
from tests.alerts.scenery import judged, level, place


def main(url: str, receiver: str, secret: str, incidents: int) -> None:
    """Fill the outbox and send."""
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
    for index in range(incidents):
        if f"zone-{index}" not in known:
            events = opening(f"zone-{index}", Hazard.FLOOD, judgement, clock.now_ms())
            store.commit(None, events, worker.times())
    print("ready", flush=True)
    worker.start()
    threading.Event().wait(120)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
