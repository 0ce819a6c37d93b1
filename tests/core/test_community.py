"""The community profile: what it holds, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.community_file import load_community, parse_community
from core.configuration import ConfigurationError
from core.grade import Grade
from core.quantity import Quantity

SAMPLE = Path(__file__).parents[2] / "safety_eye/sample/community.toml"
SITE = '[site]\nid = "a"\nname = { zh = "甲", en = "A" }\n'
ZONE = SITE + '[[zone]]\nid = "z"\nname = { zh = "区" }\n'
LIMIT = ZONE + '[[limit]]\nzone = "z"\nquantity = "pm10"\nred = 1\n'
SENSOR = (
    ZONE + '[[sensor]]\nid = "s"\nstation = "n"\nzone = "z"\ndriver = "d"\nquantity = "pm10"\n'
    'hazard = "air"\n'
)


def test_the_sample_community_is_valid_and_gives_its_own_limits_precedence() -> None:
    community = load_community(SAMPLE)
    gauge = community.sensor_of("gauge-1")
    carbon = community.sensor_of("co-1")
    assert gauge is not None
    assert carbon is not None

    assert community.rules_of(gauge, Quantity.WATER_LEVEL)[0].limit_of(Grade.RED) == 0.27
    assert community.rules_of(carbon, Quantity.CARBON_MONOXIDE)[0].limit_of(Grade.RED) == 300
    assert community.stations == ("centre-1", "north-1", "tower-3")


def test_deadband_and_delays_may_differ_from_grade_to_grade() -> None:
    each = "hysteresis = { red = 0.5 }\ndwell_up_s = { blue = 60, red = 3 }\ndwell_down_s = 30\n"
    rule = parse_community(LIMIT + "blue = 0.5\n" + each).limit[0].rule(1000)
    blue, red = rule.levels

    assert (rule.deadband(blue), rule.deadband(red)) == (0.0, 0.5)
    assert (blue.dwell_up_ms, red.dwell_up_ms) == (60_000, 3000)
    assert {blue.dwell_down_ms, red.dwell_down_ms} == {30_000}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[site", "not TOML"),
        (SITE + "colour = 1", "colour"),
        ('[site]\nid = "Haus 1"\nname = {}', "expected 1 to 40"),
        (SITE.replace('id = "a"', 'id = "a"\ntimezone = "Mars/Base"'), "IANA"),
        (ZONE + '[[zone]]\nid = "z"\nname = {}', "twice"),
        (ZONE + 'parent = "nowhere"', "not a zone"),
        (ZONE + 'parent = "z"', "own ancestor"),
        (ZONE + '[[limit]]\nzone = "z"\nquantity = "water-level"\nblue = 2\nred = 1', "rise"),
        (ZONE + '[[limit]]\nzone = "z"\nquantity = "water-level"', "at least one"),
        (ZONE + '[[limit]]\nzone = "z"\nquantity = "distance"\nred = 1', "never judged"),
        (ZONE + '[[limit]]\nzone = "y"\nquantity = "pm10"\nred = 1', "not in the profile"),
        (ZONE + '[[limit]]\nzone = "z"\nquantity = "happiness"\nred = 1', "happiness"),
        (LIMIT + "hysteresis = nan", "finite"),
        (LIMIT + "dwell_up_s = inf", "finite"),
        (LIMIT + "dwell_down_s = -1", "not negative"),
        (LIMIT + "hysteresis = { red = -1 }", "not negative"),
        (LIMIT + "hysteresis = { pink = 1 }", "pink"),
        (SENSOR + 'also = ["pm10"]', "twice"),
        (SENSOR + '[[mapping]]\ntopic = "m/+"\nsensor = "s-2"', "'s-2' is not in the profile"),
        (SENSOR + '[[mapping]]\ntopic = "m/+"\nsensor = "s"\nunit = "grain"', "grain"),
    ],
)
def test_a_profile_that_cannot_hold_names_the_file_and_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_community(text, "here.toml")

    assert str(caught.value).startswith("here.toml: ")


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_community(tmp_path / "none.toml")
