"""A kill between any two steps of a commit: nothing lost, nothing counted twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from core import topics
from core.broker import BrokerAddress, Message
from core.clock import ManualClock
from core.finding import ZoneGrade
from core.identity import SeriesId
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from ingest.batch import Batch
from ingest.courier import Courier, Spool, backoff_s
from ingest.history import HistorySettings, HistoryUnavailableError
from ingest.history.base import Capabilities, Point, Refusal, StationState
from ingest.history.sqlite_reader import SqliteReader
from ingest.inbox import Delivery, Inbox
from ingest.intake import Intake
from ingest.keeper import Keeper, open_keeper
from ingest.ledger import Ledger
from ingest.service import Ingest, IngestSettings
from ingest.station_ledger import StationLedger, read_ledger
from tests.servers import wait_until
from tests.station_probe import community, level

SITE = "order"
NOW = 1_764_500_000_000


class House:
    """The parts of ingest without the network, to be stopped between two steps."""

    def __init__(self, state: Path) -> None:
        self.history = HistorySettings(path=str(state / "history.db"))
        self.ledger = Ledger(state / "ledger.db")
        self.keeper: Keeper = open_keeper(self.history, self.ledger, ManualClock(), SITE, 10**9)
        self.intake = Intake(community(SITE), self.ledger)

    def killed(self) -> None:
        self.keeper.close()
        self.ledger.close()


@pytest.fixture
def deliveries() -> list[Delivery]:
    found = []
    for seq in range(1, 6):
        readings = tuple(level("one-0", NOW + seq * 1000 + n) for n in range(4))
        pack = Pack(boot="b", seq=seq, readings=readings, made=seq * 4)
        user = {"boot": "b", "seq": str(seq), "count": "4"}
        topic = topics.readings(SITE, "one")
        message = Message(topic, encode_pack(pack), False, user, None, seq, 1)
        found.append(Delivery(message, NOW + 10_000, 1))
    return found


def rows(state: Path) -> list[Reading]:
    reader = SqliteReader(HistorySettings(path=str(state / "history.db")))
    found = reader.range(SeriesId("one-0", Quantity.WATER_LEVEL), 0, 2**53)
    reader.close()
    return found


@pytest.fixture(params=["after decoding", "after the history", "before the ledger's end"])
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_kill_between_history_and_ledger_counts_each_reading_once(
    tmp_path: Path, deliveries: list[Delivery], step: str
) -> None:
    first = House(tmp_path)
    batch = first.intake.take(deliveries)
    if step != "after decoding":
        first.keeper.before(batch)
    if step == "before the ledger's end":
        first.ledger.begin()
        first.keeper.within(batch)
    first.killed()
    second = House(tmp_path)
    batch = second.intake.take(deliveries)
    assert batch.duplicates == 0
    second.keeper.before(batch)
    second.ledger.commit()
    again = second.intake.take(deliveries)
    assert again.duplicates == 5
    assert sorted(again.receipts[("one", "b")]) == [1, 2, 3, 4, 5]
    assert again.points == []
    second.killed()
    [ledger] = read_ledger(tmp_path / "ledger.db")
    assert (ledger.produced, ledger.stored) == (20, 20)
    assert len(rows(tmp_path)) == 20


class Witness:
    """A history that looks into the ledger at the moment it is asked to store."""

    waiting_bytes = 0

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.seen: list[list[StationLedger]] = []

    def before(self, batch: Batch) -> None:
        self.seen.append(read_ledger(self._ledger))
        if len(self.seen) == 1:
            raise HistoryUnavailableError(f"not now, {len(batch.points)} readings")

    def within(self, batch: Batch) -> None:
        assert batch.points

    def after(self, batch: Batch) -> None:
        assert read_ledger(self._ledger)[0].stored == len(batch.points)

    def maintain(self, now_ms: int) -> None:
        del now_ms

    def close(self) -> None:
        pass


def test_the_service_asks_the_history_before_the_ledger_counts(
    tmp_path: Path, deliveries: list[Delivery]
) -> None:
    path = tmp_path / "ledger.db"
    ledger, witness = Ledger(path), Witness(path)
    profile = community(SITE)
    ingest = Ingest(IngestSettings(tmp_path), profile, BrokerAddress(port=1), ManualClock())
    ingest._keep(deliveries, Intake(profile, ledger), ledger, witness, threading.Event())
    ledger.close()
    assert witness.seen == [[], []]
    assert (ingest.counters.commits, ingest.counters.readings) == (1, 20)
    assert read_ledger(path)[0].balanced


def test_a_batch_that_could_not_be_written_leaves_no_trace(
    tmp_path: Path, deliveries: list[Delivery]
) -> None:
    house = House(tmp_path)
    house.intake.take(deliveries)
    house.intake.forget()
    batch = house.intake.take(deliveries)
    assert batch.duplicates == 0
    house.ledger.commit()
    house.killed()
    assert read_ledger(tmp_path / "ledger.db")[0].stored == 20


def test_unset_clocks_map_to_the_same_times_when_a_pack_is_stored_again(tmp_path: Path) -> None:
    pack = Pack(boot="b", seq=1, sync=False, readings=(level("one-0", 5000),), made=1)
    message = Message(topics.readings(SITE, "one"), encode_pack(pack), False, {}, None, 1, 1)
    first = House(tmp_path)
    first.keeper.before(first.intake.take([Delivery(message, NOW, 1)]))
    first.killed()
    second = House(tmp_path)
    second.keeper.before(second.intake.take([Delivery(message, NOW + 60_000, 1)]))
    second.killed()
    assert [reading.at for reading in rows(tmp_path)] == [NOW]


def test_a_full_spool_refuses_instead_of_dropping(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    spool = Spool(ledger.connection, limit_bytes=100)
    spool.add(b"x" * 90, 1)
    spool.count(90)
    with pytest.raises(HistoryUnavailableError, match="stations keep their packs"):
        spool.add(b"x" * 20, 1)
    ledger.close()


def test_back_off_grows_jitters_and_obeys_the_server() -> None:
    waits = [backoff_s(failures, None) for failures in range(1, 12)]
    assert waits[0] <= 0.5
    assert 30 <= waits[-1] <= 60
    assert backoff_s(1, 7.0) == 7.0


def test_a_full_inbox_leaves_messages_with_the_broker(deliveries: list[Delivery]) -> None:
    inbox = Inbox(capacity=3, batch=10, interval_s=0.01)
    for delivery in deliveries:
        inbox.put(delivery)
    assert (len(inbox), inbox.left) == (3, 2)


def test_a_full_inbox_gives_up_what_a_lost_connection_brought(deliveries: list[Delivery]) -> None:
    """The broker sends it again; what came on the present connection it sends only once."""
    inbox = Inbox(capacity=3, batch=10, interval_s=0.01)
    for delivery in deliveries[:3]:
        inbox.put(delivery)
    for delivery in deliveries[:2]:
        inbox.put(delivery._replace(connection=2))
    assert [one.connection for one in inbox.take(threading.Event())] == [1, 2, 2]
    assert inbox.left == 2


def test_messages_that_nobody_acknowledges_fill_half_of_the_inbox_at_most(
    deliveries: list[Delivery],
) -> None:
    """Else a message that the broker waits for would be left, and with it the stream."""
    inbox = Inbox(capacity=4, batch=10, interval_s=0.01)
    mapped = Message("meter/1", b"1", False, {}, None, 0, 0)
    for _ in range(5):
        inbox.put(Delivery(mapped, NOW, 1))
    for delivery in deliveries[:2]:
        inbox.put(delivery)
    assert [one.message.qos for one in inbox.take(threading.Event())] == [0, 0, 1, 1]
    assert inbox.left == 3


class Taker:
    """A remote history that refuses one word."""

    capabilities = Capabilities(
        reads=False, idempotent=True, reports_refusals=True, remote=True, proven=False
    )

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write_lines(self, body: bytes) -> list[Refusal]:
        self.taken.append(body)
        return [Refusal(body, "field type conflict", {"one": 1})] if b"bad" in body else []

    def write(
        self,
        points: Sequence[Point],
        grades: Sequence[ZoneGrade] = (),
        stations: Sequence[StationState] = (),
        site: str = "",
    ) -> list[Refusal]:
        raise NotImplementedError

    def maintain(self, now_ms: int) -> None:
        del now_ms

    def close(self) -> None:
        pass


def test_a_courier_that_cannot_open_the_ledger_at_first_carries_on_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, aside = tmp_path / "state", tmp_path / "aside"
    state.mkdir()
    ledger = Ledger(state / "ledger.db")
    spool, taker = Spool(ledger.connection, 10**6), Taker()
    ledger.begin()
    spool.add(b"bad line\n", 1)
    ledger.commit()
    ledger.close()
    state.rename(aside)
    courier = Courier(state / "ledger.db", spool, taker, ManualClock())
    courier.start()
    try:
        wait_until(lambda: courier.trouble)
        aside.rename(state)
        wait_until(lambda: taker.taken and not courier.trouble)
    finally:
        courier.stop()
    assert taker.taken == [b"bad line\n"]
    assert "field type conflict; its lines are in the quarantine" in caplog.text
    [account] = read_ledger(state / "ledger.db")
    assert account.quarantined == 1
