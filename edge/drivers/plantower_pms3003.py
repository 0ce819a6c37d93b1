"""Plantower PMS3003 (also DFRobot SEN0177): particles, 24 bytes `42 4D 00 14 …`, no counts.

Source: captures of PyPMS.
"""

from __future__ import annotations

from edge.drivers.plantower import Layout, PlantowerDriver, plantower_facts

_LAYOUT = Layout(length=20, counts=0, climate=False, status=False)


class PlantowerPms3003(PlantowerDriver):
    """Three masses in two calibrations."""

    FACTS = plantower_facts(
        "plantower_pms3003", "Plantower PMS3003 particles", "captures of PyPMS", _LAYOUT
    )
    LAYOUT = _LAYOUT

    __slots__ = ()
