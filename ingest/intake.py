"""From messages to a batch: decode, judge, count. Nothing that a device sends can stop it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from core import topics
from core.broker import Message
from core.community import Community
from core.drill import is_drill
from core.finding import FindingError, decode_zone_grade
from core.pack import Pack, PackError, decode_pack
from core.status import Link, StatusError, decode_status
from ingest.batch import Batch
from ingest.boot_clock import BootClocks
from ingest.exercise import Exercise
from ingest.history.base import StationState
from ingest.inbox import Delivery
from ingest.ledger import Ledger
from ingest.mapping import MappingError, Mappings, read_mapped
from ingest.quarantine import Quarantined
from ingest.validation import Judged, Registry, label_problem, valid_identity

log = logging.getLogger(__name__)
# A pack of 64 kB can't hold more records than this; a larger claim is not believed.
_MAX_CLAIM = 100_000


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What the MQTT user properties of a pack say, for packs that can't be read."""

    boot: str
    seq: int
    count: int


class Intake:
    """Takes messages into batches.

    Args:
        community: Who may send what.
        ledger: Where packs are counted; written when the batch is committed.
    """

    def __init__(self, community: Community, ledger: Ledger) -> None:
        self._registry = Registry(community)
        self.exercise = Exercise(community)
        self._mappings = Mappings(community)
        self._ledger = ledger
        self._clocks = BootClocks(ledger.connection)
        self._site = community.site.id
        self._topics: dict[str, topics.StationTopic | None] = {}
        self._drill = topics.drill(self._site)
        self._grades = topics.grade(self._site, "", "")[:-1]

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        site = self._site
        leaves = [topics.all_stations(site, leaf) for leaf in ("readings", "status")]
        return [*leaves, topics.all_grades(site), topics.drill(site), *self._mappings.filters]

    def take(self, deliveries: Sequence[Delivery]) -> Batch:
        """Return what the messages become; the ledger's accounts are changed, not yet written.

        Raises:
            sqlite3.Error: The ledger can't be read.
        """
        batch = Batch()
        for delivery in deliveries:
            message = delivery.message
            topic = self._station_topic(message.topic)
            if topic is None:
                self._take_other(batch, delivery)
            elif topic.leaf == "readings":
                self._take_pack(batch, topic.station, message, delivery.arrived_ms)
            elif topic.leaf == "status":
                self._take_status(batch, topic.station, message, delivery.arrived_ms)
        return batch

    def forget(self) -> None:
        """The batch was not committed: nothing of it happened."""
        self._ledger.rollback()
        self._clocks.forget()

    def _station_topic(self, topic: str) -> topics.StationTopic | None:
        if topic not in self._topics:
            if len(self._topics) > 10_000:  # topics come from outside; remember a bounded number
                self._topics.clear()
            parsed = topics.parse_station(topic)
            self._topics[topic] = parsed if parsed and parsed.site == self._site else None
        return self._topics[topic]

    def _take_pack(self, batch: Batch, station: str, message: Message, now_ms: int) -> None:
        batch.packs += 1
        claim = claim_of(message)
        pack, problem = _read(message.payload)
        if pack is None or problem:
            self._set_apart(batch, station, message, claim, problem, now_ms)
        elif claim and pack.boot and (pack.boot, pack.seq) != (claim.boot, claim.seq):
            reason = f"labels say {pack.boot}/{pack.seq}, properties {claim.boot}/{claim.seq}"
            self._set_apart(batch, station, message, claim, reason, now_ms)
        elif pack.boot is None and claim is None:
            self._keep_apart(batch, station, pack, now_ms)
        else:
            boot, seq = (pack.boot, pack.seq) if pack.boot else (claim.boot, claim.seq)  # type: ignore[union-attr]  # one of both is there
            self._keep(batch, station, boot, seq or 0, pack, claim, now_ms)

    def _keep(
        self,
        batch: Batch,
        station: str,
        boot: str,
        seq: int,
        pack: Pack,
        claim: Claim | None,
        now_ms: int,
    ) -> None:
        """Store and count a pack with a name, once."""
        batch.receipt(station, boot, seq)
        account = self._ledger.account(station, boot)
        held = pack.count
        count = held if claim is None else max(held, claim.count)
        if not account.receive(seq, pack.made, count + pack.thinned, now_ms):
            batch.duplicates += 1
            return
        if not pack.sync:
            pack = self._clocks.place(station, pack, now_ms)
        judged = self._judge(station, pack, now_ms)
        problems = judged.problems
        if count > held:
            reason = f"the pack was sent with {count} readings and holds {held}"
            batch.quarantined.append(
                Quarantined(now_ms, station, boot, seq, held, count - held, reason, 0, b"")
            )
        account.stored += len(judged.points)
        account.quarantined += len(problems) + count - held
        account.lost += pack.thinned
        batch.points += judged.points
        if problems:
            batch.quarantine_problems(problems, now_ms, station, boot, seq)
        if pack.gone or pack.unknown:
            self._ledger.declare(station, pack.gone, pack.unknown, now_ms)

    def _keep_apart(self, batch: Batch, station: str, pack: Pack, now_ms: int) -> None:
        """Store a pack without a name, outside the ledger."""
        if not pack.sync:
            pack = self._clocks.place(station, pack, now_ms)
        judged = self._judge(station, pack, now_ms)
        batch.points += judged.points
        batch.quarantine_problems(judged.problems, now_ms, station, None, None)
        self._ledger.count_apart(station, len(judged.points), len(judged.problems))

    def _judge(self, station: str, pack: Pack, now_ms: int) -> Judged:
        """Judge a pack by the profile; one of the station of a drill by the twins that run."""
        if is_drill(station):
            return self.exercise.judge(station, pack, now_ms)
        if pack.exercise:
            self.exercise.tell_false_mark(station, pack)
        return self._registry.judge(station, pack, now_ms)

    def _set_apart(
        self,
        batch: Batch,
        station: str,
        message: Message,
        claim: Claim | None,
        reason: str,
        now_ms: int,
    ) -> None:
        """Quarantine a whole payload; with a name it is receipted, so that it stops coming."""
        readings = 1
        if claim is None:
            self._ledger.count_apart(station, 0, 1)
        else:
            readings = claim.count
            batch.receipt(station, claim.boot, claim.seq)
            account = self._ledger.account(station, claim.boot)
            if not account.receive(claim.seq, None, readings, now_ms):
                batch.duplicates += 1
                return
            account.quarantined += readings
        boot, seq = (claim.boot, claim.seq) if claim else (None, None)
        _quarantine(batch, message, now_ms, station, boot, seq, readings, reason)

    def _take_status(self, batch: Batch, station: str, message: Message, now_ms: int) -> None:
        if not message.payload:
            return  # somebody has cleared the retained status
        try:
            status = decode_status(message.payload)
        except (StatusError, UnicodeDecodeError, RecursionError) as error:
            _quarantine(batch, message, now_ms, station, None, None, 0, str(error))
            return
        self._clocks.hear(station, status, now_ms, live=not message.retain)
        if valid_identity(status.boot, status.made):
            account = self._ledger.account(station, status.boot)
            account.announced = max(account.announced, status.made)
            account.seen_ms = now_ms
            if status.closed is not None and not message.retain:
                made = {
                    boot: count
                    for boot, count in status.closed.items()
                    if valid_identity(boot, count) and boot != status.boot
                }
                self._ledger.close_earlier(station, status.boot, made, now_ms)
        if not (message.retain or is_drill(station)):
            online = status.link is Link.ONLINE
            batch.stations.append(
                StationState(station=station, at=now_ms, online=online, health=status.health)
            )

    def _take_other(self, batch: Batch, delivery: Delivery) -> None:
        message, now_ms = delivery.message, delivery.arrived_ms
        if message.topic.startswith(self._grades):
            self._take_grade(batch, message, now_ms)
            return
        if message.topic == self._drill:
            self.exercise.hear(message.payload)
            return
        for mapping, entry in self._mappings.of(message.topic):
            if message.retain and not mapping.at:
                continue  # a retained value without a time is from some other day
            try:
                reading = read_mapped(mapping, entry, message.payload, now_ms)
            except MappingError as error:
                self._ledger.count_apart(entry.station, 0, 1)
                _quarantine(batch, message, now_ms, entry.station, None, None, 1, str(error))
                continue
            self._keep_apart(batch, entry.station, Pack(readings=(reading,)), now_ms)

    def _take_grade(self, batch: Batch, message: Message, now_ms: int) -> None:
        if not message.payload:
            return
        try:
            batch.grades.append(decode_zone_grade(message.payload))
        except (FindingError, UnicodeDecodeError, RecursionError) as error:
            _quarantine(batch, message, now_ms, "", None, None, 0, str(error))


def claim_of(message: Message) -> Claim | None:
    """Return what the user properties say of a pack, None without a usable name."""
    user = message.user
    try:
        boot, seq, count = user["boot"], int(user["seq"]), int(user.get("count", "1"))
    except (KeyError, ValueError):
        return None
    if not valid_identity(boot, seq) or not 0 <= count <= _MAX_CLAIM:
        return None
    return Claim(boot, seq, count)


def _read(payload: bytes) -> tuple[Pack | None, str]:
    """Return a pack, or None and why it can't be read."""
    try:
        pack = decode_pack(payload)
    except PackError as error:
        return None, str(error)
    except Exception as error:  # a payload from outside must never end the program
        log.exception("a payload broke the decoder; it is quarantined")
        return None, f"the decoder failed on it: {type(error).__name__}: {error}"
    return pack, label_problem(pack)


def _quarantine(
    batch: Batch,
    message: Message,
    now_ms: int,
    station: str,
    boot: str | None,
    seq: int | None,
    readings: int,
    reason: str,
) -> None:
    batch.quarantined.append(
        Quarantined(
            now_ms,
            station,
            boot,
            seq,
            None,
            readings,
            reason,
            len(message.payload),
            message.payload,
        )
    )
