"""What alerts itself finds wrong: detectors that have gone silent, channels that refuse everything.

Absence is a state: if nobody judges, nobody may believe that all is well. These findings go the
same way as any other; their zone is the site itself.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from alerts.breaker import Breaker
from alerts.channels.base import Outcome, OutcomeKind
from core.clock import Clock
from core.community import Community
from core.finding import Because, Condition, Finding, Hazard
from core.grade import Grade
from core.topics import REFRESH_S, RETAINED_EXPIRY_S

# A channel that has not answered for so long is told of, wall seconds.
RESTING_AFTER_S = 60.0
# Detectors refresh each finding every minute; after this long (wall) without any, nobody judges.
SILENT_AFTER_S = RETAINED_EXPIRY_S + REFRESH_S


class OwnHealth:
    """Findings about the system itself. Safe to call from any thread.

    Args:
        community: The profile.
        clock: Clock of the run.
        held: Subjects that held an incident when the program was started: only they, and what was
            found wrong since, are said to be well again. Else there is nothing to say.
    """

    def __init__(self, community: Community, clock: Clock, held: Collection[str] = ()) -> None:
        self._held = frozenset(held)
        self._community = community
        self._clock = clock
        self._lock = threading.Lock()
        self._heard_s = clock.monotonic_s()
        self._own: dict[str, Finding] = {}
        self._said_s: dict[str, float] = {}

    @property
    def judging(self) -> bool:
        """False while detectors have been silent for too long: then nobody judges."""
        if not self._community.sensor:  # nothing to judge
            return True
        return self._clock.monotonic_s() - self._heard_s <= SILENT_AFTER_S

    def heard(self) -> None:
        """Detectors have said something."""
        self._heard_s = self._clock.monotonic_s()

    def delivered(self, channel: str, outcome: Outcome) -> None:
        """Note what a channel made of an attempt."""
        if outcome.kind is OutcomeKind.MISCONFIGURED:
            self._say(f"channel.{channel}", "delivery", Because(note="refused"), active=True)
        elif outcome.kind is OutcomeKind.ACCEPTED:
            self._say(f"channel.{channel}", "delivery", Because(), active=False)

    def rested(self, breakers: Sequence[Breaker]) -> None:
        """Note which channels don't answer; a short rest is nobody's business."""
        wall = self._clock.wall_ms()
        now = {one.channel for one in breakers if wall - one.opened_wall >= RESTING_AFTER_S * 1000}
        for channel in now:
            self.note(f"channel.{channel}", "answer", "resting", active=True)
        with self._lock:
            before = {
                finding.subject.removeprefix("channel.")
                for finding in self._own.values()
                if finding.rule == "answer" and finding.condition is Condition.ACTIVE
            }
        before |= {
            subject.removeprefix("channel.")
            for subject in self._held
            if subject.startswith("channel.")
        }
        for channel in before - {one.channel for one in breakers}:
            self.note(f"channel.{channel}", "answer", "", active=False)

    def note(self, subject: str, rule: str, note: str, *, active: bool) -> None:
        """Note that something of our own is wrong, or well again."""
        self._say(subject, rule, Because(note=note), active=active)

    def findings(self) -> list[Finding]:
        """Return what is new, and what has to be said again so that it does not run out."""
        self._judge_detectors()
        now_s = self._clock.monotonic_s()
        with self._lock:
            due = [
                finding
                for name, finding in self._own.items()
                if now_s - self._said_s.get(name, -REFRESH_S) >= REFRESH_S
            ]
            self._said_s |= {_key(finding.subject, finding.rule): now_s for finding in due}
        return due

    def _judge_detectors(self) -> None:
        if not self._community.sensor:
            return
        silent_s = self._clock.monotonic_s() - self._heard_s
        if silent_s > SILENT_AFTER_S:
            because = Because(silent_s=round(silent_s), expected_s=REFRESH_S)
            self._say("program.detectors", "heartbeat", because, active=True)
        elif silent_s < REFRESH_S:
            self._say("program.detectors", "heartbeat", Because(), active=False)

    def _say(self, subject: str, rule: str, because: Because, *, active: bool) -> None:
        now = self._clock.now_ms()
        condition = Condition.ACTIVE if active else Condition.CLEARED
        with self._lock:
            before = self._own.get(_key(subject, rule))
            if before is not None and before.condition is condition:
                return
            if before is None and not active and subject not in self._held:
                return
            self._said_s.pop(_key(subject, rule), None)
            self._own[_key(subject, rule)] = Finding(
                subject=subject, rule=rule, zone=self._community.site.id,
                hazard=Hazard.EQUIPMENT, grade=Grade.YELLOW if active else Grade.GREEN,
                condition=condition, at=now, since=now, judged=now, because=because,
            )  # fmt: skip


def _key(subject: str, rule: str) -> str:
    return f"{subject} {rule}"
