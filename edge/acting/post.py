"""One output as the crew keeps it: its machine decides, its device follows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from core.act import ActEvent, OutputState, Why
from core.clock import Clock
from edge.acting.machine import Change, Demand, OutputMachine, Timing
from edge.acting.output import Output, OutputError
from edge.acting.settings import OutputEntry

LOG = logging.getLogger(__name__)

# Wall seconds between two attempts at a device that failed, and after how many they become rare: a
# siren must not wait long, and a module that is gone must not take the line from the sensors.
_RETRY_S = 2.0
_PATIENCE = 5
_RARE_S = 10.0
# A dead-man relay is renewed three times within its hold time: two renewals may fail.
_RENEWALS = 3

OpenOutput = Callable[[OutputEntry], Output]


class OutputPost:
    """Keeps one output.

    Args:
        entry: Its part of station.toml.
        open_output: Opens the device.
        clock: For attempts and renewals.

    Attributes:
        machine: What decides.
        demands: What demanded it when it was last judged, allowed or not.
        run: Id of the act that began the present run.
        withheld: Why the present demand is not followed; None if it is, or there is none.
    """

    def __init__(self, entry: OutputEntry, open_output: OpenOutput, clock: Clock) -> None:
        self.entry = entry
        self.machine = OutputMachine(timing_of(entry))
        self.demands: Sequence[Demand] = ()
        self.run = ""
        self.withheld: Why | None = None
        self._open_output = open_output
        self._clock = clock
        self._device: Output | None = None
        self._is_on: bool | None = None
        self._fault = ""
        self._try_s = float("-inf")
        self._renew_s = float("inf")
        self._worked = False
        self._failures = 0

    @property
    def fault(self) -> str:
        """What the device last said; empty if it works."""
        return self._fault

    def step(self, now_ms: int, demands: Sequence[Demand], refused: Why | None) -> list[Change]:
        """Decide, then have the device follow; return what is to be recorded.

        Args:
            now_ms: Run ms since this boot.
            demands: What demands it.
            refused: Why the mandate does not allow it; None if it does.
        """
        self.demands = demands
        changes = self.machine.step(now_ms, demands if refused is None else ())
        changes += self._withhold(demands, refused)
        return self._settle(changes)

    def end(self, why: Why, now_ms: int) -> list[Change]:
        """The station stops."""
        self._try_s = float("-inf")
        changes = self._settle(self.machine.end(why, now_ms))
        if self._device is not None:
            self._device.close()
        return changes

    def state(self, now_ms: int) -> OutputState:
        """Return how it stands."""
        machine = self.machine
        return OutputState(
            on=machine.on,
            why=str(machine.run.why) if machine.run is not None else "",
            since_ms=max(now_ms - machine.changed_ms, 0) if machine.changed_ms is not None else 0,
            sounded=machine.sounded,
            silenced=machine.silenced,
            fault=self._fault,
        )

    def _withhold(self, demands: Sequence[Demand], refused: Why | None) -> list[Change]:
        """Say once what would be done, were it allowed."""
        if refused is None or not demands:
            self.withheld = None
            return []
        if self.withheld is refused:
            return []
        self.withheld = refused
        worst = max(demands, key=lambda demand: demand.grade)
        return [Change(ActEvent.WITHHELD, refused, worst)]

    def _settle(self, changes: list[Change]) -> list[Change]:
        began = any(change.event is ActEvent.ON for change in changes)
        if began:
            self._worked, self._try_s = False, float("-inf")
        told = [*changes, *self._follow()]
        return [self._honest(change) for change in told]

    def _honest(self, change: Change) -> Change:
        """An output that never obeyed did not sound, whatever its feedback can't say."""
        if change.event is ActEvent.OFF and change.sounded is None and not self._worked:
            return change._replace(sounded=False)
        return change

    def _follow(self) -> list[Change]:
        """Make the device what the machine says."""
        now_s = self._clock.monotonic_s()
        wanted = self.machine.on
        if self._is_on is not wanted:
            if now_s < self._try_s:
                return []
            return self._attempt(wanted, now_s, lambda device: device.switch(on=wanted))
        if wanted and now_s >= self._renew_s:
            return self._attempt(wanted, now_s, lambda device: device.renew())
        return []

    def _attempt(
        self,
        wanted: bool,
        now_s: float,
        action: Callable[[Output], None],
    ) -> list[Change]:
        demand = self.machine.run or Demand(Why.OVER)
        try:
            if self._device is None:
                self._device = self._open_output(self.entry)
            action(self._device)
        except OutputError as error:
            return self._failed(str(error), demand, now_s)
        hold_s = self.entry.dead_man.hold_s if self.entry.dead_man is not None else None
        self._renew_s = now_s + hold_s / _RENEWALS if wanted and hold_s else float("inf")
        self._is_on = wanted
        self._failures = 0
        self._worked |= wanted
        if not self._fault:
            return []
        LOG.warning("output %s: works again", self.entry.id)
        self._fault = ""
        return [Change(ActEvent.WORKS, demand.why, demand)]

    def _failed(self, text: str, demand: Demand, now_s: float) -> list[Change]:
        """Try again soon; what the device is now is not known."""
        self._is_on = None
        self._failures += 1
        self._try_s = now_s + (_RETRY_S if self._failures < _PATIENCE else _RARE_S)
        known, self._fault = self._fault, text[:400]
        if known:
            return []
        LOG.error("output %s: %s; trying again", self.entry.id, text)
        return [Change(ActEvent.FAILED, demand.why, demand)]


def timing_of(entry: OutputEntry) -> Timing:
    """Return the times of an output."""
    return Timing(
        entry.min_on_s * 1000,
        entry.min_off_s * 1000,
        entry.max_run_s * 1000,
        entry.feedback.within_s * 1000 if entry.feedback is not None else None,
    )
