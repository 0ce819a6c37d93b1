"""One output and what it should do now: a state machine. Pure; times are run ms since this boot.

```
        demand, allowed, not silenced, not spent, min_off over
   off ────────────────────────────────────────────────────────▶ on
    ▲                                                             │
    └── max_run (spent) · silenced · stopped · demand over and min_on over
```

*Spent*: it has run for `max_run`; it stays off until nothing demands it any more, or something
worse does. *Silenced* by a person means the same. Both end when the demand is over, so that the
next danger sounds again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.act import ActEvent, Why
from core.finding import Hazard
from core.grade import Grade


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that wants an output on.

    Attributes:
        why: Limit, hub-silent, test or ordered.
        grade: How bad it is.
        zone, hazard: Where and of what.
        sensor, quantity, value, unit, limit: The reading that decided, canonical unit.
        by, order: Who ordered it, and the nonce of the command.
    """

    why: Why
    grade: Grade = Grade.GREEN
    zone: str = ""
    hazard: Hazard | None = None
    sensor: str = ""
    quantity: str = ""
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    by: str = ""
    order: str = ""

    @property
    def manual(self) -> bool:
        """True if a person asked for it, now: no mandate is needed for that."""
        return self.why in (Why.TEST, Why.ORDERED)


@dataclass(frozen=True, slots=True)
class Timing:
    """How an output may be switched, run milliseconds.

    Attributes:
        min_on_ms, min_off_ms, max_run_ms: See `OutputEntry`.
        feedback_ms: How long its feedback may take; None without feedback.
    """

    min_on_ms: float
    min_off_ms: float
    max_run_ms: float
    feedback_ms: float | None = None


class Change(NamedTuple):
    """Something that happened to the output, for the record."""

    event: ActEvent
    why: Why
    demand: Demand
    sounded: bool | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a machine knew before the program was started anew; also what it knows now.

    Attributes:
        changed_ms: When it was switched last, run ms since this boot; None if it never was.
        silenced, spent: Worst grade for which it is.
        ran_ms: How long the run had lasted, run ms.
        grade: What the run was for.
    """

    changed_ms: int | None = None
    silenced: Grade | None = None
    spent: Grade | None = None
    ran_ms: float = 0.0
    grade: Grade = Grade.GREEN


class OutputMachine:
    """Decides over one output.

    Args:
        timing: Its times.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self.on = False
        self.changed_ms: int | None = None
        self.run: Demand | None = None
        self.sounded: bool | None = None
        self._manual: Demand | None = None
        self._manual_until_ms = 0.0
        self._silenced: Grade | None = None
        self._spent: Grade | None = None
        self._feedback_on = False
        self._feedback_ms: int | None = None
        self._stuck = False
        self._ran_ms = 0.0  # of the present run, before the program was started anew
        self._ran_for = Grade.GREEN
        self._recalled_until_ms = float("-inf")

    def recall(self, known: Recalled, until_ms: float) -> None:
        """Go on after a restart; until *until_ms* the demand may take to be seen again."""
        self.changed_ms = known.changed_ms
        self._silenced, self._spent = known.silenced, known.spent
        self._ran_ms, self._ran_for = known.ran_ms, known.grade
        self._recalled_until_ms = until_ms
        if known.ran_ms >= self._timing.max_run_ms:
            self._spent = max(known.grade, known.spent or Grade.GREEN)

    def state(self) -> Recalled:
        """Return what must outlive the program."""
        grade = self.run.grade if self.run is not None else self._ran_for
        return Recalled(self.changed_ms, self._silenced, self._spent, self._ran_ms, grade)

    @property
    def silenced(self) -> bool:
        """True if a person has silenced what demands it."""
        return self._silenced is not None

    def order(self, demand: Demand, seconds: float, now_ms: int) -> None:
        """A person wants it on for some time (test, sound)."""
        self._manual = demand
        self._manual_until_ms = now_ms + min(seconds * 1000, self._timing.max_run_ms)

    def stop(self) -> None:
        """End what a person began."""
        self._manual = None

    def silence(self, demands: Sequence[Demand]) -> None:
        """A person has heard it: quiet for what demands it now, until that is over or worse."""
        self._manual = None
        worst = _worst(demands)
        if worst is not None:
            self._silenced = worst.grade

    def feedback(self, *, heard: bool, now_ms: int) -> None:
        """Its feedback says so."""
        if heard != self._feedback_on:
            self._feedback_on, self._feedback_ms = heard, now_ms

    def step(self, now_ms: int, demands: Sequence[Demand]) -> list[Change]:
        """Let time pass; *demands* are those that may act now. Return what changed."""
        self._manual_passes(now_ms)
        wanted = self._wanted(now_ms, demands)
        changes = []
        if self.on:
            why = self._why_off(now_ms, wanted)
            if why is not None:
                changes.append(self._switch_off(why, now_ms))
            elif wanted is not None:
                self._follow(wanted)
        elif wanted is not None and self._rested(now_ms):
            changes.append(self._switch_on(wanted, now_ms))
        return changes + self._listen(now_ms)

    def end(self, why: Why, now_ms: int) -> list[Change]:
        """The station stops: off at once."""
        self._manual = None
        return [self._switch_off(why, now_ms)] if self.on else []

    def _manual_passes(self, now_ms: int) -> None:
        if self._manual is not None and now_ms >= self._manual_until_ms:
            self._manual = None

    def _wanted(self, now_ms: int, demands: Sequence[Demand]) -> Demand | None:
        worst = _worst(demands)
        if worst is None:
            if now_ms >= self._recalled_until_ms:
                self.forget()
        else:
            # From now on an end of the demand is an end of the danger.
            self._recalled_until_ms = float("-inf")
            if self._silenced is not None and worst.grade > self._silenced:
                self._silenced = None
            if self._spent is not None and worst.grade > self._spent:
                self._spent = None
            if self._silenced is None and self._spent is None:
                return worst
        return self._manual

    def forget(self) -> None:
        """The danger is over: the next one sounds, and may run its whole time."""
        self._silenced = self._spent = None
        if not self.on:
            self._ran_ms, self._ran_for = 0.0, Grade.GREEN

    def _why_off(self, now_ms: int, wanted: Demand | None) -> Why | None:
        assert self.run is not None
        assert self.changed_ms is not None
        ran_ms = now_ms - self.changed_ms
        if ran_ms + self._ran_ms >= self._timing.max_run_ms:
            # Also what a person ordered counts: nothing runs for ever by being asked again.
            self._spent = max(self.run.grade, self._spent or Grade.GREEN)
            self._manual = None
            return Why.MAX_RUN
        if wanted is not None:
            return None
        if self._silenced is not None:
            return Why.SILENCED
        if self.run.manual or ran_ms >= self._timing.min_on_ms:
            return Why.OVER
        return None

    def _rested(self, now_ms: int) -> bool:
        return self.changed_ms is None or now_ms - self.changed_ms >= self._timing.min_off_ms

    def _follow(self, wanted: Demand) -> None:
        """What is demanded now is what the run is for: a test that turns into the real thing."""
        assert self.run is not None
        if wanted.grade > self.run.grade or (self.run.manual and not wanted.manual):
            self.run = wanted

    def _switch_on(self, demand: Demand, now_ms: int) -> Change:
        self.on, self.changed_ms, self.run = True, now_ms, demand
        if demand.grade > self._ran_for:
            self._ran_ms = 0.0  # something worse may run its whole time
        self.sounded = None
        # What is "heard" before anything sounds proves nothing.
        self._stuck = self._feedback_on
        return Change(ActEvent.ON, demand.why, demand)

    def _switch_off(self, why: Why, now_ms: int) -> Change:
        assert self.run is not None
        assert self.changed_ms is not None
        change = Change(ActEvent.OFF, why, self.run, self.sounded)
        ran_ms = now_ms - self.changed_ms
        self.on, self.changed_ms, self.run = False, now_ms, None
        if why is Why.STOPPED:  # the next start of the program goes on
            self._ran_ms, self._ran_for = self._ran_ms + ran_ms, change.demand.grade
        else:
            self._ran_ms, self._ran_for = 0.0, Grade.GREEN
        self._stuck = False
        return change

    def _listen(self, now_ms: int) -> list[Change]:
        """Compare the feedback with what it should say."""
        within_ms = self._timing.feedback_ms
        if within_ms is None:
            return []
        if self.run is not None and self.changed_ms is not None:
            return self._listen_on(self.run, now_ms - self.changed_ms >= within_ms)
        rested = self.changed_ms is None or now_ms - self.changed_ms >= within_ms
        if not self._feedback_on:
            self._stuck = False
        elif rested and not self._stuck and self._lasted(now_ms, within_ms):
            self._stuck = True
            return [Change(ActEvent.STUCK, Why.OVER, Demand(Why.OVER))]
        return []

    def _listen_on(self, run: Demand, overdue: bool) -> list[Change]:
        if not self._feedback_on:
            self._stuck = False
        if self._feedback_on and not self._stuck and not self.sounded:
            self.sounded = True
            return [Change(ActEvent.HEARD, run.why, run, True)]
        if overdue and not self._feedback_on and self.sounded is None:
            self.sounded = False
            return [Change(ActEvent.NOT_HEARD, run.why, run, False)]
        return []

    def _lasted(self, now_ms: int, within_ms: float) -> bool:
        return self._feedback_ms is not None and now_ms - self._feedback_ms >= within_ms


def _worst(demands: Sequence[Demand]) -> Demand | None:
    return max(demands, key=lambda demand: demand.grade, default=None)
