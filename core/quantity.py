"""The closed vocabulary of what is measured: unit, danger, plausible range, default limits.

One canonical UCUM unit a quantity. Conversion to it happens once, at the rim (driver profile,
replay, JSON mapping); everything inside speaks canonical units only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from core.grade import Grade


class Danger(StrEnum):
    """In which direction a quantity becomes dangerous."""

    HIGH = "high"
    LOW = "low"
    BOTH = "both"
    NONE = "none"
    PROFILE = "by-profile"


class Quantity(StrEnum):
    """Every quantity that may appear on the wire, in the store and in a profile."""

    WATER_LEVEL = "water-level"
    DISTANCE = "distance"
    RAIN_RATE = "rain-rate"
    SMOKE_OBSCURATION = "smoke-obscuration"
    SMOKE_INDEX = "smoke-index"
    CARBON_MONOXIDE = "carbon-monoxide"
    CARBON_DIOXIDE = "carbon-dioxide"
    PM1 = "pm1"
    PM2_5 = "pm2-5"
    PM10 = "pm10"
    TEMPERATURE = "temperature"
    HUMIDITY = "humidity"
    PEOPLE_IN = "people-in"
    PEOPLE_OUT = "people-out"
    PEOPLE_COUNT = "people-count"
    OCCUPANCY = "occupancy"
    CONTACT = "contact"
    ALARM_INPUT = "alarm-input"
    VOLTAGE = "voltage"
    CURRENT = "current"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class DefaultStep:
    """One grade of a default limit: reached at `limit`, held for `dwell_up_s` or `samples`.

    Attributes:
        grade: The grade that is reached.
        limit: In the canonical unit of the quantity.
        dwell_up_s: How long the condition must have been observed, in seconds.
        samples: How many consecutive readings must agree.
    """

    grade: Grade
    limit: float
    dwell_up_s: float = 0.0
    samples: int = 1


@dataclass(frozen=True, slots=True)
class QuantityFacts:
    """What the system knows of a quantity before any place is named.

    Attributes:
        unit: Canonical UCUM code, used in store, profile and replay.
        wire_unit: SenML unit (RFC 8428 / RFC 8798) used in packs.
        danger: Direction of danger.
        lowest: Smallest value that physics or the definition allows, canonical unit.
        highest: Largest value worth believing, canonical unit.
        hysteresis: Default deadband of the default limits, canonical unit.
        defaults: Default limits, lowest grade first; empty where the place must decide.
        source: Where the default limits come from.
        cumulative: True for counters that only grow (wrap and reset handled by the judge).
    """

    unit: str
    wire_unit: str
    danger: Danger
    lowest: float
    highest: float
    hysteresis: float = 0.0
    defaults: tuple[DefaultStep, ...] = ()
    source: str = ""
    cumulative: bool = False


_ROAD_WATER = (
    DefaultStep(Grade.BLUE, 0.05, samples=3),
    DefaultStep(Grade.YELLOW, 0.15, samples=3),
    DefaultStep(Grade.ORANGE, 0.20, samples=3),
    DefaultStep(Grade.RED, 0.27, samples=3),
)
_CO_EN_50291 = (
    DefaultStep(Grade.BLUE, 30.0, dwell_up_s=600),
    DefaultStep(Grade.YELLOW, 50.0, dwell_up_s=3600),
    DefaultStep(Grade.ORANGE, 100.0, dwell_up_s=600),
    DefaultStep(Grade.RED, 300.0, samples=3),
)
_OBSCURATION = (
    DefaultStep(Grade.BLUE, 0.05, samples=3),
    DefaultStep(Grade.YELLOW, 0.10, samples=3),
    DefaultStep(Grade.ORANGE, 0.215, dwell_up_s=60, samples=3),
    DefaultStep(Grade.RED, 0.30, samples=3),
)

FACTS: dict[Quantity, QuantityFacts] = {
    Quantity.WATER_LEVEL: QuantityFacts(
        "m",
        "m",
        Danger.HIGH,
        -1.0,
        100.0,
        0.02,
        _ROAD_WATER,
        "road underpass bands: 5 cm water present, 15 cm lane limit, 20 cm Beijing yellow line, "
        "27 cm Beijing red line (Beijing News 2013, Beijing Daily 2023)",
    ),
    Quantity.DISTANCE: QuantityFacts("m", "m", Danger.NONE, 0.0, 100.0),
    Quantity.RAIN_RATE: QuantityFacts("mm/h", "mm/h", Danger.PROFILE, 0.0, 500.0),
    Quantity.SMOKE_OBSCURATION: QuantityFacts(
        "dB/m",
        "dB/m",
        Danger.HIGH,
        -0.5,
        60.0,
        0.01,
        _OBSCURATION,
        "EN 54-7 lowest response 0.05 dB/m; GB 4715-2024 B-type 0.15 dB/m, highest setting "
        "0.3 dB/m; yellow is the middle between the lowest ones; orange: a certified alarm must "
        "bear cooking up to 1.5 %/ft = 0.215 dB/m (UL 217, 8th edition), verified for 60 s "
        "(the longest alarm verification of NFPA 72); smoke that grows like flames is orange "
        "from yellow on",
    ),
    Quantity.SMOKE_INDEX: QuantityFacts(
        "[ppm]",
        "ppm",
        Danger.HIGH,
        0.0,
        2000.0,
        20.0,
        (
            DefaultStep(Grade.BLUE, 100.0, samples=3),
            DefaultStep(Grade.YELLOW, 300.0, samples=3),
            DefaultStep(Grade.ORANGE, 500.0, samples=3),
        ),
        "starting values of this project for 0..2000 ppm transmitters; calibrate on site",
    ),
    Quantity.CARBON_MONOXIDE: QuantityFacts(
        "[ppm]",
        "ppm",
        Danger.HIGH,
        -5.0,
        10_000.0,
        5.0,
        _CO_EN_50291,
        "after EN 50291 alarm times: 30, 50, 100, 300 ppm",
    ),
    Quantity.CARBON_DIOXIDE: QuantityFacts(
        "[ppm]",
        "ppm",
        Danger.HIGH,
        1.0,
        40_000.0,
        50.0,
        (
            DefaultStep(Grade.BLUE, 1500.0, dwell_up_s=600),
            DefaultStep(Grade.YELLOW, 2500.0, dwell_up_s=600),
            DefaultStep(Grade.ORANGE, 5000.0, dwell_up_s=60),
        ),
        "display bands 1500 and 2500 ppm of this project; 5000 ppm occupational 8 h limit",
    ),
    Quantity.PM1: QuantityFacts("ug/m3", "ug/m3", Danger.HIGH, 0.0, 5000.0),
    Quantity.PM2_5: QuantityFacts(
        "ug/m3",
        "ug/m3",
        Danger.HIGH,
        0.0,
        5000.0,
        5.0,
        (
            DefaultStep(Grade.BLUE, 75.0, dwell_up_s=3600),
            DefaultStep(Grade.YELLOW, 115.0, dwell_up_s=3600),
            DefaultStep(Grade.ORANGE, 150.0, dwell_up_s=3600),
            DefaultStep(Grade.RED, 250.0, dwell_up_s=3600),
        ),
        "HJ 633-2012 breakpoints for IAQI 100, 150, 200, 300, here held for one hour",
    ),
    Quantity.PM10: QuantityFacts(
        "ug/m3",
        "ug/m3",
        Danger.HIGH,
        0.0,
        5000.0,
        10.0,
        (
            DefaultStep(Grade.BLUE, 150.0, dwell_up_s=3600),
            DefaultStep(Grade.YELLOW, 250.0, dwell_up_s=3600),
            DefaultStep(Grade.ORANGE, 350.0, dwell_up_s=3600),
            DefaultStep(Grade.RED, 420.0, dwell_up_s=3600),
        ),
        "HJ 633-2012 breakpoints for IAQI 100, 150, 200, 300, here held for one hour",
    ),
    Quantity.TEMPERATURE: QuantityFacts(
        "Cel",
        "Cel",
        Danger.BOTH,
        -60.0,
        1200.0,
        3.0,
        (DefaultStep(Grade.YELLOW, 46.0, samples=3), DefaultStep(Grade.ORANGE, 56.0, samples=3)),
        "a commercial class A1 heat detector (EN 54-5): 46 Cel with a fast rise, 56 Cel fixed",
    ),
    Quantity.HUMIDITY: QuantityFacts("%", "%RH", Danger.NONE, 0.0, 100.0),
    Quantity.PEOPLE_IN: QuantityFacts(
        "{count}", "count", Danger.HIGH, 0.0, 2.0**32, cumulative=True
    ),
    Quantity.PEOPLE_OUT: QuantityFacts(
        "{count}", "count", Danger.HIGH, 0.0, 2.0**32, cumulative=True
    ),
    Quantity.PEOPLE_COUNT: QuantityFacts("{count}", "count", Danger.BOTH, 0.0, 1e6),
    Quantity.OCCUPANCY: QuantityFacts("{person}", "count", Danger.HIGH, 0.0, 1e6),
    Quantity.CONTACT: QuantityFacts("1", "/", Danger.PROFILE, 0.0, 1.0),
    Quantity.ALARM_INPUT: QuantityFacts(
        "1",
        "/",
        Danger.HIGH,
        0.0,
        1.0,
        0.0,
        (DefaultStep(Grade.ORANGE, 0.5),),
        "a certified detector's own alarm bit: always at least orange, never overruled",
    ),
    Quantity.VOLTAGE: QuantityFacts("V", "V", Danger.PROFILE, -1000.0, 1000.0),
    Quantity.CURRENT: QuantityFacts("A", "A", Danger.PROFILE, -1000.0, 1000.0),
    Quantity.OTHER: QuantityFacts("1", "/", Danger.PROFILE, -inf, inf),
}

# Quantities whose limits depend on the place: a replay without limits does not judge them.
PLACE_DECIDES = frozenset(
    {
        Quantity.WATER_LEVEL,
        Quantity.PEOPLE_IN,
        Quantity.PEOPLE_OUT,
        Quantity.PEOPLE_COUNT,
        Quantity.OCCUPANCY,
    }
)

# Factor from a unit (UCUM, SenML or a vendor's spelling) to the canonical unit of the quantity.
# 0.859 mg/m3 -> ppm for CO at 20 Cel and 101.3 kPa; 1 in = 25.4 mm exactly; optical density per
# metre base 10 times 10 is dB/m.
_FACTORS: dict[tuple[Quantity, str], float] = {
    (Quantity.WATER_LEVEL, "mm"): 1e-3,
    (Quantity.WATER_LEVEL, "cm"): 1e-2,
    (Quantity.WATER_LEVEL, "[in_i]"): 0.0254,
    (Quantity.WATER_LEVEL, "[ft_i]"): 0.3048,
    (Quantity.DISTANCE, "mm"): 1e-3,
    (Quantity.DISTANCE, "cm"): 1e-2,
    (Quantity.DISTANCE, "[in_i]"): 0.0254,
    (Quantity.SMOKE_OBSCURATION, "/m"): 10.0,
    (Quantity.CARBON_MONOXIDE, "%"): 1e4,
    (Quantity.CARBON_MONOXIDE, "mol/mol"): 1e6,
    (Quantity.CARBON_MONOXIDE, "mg/m3"): 0.859,
    (Quantity.CARBON_DIOXIDE, "%"): 1e4,
    (Quantity.CARBON_DIOXIDE, "mol/mol"): 1e6,
    (Quantity.VOLTAGE, "mV"): 1e-3,
    (Quantity.CURRENT, "mA"): 1e-3,
}
_SPELLINGS = {
    "ppm": "[ppm]",
    "count": "{count}",
    "person": "{person}",
    "%RH": "%",
    "/": "1",
    "bool": "1",
    "ug/m^3": "ug/m3",
    "µg/m³": "ug/m3",
}


class UnknownUnitError(ValueError):
    """The unit can't be converted to the canonical unit of the quantity; a retry won't help."""


def to_canonical(quantity: Quantity, value: float, unit: str) -> float:
    """Return *value* of *unit* in the canonical unit of *quantity*.

    Raises:
        UnknownUnitError: No conversion is known for this pair.

    >>> to_canonical(Quantity.WATER_LEVEL, 10.0, "[in_i]")
    0.254
    >>> to_canonical(Quantity.CARBON_MONOXIDE, 30, "ppm")
    30.0
    """
    return value * factor_to_canonical(quantity, unit)


def factor_to_canonical(quantity: Quantity, unit: str) -> float:
    """Return the factor from *unit* to the canonical unit of *quantity*.

    Raises:
        UnknownUnitError: No conversion is known for this pair.
    """
    canonical = FACTS[quantity].unit
    if unit == canonical or quantity is Quantity.OTHER:
        return 1.0
    spelled = _SPELLINGS.get(unit, unit)
    if spelled == canonical or (canonical == "{person}" and spelled == "{count}"):
        return 1.0
    factor = _FACTORS.get((quantity, spelled))
    if factor is None:
        raise UnknownUnitError(f"{quantity}: no conversion from {unit!r} to {canonical!r}")
    return factor
