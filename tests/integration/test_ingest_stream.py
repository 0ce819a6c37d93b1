"""Ingest against a real Mosquitto: what comes in, what is kept, and that the stream goes on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import topics
from core.broker import BrokerAddress
from core.clock import ManualClock, RunClock
from core.community_file import parse_community
from core.finding import Condition, Hazard, ZoneGrade, encode_zone_grade
from core.grade import Grade
from core.identity import SeriesId
from core.pack import Gone, Unknown
from core.quality import Quality, Reason
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link
from ingest.history import HistorySettings, open_reader
from ingest.history.sqlite_reader import SqliteReader
from ingest.ledger_file import LedgerError
from ingest.quarantine import read_quarantine
from ingest.station_ledger import StationLedger, pack_fate, read_ledger
from tests.servers import Mosquitto, wait_until
from tests.station_probe import Station, community, community_text, level, running_ingest

LEVEL = SeriesId("one-0", Quantity.WATER_LEVEL)


@pytest.fixture
def site() -> str:
    return f"s-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def station(mosquitto: Mosquitto, site: str) -> Iterator[Station]:
    probe = Station(site, "one", mosquitto.address)
    yield probe
    probe.stop()


def ledger_of(state: Path, station: str = "one") -> StationLedger:
    return next(entry for entry in read_ledger(state / "ledger.db") if entry.station == station)


def stored(state: Path, series: SeriesId = LEVEL) -> list[Reading]:
    reader = open_reader(HistorySettings(path=str(state / "history.db")))
    try:
        return reader.range(series, 0, 2**53)
    finally:
        reader.close()


def test_a_pack_is_stored_then_receipted_then_balanced(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.send(station.pack([level("one-0", now), level("one-1", now, 0.5)]))
        station.wait_receipt(1)
        assert stored(tmp_path) == [level("one-0", now)]
        ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored, ledger.pending) == (2, 2, 0)
    assert ledger.balanced
    assert pack_fate(tmp_path / "ledger.db", "one", "b1", 1) == "stored"


def test_a_pack_that_comes_again_is_receipted_again_and_counted_once(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address) as ingest:
        pack = station.pack([level("one-0", now)])
        for _ in range(3):
            station.send(pack)
        wait_until(lambda: station.receipted >= 3, what="three receipts")
        assert ingest.counters.duplicates == 2
    assert ledger_of(tmp_path).stored == 1
    assert len(stored(tmp_path)) == 1


BROKEN = {
    "truncated": (b'[{"bn":"one-0/","bt":1764500000.0,"boot":"b1","seq":1', "not a SenML pack"),
    "not UTF-8": (b'[{"bn":"\xff\xfe/","n":"water-level","v":1}]', "not a SenML record"),
    "UTF-16": ('[{"bn":"one-0/","n":"water-level","v":1}]'.encode("utf-16"), "not a SenML pack"),
    "an object": (b'{"value": 3}', "not a SenML pack"),
    "NaN": (b'[{"bn":"one-0/","bt":1764500000.0,"n":"water-level","v":NaN}]', "not a SenML pack"),
    "infinity": (b'[{"bn":"one-0/","bt":1764500000.0,"n":"water-level","v":Infinity}]', "not a"),
    "empty": (b"", "not a SenML pack"),
    "binary": (bytes(range(256)), "not a SenML pack"),
    "deep": (b"[" * 50_000, "not a SenML pack"),
    "200 kB of junk": (b"[" + b'{"x":1},' * 25_000, "not a SenML pack"),
    "unknown must": (b'[{"foo_":1,"bn":"one-0/","n":"water-level","v":1}]', "must be understood"),
    "later version": (b'[{"bver":99,"bn":"one-0/","n":"water-level","v":1}]', "version"),
    "giant integer": (b'[{"bver":1' + b"0" * 400 + b"}]", ""),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_unreadable_pack_is_quarantined_receipted_and_the_stream_goes_on(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path, kind: str
) -> None:
    payload, reason = BROKEN[kind]
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.seq, station.made = 1, 7
        station.send_raw(payload, {"boot": "b1", "seq": "1", "count": "7"})
        station.send(station.pack([level("one-0", now)]))
        station.wait_receipt(1)
        station.wait_receipt(2)
    rows = read_quarantine(tmp_path / "ledger.db")
    assert any(reason in row.reason for row in rows)
    assert {(row.station, row.boot, row.seq) for row in rows} == {("one", "b1", 1)}
    assert sum(row.readings for row in rows) == 7
    assert kind == "not UTF-8" or (rows[0].size, rows[0].raw) == (len(payload), payload[:4096])
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored, ledger.quarantined) == (8, 1, 7)
    assert ledger.balanced


BAD_RECORDS = {
    "a string for a number": ('"n":"water-level","v":"deep"', "not a SenML record"),
    "a number beyond doubles": ('"n":"water-level","v":1e999', "not a SenML record"),
    "a time in 1970": ('"n":"water-level","v":1,"t":-1764499999', "not an instant"),
    "a time in 2100": ('"n":"water-level","v":1,"t":2338000000', "ahead of this hub"),
    "a time in 2001": ('"n":"water-level","v":1,"t":-760000000', "10 years"),
    "an unknown sensor": ('"bn":"ghost/","n":"water-level","v":1', "not in the community profile"),
    "another station's sensor": ('"bn":"two-0/","n":"water-level","v":1', "belongs to station"),
    "an unknown quantity": ('"n":"love","v":1', "not known"),
    "a quantity that the sensor has not": ('"n":"temperature","v":1', "not registered"),
    "a value beyond belief": ('"n":"water-level","v":4000', "expected -1 to 100"),
    "a wrong unit": ('"n":"water-level","u":"kg","v":1', "no conversion"),
    "no value": ('"n":"water-level"', "no value"),
    "an aggregate of nothing": ('"n":"water-level","v":1,"cnt":-4', "expected 1"),
    "a huge extreme": ('"n":"water-level","v":1,"cnt":4,"min":0,"max":1e300', "expected -1"),
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_a_bad_record_is_quarantined_and_its_neighbours_are_stored(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path, kind: str
) -> None:
    record, reason = BAD_RECORDS[kind]
    head = '{"bn":"one-0/","bt":1764500000,"boot":"b1","seq":1,"made":3,"n":"water-level","v":0.1}'
    last = '{"bn":"one-1/","n":"water-level","v":0.2}'
    payload = f"[{head},{{{record}}},{last}]".encode()
    clock = ManualClock()
    with running_ingest(tmp_path, community(site, ("one", "two")), mosquitto.address, clock):
        station.send_raw(payload, {"boot": "b1", "seq": "1", "count": "3"})
        station.wait_receipt(1)
    [row] = read_quarantine(tmp_path / "ledger.db")
    assert reason in row.reason
    assert row.position == 1
    assert [reading.value for reading in stored(tmp_path)] == [0.1]
    assert len(stored(tmp_path, SeriesId("one-1", Quantity.WATER_LEVEL))) == 1
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored, ledger.quarantined) == (3, 2, 1)


def test_a_200_kilobyte_pack_of_unknown_sensors_is_summed_up_in_the_quarantine(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now_s = RunClock().now_ms() / 1000
    head = f'{{"bn":"ghost/","bt":{now_s},"boot":"b1","seq":1,"n":"water-level","v":1}}'
    rest = ',{"n":"water-level","v":1,"u":"m","t":0.001}' * 4500
    payload = f"[{head}{rest}]".encode()
    assert len(payload) > 195_000
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.send_raw(payload, {"boot": "b1", "seq": "1", "count": "4501"})
        station.wait_receipt(1)
    rows = read_quarantine(tmp_path / "ledger.db")
    assert len(rows) == 21
    assert sum(row.readings for row in rows) == 4501
    assert ledger_of(tmp_path).quarantined == 4501


def test_labels_that_contradict_the_properties_quarantine_the_pack(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        pack = station.pack([level("one-0", now)])
        from core.pack import encode_pack  # noqa: PLC0415  # only here a payload is bent

        station.send_raw(encode_pack(pack), {"boot": "b1", "seq": "9", "count": "1"})
        station.wait_receipt(9)
    assert "labels say b1/1, properties b1/9" in read_quarantine(tmp_path / "ledger.db")[0].reason
    assert stored(tmp_path) == []


def test_packs_without_a_name_are_stored_outside_the_ledger(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now_s = RunClock().now_ms() // 1000
    payload = f'[{{"bn":"one-0/","n":"water-level","u":"cm","v":25,"bt":{now_s}}}]'.encode()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.send_raw(payload)
        station.send_raw(b"junk")
        wait_until(lambda: len(read_quarantine(tmp_path / "ledger.db")) == 1)
        wait_until(lambda: len(stored(tmp_path)) == 1)
        ledger = ledger_of(tmp_path)
    assert stored(tmp_path)[0].value == 0.25
    assert (ledger.produced, ledger.apart_stored, ledger.apart_quarantined) == (0, 1, 1)


def test_declared_losses_and_kills_balance(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.send(station.pack([level("one-0", now)]))
        dropped = station.pack([level("one-0", now + n) for n in (1, 2, 3)])
        station.send(
            station.pack(
                [level("one-0", now + 9)],
                gone=(Gone("b1", dropped.seq or 0, dropped.seq or 0, 3, "overflow"),),
                unknown=(Unknown("b0", 5),),
                thinned=2,
            )
        )
        station.wait_receipt(3)
    ledger = ledger_of(tmp_path)
    assert (ledger.produced, ledger.stored, ledger.lost, ledger.unknown) == (12, 2, 5, 5)
    assert (ledger.holes, ledger.pending) == (0, 0)
    assert ledger.balanced
    assert pack_fate(tmp_path / "ledger.db", "one", "b1", 2) == "lost"


def test_a_hole_is_pending_until_its_pack_comes(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    with running_ingest(tmp_path, community(site), mosquitto.address):
        packs = [station.pack([level("one-0", now + n)]) for n in range(4)]
        for pack in (packs[0], packs[3]):
            station.send(pack)
            station.wait_receipt(pack.seq or 0)
        before = ledger_of(tmp_path)
        for pack in (packs[2], packs[1]):
            station.send(pack)
            station.wait_receipt(pack.seq or 0)
    assert (before.produced, before.stored, before.pending, before.holes) == (4, 2, 2, 2)
    assert not before.balanced
    assert ledger_of(tmp_path).balanced


def test_status_says_what_is_still_on_the_way(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    with running_ingest(tmp_path, community(site), mosquitto.address):
        station.say(made=40)
        wait_until(lambda: read_ledger(tmp_path / "ledger.db"))
    assert (ledger_of(tmp_path).produced, ledger_of(tmp_path).pending) == (40, 40)


def test_readings_of_an_unset_clock_get_times_by_arrival_and_the_reason_clock(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    clock = ManualClock()
    with running_ingest(tmp_path, community(site), mosquitto.address, clock):
        station.send(station.pack([level("one-0", 4000), level("one-0", 5000)], sync=False))
        station.wait_receipt(1)
        clock.advance(0.7)
        station.send(station.pack([level("one-0", 6000)], sync=False))
        station.wait_receipt(2)
        station.say(sync=True, at=clock.ms - 100, monotonic_ms=6000)
        wait_until(lambda: read_ledger(tmp_path / "ledger.db"))
        station.send(station.pack([level("one-0", 7000)], sync=False))
        station.wait_receipt(3)
    start = 1_764_500_000_000
    assert [reading.at - start for reading in stored(tmp_path)] == [-1000, 0, 1000, 1600]
    assert {reading.quality for reading in stored(tmp_path)} == {Quality.UNCERTAIN}
    assert {reading.reasons for reading in stored(tmp_path)} == {(Reason.CLOCK,)}
    assert ledger_of(tmp_path).balanced


def test_grades_and_station_states_reach_the_history(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    now = RunClock().now_ms()
    grade = ZoneGrade(
        zone="cellar",
        hazard=Hazard.FLOOD,
        grade=Grade.RED,
        condition=Condition.ACTIVE,
        since=now,
        at=now,
        incident=4,
    )
    reader = SqliteReader(HistorySettings(path=str(tmp_path / "history.db")))
    with running_ingest(tmp_path, community(site), mosquitto.address):
        topic = topics.grade(site, "cellar", "flood")
        station.broker.publish(topic, encode_zone_grade(grade), retain=True).wait(5)
        station.say(Link.STOPPED)
        wait_until(lambda: reader.grades("cellar", Hazard.FLOOD, 0, 2**53) == [grade])
        wait_until(
            lambda: reader._query("SELECT online FROM station WHERE station = 'one'", {}) == [(0,)]
        )
    reader.close()


def test_a_plain_json_device_joins_through_its_mapping(
    mosquitto: Mosquitto, site: str, station: Station, tmp_path: Path
) -> None:
    mapping = (
        f'[[mapping]]\ntopic = "{site}/+/air"\nsensor = "one-0"\nvalue = "level.cm"\nunit = "cm"\n'
        'at = "ts"\n'
    )
    profile = parse_community(community_text(site) + mapping)
    clock = ManualClock()
    with running_ingest(tmp_path, profile, mosquitto.address, clock):
        for payload in (b'{"level":{"cm":25},"ts":1764500000}', b'{"level":{}}', b"no"):
            station.broker.publish(f"{site}/x/air", payload).wait(5)
        wait_until(lambda: len(read_quarantine(tmp_path / "ledger.db")) == 2)
    assert stored(tmp_path) == [level("one-0", 1_764_500_000_000)]
    assert ledger_of(tmp_path).apart_stored == 1


def test_a_second_ingest_on_the_same_ledger_is_refused(
    mosquitto: Mosquitto, site: str, tmp_path: Path
) -> None:
    with running_ingest(tmp_path, community(site), mosquitto.address) as ingest:
        wait_until(lambda: ingest._broker.linked)
        with (
            pytest.raises(LedgerError, match="another ingest"),
            running_ingest(tmp_path, community(site), mosquitto.address),
        ):
            pass


def test_ingest_waits_for_a_broker_that_is_not_there(site: str, tmp_path: Path) -> None:
    with running_ingest(
        tmp_path, community(site), BrokerAddress(port=1), reachable=False
    ) as ingest:
        wait_until((tmp_path / "ledger.db").exists)
        assert ingest.counters.trouble == ""
