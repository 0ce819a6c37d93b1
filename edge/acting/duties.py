"""Which acts are due: local grades, the hub's silence and its warnings become demands. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.act import Why
from core.grade import Grade
from core.quantity import FACTS
from edge.acting.contact import HubWarnings
from edge.acting.local import LocalGrade, SeriesKey
from edge.acting.machine import Demand
from edge.acting.settings import ActEntry, Mandate

# When the hub is back it has to judge first and tell people; the station lets go only then. Two
# minutes of run time: alerts settles within seconds, and a link that flaps does not stutter.
HANDOVER_MS = 120_000
# A day is a day wherever on earth it was written: from UTC+14 to UTC-12.
_DAY_BEGINS_EARLY = dt.timedelta(hours=14)
_DAY_ENDS_LATE = dt.timedelta(hours=36)


@dataclass(slots=True)
class Duties:
    """The acts of one station.

    Attributes:
        acts: As in the file.
        grades: Local grade of each series that is above green.
        warnings: What the hub last said.
    """

    acts: Sequence[ActEntry]
    grades: dict[SeriesKey, LocalGrade] = field(default_factory=dict)
    warnings: HubWarnings = field(default_factory=HubWarnings)
    _alone_since: dict[int, int] = field(default_factory=dict)
    _back_ms: int | None = None

    def graded(self, news: LocalGrade) -> None:
        """Take a local grade."""
        key = (news.sensor, news.quantity)
        if news.grade is Grade.GREEN:
            self.grades.pop(key, None)
        else:
            self.grades[key] = news

    def due(self, now_ms: int, silent_ms: int) -> dict[str, list[Demand]]:
        """Return what each output is demanded for now.

        Args:
            now_ms: Run ms since this boot.
            silent_ms: For how many run ms the hub has not been heard, 0 while it can be reached.
        """
        if silent_ms:
            self._back_ms = None
        elif self._back_ms is None:
            self._back_ms = now_ms
        found: dict[str, list[Demand]] = {}
        for index, act in enumerate(self.acts):
            demand = self._demand(index, act, now_ms, silent_ms)
            if demand is not None:
                found.setdefault(act.output, []).append(demand)
        return found

    def _demand(self, index: int, act: ActEntry, now_ms: int, silent_ms: int) -> Demand | None:
        if act.when == "hub-silent":
            if not silent_ms or silent_ms < act.delay_ms:
                return None
            warning = self.warnings.worst(act.zone, act.level)
            if warning is None:
                return None
            return Demand(Why.HUB_SILENT, warning.grade, warning.zone, warning.hazard)
        local = self._worst(act)
        if local is None:
            self._alone_since.pop(index, None)
            return None
        if act.when == "alone" and not self._is_alone(index, act, now_ms, silent_ms):
            return None
        return Demand(
            Why.LIMIT, local.grade, local.zone, local.hazard, local.sensor, str(local.quantity),
            local.value, FACTS[local.quantity].unit, local.limit,
        )  # fmt: skip

    def _is_alone(self, index: int, act: ActEntry, now_ms: int, silent_ms: int) -> bool:
        if silent_ms and silent_ms >= act.delay_ms:
            self._alone_since.setdefault(index, now_ms)
            return True
        if index not in self._alone_since:
            return False
        if self._back_ms is None or now_ms - self._back_ms < HANDOVER_MS:
            return True
        del self._alone_since[index]
        return False

    def _worst(self, act: ActEntry) -> LocalGrade | None:
        found = [
            local
            for local in self.grades.values()
            if local.zone == act.zone
            and local.quantity is act.quantity
            and local.grade >= act.level
        ]
        return max(found, key=lambda local: local.grade, default=None)


def mandate_holds(mandate: Mandate | None, now_ms: int, *, sync: bool) -> Why | None:
    """Return None if the mandate allows acting now, else why it does not.

    A clock that is not trusted is late, never early (it stood still while the power was off): it
    can prove that a mandate has expired, and not that one has not begun. In doubt the station acts:
    a siren on a day after the paper ended harms less than silence in a flood.

    >>> paper = Mandate("Li", dt.date(2026, 1, 1), dt.date(2026, 12, 31), "siren")
    >>> mandate_holds(paper, 1_900_000_000_000, sync=True).value
    'mandate-expired'
    """
    if mandate is None:
        return Why.MANDATE_MISSING
    now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    midnight = dt.time(tzinfo=dt.UTC)
    if now >= dt.datetime.combine(mandate.valid_until, midnight) + _DAY_ENDS_LATE:
        return Why.MANDATE_EXPIRED
    if sync and now < dt.datetime.combine(mandate.signed_on, midnight) - _DAY_BEGINS_EARLY:
        return Why.MANDATE_MISSING
    return None


def mandate_words(mandate: Mandate | None) -> str:
    """Return who signed the mandate and until when, in one line."""
    if mandate is None:
        return ""
    return f"{mandate.signed_by}, {mandate.signed_on}, until {mandate.valid_until}"
