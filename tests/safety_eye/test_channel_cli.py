"""`safety-eye channel`: an installer lists the ways to people and tries one at noon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safety_eye.cli import app
from safety_eye.virtual_modem import UNKNOWN_NUMBER, Behaviour, VirtualModem

COMMUNITY = """
[site]
id = "riverside"
name = { zh = "河畔", en = "Riverside" }
[[zone]]
id = "underpass"
name = { zh = "下穿通道", en = "Underpass" }
[[contact]]
id = "duty-1"
name = "Li"
role = "duty"
channels = ["sms:+8613800000000"]
[[contact]]
id = "duty-2"
name = "Wang"
role = "duty"
channels = ["sms:13911112222"]
"""


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[VirtualModem]:
    (tmp_path / "community.toml").write_text(COMMUNITY)
    (tmp_path / "hub.toml").write_text(
        f'[[channel]]\nname = "sms"\nkind = "gsm"\noptions = {{ port = "{tmp_path}/modem" }}\n'
    )
    made = VirtualModem(tmp_path / "modem")
    yield made
    made.close()


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    files = ("--hub", str(directory / "hub.toml"), "--community", str(directory / "community.toml"))
    done = CliRunner().invoke(app, ["channel", *arguments, *files])
    return done.exit_code, done.output


def test_a_test_over_the_modem_arrives_and_says_so(modem: VirtualModem, tmp_path: Path) -> None:
    code, said = run(tmp_path, "test", "sms", "duty-1", "--wait", "10", "--by", "李工")

    assert code == 0
    assert "accepted: +CMGS" in said
    assert "delivered to the phone" in said
    [text] = modem.texts("+8613800000000")
    assert text.startswith("【通道测试】平安眼\n李工 ")
    assert text.endswith("手动测试，无需处理。")
    assert "每日自检" not in text


def test_a_test_that_does_not_arrive_is_a_failure(modem: VirtualModem, tmp_path: Path) -> None:
    modem.behaviour = Behaviour(fates={"+8613800000000": UNKNOWN_NUMBER})

    code, said = run(tmp_path, "test", "sms", "duty-1", "--wait", "10")

    assert code == 1
    assert "NOT delivered" in said


def test_a_number_without_its_country_is_told_with_what_to_write(
    modem: VirtualModem, tmp_path: Path
) -> None:
    code, said = run(tmp_path, "test", "sms", "duty-2")

    assert code == 1
    assert 'expected channels = ["sms:+8613800000000"]' in said
    assert modem.parts == []


def test_the_list_names_kinds_people_and_addresses_that_do_not_work(
    modem: VirtualModem, tmp_path: Path
) -> None:
    code, said = run(tmp_path, "list")

    assert code == 0
    assert "sms              gsm            duty-1, duty-2" in said
    assert "advice: contact 'duty-2'" in said
    assert "13911112222" not in said
    assert modem.commands == []


@pytest.mark.parametrize("arguments", [("test", "fax", "duty-1"), ("test", "sms", "nobody")])
def test_what_is_unknown_is_one_clear_line(
    arguments: tuple[str, ...], modem: VirtualModem, tmp_path: Path
) -> None:
    code, said = run(tmp_path, *arguments)

    assert code == 2
    assert "is unknown; channels: sms" in said
    assert modem.parts == []
