"""Withholding: what people are not told for a while, by whom, why, until when. Pure.

Three kinds (ISA-18.2), one axis of its own: the process condition goes on being recorded, incidents
open, rise, clear and close as ever; only announcements of what is withheld are not made.

* shelved: an operator hides it for a while; an end is a must, a day at most;
* suppressed: hidden on purpose by a standing rule of the place;
* out-of-service: the instrument is being worked on.

Red can't be hidden silently: at red a finding breaks through, whatever shelves or suppresses it.
Only a sensor out of service, for which two persons stand, is silent at red as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from alerts.views import IncidentError
from core.finding import Hazard
from core.grade import Grade

# Longest shelving. Our choice: one duty day; what lasts longer is no passing nuisance.
MAX_SHELF_MS = 24 * 3_600_000
# The owner is reminded when a tenth of the time is left: 5 minutes to an hour before the end.
_REMIND_SHARE = 0.1
_REMIND_LEAST_MS, _REMIND_MOST_MS = 300_000, 3_600_000
# What has no end is put before people again every day.
REMIND_ENDLESS_MS = 24 * 3_600_000
_REASON_LENGTH = 500


class WithholdingKind(StrEnum):
    """Why something is not told."""

    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out-of-service"


class Scope(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is meant: every part that is given must fit.

    Attributes:
        zone, hazard: Of the incident.
        sensor: Id of an instrument, all its quantities.
        rule: Name of a detector's rule.
    """

    zone: str = ""
    hazard: Hazard | None = None
    sensor: str = ""
    rule: str = ""

    def covers(self, name: str, zone: str, hazard: Hazard) -> bool:
        """Tell whether a finding (subject and rule, separated by a blank) is meant.

        >>> Scope(sensor="gauge-1").covers("gauge-1.water-level rise", "road", Hazard.FLOOD)
        True
        """
        subject, _, rule = name.partition(" ")
        sensor = subject.partition(".")[0]
        return (
            self.zone in ("", zone)
            and self.hazard in (None, hazard)
            and self.sensor in ("", sensor)
            and self.rule in ("", rule)
        )


class Withholding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One withholding. Times are run time (ms).

    Attributes:
        number: Short number.
        kind: Which of the three.
        scope: What is withheld.
        up_to: Highest grade that it hides; a worse finding breaks through.
        owner: Id of who answers for it.
        second: Id of the second person, needed to hide red.
        reason: Why.
        begun_at, until: From when to when; until 0 means no end.
        reminded_at: When its owner was reminded last, 0 if never.
        ended_at, ended_how, ended_by: When, how (expired, by-hand) and by whom it ended.
    """

    number: int
    kind: WithholdingKind
    scope: Scope
    up_to: Grade = Grade.YELLOW
    owner: str
    second: str = ""
    reason: str
    begun_at: int
    until: int = 0
    reminded_at: int = 0
    ended_at: int = 0
    ended_how: str = ""
    ended_by: str = ""

    @property
    def open(self) -> bool:
        """True until it has ended."""
        return self.ended_at == 0

    def hides(self, name: str, grade: Grade, zone: str, hazard: Hazard) -> bool:
        """Tell whether a finding of this grade is not told because of it."""
        return self.open and grade <= self.up_to and self.scope.covers(name, zone, hazard)


def check(asked: Withholding, now: int) -> None:
    """Check what somebody asks for.

    Raises:
        IncidentError: It can't be; the message says what is missing.
    """
    _check_scope(asked)
    if not asked.reason.strip() or len(asked.reason) > _REASON_LENGTH:
        raise IncidentError(
            f"a reason of 1 to {_REASON_LENGTH} characters is expected",
            f"请写明原因（最多 {_REASON_LENGTH} 字）",
        )
    if not asked.owner:
        raise IncidentError("an owner is expected: who answers for it?", "请写明负责人")
    if asked.until and asked.until <= now:
        raise IncidentError("the end must lie ahead", "结束时间必须在以后")
    if asked.up_to is Grade.GREEN:
        raise IncidentError("up_to: blue, yellow, orange or red is expected", "请选择级别")
    if asked.kind is WithholdingKind.SHELVED and not asked.until:
        raise IncidentError("shelving needs an end", "搁置必须有期限")
    if asked.kind is WithholdingKind.SHELVED and asked.until - now > MAX_SHELF_MS:
        raise IncidentError(
            "shelving lasts 24 h at most: take the sensor out of service",
            "搁置最长 24 小时；更久请停用传感器",
        )
    if asked.up_to is Grade.RED:
        _check_red(asked)


def _check_scope(asked: Withholding) -> None:
    scope = asked.scope
    if not (scope.sensor or scope.rule or (scope.zone and scope.hazard)):
        raise IncidentError(
            "withhold what? a sensor, a rule, or a zone and a hazard are expected",
            "隐藏什么？请选择传感器、规则，或区域加险情",
        )
    if asked.kind is WithholdingKind.OUT_OF_SERVICE and not scope.sensor:
        raise IncidentError("only a sensor can be out of service", "停用的只能是传感器")


def _check_red(asked: Withholding) -> None:
    if asked.kind is not WithholdingKind.OUT_OF_SERVICE:
        raise IncidentError(
            "red is never shelved or suppressed: it breaks through",
            "红色不能搁置或抑制：照样通知",
        )
    if not asked.second or asked.second == asked.owner:
        raise IncidentError(
            "to be silent at red, two different persons must stand for it",
            "红色也不通知，须由两个不同的人签署",
        )
    if not asked.until:
        raise IncidentError("to be silent at red, an end is needed", "红色也不通知，必须有期限")


def withheld(
    holders: Iterable[tuple[str, Grade]],
    withholdings: Iterable[Withholding],
    zone: str,
    hazard: Hazard,
) -> dict[str, int]:
    """Return which of the findings are not told, and by which withholding (its number)."""
    standing = list(withholdings)
    found = {}
    for name, grade in holders:
        cause = next((one for one in standing if one.hides(name, grade, zone, hazard)), None)
        if cause is not None:
            found[name] = cause.number
    return found


def remind_at(one: Withholding) -> int:
    """Return when (run ms) its owner is to be reminded next; 0 for not any more."""
    if not one.open:
        return 0
    if not one.until:
        return (one.reminded_at or one.begun_at) + REMIND_ENDLESS_MS
    if one.reminded_at:
        return 0
    lead = round((one.until - one.begun_at) * _REMIND_SHARE)
    return one.until - min(max(lead, _REMIND_LEAST_MS), _REMIND_MOST_MS)
