"""Chattering: a finding that comes and goes too fast to be read, and what would end it. Pure.

ISA-18.2 names three transitions within a minute as the rule of thumb (channels reference 3.4); what
comes and goes more slowly, held back by its dwell, is as tiring: six within an hour is our choice.
Nothing is desensitised by itself: the remedy is a suggestion that goes through a lesson.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from alerts.board import Key, holder_name
from alerts.evidence import Chatter
from alerts.incident import Event, Happening, Incident
from core.community import Name
from core.finding import Condition, Finding
from core.grade import Grade
from core.wording import measure

# So many changes within so many seconds of event time.
_FAST = (3, 60.0)
_SLOW = (6, 3600.0)
# Found again only after this: one word in the journal for each bout.
AGAIN_MS = 600_000
# The deadband must outdo the swing by a fifth, the delay the longest stay by half (our choice).
_DEADBAND_SHARE, _DELAY_SHARE = 1.2, 1.5
# More findings than a community has rules that can swing at once; the oldest is forgotten.
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class _Change:
    at: int
    up: bool
    value: float | None


@dataclass(slots=True)
class Swings:
    """Remembers the last changes of each finding."""

    _up: dict[str, bool] = field(default_factory=dict)
    _changes: dict[str, deque[_Change]] = field(default_factory=dict)

    def take(self, finding: Finding) -> Chatter | None:
        """Take a finding; return how it chatters, or None if it does not.

        Only what is known and fresh counts: a gap in the data is no change of the world.
        """
        if finding.late or finding.condition is Condition.UNKNOWN:
            return None
        name = holder_name(finding)
        up = finding.condition is Condition.ACTIVE and finding.grade > Grade.GREEN
        before = self._up.get(name)
        self._up[name] = up
        if before is None or before is up:
            return None
        while len(self._changes) >= _MOST and name not in self._changes:
            self._changes.pop(next(iter(self._changes)))
        changes = self._changes.setdefault(name, deque(maxlen=2 * _SLOW[0]))
        changes.append(_Change(finding.at, up, finding.because.value))
        return _chatter(name, changes, finding)


@dataclass(slots=True)
class Chatters:
    """Which (zone, hazard) chatters, until its incident's journal says so."""

    _swings: Swings = field(default_factory=Swings)
    _found: dict[Key, Chatter] = field(default_factory=dict)

    def take(self, key: Key, finding: Finding) -> None:
        """Take a finding."""
        chatter = self._swings.take(finding)
        if chatter is not None:
            self._found[key] = chatter

    def events(self, key: Key, incident: Incident | None, now: int) -> list[Event]:
        """Return that it chatters, once for each bout."""
        chatter = self._found.get(key)
        if chatter is None or incident is None:
            return []
        last = incident.chatter
        if last is not None and now - last.at < AGAIN_MS:
            return []
        chatter = msgspec.structs.replace(chatter, at=now)
        return [Event(at=now, what=Happening.CHATTERING, chatter=chatter)]

    def written(self, key: Key) -> None:
        """Forget what the journal has."""
        self._found.pop(key, None)


def _chatter(name: str, changes: deque[_Change], finding: Finding) -> Chatter | None:
    for count, window_s in (_FAST, _SLOW):
        recent = [one for one in changes if finding.at - one.at <= window_s * 1000]
        if len(recent) < count:
            continue
        values = [one.value for one in recent if one.value is not None]
        because = finding.because
        return Chatter(
            at=finding.at,
            finding=name,
            changes=len(recent),
            window_s=window_s,
            low=min(values, default=None),
            high=max(values, default=None),
            limit=because.limit,
            unit=because.unit,
            side=because.side,
            longest_up_s=_longest_up_s(recent),
        )
    return None


def _longest_up_s(changes: list[_Change]) -> float:
    stays = [
        (after.at - before.at) / 1000
        for before, after in pairwise(changes)
        if before.up and not after.up
    ]
    return max(stays, default=0.0)


def remedy(chatter: Chatter) -> Name:
    """Return what would end it, in both languages.

    >>> remedy(Chatter(at=0, finding="a b", changes=3, window_s=60, low=0.14, high=0.16,
    ...                limit=0.15, unit="m", side="high", longest_up_s=8)).en
    'it swings between 0.14 m and 0.16 m: raise hysteresis to 0.012, or dwell_up_s to 12'
    """
    zh, en = [], []
    deadband = _deadband(chatter)
    if deadband is not None and chatter.low is not None and chatter.high is not None:
        band = [
            (
                measure(chatter.low, chatter.unit, language),
                measure(chatter.high, chatter.unit, language),
            )
            for language in ("zh", "en")
        ]
        zh.append(f"在 {band[0][0]} 与 {band[0][1]} 之间摆动：把 hysteresis 提高到 {deadband:.2g}")
        en.append(
            f"it swings between {band[1][0]} and {band[1][1]}: raise hysteresis to {deadband:.2g}"
        )
    if chatter.longest_up_s > 0:
        delay_s = chatter.longest_up_s * _DELAY_SHARE
        zh.append(f"把 dwell_up_s 提高到 {delay_s:.0f}")
        en.append(f"{'' if en else 'raise '}dwell_up_s to {delay_s:.0f}")
    if not zh:
        return Name(
            "检查接线和安装；必要时提高 dwell_down_s",
            "check wiring and mounting; raise dwell_down_s if need be",
        )
    return Name("，或".join(zh), ", or ".join(en))


def _deadband(chatter: Chatter) -> float | None:
    """Return the deadband that would have held it: how far it comes back from the limit."""
    if chatter.limit is None or chatter.low is None or chatter.high is None:
        return None
    back = chatter.high - chatter.limit if chatter.side == "low" else chatter.limit - chatter.low
    return back * _DEADBAND_SHARE if back > 0 else None
