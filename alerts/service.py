"""The alert service: findings in, incidents kept, people told. The desk is its counter.

Threads: paho's (hands messages over to a bounded queue), the watch (judges and publishes), the
outbox worker with its senders. A finding is acknowledged to the broker after its commit.
"""

from __future__ import annotations

import threading

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from alerts.act_store import ActStore
from alerts.acts import Acts
from alerts.answers import Answers
from alerts.channels import open_channels, unusable
from alerts.channels.entry import ChannelEntry
from alerts.channels.sounder import OrdersStations
from alerts.cycle_desk import CycleDesk
from alerts.database import open_database
from alerts.decisions import Patience
from alerts.delivery import Delivery
from alerts.desk import IncidentDesk
from alerts.desks import Desks
from alerts.drill_desk import DrillDesk
from alerts.drill_store import DrillStore
from alerts.figures import note_beginning, reviews
from alerts.health import OwnHealth
from alerts.heartbeat import HeartbeatPublisher
from alerts.inbox import Inbox
from alerts.isolation import attempt_each
from alerts.journal import Head
from alerts.ladder import ladders
from alerts.metrics import Metrics
from alerts.orders import StationOrders
from alerts.people import PeopleDesk
from alerts.program import Program
from alerts.publisher import GradePublisher
from alerts.reaching import STALLED_S, Reaching
from alerts.response import Response
from alerts.routing import unreachable
from alerts.standards import Standards, StandardsSettings
from alerts.statuses import Statuses
from alerts.store import StaleError, Store
from alerts.views import IncidentError
from alerts.watch import Watch
from alerts.withholding_desk import WithholdingDesk
from alerts.withholding_store import WithholdingStore
from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import Clock
from core.community import Community
from core.drill import DrillStatement, encode_drill
from core.grade import Grade

log = structlog.get_logger()

# How often time passes for the watch, wall seconds; in a fast run this is the resolution.
TICK_S = 0.2
# How often it is checked that each announcement reached somebody, wall seconds.
REMIND_S = 1.0
ERROR_REST_S = 1.0


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How alerts runs.

    Attributes:
        state_url: `sqlite:///alerts.db` or `postgresql://…`.
        channels: `[[channel]]` of hub.toml.
        base_url: Of the console, for links in messages.
        patience: How long to wait with what is not urgent.
        delivery: Ladders, digest, quiet hours, watchdog, self-test.
        response: Plans, roster and supplies (response.toml).
        response_problem: Why response.toml can't be used, "" if it can: people are told all the
            same, by everybody's role, and the duty hears that it must be mended.
        versions: Of the files that were loaded, by name: whether a lesson is applied.
        owner: Name of this program; two of them on one database need two names.
        standards: How we speak with other systems.
    """

    state_url: str
    channels: tuple[ChannelEntry, ...] = ()
    base_url: str = ""
    patience: Patience = Patience()
    delivery: Delivery = Delivery()
    response: Response = Response()
    response_problem: str = ""
    versions: dict[str, str] = {}
    owner: str = "alerts"
    standards: StandardsSettings = StandardsSettings()


class AlertService(IncidentDesk):
    """Keeps the incidents of one site, from construction to `stop`.

    Args:
        settings: How.
        community: The profile.
        broker: Where findings come from.
        clock: Clock of the run.

    Raises:
        DatabaseError: The state can't be opened.
        ChannelError: A channel can't be configured like this.
    """

    def __init__(
        self,
        settings: AlertSettings,
        community: Community,
        broker: BrokerAddress,
        clock: Clock,
    ) -> None:
        self._community = community
        self.metrics = Metrics()
        self._channels = open_channels(settings.channels, community.contact)
        self._database = open_database(settings.state_url)
        self._inbox = Inbox(community.site.id, self.metrics)
        store = Store(
            self._database, community, settings.base_url, self._channels, settings.delivery
        )
        watch = Watch(store, community, clock, settings.patience)
        super().__init__(store, watch, clock, self._inbox.ring)
        withheld = WithholdingStore(self._database, community.site.id)
        self.cycle = CycleDesk(
            store, self._watch_of, withheld, clock, self._inbox.ring, settings.versions
        )
        self.withholding = WithholdingDesk(
            withheld, store, watch, community, clock, self._inbox.ring
        )
        watch.withhold(withheld.standing())  # before anything is judged
        self.standards = Standards(
            settings.standards, store=store, watch=watch, community=community,
            base_url=settings.base_url, clock=clock,
        )  # fmt: skip
        self.people = PeopleDesk(
            settings.response, self._database, store, watch, community, clock, self._channels,
            self._inbox.ring, ladders(settings.delivery.escalation),
        )  # fmt: skip
        self.standards.figures.plans = reviews(settings.response)
        self._health = OwnHealth(community, clock, self._watch.held_by_us())
        broken = bool(settings.response_problem)
        self._health.note(
            "program.plans", "configuration", "plans" if broken else "", active=broken
        )
        self._told: set[int] = set()
        self._told_lock = threading.Lock()
        self._stop = threading.Event()
        site = community.site.id
        self._broker = Broker(
            broker,
            # Two programs on one database are two clients of the broker.
            f"safety-eye-{settings.owner}-{site}",
            on_message=self._inbox.receive,
            on_link=self._link,
            manual_acknowledge=True,
        )
        self._broker.subscribe([topics.all_findings(site), topics.all_stations(site, "status")])
        self._broker.subscribe([topics.all_drill_findings(site), topics.all_drill_ready(site)])
        self.drills = DrillDesk(
            DrillStore(self._database, site), store, community, clock,
            lambda drill, twins: Watch(store, twins, clock, settings.patience, drill),
            self._state_drill, settings.response,
        )  # fmt: skip
        store.announcer.outputs = frozenset(
            name for name, channel in self._channels.items() if isinstance(channel, OrdersStations)
        )
        store.announcer.shared = frozenset(
            name for name, channel in self._channels.items() if channel.shared
        )
        self._publisher = GradePublisher(self._broker, site, clock)
        self._heartbeat = HeartbeatPublisher(self._broker, site, clock, self._would_tell)
        self._orders = StationOrders(
            lambda topic, payload, life_s: self._broker.publish(topic, payload, expiry_s=life_s),
            site,
            clock,
        )
        self._act_store = ActStore(self._database, site)
        zones = frozenset(zone.id for zone in community.zone)
        self._acts = Acts(self._act_store, watch, clock, zones)
        self._statuses = Statuses(self._acts, community, self._broker, heard=self._orders.heard)
        self._inbox.connect(self._broker, watch, self._statuses, self.drills, self._health)
        self._reaching = Reaching(
            self._database, self._channels, community, clock, self.metrics,
            health=self._health, store=store, watch=watch, delivery=settings.delivery,
            base_url=settings.base_url, owner=settings.owner, told=self._was_told,
            turning=self._turning,
        )  # fmt: skip
        self._worker = self._reaching.worker
        store.announcer.takes = lambda name, note: self._channels[name].takes(note)
        self._answers = Answers(
            self._database, clock, acknowledge=self.acknowledge, grade_of=self._grade_of,
            changed=self._was_told, health=self._health.delivered,
        )  # fmt: skip
        self.program = Program(
            self._broker, self._database, self._channels, store, clock, acts=self._act_store,
            reaching=self._reaching, health=self._health, metrics=self.metrics, cycle=self.cycle,
            withholding=self.withholding,
        )  # fmt: skip
        self.desks = Desks(
            cycle=self.cycle, withholding=self.withholding, people=self.people, drills=self.drills,
            standards=self.standards, links=self._reaching.links, program=self.program,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._turned_s = self._due_s = self._remind_s = clock.monotonic_s()

    def start(self) -> None:
        """Resume open incidents, connect, and begin to tell people."""
        note_beginning(self._database, self._clock.now_ms())
        for problem in (
            *unreachable(self._community, self._channels),
            *unusable(self._channels, self._community.contact),
        ):
            log.warning("not everybody can be told", problem=problem)
        for step in self.people.response.unowned:
            log.warning("nobody owns a step of a plan", step=step)
        self._note_applied()
        for channel in self._channels.values():
            if isinstance(channel, OrdersStations):
                channel.use_stations(self._orders)
            channel.start(self._answers)
        self._reaching.start()
        self._thread.start()
        self.standards.start()
        self._broker.start()

    def _note_applied(self) -> None:
        """A lesson that can't be written down must not keep people from being told."""
        try:
            for lesson in self.cycle.note_applied():
                log.info("a lesson is applied", lesson=lesson)
        except (IncidentError, StaleError, SQLAlchemyError) as error:
            log.warning("whether lessons are applied is not written down", error=str(error)[:200])

    def stop(self) -> None:
        """End cleanly: settle what is under way, keep the rest in the outbox."""
        self._stop.set()
        self.standards.stop()
        self._inbox.ring()
        if self._thread.ident is not None:
            self._thread.join(10)
            self._reaching.stop()
            self._broker.stop()
        for channel in self._channels.values():
            channel.close()
        self._database.close()

    # --- more than the port ---

    def verify_journal(self, anchor: Head | None = None) -> Head:
        """Check the journal's hash chain and every fold; return its end.

        Raises:
            alerts.journal.JournalError: It is broken; the message says where.
        """
        return self._store.verify_journal(anchor)

    def _would_tell(self) -> bool:
        """Detectors are heard and messages go out; else stations had better act alone."""
        return self._health.judging and all(self._reaching.turning().values())

    def _turning(self) -> dict[str, bool]:
        return {"watch": self._clock.monotonic_s() - self._turned_s < STALLED_S}

    # --- inside ---

    def _link(self, linked: bool) -> None:
        if linked:
            self._publisher.linked()
            self._heartbeat.linked()
            self.drills.linked()
        self._inbox.ring()

    def _grade_of(self, number: int) -> Grade | None:
        kept = self._store.kept(number)
        return kept.incident.grade if kept is not None and kept.incident.open else None

    def _was_told(self, numbers: set[int]) -> None:
        with self._told_lock:
            self._told |= numbers
        self._inbox.ring()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except (SQLAlchemyError, StaleError) as error:
                self.metrics.errors.labels("watch").inc()
                log.error(  # noqa: TRY400  # a full disk would fill the log with tracebacks
                    "the state could not be written; trying again", error=str(error)[:300]
                )
                self._stop.wait(ERROR_REST_S)
            except Exception:
                # One bad step must not end the watch: everything else still has to be told.
                self.metrics.errors.labels("bug").inc()
                log.exception("a step of the watch failed; going on")
                # Kept back, a few hundred messages would stop the broker from sending more.
                self._inbox.acknowledge()
                self._stop.wait(ERROR_REST_S)

    def _state_drill(self, statement: DrillStatement) -> bool:
        """State which drill runs; a stated end is forgotten by the broker after a while."""
        return self._broker.publish(
            topics.drill(self._community.site.id),
            encode_drill(statement),
            retain=True,
            expiry_s=topics.RETAINED_EXPIRY_S,
        ).ok

    def _turn(self) -> None:
        """Take every step once; a bug in one holds up no other.

        Where time can't pass the heartbeat stops: the watchdog outside and the stations notice.
        """
        steps = (self._take_in, self._pass_time, self._remind, self._tell_others)
        failure = attempt_each(lambda step: step(), steps)
        if failure is not None:
            raise failure
        self._turned_s = self._clock.monotonic_s()

    def _take_in(self) -> None:
        self._inbox.turn(TICK_S)

    def _remind(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._remind_s:
            self._remind_s = now_s + REMIND_S
            self.withholding.tick()
            self._watch.remind()
            self.drills.remind()

    def _pass_time(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + TICK_S
        # What goes wrong with what we say of ourselves, or with what stations did, stops no ladder.
        failure = attempt_each(lambda step: step(), (self._say_own, self._acts.tick))
        self._watch.tick()
        self.drills.tick()
        self._heartbeat.beat()
        self.people.tick()
        if failure is not None:
            raise failure

    def _say_own(self) -> None:
        for finding in (*self._health.findings(), *self.standards.findings()):
            self._watch.take(finding, None)

    def _tell_others(self) -> None:
        changes, exercises = self._watch.changes(), self.drills.changes()
        if changes.numbers or exercises:
            self._worker.wake()
        if self._publisher.due():
            self._publisher.publish([self._watch.grade(key) for key in self._watch.judged()])
        elif changes.keys:
            self._publisher.publish([self._watch.grade(key) for key in changes.keys], only_new=True)
        with self._told_lock:
            numbers, self._told = changes.numbers | exercises | self._told, set()
        if numbers:
            self.spread(numbers)
