"""A drill among the detectors: the same program judges its twins, apart from everything actual.

The twins have a sentinel of their own, made when the drill is announced and dropped when it ends:
it begins without a past, so learned detectors, which would need weeks, say nothing in a drill.
What it finds goes out in the topics of the drill, marked, and is never retained.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from core import topics
from core.broker import Broker
from core.clock import Clock
from core.community import Community
from core.drill import STATION, DrillError, DrillStatement, decode_drill, drill_community
from core.finding import Finding
from detectors.intake import Arrived
from detectors.publication import Publication
from detectors.sentinel import Sentinel

log = structlog.get_logger()


class Rehearsal:
    """The drill that runs, if any.

    Args:
        community: The profile that twins are made from.
        clock: The run's clock.
        broker: Where findings go.
    """

    def __init__(self, community: Community, clock: Clock, broker: Broker) -> None:
        self._community = community
        self._clock = clock
        self._broker = broker
        self._site = community.site.id
        self._topic = topics.drill(self._site)
        self._stations = {
            topics.readings(self._site, STATION),
            topics.status(self._site, STATION),
            topics.stored(self._site, STATION),
        }
        self._statement: DrillStatement | None = None
        self._sentinel: Sentinel | None = None
        self._publication: Publication | None = None
        self._refreshed_s = self._said_s = 0.0
        self._unanswered = ""

    @property
    def drill(self) -> str:
        """Id of the drill that runs, "" if none."""
        return self._statement.id if self._statement is not None else ""

    def split(self, arrived: Sequence[Arrived]) -> tuple[list[Arrived], list[Arrived]]:
        """Return what is actual, and what belongs to a drill."""
        actual: list[Arrived] = []
        ours: list[Arrived] = []
        for one in arrived:
            topic = one.message.topic
            (ours if topic == self._topic or topic in self._stations else actual).append(one)
        return actual, ours

    def take(self, arrived: Sequence[Arrived], now_ms: int, monotonic_s: float) -> None:
        """Judge what belongs to a drill, and say what changed."""
        packs: list[Arrived] = []
        for one in arrived:
            if one.message.topic == self._topic:
                self._hear(one.message.payload, now_ms, monotonic_s)
            elif self._is_of_this(one):
                packs.append(one)
        if self._sentinel is None or self._publication is None or not packs:
            return  # a drill that does not run finds nothing
        found, _ = self._sentinel.take(packs, now_ms, monotonic_s)
        self._publication.change(found)

    def tick(self, now_ms: int, monotonic_s: float) -> None:
        """Look at what has not come, say everything again when it is due, end what is over."""
        statement = self._statement
        if statement is not None and not statement.runs(now_ms):
            self._end()
        if (
            self._unanswered
            and self._broker.publish(
                topics.drill_ready(self._site, "detectors"), self._unanswered.encode()
            ).ok
        ):
            self._unanswered = ""
        if self._sentinel is None or self._publication is None:
            return
        self._publication.change(self._sentinel.tick(now_ms))
        due = monotonic_s - self._refreshed_s >= topics.REFRESH_S
        if due and not self._publication.refreshing:
            self._refreshed_s = monotonic_s
            self._publication.refresh(self._sentinel.statements)

    def say(self, monotonic_s: float) -> None:
        """Hand over what is due."""
        if self._publication is not None:
            self._publication.flush(monotonic_s - self._said_s)
        self._said_s = monotonic_s

    def relinked(self, now_ms: int) -> None:
        """After a (re)connect: deadlines start anew, and everything is said again at once."""
        if self._sentinel is not None and self._publication is not None:
            self._sentinel.absence.listen_from(now_ms)
            self._publication.forget_changes()
            self._publication.refresh(self._sentinel.statements, at_once=True)

    def _is_of_this(self, one: Arrived) -> bool:
        """Tell whether a message is of the drill that runs: another one may have left packs."""
        message = one.message
        return not message.topic.endswith("/readings") or (
            message.user.get("exercise") == self.drill
        )

    def _hear(self, payload: bytes, now_ms: int, monotonic_s: float) -> None:
        if not payload:
            return
        try:
            statement = decode_drill(payload)
            if not statement.runs(now_ms):
                self._end()
            elif statement.id != self.drill:
                self._begin(statement, now_ms, monotonic_s)
        except DrillError as error:
            log.warning("a drill can't take place", error=str(error))

    def _begin(self, statement: DrillStatement, now_ms: int, monotonic_s: float) -> None:
        community = drill_community(self._community, statement.sensors)
        sentinel = Sentinel(community, self._clock.speed, now_ms)

        def stated(number: int) -> Finding:
            return sentinel.statement(number, self._clock.now_ms())

        self._statement, self._sentinel = statement, sentinel
        self._publication = Publication(self._broker, self._site, stated, statement.id)
        self._refreshed_s = self._said_s = monotonic_s
        self._unanswered = statement.id
        log.info("drill begins", drill=statement.id, sensors=list(statement.sensors))

    def _end(self) -> None:
        if self._statement is not None:
            log.info("drill is over", drill=self._statement.id)
        self._statement = self._sentinel = self._publication = None
        self._unanswered = ""
