"""One module per sensor family: bytes to readings, and readings to bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.drivers.aj_sr04m import AjSr04m
from edge.drivers.base import Driver, DriverError, Options
from edge.drivers.calectro_ug3_mb import CalectroUg3Mb
from edge.drivers.campbell_sr50a import CampbellSr50a
from edge.drivers.dfrobot_a02yyuw import DfrobotA02yyuw
from edge.drivers.dfrobot_sen0466_co import DfrobotSen0466Co
from edge.drivers.dfrobot_sen0754 import DfrobotSen0754
from edge.drivers.hlk_ld2410 import HlkLd2410
from edge.drivers.hlk_ld2450 import HlkLd2450
from edge.drivers.honeywell_hpma115c0 import HoneywellHpma115c0
from edge.drivers.jsn_sr04t_v3 import JsnSr04tV3
from edge.drivers.maxbotix_mb7389 import MaxbotixMb7389
from edge.drivers.modbus_di_module import ModbusDiModule
from edge.drivers.modbus_registers import ModbusRegisters, shipped_driver
from edge.drivers.ndjson_bridge import NdjsonBridge
from edge.drivers.nova_sds011 import NovaSds011
from edge.drivers.plantower_pms3003 import PlantowerPms3003
from edge.drivers.plantower_pms5003t import PlantowerPms5003t
from edge.drivers.plantower_pmsx003 import PlantowerPmsx003
from edge.drivers.qdy30a import Qdy30a
from edge.drivers.senseair_s8 import SenseairS8
from edge.drivers.sensirion_sps30 import SensirionSps30
from edge.drivers.system_sensor_faast import SystemSensorFaast
from edge.drivers.terabee_evo_people_counter import TerabeeEvoPeopleCounter
from edge.drivers.tl136_4_20ma import Tl136
from edge.drivers.winsen_mhz19b import WinsenMhz19b
from edge.drivers.winsen_ze03 import WinsenZe03
from edge.drivers.winsen_ze07_co import WinsenZe07Co
from edge.drivers.winsen_zh03b import WinsenZh03b

# Every device that a sensor's entry may name. Adding one is one module (for a table of Modbus
# registers one file in profiles/), one line here, one sample in tests/contracts/frames.json.
DRIVERS: Mapping[str, type[Driver]] = MappingProxyType(
    {
        "aj_sr04m": AjSr04m,
        "calectro_ug3_mb": CalectroUg3Mb,
        "campbell_sr50a": CampbellSr50a,
        "dfrobot_a02yyuw": DfrobotA02yyuw,
        "dfrobot_sen0466_co": DfrobotSen0466Co,
        "dfrobot_sen0754": DfrobotSen0754,
        "faast_alarms": shipped_driver("faast_alarms"),
        "greystone_cmd5b4": shipped_driver("greystone_cmd5b4"),
        "hlk_ld2410": HlkLd2410,
        "hlk_ld2450": HlkLd2450,
        "honeywell_hpma115c0": HoneywellHpma115c0,
        "jsn_sr04t_v3": JsnSr04tV3,
        "jxbs3001_smoke": shipped_driver("jxbs3001_smoke"),
        "maxbotix_mb7389": MaxbotixMb7389,
        "modbus_di_module": ModbusDiModule,
        "modbus_registers": ModbusRegisters,
        "ndjson_bridge": NdjsonBridge,
        "nova_sds011": NovaSds011,
        "plantower_pms3003": PlantowerPms3003,
        "plantower_pms5003t": PlantowerPms5003t,
        "plantower_pmsx003": PlantowerPmsx003,
        "qdy30a": Qdy30a,
        "renke_rs_yg_n01": shipped_driver("renke_rs_yg_n01"),
        "senseair_s8": SenseairS8,
        "sensirion_sps30": SensirionSps30,
        "sonbest_sm7571b": shipped_driver("sonbest_sm7571b"),
        "system_sensor_faast": SystemSensorFaast,
        "terabee_evo_people_counter": TerabeeEvoPeopleCounter,
        "tl136_4_20ma": Tl136,
        "winsen_mhz19b": WinsenMhz19b,
        "winsen_ze03": WinsenZe03,
        "winsen_ze07_co": WinsenZe07Co,
        "winsen_zh03b": WinsenZh03b,
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
