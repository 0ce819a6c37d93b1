"""Findings go out retained: changes at once, everything within a minute, all again after a loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from core import topics
from core.broker import Broker
from core.finding import Finding, encode_finding

# Findings that one pass may hand to the broker adapter, which queues 1,000 at most.
PER_PASS = 400
# Everything is refreshed in this share of the refresh period, so that none is ever due.
_SHARE = 0.75


class Publication:
    """What is stated now, and what of it has still to be said.

    Args:
        broker: Where to.
        site: Slug of the site.
        statement: Gives what is stated now under a number. A refresh asks for it at the moment of
            saying, so that it can never say what a change has overtaken.
        drill: Id of the drill that all of it belongs to: it then goes out apart and marked. ""
            for what is actual.
    """

    def __init__(
        self, broker: Broker, site: str, statement: Callable[[int], Finding], drill: str = ""
    ) -> None:
        self._broker = broker
        self._site = site
        self._statement = statement
        self._drill = drill
        self._urgent: deque[Finding] = deque()
        self._waiting: deque[int] = deque()
        self._per_s = 1.0
        self._credit = 0.0
        self.published = 0
        self.refused = 0

    @property
    def refreshing(self) -> bool:
        """True while a round of refreshing is under way."""
        return bool(self._waiting)

    def change(self, findings: Iterable[Finding]) -> None:
        """State changes: before everything else, in their order."""
        self._urgent.extend(findings)

    def refresh(self, numbers: Iterable[int], *, at_once: bool = False) -> None:
        """State everything again, spread over most of a minute, or as fast as the line takes it."""
        self._waiting = deque(numbers)
        period = topics.REFRESH_S * _SHARE
        self._per_s = float("inf") if at_once else len(self._waiting) / period + 1.0
        self._credit = 0.0

    def forget_changes(self) -> None:
        """Drop changes that could not be said; a refresh states their outcome."""
        self._urgent.clear()

    def flush(self, elapsed_s: float) -> None:
        """Hand over what is due; stops at the first refusal, and goes on at the next call.

        Args:
            elapsed_s: Wall seconds since the last call.
        """
        budget = PER_PASS
        while self._urgent and budget:
            if not self._say(self._urgent[0]):
                return
            self._urgent.popleft()
            budget -= 1
        due = PER_PASS if self._per_s == float("inf") else elapsed_s * self._per_s
        self._credit = min(self._credit + due, float(PER_PASS))
        while self._waiting and budget and self._credit >= 1.0:
            if not self._say(self._statement(self._waiting[0])):
                return
            self._waiting.popleft()
            self._credit -= 1.0
            budget -= 1

    def _say(self, finding: Finding) -> bool:
        """Publish one finding. What is found late is said once and not retained: it is not now."""
        topic = topics.finding(self._site, finding.subject, finding.rule)
        if self._drill:
            topic = topics.drill_finding(self._site, self._drill, finding.subject, finding.rule)
            finding = msgspec.structs.replace(finding, drill=self._drill)
        publication = self._broker.publish(
            topic,
            encode_finding(finding),
            retain=not (finding.late or self._drill),
            expiry_s=topics.RETAINED_EXPIRY_S,
        )
        self.published += publication.ok
        self.refused += not publication.ok
        return publication.ok
