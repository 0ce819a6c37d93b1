"""Quality of a reading, and the closed list of reasons that may go with it."""

from __future__ import annotations

from enum import StrEnum


class Quality(StrEnum):
    """How far a reading may be believed (OPC UA status words)."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Reason(StrEnum):
    """Why a reading is not good. One word each, the same on the wire, in replay and on pages."""

    RANGE = "range"  # outside what the device or physics allows
    SATURATED = "saturated"  # at the end of the range in the danger direction: at least this bad
    BLIND_ZONE = "blind-zone"  # surface too near for an ultrasonic sensor: at least this bad
    NO_TARGET = "no-target"  # no echo
    RATE = "rate"  # changed faster than physics allows
    WARMING_UP = "warming-up"
    DEVICE_FAULT = "device-fault"  # the device itself says that it is broken
    CLOCK = "clock"  # the station's clock was not trusted; never blocks a limit by itself
    LATE = "late"  # arrived long after it was measured
    MANUAL = "manual"  # typed in by a person
    STUCK = "stuck"
    IMPLAUSIBLE_PAIR = "implausible-pair"  # two values of one device contradict each other
    CONFIGURATION = "configuration"  # wrong device, wrong module, wrong unit code
    NO_CHECKSUM = "no-checksum"  # accepted without the check that the protocol offers
    MISSING = "missing"  # there is no value
    TEST = "test"  # the device is in its test mode
    UNCOMPENSATED = "uncompensated"  # the air temperature that corrects an echo is not known
    NOISE = "noise"  # scatters several times as much as it used to
    NEIGHBOURS = "neighbours"  # stands alone among sensors that should agree with it
    DRIFT = "drift"  # slowly departs from its neighbours
    SHIFT = "shift"  # jumped to another level and stays there: moved, or calibrated anew


# Reasons that mean "the true value is at least this one in the danger direction" (interfaces,
# Quality): such a reading is uncertain, raises and holds, and never clears.
AT_LEAST = frozenset({Reason.SATURATED, Reason.BLIND_ZONE})
