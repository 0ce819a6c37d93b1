"""One notification as data: what one contact is told over one channel."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from alerts.grading import Judgement, hazard_name, zone_name
from alerts.guidance import NO_GUIDANCE, Guidance
from alerts.incident import Event, Incident, Kind
from alerts.journal import Head
from core.community import Community, Name
from core.finding import Certainty, Condition, Hazard
from core.grade import GRADE_FACTS, Grade


class Audience(StrEnum):
    """For whom a text is written; by the contact's role."""

    DUTY = "duty"  # duty, deputies, leaders: they act
    STREET_OFFICE = "street-office"  # is informed: what, since when, who has it
    RESIDENT = "resident"  # what to do, in plain words; no numbers of incidents, no links


def audience_of(role: str) -> Audience:
    """Return for whom a contact with *role* reads.

    >>> [audience_of(role).value for role in ("leader", "street-office", "resident")]
    ['duty', 'street-office', 'resident']
    """
    return {"street-office": Audience.STREET_OFFICE, "resident": Audience.RESIDENT}.get(
        role, Audience.DUTY
    )


class DigestItem(msgspec.Struct, frozen=True, kw_only=True):
    """One incident in a digest, as it stood when the digest was written."""

    incident: int
    grade: Grade
    peak: Grade
    place: Name
    headline: Name
    since: int
    over: bool = False
    zone: str = ""
    hazard: Hazard = Hazard.EQUIPMENT
    opened_at: int = 0


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one contact over one channel; the id is the same on every attempt.

    Attributes:
        id: Stable id; receivers may drop what they have seen.
        incident, seq: `#12-3` in the text is the third announcement of incident 12; a digest and a
            test belong to no incident: 0.
        kind: Alert (rise), update (fall), clear, escalation, reminder, digest or test.
        grade: Grade that it tells; green for a clear.
        peak: Highest grade of the incident so far.
        zone, hazard, place, hazard_name: Where and what, as ids and for people.
        headline, why: Text in both languages.
        since: Event time (ms) at which this grade began; 0 if unknown.
        at: Run time (ms) of the announcement.
        severity, urgency, certainty: CAP 1.2 words (design, Grading and incidents).
        url: Page of the incident; "" if no base URL is configured.
        timezone, language: Of the site.
        contact: Id of the contact.
        journal: End of the journal's hash chain when it was written: an anchor outside the house.
        audience: For whom the text is written.
        first: What to do first, for those who act.
        public: What residents are told.
        taken: True if somebody had taken the incident over.
        waited_s: Of an escalation: for how long nobody has, run seconds.
        lapse_s: Of a reminder: after so long without an answer others are called, run seconds.
        items: Of a digest: its incidents, worst first.
        exercise: True for a drill: every text says so first.
        with_outputs: True for a drill that may switch sirens and lights.
        ending: Of the end of a drill: `finished` or `aborted`.
        opened_at: Run time (ms) at which the incident began; 0 if it belongs to none.
        take_url: One-time link to take it over; signed when it is sent, never stored.
    """

    id: str
    incident: int
    seq: int
    kind: Kind
    grade: Grade
    peak: Grade
    zone: str
    hazard: Hazard
    place: Name
    hazard_name: Name
    headline: Name
    why: Name
    since: int
    at: int
    severity: str
    urgency: str
    certainty: Certainty
    url: str
    timezone: str
    language: str
    contact: str
    journal: Head
    audience: Audience = Audience.DUTY
    first: Name = Name()
    public: Name = Name()
    taken: bool = False
    waited_s: float = 0.0
    lapse_s: float = 0.0
    items: tuple[DigestItem, ...] = ()
    exercise: bool = False
    with_outputs: bool = False
    ending: str = ""
    opened_at: int = 0
    take_url: str = ""


def notification(
    incident: Incident,
    event: Event,
    *,
    community: Community,
    base_url: str,
    journal: Head,
    guidance: Guidance = NO_GUIDANCE,
    exercise: bool = False,
    with_outputs: bool = False,
) -> Notification:
    """Return what an announcement says; id, contact and audience are filled in for each recipient.

    Args:
        incident: Its state after the event.
        event: An announcement, an escalation or a reminder.
        community: For names.
        base_url: Of the console, for links; "" for none.
        journal: End of the chain.
        guidance: What to do first, and what residents are told.
        with_outputs: True for a drill that may switch sirens and lights.
        exercise: True for a drill; an incident of a drill can't be told as anything else.
    """
    assert event.kind is not None
    assert event.grade is not None
    judgement = incident.judgement
    worst = incident.peak if event.kind is Kind.CLEAR else event.grade
    climb = incident.climb
    return Notification(
        id="",
        incident=incident.number,
        seq=event.seq,
        kind=event.kind,
        grade=event.grade,
        peak=incident.peak,
        zone=incident.zone,
        hazard=incident.hazard,
        place=_both(lambda language: zone_name(incident.zone, community, language)),
        hazard_name=_both(lambda language: hazard_name(incident.hazard, language)),
        headline=_drill_over(event) if event.kind is Kind.DRILL_END else _told(judgement),
        why=judgement.why,
        since=incident.cleared_at if event.kind is Kind.CLEAR else judgement.since,
        at=event.at,
        severity=GRADE_FACTS[worst].cap_severity,
        urgency=urgency(event.kind, event.grade, forecast=judgement.forecast),
        certainty=judgement.certainty,
        url=f"{base_url.rstrip('/')}/incidents/{incident.number}" if base_url else "",
        timezone=community.site.timezone,
        language=community.site.language,
        contact="",
        journal=journal,
        first=guidance.first,
        public=guidance.public,
        taken=incident.acknowledged,
        waited_s=(event.at - climb.began_at) / 1000 if climb else 0.0,
        lapse_s=climb.ladder.lapse_after_s if climb else 0.0,
        exercise=exercise or incident.exercise,
        with_outputs=with_outputs,
        ending=event.how if event.kind is Kind.DRILL_END else "",
        opened_at=incident.opened_at,
    )


def _told(judgement: Judgement) -> Name:
    """Return the fact as people are told it: what is only held because nothing is known says so."""
    if judgement.condition is not Condition.UNKNOWN:
        return judgement.headline
    zh, en = judgement.headline.zh, judgement.headline.en
    return Name(
        zh=f"{zh}（现状未知）" if zh else "现状未知，不等于安全",
        en=f"{en} (present state unknown)" if en else "Present state unknown: not all clear",
    )


def _drill_over(event: Event) -> Name:
    """Return what people are told when a drill ends; `detail` is the actual incident, if any."""
    if event.how == "finished":
        return Name(
            zh="以上均为演练，没有险情", en="All of it was an exercise; there is no danger."
        )
    if event.detail:
        return Name(
            zh=f"出现真实警情 #{event.detail}：停止演练，按真实警情处置",
            en=f"Actual incident #{event.detail}: stop the drill and act on the actual one.",
        )
    return Name(zh="演练已停止，没有险情", en="The drill was stopped; there is no danger.")


def urgency(kind: Kind, grade: Grade, *, forecast: bool) -> str:
    """Return the CAP 1.2 urgency (design, Grading and incidents).

    >>> [urgency(Kind.ALERT, Grade.RED, forecast=forecast) for forecast in (False, True)]
    ['Immediate', 'Expected']
    """
    if kind is Kind.CLEAR:
        return "Past"
    if grade is Grade.BLUE:
        return "Future"
    return "Immediate" if grade >= Grade.ORANGE and not forecast else "Expected"


def _both(text: Callable[[str], str]) -> Name:
    return Name(zh=text("zh"), en=text("en"))
