"""Incidents as pages show them: what, how bad, why, since when, who was told, and who has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.outcome_words import outcome_words
from alerts.views import ActedView, IncidentView, NotifiedView
from core.community import Community
from core.finding import Condition
from core.grade import Grade
from dashboards.console.marks import Mark, mark_of, normal_mark, unknown_mark
from dashboards.console.sensors import SensorView
from dashboards.console.words import Words

# A card shows the newest word on each way to each person; the incident's page shows all of them.
_CARD_NOTICES = 4


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification in words: to whom, by which channel, and what became of it.

    Attributes:
        tone: ok, waiting or failed, for the mark beside the words.
    """

    who: str
    channel: str
    kind: str
    state: str
    tone: str
    grade: Mark
    at: int
    attempts: int
    detail: str


@dataclass(frozen=True, slots=True)
class ActedLine:
    """What a station did by itself, in one line.

    Attributes:
        at, until, lasted: From when to when (0 while it lasts), and for how long.
        exact: False if the station had no clock: `at` is the latest possible time.
        tone: ok if its feedback heard it, failed if not, waiting if nobody knows.
    """

    at: int
    until: int
    lasted: str
    exact: bool
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """One incident.

    Attributes:
        mark, peak: Current and highest grade, drawn.
        state: active, unknown, cleared or closed.
        taken_by: Name of who has it, "" if nobody.
        notices: Newest word on each way to each person.
        more: How many notices the card leaves out.
        acted: What stations did by themselves.
        sensor: The series whose chart tells most, None if no series holds it.
    """

    view: IncidentView
    mark: Mark
    peak: Mark
    state: str
    place: str
    headline: str
    why: str
    taken_by: str
    notices: tuple[Notice, ...]
    more: int
    acted: tuple[ActedLine, ...]
    sensor: SensorView | None

    @property
    def number(self) -> int:
        """Short number for speech and messages."""
        return self.view.number


def incident_card(
    view: IncidentView,
    community: Community,
    sensors: Sequence[SensorView],
    words: Words,
    *,
    every_notice: bool = False,
) -> IncidentCard:
    """Return one incident as shown."""
    by_key = {sensor.key: sensor for sensor in sensors}
    notices = [_notice(entry, community, words) for entry in view.notified]
    newest = notices if every_notice else _newest(notices)
    shown = newest if every_notice else newest[:_CARD_NOTICES]
    return IncidentCard(
        view=view,
        mark=_mark(view, words),
        peak=mark_of(view.peak, Condition.ACTIVE, words),
        state="closed" if not view.open else str(view.condition),
        place=community.place(view.zone, words.language),
        headline=view.headline.in_language(words.language),
        why=view.why.in_language(words.language),
        taken_by=community.contact_name(view.acknowledged_by) if view.acknowledged else "",
        notices=tuple(shown),
        more=len(view.notified) - len(shown),
        acted=tuple(_acted(entry, words) for entry in view.acted),
        sensor=next((by_key[name] for name in view.subjects if name in by_key), None),
    )


def _acted(entry: ActedView, words: Words) -> ActedLine:
    lasted = words.duration((entry.until - entry.at) / 1000) if entry.until else ""
    return ActedLine(
        at=entry.at,
        until=entry.until,
        lasted=lasted,
        exact=entry.exact,
        tone={True: "ok", False: "failed", None: "waiting"}[entry.sounded],
        text=entry.text.in_language(words.language),
    )


def _mark(view: IncidentView, words: Words) -> Mark:
    """Return the mark of an incident; an open one whose state is unknown is never drawn green."""
    if view.condition is Condition.UNKNOWN and view.grade is Grade.GREEN:
        return unknown_mark(words)
    if not view.open:
        return normal_mark(words)
    return mark_of(view.grade, view.condition, words)


def _notice(entry: NotifiedView, community: Community, words: Words) -> Notice:
    tone = {"accepted": "ok", "failed": "failed", "dead": "failed"}.get(entry.state, "waiting")
    return Notice(
        who=community.contact_name(entry.contact),
        channel=entry.channel,
        kind=words.notice_kind(entry.kind),
        state=words.notice_state(entry.state),
        tone=tone,
        grade=mark_of(entry.grade, Condition.ACTIVE, words),
        at=entry.at,
        attempts=entry.attempts,
        detail=outcome_words(entry.detail, words.language),
    )


def _newest(notices: list[Notice]) -> list[Notice]:
    """Return the newest notice of each way to each person; `notified` is newest first."""
    seen: dict[tuple[str, str], Notice] = {}
    for notice in notices:
        seen.setdefault((notice.who, notice.channel), notice)
    return list(seen.values())
