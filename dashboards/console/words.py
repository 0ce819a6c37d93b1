"""What the console says, in Chinese and English: one place for every word of the pages.

Grades, hazards, quantities, units and durations come from `core.wording`, so that the page says
what the message on the phone says.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass

from core.finding import Hazard
from core.grade import GRADE_FACTS, Grade
from core.quality import Quality, Reason
from core.quantity import FACTS, Quantity
from core.wording import HAZARDS, QUANTITIES, duration, grade_words, measure
from dashboards.console.cycle_phrases import ROLES
from dashboards.console.phrases import (
    ACTORS,
    NOTICE_KINDS,
    NOTICE_STATES,
    PHRASES,
    REASONS,
    STAGES,
)

# The days of `alerts.weekly`, as Chinese says them.
_DAYS = {
    "daily": "每天", "mon": "周一", "tue": "周二", "wed": "周三", "thu": "周四", "fri": "周五",
    "sat": "周六", "sun": "周日",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; `words("key", …)` fills the places of a phrase."""

    language: str

    @property
    def _index(self) -> int:
        return 0 if self.language == "zh" else 1

    def __call__(self, key: str, *values: object) -> str:
        """Return a phrase.

        Raises:
            KeyError: No such phrase; a test calls each one that the templates use.
        """
        return PHRASES[key][self._index].format(*values) if values else PHRASES[key][self._index]

    @property
    def html(self) -> str:
        """The `lang` attribute."""
        return "zh-CN" if self.language == "zh" else "en"

    def _of(self, table: dict[str, tuple[str, str]], key: str) -> str:
        return table[key][self._index] if key in table else key

    def stage(self, stage: str) -> str:
        """Return the word of an incident's stage."""
        return self._of(STAGES, stage)

    def notice_state(self, state: str) -> str:
        """Return what became of a notification."""
        return self._of(NOTICE_STATES, state)

    def notice_kind(self, kind: str) -> str:
        """Return the kind of a notification."""
        return self._of(NOTICE_KINDS, kind)

    def actor(self, actor: str) -> str:
        """Return who wrote a journal entry."""
        return self._of(ACTORS, actor)

    def role(self, role: str) -> str:
        """Return whose a step is."""
        return self._of(ROLES, role)

    def hours(self, text: str) -> str:
        """Return hours of the week as people write them; the register keeps those of the roster."""
        if self.language != "zh":
            return text
        spoken = re.sub("|".join(_DAYS), lambda found: _DAYS[found[0]], text.lower())
        spoken = re.sub("(?<=[一二三四五六日])-(?=周)", "至", spoken)
        return re.sub(r";\s*", "；", spoken.replace(",", "、"))

    def hazard(self, hazard: Hazard) -> str:
        """Return the word of a hazard."""
        return HAZARDS[hazard][self._index]

    def quantity(self, quantity: Quantity) -> str:
        """Return the name of a quantity."""
        return QUANTITIES[quantity][self._index]

    def grade(self, grade: Grade) -> str:
        """Return the grade with its numeral."""
        return grade_words(grade, self.language)

    def line(self, grade: Grade) -> str:
        """Return the short name of a limit line, for charts."""
        return GRADE_FACTS[grade].zh.removesuffix("色") if self.language == "zh" else grade.word

    def duration(self, seconds: float) -> str:
        """Return a duration."""
        return duration(max(seconds, 0.0), self.language)

    def quality(self, quality: Quality, reasons: tuple[Reason, ...]) -> str:
        """Return quality and its reasons in words."""
        word = self(f"quality_{quality}")
        if not reasons or quality is Quality.GOOD:
            return word
        listed = ("、" if self.language == "zh" else ", ").join(
            REASONS[reason][self._index] for reason in reasons
        )
        return f"{word}：{listed}" if self.language == "zh" else f"{word}: {listed}"

    def value(self, quantity: Quantity, value: float | None, interval_s: float) -> tuple[str, str]:
        """Return a value as shown and its unit; counters are counts of one interval."""
        if value is None:
            return self("no_value"), ""
        if quantity is Quantity.CONTACT:
            return self("contact_open" if value >= 0.5 else "contact_closed"), ""
        if quantity is Quantity.ALARM_INPUT:
            return self("alarm_on" if value >= 0.5 else "alarm_off"), ""
        number, _, unit = measure(value, FACTS[quantity].unit, self.language).partition(" ")
        if FACTS[quantity].cumulative:
            each = self.duration(interval_s).removeprefix("1 ")
            unit = self("per_interval", unit, {"60 秒": "分钟", "60 s": "min"}.get(each, each))
        return number, unit


def clock_text(at: int, zone: zoneinfo.ZoneInfo, now: int, *, seconds: bool = False) -> str:
    """Return a time of the day in the site's zone, with the date if it is not today.

    >>> clock_text(1764500000000, zoneinfo.ZoneInfo("Asia/Shanghai"), 1764500000000)
    '18:53'
    """
    moment = dt.datetime.fromtimestamp(at / 1000, zone)
    today = dt.datetime.fromtimestamp(now / 1000, zone)
    text = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    if moment.date() == today.date():
        return text
    if moment.year == today.year:
        return moment.strftime("%m-%d ") + text
    return moment.strftime("%Y-%m-%d ") + text
