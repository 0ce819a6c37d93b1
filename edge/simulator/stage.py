"""The stage: every line of a derived community on its pseudo-terminal, in the time of one clock.

One thread waits for all of them. Second 0 of the scenario is an instant of the clock, so that a
restarted simulator continues where the world is by then.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.clock import Clock
from core.community import Community
from edge.simulator.derivation import PortPlan, ports_of
from edge.simulator.faults import Faults
from edge.simulator.line import Line
from edge.simulator.program import Program
from edge.simulator.relay import Relay
from edge.simulator.scenario import FaultKind, Scenario
from edge.simulator.terminal import Terminal

# Longest wall wait: how late a stop, or a reader that has just come, may be noticed.
TICK_S = 0.05
# A request that is not complete after this wall time is noise (an idle line ends a frame).
IDLE_S = 0.2

Emit = Callable[[dict[str, object]], None]


@dataclass(slots=True)
class _Port:
    """A line on its terminal."""

    line: Line
    terminal: Terminal
    watched: int = -1  # file descriptor that the selector knows
    last_byte_s: float = 0.0
    sent: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Cue:
    """Something that is announced at a second of the run."""

    t_s: float
    event: Mapping[str, object]
    station: str = ""
    cut: bool = False
    reset: bool = True


class Stage:
    """Plays one scenario.

    Args:
        scenario: What happens.
        community: The derived community.
        folder: Where the symlinks `<station>.<port>` go; it is made.
        clock: The run's clock.
        start_ms: Run time of second 0.
        emit: Takes each event (ready, truth, fault, ended).
        relays: Relay of each station whose uplink is cut.
        seed: Replaces the scenario's own seed.

    Raises:
        ConfigurationError: A recording is missing.
        DriverError: A sensor's entry does not fit its driver.
    """

    def __init__(
        self,
        scenario: Scenario,
        community: Community,
        folder: Path,
        clock: Clock,
        *,
        start_ms: int,
        emit: Emit,
        relays: Mapping[str, Relay] | None = None,
        seed: int | None = None,
    ) -> None:
        self._scenario = scenario
        self._clock = clock
        self._start_ms = start_ms
        self._emit = emit
        self._relays = dict(relays or {})
        program = Program(scenario, community, seed)
        self._faults = Faults(scenario.fault, program.seed)
        self._folder = folder
        self._ports = [
            _Port(Line(plan, program, self._faults), Terminal(folder / plan.link))
            for plan in ports_of(community)
        ]
        self._selector = selectors.DefaultSelector()
        self._cues = _cues(scenario)

    @property
    def plans(self) -> tuple[PortPlan, ...]:
        """The ports of the stage."""
        return tuple(port.line.plan for port in self._ports)

    def now_s(self) -> float:
        """Return the second of the scenario."""
        return (self._clock.now_ms() - self._start_ms) / 1000.0

    def run(self, stop: threading.Event) -> None:
        """Play until *stop*; after the planned end the last state is held.

        Raises:
            OSError: A pseudo-terminal or symlink can't be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            for port in self._ports:
                port.terminal.plug()
            self._emit(self._ready())
            while not stop.is_set():
                self._turn()
        finally:
            for port in self._ports:
                port.terminal.pull()
            self._selector.close()

    def _ready(self) -> dict[str, object]:
        return {
            "event": "ready",
            "scenario": self._scenario.id,
            "at": self._clock.now_ms(),
            "start": self._start_ms,
            "duration_s": self._scenario.duration_s,
            "speed": self._clock.speed,
            "ports": [port.line.plan.link for port in self._ports],
        }

    def _turn(self) -> None:
        t_s = self.now_s()
        self._announce(t_s)
        for port in self._ports:
            self._tend(port, t_s)
        for key, _ in self._selector.select(self._wait_s(t_s)):
            self._hear(key.data)

    def _wait_s(self, t_s: float) -> float:
        due_s = min((port.line.next_s() for port in self._ports if port.watched >= 0), default=1e12)
        return min(max((due_s - t_s) / self._clock.speed, 0.0), TICK_S)

    def _tend(self, port: _Port, t_s: float) -> None:
        """Plug or pull the cable, notice readers that come and go, send what is due."""
        pulled = self._faults.pulled(port.line.sensors, t_s)
        if pulled and port.terminal.plugged:
            self._unwatch(port)
            port.terminal.pull()
        if not pulled and not port.terminal.plugged:
            port.terminal.plug()
        before = port.terminal.fd
        listening = port.terminal.listening()
        if not listening or port.terminal.fd != before:
            self._unwatch(port)
        elif port.watched < 0:
            self._selector.register(port.terminal.fd, selectors.EVENT_READ, port)
            port.watched = port.terminal.fd
        frames = port.line.spoken(t_s)
        if listening:
            for frame in frames:
                self._send(port, frame)

    def _unwatch(self, port: _Port) -> None:
        if port.watched >= 0:
            self._selector.unregister(port.watched)
            port.line.hush()
        port.watched = -1

    def _hear(self, port: _Port) -> None:
        data = port.terminal.read()
        if not data:
            return  # the reader has gone; the next turn replaces the terminal
        wall_s = self._clock.monotonic_s()
        if wall_s - port.last_byte_s > IDLE_S:
            port.line.hush()
        port.last_byte_s = wall_s
        answer = port.line.answered(data, max(0.0, self.now_s()))
        if answer:
            self._send(port, answer)

    def _send(self, port: _Port, frame: bytes) -> None:
        if port.terminal.write(frame):
            port.sent += 1
        else:
            port.lost += 1

    def _announce(self, t_s: float) -> None:
        while self._cues and self._cues[0].t_s <= t_s:
            cue = self._cues.pop(0)
            relay = self._relays.get(cue.station)
            event = dict(cue.event)
            if relay is not None and cue.cut:
                relay.cut(reset=cue.reset)
            elif relay is not None:
                relay.mend()
            elif cue.station:
                event["without"] = "relay"  # nobody gave this station a relay: nothing is cut
            self._emit({**event, "at": self._start_ms + round(cue.t_s * 1000), "t": cue.t_s})


def _cues(scenario: Scenario) -> list[_Cue]:
    """Return everything that is announced, in order."""
    cues = [_Cue(scenario.duration_s, {"event": "ended", "scenario": scenario.id})]
    for truth in scenario.truth:
        facts: dict[str, object] = {
            "event": "truth",
            "hazard": str(truth.hazard),
            "zone": truth.zone,
            "grade": truth.grade,
            "text": {"zh": truth.text.zh, "en": truth.text.en},
        }
        cues.append(_Cue(truth.from_s, {**facts, "state": "begins"}))
        cues.append(_Cue(truth.to_s, {**facts, "state": "ends"}))
    for fault in scenario.fault:
        facts = {
            "event": "fault",
            "kind": str(fault.kind),
            "subject": fault.subject,
            "expect": fault.expect,
            "text": {"zh": fault.text.zh, "en": fault.text.en},
        }
        station = fault.station if fault.kind is FaultKind.UPLINK_CUT else ""
        cues.append(
            _Cue(fault.from_s, {**facts, "state": "begins"}, station, cut=True, reset=fault.reset)
        )
        cues.append(_Cue(fault.to_s, {**facts, "state": "ends"}, station))
    return sorted(cues, key=lambda cue: cue.t_s)
