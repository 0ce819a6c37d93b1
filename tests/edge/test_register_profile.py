"""Modbus devices as data: shipped profiles, an installer's own, and single registers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from core.quality import Quality, Reason
from core.quantity import Quantity
from edge.configuration import load_station
from edge.drivers import DRIVERS, make_driver
from edge.drivers.base import Driver, DriverError, Measurement
from edge.drivers.register_driver import RegisterDriver
from edge.drivers.register_profile import load_profile
from edge.modbus import Request, exception_frame, reply_frame

PROFILE = """
title = "gas panel of block 7"
source = "sheet GP-7 rev. 2, page 4"
verified = false
baud = 4800
warm_up_s = 30

[identity]
register = 100
equals = [0x0711, 0x0712]

[[value]]
name = "co"
quantity = "carbon-monoxide"
unit = "ppm"
function = 4
register = 10
type = "s16"
scale = 0.1
low = 0
high = 500
saturates = true
sentinels = { "0x7FFF" = "device-fault", "0xFFFF" = "warming-up" }

[[value]]
name = "total"
register = 40
type = "u32"
word_order = "CDAB"

[[value]]
name = "door"
quantity = "contact"
unit = "bool"
function = 2
register = 3
type = "bool"
invert = true
"""


def written(tmp_path: Path, text: str = PROFILE) -> str:
    path = tmp_path / "gas-panel.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def answer(driver: Driver, data: str) -> dict[str, Measurement]:
    """The next request of *driver*, answered with these data bytes."""
    address, function, register, count = struct.unpack(">BBHH", driver.request()[:6])
    raw = reply_frame(Request(address, function, register, count), bytes.fromhex(data))
    return {one.name: one for frame in driver.feed(raw) for one in frame.measurements}


def inline(data: str, **options: str | float | bool) -> Measurement:
    return answer(make_driver("modbus_registers", options), data)["value"]


def next_request(driver: Driver) -> bytes:
    """What it would ask now; asking again without an answer means something else."""
    assert isinstance(driver, RegisterDriver)
    return driver.block().frame


def test_an_installers_profile_drives_a_device_that_nobody_has_met(tmp_path: Path) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path), "address": 7})
    assert (driver.facts.baud, driver.facts.warm_up_s, driver.facts.verified) == (4800, 30, False)
    assert next_request(driver) == Request(7, 3, 100, 1).frame
    assert answer(driver, "0712") == {}
    assert next_request(driver) == Request(7, 4, 10, 1).frame
    co = answer(driver, "00D6")["co"]
    assert (co.value, co.unit, co.quantity) == (21.4, "ppm", Quantity.CARBON_MONOXIDE)
    assert answer(driver, "86A00001")["total"].value == 100_000
    assert next_request(driver) == Request(7, 2, 3, 1).frame
    assert answer(driver, "00")["door"].value is True
    assert next_request(driver) == Request(7, 4, 10, 1).frame
    assert driver.requests_per_reading == 3


@pytest.mark.parametrize(
    ("data", "quality", "reason", "at_least"),
    [
        ("7FFF", Quality.BAD, Reason.DEVICE_FAULT, None),
        ("FFFF", Quality.BAD, Reason.WARMING_UP, None),
        ("FFFE", Quality.BAD, Reason.RANGE, None),
        ("1389", Quality.UNCERTAIN, Reason.SATURATED, 500),
    ],
)
def test_sentinels_and_impossible_contents_are_no_numbers(
    tmp_path: Path, data: str, quality: Quality, reason: Reason, at_least: float | None
) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path)})
    answer(driver, "0711")
    co = answer(driver, data)["co"]
    assert (co.value, co.quality, co.reasons) == (None, quality, (reason,))
    assert co.at_least == at_least


def test_above_the_range_of_a_harmless_value_there_is_no_number() -> None:
    found = inline("0065", high=100)
    assert (found.value, found.quality, found.at_least) == (None, Quality.BAD, None)


def test_a_gap_between_registers_is_never_read_across(tmp_path: Path) -> None:
    row = '[[value]]\nname = "{0}"\nregister = {1}\n'
    rows = "".join(row.format(*pair) for pair in (("a", 10), ("b", 11), ("c", 13)))
    path = written(tmp_path, 'title = "t"\nsource = "s"\nverified = true\n' + rows)
    driver = make_driver("modbus_registers", {"profile": path})
    assert next_request(driver) == Request(1, 3, 10, 2).frame
    assert answer(driver, "00010002").keys() == {"a", "b"}
    assert next_request(driver) == Request(1, 3, 13, 1).frame


def test_another_device_at_the_address_gives_no_numbers_and_is_named(tmp_path: Path) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path)})
    answer(driver, "0815")
    assert "holds 2069: expected 1809 or 1810" in driver.counters.last_error
    co = answer(driver, "00D6")["co"]
    assert (co.value, co.reasons) == (None, (Reason.CONFIGURATION,))


def test_a_device_that_refuses_its_identity_is_another_device(tmp_path: Path) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path)})
    driver.request()
    driver.feed(exception_frame(1, 3, 2))
    assert answer(driver, "00D6")["co"].reasons == (Reason.CONFIGURATION,)


def test_after_a_missing_answer_the_device_is_identified_again(tmp_path: Path) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path)})
    answer(driver, "0815")
    driver.request()  # never answered: somebody may be changing the device
    assert driver.request() == Request(1, 3, 100, 1).frame
    answer(driver, "0711")
    assert answer(driver, "00D6")["co"].value == 21.4


def test_a_refused_block_does_not_keep_the_others_from_their_turn(tmp_path: Path) -> None:
    driver = make_driver("modbus_registers", {"profile": written(tmp_path)})
    answer(driver, "0711")
    driver.request()
    driver.feed(exception_frame(1, 4, 2))
    assert answer(driver, "00000005")["total"].value == 5 * 65536


def test_a_single_register_needs_no_file() -> None:
    found = inline("FFF6", type="s16", scale=0.01, offset=-10, unit="m", register=9)
    assert (found.value, found.quantity) == (-10.1, None)
    named = inline("07D0", unit="mm", quantity="water-level")
    assert (named.value, named.quantity) == (2000, Quantity.WATER_LEVEL)


@pytest.mark.parametrize(
    ("data", "options", "value"),
    [
        ("8001", {"mask": 0x0FFF}, 1),
        ("0004", {"type": "bool", "mask": 4}, True),
        ("0003", {"type": "bool", "mask": 4}, False),
        ("0003", {"type": "bool", "mask": 4, "invert": True}, True),
        ("01", {"type": "bool", "function": 1}, True),
        ("00003DCC", {"type": "f32", "word_order": "CDAB"}, 0.09960938),
        ("C2C80000", {"type": "f32"}, -100),
        ("FFFFFFFE", {"type": "s32"}, -2),
    ],
)
def test_contents_are_read_as_the_options_say(
    data: str, options: dict[str, str | float | bool], value: float
) -> None:
    assert inline(data, **options).value == value


@pytest.mark.parametrize("content", ["7FC00000", "7F800000", "FF800000"])
def test_nan_and_infinity_are_a_fault(content: str) -> None:
    found = inline(content, type="f32")
    assert (found.value, found.reasons) == (None, (Reason.DEVICE_FAULT,))


def test_a_fault_bit_makes_a_quiet_alarm_bad_and_a_set_one_uncertain() -> None:
    driver = make_driver("faast_alarms")
    assert answer(driver, "0000")["alarm"].quality is Quality.GOOD
    answer(driver, "0040")
    quiet = answer(driver, "0000")["alarm"]
    assert (quiet.value, quiet.quality) == (None, Quality.BAD)
    answer(driver, "0080")  # isolated: it warns nobody
    loud = answer(driver, "0008")
    assert (loud["alarm"].value, loud["alarm"].quality) == (True, Quality.UNCERTAIN)
    assert loud["fire1"].value is True
    answer(driver, "0000")
    assert answer(driver, "0000")["alarm"].quality is Quality.GOOD


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "ppm"', 'unit = "degrees"', "unit 'degrees': can't become a carbon-monoxide"),
        ("function = 4", "function = 6", "function 6: expected 1 to 4"),
        ("scale = 0.1", "scale = 0", "scale 0"),
        ("scale = 0.1", "skale = 0.1", "unknown field `skale`"),
        ('name = "total"', 'name = "co"', "value 'co': twice"),
        ('"0x7FFF"', '"seven"', "sentinel 'seven': expected a content like 0xFFFF"),
        ("verified = false", "", "missing required field `verified`"),
        ("equals = [0x0711, 0x0712]", "equals = []", "identity: expected"),
        ('type = "bool"', "", "functions 1 and 2 read bits"),
        ("baud = 4800", "baud = ", "not TOML"),
        ("high = 500\n", "", "saturates: expected a high"),
    ],
)
def test_a_profile_that_is_wrong_is_refused_with_what_to_mend(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = written(tmp_path, PROFILE.replace(old, new, 1))
    with pytest.raises(DriverError) as caught:
        make_driver("modbus_registers", {"profile": path})
    assert message in str(caught.value)
    assert path in str(caught.value)


def test_a_missing_profile_and_one_beside_other_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="can't be read"):
        make_driver("modbus_registers", {"profile": str(tmp_path / "none.toml")})
    with pytest.raises(DriverError, match="profile and scale: expected one or the other"):
        make_driver("modbus_registers", {"profile": written(tmp_path), "scale": 2})


def test_a_profile_stands_beside_the_stations_file(tmp_path: Path) -> None:
    written(tmp_path)
    station = tmp_path / "station.toml"
    station.write_text(
        """
[station]
id = "north-1"
site = "riverside"
[[port]]
id = "bus"
path = "ttyUSB0"
[[sensor]]
id = "co-1"
station = "north-1"
zone = "garage"
driver = "modbus_registers"
quantity = "carbon-monoxide"
hazard = "fire"
port = "bus"
options = { profile = "gas-panel.toml" }
""",
        encoding="utf-8",
    )
    sensor = load_station(station).sensor[0]
    assert sensor.options["profile"] == str(tmp_path / "gas-panel.toml")


def test_every_shipped_profile_is_registered_and_says_whether_it_is_verified() -> None:
    folder = Path(__file__).parents[2] / "edge" / "drivers" / "profiles"
    for path in folder.glob("*.toml"):
        assert issubclass(DRIVERS[path.stem], RegisterDriver)
        profile = load_profile(path)
        assert profile.source
        assert make_driver(path.stem).facts.verified is profile.verified
    assert not make_driver("renke_rs_yg_n01").facts.verified


@pytest.mark.parametrize(
    "name",
    [
        "calectro_ug3_mb",  # zero-based or one-based addresses
        "faast_alarms",  # order of the bits
        "jxbs3001_smoke",  # meaning of the register
        "renke_rs_yg_n01",  # everything
        "sonbest_sm7571b",  # scale
        "system_sensor_faast",  # word order
        "terabee_evo_people_counter",  # byte order
        "tl136_4_20ma",  # register map of the input module
        "winsen_ze03",  # resolution for carbon monoxide
        "winsen_zh03b",  # layout without a capture
    ],
)
def test_what_no_document_or_capture_confirms_is_not_called_verified(name: str) -> None:
    assert not make_driver(name).facts.verified


def test_the_profile_of_the_readme_is_one(tmp_path: Path) -> None:
    readme = Path(__file__).parents[2] / "edge" / "drivers" / "README.md"
    text = readme.read_text(encoding="utf-8").split("# gas-panel.toml\n")[1].split("```")[0]
    driver = make_driver("modbus_registers", {"profile": written(tmp_path, text)})
    answer(driver, "0711")
    assert answer(driver, "00D6")["co"].value == 21.4
    assert answer(driver, "0040")["fault"].value is True
    assert answer(driver, "00D6")["co"].reasons == (Reason.DEVICE_FAULT,)
