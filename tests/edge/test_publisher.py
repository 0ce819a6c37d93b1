from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.broker import Broker, BrokerAddress
from core.clock import RunClock
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link
from edge import read_spool
from edge.chronometer import Chronometer
from edge.configuration import StationConfig, StationEntry
from edge.pack_books import PackId
from edge.publisher import STATUS_S, Publisher
from edge.spool import Spool
from edge.tray import Tray
from edge.window import PROBE_PACKS, RESEND_S, UNANSWERED_S, WINDOW_PACKS, Window
from tests.edge.lines import Hub
from tests.servers import Mosquitto, wait_until


def name(seq: int) -> PackId:
    return PackId("b", seq)


class Sender:
    """A publisher with its spool and tray, and nothing else of a station."""

    def __init__(
        self, address: BrokerAddress, directory: Path, boot: str, site: str, pack_s: float = 0.2
    ) -> None:
        config = StationConfig(
            StationEntry("s1", site, str(directory / "spool.db"), pack_interval_s=pack_s), address
        )
        clock = RunClock()
        self.path = config.spool_path
        self.boot = boot
        self.tray = Tray()
        self.spool = Spool(config.spool_path, boot, clock, max_bytes=10_000_000, at_risk=5)
        self.clock_is_set = True
        self.publisher = Publisher(
            config,
            self.spool,
            self.tray,
            Chronometer(clock, trusted=False, synchronised=lambda: self.clock_is_set),
            clock,
            self._health,
        )
        self._at = clock.now_ms()

    def make(self, count: int, *, urgent: bool = False) -> None:
        for _ in range(count):
            self._at += 1
            self.tray.add(
                Reading("s", Quantity.TEMPERATURE, self._at, 20.0), sync=True, urgent=urgent
            )

    def stop(self) -> None:
        if self.publisher.is_alive():
            self.publisher.hurry()
            self.publisher.join(10)
        assert not self.publisher.is_alive()

    def _health(self, spool: Spool, broker: Broker) -> dict[str, float]:
        return {"spool_packs": spool.waiting.packs, "connects": broker.reconnects}


@pytest.fixture
def hub(mosquitto: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Hub]:
    made = Hub(mosquitto.address, site_of(request), "s1", receipts=False)
    yield made
    made.close()


@pytest.fixture
def station(
    mosquitto: Mosquitto, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Sender]:
    made = Sender(mosquitto.address, tmp_path, "b1", site_of(request))
    yield made
    made.stop()


def site_of(request: pytest.FixtureRequest) -> str:
    node: pytest.Item = request.node
    return f"p{abs(hash(node.nodeid)) % 10**9}"


def test_a_pack_carries_its_name_and_count_and_is_kept_until_its_receipt(
    hub: Hub, station: Sender
) -> None:
    station.publisher.start()
    station.make(3)
    wait_until(lambda: hub.messages)
    message = hub.messages[0]
    assert message.user == {"boot": "b1", "seq": "1", "count": "3"}
    assert hub.packs[0].count == 3
    assert read_spool(station.path).waiting_packs == 1
    hub.receipt("b1", 1)
    wait_until(lambda: read_spool(station.path).waiting_packs == 0)
    assert read_spool(station.path).produced == 3


def test_that_the_clock_is_set_now_is_said_at_once(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    station = Sender(mosquitto.address, tmp_path, "b1", site_of(request))
    # Looked at once a second; it was set when the station began.
    station.publisher._chronometer._trusted = station.clock_is_set = False
    station.publisher.start()
    wait_until(lambda: hub.last_status is not None and not hub.last_status.sync)
    station.clock_is_set = True
    wait_until(lambda: hub.last_status is not None and hub.last_status.sync, STATUS_S / 2)
    assert hub.last_status is not None
    assert hub.last_status.monotonic_ms > 0
    station.stop()


def test_an_urgent_reading_does_not_wait_for_the_pack_interval(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    slow = Sender(mosquitto.address, tmp_path, "b1", site_of(request), pack_s=60.0)
    slow.publisher.start()
    wait_until(lambda: hub.statuses)
    slow.make(2)
    threading.Event().wait(0.3)
    assert not hub.messages
    slow.make(1, urgent=True)
    wait_until(lambda: hub.messages, 3)
    assert hub.packs[0].count == 3
    slow.stop()


def test_urgent_packs_do_not_postpone_the_regular_ones(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    station = Sender(mosquitto.address, tmp_path, "b1", site_of(request), pack_s=0.5)
    station.publisher.start()
    wait_until(lambda: hub.statuses)
    for urgent in range(1, 9):
        station.make(1, urgent=True)
        wait_until(lambda urgent=urgent: len(hub.messages) >= urgent)  # type: ignore[misc]  # bound default
    station.make(1)
    wait_until(lambda: sum(pack.count for pack in hub.packs) == 9, 1.5)
    station.stop()


def test_birth_state_and_goodbye_are_said(hub: Hub, station: Sender) -> None:
    station.publisher.start()
    wait_until(lambda: hub.last_status)
    birth = hub.last_status
    assert birth is not None
    assert (birth.link, birth.boot, birth.sync) == (Link.ONLINE, "b1", True)
    assert birth.health["connects"] == 1
    station.make(1)
    wait_until(lambda: hub.messages)
    hub.receipt("b1", 1)
    station.publisher.stop()
    station.publisher.join(10)
    wait_until(lambda: hub.last_status is not None and hub.last_status.link is Link.STOPPED)
    assert hub.last_status is not None
    assert (hub.last_status.made, hub.last_status.spooled) == (1, 0)


def test_a_clean_stop_waits_for_the_receipt_of_the_last_pack(hub: Hub, station: Sender) -> None:
    station.publisher.start()
    wait_until(lambda: hub.statuses)
    station.make(5)
    station.publisher.stop()
    wait_until(lambda: hub.messages)
    assert station.publisher.is_alive()
    hub.receipt_all()
    station.publisher.join(5)
    assert not station.publisher.is_alive()
    assert read_spool(station.path).waiting_packs == 0


def test_what_was_made_without_a_link_is_sent_later_under_the_names_it_got(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alone = Sender(BrokerAddress(port=1), tmp_path, "b1", site_of(request), pack_s=0.05)
    alone.publisher.start()
    for _ in range(WINDOW_PACKS * 2):
        alone.make(2, urgent=True)
        wait_until(lambda: not alone.tray.urgent)
    alone.stop()
    made = read_spool(alone.path)
    assert (made.produced, made.waiting_readings) == (WINDOW_PACKS * 4, WINDOW_PACKS * 4)
    back = Sender(mosquitto.address, tmp_path, "b2", site_of(request))
    hub.receipts = True
    back.publisher.start()
    wait_until(lambda: not read_spool(back.path).waiting_packs)
    assert {pack.boot for pack in hub.packs} == {"b1"}
    assert sum(pack.count for pack in hub.packs) == made.produced
    seqs = [pack.seq for pack in hub.packs if pack.seq is not None]
    assert seqs[0] == len(seqs) - WINDOW_PACKS + 1, "the newest window goes first"
    assert sorted(seqs[WINDOW_PACKS:]) == seqs[WINDOW_PACKS:], "then the backlog, oldest first"
    back.stop()


def test_unreceipted_packs_survive_a_broker_that_is_killed(
    own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    hub = Hub(own_mosquitto.address, "restart", "s1", receipts=False)
    station = Sender(own_mosquitto.address, tmp_path, "b1", "restart")
    station.publisher.start()
    station.make(2)
    wait_until(lambda: hub.messages)
    own_mosquitto.kill()
    station.make(3)
    wait_until(lambda: read_spool(station.path).produced == 5)
    assert read_spool(station.path).waiting_packs == 2
    hub.messages.clear()
    hub.receipts = True
    own_mosquitto.start()
    wait_until(lambda: not read_spool(station.path).waiting_packs, 30)
    assert hub.names == {("b1", 1), ("b1", 2)}
    station.stop()
    hub.close()


def test_a_broken_receipt_is_ignored(
    hub: Hub, station: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    station.publisher.start()
    station.make(1)
    wait_until(lambda: hub.messages)
    hub._broker.publish(f"{hub._root}/stored", b'{"boot":"b1","seq":["x"]}')
    wait_until(lambda: "receipt" in caplog.text)
    assert read_spool(station.path).waiting_packs == 1
    hub.receipt("b1", 1)
    wait_until(lambda: read_spool(station.path).waiting_packs == 0)


def test_a_killed_boot_is_declared_even_if_no_sensor_speaks(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dead = Spool(tmp_path / "spool.db", "b0", RunClock(), max_bytes=10**6, at_risk=7)
    for store in (dead._disk, dead._memory):
        assert store is not None
        store.close()
    assert dead._lock_file is not None
    dead._lock_file.close()
    station = Sender(mosquitto.address, tmp_path, "b1", site_of(request))
    station.publisher.start()
    wait_until(lambda: hub.packs)
    pack = hub.packs[0]
    assert (pack.count, [(one.boot, one.readings) for one in pack.unknown]) == (0, [("b0", 7)])
    hub.receipt("b1", 1)
    wait_until(lambda: read_spool(station.path).waiting_packs == 0)
    assert read_spool(station.path).produced == 7
    station.stop()


def test_the_backlog_takes_a_bounded_window_and_fresh_packs_none_of_it() -> None:
    window = Window()
    window.restart(0.0)
    for seq in range(WINDOW_PACKS):
        window.sent(name(seq), 0.0, backlog=True)
    window.sent(name(100), 0.0, backlog=False)
    assert window.room(1.0) == 0
    window.receipted([name(0), name(1), name(100)], 2.0)
    assert window.room(2.0) == 0, "refilled by the half, not by the pack"
    window.receipted([name(seq) for seq in range(WINDOW_PACKS // 2)], 2.0)
    assert window.room(2.0) == WINDOW_PACKS // 2


def test_a_pack_without_receipt_is_free_to_be_sent_again_after_its_time() -> None:
    window = Window()
    window.restart(0.0)
    window.sent(name(1), 0.0, backlog=False)
    window.room(RESEND_S - 0.1)
    assert window.under_way == {name(1)}
    assert window.next_resend_s() == RESEND_S
    window.room(RESEND_S)
    assert not window.under_way


def test_an_ingest_that_does_not_answer_is_probed_and_not_flooded() -> None:
    window = Window()
    window.restart(0.0)
    assert window.room(UNANSWERED_S - 1) == WINDOW_PACKS
    assert window.room(UNANSWERED_S) == PROBE_PACKS
    window.receipted([], UNANSWERED_S + 1)
    assert window.room(UNANSWERED_S + 2) == WINDOW_PACKS


def test_the_birth_tells_when_earlier_boots_without_a_clock_ended(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    early = Spool(tmp_path / "spool.db", "early", RunClock(), max_bytes=10_000_000, at_risk=5)
    early.commit([Reading("s", Quantity.TEMPERATURE, 7000, 20.0)], sync=False, sent=False)
    early.close()
    sender = Sender(mosquitto.address, tmp_path, "later", site_of(request))
    sender.publisher.start()
    try:
        wait_until(lambda: hub.last_status is not None and hub.packs)
        assert hub.last_status is not None
        assert hub.last_status.ended == {"early": 7000}
    finally:
        sender.stop()


def test_a_broken_spool_is_taken_over_between_packs_and_then_sent(
    mosquitto: Mosquitto, hub: Hub, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = Sender(mosquitto.address, tmp_path, "b1", site_of(request))
    for start in range(1100):
        reading = Reading("s", Quantity.TEMPERATURE, 1_764_500_000_000 + start, 20.0)
        before.spool.commit([reading], sync=True, sent=False)
    before.spool.close()
    data = before.path.read_bytes()
    before.path.write_bytes(b"\xa5" * 64 + data[64:])
    station = Sender(mosquitto.address, tmp_path, "b2", site_of(request))
    assert station.spool.takes_over
    hub.receipts = True
    station.publisher.start()
    station.make(1, urgent=True)
    wait_until(lambda: len(hub.packs) >= 1101, 20)
    assert hub.packs[0].boot == "b2", "what is new does not wait"
    assert {pack.seq for pack in hub.packs if pack.boot == "b1"} == {*range(1, 1101)}
    wait_until(lambda: hub.last_status is not None and hub.last_status.closed == {"b1": 1100}, 15)
    station.stop()
