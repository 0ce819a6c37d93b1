"""What is legal in a response but would fail in the night: the lint of plans. Pure.

Each rule is one function that yields findings; `RULES` lists them. They come from the duty's
questions: is this plan of this place, is somebody there for each step, can they be reached, is what
they are to take there, and when was all this last looked at?
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from alerts.copying import COPIED, copied_share
from alerts.ladder import Ladder
from alerts.lint_entry import entry_ids, entry_words
from alerts.lint_wording import lint_text
from alerts.plans import doors_of, needs_of, plan_for, template, zone_and_around
from alerts.register import Volunteer, usable
from alerts.response import Plan, Response, Step, Supply
from alerts.response_file import VOLUNTEER
from alerts.roster import Away, Roster
from alerts.routing import PUBLIC, channel_name
from alerts.weekly import instant
from core.community import Community, Name
from core.finding import Hazard
from core.grade import Grade
from core.wording import HAZARDS, grade_words

# Plans, like limits, are gone through every year: our choice, and the rhythm of the flood season.
REVIEW_DAYS = 366
# One week shows the pattern, the next one its exceptions.
ROSTER_DAYS = 14
# What people leave in a form that they have not filled in.
_PLACEHOLDER = re.compile(
    r"[【\[（(<]\s*(?:填写|待定|某|名称|地点|姓名|电话|name|place|phone|here)[^】\]）)>]*[】\]）)>]"
    r"|X{2,}|×{2,}|TODO|TBD|待补充|某某|_{3,}",
    re.IGNORECASE,
)


class LintFinding(msgspec.Struct, frozen=True):
    """One thing to mend.

    Attributes:
        rule: Slug of the rule.
        where: Which entry, by its ids: `plan flood-garage: step barrier`.
        entry: The same as people call it, in both languages.
        text: What is wrong and what to do, in both languages.
    """

    rule: str
    where: str
    entry: Name
    text: Name


@dataclass(frozen=True, slots=True)
class Lint:
    """Everything that the rules look at.

    Attributes:
        response, community: The files.
        volunteers, supplies: The registers.
        day: Today, at the place.
        channels: Names of the configured channels; None if hub.toml is not given.
        away: Who is away, as it was noted on the console.
        ladders: Who is told at which grade; None if hub.toml is not given.
    """

    response: Response
    community: Community
    volunteers: tuple[Volunteer, ...]
    supplies: tuple[Supply, ...]
    day: dt.date
    channels: Collection[str] | None = None
    away: tuple[Away, ...] = ()
    ladders: Mapping[Grade, Ladder] | None = None

    def run(self) -> list[LintFinding]:
        """Return everything that is found, rule by rule."""
        return [found for rule in RULES for found in rule(self)]

    def found(self, rule: str, *entry: tuple[str, str], **values: object) -> LintFinding:
        """Return a finding about an entry (see `lint_entry`) of these files."""
        words = entry_words(entry, self.response, self.community)
        return LintFinding(rule, entry_ids(entry), words, lint_text(rule, **values))


def _copied(lint: Lint) -> Iterator[LintFinding]:
    general = [text for plan in template().plan for _, text in _texts(plan)]
    for plan in lint.response.plan:
        for where, own in _texts(plan):
            share = max(
                copied_share(text, other)
                for name in general
                for text, other in ((own.zh, name.zh), (own.en, name.en))
            )
            if share >= COPIED:
                yield lint.found("copied", ("plan", plan.id), where, share=f"{100 * share:.0f} %")


def _placeholder(lint: Lint) -> Iterator[LintFinding]:
    for plan in lint.response.plan:
        for where, name in _texts(plan):
            if (left := _PLACEHOLDER.search(f"{name.zh}\n{name.en}")) is not None:
                yield lint.found("placeholder", ("plan", plan.id), where, left=left[0])


def _language(lint: Lint) -> Iterator[LintFinding]:
    for plan in lint.response.plan:
        if not (plan.public.zh or plan.public.en):
            yield lint.found("no-public-words", ("plan", plan.id), ("public", "public"))
        for where, name in _texts(plan):
            if bool(name.zh) != bool(name.en):
                missing = "en" if name.zh else "zh"
                yield lint.found("one-language", ("plan", plan.id), where, missing=missing)


def _ownerless(lint: Lint) -> Iterator[LintFinding]:
    for plan, step in _steps(lint.response):
        if not step.role:
            yield lint.found("no-owner", ("plan", plan.id), ("step", step.id))


def _unowned(lint: Lint) -> Iterator[LintFinding]:
    roster = Roster(lint.response, lint.community, lint.away)
    zone = zoneinfo.ZoneInfo(lint.community.site.timezone)
    begin, end = (instant(lint.day + dt.timedelta(days=days), 0, zone) for days in (0, ROSTER_DAYS))
    for role, names in _steps_by_role(lint.response, duty=roster.exists).items():
        steps = ", ".join(names[:3]) + (" …" if len(names) > 3 else "") or "–"
        if not any(contact.role == role for contact in lint.community.contact):
            yield lint.found("no-role", ("role", role), steps=steps)
        elif holes := roster.unmanned(role, begin, end):
            first = dt.datetime.fromtimestamp(holes[0].begin / 1000, zone)
            hours = sum(hole.end - hole.begin for hole in holes) / 3_600_000
            yield lint.found(
                "unowned", ("role", role), days=ROSTER_DAYS, hours=f"{hours:g}",
                first=f"{first:%Y-%m-%d %H:%M}", steps=steps,
            )  # fmt: skip


def _steps_by_role(response: Response, *, duty: bool) -> dict[str, list[str]]:
    """Return the steps of each role of staff; with *duty* that role even if it has none."""
    found: dict[str, list[str]] = {"duty": []} if duty else {}
    for plan, step in _steps(response):
        if step.role not in ("", VOLUNTEER):
            found.setdefault(step.role, []).append(f"{plan.id}/{step.id}")
    return found


def _unskilled(lint: Lint) -> Iterator[LintFinding]:
    willing = [one for one in lint.volunteers if one.consent is not None]
    for plan, step in _steps(lint.response):
        around = set(zone_and_around(lint.community, plan.zone))
        if step.role == VOLUNTEER and not any(
            set(step.skills) <= set(one.skills)
            and (not one.zones or not plan.zone or set(one.zones) & around)
            for one in willing
        ):
            skills = ", ".join(step.skills) or "–"
            yield lint.found("no-volunteer", ("plan", plan.id), ("step", step.id), skills=skills)


def _no_plan(lint: Lint) -> Iterator[LintFinding]:
    watched = {(sensor.zone, sensor.hazard): None for sensor in lint.community.sensor}
    for zone, hazard in watched:
        # A sensor's fault is never worse than yellow: it is not the danger itself.
        grades = (Grade.YELLOW, Grade.ORANGE, Grade.RED)[: 1 if hazard is Hazard.EQUIPMENT else 3]
        missing = [
            grade
            for grade in grades
            if plan_for(lint.response, lint.community, hazard, grade, zone) is None
        ]
        if missing:
            zh, en = HAZARDS[hazard]
            yield lint.found(
                "no-plan", ("zone", zone), ("hazard", hazard), zh=zh, en=en,
                grades_zh="、".join(grade_words(grade, "zh") for grade in missing),
                grades_en=", ".join(grade_words(grade, "en") for grade in missing),
            )  # fmt: skip


def _residents(lint: Lint) -> Iterator[LintFinding]:
    """Where a red would be kept from those who live there: no message, and nobody who knocks."""
    public = {one.id for one in lint.community.contact if one.role in PUBLIC and one.channels}
    if lint.ladders is None or any(
        public and (set(step.roles) & set(PUBLIC) or set(step.contacts) & public)
        for step in lint.ladders[Grade.RED].announced
    ):
        return
    silent: dict[str, list[Hazard]] = {}
    for zone, hazard in dict.fromkeys((one.zone, one.hazard) for one in lint.community.sensor):
        plan = plan_for(lint.response, lint.community, hazard, Grade.RED, zone)
        knocked = plan is not None and (
            plan.roll_call or any(call.contact in public for call in plan.call)
        )
        if hazard is not Hazard.EQUIPMENT and not knocked:
            silent.setdefault(zone, []).append(hazard)
    for zone, hazards in silent.items():
        yield lint.found(
            "residents", ("zone", zone), zh="、".join(HAZARDS[one][0] for one in hazards),
            en=", ".join(HAZARDS[one][1] for one in hazards),
        )  # fmt: skip


def _reviews(lint: Lint) -> Iterator[LintFinding]:
    for plan in lint.response.plan:
        where = "plan", plan.id
        if not plan.reason.strip():
            yield lint.found("plan-reason", where)
        if not plan.step:
            yield lint.found("no-steps", where)
        if not plan.call:
            yield lint.found("no-calls", where)
        yield from _reviewed(lint, where, plan.reviewed)


def _limits(lint: Lint) -> Iterator[LintFinding]:
    for limit in lint.community.limit:
        where = "limit", f"{limit.zone}/{limit.quantity}"
        if not limit.reason.strip():
            yield lint.found("limit-reason", where)
        yield from _reviewed(lint, where, limit.reviewed)


def _reviewed(lint: Lint, where: tuple[str, str], day: dt.date | None) -> Iterator[LintFinding]:
    if day is None:
        yield lint.found("never-reviewed", where)
    elif (lint.day - day).days > REVIEW_DAYS:
        yield lint.found("review-overdue", where, day=day)


def _contacts(lint: Lint) -> Iterator[LintFinding]:
    if not any(contact.role == "duty" for contact in lint.community.contact):
        yield lint.found("no-duty", ("contacts", "contacts"))
    for contact in lint.community.contact:
        where = "contact", contact.id
        names = [channel_name(name) for name in contact.channels]
        if not names:
            yield lint.found("no-channel", where)
        elif lint.channels is not None:
            missing = [name for name in names if name not in lint.channels]
            if missing:
                rule = "unreachable" if len(missing) == len(names) else "channel"
                yield lint.found(rule, where, missing=", ".join(missing))


def _supplies(lint: Lint) -> Iterator[LintFinding]:
    for supply in lint.supplies:
        where = "supply", supply.id
        if supply.expires is not None and supply.expires < lint.day:
            yield lint.found("expired", where, day=supply.expires)
        if supply.quantity < supply.minimum:
            yield lint.found(
                "short", where, needed=f"{supply.minimum:g}", there=f"{supply.quantity:g}"
            )
    for plan in lint.response.plan:
        for item, needed in needs_of(plan).items():
            there = sum(one.quantity for one in usable(lint.supplies, item, lint.day))
            if there < needed:
                yield lint.found(
                    "short", ("plan", plan.id), ("item", item),
                    needed=f"{needed:g}", there=f"{there:g}",
                )  # fmt: skip


def _households(lint: Lint) -> Iterator[LintFinding]:
    for zone in dict.fromkeys(zone for plan in lint.response.plan for zone in plan.roll_call):
        if not doors_of(lint.response, lint.community, zone):
            yield lint.found("households", ("zone", zone))


def _volunteers(lint: Lint) -> Iterator[LintFinding]:
    for one in lint.volunteers:
        if one.consent is not None and not one.phone:
            yield lint.found("no-phone", ("volunteer", one.id))


def _steps(response: Response) -> Iterator[tuple[Plan, Step]]:
    for plan in response.plan:
        for step in plan.step:
            yield plan, step


def _texts(plan: Plan) -> list[tuple[tuple[str, str], Name]]:
    words = [(("public", "public"), plan.public)] if plan.public != Name() else []
    return [*((("step", step.id), step.text) for step in plan.step), *words]


RULES: tuple[Callable[[Lint], Iterator[LintFinding]], ...] = (
    _copied,
    _placeholder,
    _language,
    _ownerless,
    _unowned,
    _unskilled,
    _no_plan,
    _residents,
    _reviews,
    _limits,
    _contacts,
    _supplies,
    _households,
    _volunteers,
)
