"""The station: one thread per port, one publisher, and a watch over all of them.

```
port-a ─┐
port-b ─┼─▶ intake (select, stamp, judge, sample) ─▶ tray ─▶ publisher ─▶ spool ─▶ broker
port-c ─┘                                                        ▲─── receipts ───────┘
```
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

from core.broker import Broker
from core.clock import Clock
from core.configuration import ConfigurationError
from edge.acting.crew import Crew
from edge.acting.line_jobs import LineJobs
from edge.acting.muster import baud_of, crew_of, jobs_of
from edge.chronometer import MOST_AHEAD_S, Chronometer
from edge.configuration import StationConfig, load_station
from edge.health import acting_health, flow_health, link_health, machine_health, port_health
from edge.instruments import instruments_on
from edge.intake import Intake
from edge.port_worker import OpenPort, PortCounters, PortPlan, PortWorker
from edge.ports import open_serial
from edge.publisher import DRAIN_S, Publisher
from edge.service_notice import READY, STOPPING, ServiceNotice
from edge.spool import Spool, new_boot
from edge.tray import Tray

LOG = logging.getLogger(__name__)

# A worker without a sign of life for so long hangs in the operating system (a driver that blocks in
# open or write): a new one takes over. Its own waits are at most a second.
STUCK_S = 30.0
# Wall seconds between two looks at the parts, and between two restarts of one port.
_LOOK_S = 1.0
_RESTART_S = 5.0
# Frames a second that one line brings at most (interfaces, demo): bounds what may be in memory.
_FRAMES_PER_S = 20.0
_JOIN_S = 2.0
# Threads of one port that may hang in the operating system at a time. Another one would hang there,
# too, and the service manager bounds all threads of the station.
_MOST_STUCK = 3
_DAY_MS = 86_400_000
# How long the crew may take to switch everything off (a dead relay module costs 3 s).
_CREW_S = 6.0


@dataclass(slots=True)
class _Post:
    """One port: its plan, its present worker and its counters."""

    plan: PortPlan
    counters: PortCounters
    worker: PortWorker
    restarted_s: float = float("-inf")
    stuck: list[PortWorker] = field(default_factory=list)


class Station:
    """A whole station.

    Args:
        config: As loaded from `station.toml`.
        clock: The run's clock.
        notice: Who is told that we are ready and alive.
        open_port: Opens serial ports; tests replace it.
        file: Where `config` comes from, to be read again when the hub says so.

    Raises:
        ConfigurationError: The key for commands can't be used.
        SpoolBusyError: Another process holds the spool.
    """

    def __init__(
        self,
        config: StationConfig,
        clock: Clock,
        *,
        notice: ServiceNotice | None = None,
        open_port: OpenPort = open_serial,
        file: Path | None = None,
    ) -> None:
        self._file = file
        self._anew = threading.Event()
        self._clock = clock
        self._config = config
        self._notice = notice or ServiceNotice()
        self._open_port = open_port
        self._started_s = clock.monotonic_s()
        self._chronometer = Chronometer(clock, trusted=config.station.clock == "trusted")
        at_risk = readings_at_risk(config, clock.speed)
        series = sum(len(entry.quantities) for entry in config.sensor)
        self._tray = Tray(flush_at=at_risk)
        boot = new_boot()
        self._spool = Spool(
            config.spool_path,
            boot,
            clock,
            max_bytes=round(config.station.spool_max_mb * 1e6),
            # What arrives while the flush itself is under way comes on top.
            at_risk=at_risk + series,
            max_age_ms=round(config.station.spool_max_days * _DAY_MS),
            exercise=config.station.exercise,
        )
        self._jobs: dict[str, LineJobs] = jobs_of(config)
        self._crew: Crew | None = None
        if config.acts:
            self._crew = crew_of(config, boot, self._chronometer, clock, self._jobs, self._reload)
        observe = self._crew.observe if self._crew is not None else None
        self._intake = Intake(config, self._chronometer, self._tray, observe)
        self._posts: dict[str, _Post] = {}
        for port in config.port:
            instruments = partial(instruments_on, port.id, config.sensor)
            made = instruments()
            jobs = self._jobs.get(port.id)
            if not made and jobs is None:
                LOG.warning("port %s: no sensor uses it", port.id)
                continue
            plan = PortPlan(port, baud_of(port, config), instruments, jobs)
            counters = PortCounters()
            self._posts[port.id] = _Post(plan, counters, self._worker(plan, counters))
        self._publisher = Publisher(
            config, self._spool, self._tray, self._chronometer, clock, self.health, self._crew
        )

    def run(self, stop: threading.Event, hurry: threading.Event | None = None) -> bool:
        """Work until *stop*; then send what is left, unless *hurry*.

        Returns:
            True after a clean stop; False if a part failed that the station can't do without, or
            the clock was set back too far: the process should end and be started again.
        """
        hurry = hurry or threading.Event()
        # A fast run has the allowance of lateness: 10 s for each unit of speed (interfaces, Time).
        most_ahead_s = MOST_AHEAD_S + 10 * max(self._clock.speed - 1, 0)
        LOG.info(
            "station %s of %s, boot %s: %d ports, %d sensors",
            self._config.station.id,
            self._config.station.site,
            self._spool.boot,
            len(self._posts),
            len(self._config.sensor),
        )
        self._publisher.start()
        for post in self._posts.values():
            post.worker.start()
        if self._crew is not None:
            self._crew.start()
        self._notice.say(READY)
        while not stop.wait(_LOOK_S):
            if not self._publisher.is_alive():
                LOG.error("station: the publisher ended; ending, to be started again")
                self._stop_crew()
                self._stop_ports()
                return False
            if self._crew is not None and not self._crew.is_alive():
                LOG.error("station: what acts alone ended; ending, to be started again")
                self._finish(hurry)
                return False
            if self._anew.is_set():
                LOG.warning("station: ending, to be started again with the file as it is now")
                self._finish(hurry)
                return False
            ahead_s = self._chronometer.health().ahead_s
            if ahead_s > most_ahead_s:
                LOG.error(
                    "station: the clock was set back, %.0f s of its time are ahead; ending, to be"
                    " started again with the new time",
                    ahead_s,
                )
                self._finish(hurry)
                return False
            self._watch()
        self._notice.say(STOPPING)
        return self._finish(hurry)

    def health(self, spool: Spool, broker: Broker) -> dict[str, float]:
        """Return the numbers of the status."""
        ports = {name: (post.worker.is_open, post.counters) for name, post in self._posts.items()}
        return {
            "uptime_s": round(self._clock.monotonic_s() - self._started_s, 1),
            **machine_health(self._config.spool_path.parent),
            **link_health(spool, broker),
            **flow_health(
                self._intake.counters, self._intake.masked_bad, self._chronometer.health()
            ),
            **port_health(ports),
            **(acting_health(self._crew.state) if self._crew is not None else {}),
        }

    def _worker(self, plan: PortPlan, counters: PortCounters) -> PortWorker:
        return PortWorker(plan, self._intake, self._clock, counters, open_port=self._open_port)

    def _watch(self) -> None:
        """Replace dead and stuck workers; tell systemd so if every thread has moved lately."""
        now_s = self._clock.monotonic_s()
        moving = now_s - self._publisher.beat_s < STUCK_S
        moving &= self._crew is None or now_s - self._crew.beat_s < STUCK_S
        for name, post in self._posts.items():
            post.stuck = [worker for worker in post.stuck if worker.is_alive()]
            stuck = now_s - post.worker.beat_s >= STUCK_S
            if stuck or not post.worker.is_alive():
                self._replace(name, post, now_s, stuck=stuck)
            # A port that is restarted again and again, or that hangs for good, must not stop the
            # others: its new thread counts, and a post that is given up does not.
            given_up = len(post.stuck) >= _MOST_STUCK
            moving &= given_up or now_s - post.worker.beat_s < STUCK_S
        if moving:
            self._notice.alive(now_s)

    def _replace(self, name: str, post: _Post, now_s: float, *, stuck: bool) -> None:
        """Give a port a new worker, unless its last ones still hang."""
        if now_s - post.restarted_s < _RESTART_S or len(post.stuck) >= _MOST_STUCK:
            return
        LOG.error("port %s: its thread is %s; a new one", name, "stuck" if stuck else "dead")
        post.worker.stop()
        if stuck:
            post.stuck.append(post.worker)
            if len(post.stuck) >= _MOST_STUCK:
                LOG.error("port %s: %d threads hang; waiting for one", name, len(post.stuck))
        post.counters.restarts += 1
        post.restarted_s = now_s
        post.worker = self._worker(post.plan, post.counters)
        post.worker.start()

    def _reload(self) -> str:
        """Check the file as it is now, and begin anew with it; return why not, or ""."""
        if self._file is None:
            return "this station does not know its file"
        try:
            load_station(self._file)
        except ConfigurationError as error:
            return str(error)
        self._anew.set()
        return ""

    def _stop_crew(self) -> None:
        """Everything off, while the lines of relay modules are still served."""
        if self._crew is not None and self._crew.ident is not None:
            self._crew.stop()
            self._crew.join(_CREW_S)
            if self._crew.is_alive():
                LOG.error("station: the outputs may still be on: the crew does not end")

    def _stop_ports(self) -> None:
        for post in self._posts.values():
            post.worker.stop()
        end_s = self._clock.monotonic_s() + _JOIN_S
        for post in self._posts.values():
            post.worker.join(max(end_s - self._clock.monotonic_s(), 0.0))

    def _finish(self, hurry: threading.Event) -> bool:
        self._stop_crew()
        self._stop_ports()
        self._publisher.stop()
        end_s = self._clock.monotonic_s() + DRAIN_S + 2 * _JOIN_S
        while self._publisher.is_alive() and self._clock.monotonic_s() < end_s:
            if hurry.is_set():
                self._publisher.hurry()
            self._publisher.join(0.2)
        clean = not self._publisher.is_alive() and not self._publisher.failed
        LOG.info("station %s: stopped%s", self._config.station.id, "" if clean else ", not cleanly")
        return clean


def readings_at_risk(config: StationConfig, speed: float) -> int:
    """Return how many readings may lie in memory between two commits (interfaces, Ledger)."""
    pack_s = config.station.pack_interval_s
    return sum(
        (min(ceil(pack_s * speed / entry.interval_s), ceil(pack_s * _FRAMES_PER_S)) + 1)
        * len(entry.quantities)
        for entry in config.sensor
    )
