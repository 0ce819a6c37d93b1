"""The counter for withholding (`cycle_views.WithholdingPort`); its clock: ends and reminders."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog
from sqlalchemy import Connection

from alerts.board import Key, holder_name
from alerts.cycle_desk import person
from alerts.cycle_viewing import reminder_words, withholding_view
from alerts.cycle_views import Preview, WithholdingView
from alerts.incident import SYSTEM, Event, Happening
from alerts.journal import Head
from alerts.outbox import Times
from alerts.store import Store
from alerts.views import IncidentError
from alerts.watch import Watch
from alerts.withholding import (
    MAX_SHELF_MS,
    Scope,
    Withholding,
    WithholdingKind,
    check,
    remind_at,
    withheld,
)
from alerts.withholding_store import WithholdingStore, about
from core.clock import Clock
from core.community import Community, SensorEntry
from core.finding import Condition
from core.grade import Grade

log = structlog.get_logger()


class WithholdingDesk:
    """Implements the port. Safe to call from any thread.

    Args:
        rows: Where withholdings are.
        store: For people and their names.
        watch: Which incidents they concern.
        community: The profile.
        clock: Clock of the run.
        wake: Called after a change, so that what is no longer hidden is told at once.
    """

    def __init__(
        self,
        rows: WithholdingStore,
        store: Store,
        watch: Watch,
        community: Community,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._store = store
        self._watch = watch
        self._community = community
        self._clock = clock
        self._wake = wake

    def standing(self) -> list[WithholdingView]:
        """What is withheld now."""
        return self._views(self._rows.standing())

    def latest(self, limit: int = 100) -> list[WithholdingView]:
        """All of them, newest first."""
        return self._views(self._rows.latest(limit))

    def preview(self, scope: Scope, up_to: Grade) -> Preview:
        """What it would hide."""
        trial = Withholding(
            number=-1, kind=WithholdingKind.SUPPRESSED, scope=scope, up_to=up_to,
            owner="", reason="", begun_at=0,
        )  # fmt: skip
        sensors = [entry for entry in self._community.sensor if _covers(scope, entry)]
        rules, louder = self._now(trial)
        whole, partly = self._concerned(trial)
        return Preview(
            sensors=tuple(entry.id for entry in sensors),
            zones=tuple(sorted({entry.zone for entry in sensors} | {scope.zone} - {""})),
            rules=tuple(rules),
            louder=tuple(louder),
            incidents=tuple(whole),
            partly=tuple(partly),
            contacts=tuple(self._store.announcer.people(up_to)),
            red=up_to is Grade.RED,
        )

    def withhold(
        self,
        kind: WithholdingKind,
        scope: Scope,
        owner: str,
        reason: str,
        *,
        until: int = 0,
        up_to: Grade | None = None,
        second: str = "",
    ) -> WithholdingView:
        """Begin it.

        Raises:
            IncidentError: Something is missing, or it would hide red.
        """
        now = self._clock.now_ms()
        self._check_known(scope)
        who = person(self._store, owner, "who answers for it")
        asked = Withholding(
            number=0,
            kind=kind,
            scope=scope,
            up_to=Grade.YELLOW if up_to is None else up_to,
            owner=who,
            second=person(self._store, second, "who is the second person") if second else "",
            reason=reason.strip(),
            begun_at=now,
            until=until,
        )
        check(asked, now)
        one = self._rows.begin(asked, who)
        self._apply()
        return self._views([one])[0]

    def extend(self, number: int, who: str, until: int) -> WithholdingView:
        """Let it end later (or earlier).

        Raises:
            IncidentError: No such withholding, or the end is not allowed.
        """
        now = self._clock.now_ms()
        by = person(self._store, who)

        def decide(one: Withholding) -> Event:
            if until <= now:
                raise IncidentError("the end must lie ahead", "结束时间必须在以后")
            if one.kind is WithholdingKind.SHELVED and until - now > MAX_SHELF_MS:
                raise IncidentError("shelving lasts 24 h at most from now on", "搁置最长 24 小时")
            if one.up_to is Grade.RED and until > one.until:
                raise IncidentError(
                    "to be silent at red for longer, two persons must ask anew",
                    "红色也不通知的停用，延长须由两人重新签署",
                )
            return Event(
                at=now, actor=by, what=Happening.EXTENDED, about=about(number), until=until
            )

        one = self._rows.change(number, decide)
        assert one is not None
        return self._views([one])[0]

    def release(self, number: int, who: str) -> WithholdingView:
        """End it now; everything is judged again.

        Raises:
            IncidentError: No such withholding, or it has ended.
        """
        by = person(self._store, who)
        now = self._clock.now_ms()
        one = self._rows.change(number, lambda _one: _release(number, by, "by-hand", now))
        self._apply()
        assert one is not None
        return self._views([one])[0]

    def tick(self) -> None:
        """End what has run out, remind owners, and learn what other programs have changed.

        Raises:
            SQLAlchemyError: The database failed; the next tick does it again.
        """
        now = self._clock.now_ms()
        standing = self._rows.standing()
        for one in standing:
            if one.until and one.until <= now:
                self._rows.change(one.number, lambda before: _run_out(before, now))
            elif (due := remind_at(one)) and due <= now:
                self._rows.change(one.number, lambda before: _remind(before, now), self._tell)
                self._wake()
        self._watch.withhold(self._rows.standing())

    def _tell(self, connection: Connection, one: Withholding, end: Head) -> list[tuple[int, Event]]:
        """Write the reminder to its owner."""
        clock = self._clock
        times = Times(clock.now_ms(), clock.wall_ms(), clock.speed)
        words = reminder_words(one, self._community, times.now)
        return self._store.announcer.notice(connection, one.owner, words, "/withheld", end, times)

    def _apply(self) -> None:
        self._watch.withhold(self._rows.standing())
        self._wake()

    def _views(self, rows: list[Withholding]) -> list[WithholdingView]:
        names = self._store.names()
        return [withholding_view(one, names, self._community) for one in rows]

    def _check_known(self, scope: Scope) -> None:
        """Refuse what the profile does not know: a slip would withhold nothing, or too much."""
        if scope.sensor and self._community.sensor_of(scope.sensor) is None:
            raise IncidentError(
                f"sensor {scope.sensor[:60]!r} is not in the profile", "没有这个传感器"
            )
        places = {zone.id for zone in self._community.zone} | {self._community.site.id}
        if scope.zone and scope.zone not in places:
            raise IncidentError(f"zone {scope.zone[:60]!r} is not in the profile", "没有这个区域")

    def _now(self, trial: Withholding) -> tuple[list[str], list[str]]:
        """Return which findings it would hide now, and which are too bad for it."""
        rules: list[str] = []
        louder: list[str] = []
        for finding in self._watch.findings():
            name = holder_name(finding)
            if finding.condition is not Condition.ACTIVE or not trial.scope.covers(
                name, finding.zone, finding.hazard
            ):
                continue
            (rules if finding.grade <= trial.up_to else louder).append(name)
        return sorted(rules), sorted(louder)

    def _concerned(self, trial: Withholding) -> tuple[list[int], list[int]]:
        whole: list[int] = []
        partly: list[int] = []
        for kept in self._store.open_incidents():
            key: Key = kept.key
            holders = kept.incident.judgement.holders
            hidden = withheld(holders.items(), [trial], key.zone, key.hazard)
            if hidden:
                (whole if len(hidden) == len(holders) else partly).append(kept.incident.number)
        return sorted(whole), sorted(partly)


def _release(number: int, by: str, how: str, now: int) -> Event:
    return Event(at=now, actor=by, what=Happening.RELEASED, about=about(number), how=how)


def _run_out(one: Withholding, now: int) -> Event | None:
    """Return that its time is over, unless somebody has extended it meanwhile."""
    over = one.open and bool(one.until) and one.until <= now
    return _release(one.number, SYSTEM, "expired", now) if over else None


def _remind(one: Withholding, now: int) -> Event | None:
    due = remind_at(one)
    if not due or due > now:
        return None
    return Event(at=now, what=Happening.ENDING, about=about(one.number), contact=one.owner)


def _covers(scope: Scope, entry: SensorEntry) -> bool:
    """Tell whether a scope can concern a sensor at all, under whatever rule."""
    rule_free = msgspec.structs.replace(scope, rule="")
    return rule_free.covers(f"{entry.id}.{entry.quantity} ", entry.zone, entry.hazard)
