from __future__ import annotations

from pathlib import Path

import pytest

from core.configuration import ConfigurationError
from core.quantity import Quantity
from edge.configuration import load_station

GOOD = """
[station]
id = "north-1"
site = "riverside"

[broker]
host = "hub.local"
password_file = "secret"

[[port]]
id = "uart-0"
path = "ports/uart-0"

[[port]]
id = "rs485-0"
path = "/dev/serial/by-id/usb-FTDI-if00-port0"
baud = 9600

[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.20
port = "uart-0"

[[sensor]]
id = "gauge-2"
station = "north-1"
zone = "garage-b1"
driver = "qdy30a"
quantity = "water-level"
hazard = "flood"
port = "rs485-0"
address = 1

[[limit]]
zone = "underpass"
quantity = "water-level"
red = 0.27
reason = "test"
"""


def load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "station.toml"
    file.write_text(text)
    return load_station(file)


def test_a_good_file_becomes_a_station_with_absolute_paths(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(GOOD)
    config = load_station(file)
    assert config.station.clock == "auto"
    assert config.spool_path == tmp_path / "spool.db"
    assert config.port[0].path == str(tmp_path / "ports/uart-0")
    assert config.port[1].path == "/dev/serial/by-id/usb-FTDI-if00-port0"
    assert config.broker.password_file == str(tmp_path / "secret")
    assert config.sensor[0].quantity is Quantity.WATER_LEVEL
    assert not config.port[0].dtr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('site = "riverside"', 'site = "River Side"', "site id 'River Side'"),
        ('site = "riverside"', 'site = "riverside"\ntypo = 1', "typo"),
        ('site = "riverside"', 'site = "riverside"\nclock = "maybe"', "maybe"),
        (
            'site = "riverside"',
            'site = "riverside"\npack_interval_s = 900',
            "pack_interval_s 900.0: expected 0.1 to 60",
        ),
        ('port = "uart-0"', 'port = "uart-9"', "'uart-9' is not a [[port]] (there are: rs485-0"),
        ('driver = "qdy30a"', 'driver = "qdy31"', "driver 'qdy31' is not known"),
        ('station = "north-1"\nzone = "underpass"', 'station = "x"\nzone = "underpass"', "'x'"),
        ('id = "gauge-2"', 'id = "gauge-1"', "sensor id 'gauge-1': twice"),
        ("address = 1", "address = 1\noptions = { wrong = 1 }", "no option 'wrong'"),
        ("baud = 9600", "baud = 5", "baud 5: expected 300"),
        ("mount_height_m = 3.20", "mount_height_m = -1.0", "mount_height_m -1.0"),
        ("mount_height_m = 3.20", 'also = ["water-level"]', "twice"),
        ("red = 0.27", "red = 0.27\nhysteresis = nan", "must be finite"),
        ("mount_height_m = 3.20", "interval_s = 0", "interval_s 0"),
        ('port = "rs485-0"', 'port = "uart-0"', "sends by itself and can't share with qdy30a"),
        ("red = 0.27", "red = 0.27\nblue = 0.5", "limits must rise"),
        ('id = "north-1"\nsite', 'id = "north-1\nsite', "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_mend(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert words in str(caught.value)
    assert "station.toml" in str(caught.value)


def test_two_kinds_of_device_at_one_address_are_refused(tmp_path: Path) -> None:
    clash = (
        GOOD
        + """
[[sensor]]
id = "smoke-1"
station = "north-1"
zone = "stairwell"
driver = "sonbest_sm7571b"
quantity = "smoke-index"
hazard = "fire"
port = "rs485-0"
address = 1
"""
    )
    with pytest.raises(ConfigurationError, match="have the same address 1"):
        load(tmp_path, clash)
