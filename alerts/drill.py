r"""A drill: what was asked, how far it is, why it ended, and what its evidence is. Pure.

    preparing --every program takes part, the scenario starts--> running --> finished
        \------------------------------------------------------------\--> aborted

An ended drill stays as it is, but for its evidence.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alerts.incident import Incident
from core.community import Community
from core.drill import FASTEST, DrillError, DrillPhase, DrillStatement, drill_community
from core.finding import Condition, Hazard
from core.grade import Grade
from core.wording import HAZARDS

# Programs whose part in the live chain a drill needs; each says so before the scenario starts.
PROGRAMS = frozenset({"ingest", "detectors"})
# Wall seconds without a sign of life of the program that plays the scenario, after which nobody
# plays it any more. Choice of this project: it gives one every two seconds.
RUNNER_GONE_S = 60.0
# Wall seconds in which every program must have said that it takes part.
READY_WITHIN_S = 30.0
# No drill is longer than this, wall seconds: it would stand in the way of the next.
LONGEST_WALL_S = 12 * 3600.0


class DrillState(StrEnum):
    """How far it is."""

    PREPARING = "preparing"
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


class BrokenOff(StrEnum):
    """Why the program that plays it breaks it off: told to, or it could not begin."""

    ASKED = "asked"
    PROGRAMS = "programs"
    TWINS = "twins"


class DrillAim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as passed. Seconds of people and networks are wall time.

    Attributes:
        grade: Grade that must be reached.
        detect_s: Run seconds from the onset of the danger to the first warning; None: no claim.
        notify_s: Wall seconds from the warning to the first accepted message. Choice of this
            project: a person should hold it in the hand within a minute.
        take_over_s: Wall seconds from the warning until somebody has taken over; None: nobody is
            expected to (a drill of the machine alone). Choice of this project: as long as an
            untold orange or red waits until it is announced to everybody (`Patience`).
    """

    grade: Grade
    detect_s: float | None = None
    notify_s: float = 60.0
    take_over_s: float | None = 300.0


class DrillPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of a drill.

    Attributes:
        scenario: Name of the scenario, for people.
        zone, hazard: Where and what.
        sensors: Real sensors whose twins take part.
        duration_s: How long it plays, run seconds.
        onset_s: When the danger begins, run seconds after the start.
        pace: How much faster than it would really be the scenario passes.
        aim: What counts as passed.
        with_outputs: True if sirens and lights may be switched.
        with_residents: True if residents are told, too, where a ladder names them.
        by: Who asked, an id.
    """

    scenario: str
    zone: str
    hazard: Hazard
    sensors: tuple[str, ...]
    duration_s: float
    onset_s: float
    pace: float = 1.0
    aim: DrillAim
    with_outputs: bool = False
    with_residents: bool = False
    by: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was made of a drill: where, and the SHA-256 of its bytes."""

    path: str
    sha256: str
    at: int


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One drill. Times are run time (ms) unless their name says wall; 0 while they are not.

    Attributes:
        id: Slug.
        plan: What was asked.
        speed: Of the run's clock.
        state: How far it is.
        asked_at: When.
        ready: Programs that take part.
        began_at: Second 0 of the scenario.
        ended_at: When it ended.
        until: When it is over at the latest.
        beat_wall: Last sign of life of the program that plays it, wall ms.
        why: How it was broken off: `actual`, `asked`, `runner`, `time`, or as `BrokenOff` has it;
            else "".
        blocked_by: The actual incident that broke it off, 0 if none.
        ended_by: Who ended it, an id; "system" if it ended by itself.
        evidence: Its files, oldest first.
    """

    id: str
    plan: DrillPlan
    speed: float
    state: DrillState = DrillState.PREPARING
    asked_at: int
    ready: tuple[str, ...] = ()
    began_at: int = 0
    ended_at: int = 0
    until: int
    beat_wall: int
    why: str = ""
    blocked_by: int = 0
    ended_by: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def over(self) -> bool:
        """True once it has ended."""
        return self.ended_at != 0

    @property
    def complete(self) -> bool:
        """True once every program takes part."""
        return set(self.ready) >= PROGRAMS

    @property
    def onset_at(self) -> int:
        """When the danger begins, run time (ms); 0 while it has not begun to play."""
        return self.began_at + round(self.plan.onset_s * 1000) if self.began_at else 0

    @property
    def statement(self) -> DrillStatement:
        """What programs are told."""
        return DrillStatement(
            id=self.id,
            zone=self.plan.zone,
            sensors=self.plan.sensors,
            phase=DrillPhase.ENDED if self.over else DrillPhase.RUNNING,
            until=self.until,
        )


def check_plan(plan: DrillPlan, community: Community, speed: float) -> None:
    """Refuse a plan that makes no sense at this place.

    Args:
        plan: What is asked.
        community: The profile.
        speed: Of the run's clock.

    Raises:
        DrillError: The message says why.
    """
    if community.zone_of(plan.zone) is None:
        known = ", ".join(zone.id for zone in community.zone)
        raise DrillError(
            f"zone {plan.zone!r}: expected one of {known}",
            f"没有区域 {plan.zone!r}，应为 {known} 之一",
        )
    twins = drill_community(community, plan.sensors)
    if not any((one.zone, one.hazard) == (plan.zone, plan.hazard) for one in twins.sensor):
        raise DrillError(
            f"zone {plan.zone!r}: none of the sensors watches for {plan.hazard}",
            f"{community.place(plan.zone, 'zh')}：参加的传感器都不监测{HAZARDS[plan.hazard][0]}",
        )
    wall_s = plan.duration_s / speed
    if not 0 < wall_s <= LONGEST_WALL_S:
        raise DrillError(
            f"it would take {wall_s:.0f} s: expected above 0, at most {LONGEST_WALL_S:.0f} s",
            f"演练要 {wall_s:.0f} 秒：应大于 0，最多 {LONGEST_WALL_S:.0f} 秒",
        )
    if not 0 <= plan.onset_s <= plan.duration_s or not 0 < plan.pace <= FASTEST:
        raise DrillError(
            f"onset_s must lie within the drill, pace above 0 and at most {FASTEST:g}",
            f"险情须在演练时间内开始（onset_s），节奏 pace 大于 0、最多 {FASTEST:g}",
        )
    aim = plan.aim
    if any(
        one is not None and not 0 < one <= LONGEST_WALL_S for one in (aim.notify_s, aim.take_over_s)
    ):
        raise DrillError(
            f"aim: seconds above 0 and at most {LONGEST_WALL_S:.0f} are expected",
            f"目标时间须大于 0、最多 {LONGEST_WALL_S:.0f} 秒",
        )


def unknown_drill(name: str) -> DrillError:
    """Return the refusal of an id that no drill has."""
    return DrillError(f"drill {name[:60]}: there is none", f"没有编号为 {name[:60]} 的演练")


def joined(drill: Drill, program: str) -> Drill:
    """Return the drill in which *program* takes part."""
    if drill.over or program not in PROGRAMS or program in drill.ready:
        return drill
    return msgspec.structs.replace(drill, ready=tuple(sorted((*drill.ready, program))))


def begun(drill: Drill, at: int) -> Drill:
    """Return the drill whose scenario starts at *at* (run ms).

    Raises:
        DrillError: It is over, has begun already, or not every program takes part.
    """
    if drill.state is not DrillState.PREPARING:
        raise DrillError(
            f"drill {drill.id} is {drill.state}: it can't begin",
            f"演练 {drill.id} 已过准备阶段，不能再开始",
        )
    if not drill.complete:
        missing = ", ".join(sorted(PROGRAMS - set(drill.ready)))
        raise DrillError(
            f"drill {drill.id}: {missing} does not take part (yet)",
            f"演练 {drill.id}：程序 {missing} 还没有参加",
        )
    return msgspec.structs.replace(drill, state=DrillState.RUNNING, began_at=at)


def finished(drill: Drill, by: str, at: int) -> Drill:
    """Return the drill that came to its end.

    Raises:
        DrillError: It does not run.
    """
    if drill.state is not DrillState.RUNNING:
        raise DrillError(
            f"drill {drill.id} is {drill.state}: it can't come to its end",
            f"演练 {drill.id} 不在进行中，不能结束",
        )
    return msgspec.structs.replace(drill, state=DrillState.FINISHED, ended_at=at, ended_by=by)


def aborted(drill: Drill, why: str, at: int, *, by: str = "system", blocked_by: int = 0) -> Drill:
    """Return the drill that was broken off.

    Raises:
        DrillError: It is over already.
    """
    if drill.over:
        raise DrillError(f"drill {drill.id} is {drill.state} already", f"演练 {drill.id} 已经结束")
    return msgspec.structs.replace(
        drill,
        state=DrillState.ABORTED,
        ended_at=at,
        why=why,
        ended_by=by,
        blocked_by=blocked_by,
    )


def threatens(incident: Incident) -> bool:
    """Tell whether an actual incident leaves no room for a drill: yellow or higher, not over.

    Trouble of a device that somebody has taken over is being looked after and hides nothing.
    """
    if incident.grade < Grade.YELLOW or incident.condition is Condition.CLEARED:
        return False
    return not (incident.hazard is Hazard.EQUIPMENT and incident.acknowledged)


def overdue(drill: Drill, now: int, wall: int) -> str:
    """Return why a drill can't go on by the passing of time alone, "" if it can.

    Args:
        drill: The drill.
        now: Run time (ms).
        wall: Wall time (ms).
    """
    if drill.over:
        return ""
    if wall - drill.beat_wall >= RUNNER_GONE_S * 1000:
        return "runner"
    return "time" if now >= drill.until else ""
