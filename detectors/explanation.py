"""A row of the bank becomes a finding: what it says, how sure, and why, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.finding import Because, Certainty, Condition, Finding, Hazard
from core.grade import Grade
from core.limits import LimitRule
from core.quality import Quality
from detectors.batch import NO_REASON, REASONS
from detectors.limit_lane import NEVER, LimitLane
from detectors.plan import RulePlan, Source

if TYPE_CHECKING:  # the bank imports this module
    from detectors.bank import Bank

# Standard errors of the slope on either side of a lead (about 95 %).
BAND = 2.0
# Where a rule was judged: a lane, and the row of it.
Past = tuple[LimitLane, int]
_QUALITIES = tuple(Quality)
_CERTAINTY = {
    Source.VALUE: Certainty.OBSERVED,
    Source.SLOPE: Certainty.POSSIBLE,
    Source.LEAD: Certainty.POSSIBLE,
    Source.SHARE: Certainty.LIKELY,
}


def explain(
    bank: Bank, row: int, now_ms: int, *, late: bool = False, past: Past | None = None
) -> Finding:
    """Return what is stated of *row* now; with *late*, what its late readings have shown.

    Args:
        bank: Whose row.
        row: Which rule.
        now_ms: Run time of the statement.
        late: Tell the past instead of the present.
        past: Where the past was judged, if not in the bank's own lane.
    """
    source, place = past or (bank.lane, row)
    rule = bank.rules[row]
    slot = int(bank.row_slot[row])
    plan = bank.plans[slot]
    heard = int(source.last_at[place])
    spoken = late or (heard != NEVER and not bank.absent[slot])
    stamp = heard if spoken else now_ms
    if late:
        grade = Grade(int(source.grade[place]))
        condition = Condition.ACTIVE if grade else Condition.CLEARED
        since = int(source.since[place])
    else:
        grade = Grade(int(bank.stated[row]))
        condition = _CONDITIONS[int(bank.condition[row])]
        since = int(bank.stated_since[row])
    unknown = condition is Condition.UNKNOWN
    reason = int(bank.reason[slot])
    fault = REASONS[reason].value if unknown and reason != NO_REASON else ""
    if rule.of_sensor and condition is Condition.ACTIVE:
        fault = fault_of(rule)
    return Finding(
        subject=plan.series.subject,
        rule=rule.name,
        zone=plan.zone,
        hazard=Hazard.EQUIPMENT if rule.of_sensor else plan.hazard,
        grade=grade,
        condition=condition,
        certainty=_certainty(rule, grade, source, place),
        at=stamp,
        since=stamp if since == NEVER else since,
        judged=now_ms,
        late=late,
        score=float(round(score(source, place, grade), 4)),
        fault=fault,
        because=because(bank, row, (source, place), grade),
    )


_CONDITIONS = (Condition.CLEARED, Condition.ACTIVE, Condition.UNKNOWN)


def fault_of(rule: RulePlan) -> str:
    """Return the word for the fault that *rule* speaks of, "" if it speaks of the world."""
    fault = rule.detector.fault if rule.detector else None
    return fault.value if fault else ""


def _certainty(rule: RulePlan, grade: Grade, lane: LimitLane, row: int) -> Certainty:
    if rule.detector is not None:
        return rule.detector.certainty
    lifted = rule.source is Source.SLOPE and grade > lane.grade[row]
    return Certainty.LIKELY if lifted else _CERTAINTY[rule.source]


def score(lane: LimitLane, row: int, grade: Grade) -> float:
    """Return 0..1: below 0.5 while quiet; firing, an eighth for each grade and a part for the rest.

    Within a grade the score grows with the way from the limit of this grade to the next.
    """
    value = float(lane.value[row]) * float(lane.kinds.sign[lane.kind[row]])
    limits = lane.limits_of(row)
    if value != value:  # noqa: PLR0124  # NaN: no reading yet
        return 0.0 if grade is Grade.GREEN else 0.5 + 0.125 * (grade - 1)
    if grade is Grade.GREEN:
        lowest = float(limits[0])
        return min(0.49, max(0.0, 0.5 * value / lowest)) if lowest > 0 else 0.0
    index = lane.level_index(row)
    here, above = float(limits[index]), float(limits[min(index + 1, 3)])
    span = above - here if here < above < float("inf") else abs(here) or 1.0
    part = min(max((value - here) / span, 0.0), 0.999)
    return 0.5 + 0.125 * (grade - 1 + part)


def because(bank: Bank, row: int, judged: Past, grade: Grade) -> Because:
    """Return why *row* says what it says, judged at a place of a lane."""
    lane, place = judged
    rule = bank.rules[row]
    slot = int(bank.row_slot[row])
    plan = bank.plans[slot]
    value = _finite(float(lane.value[place]))
    index = lane.level_index(place)
    common = Because(
        unit=plan.unit,
        samples=int(lane.up_samples[place, index]),
        held_s=max(float(lane.held_ms[place, index]), 0.0) / 1000.0 or None,
        quality="" if value is None else _QUALITIES[int(lane.quality[place])].value,
        reasons=_reasons(int(bank.reason[slot])),
    )
    if rule.source is Source.VALUE:
        return _with_limit(common, rule.limits, index, value)
    if rule.detector is not None:
        feed, line = bank.line_of(row)
        return rule.detector.why(feed.lane, line, common)
    line = bank.slope_of.item(slot)
    level = _finite(float(bank.lines.level[line]))
    if rule.source is Source.SLOPE:
        note = "lifted" if grade > lane.grade[place] else ""
        return replace(common, value=level, rate_per_h=value, note=note)
    target = _finite(float(bank.target[slot])) or 0.0
    if rule.source is Source.LEAD:
        hourly = float(bank.lines.slope[line]) * 3600.0
        told = replace(common, value=level, limit=target, rate_per_h=hourly)
        return told if grade is Grade.GREEN else _with_lead(told, bank, slot, value)
    base = float(bank.lines.base[line])
    way = target - base
    told = _with_limit(common, rule.limits, index, None)
    return replace(
        told,
        value=None if value is None else base + value * way,
        limit=None if told.limit is None else _finite(base + told.limit * way),
        note="approach",
    )


def _with_lead(told: Because, bank: Bank, slot: int, lead_s: float | None) -> Because:
    """Add the lead and its band: the same way at a slope two standard errors steeper or flatter."""
    line = bank.slope_of.item(slot)
    slope, error = float(bank.lines.slope[line]), float(bank.lines.error[line])
    distance = max(float(bank.target[slot]) - float(bank.lines.level[line]), 0.0)
    flatter = slope - BAND * error
    return replace(
        told,
        lead_s=lead_s,
        lead_low_s=distance / (slope + BAND * error) if slope > 0.0 else None,
        lead_high_s=distance / flatter if flatter > 0.0 else None,
    )


def _with_limit(because: Because, rule: LimitRule, index: int, value: float | None) -> Because:
    level = rule.levels[min(index, len(rule.levels) - 1)]
    return replace(
        because,
        value=value,
        limit=level.limit,
        limit_grade=level.grade.word,
        side="high" if rule.high else "low",
    )


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _reasons(code: int) -> tuple[str, ...]:
    return () if code == NO_REASON else (REASONS[code].value,)
