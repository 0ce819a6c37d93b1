"""The acting part of station.toml: what is refused, and what the file means in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.configuration import ConfigurationError
from edge.acting import settings_check
from edge.configuration import describe_station, load_station

STATION = """
[station]
id = "s1"
site = "a"

[[port]]
id = "rs485"
path = "/dev/null"

[[sensor]]
id = "gauge-1"
station = "s1"
zone = "underpass"
driver = "qdy30a"
quantity = "water-level"
hazard = "flood"
port = "rs485"

[[limit]]
zone = "underpass"
quantity = "water-level"
orange = 0.2
red = 0.27
reason = "test"
"""
MANDATE = """
[mandate]
signed_by = "Li Wei, property office"
signed_on = 2026-01-10
valid_until = 2099-12-31
text = "The siren of the underpass may sound"
"""
SIREN = '[[output]]\nid = "siren"\nkind = "simulated"\nfile = "siren.jsonl"\n'
PUMP = (
    '[[output]]\nid = "pump"\nkind = "modbus-coil"\nport = "rs485"\naddress = 2\nharmful = true\n'
)
TIMED = 'pulse_coil = 512\n[output.dead_man]\nkind = "timed-relay"\nhold_s = 10\nwiring = "K1"\n'
ACT = (
    '[[act]]\noutput = "siren"\nwhen = "alone"\nzone = "underpass"\nquantity = "water-level"\n'
    'after_s = 30\n'
)  # fmt: skip


def written(tmp_path: Path, *parts: str) -> Path:
    path = tmp_path / "station.toml"
    path.write_text("\n".join((STATION, *parts)))
    return path


def test_a_file_with_everything_is_accepted_and_says_what_it_means(tmp_path: Path) -> None:
    silent = ACT.replace('quantity = "water-level"\n', "").replace('"alone"', '"hub-silent"')
    key = '[command]\nkey_file = "command.key"\n'
    config = load_station(written(tmp_path, MANDATE, SIREN, PUMP + TIMED, ACT, silent, key))
    assert config.output[0].file == str(tmp_path / "siren.jsonl")
    assert config.command.key_file == str(tmp_path / "command.key")
    text = "\n".join(describe_station(config))
    assert "mandate: Li Wei, property office, 2026-01-10, until 2099-12-31" in text
    assert "water-level in underpass at red or worse: when the hub is gone for 30 s" in text
    assert "timed-relay of 10 s, could do harm" in text
    assert "has no feedback" in text


def test_an_expired_mandate_is_said_in_capitals(tmp_path: Path) -> None:
    old = MANDATE.replace("2099-12-31", "2026-01-11")
    text = "\n".join(describe_station(load_station(written(tmp_path, old, SIREN, ACT))))
    assert "mandate expired: THIS STATION DOES NOT ACT ALONE" in text


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((SIREN, ACT), "[[act]] without [mandate]"),
        ((MANDATE.replace("2099-12-31", "2025-01-01"),), "before it was signed"),
        ((MANDATE.replace('"Li Wei, property office"', '" "'),), "mandate.signed_by"),
        ((PUMP,), "harmful, so dead_man is needed"),
        ((PUMP + TIMED.replace("pulse_coil = 512\n", ""),), "pulse_coil and dead_man"),
        ((PUMP + TIMED.replace('"K1"', '""'),), "wiring in words"),
        ((SIREN, SIREN), "output id 'siren': twice"),
        ((SIREN.replace('file = "siren.jsonl"\n', ""),), "file: expected where"),
        ((SIREN + "min_on_s = 700\n",), "must be below max_run_s"),
        ((SIREN + "max_run_s = nan\n",), "max_run_s nan"),
        (('[[output]]\nid = "x"\nkind = "command"\non = ["a"]\n',), "off: expected a program"),
        (('[[output]]\nid = "x"\nkind = "gpio"\npin = 99\n',), "pin 99: expected 0 to 53"),
        ((SIREN.replace('"simulated"', '"modbus-coil"'),), "port '' is not a [[port]]"),
        ((MANDATE, SIREN, ACT.replace('"siren"', '"horn"')), "output 'horn' is not an [[output]]"),
        ((MANDATE, SIREN, ACT.replace("= 30", "= 3")), "at least 10 s"),
        ((MANDATE, SIREN, ACT.replace("underpass", "attic")), "no sensor of this station"),
        ((MANDATE, SIREN, ACT.replace('"alone"', '"at-once"')), "reason is missing"),
        ((MANDATE, SIREN, ACT.replace('"alone"', '"hub-silent"')), "quantity has no meaning"),
        ((SIREN + '[output.feedback]\nsensor = "mic"\n',), "'mic' is not a [[sensor]]"),
        ((SIREN + '[output.feedback]\nsensor = "gauge-1"\n',), "does not measure contact"),
        ((SIREN, '[[button]]\nsensor = "b"\naction = "test"\n'), "'b' is not a [[sensor]]"),
        ((SIREN + "volume = 11\n",), "volume"),
    ],
)  # fmt: skip
def test_a_dangerous_or_pointless_file_is_refused_with_the_reason(
    tmp_path: Path, parts: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_station(written(tmp_path, *parts))
    assert words in str(refused.value)


def test_a_pin_without_the_package_that_drives_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_check, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="gpiozero, which is not installed here"):
        load_station(written(tmp_path, '[[output]]\nid = "x"\nkind = "gpio"\npin = 17\n'))


def test_an_act_on_a_grade_that_no_limit_reaches_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, MANDATE, SIREN, ACT)
    file.write_text(file.read_text().replace("red = 0.27\n", ""))
    with pytest.raises(ConfigurationError, match="no limit of water-level there reaches red"):
        load_station(file)


def test_the_example_of_the_readme_is_accepted(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "edge/README.md").read_text()
    example = next(part for part in readme.split("```toml\n")[1:] if part.startswith("[mandate]"))
    text = example.split("```")[0].replace('kind = "gpio"', 'kind = "simulated"\nfile = "x"')
    inputs = "".join(
        f'[[sensor]]\nid = "{name}"\nstation = "s1"\nzone = "underpass"\n'
        f'port = "rs485"\naddress = 3\n'
        f'driver = "modbus_di_module"\nquantity = "contact"\nhazard = "equipment"\n'
        f'measure = "di{index}"\n'
        for index, name in enumerate(("mic-1", "button-1"))
    )
    ports = STATION.replace('id = "rs485"', 'id = "rs485-0"').replace(
        'port = "rs485"', 'port = "rs485-0"'
    )
    file = tmp_path / "station.toml"
    file.write_text(ports + inputs.replace('port = "rs485"', 'port = "rs485-0"') + text)
    config = load_station(file)
    assert [output.id for output in config.output] == ["siren", "pump"]
    assert [act.when for act in config.act] == ["alone", "hub-silent"]
