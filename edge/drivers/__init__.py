"""One module per sensor family: bytes to readings, and readings to bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from edge.drivers.base import Driver, DriverError, Options

# Every device that a sensor's entry may name, and its class in the module of the same name. Adding
# one is one module (for a table of Modbus registers one file in profiles/, and `PROFILE` here), one
# line here, one sample in tests/contracts/frames.json.
PROFILE = ""
_CLASSES: Mapping[str, str] = {
    "aj_sr04m": "AjSr04m",
    "calectro_ug3_mb": "CalectroUg3Mb",
    "campbell_sr50a": "CampbellSr50a",
    "dfrobot_a02yyuw": "DfrobotA02yyuw",
    "dfrobot_sen0466_co": "DfrobotSen0466Co",
    "dfrobot_sen0754": "DfrobotSen0754",
    "faast_alarms": PROFILE,
    "greystone_cmd5b4": PROFILE,
    "hlk_ld2410": "HlkLd2410",
    "hlk_ld2450": "HlkLd2450",
    "honeywell_hpma115c0": "HoneywellHpma115c0",
    "jsn_sr04t_v3": "JsnSr04tV3",
    "jxbs3001_smoke": PROFILE,
    "maxbotix_mb7389": "MaxbotixMb7389",
    "modbus_di_module": "ModbusDiModule",
    "modbus_registers": "ModbusRegisters",
    "ndjson_bridge": "NdjsonBridge",
    "nova_sds011": "NovaSds011",
    "plantower_pms3003": "PlantowerPms3003",
    "plantower_pms5003t": "PlantowerPms5003t",
    "plantower_pmsx003": "PlantowerPmsx003",
    "qdy30a": "Qdy30a",
    "renke_rs_yg_n01": PROFILE,
    "senseair_s8": "SenseairS8",
    "sensirion_sps30": "SensirionSps30",
    "sonbest_sm7571b": PROFILE,
    "system_sensor_faast": "SystemSensorFaast",
    "terabee_evo_people_counter": "TerabeeEvoPeopleCounter",
    "tl136_4_20ma": "Tl136",
    "winsen_mhz19b": "WinsenMhz19b",
    "winsen_ze03": "WinsenZe03",
    "winsen_ze07_co": "WinsenZe07Co",
    "winsen_zh03b": "WinsenZh03b",
}


class _Registry(Mapping[str, type[Driver]]):
    """The classes by device; a station loads those of its own sensors only (2 MB less)."""

    def __init__(self) -> None:
        self._loaded: dict[str, type[Driver]] = {}

    def __getitem__(self, name: str) -> type[Driver]:
        if name not in self._loaded:
            self._loaded[name] = _load(name, _CLASSES[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in _CLASSES

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


def _load(name: str, class_name: str) -> type[Driver]:
    if class_name == PROFILE:
        made: type[Driver] = import_module("edge.drivers.register_driver").shipped_driver(name)
    else:
        made = getattr(import_module(f"edge.drivers.{name}"), class_name)
    return made


DRIVERS: Mapping[str, type[Driver]] = _Registry()


def make_driver(name: str, options: Options | None = None) -> Driver:
    """Return a new driver for one sensor.

    Args:
        name: Device id.
        options: The entry's options, and its `address` (which every driver takes).

    Raises:
        DriverError: Unknown device or option; the message names what is allowed.
    """
    if name not in DRIVERS:
        raise DriverError(f"driver {name!r}: expected one of {', '.join(sorted(DRIVERS))}")
    return DRIVERS[name](options or {})
