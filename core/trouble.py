"""What is wrong with a station by its own numbers, for people: the same words on every page.

A number that a station does not give is no trouble: absent is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core.status import Link, StationStatus

# A Raspberry Pi slows itself down from 80 °C on (Raspberry Pi documentation, frequency management).
HOT_CELSIUS = 80.0
# What three days without a hub may bring, for 8 sensors at 1 Hz (edge README, Numbers).
OUTAGE_MB = 200.0
# Ours: a station and its system need no more than this to go on; below it the kernel may kill.
LOW_MEMORY_MB = 50.0
# Ours: further ahead, readings of two stations can't be compared any more.
CLOCK_AHEAD_S = 5.0


class Trouble(StrEnum):
    """Kinds of trouble, the most urgent first."""

    UNDERVOLTAGE = "undervoltage"
    OUTPUT_FAILED = "output-failed"
    SPOOL_IN_MEMORY = "spool-in-memory"
    CLOCK_UNSET = "clock-unset"
    PORT_CLOSED = "port-closed"
    DISK_NEARLY_FULL = "disk-nearly-full"
    HOT = "hot"
    THROTTLED = "throttled"
    CLOCK_AHEAD = "clock-ahead"
    MEMORY_LOW = "memory-low"
    SPOOL_BROKEN = "spool-broken"
    UNDERVOLTAGE_SEEN = "undervoltage-seen"


def troubles_of(status: StationStatus) -> tuple[Trouble, ...]:
    """Return what a station's statement says is wrong with it; nothing of a station that is gone.

    >>> troubles_of(StationStatus(link=Link.ONLINE, health={"undervoltage": 1.0}))
    (<Trouble.UNDERVOLTAGE: 'undervoltage'>,)
    """
    if status.link is Link.OFFLINE:
        return ()
    found = {
        Trouble.CLOCK_UNSET: not status.sync,
        Trouble.DISK_NEARLY_FULL: _disk_is_short(status.health),
        **{trouble: status.health.get(name, 0.0) > most for trouble, name, most in _ABOVE},
        Trouble.MEMORY_LOW: status.health.get("memory_available_mb", LOW_MEMORY_MB) < LOW_MEMORY_MB,
    }
    return tuple(trouble for trouble in Trouble if found[trouble])


# Trouble, name of the health number, what it may be at most.
_ABOVE = (
    (Trouble.UNDERVOLTAGE, "undervoltage", 0.0),
    (Trouble.OUTPUT_FAILED, "outputs_failed", 0.0),
    (Trouble.UNDERVOLTAGE_SEEN, "undervoltage_since_boot", 0.0),
    (Trouble.THROTTLED, "throttled", 0.0),
    (Trouble.HOT, "cpu_celsius", HOT_CELSIUS),
    (Trouble.SPOOL_IN_MEMORY, "spool_in_memory", 0.0),
    (Trouble.SPOOL_BROKEN, "spool_set_aside", 0.0),
    (Trouble.CLOCK_AHEAD, "clock_ahead_s", CLOCK_AHEAD_S),
    (Trouble.PORT_CLOSED, "ports_closed", 0.0),
)


def _disk_is_short(health: Mapping[str, float]) -> bool:
    """What the spool holds already needs no room any more."""
    free_mb = health.get("disk_free_mb")
    return free_mb is not None and free_mb + health.get("spool_mb", 0.0) < OUTAGE_MB
