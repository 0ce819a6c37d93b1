"""One module per sensor family: bytes to readings, and readings to bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.drivers.base import Driver, DriverError, Options
from edge.drivers.calectro_ug3_mb import CalectroUg3Mb
from edge.drivers.dfrobot_a02yyuw import DfrobotA02yyuw
from edge.drivers.greystone_cmd5b4 import GreystoneCmd5b4
from edge.drivers.jxbs3001_smoke import Jxbs3001Smoke
from edge.drivers.modbus_di_module import ModbusDiModule
from edge.drivers.ndjson_bridge import NdjsonBridge
from edge.drivers.plantower_pmsx003 import PlantowerPmsx003
from edge.drivers.qdy30a import Qdy30a
from edge.drivers.senseair_s8 import SenseairS8
from edge.drivers.sonbest_sm7571b import SonbestSm7571b
from edge.drivers.system_sensor_faast import SystemSensorFaast
from edge.drivers.tl136_4_20ma import Tl136
from edge.drivers.winsen_mhz19b import WinsenMhz19b
from edge.drivers.winsen_ze07_co import WinsenZe07Co

# Every device that a sensor's entry may name. Adding one is one module, one line here, one sample
# in tests/contracts/frames.json.
DRIVERS: Mapping[str, type[Driver]] = MappingProxyType(
    {
        "calectro_ug3_mb": CalectroUg3Mb,
        "greystone_cmd5b4": GreystoneCmd5b4,
        "jxbs3001_smoke": Jxbs3001Smoke,
        "senseair_s8": SenseairS8,
        "system_sensor_faast": SystemSensorFaast,
        "tl136_4_20ma": Tl136,
        "dfrobot_a02yyuw": DfrobotA02yyuw,
        "modbus_di_module": ModbusDiModule,
        "ndjson_bridge": NdjsonBridge,
        "plantower_pmsx003": PlantowerPmsx003,
        "qdy30a": Qdy30a,
        "sonbest_sm7571b": SonbestSm7571b,
        "winsen_mhz19b": WinsenMhz19b,
        "winsen_ze07_co": WinsenZe07Co,
    }
)


def make_driver(name: str, options: Options | None = None) -> Driver:
    """Return a new driver for one sensor.

    Args:
        name: Device id.
        options: The entry's options, and its `address` (which every driver takes).

    Raises:
        DriverError: Unknown device or option; the message names what is allowed.
    """
    driver = DRIVERS.get(name)
    if driver is None:
        raise DriverError(f"driver {name!r}: expected one of {', '.join(sorted(DRIVERS))}")
    return driver(options or {})
