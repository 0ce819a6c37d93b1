"""Findings of one (site, zone, hazard) become one judgement: grade, condition, certainty, why.

Rules (design, Grading and incidents; interfaces, Time and Quality):

* the worst finding that is known and active wins;
* what once held the incident and is unknown now (bad data, expired, found late, not there yet
  after a restart) goes on holding it at its last known grade: unknown neither raises nor clears;
* a late finding tells what was, not what is: it counts as unknown;
* the loss of a station explains its sensors: their own equipment findings count as unknown while
  the loss lasts, so one cut cable makes one incident.

Pure. The text comes from `core.finding_wording`, in both languages at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts.board import Entry, Key, subject_of
from alerts.evidence import FirstOut
from alerts.withholding import Withholding, withheld
from core.community import Community, Name
from core.finding import Certainty, Condition, Finding, Hazard
from core.finding_wording import headline, sentence
from core.grade import Grade
from core.wording import HAZARDS

# Said wherever a grade is held only because nothing is known.
_UNKNOWN = Name(
    zh="数据现状未知，等级保持，不等于安全",
    en="present state unknown, the grade is held, this is not all clear",
)


class Judgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the findings of one (zone, hazard) say together.

    Attributes:
        grade: Worst grade that holds; green if nothing does.
        condition: Active if a known finding holds it, unknown if only unknown ones do.
        certainty: Of the finding that decided; possible becomes likely where others agree.
        holders: Last known grade (above green) of each finding that holds, by its name.
        subjects: Their subjects, worst first.
        since: Event time (ms) at which the deciding finding's grade began, 0 if unknown.
        forecast: True if the deciding finding speaks of what is to come.
        headline, why: One line and one sentence, in both languages.
        first: Which known finding was there first; only where no incident was open yet.
        withheld: Holders that people are not told of, and the number of what withholds them.
    """

    grade: Grade
    condition: Condition
    certainty: Certainty = Certainty.OBSERVED
    holders: dict[str, Grade] = {}
    subjects: tuple[str, ...] = ()
    since: int = 0
    forecast: bool = False
    headline: Name = Name()
    why: Name = Name()
    first: FirstOut | None = None
    withheld: dict[str, int] = {}

    @property
    def voiced(self) -> Grade:
        """The grade that people are to be told: the worst that is not withheld."""
        if not self.withheld:
            return self.grade
        loud = [grade for name, grade in self.holders.items() if name not in self.withheld]
        return max(loud, default=Grade.GREEN)


def judge(
    entries: Mapping[str, Entry],
    holders: Mapping[str, Grade],
    explained: frozenset[str],
    community: Community,
    key: Key,
    withholdings: Sequence[Withholding] = (),
) -> Judgement:
    """Judge one (zone, hazard).

    Args:
        entries: The board's entries of it, by name.
        holders: What holds its open incident so far; empty if none is open.
        explained: Subjects that a known loss explains.
        community: For names, and to forget holders whose sensor is not there any more.
        key: Which.
        withholdings: What people are not told of now.
    """
    zone, hazard = key.zone, key.hazard
    held = {name: grade for name, grade in holders.items() if _exists(name, community, zone)}
    known: dict[str, Finding] = {}
    ended: dict[str, Grade] = {}
    for name, entry in entries.items():
        if not entry.known or _is_explained(entry, explained):
            continue  # unknown: what it held it goes on holding
        if entry.finding.condition is Condition.ACTIVE and entry.finding.grade > Grade.GREEN:
            held[name] = entry.finding.grade
            known[name] = entry.finding
        elif name in held:
            ended[name] = held.pop(name)
    if held:
        first = None if holders else _first_out(known, community)
        judgement = _judgement(held, known, entries, community)
        return msgspec.structs.replace(
            judgement,
            first=first,
            withheld=withheld(held.items(), withholdings, zone, hazard),
        )
    last = max(ended, key=lambda name: ended[name], default="")
    return _all_clear(entries[last].finding if last else None, community)


def _first_out(known: Mapping[str, Finding], community: Community) -> FirstOut | None:
    if not known:
        return None
    name = min(known, key=lambda name: (known[name].since, name))
    return FirstOut(name, known[name].since, _headline(known[name], community))


def all_known(entries: Mapping[str, Entry]) -> bool:
    """Tell whether there is a finding, and none is unknown: only then green means all clear."""
    return bool(entries) and all(entry.known for entry in entries.values())


def _is_explained(entry: Entry, explained: frozenset[str]) -> bool:
    # Only what says "this device is silent" is explained by the loss of its station. A finding of
    # flood or fire that is active and known was judged from a reading that did arrive.
    finding = entry.finding
    return (
        finding.hazard is Hazard.EQUIPMENT
        and not finding.because.members
        and finding.condition is Condition.ACTIVE
        and finding.subject in explained
    )


def _exists(name: str, community: Community, zone: str) -> bool:
    kind, _, rest = subject_of(name).partition(".")
    if kind == "station":
        return rest in community.stations
    if kind in ("zone", "program", "channel"):
        return True
    sensor = community.sensor_of(kind)
    return sensor is not None and sensor.zone == zone


def _all_clear(finding: Finding | None, community: Community) -> Judgement:
    """Return that nothing holds any more, in the words of what held worst and has just ended."""
    return Judgement(
        grade=Grade.GREEN,
        condition=Condition.CLEARED,
        since=finding.since if finding else 0,
        headline=_headline(finding, community),
        why=_why(finding, {finding.rule: finding} if finding else {}, community),
    )


def _judgement(
    held: dict[str, Grade],
    known: Mapping[str, Finding],
    entries: Mapping[str, Entry],
    community: Community,
) -> Judgement:
    # Worst first; of equals the one that is known, then the longest standing, then by name.
    order = sorted(
        held, key=lambda name: (-held[name], name not in known, _since(name, known), name)
    )
    worst = order[0]
    finding = known.get(worst) or _still_describes(entries.get(worst), held[worst])
    subjects = tuple(dict.fromkeys(subject_of(name) for name in order))
    return Judgement(
        grade=held[worst],
        condition=Condition.ACTIVE if known else Condition.UNKNOWN,
        certainty=_certainty(finding, known),
        holders=held,
        subjects=subjects,
        since=finding.since if finding else 0,
        forecast=finding is not None and finding.because.lead_s is not None,
        headline=_headline(finding, community),
        why=_why(finding, known, community) if finding else _UNKNOWN,
    )


def _still_describes(entry: Entry | None, grade: Grade) -> Finding | None:
    """Return an unknown entry's finding if it speaks of the grade that it is believed to hold.

    A detector that begins anew says "unknown, last known green", and a backlog tells what was:
    "back to normal" above a red that is held would send people home.
    """
    speaks = entry is not None and entry.finding.grade is grade and not entry.finding.late
    return entry.finding if entry is not None and speaks else None


def _certainty(finding: Finding | None, known: Mapping[str, Finding]) -> Certainty:
    """Return how sure it is: what is only possible is likely once a second subject says so, too."""
    if finding is None:
        return Certainty.POSSIBLE
    others = {other.subject for other in known.values()} - {finding.subject}
    if finding.certainty is Certainty.POSSIBLE and others:
        return Certainty.LIKELY
    return finding.certainty


def _since(name: str, known: Mapping[str, Finding]) -> int:
    return known[name].since if name in known else 0


def _headline(finding: Finding | None, community: Community) -> Name:
    if finding is None:
        return Name()
    return Name(
        zh=headline(finding, place_of(finding, community, "zh"), "zh"),
        en=headline(finding, place_of(finding, community, "en"), "en"),
    )


def _why(finding: Finding | None, known: Mapping[str, Finding], community: Community) -> Name:
    if finding is None:
        return Name()
    zh, en = sentence(finding, "zh"), sentence(finding, "en")
    if not known:
        zh, en = f"{zh}；{_UNKNOWN.zh}", f"{en}; {_UNKNOWN.en}"
    others = [other for other in known.values() if other.subject != finding.subject]
    if others:
        names = sorted({_witness(other, community, "zh") for other in others})
        zh += f"；另有 {'、'.join(names)}"
        names = sorted({_witness(other, community, "en") for other in others})
        en += f"; also {', '.join(names)}"
    return Name(zh=zh, en=en)


def _witness(finding: Finding, community: Community, language: str) -> str:
    """Return who else says so: the sensor, or what was said where no sensor said it."""
    if finding.subject.startswith("zone."):
        return sentence(finding, language)
    return _short(finding.subject, community, language)


def zone_name(zone: str, community: Community, language: str) -> str:
    """Return the name of a zone for people; the site's own name where it is no zone."""
    return community.place(zone, language) or zone


def hazard_name(hazard: Hazard, language: str) -> str:
    """Return the word for a hazard.

    >>> hazard_name(Hazard.FLOOD, "en")
    'flood'
    """
    return HAZARDS[hazard][0 if language == "zh" else 1]


def place_of(finding: Finding, community: Community, language: str) -> str:
    """Return where a finding holds: its zone, and which device where the device is the matter."""
    zone = zone_name(finding.zone, community, language)
    kind, _, rest = finding.subject.partition(".")
    gap = " " if language == "en" else ""
    if kind in ("station", "program", "channel"):
        words = {"station": "站点", "program": "程序", "channel": "通知通道"}
        return f"{zone}{gap}{words[kind] if language == 'zh' else kind} {rest}{_stop(language)}"
    if finding.hazard is Hazard.EQUIPMENT and kind != "zone":
        return f"{zone} {_short(finding.subject, community, language)}{_stop(language)}"
    return zone


def _stop(language: str) -> str:
    # `core.finding_wording` puts a colon after an English place by itself, nothing after a Chinese
    # one.
    return "：" if language == "zh" else ""


def _short(subject: str, community: Community, language: str) -> str:
    sensor = community.sensor_of(subject.partition(".")[0])
    return (sensor.name.in_language(language) if sensor else "") or subject
