"""What others say: the worst counts, unknown holds, and a source that fails ends nothing."""

from __future__ import annotations

from alerts.board import Key
from alerts.claims import Claim, Claims, findings_of
from core.clock import ManualClock
from core.finding import Condition, Hazard
from core.grade import Grade

FLOOD = (Key("underpass", Hazard.FLOOD), "hook-g-flood")


def claim(grade: Grade, *, known: bool = True) -> Claim:
    return Claim(
        rule="hook-g-flood", zone="underpass", hazard=Hazard.FLOOD, grade=grade, since=5,
        source="g", known=known,
    )  # fmt: skip


def test_of_several_claims_on_one_place_the_worst_counts_even_if_it_is_unknown() -> None:
    (finding,) = findings_of([claim(Grade.BLUE), claim(Grade.RED, known=False)], [], 9)
    assert (finding.grade, finding.condition) == (Grade.RED, Condition.UNKNOWN)
    (finding,) = findings_of([claim(Grade.RED), claim(Grade.RED, known=False)], [], 9)
    assert finding.condition is Condition.ACTIVE


def test_what_nobody_says_any_more_is_told_to_be_over_once_and_again_before_it_runs_out() -> None:
    said = [claim(Grade.ORANGE)]
    clock = ManualClock()
    claims = Claims([lambda: said], clock, [])
    assert [one.grade for one in claims.findings()] == [Grade.ORANGE]
    clock.advance(2)
    assert claims.findings() == []
    said.clear()
    clock.advance(2)
    assert [one.condition for one in claims.findings()] == [Condition.CLEARED]
    clock.advance(61)
    assert [one.condition for one in claims.findings()] == [Condition.CLEARED]


def test_what_held_an_incident_before_a_restart_is_told_to_be_over() -> None:
    (finding,) = Claims([list], ManualClock(), [FLOOD]).findings()
    assert (finding.subject, finding.rule, finding.grade) == (
        "zone.underpass", "hook-g-flood", Grade.GREEN,
    )  # fmt: skip


def test_a_source_that_fails_goes_on_saying_what_it_said_and_stops_no_other() -> None:
    broken = False

    def first() -> list[Claim]:
        if broken:
            raise ValueError("a row that nobody can read")
        return [claim(Grade.ORANGE)]

    clock = ManualClock()
    other: list[Claim] = []
    claims = Claims([first, lambda: other], clock, [])
    claims.findings()
    broken = True
    other.append(claim(Grade.RED))
    clock.advance(61)
    assert [one.grade for one in claims.findings()] == [Grade.RED]
    other.clear()
    clock.advance(61)
    assert [one.grade for one in claims.findings()] == [Grade.ORANGE]
