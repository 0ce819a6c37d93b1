from __future__ import annotations

import pytest

from core.status import Link, StationStatus
from core.trouble import Trouble, troubles_of

HEALTHY = {
    "cpu_celsius": 52.0,
    "undervoltage": 0.0,
    "undervoltage_since_boot": 0.0,
    "throttled": 0.0,
    "disk_free_mb": 9000.0,
    "memory_available_mb": 300.0,
    "spool_mb": 0.1,
    "spool_in_memory": 0.0,
    "spool_set_aside": 0.0,
    "clock_ahead_s": 0.2,
    "ports_closed": 0.0,
}


def status(**health: float) -> StationStatus:
    return StationStatus(link=Link.ONLINE, health={**HEALTHY, **health})


def test_a_healthy_station_has_no_trouble_and_neither_has_a_pc_that_knows_less() -> None:
    assert troubles_of(status()) == ()
    assert troubles_of(StationStatus(link=Link.ONLINE)) == ()


@pytest.mark.parametrize(
    ("name", "value", "trouble"),
    [
        ("undervoltage", 1.0, Trouble.UNDERVOLTAGE),
        ("undervoltage_since_boot", 1.0, Trouble.UNDERVOLTAGE_SEEN),
        ("throttled", 1.0, Trouble.THROTTLED),
        ("cpu_celsius", 81.0, Trouble.HOT),
        ("disk_free_mb", 150.0, Trouble.DISK_NEARLY_FULL),
        ("memory_available_mb", 40.0, Trouble.MEMORY_LOW),
        ("spool_in_memory", 1.0, Trouble.SPOOL_IN_MEMORY),
        ("spool_set_aside", 1.0, Trouble.SPOOL_BROKEN),
        ("outputs_failed", 1.0, Trouble.OUTPUT_FAILED),
        ("clock_ahead_s", 90.0, Trouble.CLOCK_AHEAD),
        ("ports_closed", 1.0, Trouble.PORT_CLOSED),
    ],
)
def test_each_number_has_its_trouble(name: str, value: float, trouble: Trouble) -> None:
    assert troubles_of(status(**{name: value})) == (trouble,)


def test_a_clock_that_is_not_set_is_trouble_and_a_full_spool_needs_no_more_room() -> None:
    unset = StationStatus(link=Link.ONLINE, sync=False, health=HEALTHY)
    assert troubles_of(unset) == (Trouble.CLOCK_UNSET,)
    assert troubles_of(status(disk_free_mb=60.0, spool_mb=150.0)) == ()


def test_nothing_is_said_of_a_station_that_is_gone() -> None:
    gone = StationStatus(link=Link.OFFLINE, sync=False, health={"undervoltage": 1.0})
    assert troubles_of(gone) == ()
