"""The counter at which people take an incident through its stages (`cycle_views.CyclePort`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from alerts import cycle, learning
from alerts.applying import applied
from alerts.backtest import KEY_NAME, BackTest, genuine
from alerts.cycle_viewing import cycle_view
from alerts.cycle_views import CycleView, LessonView
from alerts.evidence import Lesson, PlanStep
from alerts.incident import Event, Incident
from alerts.shared_key import shared_key
from alerts.store import Store
from alerts.views import IncidentError, unknown_incident
from alerts.watch import Watch
from alerts.withholding_store import WithholdingStore
from core.clock import Clock

_WHO_LENGTH = 80
# Incidents whose lessons may still reach a file: as many as `GET /api/v1/lessons` can list.
_LOOKED_AT = 1000


def person(store: Store, who: str, what: str = "who are you") -> str:
    """Return the id of a person for the journal: of a contact, or one made for a name.

    Raises:
        IncidentError: There is no name, or it is too long.
    """
    name = " ".join("".join(sign for sign in who if sign.isprintable()).split())
    if not name or len(name) > _WHO_LENGTH:
        raise IncidentError(f"{what}? 1 to {_WHO_LENGTH} characters are expected", "请写明是谁")
    return store.person_id(name)


class CycleDesk:
    """Implements the port over the store and the watch.

    Args:
        store: Where incidents are.
        watch_of: What changes the incidents of a drill (by its id), or the actual ones ("").
        withholdings: For what is withheld of one.
        clock: Clock of the run.
        wake: Called after a change, so that it is told at once.
        versions: Of the files that are loaded, by name (`alerts.applying`).
    """

    def __init__(
        self,
        store: Store,
        watch_of: Callable[[str], Watch],
        withholdings: WithholdingStore,
        clock: Clock,
        wake: Callable[[], None],
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._watch_of = watch_of
        self._withholdings = withholdings
        self._clock = clock
        self._wake = wake
        self._versions = {} if versions is None else versions

    def cycle(self, number: int) -> CycleView | None:
        """How far people are with one incident."""
        kept = self._store.kept(number)
        if kept is None:
            return None
        return cycle_view(
            kept.incident,
            self._store.events(number),
            self._store.names(),
            self._withholdings.latest(1000),
            self._clock.now_ms(),
            self._versions,
        )

    def decide(
        self,
        number: int,
        who: str,
        option: str,
        mandate: str,
        evidence: tuple[str, ...] = (),
        note: str = "",
    ) -> None:
        """Somebody decides; it counts as taking over."""
        by = person(self._store, who, "who decides")
        self._change(
            number,
            lambda incident, now: cycle.decide(
                incident, by, option, mandate, now, evidence=evidence, note=note
            ),
        )

    def adopt_plan(self, number: int, plan: str, steps: tuple[PlanStep, ...], who: str) -> None:
        """Put the steps of a response plan on it; `who` is an id."""
        self._change(
            number, lambda incident, now: cycle.adopt_plan(incident, plan, steps, now, who)
        )

    def do_step(
        self,
        number: int,
        step: str,
        who: str,
        *,
        by: str = "",
        role: str = "",
        skipped: bool = False,
        note: str = "",
    ) -> None:
        """A step of the plan is done or skipped."""
        writer = person(self._store, who, "who are you")
        doer = person(self._store, by, "who did it") if by else writer
        self._change(
            number,
            lambda incident, now: cycle.do_step(
                incident, step, writer, now, by=doer, role=role[:40], skipped=skipped, note=note
            ),
        )

    def look(self, number: int, who: str, *, safe: bool, note: str) -> None:
        """A person on site says what is to be seen."""
        by = person(self._store, who, "who is on site")
        self._change(
            number, lambda incident, now: cycle.look(incident, by, now, safe=safe, note=note)
        )

    def remark(self, number: int, who: str, text: str) -> None:
        """Somebody writes something down."""
        by = person(self._store, who)
        self._change(number, lambda incident, now: cycle.remark(incident, by, text, now))

    def end(self, number: int, who: str, reason: str) -> None:
        """A person ends it by hand."""
        by = person(self._store, who)
        self._change(number, lambda incident, now: cycle.end_by_hand(incident, by, reason, now))

    def sign_review(self, number: int, who: str, text: str, nothing_to_learn: str = "") -> None:
        """Somebody signs the review."""
        by = person(self._store, who, "who signs")
        self._change(
            number,
            lambda incident, now: learning.sign_review(
                incident, by, text, now, nothing_to_learn=nothing_to_learn
            ),
        )

    def write_lesson(self, number: int, who: str, lesson: Lesson) -> None:
        """A lesson, or a new version of one."""
        by = person(self._store, who)
        self._change(
            number,
            lambda incident, now: learning.write_lesson(incident, by, lesson, now, self._versions),
        )

    def attach_backtest(self, number: int, which: str, who: str, test: BackTest) -> None:
        """A back-test that the program made is put on a lesson."""
        if not genuine(test, shared_key(self._store.database, KEY_NAME)):
            raise IncidentError(
                "the seal of the back-test does not fit: it was made for another hub, or changed "
                "since; run it again",
                "回测的封签不符：不是为本系统所做，或者做完后被改动过。请重新回测",
            )
        by = person(self._store, who)
        self._change(
            number,
            lambda incident, now: learning.attach(incident, which, by, test, now, self._versions),
        )

    def judge_lesson(
        self, number: int, which: str, who: str, *, approve: bool, version: int = 0, file: str = ""
    ) -> None:
        """A second person approves or rejects it."""
        by = person(self._store, who)
        self._change(
            number,
            lambda incident, now: learning.judge_lesson(
                incident, which, by, now, approve=approve, version=version, file=file
            ),
        )

    def note_applied(self) -> list[str]:
        """Write down which lessons are in the files that are loaded now; return those, `N/ID`."""
        noted: list[str] = []
        for incident in self._store.latest(_LOOKED_AT, None):
            if incident.exercise:  # what a drill taught stays with the drill
                continue
            events = learning.note_applied(incident, self._versions, self._clock.now_ms())
            if events:
                self._change(
                    incident.number,
                    lambda state, now: learning.note_applied(state, self._versions, now),
                )
            noted += [f"{incident.number}/{event.lesson.id}" for event in events if event.lesson]
        return noted

    def close(self, number: int, who: str) -> None:
        """The review is done."""
        by = person(self._store, who)
        self._change(number, lambda incident, now: learning.close(incident, by, now))

    def lessons(self, limit: int = 200) -> list[LessonView]:
        """Every lesson, newest incident first."""
        names = self._store.names()
        return [
            LessonView(
                incident.number, named_lesson(lesson, names), applied(lesson, self._versions)
            )
            for incident in self._store.latest(limit, None)
            for lesson in incident.lessons.values()
        ]

    def reviews_owed(self) -> list[int]:
        """Return the incidents that are over but not closed, oldest first."""
        return sorted(incident.number for incident in self._store.under_review())

    def _change(self, number: int, decide: Callable[[Incident, int], list[Event]]) -> None:
        kept = self._store.kept(number)
        if kept is None:
            raise unknown_incident(number)
        self._watch_of(kept.incident.drill).change(number, decide)
        self._wake()


def named_lesson(lesson: Lesson, names: dict[str, str]) -> Lesson:
    """Return a lesson with names instead of ids, where they may be told."""
    return msgspec.structs.replace(
        lesson,
        by=names.get(lesson.by, lesson.by),
        approver=names.get(lesson.approver, lesson.approver),
    )
