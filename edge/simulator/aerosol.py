"""How much light harmless aerosols take: from mass in the air to obscuration in dB/m.

An aerosol of mass concentration m takes K = k m of the light a metre (Bouguer's law), k being its
mass-specific extinction; a certified detector counts 10 log10, so 4.34 K dB/m. Fog follows its
liquid water by Kunkel's power law.
"""

from __future__ import annotations

from math import log

# dB for each optical depth.
_DB = 10.0 / log(10.0)
# Mass-specific extinction of oil, pyrolysis and tobacco smoke, m2/g: 4.4 (Seader and Einhorn 1977,
# as carried by the SFPE Handbook; flaming smoke has 7.6 to 8.7, Mulholland and Croarkin 2000).
SMOKE_M2_G = 4.4
# Coarse mineral dust, m2/g: 0.6 (coarse mass of the IMPROVE visibility equation).
DUST_M2_G = 0.6
# Extinction of fog: 144.7 W^0.88 a kilometre, W in g/m3 (Kunkel 1984).
_FOG_PER_KM, _FOG_POWER = 144.7, 0.88
# One cigarette: 0.99 mg of PM2.5 a minute while it burns (He et al. 2004, homes in Brisbane), about
# 8 min, and some 50 mg of carbon monoxide, most of it sidestream (US EPA 1992, 40 to 67 mg).
CIGARETTE_MG_MIN, CIGARETTE_MIN, CIGARETTE_CO_MG = 0.99, 8.0, 50.0
# Carbon monoxide in ppm for each mg/m3 at 20 Cel.
CO_PPM_MG_M3 = 0.859


def obscuration_db_m(mass_mg_m3: float, extinction_m2_g: float) -> float:
    """Return the obscuration of an aerosol.

    >>> round(obscuration_db_m(8.0, SMOKE_M2_G), 3)
    0.153
    """
    return _DB * extinction_m2_g * mass_mg_m3 / 1000.0


def fog_db_m(water_g_m3: float) -> float:
    """Return the obscuration of condensed steam.

    >>> round(fog_db_m(0.02), 3), round(fog_db_m(0.2), 3)
    (0.02, 0.152)
    """
    return float(_DB * _FOG_PER_KM * max(water_g_m3, 0.0) ** _FOG_POWER / 1000.0)


def cigarette_mg_m3(cigarettes: float, volume_m3: float) -> tuple[float, float]:
    """Return particles and carbon monoxide in mg/m3 once so many have burnt in still air."""
    particles = cigarettes * CIGARETTE_MG_MIN * CIGARETTE_MIN / volume_m3
    return particles, cigarettes * CIGARETTE_CO_MG / volume_m3
