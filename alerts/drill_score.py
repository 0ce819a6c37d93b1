"""How a drill went: out of its incidents, their journals and their notifications. Pure.

Times to detect are run time: the world passes at that speed. Times of networks and people are wall
time, because a fast run makes nobody faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from alerts.drill import Drill, DrillState
from alerts.incident import Event, Happening, Incident, Kind
from core.grade import Grade


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was measured.

    Attributes:
        what: detected, grade, notified, taken-over, reached, steps, marked or played.
        value: The figure in seconds or a count, None if it never came about.
        target: What was aimed at, None where nothing was.
        passed: None where nothing was aimed at.
        detail: Slugs or ids that explain it.
    """

    what: str
    value: float | None = None
    target: float | None = None
    passed: bool | None = None
    detail: tuple[str, ...] = ()


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one person was reached over one channel.

    Attributes:
        contact, channel: Ids.
        accepted: How many messages the channel took, of `sent`.
        first_s: Wall seconds from an announcement to its acceptance, the first one; None if never.
        detail: What the channel said when it did not take one.
    """

    contact: str
    channel: str
    sent: int
    accepted: int
    first_s: float | None = None
    detail: str = ""


class DrillScore(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `passed` is true if every measure with a target has passed."""

    passed: bool
    measures: tuple[Measure, ...]
    reach: tuple[Reach, ...] = ()
    incidents: tuple[int, ...] = ()

    def measure(self, what: str) -> Measure | None:
        """Return one measure."""
        return next((one for one in self.measures if one.what == what), None)


class Story(msgspec.Struct, frozen=True):
    """One incident of a drill with its journal and its outbox rows."""

    incident: Incident
    events: Sequence[Event]
    rows: Sequence[Mapping[str, object]]


def score(drill: Drill, stories: Sequence[Story]) -> DrillScore:
    """Return how a drill went, so far or in the end.

    Args:
        drill: The drill.
        stories: Its incidents; those of another hazard or zone count for who was reached only.
    """
    ours = [
        story
        for story in stories
        if (story.incident.zone, story.incident.hazard) == (drill.plan.zone, drill.plan.hazard)
    ]
    main = min(ours, key=lambda story: story.incident.number, default=None)
    reach = _reach(drill, stories)
    measures = (
        _played(drill),
        _detected(drill, main),
        _graded(drill, main),
        _notified(drill, main),
        _taken_over(drill, main),
        _reached(reach),
        *_steps(main),
        _marked(stories),
    )
    return DrillScore(
        passed=all(one.passed is not False for one in measures),
        measures=measures,
        reach=reach,
        incidents=tuple(story.incident.number for story in stories),
    )


def _played(drill: Drill) -> Measure:
    """It came to its end; what was broken off proves nothing."""
    detail = (drill.why,) if drill.why else ()
    return Measure(what="played", passed=drill.state is DrillState.FINISHED, detail=detail)


def _detected(drill: Drill, main: Story | None) -> Measure:
    target = drill.plan.aim.detect_s
    if main is None or not drill.began_at:
        return Measure(what="detected", target=target, passed=False)
    late_s = (main.incident.opened_at - drill.onset_at) / 1000
    return Measure(
        what="detected",
        value=round(late_s, 1),
        target=target,
        passed=True if target is None else late_s <= target,
    )


def _graded(drill: Drill, main: Story | None) -> Measure:
    aim = drill.plan.aim.grade
    peak = main.incident.peak if main is not None else Grade.GREEN
    return Measure(what="grade", value=int(peak), target=int(aim), passed=peak >= aim)


def _wall_s(drill: Drill, start: int, end: int) -> float:
    return round((end - start) / 1000 / drill.speed, 2)


def _notified(drill: Drill, main: Story | None) -> Measure:
    target = drill.plan.aim.notify_s
    told = _first(main, lambda event: event.what is Happening.TOLD and event.kind is Kind.ALERT)
    if main is None or told is None:
        return Measure(what="notified", target=target, passed=False)
    value = _wall_s(drill, main.incident.opened_at, told.at)
    return Measure(
        what="notified", value=value, target=target, passed=value <= target,
        detail=(told.contact, told.channel),
    )  # fmt: skip


def _taken_over(drill: Drill, main: Story | None) -> Measure:
    target = drill.plan.aim.take_over_s
    taken = _first(main, lambda event: event.what is Happening.ACKNOWLEDGED)
    if main is None or taken is None:
        return Measure(what="taken-over", target=target, passed=None if target is None else False)
    value = _wall_s(drill, main.incident.opened_at, taken.at)
    return Measure(
        what="taken-over",
        value=value,
        target=target,
        passed=None if target is None else value <= target,
        detail=(taken.actor, taken.how),
    )


def _first(main: Story | None, wanted: Callable[[Event], bool]) -> Event | None:
    return next((event for event in main.events if wanted(event)), None) if main else None


def _reach(drill: Drill, stories: Sequence[Story]) -> tuple[Reach, ...]:
    found: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for story in stories:
        for row in story.rows:
            found.setdefault((str(row["contact"]), str(row["channel"])), []).append(row)
    return tuple(_reach_of(drill, *names, rows) for names, rows in sorted(found.items()))


def _reach_of(
    drill: Drill, contact: str, channel: str, rows: Sequence[Mapping[str, object]]
) -> Reach:
    # What was overtaken before it went out was told by the one that overtook it.
    sent = [row for row in rows if row["state"] != "superseded"]
    accepted = [row for row in sent if row["state"] == "accepted"]
    waits = [
        _wall_s(drill, int(str(row["created_at"])), int(str(row["changed_at"]))) for row in accepted
    ]
    failed = next((str(row["detail"]) for row in sent if row["state"] in ("failed", "dead")), "")
    return Reach(
        contact=contact,
        channel=channel,
        sent=len(sent),
        accepted=len(accepted),
        first_s=min(waits, default=None),
        detail=failed,
    )


def _reached(reach: Sequence[Reach]) -> Measure:
    """Everybody who was addressed was reached over at least one channel."""
    people = {one.contact for one in reach if one.sent}
    reached = {one.contact for one in reach if one.accepted}
    return Measure(
        what="reached",
        value=len(reached),
        target=len(people),
        passed=bool(people) and reached >= people,
        detail=tuple(sorted(people - reached)),
    )


def _steps(main: Story | None) -> tuple[Measure, ...]:
    """How many steps of the response plan were done or skipped with a reason; told, not judged.

    A short drill can't pump out a garage: what was left undone is for the talk afterwards.
    """
    if main is None or not main.incident.steps:
        return ()
    steps = [step.id for step in main.incident.steps]
    undone = tuple(name for name in steps if name not in main.incident.done)
    done = len(steps) - len(undone)
    return (Measure(what="steps", value=done, target=len(steps), detail=undone),)


def _marked(stories: Sequence[Story]) -> Measure:
    """No message left that did not say that it belongs to a drill."""
    payloads = [msgspec.json.decode(str(row["payload"])) for one in stories for row in one.rows]
    bare = sum(payload.get("exercise") is not True for payload in payloads)
    return Measure(what="marked", value=bare, target=0, passed=bare == 0)
