"""The short way of a single good reading: the same arithmetic as the arrays, without their cost.

A numpy call costs the same for one number as for a hundred; below a few readings it is cheaper to
take each by itself. Whatever is rare (bad, uncertain and late readings, counters, rows that are not
quiet) goes the long way. The contract suite holds both ways together, bit by bit.
"""

from __future__ import annotations

from math import inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from detectors.batch import NO_REASON, Batch
from detectors.limit_lane import (
    BREACH,
    CLEAR,
    GOOD,
    LEVELS,
    MOST_MS,
    MOST_SAMPLES,
    NEVER,
    ON,
    LimitLane,
)
from detectors.plan import Source
from detectors.rates import HELD, LEAD_FLOOR, NO_LEAD_S
from detectors.slope_lane import LEARN, MIN_WEIGHT, SIGNIFICANT, SPIKE, TINY, SlopeLane

if TYPE_CHECKING:  # the bank imports this module
    from detectors.bank import Bank

# Up to this many readings the short way is the faster one (`bench detect` shows both).
FEW = 8
_CLEARED, _ACTIVE, _UNKNOWN = 0, 1, 2


def is_plain(bank: Bank, batch: Batch, place: int) -> bool:
    """Tell whether the reading at *place* may go the short way."""
    value = batch.value.item(place)
    return (
        batch.quality.item(place) == GOOD
        and -inf < value < inf
        and not batch.late.item(place)
        and bank.counter_of.item(batch.slot.item(place)) < 0
    )


def judge_one(bank: Bank, slot: int, at: int, value: float) -> list[int]:
    """Judge one good, present reading; returns the rows whose grade or condition changed."""
    bank.reason[slot] = NO_REASON
    bank.absent[slot] = False
    warm, line = False, bank.slope_of.item(slot)
    if line >= 0 and at > bank.lines.last_at.item(line):
        warm = draw_one(bank.lines, line, at, value)
    learns = bool(bank.feeds) and at > bank.fed_at.item(slot)
    if learns:
        bank.fed_at[slot] = at
    fed: list[int] = []
    for row in bank.rows_of(slot):
        source = bank.rules[row].source
        if source is Source.VALUE:
            number = value
        elif source is Source.SHARE:
            number = _share(bank, slot, line, value)
            if number != number:  # noqa: PLR0124  # NaN: no base yet
                continue
        elif source is Source.LANE:
            number = _detected(bank, row, at, value) if learns else nan
            if not isfinite(number):
                continue
        elif not warm:
            continue
        else:
            number = _slope(bank, line, row) if source is Source.SLOPE else _lead(bank, slot, line)
        step_one(bank.lane, row, at, number)
        fed.append(row)
    return [row for row in fed if _moves(bank, row, at)]


def step_one(lane: LimitLane, row: int, at: int, value: float) -> None:
    """Do what `LimitLane.step` does with one good reading."""
    last = lane.last_at.item(row)
    if at <= last:
        return
    kind = lane.kind.item(row)
    signed = value * lane.kinds.sign.item(kind)
    if lane.busy.item(row) or signed >= lane.kinds.lowest.item(kind):
        _advance_one(lane, row, at, signed, last)
    if last == NEVER and not lane.grade.item(row):
        lane.since[row] = at
    lane.last_at[row] = at
    lane.unknown[row] = False
    lane.value[row] = value
    lane.quality[row] = GOOD


def _advance_one(lane: LimitLane, row: int, at: int, signed: float, last: int) -> None:
    """Do what `LimitLane._advance` does with one good reading."""
    kinds, kind = lane.kinds, lane.kind.item(row)
    gap = at - last
    seen = gap if gap <= kinds.gap_ms.item(kind) else 0
    limits, releases = kinds.limit[kind].tolist(), kinds.release[kind].tolist()
    flags, held = lane.flags[row].tolist(), lane.held_ms[row].tolist()
    samples = lane.up_samples[row].tolist()
    grade, busy = 0, False
    for level in range(LEVELS):
        was, held_ms = flags[level], held[level]
        breach, clear = signed >= limits[level], signed < releases[level]
        up = samples[level] = min(samples[level] + 1, MOST_SAMPLES) if breach else 0
        up_ms = max(held_ms, 0) + (seen if was & BREACH else 0) if breach else 0
        down_ms = max(-held_ms, 0) + (seen if was & CLEAR else 0) if clear else 0
        up_ms, down_ms = min(up_ms, MOST_MS), min(down_ms, MOST_MS)
        dwelt = up_ms >= kinds.dwell_up_ms.item(kind, level)
        raised = breach and dwelt and up >= kinds.samples.item(kind, level)
        left = clear and down_ms >= kinds.dwell_down_ms.item(kind, level)
        on = (bool(was & ON) or raised) and not left
        flags[level] = on * ON + breach * BREACH + clear * CLEAR
        held[level] = up_ms - down_ms
        busy = busy or on or up > 0
        grade = max(grade, kinds.grade_of.item(kind, level) if on else 0)
    lane.flags[row], lane.held_ms[row], lane.up_samples[row] = flags, held, samples
    lane.busy[row] = busy
    if grade != lane.grade.item(row):
        lane.since[row] = at
    lane.grade[row] = grade


def _detected(bank: Bank, row: int, at: int, value: float) -> float:
    """Return what the registered detector of *row* says of one good, newer reading."""
    feed, line = bank.line_of(row)
    return feed.lane.step(np.array([line]), np.array([at]), np.array([value])).item()


def _climbs(bank: Bank, line: int) -> bool:
    return bank.lines.slope.item(line) > SIGNIFICANT * bank.lines.error.item(line)


def _slope(bank: Bank, line: int, row: int) -> float:
    hourly: float = bank.lines.slope.item(line) * 3600.0
    lowest = bank.lane.kinds.lowest.item(bank.lane.kind.item(row))
    return hourly if _climbs(bank, line) else min(hourly, HELD * lowest)


def _lead(bank: Bank, slot: int, line: int) -> float:
    slope = bank.lines.slope.item(line)
    if slope <= 0.0 or not _climbs(bank, line):
        return NO_LEAD_S
    target, base = bank.target.item(slot), bank.lines.base.item(line)
    level = bank.lines.level.item(line)
    if not level > base + LEAD_FLOOR * (target - base):
        return NO_LEAD_S
    return min(max(target - level, 0.0) / slope, NO_LEAD_S)


def _share(bank: Bank, slot: int, line: int, value: float) -> float:
    base = bank.lines.base.item(line)
    way = bank.target.item(slot) - base
    if base != base:  # noqa: PLR0124  # NaN
        return float("nan")
    return (value - base) / way if way > 0.0 else 1.0


def draw_one(lines: SlopeLane, line: int, at: int, value: float) -> bool:
    """Do what `SlopeLane.step` does with one good, newer reading."""
    kind = lines.kind.item(line)
    gap_ms = at - lines.last_at.item(line)
    fresh = gap_ms > lines.reset_ms.item(kind)
    step_ms = 0 if fresh else gap_ms
    dt = step_ms / 1000.0
    decay = 0.0 if fresh else float(np.exp(-dt / lines.tau_s.item(kind)))
    s0, s1, y0 = lines.s0.item(line), lines.s1.item(line), lines.y0.item(line)
    s2 = decay * (lines.s2.item(line) - 2.0 * dt * s1 + dt * dt * s0)
    s1 = decay * (s1 - dt * s0)
    s0 = decay * s0
    y1 = decay * (lines.y1.item(line) - dt * y0)
    y0 = decay * y0
    floor = lines.floor.item(kind)
    variance = floor if fresh else lines.variance.item(line)
    den = s0 * s2 - s1 * s1
    spike = False
    if s0 > MIN_WEIGHT and den > TINY:
        slope = (s0 * y1 - s1 * y0) / den
        miss = value - (y0 - slope * s1) / s0
        squared = miss * miss
        spike = squared > SPIKE * SPIKE * variance and not lines.spiked.item(line)
        if not spike:
            variance = variance + (min(squared, 16.0 * variance) - variance) * LEARN
    variance = max(variance, floor)
    if not spike:
        s0 = s0 + 1.0
        y0 = y0 + value
    span = 0 if fresh else lines.span_ms.item(line) + step_ms
    lines.s0[line], lines.s1[line], lines.s2[line] = s0, s1, s2
    lines.y0[line], lines.y1[line] = y0, y1
    lines.variance[line], lines.span_ms[line] = variance, span
    lines.last_at[line], lines.spiked[line] = at, spike
    return _settle(lines, line, value, dt, span)


def _settle(lines: SlopeLane, line: int, value: float, dt: float, span: int) -> bool:
    """Set level, slope, error and base from the sums."""
    s0, s1, y0 = lines.s0.item(line), lines.s1.item(line), lines.y0.item(line)
    den = s0 * lines.s2.item(line) - s1 * s1
    drawn = s0 > MIN_WEIGHT and den > TINY
    slope = (s0 * lines.y1.item(line) - s1 * y0) / den if drawn else 0.0
    level = (y0 - slope * s1) / s0 if drawn else value
    lines.slope[line], lines.level[line] = slope, level
    safe = den if drawn else 1.0
    lines.error[line] = sqrt(2.0 * lines.variance.item(line) * s0 / safe)
    base = lines.base.item(line)
    base = level if base != base else base  # noqa: PLR0124  # NaN: the first level
    crept = base + (level - base) * min(1.0, dt / lines.base_tau_s.item(lines.kind.item(line)))
    lines.base[line] = min(crept, level)
    return bool(drawn and span >= lines.warm_ms.item(lines.kind.item(line)))


def _moves(bank: Bank, row: int, at: int) -> bool:
    """Do what `Bank._changed` does with one row."""
    lane = bank.lane
    bank.told_late[row] = 0
    was = bank.stated.item(row)
    unknown = lane.unknown.item(row)
    of_lane = lane.grade.item(row)
    grade = was if unknown else _lifted(bank, row, of_lane)
    condition = _UNKNOWN if unknown else _ACTIVE if grade else _CLEARED
    regraded = grade != was or bank.stated_since.item(row) == NEVER
    if not regraded and condition == bank.condition.item(row):
        return False
    if regraded:
        begun = lane.since.item(row)
        bank.stated_since[row] = begun if grade == of_lane and begun != NEVER else at
    bank.stated[row] = grade
    bank.condition[row] = condition
    return True


def _lifted(bank: Bank, row: int, grade: int) -> int:
    limit_row = bank.lift_row.item(row)
    if limit_row < 0 or not grade:
        return grade
    base = bank.lane.grade.item(limit_row)
    if base < bank.lift_from.item(row):
        return grade
    return max(grade, min(base + 1, bank.lift_cap.item(row)))
