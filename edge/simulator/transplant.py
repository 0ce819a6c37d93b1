"""A scenario in another place: what happens there happens here, to the twins of a drill. Pure.

What belongs to the scenario's own place (its sensors, limits, broken devices) stays behind: the
place of the drill has its own sensors and its own limits. What a good system should say there is
not copied either, but worked out: the true values of the moved world, through the limit step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from core.community import Community, SensorEntry
from core.drill import FASTEST, DrillError, drill_community
from core.finding import Hazard
from core.grade import Grade
from core.limits import LimitRule, fresh_state, step
from core.quantity import FACTS, Quantity
from core.wording import HAZARDS
from edge.simulator.phenomena import Event
from edge.simulator.program import Program
from edge.simulator.recording import is_count, load_window
from edge.simulator.scenario import Play, Scenario, Truth

# Samples that the expectation looks at, at most: a long scenario is looked at less often.
_MOST_STEPS = 50_000
# Paces and intervals (s) that a refused drill is tried with, to say which one would do.
_GENTLER = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0)
_OFTENER_S = (300.0, 120.0, 60.0, 30.0, 10.0, 5.0, 1.0)
_Placed = TypeVar("_Placed", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the limits of the place make of the true values.

    Attributes:
        grade: Highest grade that a limit gives; green if none is reached.
        first_s: When the first limit is reached, seconds of the scenario.
        worst_s: When that highest grade is reached.
        sensor, quantity: The twin that reaches it.
    """

    grade: Grade
    first_s: float
    worst_s: float
    sensor: str
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Transplant:
    """A scenario that plays in a drill.

    Attributes:
        scenario: For the simulator: with the twins' intervals in seconds of the scenario.
        community: The twins, as every program makes them from the profile.
        sensors: The real sensors whose twins take part.
        hazard: What it is about.
        expected: What should come of it.
    """

    scenario: Scenario
    community: Community
    sensors: tuple[str, ...]
    hazard: Hazard
    expected: Expected


def transplant(
    scenario: Scenario, community: Community, zone: str, pace: float = 1.0
) -> Transplant:
    """Return *scenario* as it plays in *zone* of the real *community*.

    Args:
        scenario: What happens somewhere.
        community: The profile.
        zone: Where it plays.
        pace: How much faster than it really would it passes.

    Raises:
        DrillError: It can't play there; the message says why.
    """
    if community.zone_of(zone) is None:
        known = ", ".join(one.id for one in community.zone)
        raise DrillError(
            f"zone {zone!r}: expected one of {known}", f"没有区域 {zone!r}，应为 {known} 之一"
        )
    if not 0 < pace <= FASTEST:
        raise DrillError(
            f"--pace {pace:g}: expected above 0 and at most {FASTEST:g}",
            f"--pace {pace:g}：应大于 0，最多 {FASTEST:g}",
        )
    truth = _main_truth(scenario, zone)
    sensors = _taking_part(community, zone, truth.hazard)
    twins = drill_community(community, sensors)
    if pace != 1.0 and any(FACTS[one].cumulative for s in twins.sensor for one in s.quantities):
        raise DrillError(
            "pace: counters count people in an interval; passing faster there would be more of"
            " them",
            "计数传感器数的是一段时间内的人数，加快节奏（--pace）会变成更多的人：请用 --pace 1",
        )
    moved = _moved(scenario, truth, zone, twins, pace)
    expected = expectation(moved, twins, pace)
    if expected.grade is Grade.GREEN:
        raise _nothing_to_find(moved, twins, zone, pace)
    return Transplant(moved, twins, sensors, truth.hazard, expected)


def _nothing_to_find(moved: Scenario, twins: Community, zone: str, pace: float) -> DrillError:
    """Return why no limit is reached: not at all, at this pace, or by sensors that look too seldom.

    A peak that is over between two readings is not found. If that is so at the true pace, the
    sensors would miss it in earnest, too, and whoever asks for the drill should know.
    """
    slow_s = max(twin.interval_s for twin in twins.sensor)
    gentle = next((one for one in _GENTLER if one < pace and _finds(moved, twins, one)), None)
    if gentle is not None:
        return DrillError(
            f"at --pace {pace:g} a reading comes once in {slow_s * pace:g} s of scenario"
            f" {moved.id}, too seldom to find its peak in {zone}: try --pace {gentle:g}",
            f"--pace {pace:g} 时，{zone} 的传感器在情景 {moved.id} 里每 {slow_s * pace:g} 秒"
            f"才有一个读数，会错过峰值：请用 --pace {gentle:g}",
        )
    often_s = next(
        (one for one in _OFTENER_S if one < slow_s and _finds(moved, _every(twins, one), 1.0)), None
    )
    if often_s is not None:
        return DrillError(
            f"the sensors in {zone} report every {slow_s:g} s: they would miss the peak of scenario"
            f" {moved.id}, in earnest, too. Let them report every {often_s:g} s (interval_s in"
            " community.toml), or choose a slower scenario",
            f"{zone} 的传感器每 {slow_s:g} 秒才报一次，会错过情景 {moved.id} 的峰值，"
            "真出事时也一样。"
            f"请把 community.toml 的 interval_s 改为 {often_s:g} 秒，或换一个更慢的情景",
        )
    return DrillError(
        f"scenario {moved.id} reaches no limit in {zone}: there would be nothing to find",
        f"情景 {moved.id} 在 {zone} 达不到任何限值，无可发现",
    )


def _finds(moved: Scenario, twins: Community, pace: float) -> bool:
    return expectation(moved, twins, pace).grade is not Grade.GREEN


def _every(twins: Community, interval_s: float) -> Community:
    """Return the twins as they would be if none reported less often."""
    sensors = tuple(
        msgspec.structs.replace(twin, interval_s=min(twin.interval_s, interval_s))
        for twin in twins.sensor
    )
    return msgspec.structs.replace(twins, sensor=sensors)


def _main_truth(scenario: Scenario, zone: str) -> Truth:
    """Return what the scenario is about: its truth of this very zone, else its first one."""
    found = [truth for truth in scenario.truth if truth.hazard is not Hazard.EQUIPMENT]
    if not found:
        raise DrillError(
            f"scenario {scenario.id}: nothing dangerous happens in it",
            f"情景 {scenario.id} 里没有险情，无可演练",
        )
    return next((truth for truth in found if truth.zone == zone), found[0])


def _taking_part(community: Community, zone: str, hazard: Hazard) -> tuple[str, ...]:
    """Return the sensors that watch for the hazard there, and those whose air they ask for."""
    watching = [s for s in community.sensor if (s.zone, s.hazard) == (zone, hazard)]
    if not watching:
        raise DrillError(
            f"zone {zone!r}: no sensor watches for {hazard}, nothing could find it",
            f"{zone!r} 没有监测{HAZARDS[hazard][0]}的传感器，什么也发现不了",
        )
    names = [sensor.id for sensor in watching]
    names += [sensor.air_temperature for sensor in watching if sensor.air_temperature]
    return tuple(dict.fromkeys(names))


def _moved(scenario: Scenario, truth: Truth, zone: str, twins: Community, pace: float) -> Scenario:
    return msgspec.structs.replace(
        scenario,
        sensors=None,
        interval_s={twin.id: twin.interval_s * pace for twin in twins.sensor},
        zone=(),
        sensor=(),
        limit=(),
        basin=_placed(scenario.basin, truth.zone, zone),
        gate=_placed(scenario.gate, truth.zone, zone),
        room=_placed(scenario.room, truth.zone, zone),
        event=_events(scenario, truth.zone, zone),
        fault=(),
        truth=(msgspec.structs.replace(truth, zone=zone),),
        play=_plays(scenario, twins, zone),
    )


def _placed(entries: tuple[_Placed, ...], source: str, zone: str) -> tuple[_Placed, ...]:
    """Return the physics of the scenario's place, as that of the drill's."""
    return tuple(
        msgspec.structs.replace(entry, zone=zone)
        for entry in entries
        if getattr(entry, "zone", None) == source
    )


def _events(scenario: Scenario, source: str, zone: str) -> tuple[Event, ...]:
    """Return what happens there or everywhere (rain, smog)."""
    return tuple(
        msgspec.structs.replace(event, zone=zone) if hasattr(event, "zone") else event
        for event in scenario.event
        if getattr(event, "zone", source) == source
    )


def _plays(scenario: Scenario, twins: Community, zone: str) -> tuple[Play, ...]:
    """Return recordings for every twin that measures what they hold."""
    found = []
    driven: set[tuple[str, Quantity]] = set()
    for play in scenario.play:
        column = load_window(play.recording, play.channel, play.from_at, play.to_at, None)
        for twin in twins.sensor:
            for quantity in twin.quantities:
                fits = (
                    is_count(column.quantity)
                    if FACTS[quantity].cumulative
                    else column.quantity is quantity
                )
                if twin.zone == zone and fits and (twin.id, quantity) not in driven:
                    driven.add((twin.id, quantity))
                    found.append(
                        msgspec.structs.replace(play, sensor=twin.id, quantity=str(quantity))
                    )
    return tuple(found)


def expectation(scenario: Scenario, twins: Community, pace: float = 1.0) -> Expected:
    """Return what the limit step says of the true values, one reading an interval."""
    program = Program(scenario, twins)
    best = Expected(Grade.GREEN, 0.0, 0.0, "", Quantity.OTHER)
    first_s = float("inf")
    for twin in twins.sensor:
        for quantity in twin.quantities:
            for rule in twins.rules_of(twin, quantity):
                found = _reached(program, scenario, twin, quantity, rule, pace)
                if found.grade is Grade.GREEN:
                    continue
                first_s = min(first_s, found.first_s)
                if (found.grade, -found.worst_s) > (best.grade, -best.worst_s):
                    best = found
    if best.grade is Grade.GREEN:
        return best
    return Expected(best.grade, first_s, best.worst_s, best.sensor, best.quantity)


def _reached(
    program: Program,
    scenario: Scenario,
    twin: SensorEntry,
    quantity: Quantity,
    rule: LimitRule,
    pace: float,
) -> Expected:
    state = fresh_state(rule)
    # Dwell counts the time of the run; the world passes `pace` times as fast.
    step_s = max(twin.interval_s * pace, scenario.duration_s / _MOST_STEPS)
    before: float | None = None
    peak, first_s, worst_s = Grade.GREEN, 0.0, 0.0
    for number in range(int(scenario.duration_s / step_s) + 1):
        t_s = number * step_s
        value = program.sample(twin, quantity, t_s).value
        judged = value
        if FACTS[quantity].cumulative:  # judged as counts in an interval
            judged, before = (0.0 if before is None else value - before), value
        grade = step(rule, state, round(t_s / pace * 1000) + 1, judged)
        if grade > peak:
            first_s = t_s if peak is Grade.GREEN else first_s
            peak, worst_s = grade, t_s
    return Expected(peak, first_s, worst_s, twin.id, quantity)


def truths(scenario: Scenario, twins: Community, sensor: str, quantity: Quantity) -> list[float]:
    """Return the true values of one twin, in 400 steps of the scenario, for a chart."""
    program = Program(scenario, twins)
    entry = twins.sensor_of(sensor)
    assert entry is not None
    return [
        program.sample(entry, quantity, scenario.duration_s * number / 400).value
        for number in range(401)
    ]
