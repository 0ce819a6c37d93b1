"""Plantower PMS5003, PMS7003, PMSA003: particles, 32 bytes `42 4D 00 1C …`.

Sources: Plantower PMS5003 data manual; captures of PyPMS. Offsets in the frame: 4 to 8 masses CF=1,
10 to 14 masses atmospheric, 16 to 26 counts per 0.1 L, 28 version, 29 error code (0 = none).
"""

from __future__ import annotations

from edge.drivers.plantower import Layout, PlantowerDriver, plantower_facts

_LAYOUT = Layout(length=28, counts=6, climate=False, status=True)


class PlantowerPmsx003(PlantowerDriver):
    """Three masses in two calibrations, six particle counts, version and error code."""

    FACTS = plantower_facts(
        "plantower_pmsx003",
        "Plantower PMS5003 / PMS7003 / PMSA003 particles",
        "Plantower PMS5003 data manual; captures of PyPMS",
        _LAYOUT,
    )
    LAYOUT = _LAYOUT

    __slots__ = ()
