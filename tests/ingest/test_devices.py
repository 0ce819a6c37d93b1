"""Devices that are not ours: plain JSON, and clocks that are not set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.community import JsonMapping
from core.community_file import parse_community
from core.pack import Pack
from core.quality import Quality, Reason
from core.status import Link, StationStatus
from ingest.boot_clock import BootClocks
from ingest.ledger import Ledger
from ingest.mapping import MappingError, Mappings, read_mapped
from tests.station_probe import community_text, level

NOW = 1_764_500_000_000
PROFILE = parse_community(
    community_text("s")
    + '[[mapping]]\ntopic = "dev/+/up"\nsensor = "one-0"\nvalue = "data.level"\nunit = "mm"\n'
    + '[[mapping]]\ntopic = "dev/#"\nsensor = "one-1"\n'
)
ENTRY = PROFILE.sensor[0]


def test_one_device_may_feed_several_sensors() -> None:
    mappings = Mappings(PROFILE)
    assert mappings.filters == ["dev/#", "dev/+/up"]
    assert [entry.id for _, entry in mappings.of("dev/7/up")] == ["one-0", "one-1"]
    assert mappings.of("other/7/up") == []


@pytest.mark.parametrize(
    ("payload", "at"),
    [
        (b'{"v":"250","t":1764500000}', NOW),
        (b'{"v":250,"t":1764500000123}', NOW + 123),
        (b'{"v":250.0,"t":"2025-11-30T10:53:20Z"}', NOW),
        (b'{"v":250,"t":"2025-11-30T18:53:20.5+08:00"}', NOW + 500),
    ],
)
def test_times_come_in_seconds_milliseconds_or_iso_8601(payload: bytes, at: int) -> None:
    mapping = JsonMapping("x", "one-0", "v", "mm", "t")
    reading = read_mapped(mapping, ENTRY, payload, NOW + 9)
    assert (reading.at, reading.value) == (at, 0.25)


def test_the_whole_payload_may_be_the_number() -> None:
    assert read_mapped(JsonMapping("x", "one-0", ""), ENTRY, b"0.5", NOW).value == 0.5


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 9999, "not JSON"),
        (b'{"v":"wet","t":1}', "not a number"),
        (b'{"v":null,"t":1}', "finite number"),
        (b'{"v":[1],"t":1}', "finite number"),
        (b'{"v":"inf","t":1}', "finite number"),
        (b'{"t":1}', "missing"),
        (b'{"v":1}', "missing"),
        (b'{"v":1,"t":"yesterday"}', "ISO 8601"),
        (b'{"v":1,"t":"2025-11-30T10:53:20"}', "offset"),
    ],
)
def test_what_is_not_as_mapped_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        read_mapped(JsonMapping("x", "one-0", "v", "m", "t"), ENTRY, payload, NOW)


@pytest.fixture
def clocks(tmp_path: Path) -> Iterator[BootClocks]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield BootClocks(ledger.connection)
    ledger.close()


def unset(*at: int) -> Pack:
    return Pack(boot="b", seq=1, sync=False, readings=tuple(level("one-0", ms) for ms in at))


def times(pack: Pack) -> list[int]:
    return [reading.at for reading in pack.readings]


def test_a_boot_keeps_its_offset_while_the_network_jitters(clocks: BootClocks) -> None:
    assert times(clocks.place("one", unset(1000), NOW + 1000)) == [NOW + 1000]
    assert times(clocks.place("one", unset(2000), NOW + 3500)) == [NOW + 2000]
    assert times(clocks.place("one", unset(3000), NOW + 2500)) == [NOW + 3000]


def test_an_earlier_arrival_corrects_an_estimate_that_was_too_late(clocks: BootClocks) -> None:
    assert times(clocks.place("one", unset(1000), NOW + 61_000)) == [NOW + 61_000]
    assert times(clocks.place("one", unset(60_000), NOW + 60_000)) == [NOW + 60_000]


def test_a_live_birth_gives_the_offset_before_the_backlog_arrives(clocks: BootClocks) -> None:
    birth = StationStatus(link=Link.ONLINE, boot="b", sync=False, monotonic_ms=90_000)
    clocks.hear("one", birth, NOW + 90_000, live=True)
    assert times(clocks.place("one", unset(1000), NOW + 91_000)) == [NOW + 1000]


def test_a_retained_or_last_will_status_teaches_nothing_by_its_arrival(clocks: BootClocks) -> None:
    old = StationStatus(link=Link.ONLINE, boot="b", sync=False, monotonic_ms=90_000)
    clocks.hear("one", old, NOW, live=False)
    will = StationStatus(link=Link.OFFLINE, boot="b", sync=False, monotonic_ms=90_000)
    clocks.hear("one", will, NOW, live=True)
    assert times(clocks.place("one", unset(1000), NOW + 1000)) == [NOW + 1000]


def test_a_trusted_status_is_exact_and_final(clocks: BootClocks) -> None:
    clocks.place("one", unset(1000), NOW + 1400)
    exact = StationStatus(link=Link.ONLINE, boot="b", at=NOW + 5000, monotonic_ms=5000)
    clocks.hear("one", exact, NOW + 5300, live=False)
    assert times(clocks.place("one", unset(6000, 7000), NOW + 3000)) == [NOW + 6000, NOW + 7000]


def test_an_untrusted_absolute_clock_keeps_its_times_and_gets_the_reason(
    clocks: BootClocks,
) -> None:
    [reading] = clocks.place("one", unset(NOW - 5), NOW).readings
    assert (reading.at, reading.quality, reading.reasons) == (
        NOW - 5,
        Quality.UNCERTAIN,
        (Reason.CLOCK,),
    )


def test_a_boot_that_never_had_a_clock_ends_where_the_next_boot_begins(clocks: BootClocks) -> None:
    birth = StationStatus(
        link=Link.ONLINE, boot="c", at=NOW, monotonic_ms=5000, ended={"b": 7_200_000}
    )
    clocks.hear("one", birth, NOW + 200, live=True)
    first = times(clocks.place("one", unset(1000, 2000), NOW + 300))
    last = times(clocks.place("one", unset(7_199_000, 7_200_000), NOW + 300))
    assert first == [NOW - 5000 - 7_199_000, NOW - 5000 - 7_198_000]
    assert last == [NOW - 6000, NOW - 5000]
