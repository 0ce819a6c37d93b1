"""The judge of one site: messages in, findings out. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from core.broker import Message
from core.clock import late_after_ms
from core.community import Community
from core.finding import Finding
from core.pack import Pack, PackError, decode_pack
from core.quantity import FACTS
from core.reading import Reading
from core.status import StationStatus, StatusError, decode_receipt, decode_status
from core.topics import parse_station
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.batch import batch_of
from detectors.chronicle import Chronicle
from detectors.intake import Arrived
from detectors.panel import PanelRule
from detectors.panels import Panels
from detectors.plan import RulePlan, plan_of
from detectors.trail import Arrival, Hole, Trails
from ingest.mapping import MappingError, Mappings, read_mapped

log = structlog.get_logger()
# A stamp further ahead than this (or than the lateness of its series) is no time to judge by.
_AHEAD_MS = 300_000


class Sentinel:
    """Everything that judges one site.

    Args:
        community: The site.
        speed: Of the run's clock.
        now_ms: Run time at which it begins to listen.

    Attributes:
        judged, refused: Readings that were judged, and that were not (unknown series, wrong
            station, stamps of the future, unreadable packs count one each).
    """

    def __init__(self, community: Community, speed: float, now_ms: int) -> None:
        plans = plan_of(community)
        self.bank = Bank(plans)
        self.panels = Panels(community, plans)
        self._silent: frozenset[str] = frozenset()
        self.allow(frozenset())
        self.absence = Absence(community, plans, speed, now_ms)
        self.trails = Trails()
        self.chronicle = Chronicle()
        self.mappings = Mappings(community)
        self._late_ms = {plan.series: late_after_ms(plan.interval_s, speed) for plan in plans}
        self._station = {plan.series: plan.station for plan in plans}
        self.judged = 0
        self.refused = 0

    def allow(self, approved: frozenset[str]) -> None:
        """Let learned detectors speak whose back-test has passed; the others learn in silence."""
        self._silent = frozenset(rule.name for rule in self.rules if rule.learned) - approved

    @property
    def rules(self) -> tuple[RulePlan | PanelRule, ...]:
        """Every rule of single series, then every rule of a panel."""
        return (*self.bank.rules, *self.panels.rules)

    def _spoken(self, found: list[Finding]) -> list[Finding]:
        """Return what may be said of *found*."""
        if not self._silent:
            return found
        return [finding for finding in found if finding.rule not in self._silent]

    def take(
        self, messages: Iterable[Arrived], now_ms: int, monotonic_s: float
    ) -> tuple[list[Finding], list[tuple[str, Hole]]]:
        """Judge a micro-batch of messages.

        Returns:
            What changed, and which holes history can fill now.
        """
        live: list[tuple[Reading, int]] = []
        past: list[Reading] = []
        holes: list[tuple[str, Hole]] = []
        for message, at_ms in messages:
            topic = parse_station(message.topic)
            if topic is None:
                live += self._mapped(message, at_ms)
            elif topic.leaf == "readings":
                self._take_pack(topic.station, message, at_ms, monotonic_s, live, past)
            elif topic.leaf == "status":
                self._take_status(topic.station, message, at_ms)
            elif topic.leaf == "stored":
                holes += self._take_receipt(topic.station, message)
        found = self.review(past, now_ms) if past else []
        return found + self._judge(live, now_ms), holes

    def _take_pack(
        self,
        station: str,
        message: Message,
        at_ms: int,
        monotonic_s: float,
        live: list[tuple[Reading, int]],
        past: list[Reading],
    ) -> None:
        try:
            pack = decode_pack(message.payload)
        except PackError:
            self.refused += 1  # ingest keeps it in the quarantine, with the reason
            return
        arrival = self.trails.arrive(station, pack, monotonic_s, at_ms + _AHEAD_MS)
        if arrival is Arrival.DUPLICATE:
            return
        readings = self._dated(station, pack, at_ms)
        known = [reading for reading in readings if self._acceptable(reading, station, at_ms)]
        self.refused += len(readings) - len(known)
        if known:
            self.absence.hear_station(station, at_ms)
        if arrival is Arrival.OLD:
            past += known
        else:
            live += [(reading, at_ms) for reading in known]

    def _mapped(self, message: Message, at_ms: int) -> list[tuple[Reading, int]]:
        """Return the readings of a plain JSON device; without a time of its own it is now."""
        found = []
        for mapping, entry in self.mappings.of(message.topic):
            if message.retain and not mapping.at:
                continue  # nobody knows how old it is
            try:
                reading = read_mapped(mapping, entry, message.payload, at_ms)
            except MappingError:
                self.refused += 1  # ingest keeps it in the quarantine, with the reason
                continue
            if self._acceptable(reading, entry.station, at_ms):
                self.absence.hear_station(entry.station, at_ms)
                found.append((reading, at_ms))
            else:
                self.refused += 1
        return found

    def _dated(self, station: str, pack: Pack, at_ms: int) -> tuple[Reading, ...]:
        if pack.sync or not pack.readings:
            return pack.readings
        boot = pack.boot or ""
        newest = max(reading.at for reading in pack.readings)
        self.chronicle.learn(station, boot, newest, at_ms)
        return self.chronicle.dated(station, boot, pack.readings)

    def _acceptable(self, reading: Reading, station: str, at_ms: int) -> bool:
        if self._station.get(reading.series) != station:
            return False
        if reading.value is not None:
            # What the ingest quarantines as beyond belief must not warn anybody either.
            facts = FACTS[reading.quantity]
            if not facts.lowest <= reading.value <= facts.highest:
                return False
        return reading.at - at_ms <= max(_AHEAD_MS, self._late_ms[reading.series])

    def _take_status(self, station: str, message: Message, at_ms: int) -> None:
        try:
            status = decode_status(message.payload)
        except StatusError as error:
            log.warning("status can't be read", station=station, error=str(error))
            return
        self.absence.status(station, status.link, at_ms, retained=message.retain)
        if status.monotonic_ms and (status.sync or not message.retain):
            self._take_ends(station, status, at_ms)

    def _take_ends(self, station: str, status: StationStatus, at_ms: int) -> None:
        """Learn when this boot began; earlier ones without a clock ended before: the past.

        A boot that has got its clock still sends what it saw before it had one, perhaps hours ago.
        """
        now_ms = status.at if status.sync else at_ms
        for boot, last_ms in status.ended.items():
            self.chronicle.learn(station, boot, last_ms, now_ms - status.monotonic_ms)
        self.chronicle.learn(station, status.boot, status.monotonic_ms, now_ms)

    def _take_receipt(self, station: str, message: Message) -> list[tuple[str, Hole]]:
        try:
            receipt = decode_receipt(message.payload)
        except StatusError as error:
            log.warning("receipt can't be read", station=station, error=str(error))
            return []
        holes = self.trails.receipt(station, receipt.boot, receipt.seq)
        return [(station, hole) for hole in holes]

    def _judge(self, live: Sequence[tuple[Reading, int]], now_ms: int) -> list[Finding]:
        """Judge readings with the run time at which each came."""
        if not live:
            return []
        readings = [reading for reading, _ in live]
        late = [at_ms - reading.at > self._late_ms[reading.series] for reading, at_ms in live]
        batch = batch_of(readings, self.bank.slots, late)
        self.judged += batch.size
        self.absence.hear(batch, now_ms)
        found = self.bank.update(self.panels.gate(batch), now_ms)
        found = self._spoken(found + self.panels.update(self.bank, batch, now_ms))
        told = [finding for finding in found if finding.late]
        return found + self.restated(told, now_ms)

    def catch_up(self, readings: Sequence[Reading], now_ms: int) -> list[Finding]:
        """Judge readings of the history that came while nobody judged; by now most are late."""
        newest: dict[str, int] = {}
        for reading in readings:
            station = self._station[reading.series]
            newest[station] = max(newest.get(station, 0), reading.at)
        for station, at in newest.items():
            self.trails.pass_over(station, at)
        return self._judge([(reading, now_ms) for reading in readings], now_ms)

    def review(self, readings: Sequence[Reading], now_ms: int) -> list[Finding]:
        """Judge readings of a hole: they are told as late, and what is stated now stays."""
        self.judged += len(readings)
        found = self.bank.review(batch_of(readings, self.bank.slots), now_ms)
        return found + self.restated(found, now_ms)

    def restated(self, told: Sequence[Finding], now_ms: int) -> list[Finding]:
        """Return what is stated now beside what was told late, so that the present comes last."""
        names = {(finding.subject, finding.rule) for finding in told}
        if not names:
            return []
        return [
            self.statement(row, now_ms)
            for row, rule in enumerate(self.bank.rules)
            if (self.bank.plans[int(self.bank.row_slot[row])].series.subject, rule.name) in names
        ]

    def tick(self, now_ms: int) -> list[Finding]:
        """Look at what has not come."""
        found = self.absence.tick(now_ms)
        absent = self.absence.absent
        unknown = self.bank.set_absent(absent, now_ms) + self.panels.set_absent(absent, now_ms)
        return self._spoken(unknown) + found

    @property
    def statements(self) -> list[int]:
        """Numbers of all things that are stated: rules, panels, links, silences."""
        untold = (*self.bank.untold.tolist(), *self.panels.untold)
        said = [
            number
            for number, (rule, new) in enumerate(zip(self.rules, untold, strict=True))
            if not new and rule.name not in self._silent
        ]
        first = len(self.rules)
        others = len(self.absence.stations) + len(self.bank.plans)
        return [*said, *range(first, first + others)]

    def statement(self, number: int, now_ms: int) -> Finding:
        """Return what is stated now under *number*."""
        if number < self.bank.lane.size:
            return self.bank.finding(number, now_ms)
        number -= self.bank.lane.size
        if number < self.panels.size:
            return self.panels.finding(number, now_ms)
        number -= self.panels.size
        if number < len(self.absence.stations):
            return self.absence.link_finding(number, now_ms)
        return self.absence.silence_finding(number - len(self.absence.stations), now_ms)
