"""What people write: the README's examples open, and contacts' addresses are looked at."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from alerts.channels import KINDS, open_channels, unusable
from alerts.channels.base import Channel
from core.community import Contact
from safety_eye.hub import HubConfig

ROOT = Path(__file__).parents[2]
SECRETS = {
    "gsm": "2580",
    "twilio-voice": "AC0123456789abcdef0123456789abcdef\nnobodysauthtoken",
    "apprise": "json://localhost/",
}


def examples(directory: Path) -> dict[str, Channel]:
    """Open the channels of the README's example, with secrets and folders of our own."""
    text = (ROOT / "alerts" / "channels" / "README.md").read_text(encoding="utf-8")
    toml = text.partition("```toml")[2].partition("```")[0]
    config = msgspec.convert(tomllib.loads(toml), HubConfig)
    entries = []
    for entry in config.channel:
        secret = directory / f"{entry.name}.key"
        secret.write_text(SECRETS.get(entry.kind, "LTAInobodyskeyid\nnobodyskeysecret"))
        options = dict(entry.options)
        if "key_directory" in options:
            options["key_directory"] = str(directory)
        file = str(secret) if entry.secret_file else ""
        entries.append(msgspec.structs.replace(entry, secret_file=file, options=options))
    return open_channels(entries)


def test_the_examples_of_the_readme_open(tmp_path: Path) -> None:
    pytest.importorskip("apprise", reason="the extra long-tail is not installed")

    channels = examples(tmp_path)

    assert len(channels) == 9
    for channel in channels.values():
        channel.close()


def test_the_readme_names_every_kind() -> None:
    for file in ("alerts/README.md", "alerts/channels/README.md"):
        text = (ROOT / file).read_text(encoding="utf-8")
        named = set(re.findall(r"`([a-z-]+)`", text))
        assert set(KINDS) <= named, file


@pytest.mark.parametrize(
    ("entry", "good"),
    [
        ("sms:+8613800000000", True), ("sms:13911112222", False), ("sms", False),
        ("call:+86-138", False), ("mail:li@example.com", True), ("mail:li", False),
        ("app:LiWei", True), ("app:a|b", False), ("siren:north-1/horn", True),
        ("siren:north-1", False), ("unknown:x", True),
    ],
)  # fmt: skip
def test_an_address_that_a_channel_could_not_reach_is_told_at_the_start(
    entry: str, good: bool, tmp_path: Path
) -> None:
    pytest.importorskip("apprise", reason="the extra long-tail is not installed")
    channels = examples(tmp_path)

    found = unusable(channels, [Contact("duty-1", "Li", "duty", (entry,))])

    assert bool(found) is not good
    assert "13911112222" not in "".join(found)
    for channel in channels.values():
        channel.close()
