"""Views for people and programs out of incidents, events and outbox rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts import stages
from alerts.fold import apply
from alerts.grading import Judgement
from alerts.incident import Event, Incident, Kind, StationAct
from alerts.journal_words import journal_text
from alerts.notification import urgency
from alerts.views import ActedView, IncidentView, JournalView, NotifiedView, OutboxView
from core.act import ActEvent
from core.act_wording import act_end, act_sentence
from core.community import Name
from core.finding import Condition
from core.grade import GRADE_FACTS, Grade


def incident_view(
    incident: Incident,
    live: Judgement | None,
    rows: Sequence[Mapping[str, object]],
    names: Mapping[str, str],
) -> IncidentView:
    """Return one incident as people see it.

    Args:
        incident: The state.
        live: What its findings say at this moment; its words are fresher than the journal's.
        rows: Outbox rows, newest first.
        names: Names that people typed, by id.
    """
    words = incident.judgement
    if live is not None and live.headline != Name() and live.grade == incident.grade:
        words = live
    return IncidentView(
        number=incident.number,
        zone=incident.zone,
        hazard=incident.hazard,
        condition=incident.condition,
        grade=incident.grade,
        peak=incident.peak,
        acknowledged=incident.acknowledged,
        acknowledged_by=names.get(incident.acknowledged_by, incident.acknowledged_by),
        acknowledged_at=incident.acknowledged_at,
        stage=str(incident.stage),
        opened_at=incident.opened_at,
        changed_at=incident.changed_at,
        closed_at=incident.closed_at,
        headline=marked(words.headline) if incident.exercise else words.headline,
        why=words.why,
        subjects=words.subjects,
        notified=tuple(notified_view(row) for row in rows),
        acted=acted_views(incident.acted),
        over_at=incident.over_at,
        severity=GRADE_FACTS[incident.grade or incident.peak].cap_severity,
        urgency=_urgency(incident),
        certainty=str(incident.judgement.certainty),
        first=_first(incident),
        described_at=incident.described_at,
        first_since=incident.first.since if incident.first else 0,
        missing=tuple(str(need) for need in stages.missing(incident)),
        hidden=incident.open and incident.hidden,
        withheld=tuple(sorted(set(incident.judgement.withheld.values()))),
        drill=incident.drill,
        exercise=incident.exercise,
    )


def _urgency(incident: Incident) -> str:
    past = incident.condition is Condition.CLEARED or not incident.open
    kind = Kind.CLEAR if past else Kind.ALERT
    return urgency(kind, incident.grade, forecast=incident.judgement.forecast)


def _first(incident: Incident) -> Name:
    """Return what came first, where something else has come to hold it since."""
    first = incident.first
    alone = first is not None and set(incident.judgement.holders) <= {first.name}
    return Name() if first is None or alone else first.headline


def marked(headline: Name) -> Name:
    """Return a headline that says itself that it belongs to a drill, wherever it is shown.

    >>> marked(Name(zh="水位 0.28 m", en="water level 0.28 m")).en
    '[DRILL] water level 0.28 m'
    """
    return Name(zh=f"【演练】{headline.zh}", en=f"[DRILL] {headline.en}")


def acted_views(acted: Sequence[StationAct]) -> tuple[ActedView, ...]:
    """Return what stations did: an `on` with its `off` and what was heard is one line."""
    ends = {(one.station, one.act.run): one for one in acted if one.act.event is ActEvent.OFF}
    begun = {(one.station, one.act.id) for one in acted if one.act.event is ActEvent.ON}
    views = []
    for one in acted:
        if one.act.event is ActEvent.HEARD or (
            one.act.event is ActEvent.OFF and (one.station, one.act.run) in begun
        ):
            continue  # told with its `on`
        end = ends.get((one.station, one.act.id))
        views.append(_acted_view(one, end))
    return tuple(views)


def _acted_view(one: StationAct, end: StationAct | None) -> ActedView:
    act = one.act
    words = [act_sentence(act, one.station, language) for language in ("zh", "en")]
    if end is not None:
        words = [
            f"{text}；{act_end(end.act, language)}"
            if language == "zh"
            else f"{text}; {act_end(end.act, language)}"
            for text, language in zip(words, ("zh", "en"), strict=True)
        ]
    return ActedView(
        station=one.station,
        output=act.output,
        at=act.at,
        until=end.act.at if end is not None else 0,
        exact=act.sync,
        alone=act.alone,
        sounded=end.act.sounded if end is not None else act.sounded,
        text=Name(zh=words[0], en=words[1]),
    )


def notified_view(row: Mapping[str, object]) -> NotifiedView:
    """Return one outbox row as people see it."""
    return NotifiedView(
        id=str(row["id"]),
        contact=str(row["contact"]),
        channel=str(row["channel"]),
        kind=str(row["kind"]),
        grade=Grade(int(str(row["grade"]))),
        state=str(row["state"]),
        at=int(str(row["changed_at"])),
        attempts=int(str(row["attempts"])),
        detail=str(row["detail"]),
    )


def journal_views(
    events: Sequence[Event],
    number: int,
    names: Mapping[str, str],
    contacts: Mapping[str, str] | None = None,
) -> list[JournalView]:
    """Return a journal as people read it, with the grade before and after each entry.

    Args:
        events: Oldest first.
        number: Of the incident.
        names: Names that people typed, by id.
        contacts: Names of the profile's contacts, for the texts.
    """
    known = dict(names) | dict(contacts or {})
    views = []
    state: Incident | None = None
    for event in events:
        previous = state.grade if state else Grade.GREEN
        state = apply(state, event, number)
        views.append(
            JournalView(
                at=event.at,
                actor=names.get(event.actor, event.actor),
                event=str(event.what),
                text=journal_text(named(event, known)),
                grade=state.grade,
                previous=previous,
            )
        )
    return views


def named(event: Event, names: Mapping[str, str]) -> Event:
    """Return an event with names in the place of ids, for people to read."""

    def name(person: str) -> str:
        return names.get(person, person)

    step, lesson = event.step, event.lesson
    if step is not None:
        step = msgspec.structs.replace(step, by=name(step.by))
    if lesson is not None:
        lesson = msgspec.structs.replace(lesson, by=name(lesson.by), approver=name(lesson.approver))
    return msgspec.structs.replace(
        event, actor=name(event.actor), contact=name(event.contact), step=step, lesson=lesson
    )


def outbox_view(counts: Mapping[str, int], oldest: int | None, now: int) -> OutboxView:
    """Return how the notifications stand."""
    return OutboxView(
        pending=counts.get("pending", 0),
        accepted=counts.get("accepted", 0),
        failed=counts.get("failed", 0) + counts.get("dead", 0),
        oldest_pending_s=max(now - oldest, 0) / 1000 if oldest is not None else 0.0,
    )
