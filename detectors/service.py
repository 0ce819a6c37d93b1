"""The detectors as a program: messages in, findings out, snapshots, and catching up."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import structlog

from core import topics
from core.broker import Broker, BrokerAddress
from core.clock import Clock
from core.community import Community
from core.finding import Finding
from detectors import approval
from detectors.archive import Archive
from detectors.intake import Intake
from detectors.publication import Publication
from detectors.rehearsal import Rehearsal
from detectors.sentinel import Sentinel
from detectors.snapshot import Copy, SnapshotError, Writer, load, restore
from detectors.trail import Hole
from ingest.history import HistorySettings

log = structlog.get_logger()
# Wall seconds between two looks at what has not come.
TICK_S = 0.5
# Series that are copied for a snapshot between two passes: about 10 ms.
_SLICE = 10_000
# Wall seconds to wait for the broker before the first look: retained statuses come with it.
_FIRST_LINK_S = 5.0
# A snapshot from further ahead than this belongs to another run's clock.
_AHEAD_MS = 300_000


class DetectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the detectors keep and find what they need.

    Attributes:
        state_dir: Directory of `detectors.snapshot`.
        history: Where to catch up and fill holes from; None: neither is done.
        snapshot_s: Wall seconds between snapshots.
    """

    state_dir: Path
    history: HistorySettings | None = None
    snapshot_s: float = 60.0


class Detect:
    """Judges one site until told to stop.

    Args:
        settings: Where state is.
        community: The site.
        broker: Where the broker is.
        clock: The run's clock.
    """

    def __init__(
        self, settings: DetectSettings, community: Community, broker: BrokerAddress, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._site = community.site.id
        self.intake = Intake(clock)
        self.sentinel = Sentinel(community, clock.speed, clock.now_ms())
        self._archive = Archive(settings.history)
        self._path = settings.state_dir / "detectors.snapshot"
        self._writer = Writer(self._path, _tell_unwritten)
        self._copy: tuple[Copy, dict[str, Any]] | None = None
        self._allowed: frozenset[str] | None = None
        self._allow()
        self._relinked = threading.Event()
        self._broker = Broker(
            broker,
            f"detectors-{self._site}",
            on_message=self.intake.put,
            on_link=self._on_link,
            session_expiry_s=0,  # what is missed meanwhile comes from history
        )
        self._publication = Publication(self._broker, self._site, self._statement)
        self._rehearsal = Rehearsal(community, clock, self._broker)
        self._said_s = self._ticked_s = self._saved_s = self._refreshed_s = 0.0

    def _allow(self) -> None:
        """Let learned detectors speak whose back-test has passed."""
        records = approval.read(self._settings.state_dir / approval.FILE)
        rules = self.sentinel.rules
        allowed = approval.approved(records, self._site, rules)
        self.sentinel.allow(allowed)
        if allowed != self._allowed:
            self._allowed = allowed
            silent = sorted({rule.name for rule in rules if rule.learned} - allowed)
            log.info("learned detectors", speak=sorted(allowed), silent_until_tested=silent)

    def _on_link(self, linked: bool) -> None:
        if linked:
            self._relinked.set()

    def _statement(self, number: int) -> Finding:
        return self.sentinel.statement(number, self._clock.now_ms())

    def run(self, stop: threading.Event) -> None:
        """Judge until *stop* is set; then leave a snapshot."""
        self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._resume()
        leaves = ("readings", "status", "stored")
        self._broker.subscribe(topics.all_stations(self._site, leaf) for leaf in leaves)
        self._broker.subscribe([topics.drill(self._site), *self.sentinel.mappings.filters])
        self._broker.start()
        try:
            self._broker.wait_linked(_FIRST_LINK_S)
            taught = self._archive.teach(self.sentinel.bank, self._clock.now_ms())
            if taught:
                log.info("learned from history", series=taught)
            self._catch_up()
            self.sentinel.panels.start(self._archive.means, self._clock.now_ms())
            now_s = self._clock.monotonic_s()
            self._said_s = self._ticked_s = self._saved_s = now_s
            self.sentinel.absence.listen_from(self._clock.now_ms())
            while not stop.is_set():
                self._pass()
            self._save_last()
        finally:
            self.sentinel.panels.stop()
            self._broker.stop()
            self._archive.close()

    def _pass(self) -> None:
        """Judge what waits, say what changed, and do what is due."""
        arrived = self.intake.take(TICK_S / 2)
        monotonic_s = self._clock.monotonic_s()
        if arrived:
            actual, of_a_drill = self._rehearsal.split(arrived)
            found, holes = self.sentinel.take(actual, self._clock.now_ms(), monotonic_s)
            self._publication.change(found)
            self._say(monotonic_s)
            self._fill(holes)
            self._rehearsal.take(of_a_drill, self._clock.now_ms(), monotonic_s)
        if self._relinked.is_set():
            self._relinked.clear()
            self._renew(monotonic_s)
        if monotonic_s - self._ticked_s >= TICK_S:
            self._tick(monotonic_s)
        self._say(monotonic_s)
        self._save(monotonic_s)

    def _say(self, monotonic_s: float) -> None:
        self._publication.flush(monotonic_s - self._said_s)
        self._said_s = monotonic_s
        self._rehearsal.say(monotonic_s)

    def _tick(self, monotonic_s: float) -> None:
        self._ticked_s = monotonic_s
        if not self._broker.linked:
            return  # we hear nobody: nobody else is to blame
        self._publication.change(self.sentinel.tick(self._clock.now_ms()))
        self._rehearsal.tick(self._clock.now_ms(), monotonic_s)
        self._fill(self.sentinel.trails.due(monotonic_s))
        if monotonic_s - self._refreshed_s >= topics.REFRESH_S and not self._publication.refreshing:
            self._refreshed_s = monotonic_s
            self._publication.refresh(self.sentinel.statements)

    def _renew(self, monotonic_s: float) -> None:
        """After a (re)connect: deadlines start anew, and everything is said again at once."""
        self.sentinel.absence.listen_from(self._clock.now_ms())
        self._publication.forget_changes()
        self._publication.refresh(self.sentinel.statements, at_once=True)
        self._refreshed_s = monotonic_s
        self._rehearsal.relinked(self._clock.now_ms())

    def _resume(self) -> None:
        try:
            stored = load(self._path)
        except SnapshotError as error:
            log.warning("snapshot refused, starting afresh", error=str(error))
            return
        if stored is None:
            return
        arrays, notes = stored
        if notes.get("taken", 0) > self._clock.now_ms() + _AHEAD_MS:
            log.warning("snapshot is of another clock, starting afresh", taken=notes.get("taken"))
            return
        rules = restore(arrays, self.sentinel.bank, self.sentinel.absence)
        self.sentinel.panels.restore(arrays)
        self.sentinel.trails.resume(notes.get("trails", {}))
        log.info("resumed", rules=rules, of=self.sentinel.bank.lane.size)

    def _catch_up(self) -> None:
        """Judge what came while nobody judged."""
        now_ms = self._clock.now_ms()
        readings = self._archive.missed(self.sentinel.bank, now_ms)
        if readings:
            found = self.sentinel.catch_up(readings, now_ms)
            self._publication.change(found)
            log.info("caught up", readings=len(readings), changes=len(found))

    def _fill(self, holes: list[tuple[str, Hole]]) -> None:
        for station, hole in holes:
            readings = self._archive.between(self.sentinel.bank, station, hole)
            if readings:
                self._publication.change(self.sentinel.review(readings, self._clock.now_ms()))
                log.info("hole filled", station=station, readings=len(readings))

    def _save(self, monotonic_s: float) -> None:
        """Take the next slice of a snapshot that is due; when it is complete, it is written."""
        if self._copy is None:
            due = monotonic_s - self._saved_s >= self._settings.snapshot_s
            if not due or self._writer.busy:
                return
            self._saved_s = monotonic_s
            self._allow()
            self._copy = self._begin_copy()
        copy, notes = self._copy
        if copy.take(_SLICE):
            self._copy = None
            self._writer.start(copy.arrays | self.sentinel.panels.collect(), notes)

    def _save_last(self) -> None:
        """Leave a snapshot of the end."""
        copy, notes = self._begin_copy()
        copy.take(len(self.sentinel.bank.plans))
        self._writer.start(copy.arrays | self.sentinel.panels.collect(), notes)
        self._writer.join()

    def _begin_copy(self) -> tuple[Copy, dict[str, Any]]:
        """Return an empty copy, and what was heard up to now: what comes later is heard again."""
        notes = {"taken": self._clock.now_ms(), "trails": self.sentinel.trails.notes()}
        return Copy(self.sentinel.bank, self.sentinel.absence), notes


def _tell_unwritten(error: OSError) -> None:
    log.warning("snapshot not written, the old one stands", error=str(error))
