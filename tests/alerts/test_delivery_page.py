"""What alerts/DELIVERY.md shows as configuration can be used as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import alerts
from alerts.delivery import problems
from alerts.ladder import FOREVER
from core.configuration import ConfigurationError
from safety_eye.check import describe
from safety_eye.hub import HubConfig, load_hub
from tests.alerts.samples import SECRET

PAGE = Path(str(alerts.__file__)).with_name("DELIVERY.md")


def configured(directory: Path, text: str) -> HubConfig:
    file = directory / "hub.toml"
    file.write_text(text, encoding="utf-8")
    return load_hub(file)


def test_the_examples_of_the_page_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2

    config = configured(tmp_path, "\n".join(blocks))

    assert config.escalation[0].repeat == FOREVER
    assert config.escalation[0].step[1].contacts == ("neighbour-7",)
    assert problems(config.delivery) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[escalation]]\ngrade = "red"\nstep = []', "escalation 'red': step: the first"),
        ('[quiet]\nhold = "red"', "quiet.hold 'red'"),
        ("[digest]\nafter = 0", "digest.after 0"),
        ('[selftest]\nat = "soon"', "selftest.at 'soon'"),
        ('owner = "two words"', "owner 'two words'"),
        ("[escalate]\n", "escalate"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(tmp_path, text)

    assert says in str(refused.value)


def test_two_programs_on_one_database_have_names(tmp_path: Path) -> None:
    assert configured(tmp_path, 'owner = "alerts-b"').owner == "alerts-b"


def test_a_check_of_hub_toml_says_who_is_called_when_and_what_is_unwise(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    file = tmp_path / "hub.toml"
    file.write_text(
        f'[[channel]]\nname = "hook"\nkind = "webhook"\nurl = "https://hooks.example.com/x"\n'
        f'secret_file = "{tmp_path / "key"}"\n[selftest]\nat = ""\n'
    )

    said = "\n".join(describe(file))

    assert "escalation red: 0 min duty" in said
    assert "until taken over" in said
    assert "no [watchdog] url_file" in said
    assert "http.public_url is not set" in said
    assert "[selftest] is off" in said


def test_a_watchdog_whose_address_is_missing_is_found_by_the_check(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(f'[watchdog]\nurl_file = "{tmp_path / "none"}"\n')

    with pytest.raises(ConfigurationError, match="watchdog"):
        describe(file)
