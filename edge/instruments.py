"""Instruments: one driver instance, and the sensor entries that it serves.

A bridge that sends smoke and temperature is one instrument with two entries; a Modbus module whose
entries ask for different registers is two instruments that take turns on the bus.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.community import SensorEntry
from edge.drivers import make_driver
from edge.drivers.base import Check, Driver, Mode


@dataclass(slots=True, eq=False)
class Instrument:
    """A device on a port.

    Attributes:
        driver: Decodes its bytes.
        entries: The sensors that it serves.
    """

    driver: Driver
    entries: tuple[SensorEntry, ...]

    @property
    def name(self) -> str:
        """For people: the sensors and the device behind them."""
        return f"{', '.join(entry.id for entry in self.entries)} ({self.entries[0].driver})"

    @property
    def interval_s(self) -> float:
        """Run seconds between two readings that its sensors want."""
        return min(entry.interval_s for entry in self.entries)

    @property
    def polled(self) -> bool:
        """True if it has to be asked."""
        return self.driver.facts.mode is Mode.POLL

    @property
    def weak(self) -> bool:
        """True if a single frame is not proof enough for urgent action."""
        return self.driver.facts.check is not Check.STRONG


def driver_of(entry: SensorEntry) -> Driver:
    """Return a new driver for *entry*.

    Raises:
        DriverError: Unknown device or option.
    """
    return make_driver(entry.driver, {"address": entry.address, **entry.options})


def instruments_on(port: str, sensors: Iterable[SensorEntry]) -> list[Instrument]:
    """Return new instruments for the sensors of one port, in the order of the configuration."""
    groups: dict[tuple[object, ...], list[SensorEntry]] = {}
    for entry in sensors:
        if entry.port == port:
            key = (entry.driver, entry.address, tuple(sorted(entry.options.items())))
            groups.setdefault(key, []).append(entry)
    return [Instrument(driver_of(group[0]), tuple(group)) for group in groups.values()]
