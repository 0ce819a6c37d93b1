"""`safety-eye drill run`: plays a scenario into a running hub, from virtual sensor to phone.

The station, its serial lines and its devices are those of the demo; broker, ingest, detectors,
alerts and channels are the live ones. The hub decides: this program only asks, plays and tells.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from alerts.drill import READY_WITHIN_S, BrokenOff, DrillState
from alerts.drill_score import Measure
from alerts.drill_words import measure_line, state_line
from alerts.drills_api import DrillAnswer
from core.clock import RunClock
from core.drill import STATION
from edge import read_spool
from edge.simulator.transplant import Transplant
from ingest.ledger_file import LedgerError
from ingest.station_ledger import read_ledger
from safety_eye.drill_client import DrillClient
from safety_eye.drill_options import DrillOptions, Outcome, Place, plan_of
from safety_eye.drill_site import DrillSite
from safety_eye.hub_client import HubSilentError
from safety_eye.output import console, say
from safety_eye.summary import ReadingTotals
from safety_eye.supervisor import Supervisor

# Wall seconds between two looks, and between two signs of life to the hub.
_TICK_S = 0.2
_BEAT_S = 2.0
# Wall seconds for the ports to appear, for the ledger and the outbox to settle, and for a hub that
# does not answer (it breaks the drill off by itself after a minute without us).
_PORTS_S = 30.0
_SETTLE_S = 30.0
_SILENT_S = 40.0
# Wall seconds before a hub that did not answer is asked again.
_AGAIN_S = 1.0


@dataclass(slots=True)
class DrillRun:
    """A drill in progress.

    Args:
        options: What the user asked for.
        moved: What plays.
        place: Where.
        client: The hub.
        stop: Set it to break the drill off.
    """

    options: DrillOptions
    moved: Transplant
    place: Place
    client: DrillClient
    stop: threading.Event = field(default_factory=threading.Event)
    _ready: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _told: set[str] = field(default_factory=set)
    _heard_s: float = 0.0
    _clock: RunClock = field(default_factory=RunClock)

    def run(self) -> Outcome:
        """Play it to its end; return what came of it.

        Raises:
            HubError: The hub refuses, or does not answer any more.
        """
        self._clock = self.client.clock()
        answer = self.client.ask(plan_of(self.options, self.moved, self._clock.speed))
        self._heard_s = self._clock.monotonic_s()
        drill = answer.drill.id
        directory = self.place.state / "drills" / drill
        directory.mkdir(parents=True, exist_ok=True)
        site = DrillSite(
            directory, self.place.profile, self.place.broker, self._clock, self.moved,
            self.options.pace, drill,
        )  # fmt: skip
        site.write()
        self._introduce(answer, directory)
        before = self._ledger()
        supervisor = Supervisor(directory, self._clock, say)
        try:
            answer = self._play(answer, site, supervisor)
        finally:
            supervisor.stop()
        answer = self._end(answer)
        readings = self._account(site, before)
        answer = self._settle(answer)
        self._tell(answer)
        return Outcome(answer, readings, directory)

    # --- the play ---

    def _play(self, answer: DrillAnswer, site: DrillSite, supervisor: Supervisor) -> DrillAnswer:
        answer = self._until(answer, READY_WITHIN_S, lambda now: now.drill.complete)
        if answer.drill.over or not answer.drill.complete:
            return answer
        world, start, begins = site.start_at()
        simulator = site.simulator(world, start)
        supervisor.start(dataclasses.replace(simulator, on_line=self._simulator_line))
        answer = self._until(answer, _PORTS_S, lambda _now: self._ready.is_set())
        if not (self._ready.is_set() or answer.drill.over or self.stop.is_set()):
            zh = self.options.language == "zh"
            said = "虚拟传感器没有启动，请看" if zh else "the virtual sensors did not start; see"
            console.print(f"{said} {site.directory / 'logs'}", markup=False, soft_wrap=True)
        if answer.drill.over or not self._ready.is_set():
            return answer
        supervisor.start(site.station())
        answer = self.client.begin(answer.drill.id, begins)
        return self._watch(answer, supervisor)

    def _simulator_line(self, line: str) -> None:
        with suppress(ValueError):
            event = json.loads(line)
            if event.get("event") == "ready":
                self._ready.set()
            elif event.get("event") == "ended":
                self._ended.set()

    def _watch(self, answer: DrillAnswer, supervisor: Supervisor) -> DrillAnswer:
        """Follow it until the scenario has ended and people had their time."""
        while not (answer.drill.over or self._is_done(answer) or self.stop.is_set()):
            supervisor.watch()
            answer = self._pause(answer)
        return answer

    def _is_done(self, answer: DrillAnswer) -> bool:
        measures = {one.what: one for one in answer.score.measures}
        reached = measures["grade"].passed and measures["notified"].value is not None
        taken = measures["taken-over"]
        waits = self._waits(answer, taken)
        if self.options.short and reached and not waits:
            return True
        return self._ended.is_set() and not waits

    def _waits(self, answer: DrillAnswer, taken: Measure) -> bool:
        """Tell whether somebody may still take over in time."""
        if taken.target is None or taken.value is not None:
            return False
        detected = next(one for one in answer.score.measures if one.what == "detected")
        if detected.value is None:
            return not self._ended.is_set()
        opened_ms = answer.drill.onset_at + detected.value * 1000
        waited_s = (answer.now - opened_ms) / 1000 / answer.drill.speed
        return waited_s < taken.target

    def _until(
        self, answer: DrillAnswer, seconds: float, done: Callable[[DrillAnswer], bool]
    ) -> DrillAnswer:
        for _ in range(int(seconds / _TICK_S)):
            if done(answer) or answer.drill.over or self.stop.is_set():
                break
            answer = self._pause(answer, soon=True)
        return answer

    def _pause(self, answer: DrillAnswer, *, soon: bool = False) -> DrillAnswer:
        """Wait a moment; ask the hub how it stands when it is time to."""
        self.stop.wait(_TICK_S)
        now_s = self._clock.monotonic_s()
        if not soon and now_s - self._heard_s < _BEAT_S / 2:
            return answer
        try:
            answer = self.client.beat(answer.drill.id)
        except HubSilentError:
            if now_s - self._heard_s > _SILENT_S:
                raise
            return answer
        self._heard_s = now_s
        self._tell(answer)
        return answer

    # --- the end ---

    def _end(self, answer: DrillAnswer) -> DrillAnswer:
        """Say that it is over; the hub may have ended it already.

        A hub that is being restarted is waited for, or a drill that was played to its end would
        count as broken off. Each time it is asked first: what it did not answer it may have done.
        """
        for _ in range(int(_SILENT_S / _AGAIN_S)):
            with suppress(HubSilentError):
                return self._ended_as(self.client.drill(answer.drill.id))
            threading.Event().wait(_AGAIN_S)
        return self._ended_as(self.client.drill(answer.drill.id))

    def _ended_as(self, answer: DrillAnswer) -> DrillAnswer:
        drill = answer.drill
        if drill.over:
            return answer
        if drill.state is DrillState.RUNNING and not self.stop.is_set():
            return self.client.finish(drill.id, self.options.by)
        why = BrokenOff.TWINS if drill.complete else BrokenOff.PROGRAMS
        return self.client.abort(
            drill.id, self.options.by, BrokenOff.ASKED if self.stop.is_set() else why
        )

    def _settle(self, answer: DrillAnswer) -> DrillAnswer:
        """Wait until no message waits any more, so that it is known who was reached."""
        for _ in range(int(_SETTLE_S / _TICK_S)):
            with suppress(HubSilentError):
                answer = self.client.drill(answer.drill.id)
                if self.client.pending() == 0:
                    break
            threading.Event().wait(_TICK_S)
        return answer

    def _ledger(self) -> ReadingTotals:
        """Return what the hub's ledger has of the station of drills; zeros if it is not here."""
        with suppress(LedgerError, OSError):
            for entry in read_ledger(self.place.state / "ledger.db"):
                if entry.station == STATION:
                    return ReadingTotals(
                        0, entry.stored, entry.quarantined, entry.lost, entry.unknown
                    )
        return ReadingTotals(0, 0, 0, 0, 0)

    def _account(self, site: DrillSite, before: ReadingTotals) -> ReadingTotals | None:
        """Wait until each reading of this drill is accounted for; None if that can't be known."""
        if not (self.place.state / "ledger.db").exists():
            return None
        totals = None
        for _ in range(int(_SETTLE_S / _TICK_S)):
            try:
                produced = read_spool(site.spool).produced
            except OSError:
                produced = 0  # it was broken off before its station had started
            now = self._ledger()
            totals = ReadingTotals(
                produced,
                now.stored - before.stored,
                now.quarantined - before.quarantined,
                now.lost - before.lost,
                now.unknown - before.unknown,
            )
            if totals.balanced:
                break
            threading.Event().wait(_TICK_S)
        return totals

    # --- for people ---

    def _introduce(self, answer: DrillAnswer, directory: Path) -> None:
        language = self.options.language
        place = self.place.community.place(self.options.zone, language)
        name = self.moved.scenario.name.in_language(language)
        mark = "【演练】" if language == "zh" else "[DRILL]"
        title = f"{mark} {place} · {name} · {answer.drill.id}"
        console.print(title, style="bold", markup=False, soft_wrap=True)
        hub, files = ("中枢", "文件") if language == "zh" else ("hub  ", "files")
        console.print(f"  {hub}  {self.client.url}", markup=False, soft_wrap=True)
        console.print(f"  {files}  {directory}", markup=False, soft_wrap=True)

    def _tell(self, answer: DrillAnswer) -> None:
        """Print what has just become known."""
        language = self.options.language
        state = str(answer.drill.state)
        if state not in self._told:
            self._told.add(state)
            console.print(state_line(answer.drill, language), markup=False, soft_wrap=True)
        for one in answer.score.measures:
            if one.value is None or one.what in self._told or one.what not in _TOLD_LIVE:
                continue
            self._told.add(one.what)
            line = measure_line(one, answer.drill, language, self.place.community)
            console.print(f"  {line}", markup=False, soft_wrap=True)


_TOLD_LIVE = frozenset({"detected", "notified", "taken-over"})
