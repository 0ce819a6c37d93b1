"""Reaching people, wired: the outbox worker with its chores, one-time links, auditor, watchdog."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alerts import breaker
from alerts.auditor import Auditor
from alerts.channels.base import Channel
from alerts.database import Database
from alerts.delivery import Delivery
from alerts.delivery_views import ChannelView, channel_views
from alerts.digest import Digests
from alerts.health import OwnHealth
from alerts.links import Links
from alerts.metrics import Metrics
from alerts.selftest import SelfTests
from alerts.store import Store
from alerts.waiting import Waiting
from alerts.watch import Watch
from alerts.watchdog import Watchdog
from alerts.worker import Worker
from core.clock import Clock
from core.community import Community

# A loop that has not turned for this long stands still, wall seconds.
STALLED_S = 30.0


class Reaching:
    """Everything between the outbox and people.

    Args:
        database: State of alerts.
        channels: By name.
        community: Contacts and names.
        clock: Clock of the run.
        metrics: Counters.
        health: Where findings of our own go.
        store, watch: For the auditor.
        delivery: As hub.toml says it.
        base_url: Of the console, for links.
        owner: Name of this program on the database.
        told: Called with the incidents whose notifications changed.
        turning: What else must turn so that people are told.

    Raises:
        ChannelError: The watchdog's address can't be used.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        community: Community,
        clock: Clock,
        metrics: Metrics,
        *,
        health: OwnHealth,
        store: Store,
        watch: Watch,
        delivery: Delivery,
        base_url: str,
        owner: str,
        told: Callable[[set[int]], None],
        turning: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock
        self._turning = turning
        self.links = Links(database, base_url, clock)
        tests = SelfTests(
            community,
            delivery.selftest,
            channels,
            lambda name, well: health.note(
                f"channel.{name}", "self-test", "test-failed", active=not well
            ),
        )
        digests = Digests(community, base_url, Waiting(community, delivery))
        self.worker = Worker(
            database, channels, clock, metrics, owner=owner, told=told, health=health.delivered,
            take_url=self.links.url, chores=(digests, tests), rested=health.rested,
        )  # fmt: skip
        self._auditor = Auditor(
            store, watch, clock, turning=self.turning, health=health, metrics=metrics,
            watchdog=Watchdog(delivery.watchdog, clock),
        )  # fmt: skip

    def start(self) -> None:
        """Begin."""
        self.worker.start()
        self._auditor.start()

    def stop(self) -> None:
        """End; what is under way is settled, the rest stays in the outbox."""
        self._auditor.stop()
        self.worker.stop()

    def turning(self) -> dict[str, bool]:
        """Return what must turn so that people are told."""
        since_s = self._clock.monotonic_s() - self.worker.alive_s
        return {**self._turning(), "outbox": since_s < STALLED_S}

    def channels(self) -> list[ChannelView]:
        """Return how each channel stands."""
        with self._database.read() as connection:
            return channel_views(
                connection, self._channels, breaker.read(connection), self._clock.wall_ms()
            )
