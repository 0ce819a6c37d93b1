"""What others say about our zones (upstream warnings, alerts of other systems) becomes findings.

A claim goes the way of any finding. The worst finding of a (zone, hazard) wins, so a claim may
raise a grade; it can never lower what our own sensors say, and it ends only itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alerts.board import Key
from core.clock import Clock
from core.finding import Because, Certainty, Condition, Finding, Hazard
from core.grade import Grade
from core.topics import REFRESH_S

log = structlog.get_logger()
# How often the state is asked for claims, wall seconds: another program may have written one.
LOOK_S = 1.0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody outside says of one zone and hazard. Times are run time (ms).

    Attributes:
        rule: Name of the rule under which it is judged: who speaks, about what.
        zone, hazard: Where and what; the zone may be the site itself.
        grade: How bad.
        certainty: How sure they are.
        since: When it began.
        source: Who says so, for people.
        known: False if it has not been confirmed for so long that nobody knows whether it holds.
    """

    rule: str
    zone: str
    hazard: Hazard
    grade: Grade
    certainty: Certainty = Certainty.OBSERVED
    since: int
    source: str
    known: bool = True


Place = tuple[Key, str]  # where, and under which rule


def findings_of(claims: Iterable[Claim], ended: Iterable[Place], now: int) -> list[Finding]:
    """Return one finding for each place: of its worst claim, or that none is left.

    Args:
        claims: Everything that is said now.
        ended: Places of which something was said before.
        now: Run time (ms).
    """
    worst: dict[Place, Claim] = {}
    for claim in claims:
        place = (Key(claim.zone, claim.hazard), claim.rule)
        if place not in worst or _weight(claim) > _weight(worst[place]):
            worst[place] = claim
    found = [_finding(claim, now) for claim in worst.values()]
    return found + [_over(place, now) for place in ended if place not in worst]


def _weight(claim: Claim) -> tuple[Grade, bool, int]:
    # Grade first: what is unknown and worse is held, a milder known claim does not lower it.
    return claim.grade, claim.known, -claim.since


def _finding(claim: Claim, now: int) -> Finding:
    return Finding(
        subject=f"zone.{claim.zone}", rule=claim.rule, zone=claim.zone, hazard=claim.hazard,
        grade=claim.grade, condition=Condition.ACTIVE if claim.known else Condition.UNKNOWN,
        certainty=claim.certainty, at=now, since=claim.since, judged=now, score=1.0,
        because=Because(source=claim.source),
    )  # fmt: skip


def _over(place: Place, now: int) -> Finding:
    key, rule = place
    return Finding(
        subject=f"zone.{key.zone}", rule=rule, zone=key.zone, hazard=key.hazard, grade=Grade.GREEN,
        condition=Condition.CLEARED, at=now, since=now, judged=now, because=Because(),
    )  # fmt: skip


class Claims:
    """Asks the sources, and says what is new or must be said again. Safe to call from any thread.

    Args:
        sources: Each returns everything that it says now.
        clock: Clock of the run.
        held: Places that held an open incident when the program started: if nobody says anything
            of them any more, that has to be told once.
    """

    def __init__(
        self, sources: Sequence[Callable[[], list[Claim]]], clock: Clock, held: Iterable[Place]
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._lock = threading.Lock()
        self._places: dict[Place, None] = dict.fromkeys(held)
        self._said: dict[Place, tuple[Finding, float]] = {}
        self._looked_s = clock.monotonic_s() - LOOK_S
        self._last: list[list[Claim]] = [[] for _ in self._sources]

    def findings(self) -> list[Finding]:
        """Return what is new, and what has to be said again so that it does not run out.

        Raises:
            SQLAlchemyError: A source could not be read; what was said before stands meanwhile.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._looked_s < LOOK_S:
                return []
            self._looked_s = now_s
            self._look()
            claims = [claim for said in self._last for claim in said]
            found = findings_of(claims, self._places, self._clock.now_ms())
            due = []
            for finding in found:
                place = (Key(finding.zone, finding.hazard), finding.rule)
                self._places[place] = None
                before = self._said.get(place)
                if before is None or _differs(before[0], finding) or now_s - before[1] >= REFRESH_S:
                    self._said[place] = (finding, now_s)
                    due.append(finding)
            return due

    def _look(self) -> None:
        """Ask each source; what one can't say goes on as it was: it must not end the watch."""
        for number, source in enumerate(self._sources):
            try:
                self._last[number] = source()
            except SQLAlchemyError:
                raise
            except Exception:
                log.exception("what others said can't be read; the last of it stands")


def _differs(before: Finding, now: Finding) -> bool:
    return (before.grade, before.condition, before.certainty, before.because.source) != (
        now.grade, now.condition, now.certainty, now.because.source,
    )  # fmt: skip
