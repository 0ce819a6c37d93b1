"""How the program itself stands: what readiness, metrics and the page of channels tell."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from prometheus_client import CollectorRegistry

from alerts.act_store import ActStore, KeptAct
from alerts.channels.base import Channel
from alerts.channels.callback import CalledBack
from alerts.cycle_views import CyclePort, WithholdingPort
from alerts.database import Database
from alerts.delivery_views import ChannelView
from alerts.health import OwnHealth
from alerts.metrics import Metrics
from alerts.reaching import Reaching
from alerts.store import Store
from core.broker import Broker
from core.clock import Clock


class Readiness(msgspec.Struct, frozen=True):
    """Whether people would be told of a danger that begins now.

    Attributes:
        status: `ok` if every check holds, else `not ready`.
        checks: What must hold, by name.
    """

    status: str
    checks: dict[str, bool]


class Program:
    """What a running alert service tells of itself. Safe to call from any thread.

    Args:
        broker: Where findings come from.
        database: The state.
        channels: By name.
        store: Incidents and their notifications.
        clock: Clock of the run.
        acts: What stations did by themselves.
        reaching: What sends.
        health: Whether anybody judges.
        metrics: What Prometheus may ask.
        cycle: Which reviews are owed.
        withholding: What is withheld.
    """

    def __init__(
        self,
        broker: Broker,
        database: Database,
        channels: Mapping[str, Channel],
        store: Store,
        clock: Clock,
        *,
        acts: ActStore,
        reaching: Reaching,
        health: OwnHealth,
        metrics: Metrics,
        cycle: CyclePort,
        withholding: WithholdingPort,
    ) -> None:
        self._broker = broker
        self._database = database
        self._channels = channels
        self._store = store
        self._acts = acts
        self._reaching = reaching
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._cycle = cycle
        self._withholding = withholding

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics, as of the last `measure`."""
        return self._metrics.registry

    @property
    def called_back(self) -> dict[str, CalledBack]:
        """Channels whose vendors call back over HTTP, by name."""
        return {
            name: channel
            for name, channel in self._channels.items()
            if isinstance(channel, CalledBack)
        }

    def acts(self, limit: int = 100, station: str | None = None) -> list[KeptAct]:
        """Return what stations did by themselves, newest first."""
        return self._acts.latest(limit, station)

    def channel_states(self) -> list[ChannelView]:
        """Return how each channel stands."""
        return self._reaching.channels()

    def readiness(self) -> dict[str, bool]:
        """Return what must hold so that people would be told of a danger that begins now."""
        return {
            "broker": self._broker.linked,
            "database": self._database.writable(),
            "detectors": self._health.judging,
            **self._reaching.turning(),
        }

    def measure(self) -> None:
        """Bring the gauges up to date, before they are read."""
        counts, oldest = self._store.outbox_counts()
        age_ms = self._clock.now_ms() - oldest if oldest is not None else 0
        grades = [kept.incident.grade for kept in self._store.open_incidents()]
        self._metrics.measure(counts, age_ms, grades, linked=self._broker.linked)
        self._metrics.withheld.set(len(self._withholding.standing()))
        self._metrics.reviews_owed.set(len(self._cycle.reviews_owed()))
        for name, channel in self._channels.items():
            for figure, value in channel.figures.items():
                self._metrics.channel.labels(name, figure).set(value)
