"""Residents as one more kind of sensor: what they report becomes findings, and reaches the duty.

* A report is a finding of its own (`zone.<zone> resident-report`), blue and *possible*; from two
  places *likely*, still blue. What nobody has looked at never raises more than that.
* It holds until the duty has looked: confirmed, it becomes an observation by a named person, of the
  grade that they see; dismissed with a reason, it ends. Nothing runs out by itself: an unread
  report is not an all-clear.
* It is put before the duty at once: it opens an incident, or is told in the open one. In an open
  one a second message follows at the earliest after `AGAIN_MS`; the list shows each at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import msgspec

from alerts.announcer import REPORT_RULE, REPORTED
from alerts.board import Key
from alerts.claims import Claim, Claims, Place
from alerts.cycle import remark
from alerts.decisions import announcement
from alerts.incident import Event, Happening, Incident, Kind
from alerts.report_store import (
    CONFIRMED,
    DISMISSED,
    ENDED,
    Report,
    ReportError,
    ReportStore,
    Saying,
    clients,
)
from alerts.views import IncidentError
from alerts.watch import Watch
from core.clock import Clock
from core.community import Community
from core.finding import Certainty, Finding, Hazard
from core.grade import Grade
from core.wording import grade_words

OBSERVATION = "observation"
_VERDICTS = {CONFIRMED: "属实", DISMISSED: "不属实", ENDED: "已结束"}
# Who writes them into the journal: never who they are.
RESIDENT = "resident"
# A fire that a whole tower reports must not ring the duty's phone a hundred times: run time.
AGAIN_MS = 120_000
# From so many places a report counts as corroborated: two households that don't share a telephone.
AGREEING = 2
MOST_TEXT, MOST_NAME, MOST_PHONE, MOST_REASON = 500, 60, 30, 500
# What a resident can say; equipment is ours to find.
HAZARDS = (Hazard.FLOOD, Hazard.FIRE, Hazard.AIR, Hazard.CROWD)


class Reports:
    """The reports of one site. `say` may be called from any thread, `tick` by the watch's.

    Args:
        store: Where they are.
        watch: Keeps the incidents.
        community: For the zones.
        clock: Clock of the run.
        wake: Called after a change, so that it is told at once.
    """

    def __init__(
        self,
        store: ReportStore,
        watch: Watch,
        community: Community,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._watch = watch
        self._zones = {zone.id for zone in community.zone}
        self._site = community.site.id
        self._clock = clock
        self._wake = wake
        held: list[Place] = [
            (key, rule)
            for rule in (REPORT_RULE, OBSERVATION)
            for key, name in watch.holders(rule)
            if name.partition(" ")[2] == rule
        ]
        # When (run ms) an incident may be announced again because of reports.
        self._next_at: dict[int, int] = {}
        self._claims = Claims([self._standing], clock, held)

    def say(self, saying: Saying) -> int:
        """Take what a resident sends; return its number. The same form twice is one report.

        Raises:
            ReportError: It can't be taken as it is; the message says why.
        """
        if saying.zone not in self._zones and saying.zone != self._site:
            raise ReportError(
                f"zone {saying.zone[:40]!r}: there is none", f"没有区域 {saying.zone[:40]!r}"
            )
        if saying.hazard not in HAZARDS:
            raise ReportError(
                f"hazard {saying.hazard}: expected one of {', '.join(HAZARDS)}",
                f"险情应为 {'、'.join(HAZARDS)} 之一",
            )
        too_long = (
            len(saying.text) > MOST_TEXT
            or len(saying.name) > MOST_NAME
            or len(saying.phone) > MOST_PHONE
            or not 8 <= len(saying.nonce) <= 40
        )
        if too_long:
            raise ReportError("text, name or phone is too long", "内容、姓名或电话太长")
        number, fresh = self._store.keep(saying, self._clock.now_ms())
        if fresh:
            self._wake()
        return number

    def confirm(self, number: int, by: str, grade: Grade, note: str = "") -> Report:
        """Somebody has looked: it is so, and this bad (yellow or worse).

        Raises:
            ReportError: No such report, it was decided already, or the grade is too low.
        """
        if grade < Grade.YELLOW:
            raise ReportError(
                f"grade {grade.word}: expected yellow, orange or red", "等级应为黄色、橙色或红色"
            )
        return self._decide(number, CONFIRMED, by, grade, note)

    def dismiss(self, number: int, by: str, reason: str) -> Report:
        """Somebody has looked: it is not so.

        Raises:
            ReportError: No such report, it was decided already, or the reason is missing.
        """
        if not reason.strip():
            raise ReportError("why is it dismissed? a reason is expected", "请写明为什么判断不属实")
        return self._decide(number, DISMISSED, by, Grade.GREEN, reason)

    def end(self, number: int, by: str, note: str = "") -> Report:
        """What was confirmed is over; somebody has looked again.

        Raises:
            ReportError: No such report, or it is not confirmed.
        """
        return self._decide(number, ENDED, by, Grade.GREEN, note)

    def latest(self, limit: int = 100) -> list[Report]:
        """Return the newest reports, newest first."""
        return self._store.latest(limit)

    def waiting(self) -> list[Report]:
        """Return those that wait for a person, oldest first."""
        return [one for one in self._store.standing() if one.state != CONFIRMED]

    def erase(self, number: int) -> None:
        """Forget what was said and by whom.

        Raises:
            ReportError: No such report.
        """
        self._store.erase(number)

    def findings(self) -> list[Finding]:
        """Return what is new, and what has to be said again so that it does not run out."""
        return self._claims.findings()

    def tick(self) -> None:
        """Write new reports into the incidents that they belong to, and tell the duty."""
        keys = {Key(report.zone, report.hazard) for report in self._store.untold()}
        for key in keys:
            incident = self._watch.standing(key)
            now = self._clock.now_ms()
            if incident is None or now < self._next_at.get(incident.number, 0):
                continue
            self._watch.change(incident.number, partial(self._events, key))
            self._next_at = {incident.number: now + AGAIN_MS} | {
                number: at for number, at in self._next_at.items() if at > now
            }

    def _events(self, key: Key, incident: Incident, now: int) -> list[Event]:
        """Return what reports mean for their open incident; another program may have been first."""
        reports = [one for one in self._store.untold() if Key(one.zone, one.hazard) == key]
        if not reports:
            return []
        told = [
            Event(at=now, actor=RESIDENT, what=Happening.REPORTED, report=report.number)
            for report in reports
        ]
        opened = incident.first is not None and incident.first.name.endswith(f" {REPORT_RULE}")
        if opened and incident.seq == 1 and incident.opened_at >= reports[0].at:
            return told  # they have opened it, and the opening was announced
        grade = max(incident.told, incident.voiced, Grade.BLUE)
        again = announcement(incident, Kind.ALERT, grade, now)
        return [*told, msgspec.structs.replace(again, how=REPORTED)]

    def _decide(self, number: int, state: str, by: str, grade: Grade, reason: str) -> Report:
        now = self._clock.now_ms()
        reason = reason.strip()[:MOST_REASON]
        report = self._store.decide(number, state, by=by, now=now, grade=grade, reason=reason)
        if report.incident:
            text = verdict_text(number, state, grade, reason)
            with contextlib.suppress(IncidentError):  # it is over: the report itself keeps it
                self._watch.change(
                    report.incident, lambda incident, at: remark(incident, by, text[:500], at)
                )
        self._wake()
        return report

    def _standing(self) -> list[Claim]:
        """Return what residents and those who looked say now."""
        claims = []
        open_reports: dict[Key, list[Report]] = {}
        for report in self._store.standing():
            key = Key(report.zone, report.hazard)
            if report.state == CONFIRMED:
                claims.append(
                    Claim(
                        rule=OBSERVATION,
                        zone=key.zone,
                        hazard=key.hazard,
                        grade=report.grade,
                        since=report.decided_at,
                        source=f"R{report.number}",
                    )
                )
            else:
                open_reports.setdefault(key, []).append(report)
        for key, reports in open_reports.items():
            agreed = clients(reports) >= AGREEING
            claims.append(
                Claim(
                    rule=REPORT_RULE,
                    zone=key.zone,
                    hazard=key.hazard,
                    grade=Grade.BLUE,
                    certainty=Certainty.LIKELY if agreed else Certainty.POSSIBLE,
                    since=reports[0].at,
                    source=", ".join(f"R{one.number}" for one in reports[:5]),
                )
            )
        return claims


def verdict_text(number: int, state: str, grade: Grade, reason: str) -> str:
    """Return what somebody found out about a report, for the journal, in both languages.

    >>> verdict_text(1, CONFIRMED, Grade.YELLOW, "")
    'R1 属实，黄色 III 级 / confirmed, yellow (III)'
    >>> verdict_text(2, DISMISSED, Grade.GREEN, "洒水车")
    'R2 不属实 / dismissed: 洒水车'
    """
    zh, en = f"R{number} {_VERDICTS[state]}", state
    if grade:
        zh, en = f"{zh}，{grade_words(grade, 'zh')}", f"{en}, {grade_words(grade, 'en')}"
    return f"{zh} / {en}: {reason}" if reason else f"{zh} / {en}"
