"""The publisher: empties the tray into the spool, the spool into the broker, and says how we are.

One thread owns the spool. It sleeps until a pack, a status or a repetition is due, or until
something urgent, a receipt or the link wakes it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from core import topics
from core.broker import Broker, Message, Will
from core.clock import Clock
from core.status import Link, StationStatus, StatusError, decode_receipt, encode_status
from edge.acting.crew import Crew
from edge.chronometer import Chronometer
from edge.configuration import StationConfig
from edge.pack_books import PackId, StoredPack
from edge.spool import Spool
from edge.tray import Tray
from edge.window import WINDOW_PACKS, Window

LOG = logging.getLogger(__name__)

# Wall seconds between two statements of the station's state.
STATUS_S = 10.0
# How long a clean stop waits for receipts, and for the broker's answer to the last word.
DRAIN_S = 10.0
_GOODBYE_S = 2.0
# A stop without a link does not wait for one longer than this.
_LINK_S = 1.0
# Receipts that wait for the publisher; the packs of lost ones are sent again, which does no harm.
_MOST_RECEIPTS = 10_000
_SHORTEST_PAUSE_S = 0.005


class Publisher(threading.Thread):
    """Sends what the station has produced.

    Args:
        config: Who we are, where the broker is.
        spool: What to send; used by this thread only, and closed by it.
        tray: What to put into the spool.
        chronometer, clock: For times.
        health: Gives the numbers of the status, with the spool's.
        crew: What acts alone; its state and acts travel in the status.
    """

    def __init__(
        self,
        config: StationConfig,
        spool: Spool,
        tray: Tray,
        chronometer: Chronometer,
        clock: Clock,
        health: Callable[[Spool, Broker], dict[str, float]],
        crew: Crew | None = None,
    ) -> None:
        super().__init__(name="publisher", daemon=True)
        site, station = config.station.site, config.station.id
        self._readings_topic = topics.readings(site, station)
        self._status_topic = topics.status(site, station)
        self._stored_topic = topics.stored(site, station)
        self._spool = spool
        self._tray = tray
        self._chronometer = chronometer
        self._clock = clock
        self._health = health
        self._crew = crew
        self._window = Window()
        self._receipts: deque[tuple[PackId, ...]] = deque(maxlen=_MOST_RECEIPTS)
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._relinked = threading.Event()
        self._online = False
        self._said = (False, False)
        self._pack_s = config.station.pack_interval_s
        # Of a drill: said beside the pack, too, for whoever looks at no payload.
        exercise = config.station.exercise
        self._marks = {"exercise": exercise} if exercise else {}
        self._pack_due_s = self._status_due_s = self.beat_s = clock.monotonic_s()
        self.failed = False
        will = StationStatus(link=Link.OFFLINE, boot=spool.boot, at=clock.now_ms())
        self._broker = Broker(
            config.broker,
            f"safety-eye-station-{site}-{station}",
            on_message=self._received,
            on_link=self._link_changed,
            will=Will(self._status_topic, encode_status(will)),
        )
        self._broker.subscribe([self._stored_topic])
        if crew is not None:
            self._broker.subscribe(crew.filters)
            crew.news = self._say_soon

    @property
    def linked(self) -> bool:
        """True while the broker answers."""
        return self._broker.linked

    def stop(self) -> None:
        """Ask it to send what it has, wait for receipts, say goodbye and end."""
        self._stopping.set()
        self._tray.wake.set()

    def hurry(self) -> None:
        """Do not wait for receipts any longer."""
        self._hurry.set()
        self.stop()

    def run(self) -> None:
        """Publish until stopped."""
        try:
            self._broker.start()
            while not self._stopping.is_set():
                self._tray.wake.wait(self._pause_s())
                self._tray.wake.clear()
                self._turn()
            self._finish()
        except (
            Exception
        ):  # a fault of ours: the station ends and is started again by its supervisor
            self.failed = True
            LOG.exception("publisher: ends")
            raise

    def _turn(self) -> None:
        now_s = self.beat_s = self._clock.monotonic_s()
        self._take_receipts(now_s)
        self._follow_link(now_s)
        if self._tray.urgent or now_s >= self._pack_due_s:
            self._pack(now_s)
        self._spool.take_over_some()
        if self._online:
            self._drain(now_s)
            # Said at once: a clock that is trusted now places what was seen before; a spool that
            # is in memory now is a reason to come.
            if now_s >= self._status_due_s or self._condition() != self._said:
                self._say(Link.ONLINE)
                self._status_due_s = now_s + STATUS_S

    def _pause_s(self) -> float:
        if self._spool.takes_over:
            return _SHORTEST_PAUSE_S
        due_s = self._pack_due_s
        if self._online:
            due_s = min(due_s, self._status_due_s)
            resend_s = self._window.next_resend_s()
            due_s = due_s if resend_s is None else min(due_s, resend_s)
        return max(due_s - self._clock.monotonic_s(), _SHORTEST_PAUSE_S)

    def _pack(self, now_s: float) -> None:
        """Turn what lies in the tray into durable packs, and send them at once."""
        # An urgent pack starts the interval anew; a regular one keeps the grid.
        begun_s = min(self._pack_due_s, now_s)
        self._pack_due_s = max(begun_s + self._pack_s, now_s)
        batches, dropped = self._tray.take()
        for batch in batches:
            packs = self._spool.commit(
                batch.readings,
                sync=batch.sync,
                sent=self._online,
                dropped=dropped,
                alarm=batch.alarm,
            )
            dropped = 0
            for pack in packs:
                self._send(pack, backlog=False)
        if not batches:
            if self._spool.has_declarations:
                sync = self._chronometer.now().sync
                for pack in self._spool.commit([], sync=sync, sent=self._online):
                    self._send(pack, backlog=False)
            else:
                self._spool.settle()

    def _send(self, pack: StoredPack, *, backlog: bool) -> None:
        if not self._online:
            return
        user = {"boot": pack.id.boot, "seq": str(pack.id.seq), "count": str(pack.count)}
        user |= self._marks
        if self._broker.publish(self._readings_topic, pack.payload, user=user).ok:
            self._window.sent(pack.id, self._clock.monotonic_s(), backlog=backlog)

    def _drain(self, now_s: float) -> None:
        room = self._window.room(now_s)
        if room:
            for pack in self._spool.oldest(room, self._window.under_way):
                self._send(pack, backlog=True)

    def _follow_link(self, now_s: float) -> None:
        """After each connect: birth, the newest state if there is a backlog, then what waits."""
        if self._relinked.is_set():
            self._relinked.clear()
            self._online = True
            self._window.restart(now_s)
            self._say(Link.ONLINE)
            self._status_due_s = now_s + STATUS_S
            if self._spool.waiting.packs > WINDOW_PACKS:
                for pack in self._spool.newest(WINDOW_PACKS, ()):
                    self._send(pack, backlog=False)
            self._drain(now_s)
        if self._online and not self._broker.linked:
            self._online = False

    def _take_receipts(self, now_s: float) -> None:
        while self._receipts:
            names = self._receipts.popleft()
            self._window.receipted(names, now_s)
            self._spool.receipt(names)

    def _condition(self) -> tuple[bool, bool]:
        return self._chronometer.now().sync, self._spool.degraded

    def _say(self, link: Link) -> bool:
        instant = self._chronometer.now()
        self._said = self._condition()
        status = StationStatus(
            link=link,
            boot=self._spool.boot,
            at=instant.at if instant.sync else self._clock.now_ms(),
            sync=instant.sync,
            monotonic_ms=instant.elapsed_ms,
            made=self._spool.made,
            spooled=self._spool.waiting.packs,
            ended=self._spool.ended,
            closed=self._spool.closed,
            health=self._health(self._spool, self._broker),
        )
        if self._crew is not None:
            status = msgspec.structs.replace(status, acting=self._crew.state, acts=self._crew.acts)
        sent = self._broker.publish(self._status_topic, encode_status(status), retain=True)
        return link is not Link.STOPPED or sent.wait(_GOODBYE_S)

    def _finish(self) -> None:
        """Commit the last pack, wait for receipts, say goodbye."""
        self._pack_due_s = self._clock.monotonic_s()
        self._turn()
        begun_s = self._clock.monotonic_s()
        while not self._hurry.is_set():
            waited_s = self._clock.monotonic_s() - begun_s
            bound_s = DRAIN_S if self._online else _LINK_S
            if waited_s >= bound_s or not self._spool.waiting.packs:
                break
            self._tray.wake.wait(min(self._pause_s(), 0.2))
            self._tray.wake.clear()
            self._turn()
        if self._online and not self._say(Link.STOPPED):
            LOG.warning("publisher: the broker did not confirm the goodbye")
        self._broker.stop()
        self._spool.close()

    def _received(self, message: Message) -> None:
        if message.topic != self._stored_topic:
            if self._crew is not None:
                self._crew.receive(message)
            return
        try:
            receipt = decode_receipt(message.payload)
        except StatusError as error:
            LOG.warning("publisher: %s", error)
            return
        if receipt.acts and self._crew is not None:
            self._crew.confirmed(receipt.acts)
        self._receipts.append(tuple(PackId(receipt.boot, seq) for seq in receipt.seq))
        self._tray.wake.set()

    def _say_soon(self) -> None:
        """The crew has something to tell: the status does not wait for its turn."""
        self._status_due_s = self._clock.monotonic_s()
        self._tray.wake.set()

    def _link_changed(self, linked: bool) -> None:
        if self._crew is not None:
            self._crew.linked(linked=linked)
        if linked:
            LOG.info("publisher: linked to the broker")
            self._relinked.set()
        elif not self._stopping.is_set():
            LOG.warning("publisher: link lost (%s)", self._broker.last_error)
        self._tray.wake.set()
