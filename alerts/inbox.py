"""What comes in on MQTT, in its order: findings, statuses of stations, and the words of drills.

paho's thread puts messages into a bounded queue; the watch's thread takes them, some findings at a
time in one transaction, and acknowledges them to the broker after the commit.
"""

from __future__ import annotations

import contextlib
import queue

import structlog

from alerts.drill_desk import DrillDesk
from alerts.health import OwnHealth
from alerts.intake import decode, decode_of_drill
from alerts.isolation import attempt_each
from alerts.metrics import Metrics
from alerts.statuses import Statuses
from alerts.watch import Watch
from core import topics
from core.broker import Broker, Message
from core.finding import FindingError

log = structlog.get_logger()

# Longer than the broker's receive maximum (200) and a burst of retained findings.
QUEUE_SIZE = 5_000
# Findings that are written in one transaction at most: what a third of a second brings in a flood.
BATCH = 50


class Inbox:
    """Takes messages of one site.

    Args:
        site: Its id.
        metrics: Counters.
    """

    def __init__(self, site: str, metrics: Metrics) -> None:
        self._site = site
        self._metrics = metrics
        self._findings = f"{topics.ROOT}/{site}/finding/"
        self._queue: queue.Queue[Message | None] = queue.Queue(QUEUE_SIZE)
        self._unacknowledged: list[Message] = []

    def connect(
        self, broker: Broker, watch: Watch, statuses: Statuses, drills: DrillDesk, health: OwnHealth
    ) -> None:
        """Say who takes what; called once, before the first `turn`."""
        self._broker = broker
        self._watch = watch
        self._statuses = statuses
        self._drills = drills
        self._health = health

    def receive(self, message: Message) -> None:
        """Put a message into the queue. Called on the broker's thread."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            # The newest is lost, unacknowledged; detectors say it again within a minute.
            self._metrics.findings.labels("overflow").inc()

    def ring(self) -> None:
        """End the wait of `turn`."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def turn(self, wait_s: float) -> None:
        """Wait for messages, take what is there, and acknowledge it.

        Raises:
            SQLAlchemyError: It could not be written; the next turn does it again.
        """
        messages = self._next(wait_s)
        self._unacknowledged += messages
        self._take_together([one for one in messages if one.topic.startswith(self._findings)])
        for message in messages:
            if not message.topic.startswith(self._findings):
                self._take(message)
        self._watch.retry()  # what an earlier turn could not write is not safe yet
        self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the broker that what was taken need not come again."""
        for message in self._unacknowledged:
            self._broker.acknowledge(message)
        self._unacknowledged.clear()

    def _next(self, wait_s: float) -> list[Message]:
        found: list[Message | None] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=wait_s))
            while len(found) < BATCH:
                found.append(self._queue.get_nowait())
        return [message for message in found if message is not None]

    def _take_together(self, findings: list[Message]) -> None:
        """Take some findings, in their order, in one transaction; one that fails stops no other."""
        if len(findings) < 2:
            for message in findings:
                self._take_finding(message)
            return
        with self._watch.together():
            failure = attempt_each(self._take_finding, findings)
        if failure is not None:
            raise failure

    def _take(self, message: Message) -> None:
        where = topics.parse_station(message.topic)
        if where is not None:
            self._statuses.take(where.station, message.payload)
            return
        if message.topic.startswith(f"{topics.drill(self._site)}/"):
            self._take_of_drill(message)

    def _take_finding(self, message: Message) -> None:
        try:
            finding = decode(message, self._site)
        except FindingError as error:
            self._metrics.findings.labels("malformed").inc()
            log.warning("a finding was refused", topic=message.topic[:200], error=str(error)[:200])
            return
        self._health.heard()
        taken = self._watch.take(finding, message.expiry_s)
        self._metrics.findings.labels("taken" if taken else "refused").inc()

    def _take_of_drill(self, message: Message) -> None:
        """Take a finding of a drill, or the word of a program that takes part in one."""
        site = self._site
        head, _, program = message.topic.rpartition("/")
        if head == topics.drill_ready(site, "")[:-1]:
            self._drills.join(program, message.payload.decode("ascii", "replace"))
            return
        try:
            finding = decode_of_drill(message, site)
        except FindingError as error:
            self._metrics.findings.labels("malformed").inc()
            log.warning("a finding was refused", topic=message.topic[:200], error=str(error)[:200])
            return
        taken = self._drills.take(finding, message.expiry_s)
        self._metrics.findings.labels("taken" if taken else "refused").inc()
