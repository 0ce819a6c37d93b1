"""The CAP messages of an incident, derived from its journal alone. Pure and repeatable.

Nothing of CAP is stored: the same journal gives the same messages with the same identifiers, on
any machine and after any restart.

* The first announcement is an Alert, each later one an Update that refers to every earlier message
  which has not expired, the newest last.
* The all-clear is an Update with the response type AllClear (our choice of the two that CAP offers:
  a Cancel says that the warning should not have been, and this one should).
* What ends without an all-clear (by hand, or a drill that is broken off) is cancelled.
* Taking over is an Ack of the newest message.
* Everything of a drill has the status Exercise, and says so in its note and headlines.
* A message lives for a day. While the danger lasts longer, an Update every twelve hours renews it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from alerts.cap.message import (
    MAX_HEADLINE,
    Area,
    CapMessage,
    Info,
    MessageType,
    Reference,
    Status,
    Value,
)
from alerts.cap.settings import CapSettings, sender_of
from alerts.fold import apply
from alerts.grading import hazard_name, zone_name
from alerts.incident import SYSTEM, Event, Happening, Incident, Kind
from alerts.notification import urgency
from core.community import Community
from core.finding import Hazard
from core.grade import GRADE_FACTS, Grade
from core.wording import grade_words

# How long a message is valid, and when one that still holds is said again; run milliseconds. Our
# choice: long enough for a receiver that was off for a night, renewed well before it runs out.
LIFE_MS = 24 * 3_600_000
RENEW_MS = 12 * 3_600_000
# References to more messages than this help nobody.
_MOST_REFERENCES = 50
_LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
# Words of CAP 1.2 for our hazards: Met includes floods, Env is pollution, Safety is the public.
_CATEGORIES = {
    Hazard.FLOOD: ("Met",),
    Hazard.FIRE: ("Fire",),
    Hazard.AIR: ("Env", "Health"),
    Hazard.CROWD: ("Safety",),
    Hazard.EQUIPMENT: ("Infra",),
}
# What to do: from orange on the plan is carried out, yellow prepares, blue watches.
_RESPONSES = {
    Grade.RED: "Execute",
    Grade.ORANGE: "Execute",
    Grade.YELLOW: "Prepare",
    Grade.BLUE: "Monitor",
}
_INSTRUCTION = {
    "zh": "请按本社区预案处置。等级由本社区自行判定；天气、地质等预警以主管部门发布的为准。",
    "en": "Follow this community's response plan. The level is this community's own judgement; "
    "for warnings of weather and the like, those of the competent authorities apply.",
}
_ENDS = (Happening.ENDED, Happening.CLOSED, Happening.DRILL_ENDED)
_ENDED_BY_HAND = "已由人工结束，不再有效。Ended by hand; it no longer holds."
_DRILL_ENDED = "演练已结束。The drill is over."
_EXERCISE = "演练，没有险情。A drill; there is no danger. "
_ROLES = {
    "duty": ("值班人员", "the duty person"),
    "deputy": ("副值班", "the deputy"),
    "leader": ("负责人", "the leader"),
    "street-office": ("街道", "the street office"),
    "resident": ("居民", "a resident"),
}


def messages(
    events: Sequence[Event],
    number: int,
    *,
    community: Community,
    settings: CapSettings,
    base_url: str,
    now: int,
) -> list[CapMessage]:
    """Return every CAP message of one incident, oldest first.

    Args:
        events: Its journal, oldest first.
        number: Its number.
        community: For names, sender and contacts' roles.
        settings: How the messages present themselves.
        base_url: Of the console, for links; "" for none.
        now: Run time (ms), for renewals.
    """
    writer = _Writer(number, community, settings, base_url)
    state: Incident | None = None
    for position, event in enumerate(events, 1):
        writer.renew(state, event.at)
        state = apply(state, event, number)
        writer.take(state, event, position)
    writer.renew(state, now)
    return writer.written


@dataclass
class _Writer:
    number: int
    community: Community
    settings: CapSettings
    base_url: str
    written: list[CapMessage] = field(default_factory=list)
    _position: int = 0
    _renewals: int = 0

    def take(self, state: Incident, event: Event, position: int) -> None:
        """Write what an entry of the journal gives."""
        ends = event.what in _ENDS or event.kind is Kind.DRILL_END
        if event.what is Happening.ANNOUNCED and event.grade is not None and not ends:
            self._position, self._renewals = position, 0
            self._tell(state, event.grade, event.at, clear=event.kind is Kind.CLEAR)
        elif event.what is Happening.ACKNOWLEDGED and self._standing(event.at):
            self._acknowledge(state, event, position)
        elif ends and self._is_raised:
            self._cancel(state, event, position)

    @property
    def _is_raised(self) -> bool:
        """True if the newest message still warns."""
        told = [message for message in self.written if message.kind is not MessageType.ACK]
        return bool(told) and any("AllClear" not in info.responses for info in told[-1].infos)

    def renew(self, state: Incident | None, until: int) -> None:
        """Write what keeps a lasting warning from running out before *until*."""
        if state is None or not state.open or state.told is Grade.GREEN:
            return
        told = [message for message in self.written if message.kind is not MessageType.ACK]
        while told and until - told[-1].sent >= RENEW_MS:
            self._renewals += 1
            self._tell(state, state.told, told[-1].sent + RENEW_MS, clear=False)
            told.append(self.written[-1])

    def _tell(self, state: Incident, grade: Grade, at: int, *, clear: bool) -> None:
        sent = at // 1000 * 1000
        references = self._standing(sent)
        self._write(
            state,
            MessageType.UPDATE if references else MessageType.ALERT,
            sent,
            self._position,
            references,
            infos=tuple(self._info(state, grade, sent, word, clear=clear) for word in _LANGUAGES),
        )

    def _cancel(self, state: Incident, event: Event, position: int) -> None:
        sent = event.at // 1000 * 1000
        references = self._standing(sent)
        if references:
            note = _DRILL_ENDED if state.exercise else _ENDED_BY_HAND
            self._write(state, MessageType.CANCEL, sent, position, references, note=note)

    def _acknowledge(self, state: Incident, event: Event, position: int) -> None:
        role = next(
            (contact.role for contact in self.community.contact if contact.id == event.actor), ""
        )
        zh, en = _ROLES.get(role, ("现场人员", "a person on site"))
        if event.actor == SYSTEM:
            zh, en = "系统", "the system"
        sent = event.at // 1000 * 1000
        newest = self._standing(sent)[-1:]
        note = f"已由{zh}接手。Taken over by {en}."
        self._write(state, MessageType.ACK, sent, position, newest, note=note)

    def _write(
        self,
        state: Incident,
        kind: MessageType,
        sent: int,
        position: int,
        references: tuple[Reference, ...],
        *,
        note: str = "",
        infos: tuple[Info, ...] = (),
    ) -> None:
        site = self.community.site.id
        renewal = f"r{self._renewals}" if self._renewals and kind is MessageType.UPDATE else ""
        note = f"{_EXERCISE}{note}" if state.exercise else note
        self.written.append(
            CapMessage(
                identifier=f"{site}.{self.number}.{position}{renewal}.{sent // 1000}",
                sender=sender_of(self.settings, self.community),
                sent=sent,
                status=Status.EXERCISE if state.exercise else Status.ACTUAL,
                kind=kind,
                scope=self.settings.scope,
                source="Safety Eye 平安眼",
                restriction=self.settings.restriction,
                addresses=self.settings.addresses,
                note=note,
                references=references,
                incidents=f"{site}.{self.number}",
                infos=infos,
            )
        )

    def _standing(self, at: int) -> tuple[Reference, ...]:
        """Return the earlier messages that have not expired at *at*, newest last."""
        found = [
            message.reference
            for message in self.written
            if message.kind is not MessageType.ACK and at < message.sent + LIFE_MS
        ]
        return tuple(found[-_MOST_REFERENCES:])

    def _info(self, state: Incident, grade: Grade, sent: int, word: str, *, clear: bool) -> Info:
        judgement = state.judgement
        worst = state.peak if clear else grade
        hazard, place = hazard_name(state.hazard, word), zone_name(state.zone, self.community, word)
        told, why = judgement.headline.in_language(word), judgement.why.in_language(word)
        return Info(
            language=_LANGUAGES[word],
            categories=_CATEGORIES[state.hazard],
            event=hazard,
            responses=("AllClear",) if clear else (_response(state.hazard, grade),),
            urgency=urgency(
                Kind.CLEAR if clear else Kind.ALERT, grade, forecast=judgement.forecast
            ),
            severity=GRADE_FACTS[worst].cap_severity,
            certainty=str(judgement.certainty),
            event_codes=(Value("gradeCN", GRADE_FACTS[grade].zh),),
            effective=sent,
            onset=0 if clear or judgement.since <= 0 else judgement.since // 1000 * 1000,
            expires=sent + LIFE_MS,
            sender_name=self.community.site.name.in_language(word),
            headline=_drill(state, word) + headline(grade, place, hazard, word, clear=clear),
            description="" if clear else told if why in told else f"{told}\n{why}".strip(),
            instruction="" if clear else _INSTRUCTION[word],
            web=f"{self.base_url.rstrip('/')}/incidents/{self.number}" if self.base_url else "",
            parameters=_parameters(state, grade),
            areas=(self._area(state.zone, word),),
        )

    def _area(self, zone: str, word: str) -> Area:
        names = [zone_name(zone, self.community, word)]
        entry, seen = self.community.zone_of(zone), {zone}
        while entry is not None and entry.parent and entry.parent not in seen:
            seen.add(entry.parent)
            names.append(zone_name(entry.parent, self.community, word))
            entry = self.community.zone_of(entry.parent)
        site = self.community.site.name.in_language(word)
        names += [site] if site not in names else []
        codes = self.settings.geocode.get(zone) or self.settings.geocode.get(self.community.site.id)
        return Area(
            description=" ".join(reversed(names)) if word == "zh" else ", ".join(names),
            geocodes=tuple(Value(name, value) for name, value in (codes or {}).items()),
        )


def headline(grade: Grade, place: str, hazard: str, language: str, *, clear: bool) -> str:
    """Return the line that every receiver shows: a level of this site, never a public warning.

    >>> headline(Grade.RED, "下穿通道", "内涝", "zh", clear=False)
    '本点位红色 I 级：下穿通道 内涝'
    >>> headline(Grade.GREEN, "Underpass", "flood", "en", clear=True)
    'Site level all clear: Underpass, flood'
    """
    words = grade_words(grade, language)
    if language == "zh":
        text = f"本点位{'解除' if clear else words}：{place} {hazard}"
    else:
        text = f"Site level {'all clear' if clear else words}: {place}, {hazard}"
    return text[: MAX_HEADLINE - 10]  # a drill's mark goes before it


def _drill(state: Incident, language: str) -> str:
    if not state.exercise:
        return ""
    return "【演练】" if language == "zh" else "[DRILL] "


def _response(hazard: Hazard, grade: Grade) -> str:
    return "Assess" if hazard is Hazard.EQUIPMENT else _RESPONSES[grade]


def _parameters(state: Incident, grade: Grade) -> tuple[Value, ...]:
    facts = GRADE_FACTS[grade]
    pairs = (
        ("gradeCN", facts.zh),
        ("gradeLevel", facts.numeral),
        ("siteLevel", grade.word),
        ("peakSiteLevel", state.peak.word),
        ("condition", str(state.condition)),
        ("hazard", str(state.hazard)),
        ("zone", state.zone),
    )
    return tuple(Value(name, value) for name, value in pairs if value)
