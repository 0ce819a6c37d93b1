"""Air temperature and echoes: from two frames on two ports to the level that leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import ManualClock
from core.community_file import parse_community
from core.configuration import ConfigurationError
from core.quality import Quality, Reason
from core.reading import Reading
from edge.air import FRESH_MS, speed_of_sound
from edge.chronometer import Chronometer
from edge.configuration import load_station
from edge.instruments import Instrument, instruments_on
from edge.intake import Intake
from edge.tray import Tray

STATION = """
[station]
id = "north-1"
site = "riverside"
clock = "trusted"
[[port]]
id = "uart-0"
path = "gauge"
[[port]]
id = "usb-0"
path = "bridge"
warm = true
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.20
interval_s = 0.1
port = "uart-0"
{air}
[[sensor]]
id = "air-1"
station = "north-1"
zone = "underpass"
driver = "ndjson_bridge"
quantity = "temperature"
hazard = "equipment"
interval_s = 1
port = "usb-0"
"""


class Site:
    """A gauge and a thermometer of one station."""

    def __init__(self, tmp_path: Path, air: str) -> None:
        path = tmp_path / "station.toml"
        path.write_text(STATION.format(air=air), encoding="utf-8")
        config = load_station(path)
        self._clock = ManualClock()
        self._tray = Tray()
        self._intake = Intake(config, Chronometer(self._clock, trusted=True), self._tray)
        self._gauge, self._bridge = (
            instruments_on(port, config.sensor)[0] for port in ("uart-0", "usb-0")
        )

    def feels(self, celsius: float) -> None:
        """The thermometer says something."""
        words = self._bridge.driver.encode({"temp": celsius})
        self._take(self._bridge, words)

    def hears(self, mm: int) -> Reading:
        """The gauge hears an echo; what leaves of it."""
        self._take(self._gauge, self._gauge.driver.encode({"distance": mm}))
        batches, _ = self._tray.take()
        return [one for batch in batches for one in batch.readings if one.sensor == "gauge-1"][-1]

    def passes(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def _take(self, instrument: Instrument, raw: bytes) -> None:
        self._clock.advance(1)
        for frame in instrument.driver.feed(raw):
            self._intake.frame(instrument, frame)


def level(celsius: float) -> float:
    """3.2 m above the ground an echo of 3 m, in this air; the station rounds to the micrometre."""
    return round(3.2 - 3.0 * speed_of_sound(celsius) / speed_of_sound(20), 6)


NAMED = 'air_temperature = "air-1"'
FIXED = "air_temperature_c = 0"


def test_ten_degrees_are_fifty_millimetres_at_three_metres() -> None:
    assert 3.0 * (speed_of_sound(30) / speed_of_sound(20) - 1) == pytest.approx(0.051, abs=0.001)


def test_the_thermometer_of_the_station_corrects_the_level(tmp_path: Path) -> None:
    site = Site(tmp_path, NAMED)
    site.feels(30.0)
    warm = site.hears(3000)
    assert warm.value == level(30)
    assert warm.quality is Quality.GOOD
    site.feels(20.0)
    assert site.hears(3000).value == pytest.approx(0.2)


def test_without_the_keys_nothing_is_corrected(tmp_path: Path) -> None:
    site = Site(tmp_path, "")
    site.feels(40.0)
    assert site.hears(3000).value == pytest.approx(0.2)


def test_before_the_first_and_after_an_old_temperature_the_level_is_uncertain(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path, NAMED)
    first = site.hears(3000)
    assert first.value == pytest.approx(0.2)
    assert first.reasons == (Reason.UNCOMPENSATED,)
    site.feels(30.0)
    assert site.hears(3000).quality is Quality.GOOD
    site.passes(FRESH_MS / 1000 + 1)
    old = site.hears(3000)
    assert (old.quality, old.reasons) == (Quality.UNCERTAIN, (Reason.UNCOMPENSATED,))
    assert old.value == level(30)


def test_a_fixed_temperature_stands_in_while_the_thermometer_is_silent(tmp_path: Path) -> None:
    site = Site(tmp_path, f"{NAMED}\n{FIXED}")
    cold = level(0)
    held = site.hears(3000)
    assert held.value == cold
    assert held.quality is Quality.GOOD
    site.feels(20.0)
    assert site.hears(3000).value == pytest.approx(0.2)
    site.passes(FRESH_MS / 1000 + 1)
    held = site.hears(3000)
    assert held.value == cold
    assert held.quality is Quality.GOOD


def test_a_sensor_that_assumes_another_temperature_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, f"{FIXED}\nair_reference_c = 0")
    assert site.hears(3000).value == pytest.approx(0.2)


def test_a_broken_thermometer_corrects_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, NAMED)
    site.feels(20.0)
    site.feels(85.0)  # what a DS18B20 says before it has measured
    assert site.hears(3000).value == pytest.approx(0.2)


COMMUNITY = """
[site]
id = "riverside"
name = {{ en = "Riverside" }}
[[zone]]
id = "underpass"
name = {{ en = "Underpass" }}
[[sensor]]
id = "gauge-1"
station = "north-1"
zone = "underpass"
driver = "dfrobot_a02yyuw"
quantity = "water-level"
hazard = "flood"
mount_height_m = 3.20
{keys}
[[sensor]]
id = "air-1"
station = "{other}"
zone = "underpass"
driver = "ndjson_bridge"
quantity = "temperature"
hazard = "equipment"
"""


@pytest.mark.parametrize(
    ("keys", "other", "message"),
    [
        ('air_temperature = "air-2"', "north-1", "'air-2': is no temperature sensor"),
        ('air_temperature = "gauge-1"', "north-1", "'gauge-1': is no temperature sensor"),
        (NAMED, "south-1", "belongs to station 'south-1'"),
        ("air_temperature_c = 300", "north-1", "expected -50 to 70 Cel"),
        ("air_reference_c = 90", "north-1", "expected -10 to 40 Cel"),
        ("believable_low = 2\nbelievable_high = 1", "north-1", "expected low below high"),
        ("believable_low = nan", "north-1", "expected low below high"),
        ("max_rate_per_s = 0", "north-1", "max_rate_per_s 0"),
        ("stuck_s = -1", "north-1", "stuck_s -1"),
        ("deadband = -0.1", "north-1", "deadband -0.1"),
        ("heartbeat_s = 30", "north-1", "expected below 30 s (then it is silent)"),
    ],
)
def test_a_wrong_key_is_refused_with_what_is_expected(keys: str, other: str, message: str) -> None:
    parse_community(COMMUNITY.format(keys=NAMED, other="north-1"))
    with pytest.raises(ConfigurationError) as caught:
        parse_community(COMMUNITY.format(keys=keys, other=other))
    assert message in str(caught.value)


def test_a_station_refuses_the_same_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no temperature sensor"):
        Site(tmp_path, 'air_temperature = "air-9"')
    with pytest.raises(ConfigurationError, match="deadband"):
        Site(tmp_path, "deadband = -1")
