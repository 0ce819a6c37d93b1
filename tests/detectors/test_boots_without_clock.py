"""A night without a clock: what an earlier boot saw is the past, and never announced as now."""

from __future__ import annotations

import pytest

from core import topics
from core.broker import Message
from core.community_file import parse_community
from core.finding import Finding
from core.grade import Grade
from core.pack import Pack, encode_pack
from core.quantity import Quantity
from core.reading import Reading
from core.status import Link, StationStatus, encode_status
from detectors.intake import Arrived
from detectors.sentinel import Sentinel

NOW = 1_764_500_000_000
HOUR_MS = 3_600_000
COMMUNITY = """
[site]
id = "night"
name = { en = "Night" }
[[zone]]
id = "cellar"
name = { en = "Cellar" }
[[sensor]]
id = "gauge"
station = "one"
zone = "cellar"
driver = "test"
quantity = "water-level"
hazard = "flood"
[[limit]]
zone = "cellar"
quantity = "water-level"
red = 0.5
"""


def arrived(leaf: str, payload: bytes, at_ms: int) -> Arrived:
    topic = f"{topics.ROOT}/night/station/one/{leaf}"
    return Arrived(Message(topic, payload, False, {}, None, 1, 1), at_ms)


def flood(boot: str, *at: int) -> bytes:
    readings = tuple(Reading("gauge", Quantity.WATER_LEVEL, ms, 0.9) for ms in at)
    return encode_pack(Pack(boot=boot, seq=1, sync=False, readings=readings, made=len(at)))


@pytest.fixture
def sentinel() -> Sentinel:
    return Sentinel(parse_community(COMMUNITY), 1.0, NOW - 60_000)


def red_now(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.grade is Grade.RED and not one.late]


@pytest.mark.parametrize("sync", [True, False])
def test_a_flood_of_an_earlier_boot_is_not_announced_as_happening_now(
    sentinel: Sentinel, sync: bool
) -> None:
    birth = StationStatus(
        link=Link.ONLINE,
        boot="b2",
        at=NOW if sync else 0,
        sync=sync,
        monotonic_ms=HOUR_MS,
        ended={"b1": 2 * HOUR_MS},
    )
    found, _ = sentinel.take(
        [
            arrived("status", encode_status(birth), NOW),
            arrived("readings", flood("b1", HOUR_MS, HOUR_MS + 1000), NOW + 50),
        ],
        NOW + 60,
        1.0,
    )
    assert red_now(found) == []
    found, _ = sentinel.take(
        [arrived("readings", flood("b2", HOUR_MS + 2000), NOW + 2000)] if not sync else [],
        NOW + 2000,
        2.0,
    )
    assert bool(red_now(found)) is not sync


def test_what_a_boot_saw_before_it_got_its_clock_is_not_announced_as_happening_now(
    sentinel: Sentinel,
) -> None:
    birth = StationStatus(link=Link.ONLINE, boot="b1", at=NOW, sync=True, monotonic_ms=2 * HOUR_MS)
    found, _ = sentinel.take(
        [
            arrived("status", encode_status(birth), NOW),
            arrived("readings", flood("b1", HOUR_MS, HOUR_MS + 1000), NOW + 50),
        ],
        NOW + 60,
        1.0,
    )
    assert red_now(found) == []
    # It placed them exactly: an hour ago.
    assert sentinel.chronicle.begun["one", "b1"] == NOW - 2 * HOUR_MS
