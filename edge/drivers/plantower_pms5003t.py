"""Plantower PMS5003T: particles with temperature and humidity in place of the coarse counts.

Source: captures of PyPMS. Its frame has the length of a PMS5003's: only the configured model tells
them apart.
"""

from __future__ import annotations

from edge.drivers.plantower import Layout, PlantowerDriver, plantower_facts

_LAYOUT = Layout(length=28, counts=4, climate=True, status=True)


class PlantowerPms5003t(PlantowerDriver):
    """Three masses in two calibrations, four counts, temperature and humidity."""

    FACTS = plantower_facts(
        "plantower_pms5003t",
        "Plantower PMS5003T particles, temperature, humidity",
        "captures of PyPMS",
        _LAYOUT,
    )
    LAYOUT = _LAYOUT

    __slots__ = ()
